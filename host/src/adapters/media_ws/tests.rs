use super::client::{Phone, PhoneConfig, PhoneError};
use super::*;
use crate::adapters::rtp::ShardConfig;
use crate::application::ports::{LegEvent, MouthCommand, MouthFloor, Observation, TelephonyEvent, TenantHint};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::timeout;
use vg_domain::event::Fact;
use vg_domain::ids::{TenantId, UtteranceId};
use vg_domain::outcome::{EndCause, Outcome};

const SOON: Duration = Duration::from_secs(5);

struct House {
    url: Url,
    shard: Arc<Shards>,
    calls: mpsc::Receiver<IncomingCall>,
    flushes: watch::Receiver<Vec<Duration>>,
    server: tokio::task::JoinHandle<()>,
}

/// How long flushes took.
struct Flushes(watch::Sender<Vec<Duration>>);

impl Observe for Flushes {
    fn observe(&self, observation: &Observation) {
        if let Observation::Flushed(took) = observation {
            self.0.send_modify(|all| all.push(*took));
        }
    }
}

impl Drop for House {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn house() -> House {
    house_for(None, Arc::default()).await
}

/// Where all sockets seem to come from `peer`.
#[expect(clippy::disallowed_methods, reason = "the test's own server")]
async fn house_for(peer: Option<SocketAddr>, tickets: Arc<Tickets>) -> House {
    let bind = "127.0.0.1:0".parse().unwrap();
    let shard = Arc::new(Shards::start(ShardConfig::new(bind)).unwrap());
    let (incoming, calls) = mpsc::channel(4);
    let (flushed, flushes) = watch::channel(Vec::new());
    let mut routes = router(Arc::clone(&shard), incoming, Silence::Comfort, tickets, Arc::new(Flushes(flushed)));
    if let Some(peer) = peer {
        routes = routes.layer(axum::Extension(ConnectInfo(peer)));
    }
    let service = routes.into_make_service_with_connect_info::<SocketAddr>();
    let listener = TcpListener::bind(bind).await.unwrap();
    let url = Url::parse(&format!("ws://{}/media/ws", listener.local_addr().unwrap())).unwrap();
    let server = tokio::spawn(async move { axum::serve(listener, service).await.unwrap() });
    House { url, shard, calls, flushes, server }
}

impl House {
    async fn call(&mut self, format: Format) -> (Phone, IncomingCall) {
        let tenant = Some("demo".into());
        let phone = Phone::connect(PhoneConfig { url: self.url.clone(), format, tenant }).await.unwrap();
        let call = timeout(SOON, self.calls.recv()).await.unwrap().unwrap();
        (phone, call)
    }
}

fn tone(rate_hz: u32, ms: u32) -> Vec<i16> {
    let step = std::f64::consts::TAU * 440.0 / f64::from(rate_hz);
    (0..rate_hz * ms / 1000).map(|n| (8000.0 * (step * f64::from(n)).sin()) as i16).collect()
}

fn loud(samples: &[i16]) -> usize {
    samples.iter().filter(|sample| sample.unsigned_abs() > 500).count()
}

#[tokio::test]
async fn a_phone_is_heard_hears_the_answer_and_learns_the_facts() {
    for format in [Format::Ulaw, Format::Slin16, Format::Opus] {
        let mut house = house().await;
        let (mut phone, mut call) = house.call(format).await;
        assert_eq!(call.tenant, TenantHint::Named(TenantId::new("demo")));
        let mut leg = call.telephony.connect_media().await.unwrap();
        call.telephony.answer().await.unwrap();
        let rate_hz = phone.rate_hz();
        assert_eq!(leg.rate_hz, rate_hz);

        phone.say(&tone(rate_hz, 600)).await;
        let mut heard = 0;
        let (mut started, mut ended) = (false, false);
        while !ended {
            match timeout(SOON, leg.events.recv()).await.unwrap().unwrap() {
                LegEvent::Audio(chunk) => heard += loud(&chunk.pcm),
                LegEvent::SpeechStarted { .. } => started = true,
                LegEvent::SpeechEnded { .. } => ended = true,
                _ => {}
            }
        }
        assert!(started && heard > rate_hz as usize / 3, "{heard} loud samples");

        let watcher = call.watcher.take().unwrap();
        watcher.send(Fact::Answered(vg_domain::dialling::AnsweredBy::Gateway)).await.unwrap();
        assert_eq!(timeout(SOON, phone.next_fact()).await.unwrap(), Some(PhoneFact::Answered));

        let utterance = UtteranceId(7);
        leg.mouth.send(MouthCommand::Say { utterance, rate_hz: 16_000, pcm: tone(16_000, 400) }).await.unwrap();
        leg.mouth.send(MouthCommand::End { utterance }).await.unwrap();
        assert!(phone.until_answer_ended(Duration::from_millis(200), SOON).await);
        let mut marks = Vec::new();
        while marks.len() < 2 {
            match timeout(SOON, leg.events.recv()).await.unwrap().unwrap() {
                LegEvent::Audible { utterance, .. } => marks.push(("audible", utterance)),
                LegEvent::Ended { utterance } => marks.push(("ended", utterance)),
                _ => {}
            }
        }
        assert_eq!(marks, [("audible", utterance), ("ended", utterance)]);

        call.telephony.hang_up(EndCause::AgentHungUp).await.unwrap();
        watcher.send(Fact::Ended(Outcome { cause: EndCause::AgentHungUp, turns: 1 })).await.unwrap();
        drop(watcher);
        let ended = timeout(SOON, phone.next_fact()).await.unwrap();
        assert_eq!(ended, Some(PhoneFact::Ended { cause: "agent_hung_up".into(), turns: 1 }));
        let (recording, outcome) = phone.hang_up().await;
        assert_eq!(outcome, Ok(()));
        assert_eq!(recording.caller.len(), recording.agent.len());
        assert!(loud(&recording.agent) > rate_hz as usize / 4, "{} loud samples", loud(&recording.agent));
        assert!(loud(&recording.caller) > rate_hz as usize / 3);
        drop((leg, call));
        until_no_leg(&house.shard).await;
    }
}

#[tokio::test]
async fn a_phone_that_hangs_up_is_a_caller_who_is_gone() {
    let mut house = house().await;
    let (phone, mut call) = house.call(Format::Ulaw).await;
    let leg = call.telephony.connect_media().await.unwrap();
    let (_, outcome) = tokio::join!(
        async {
            assert_eq!(timeout(SOON, call.events.recv()).await.unwrap(), Some(TelephonyEvent::CallerGone));
            drop(call);
        },
        phone.hang_up()
    );
    assert_eq!(outcome.1, Ok(()));
    drop(leg);
    until_no_leg(&house.shard).await;
}

#[tokio::test]
async fn a_key_is_a_digit_and_a_hushed_answer_stops() {
    let mut house = house().await;
    let (mut phone, mut call) = house.call(Format::Slin16).await;
    let mut leg = call.telephony.connect_media().await.unwrap();
    phone.press('5').await;
    assert_eq!(timeout(SOON, call.events.recv()).await.unwrap(), Some(TelephonyEvent::Digit('5')));
    let utterance = UtteranceId(1);
    leg.mouth.send(MouthCommand::Say { utterance, rate_hz: 16_000, pcm: tone(16_000, 5000) }).await.unwrap();
    let mut hushed = None;
    while hushed.is_none() {
        match timeout(SOON, leg.events.recv()).await.unwrap().unwrap() {
            LegEvent::Audible { .. } => {
                leg.floor.send_replace(MouthFloor { hushed: Some(utterance), paused: false });
            }
            LegEvent::Hushed { utterance, spoken_ms } => hushed = Some((utterance, spoken_ms)),
            _ => {}
        }
    }
    let (whose, spoken_ms) = hushed.unwrap();
    assert_eq!(whose, Some(utterance));
    assert!((1..1000).contains(&spoken_ms), "{spoken_ms} ms");
    let flushed = timeout(SOON, house.flushes.wait_for(|all| !all.is_empty())).await.unwrap().unwrap().clone();
    assert!(flushed.len() == 1 && flushed[0] < SOON, "{flushed:?}");
    drop(call);
    let (recording, _) = phone.hang_up().await;
    assert!(loud(&recording.agent) < 16_000, "5 s were said, and stopped at once");
}

#[tokio::test]
async fn a_page_from_elsewhere_is_refused() {
    use tokio_tungstenite::tungstenite::client::IntoClientRequest;
    let house = house().await;
    let status = async |origin: &str| {
        let mut request = house.url.as_str().into_client_request().unwrap();
        request.headers_mut().insert("Origin", origin.parse().unwrap());
        match tokio_tungstenite::connect_async(request).await {
            Err(tokio_tungstenite::tungstenite::Error::Http(answer)) => answer.status().as_u16(),
            Ok((_, answer)) => answer.status().as_u16(),
            Err(error) => panic!("{error}"),
        }
    };
    assert_eq!(status("https://elsewhere.example").await, 403);
    assert_eq!(status("null").await, 403);
    assert_eq!(status("http://127.0.0.1:8080").await, 101);
}

#[tokio::test]
async fn from_another_machine_a_socket_takes_a_ticket_that_holds_and_takes_it_once() {
    let tickets = Arc::new(Tickets::default());
    let house = house_for(Some("192.0.2.7:4000".parse().unwrap()), Arc::clone(&tickets)).await;
    let status = async |query: &str| {
        let mut url = house.url.clone();
        url.set_query(Some(query));
        match tokio_tungstenite::connect_async(url.as_str()).await {
            Err(tokio_tungstenite::tungstenite::Error::Http(answer)) => answer.status().as_u16(),
            Ok((_, answer)) => answer.status().as_u16(),
            Err(error) => panic!("{error}"),
        }
    };
    let ticket = format!("ticket={}", tickets.issue(&TenantId::new("acme")).unwrap());
    assert_eq!(status("facts=1").await, 403);
    assert_eq!(status("ticket=made-up").await, 403);
    assert_eq!(status(&ticket).await, 101);
    assert_eq!(status(&ticket).await, 403);
}

#[tokio::test]
async fn a_socket_that_says_nonsense_first_is_closed_without_a_call() {
    use futures_util::{SinkExt, StreamExt};
    use tokio_tungstenite::tungstenite::Message;
    let mut house = house().await;
    for nonsense in [Message::text("MEDIA_START"), Message::text("{}"), Message::binary(vec![0; 160])] {
        let (mut socket, _) = tokio_tungstenite::connect_async(house.url.as_str()).await.unwrap();
        socket.send(nonsense).await.unwrap();
        while let Some(Ok(_)) = timeout(SOON, socket.next()).await.unwrap() {}
    }
    assert!(house.calls.try_recv().is_err());
}

#[tokio::test]
async fn a_message_that_is_no_packet_of_opus_is_counted_and_the_call_goes_on() {
    use futures_util::SinkExt;
    use tokio_tungstenite::tungstenite::Message;
    let mut house = house().await;
    let (mut socket, _) = tokio_tungstenite::connect_async(house.url.as_str()).await.unwrap();
    let start = r#"{"event":"MEDIA_START","connection_id":"c","channel":"c","channel_id":"c","format":"opus"}"#;
    socket.send(Message::text(start)).await.unwrap();
    let mut call = timeout(SOON, house.calls.recv()).await.unwrap().unwrap();
    let _media = timeout(SOON, call.telephony.connect_media()).await.unwrap().unwrap();
    let counted = async {
        let mut look = tokio::time::interval(Duration::from_millis(20));
        while house.shard.stats().packets_garbage == 0 {
            look.tick().await;
            socket.send(Message::binary(vec![0xff, 0x3f])).await.unwrap();
        }
    };
    timeout(SOON, counted).await.unwrap();
    assert_eq!(house.shard.live_legs(), 1);
}

#[tokio::test]
async fn nobody_there_is_an_error() {
    let url = Url::parse("ws://127.0.0.1:9/media/ws").unwrap();
    let outcome = Phone::connect(PhoneConfig { url, format: Format::Ulaw, tenant: None }).await;
    assert_eq!(outcome.err(), Some(PhoneError::Unreachable));
}

async fn until_no_leg(shard: &Shards) {
    let none = async {
        let mut look = tokio::time::interval(Duration::from_millis(5));
        while shard.live_legs() > 0 {
            look.tick().await;
        }
    };
    timeout(SOON, none).await.expect("no leg is left");
}
