//! Cards that callers key in: the agent asks, the vault alone is told, and the agent gets a token. First in the virtual house, then the vault's own
//! protocol by TLS. That a whole gateway leaves them nowhere is a story of `taint.rs`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a broken story stops")]

#[path = "secure_collect/kept_sound.rs"]
mod kept_sound;

use std::time::Duration;
use vg_domain::call::{Keys, Standing};
use vg_domain::card::{CardDigits, CardField};
use vg_domain::event::{Fact, Role};
use vg_domain::ids::{CallId, TenantId, TurnId};
use vg_domain::recording::{PauseReason, RecordingFact};
use vg_tests::rig::{Caller, RECORDED, Rig, SAYING};
use vg_tests::vault::{VaultDouble, VaultTrouble};
use voice_gateway::adapters::vault::HttpVault;
use voice_gateway::application::ports::{
    AudioChunk, CardReport, Kept, LegEvent, MouthCommand, Observation, Question, TelephonyEvent, TenantHint, Vault, VaultError,
    VaultRequest,
};
use voice_gateway::application::resume;
use voice_gateway::config::{Config, Machine};

const NUMBER: &str = "4111111111111111";

/// The caller says it, and the agent's answer is heard to its end.
async fn ask(caller: &mut Caller, words: &str) {
    caller.say(words).await;
    tokio::time::sleep(Duration::from_millis(600)).await;
    caller.understood(words).await;
    caller.listen().await;
}

/// A caller whose agent has asked for a card.
async fn asked_for_card(rig: &Rig, tenant: TenantHint) -> Caller {
    let mut caller = rig.call_as(tenant).await;
    caller.listen().await;
    ask(&mut caller, "card").await;
    tokio::time::sleep(Duration::from_millis(10)).await;
    caller
}

