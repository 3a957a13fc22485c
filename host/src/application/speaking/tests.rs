use super::*;
use crate::application::ports::{Observation, Observe, SpokenWord};
use std::sync::Mutex;
use std::task::{Context, Poll};
use vg_domain::ids::{CallId, TenantId};
use vg_domain::tenant::Provider;

/// Takes everything, keeps texts as they come, and says nothing.
#[derive(Clone, Default)]
struct Mute(Arc<Mutex<String>>);

impl Speaking for Mute {
    fn open(&self, _: SpeakingRequest) -> Result<Box<dyn Speak>, Fall> {
        Ok(Box::new(self.clone()))
    }
}

impl Speak for Mute {
    fn try_tell(&mut self, input: SpeakingInput) -> Result<(), SpeakingInput> {
        if let SpeakingInput::Text(text) = input {
            self.0.lock().unwrap().push_str(&text);
        }
        Ok(())
    }

    fn poll_event(&mut self, _: &mut Context<'_>) -> Poll<Option<SpeakingEvent>> {
        Poll::Pending
    }
}

impl Observe for Mute {
    fn observe(&self, _: &Observation) {}
}

fn speaker() -> Speaker {
    speaker_of(Mute::default())
}

fn speaker_of(mute: Mute) -> Speaker {
    let provider = || Provider::new(PluginId::new("mute"), "{}");
    let ladder = Ladder::new(provider(), [provider()]);
    let request = SpeakingRequest {
        call: CallId::new("c"),
        tenant: TenantId::new("t"),
        provider: ladder.first().clone(),
        language: "en-US".to_owned(),
        rate_hz: 8_000,
        lines: Arc::from([]),
        seat: Seat::default(),
    };
    Speaker::new(Arc::new(mute), Arc::new(Breakers::new(Arc::new(Mute::default()))), ladder, request, Duration::MAX)
}

fn sound(ms: usize) -> Option<SpeakingEvent> {
    Some(SpeakingEvent::Audio { rate_hz: 8_000, pcm: vec![1; 8 * ms] })
}

fn sounds(speaker: &mut Speaker, ms: usize) {
    let _ = speaker.on_event(Some(SpeakingEvent::Audio { rate_hz: 8_000, pcm: vec![1; ms * 8] }));
}

fn places(speaker: &mut Speaker, words: &[(&str, u64, u64)]) {
    for (text, start_ms, end_ms) in words {
        let word = SpokenWord { text: (*text).to_owned(), start_ms: *start_ms, end_ms: *end_ms };
        assert_eq!(speaker.on_event(Some(SpeakingEvent::Word(word))), None);
    }
}

fn exact(chars: usize) -> Extent {
    Extent::Exact { chars }
}

#[test]
fn words_belong_to_the_utterance_in_whose_sound_they_lie() {
    let mut speaker = speaker();
    let (first, second) = (UtteranceId(1), UtteranceId(2));
    speaker.say(first, "One two.");
    speaker.end(first);
    speaker.say(second, "Two three.");
    places(&mut speaker, &[("One", 0, 400)]);
    sounds(&mut speaker, 500);
    places(&mut speaker, &[("two", 500, 900)]);
    sounds(&mut speaker, 500);
    let _ = speaker.on_event(Some(SpeakingEvent::Flushed(1)));
    places(&mut speaker, &[("two", 900, 950), ("Two", 1_000, 1_400)]);
    sounds(&mut speaker, 1_000);
    places(&mut speaker, &[("three", 1_400, 1_900)]);
    assert_eq!((speaker.heard(first, 499), speaker.heard(first, 950)), (exact(3), exact(8)));
    assert_eq!(
        (speaker.heard(second, 399), speaker.heard(second, 600), speaker.heard(second, 900)),
        (exact(0), exact(3), exact(10))
    );
    speaker.hush(second);
    assert_eq!((speaker.heard(first, 499), speaker.heard(second, 600)), (exact(3), exact(3)), "it is asked for after the end");
    assert_eq!(speaker.heard(UtteranceId(9), 600), Extent::Interpolated);
}

