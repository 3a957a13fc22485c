use super::fake::Manager;
use super::*;
use std::time::Instant;

const SOON: Duration = Duration::from_secs(5);
const DEADLINE: Duration = Duration::from_millis(300);

struct House {
    manager: Manager,
    ami: Arc<Ami>,
    stop: CancellationToken,
}

impl Drop for House {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

#[expect(clippy::disallowed_methods, reason = "ended by the token")]
async fn house_with(password: &str, login: Login) -> House {
    let transport = Transport::Plain;
    let manager = Manager::start().await;
    let (address, password) = (manager.address.clone(), Pii::new(password.to_owned()));
    let ami =
        Arc::new(Ami::new(AmiConfig { address, user: "vg".into(), password, login, transport, deadline: DEADLINE }).unwrap());
    let stop = CancellationToken::new();
    let (running, token) = (Arc::clone(&ami), stop.clone());
    tokio::spawn(async move { running.run(token).await });
    House { manager, ami, stop }
}

async fn house() -> House {
    let house = house_with("secret", Login::Challenge).await;
    until("logged in", || house.ami.is_up()).await;
    house
}

async fn until(what: &str, holds: impl Fn() -> bool) {
    let held = async {
        let mut look = tokio::time::interval(Duration::from_millis(5));
        while !holds() {
            look.tick().await;
        }
    };
    assert!(timeout(SOON, held).await.is_ok(), "{what}");
}

fn hang_up(channel: &str) -> Action {
    Action::Hangup { channel: channel.into(), cause: 16 }
}

#[tokio::test]
async fn the_secret_is_shown_by_a_challenge_or_as_it_is_and_a_wrong_one_is_told() {
    let house = house().await;
    assert_eq!(house.manager.log(), ["Challenge ", "Login "]);
    let plain = house_with("secret", Login::Plain).await;
    until("logged in", || plain.ami.is_up()).await;
    assert_eq!(plain.manager.log(), ["Login "]);
    for login in [Login::Challenge, Login::Plain] {
        let wrong = house_with("wrong", login).await;
        until("refused", || wrong.ami.stats().logins_refused == 1).await;
        assert_eq!(wrong.ami.ask(hang_up("c1")).await, Err(AmiError::Unreachable));
    }
}

#[tokio::test]
async fn each_action_gets_its_own_answer_or_its_deadline() {
    let house = house().await;
    let ami = &house.ami;
    let digit = Action::PlayDtmf { channel: "c1".into(), digit: Pii::new('1') };
    let get = Action::Getvar { channel: "c1".into(), variable: "X".into() };
    let to = Place { context: "q".into(), extension: Pii::new("1".into()), priority: "1".into() };
    let transfer = Action::BlindTransfer { channel: "c1".into(), to };
    let (never, done, gone, refused, value, list) = tokio::join!(
        ami.ask(digit),
        ami.ask(hang_up("c1")),
        ami.ask(hang_up("gone")),
        ami.ask(transfer),
        ami.ask(get),
        ami.list(Action::CoreShowChannels)
    );
    assert_eq!(never, Err(AmiError::Deadline));
    assert!(done.is_ok());
    assert_eq!((gone, refused), (Err(AmiError::Gone), Err(AmiError::Refused)));
    assert_eq!(value.unwrap().get("Value"), Some("1"));
    let ids: Vec<_> = list.unwrap().iter().map(|item| item.get("Uniqueid").unwrap().to_owned()).collect();
    assert_eq!(ids, ["17.1", "17.2"]);
    assert_eq!(ami.ask(hang_up("a\r\nAction: Originate")).await, Err(AmiError::Unwritable(Unwritable { field: "Channel" })));
}

#[tokio::test]
async fn events_flow_while_somebody_listens_and_tell_ends_and_keys() {
    let house = house().await;
    let mut events = house.ami.events();
    // Who asks what is left has been heard as a listener before.
    house.ami.list(Action::CoreShowChannels).await.unwrap();
    assert_eq!(house.manager.log()[2..], ["Events call,dtmf", "CoreShowChannels "]);
    house.manager.say("Event: DTMFEnd\r\nUniqueid: c1\r\nDigit: 5\r\nDirection: Sent\r\n\r\n");
    house.manager.say("Event: DTMFEnd\r\nUniqueid: c1\r\nDigit: 5\r\nDirection: Received\r\n\r\n");
    house.manager.say("no field\r\n\r\nEvent: Hangup\r\nUniqueid: c1\r\nCause: 16\r\n\r\n");
    let mut next = async || timeout(SOON, events.next()).await.unwrap();
    assert_eq!(next().await, AmiEvent::Digit { channel: "c1".into(), digit: '5' });
    assert_eq!(next().await, AmiEvent::Hangup { channel: "c1".into() });
    // The connection breaks: what was missed has to be asked for.
    house.manager.cut();
    let cut = Instant::now();
    assert_eq!(next().await, AmiEvent::Gap);
    assert!(cut.elapsed() >= Duration::from_secs(1), "after a pause");
    until("events flow again", || house.manager.log().last().is_some_and(|action| action == "Events call,dtmf")).await;
    drop(events);
    until("events end", || house.manager.log().last().is_some_and(|action| action == "Events off")).await;
    assert_eq!((house.ami.stats().malformed, house.ami.stats().logins), (1, 2));
}

#[tokio::test]
async fn an_answer_that_comes_too_late_is_counted() {
    let house = house().await;
    let digit = Action::PlayDtmf { channel: "c1".into(), digit: Pii::new('1') };
    assert_eq!(house.ami.ask(digit).await, Err(AmiError::Deadline));
    house.manager.say("Response: Success\r\nActionID: vg-1\r\n\r\nResponse: Success\r\n\r\n");
    until("counted", || house.ami.stats().answers_late == 2).await;
    assert!(house.ami.ask(hang_up("c1")).await.is_ok());
}