async fn press(caller: &mut Caller, keys: &str) {
    for key in keys.chars() {
        caller.report(LegEvent::Digit(key)).await;
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

async fn sound(caller: &mut Caller) {
    caller.report(LegEvent::Audio(AudioChunk { pcm: vec![9_000; 320] })).await;
    tokio::time::sleep(Duration::from_millis(20)).await;
}

/// Keys in a whole card, and hears the questions between.
async fn keys_in_a_card(caller: &mut Caller) {
    press(caller, &format!("{NUMBER}#")).await;
    caller.listen().await;
    press(caller, "1230").await;
    caller.listen().await;
    press(caller, "737#").await;
}

/// What the world, the agent and whoever would go on with a call were told.
fn everything(rig: &Rig) -> String {
    let mut everything = format!("{:?}{:?}{:?}", rig.published(), rig.questions(), rig.observations());
    for snapshot in rig.snapshots() {
        everything += &String::from_utf8_lossy(&snapshot.resume.unwrap_or_default());
    }
    // Moments are the machine's, and any digits may be among them.
    let mut pieces = everything.split("sec: ");
    let first = pieces.next().unwrap_or_default().to_owned();
    pieces.fold(first, |text, piece| text + piece.trim_start_matches(|c: char| c.is_ascii_digit()))
}

/// The question that tells of a card, once it is asked.
async fn told(rig: &Rig) -> Question {
    let asked = async {
        loop {
            if let Some(question) = rig.questions().into_iter().find(|question| question.card.is_some()) {
                return question;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), asked).await.expect("the agent is told nothing of a card")
}

#[tokio::test(start_paused = true)]
async fn a_card_that_is_keyed_in_reaches_the_vault_and_the_agent_gets_a_token() {
    let rig = Rig::start(1);
    let mut caller = asked_for_card(&rig, TenantHint::Default).await;
    // Whoever would go on with the call asks for all of it, once that is kept: such a change may wait for a quarter of a second.
    tokio::time::sleep(Duration::from_millis(300)).await;
    let kept = rig.snapshots().pop().unwrap().resume.map(|kept| resume::decode(&kept).unwrap().0.place);
    assert!(matches!(kept, Some(Standing::Keying(Keys::Card(_)))), "{kept:?}");
    keys_in_a_card(&mut caller).await;
    let question = told(&rig).await;
    let CardReport { outcome, kept, last_four } = question.card.unwrap();
    let kept = kept.unwrap();
    assert_eq!((outcome, question.text.as_str()), ("given", "[card]"));
    assert_eq!((kept.token.reveal().as_str(), kept.brand.as_deref()), ("tok-1", Some("visa")));
    assert_eq!(last_four.unwrap().reveal(), "1111");
    assert_eq!(rig.cards(), [[NUMBER, "1230", "737"].map(|field| Some(field.to_owned()))]);
    caller.listen().await;

    // Nobody else was told: neither the world, nor the agent, nor whoever would go on with the call.
    let everything = everything(&rig);
    for keyed in ["41111", "1230", "737", "tok-1"] {
        assert!(!everything.contains(keyed), "{keyed}: {everything}");
    }
    assert!(everything.contains("[card]"));
}

#[tokio::test(start_paused = true)]
async fn whoever_listens_hears_silence_from_the_question_until_the_vault_has_the_card() {
    let rig = Rig::start(1);
    rig.script(|script| script.vault_takes = Duration::from_secs(2));
    let mut caller = rig.call().await;
    caller.listen().await;
    sound(&mut caller).await;
    assert_eq!(rig.heard_peaks(), [9_000]);
    caller.say("card").await;
    tokio::time::sleep(Duration::from_millis(600)).await;
    caller.understood("card").await;
    // The agent's command is known before its words are heard to their end.
    caller.hear_some().await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    sound(&mut caller).await;
    caller.listen().await;
    for keys in [&format!("{NUMBER}#"), "1230", "737#"] {
        for key in keys.chars() {
            press(&mut caller, &key.to_string()).await;
            sound(&mut caller).await;
        }
    }
    let at_vault = rig.heard_peaks().len();
    sound(&mut caller).await;
    assert!(rig.questions().iter().all(|question| question.card.is_none()), "the vault has not answered");
    assert!(rig.heard_peaks().len() > at_vault);
    told(&rig).await;
    sound(&mut caller).await;
    assert!(rig.heard_peaks()[1..].iter().all(|peak| *peak == 0), "{:?}", rig.heard_peaks());
    tokio::time::sleep(Duration::from_millis(400)).await;
    sound(&mut caller).await;
    assert_eq!(rig.heard_peaks().last(), Some(&9_000), "the conversation goes on");
}

#[tokio::test(start_paused = true)]
async fn a_card_that_is_said_where_that_is_allowed_is_heard_by_the_listener_and_told_to_the_vault_alone() {
    let rig = Rig::start(1);
    let mut caller = asked_for_card(&rig, TenantHint::Named(TenantId::new(SAYING))).await;
    for (words, whole) in
        [("it is four one one one 1111 1111 1111", true), ("one two three zero", true), ("seven three seven", false)]
    {
        sound(&mut caller).await;
        assert_eq!(rig.heard_peaks().last(), Some(&9_000), "who is to understand it hears it");
        ask_nothing(&mut caller, words).await;
        if whole && !words.ends_with("zero") {
            caller.hear_some().await;
            sound(&mut caller).await;
            assert_eq!(rig.heard_peaks().last(), Some(&0), "over the next question a key of the field before may come");
        }
        if whole {
            caller.listen().await;
        }
    }
    let question = told(&rig).await;
    assert_eq!((question.card.unwrap().outcome, question.text.as_str()), ("given", "[card]"));
    assert_eq!(rig.cards(), [[NUMBER, "1230", "737"].map(|field| Some(field.to_owned()))]);
    let everything = everything(&rig);
    for said in ["1111", "four one", "two three", "seven"] {
        assert!(!everything.contains(said), "{said}: {everything}");
    }
}

/// The caller says it, in words that are no question.
async fn ask_nothing(caller: &mut Caller, words: &str) {
    caller.say(words).await;
    tokio::time::sleep(Duration::from_millis(600)).await;
    caller.understood(words).await;
}

#[tokio::test(start_paused = true)]
async fn a_recording_is_silent_meanwhile_on_both_sides() {
    let rig = Rig::start(1);
    let mut caller = rig.call_as(TenantHint::Named(TenantId::new(RECORDED))).await;
    caller.listen().await;
    let orders = std::mem::take(&mut caller.told);
    let tap = orders.into_iter().find_map(|order| if let MouthCommand::Record(tap) = order { Some(tap) } else { None });
    let tap = tap.expect("a recording");
    assert!(!tap.is_paused(), "nothing was asked for yet");
    ask_nothing(&mut caller, "card").await;
    caller.hear_some().await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(tap.is_paused(), "the question is not heard to its end, and who knows it keys in already");
    caller.listen().await;
    // The tap is of both sides: while it is paused, none has a sample.
    for keys in [&format!("{NUMBER}#"), "1230", "737"] {
        for (nth, key) in keys.chars().enumerate() {
            assert!(tap.is_paused(), "before key {nth} of {keys}");
            press(&mut caller, &key.to_string()).await;
            assert!(tap.is_paused(), "after key {nth} of {keys}");
        }
        if keys != "737" {
            caller.listen().await;
        }
    }
    press(&mut caller, "#").await;
    told(&rig).await;
    caller.listen().await;
    ask(&mut caller, "thank you").await;
    assert!(!tap.is_paused(), "the conversation is recorded again");
    let facts: Vec<String> = rig
        .published()
        .into_iter()
        .filter_map(|(_, _, fact)| match fact {
            Fact::Recording(RecordingFact::Paused { why: PauseReason::Card, .. }) => Some("paused".to_owned()),
            Fact::Recording(RecordingFact::Resumed { .. }) => Some("resumed".to_owned()),
            Fact::Saying { text, .. } => Some(text.as_str().to_owned()),
            _ => None,
        })
        .collect();
    let told: Vec<&str> = facts.iter().map(String::as_str).skip_while(|line| !line.contains("card")).collect();
    let expected = ["You said: card.", "paused", "Its expiry date?", "Its code?", "You said: [card].", "resumed"];
    let order: Vec<&str> = told.iter().copied().filter(|line| expected.contains(line)).collect();
    let (paused, resumed) = (order.iter().position(|line| *line == "paused"), order.iter().position(|line| *line == "resumed"));
    assert!(paused < order.iter().position(|line| *line == "Its expiry date?"), "{order:?}");
    assert!(resumed > order.iter().position(|line| *line == "Its code?"), "{order:?}");
    assert_eq!(order.iter().filter(|line| **line == "paused").count(), 1, "{order:?}");
}

#[tokio::test(start_paused = true)]
async fn a_vault_that_fails_costs_the_card_and_not_the_call() {
    for error in
        [VaultError::Unavailable, VaultError::Refused, VaultError::Unauthorized, VaultError::Garbage, VaultError::TooLong]
    {
        let rig = Rig::start(1);
        rig.script(|script| script.vault_falls.push_back(error));
        let mut caller = asked_for_card(&rig, TenantHint::Default).await;
        keys_in_a_card(&mut caller).await;
        assert_eq!(told(&rig).await.card, Some(CardReport::only(error.code())));
        caller.listen().await;
        let fell = |fact: &Fact| matches!(fact, Fact::Fell { who: Role::Vault, code, .. } if *code == error.code());
        assert!(rig.published().iter().any(|(_, _, fact)| fell(fact)), "{error:?}");
        assert!(rig.observations().contains(&Observation::RungFell { role: "vault", code: error.code() }));
        ask(&mut caller, "thank you").await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_vault_that_does_not_answer_leaves_the_agent_its_time() {
    let rig = Rig::start(1);
    rig.script(|script| script.vault_takes = Duration::from_secs(3_600));
    let mut caller = asked_for_card(&rig, TenantHint::Default).await;
    keys_in_a_card(&mut caller).await;
    let question = told(&rig).await;
    assert_eq!(question.card, Some(CardReport::only("vault_late")));
    assert!((4_900..=5_000).contains(&question.within.as_millis()), "{:?}", question.within);
    caller.listen().await;
    assert!(!rig.published().iter().any(|(_, _, fact)| matches!(fact, Fact::Fell { who: Role::Thinking, .. })));
}

#[tokio::test(start_paused = true)]
async fn who_hangs_up_while_the_vault_is_asked_leaves_nothing() {
    let rig = Rig::start(1);
    rig.script(|script| script.vault_takes = Duration::from_secs(2));
    let mut caller = asked_for_card(&rig, TenantHint::Default).await;
    keys_in_a_card(&mut caller).await;
    caller.happens(TelephonyEvent::CallerGone).await;
    caller.ended().await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!((rig.live(), rig.cards().len()), (0, 0));
    assert!(rig.questions().iter().all(|question| question.card.is_none()));
}

fn card(fields: &[(CardField, &str)]) -> CardDigits {
    let mut card = CardDigits::default();
    for (field, digits) in fields {
        digits.chars().for_each(|digit| assert!(card.push(*field, digit)));
    }
    card
}

/// The vault as a gateway with this configuration asks it.
struct Client(HttpVault);

impl Client {
    fn of(toml: &str) -> Self {
        let environment = [("VAULT_TOKEN".to_owned(), "s3cret".to_owned())];
        let config = Config::parse(toml, environment, &Machine::here()).unwrap();
        Self(HttpVault::new(&config.vault.unwrap()).unwrap())
    }

    /// One that trusts the double.
    fn trusting(vault: &VaultDouble, folder: &std::path::Path) -> Self {
        let ca = folder.join("vault-ca.pem");
        vault.write_authority(&ca);
        Self::of(&format!("[vault]\nurl = '{}'\nca = '{}'\ntoken = 'env:VAULT_TOKEN'\n", vault.url(), ca.display()))
    }

    async fn keep(&self, turn: u32) -> Result<Kept, VaultError> {
        let card = card(&[(CardField::Number, NUMBER), (CardField::Expiry, "1230"), (CardField::Code, "737")]);
        let request = VaultRequest { call: CallId::new("call-1"), tenant: TenantId::new("acme"), turn: TurnId(turn), card };
        let kept = tokio::time::timeout(Duration::from_secs(20), self.0.keep(request)).await;
        kept.expect("the vault is not waited for without end")
    }
}

#[tokio::test]
async fn a_card_is_posted_by_tls_to_whom_the_operator_trusts() {
    let (vault, folder) = (VaultDouble::start().await, tempfile::tempdir().unwrap());
    let client = Client::trusting(&vault, folder.path());
    let kept = client.keep(3).await.unwrap();
    assert_eq!((kept.token.reveal().as_str(), kept.brand.as_deref()), ("tok-1", Some("visa")));
    let [asked] = &vault.mind.requests()[..] else { panic!("{:?}", vault.mind.requests()) };
    assert_eq!((asked.authorization.as_str(), asked.key.as_str()), ("Bearer s3cret", "call-1-3"));
    let body = serde_json::json!({"call_id": "call-1", "tenant_id": "acme", "number": NUMBER, "expiry": "1230", "code": "737"});
    assert_eq!(asked.body, body);
    // The system's authorities have not heard of it: it is told nothing.
    let stranger = Client::of(&format!("[vault]\nurl = '{}'\n", vault.url()));
    assert_eq!(stranger.keep(4).await, Err(VaultError::Unavailable));
    assert_eq!(vault.mind.requests().len(), 1);
}

#[tokio::test]
async fn a_field_that_was_not_asked_for_is_not_in_the_request() {
    let vault = VaultDouble::start_plain().await;
    let client = Client::of(&format!("[vault]\nurl = '{}'\nallow_plain = true\n", vault.url()));
    let card = card(&[(CardField::Code, "737")]);
    let request = VaultRequest { call: CallId::new("c"), tenant: TenantId::new("t"), turn: TurnId(1), card };
    client.0.keep(request).await.unwrap();
    let asked = &vault.mind.requests()[0];
    assert_eq!(
        (asked.body.clone(), asked.authorization.as_str()),
        (serde_json::json!({"call_id": "c", "tenant_id": "t", "code": "737"}), "")
    );
}

#[tokio::test]
async fn what_a_vault_does_wrong_has_a_code_and_is_not_tried_again() {
    let (vault, folder) = (VaultDouble::start().await, tempfile::tempdir().unwrap());
    let client = Client::trusting(&vault, folder.path());
    for (turn, (trouble, error)) in [
        (VaultTrouble::Fails, VaultError::Unavailable),
        (VaultTrouble::Refuses, VaultError::Refused),
        (VaultTrouble::Unauthorized, VaultError::Unauthorized),
        (VaultTrouble::Garbage, VaultError::Garbage),
        (VaultTrouble::Echoes, VaultError::Garbage),
        (VaultTrouble::TooLong, VaultError::TooLong),
        (VaultTrouble::Redirects, VaultError::Refused),
    ]
    .into_iter()
    .enumerate()
    {
        vault.mind.trouble([trouble]);
        assert_eq!(client.keep(u32::try_from(turn).unwrap()).await, Err(error), "{trouble:?}");
        assert_eq!(vault.mind.requests().len(), turn + 1, "{trouble:?}");
    }
    assert_eq!(vault.mind.kept(), 0);
}

#[tokio::test]
async fn a_connection_that_breaks_is_made_once_more_and_the_card_is_kept_once() {
    let (vault, folder) = (VaultDouble::start().await, tempfile::tempdir().unwrap());
    let client = Client::trusting(&vault, folder.path());
    vault.mind.trouble([VaultTrouble::Breaks]);
    assert_eq!(client.keep(1).await.unwrap().token.reveal(), "tok-1");
    let keys: Vec<String> = vault.mind.requests().into_iter().map(|asked| asked.key).collect();
    assert_eq!((keys, vault.mind.kept()), (vec!["call-1-1".to_owned(), "call-1-1".to_owned()], 1));
    vault.mind.trouble([VaultTrouble::Breaks, VaultTrouble::Breaks]);
    assert_eq!(client.keep(2).await, Err(VaultError::Unavailable), "once");
    // Nobody is there at all.
    let url = vault.url();
    drop(vault);
    let gone = Client::of(&format!("[vault]\nurl = '{url}'\n"));
    assert_eq!(gone.keep(3).await, Err(VaultError::Unavailable));
}
