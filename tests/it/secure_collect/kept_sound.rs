//! The caller's newest sound is for whoever goes on with a call, and never a card's: while one is said or keyed in none is kept, and what was is deleted.

use super::{keys_in_a_card, press, told};
use std::time::Duration;
use vg_domain::mask::Heard;
use vg_tests::rig::SoundTold::{Forgotten, Kept};
use vg_tests::rig::{Caller, Rig, now};
use voice_gateway::application::ports::{AudioChunk, HearingEvent, LegEvent};

/// A gateway that keeps sound, and a caller who was greeted.
async fn keeping_sound() -> (Rig, Caller) {
    let rig = Rig::start(1);
    rig.script(|script| script.sound_is_kept = true);
    let mut caller = rig.call().await;
    caller.listen().await;
    assert_eq!(rig.sounds(), [], "nobody has said anything");
    (rig, caller)
}

/// A second of the caller's voice, and what came before it was noticed.
async fn voice(caller: &mut Caller) {
    for _ in 0..55 {
        caller.report(LegEvent::Audio(AudioChunk { pcm: vec![9_000; 320] })).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The caller speaks, and goes on: so far these words are guessed at, if any.
async fn begins_to_say(caller: &mut Caller, words: &str) {
    caller.report(LegEvent::SpeechStarted { at: now(), position_ms: 0 }).await;
    voice(caller).await;
    if !words.is_empty() {
        let words = HearingEvent::Partial { words: Heard::new(words.to_owned()), stability: None };
        caller.listener().send(words).await.unwrap();
    }
    tokio::time::sleep(Duration::from_millis(10)).await;
}

async fn falls_silent(caller: &mut Caller) {
    caller.report(LegEvent::SpeechEnded { last_voiced: now(), position_ms: 1_100 }).await;
}

/// The same, and as soon as the listener is asked for its last words, these are.
async fn ends_with(rig: &Rig, caller: &mut Caller, words: &str) {
    let asked = || rig.listener_inputs().into_iter().filter(|input| *input == "finalize").count();
    let before = asked();
    falls_silent(caller).await;
    let finalizes = async {
        while asked() == before {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), finalizes).await.expect("the listener is not asked for its last words");
    caller.understood(words).await;
    tokio::time::sleep(Duration::from_millis(10)).await;
}

/// The caller says it, and hears the answer.
async fn says(rig: &Rig, caller: &mut Caller, words: &str) {
    begins_to_say(caller, words).await;
    ends_with(rig, caller, words).await;
    caller.listen().await;
}

/// What is said now is kept until it is understood.
async fn is_kept_again(rig: &Rig, caller: &mut Caller) {
    let before = rig.sounds().len();
    says(rig, caller, "what time is it").await;
    assert_eq!(rig.sounds()[before..], [Kept, Forgotten], "the conversation goes on");
}

#[tokio::test(start_paused = true)]
async fn from_half_a_card_that_is_said_until_something_else_is_no_sound_is_kept() {
    let (rig, mut caller) = keeping_sound().await;
    is_kept_again(&rig, &mut caller).await;
    // Half of it is guessed at while the caller speaks on.
    begins_to_say(&mut caller, "my card is 4111 1111").await;
    let until_half = [Kept, Forgotten, Kept, Forgotten];
    assert_eq!(rig.sounds(), until_half, "its beginning was kept before anybody knew");
    voice(&mut caller).await;
    assert_eq!(rig.sounds(), until_half, "the other half");
    ends_with(&rig, &mut caller, "my card is 4111 1111 1111 1111").await;
    caller.listen().await;
    // More of it may come, for all that is known.
    begins_to_say(&mut caller, "thank you").await;
    assert_eq!(rig.sounds(), until_half, "it is not over");
    ends_with(&rig, &mut caller, "thank you").await;
    caller.listen().await;
    assert_eq!(rig.sounds(), until_half);
    is_kept_again(&rig, &mut caller).await;
}

#[tokio::test(start_paused = true)]
async fn after_half_a_card_that_was_understood_no_sound_is_kept_of_the_other_half() {
    let (rig, mut caller) = keeping_sound().await;
    says(&rig, &mut caller, "my card is 4111 1111").await;
    let before = rig.sounds().len();
    begins_to_say(&mut caller, "").await;
    assert_eq!(rig.sounds()[before..], [], "the other half");
    ends_with(&rig, &mut caller, "1111 1111").await;
    caller.listen().await;
    says(&rig, &mut caller, "thank you").await;
    is_kept_again(&rig, &mut caller).await;
}

/// Few digits are shown to the agent, and are no card's; many may be.
#[tokio::test(start_paused = true)]
async fn while_digits_are_keyed_in_no_sound_is_kept() {
    for (wish, keys) in [("pin", "1234"), ("number", "4111111111111111#")] {
        let (rig, mut caller) = keeping_sound().await;
        begins_to_say(&mut caller, wish).await;
        falls_silent(&mut caller).await;
        // The agent is asked without the last words, of a listener that takes its time: until then the sound is kept.
        assert_eq!(rig.sounds(), [Kept], "{wish}");
        caller.listen().await;
        tokio::time::sleep(Duration::from_millis(10)).await;
        assert_eq!(rig.sounds(), [Kept, Forgotten], "{wish}: keys are waited for");
        caller.understood(wish).await;
        press(&mut caller, &keys[..2]).await;
        begins_to_say(&mut caller, "").await;
        assert_eq!(rig.sounds(), [Kept, Forgotten], "{wish}: who reads digits out is not kept");
        ends_with(&rig, &mut caller, "").await;
        press(&mut caller, &keys[2..]).await;
        assert_eq!(rig.sounds(), [Kept, Forgotten], "{wish}");
        caller.listen().await;
        says(&rig, &mut caller, "thank you").await;
        is_kept_again(&rig, &mut caller).await;
    }
}

#[tokio::test(start_paused = true)]
async fn while_a_card_is_collected_and_until_the_vault_has_it_no_sound_is_kept() {
    let (rig, mut caller) = keeping_sound().await;
    // Before anybody who waits hears a tone.
    rig.script(|script| script.vault_takes = Duration::from_millis(1_500));
    begins_to_say(&mut caller, "card").await;
    falls_silent(&mut caller).await;
    assert_eq!(rig.sounds(), [Kept]);
    // The agent's command is known before its words are heard to their end.
    caller.hear_some().await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(rig.sounds(), [Kept, Forgotten], "who knows what is asked for says it already");
    caller.listen().await;
    caller.understood("card").await;
    begins_to_say(&mut caller, "").await;
    ends_with(&rig, &mut caller, "").await;
    keys_in_a_card(&mut caller).await;
    begins_to_say(&mut caller, "").await;
    ends_with(&rig, &mut caller, "").await;
    assert!(rig.cards().is_empty(), "the vault has not answered");
    told(&rig).await;
    caller.listen().await;
    assert_eq!(rig.cards().len(), 1);
    assert_eq!(rig.sounds(), [Kept, Forgotten]);
    says(&rig, &mut caller, "thank you").await;
    is_kept_again(&rig, &mut caller).await;
}
