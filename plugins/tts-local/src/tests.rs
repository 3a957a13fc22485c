//! Sessions as a host holds them, natively.

use super::*;

const NOW: Instant = Instant { mono_us: 0, unix_ms: 0 };

fn start(encoding: Encoding, rate_hz: u32, options: &str) -> Input {
    let format = AudioFormat { encoding, rate_hz };
    Input::Start(SessionStart { format, language: "en-US".into(), options: options.into(), seed: vec![0; 32] })
}

fn started(encoding: Encoding, rate_hz: u32) -> TtsLocal {
    let mut session = TtsLocal::new();
    assert_eq!(session.handle(NOW, start(encoding, rate_hz, "{}")), []);
    session
}

/// Runs a session to where it asks for nothing more, as a host with room for all its audio.
fn settle(session: &mut TtsLocal, mut effects: Vec<Effect>) -> Vec<Effect> {
    let mut all = vec![];
    loop {
        let timer = effects.iter().any(|effect| matches!(effect, Effect::Timer(_)));
        all.extend(effects);
        if !timer {
            return all;
        }
        effects = session.handle(NOW, Input::Timer(0));
    }
}

fn bytes(effects: &[Effect]) -> usize {
    effects.iter().map(|effect| if let Effect::Audio(audio) = effect { audio.len() } else { 0 }).sum()
}

#[test]
fn sentence_is_spoken_in_the_call_that_brings_it() {
    let mut session = started(Encoding::PcmS16le, 16_000);
    let effects = session.handle(NOW, Input::Text("Thank you for calling.".into()));
    assert!((30_000..80_000).contains(&bytes(&effects)), "1 to 2.5 s, not {} bytes", bytes(&effects));
}

#[test]
fn every_format_gives_speech_of_the_same_length() {
    let mut lengths_ms = vec![];
    for format in TtsLocal::descriptor().formats {
        let mut session = started(format.encoding, format.rate_hz);
        let spoken = session.handle(NOW, Input::Text("Thank you for calling.".into()));
        let spoken = settle(&mut session, spoken);
        let samples = bytes(&spoken) / vg_plugin_sdk::audio::sample_bytes(format.encoding);
        lengths_ms.push(samples as u64 * 1000 / u64::from(format.rate_hz));
    }
    assert_eq!(lengths_ms.len(), 6);
    let (min, max) = (lengths_ms.iter().min().unwrap(), lengths_ms.iter().max().unwrap());
    assert!(max - min < 100, "{lengths_ms:?}");
}

#[test]
fn second_clause_waits_for_room_and_the_mark_follows_its_audio() {
    let mut session = started(Encoding::Mulaw, 8_000);
    let first = session.handle(NOW, Input::Text("Hello there. How can I help you today?".into()));
    assert_eq!(first.last(), Some(&Effect::Timer(vg_plugin_sdk::tts::Timer { id: 0, delay_ms: 0 })));
    assert_eq!(session.handle(NOW, Input::Flush(5)), [], "text before the mark is still to come");
    let rest = session.handle(NOW, Input::Timer(0));
    assert!(bytes(&rest) > 0);
    assert!(matches!(rest[rest.len() - 2], Effect::Usage(_)));
    assert_eq!(rest.last(), Some(&Effect::Flushed(5)));
}

#[test]
fn flush_without_text_is_answered_at_once() {
    assert_eq!(started(Encoding::Mulaw, 8_000).handle(NOW, Input::Flush(1)), [Effect::Flushed(1)]);
}

#[test]
fn cancel_forgets_text_and_marks_and_the_next_reply_is_spoken() {
    let mut session = started(Encoding::Mulaw, 8_000);
    session.handle(NOW, Input::Text("One sentence here. Another sentence here. And a third.".into()));
    session.handle(NOW, Input::Flush(1));
    let cancelled = session.handle(NOW, Input::Cancel);
    assert!(matches!(cancelled[..], [Effect::Usage(_), Effect::Cancelled]), "{cancelled:?}");
    assert_eq!(session.handle(NOW, Input::Timer(0)), [], "the timer of before finds nothing to do");
    let next = session.handle(NOW, Input::Text("Yes.".into()));
    assert!(bytes(&next) > 0);
    let flushed = session.handle(NOW, Input::Flush(2));
    assert_eq!(flushed.last(), Some(&Effect::Flushed(2)));
}

#[test]
fn end_lets_the_text_be_spoken_and_is_the_last_that_is_heard() {
    let mut session = started(Encoding::Alaw, 8_000);
    let mut effects = session.handle(NOW, Input::Text("One sentence here. Another sentence here.".into()));
    effects.extend(session.handle(NOW, Input::End));
    let all = settle(&mut session, effects);
    assert!(bytes(&all) > 8_000);
    assert_eq!(all.last(), Some(&Effect::Done));
    assert_eq!(session.handle(NOW, Input::Text("More.".into())), []);
}

#[test]
fn cancel_behind_end_still_ends() {
    let mut session = started(Encoding::Alaw, 8_000);
    session.handle(NOW, Input::Text("One sentence here. Another sentence here.".into()));
    session.handle(NOW, Input::End);
    let effects = session.handle(NOW, Input::Cancel);
    assert!(matches!(effects[..], [Effect::Usage(_), Effect::Cancelled, Effect::Done]), "{effects:?}");
}

#[test]
fn one_call_never_gives_more_than_two_seconds() {
    let mut session = started(Encoding::PcmS16le, 16_000);
    let mut effects =
        session.handle(NOW, Input::Text(format!("{} {}", "9".repeat(500), "odd \u{1f600} text \u{0}é ".repeat(40))));
    effects.extend(session.handle(NOW, Input::End));
    let mut calls = 0;
    while effects.last() != Some(&Effect::Done) {
        assert!(bytes(&effects) <= 2 * 32_000);
        effects = session.handle(NOW, Input::Timer(0));
        calls += 1;
        assert!(calls < 1_000);
    }
}

#[test]
fn what_no_voice_can_do_is_refused_at_start() {
    let refusal = |input| match TtsLocal::new().handle(NOW, input).pop() {
        Some(Effect::Fail(fault)) => fault.kind,
        other => panic!("{other:?}"),
    };
    assert_eq!(refusal(start(Encoding::PcmS16le, 24_000, "{}")), FaultKind::Unsupported);
    assert!(matches!(refusal(start(Encoding::PcmS16le, 8_000, r#"{"voice":"kal16"}"#)), FaultKind::InvalidOptions(_)));
    assert_eq!(refusal(Input::Text("Early.".into())), FaultKind::Internal);
    let Input::Start(german) = start(Encoding::PcmS16le, 8_000, "{}") else { panic!() };
    assert_eq!(refusal(Input::Start(SessionStart { language: "de-DE".into(), ..german })), FaultKind::Unsupported);
}

#[test]
fn speed_changes_the_length_of_speech() {
    let length = |options| {
        let mut session = TtsLocal::new();
        session.handle(NOW, start(Encoding::Mulaw, 8_000, options));
        let spoken = session.handle(NOW, Input::Text("Thank you for calling.".into()));
        bytes(&settle(&mut session, spoken))
    };
    assert!(length(r#"{"speed":2}"#) * 10 < length(r#"{"speed":0.5}"#) * 4);
}