#[test]
fn sound_that_was_cancelled_counts_for_the_places_of_the_words_behind_it() {
    let mut speaker = speaker();
    let (first, second) = (UtteranceId(1), UtteranceId(2));
    speaker.say(first, "One two.");
    sounds(&mut speaker, 500);
    speaker.hush(first);
    sounds(&mut speaker, 250);
    places(&mut speaker, &[("two", 500, 750)]);
    let _ = speaker.on_event(Some(SpeakingEvent::Cancelled));
    speaker.say(second, "Three four.");
    sounds(&mut speaker, 1_000);
    places(&mut speaker, &[("Three", 750, 1_150), ("four", 1_250, 1_700)]);
    assert_eq!((speaker.heard(second, 399), speaker.heard(second, 450)), (exact(0), exact(5)));
    assert_eq!(speaker.heard(first, 700), Extent::Interpolated);
}

#[test]
fn a_voice_that_goes_on_says_the_rest_and_its_words_count_behind_those_of_the_one_before() {
    let mut speaker = speaker();
    let utterance = UtteranceId(1);
    speaker.say(utterance, "One two three.");
    places(&mut speaker, &[("One", 1_000, 1_400), ("two", 1_400, 1_800)]);
    sounds(&mut speaker, 1_500);
    let fall = speaker.fall_of("trap");
    let _ = speaker.on_event(Some(SpeakingEvent::Fell(fall)));
    speaker.to_session.clear();
    speaker.go_on_with_another();
    assert_eq!(speaker.open[0].text(), "two three.");
    sounds(&mut speaker, 1_000);
    places(&mut speaker, &[("two", 0, 400), ("three", 400, 900)]);
    assert_eq!((speaker.heard(utterance, 1_400), speaker.heard(utterance, 1_600)), (exact(3), exact(3)));
    assert_eq!((speaker.heard(utterance, 1_900), speaker.heard(utterance, 2_400)), (exact(7), exact(14)));
}

#[test]
fn so_many_utterances_are_remembered_and_no_more() {
    let mut speaker = speaker();
    for n in 0..100 {
        speaker.say(UtteranceId(n), "One.");
        places(&mut speaker, &[("One", u64::from(n) * 100, u64::from(n) * 100 + 50)]);
        sounds(&mut speaker, 100);
        let _ = speaker.on_event(Some(SpeakingEvent::Flushed(n)));
    }
    assert_eq!(speaker.spoken.len(), limits::SPOKEN_UTTERANCES);
    assert_eq!((speaker.heard(UtteranceId(99), 50), speaker.heard(UtteranceId(0), 50)), (exact(4), Extent::Interpolated));
}

#[test]
fn a_recording_stands_for_what_was_to_be_said_before_it_as_well() {
    let mut speaker = speaker();
    let (filler, answer, next) = (UtteranceId(1), UtteranceId(2), UtteranceId(3));
    speaker.say(filler, "One moment.");
    speaker.end(filler);
    speaker.say(answer, "It is three.");
    speaker.play(answer, &Prompt::new(8_000, vec![7; 80]));
    let told: Vec<MouthCommand> = speaker.to_mouth.drain(..).collect();
    assert!(
        matches!(
            told.as_slice(),
            [MouthCommand::End { utterance: first }, MouthCommand::Say { utterance: second, .. }, MouthCommand::End { utterance: last }]
                if (*first, *second, *last) == (filler, answer, answer)
        ),
        "{told:?}"
    );
    speaker.say(next, "Goodbye.");
    let audio = SpeakingEvent::Audio { rate_hz: 8_000, pcm: vec![1; 80] };
    assert_eq!(speaker.on_event(Some(audio)), Some(Spoken::Audio(next)), "sound belongs to what is said now");
}

