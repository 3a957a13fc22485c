//! Stories of the virtual house about calls that outlive their gateway: what is kept for whoever goes on, and what a gateway does that has lost a call.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a broken story stops")]

use std::time::Duration;
use vg_domain::call::{Resume, Standing};
use vg_domain::event::Fact;
use vg_domain::ids::TurnId;
use vg_tests::rig::{Caller, Rig};
use voice_gateway::application::ports::{Observation, TelephonyEvent};
use voice_gateway::application::resume::{self, Memory};

/// What another gateway would go on from now.
fn kept(rig: &Rig) -> Option<(Resume, Memory)> {
    let last = rig.snapshots().pop().unwrap();
    last.resume.map(|kept| resume::decode(&kept).unwrap())
}

async fn asks(caller: &mut Caller, words: &str) {
    caller.say(words).await;
    tokio::time::sleep(Duration::from_millis(600)).await;
    caller.understood(words).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_kept_follows_the_call_and_goes_with_it() {
    let rig = Rig::start(1);
    let mut caller = rig.call().await;
    caller.hear_some().await;
    tokio::time::sleep(Duration::from_millis(10)).await;
    let (greeting, memory) = kept(&rig).unwrap();
    let Standing::Saying { said, answers: None, .. } = greeting.place else { panic!("{greeting:?}") };
    assert_eq!(said.text.as_str(), "Welcome to the virtual house.");
    assert_eq!(memory.said.len(), 1);
    caller.listen().await;
    asks(&mut caller, "what time is it").await;
    caller.listen().await;
    tokio::time::sleep(Duration::from_millis(10)).await;
    let (listening, memory) = kept(&rig).unwrap();
    let Standing::Listening { turn, words } = listening.place else { panic!("{listening:?}") };
    assert_eq!((turn, words.is_empty(), listening.turns), (TurnId(2), true, 1));
    let past: Vec<_> = memory.past.iter().map(|past| (past.before.as_str(), past.words.as_str())).collect();
    assert_eq!(past, [("Welcome to the virtual house.", "what time is it")]);
    assert!(memory.said.len() == 2 && !memory.digits_open, "{memory:?}");
    asks(&mut caller, "my card is 4111 1111").await;
    tokio::time::sleep(Duration::from_millis(10)).await;
    assert!(kept(&rig).unwrap().1.digits_open);
    caller.hang_up().await;
    caller.ended().await;
    assert_eq!(kept(&rig), None, "nobody goes on with a call that is over");
}

#[tokio::test(start_paused = true)]
async fn a_leg_that_another_gateway_has_taken_is_let_go_as_it_is() {
    let rig = Rig::start(1);
    let mut caller = rig.call().await;
    caller.listen().await;
    let before = caller.acts();
    caller.happens(TelephonyEvent::Taken).await;
    caller.fact(|fact| matches!(fact, Fact::TakenOver).then_some(())).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!((caller.acts(), rig.live()), (before, 0), "no hang-up, no release");
    let ended = rig.published().into_iter().any(|(_, _, fact)| matches!(fact, Fact::Ended(_)));
    assert!(!ended, "it goes on elsewhere");
    assert_eq!(rig.let_go().len(), 1);
    assert!(rig.observations().contains(&Observation::CallTakenOver));
    assert!(!rig.observations().iter().any(|seen| matches!(seen, Observation::CallLeaked(_))));
}