#[test]
fn a_voice_whose_sound_can_hardly_be_speech_is_told_and_the_call_goes_on() {
    let mut speaker = speaker();
    let text = "Your parcel arrives tomorrow.";
    for (n, pcm) in [(1, vec![9_000; 16_000]), (2, vec![0; 16_000]), (3, vec![i16::MAX; 80_000])] {
        speaker.say(UtteranceId(n), text);
        speaker.end(UtteranceId(n));
        let _ = speaker.on_event(Some(SpeakingEvent::Audio { rate_hz: 8_000, pcm }));
        assert_eq!(speaker.on_event(Some(SpeakingEvent::Flushed(n))), None);
    }
    let faulty = |fault| Spoken::Faulty(PluginId::new("mute"), fault);
    let told: Vec<Spoken> = speaker.to_call.drain(..).collect();
    assert_eq!(told, [SpeechFault::Silent, SpeechFault::Clipped, SpeechFault::TooSlow].map(faulty));
    let ends = speaker.to_mouth.iter().filter(|order| matches!(order, MouthCommand::End { .. })).count();
    assert_eq!((ends, speaker.open.len()), (3, 0));
    speaker.say(UtteranceId(4), text);
    let _ = speaker.on_event(Some(SpeakingEvent::Audio { rate_hz: 8_000, pcm: vec![0; 16_000] }));
    speaker.hush(UtteranceId(4));
    assert_eq!(speaker.to_call.len(), 0, "what was cut is not judged");
}

#[test]
fn clauses_are_one_text_to_a_session_with_their_words_apart() {
    let mute = Mute::default();
    let (mut speaker, answer) = (speaker_of(mute.clone()), UtteranceId(1));
    speaker.say(answer, "Your account is in good order");
    speaker.say(answer, "since May.");
    speaker.say(answer, "Call again.");
    assert_eq!(*mute.0.lock().unwrap(), "Your account is in good order since May. Call again.");
}

#[tokio::test(start_paused = true)]
async fn a_voice_whose_first_sound_is_on_its_way_does_not_stand_still() {
    let (mut speaker, answer) = (speaker(), UtteranceId(1));
    speaker.say(answer, "It is three.");
    speaker.end(answer);
    tokio::time::advance(limits::DEAD_AIR).await;
    assert_eq!(speaker.on_event(sound(20)), Some(Spoken::Audio(answer)));
    // The leg has it.
    speaker.to_mouth.clear();
    speaker.nobody_is_heard();
    assert_eq!(speaker.to_call, []);
    tokio::time::advance(limits::DEAD_AIR).await;
    speaker.nobody_is_heard();
    assert!(matches!(speaker.to_call.make_contiguous(), [Spoken::Fell(fallen, _)] if *fallen == answer));
}

#[tokio::test(start_paused = true)]
async fn sound_is_owed_for_what_was_told_and_not_said_where_nobody_is_heard() {
    let (mut speaker, answer) = (speaker(), UtteranceId(1));
    let silence = async |speaker: &mut Speaker| {
        speaker.to_mouth.clear();
        tokio::time::advance(limits::DEAD_AIR).await;
        speaker.nobody_is_heard();
        std::mem::take(&mut speaker.to_call)
    };
    speaker.say(answer, "It is three.");
    assert_eq!(silence(&mut speaker).await, [], "the time of what has not begun runs already");
    assert_eq!(speaker.on_event(sound(800)), Some(Spoken::Audio(answer)));
    assert_eq!(silence(&mut speaker).await, [], "all of it was said: the agent is waited for");
    speaker.say(answer, "And");
    assert_eq!(std::mem::take(&mut speaker.to_call), [Spoken::Owed(answer)]);
    speaker.say(answer, "it rains.");
    assert_eq!(speaker.to_call, [], "told once");
    assert_eq!(speaker.on_event(sound(20)), Some(Spoken::Audio(answer)), "and it is told that it comes");
    assert_eq!(speaker.on_event(sound(20)), None);
    speaker.say(answer, "A lot of it, as it does for so much of the year in this part of the country.");
    assert_eq!(speaker.on_event(sound(20)), None);
    assert_eq!(silence(&mut speaker).await, [Spoken::Owed(answer)], "nobody speaks as quickly as that");
}
