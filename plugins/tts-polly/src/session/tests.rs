use crate::Plugin;
use crate::protocol::{EVENT_STREAM, MARKS};
use vg_plugin_sdk::{
    AudioFormat, Encoding, FaultKind, Remedy, SessionStart, Usage,
    link::{self, LinkEffect, LinkErrorKind, LinkId, LinkInput, Signed},
    testing,
    tts::{Effect, Input},
};
use vg_wire::event_stream::Message;

type Driven = testing::Session<Input, Effect>;

const SOUND: [(&str, &str); 2] = [("content-type", "audio/mulaw"), ("x-amzn-RequestCharacters", "13")];
const STREAM: [(&str, &str); 1] = [("content-type", EVENT_STREAM)];
const STREAMS: &str = r#"{"mode":"stream","engine":"generative"}"#;

fn begun(options: &str) -> Driven {
    let mut session = testing::tts::<Plugin>();
    let begun = session.start(testing::start(options));
    assert!(matches!(&begun[..], [Effect::Link(LinkEffect::Preconnect(_))]), "{begun:?}");
    session
}

fn text(session: &mut Driven, text: &str) -> Vec<Effect> {
    session.tell(Input::Text(text.to_owned()))
}

/// A reply that is being spoken.
fn speaking(options: &str) -> Driven {
    let mut session = begun(options);
    text(&mut session, "Good morning.");
    assert!(matches!(session.tell(Input::Flush(7))[0], Effect::Link(LinkEffect::Http(_))));
    session
}

fn fault(effects: &[Effect]) -> &FaultKind {
    match effects.last() {
        Some(Effect::Fail(fault)) => &fault.kind,
        other => panic!("no fault but {other:?}"),
    }
}

fn without_timers(effects: Vec<Effect>) -> Vec<Effect> {
    effects.into_iter().filter(|effect| !matches!(effect, Effect::Timer(_))).collect()
}

fn usage(characters: u64) -> Effect {
    Effect::Usage(Usage { audio_ms: 0, characters, requests: 1 })
}

mod requests {
    use super::*;

    fn marks_of<'a>(words: impl IntoIterator<Item = (u64, &'a str)>) -> Vec<u8> {
        let line = |(time, value)| format!("{}\n", serde_json::json!({ "time": time, "type": "word", "value": value }));
        words.into_iter().map(line).collect::<String>().into_bytes()
    }

    #[test]
    fn a_reply_is_spoken_and_its_mark_comes_last() {
        let mut session = speaking("{}");
        assert_eq!(without_timers(session.opened_with(1, 200, &SOUND)), [usage(13)]);
        assert_eq!(without_timers(session.bytes(1, &[1, 2])), [Effect::Audio(vec![1, 2])]);
        assert_eq!(session.finished(1, None), [Effect::Flushed(7)]);
        assert_eq!(session.tell(Input::End), [Effect::Done]);
    }

    #[test]
    fn linear_samples_stay_whole_and_half_a_one_at_the_end_is_a_fault() {
        let mut session = testing::tts::<Plugin>();
        let format = AudioFormat { encoding: Encoding::PcmS16le, rate_hz: 16_000 };
        session.start(SessionStart { format, ..testing::start("{}") });
        text(&mut session, "Hi.");
        session.tell(Input::Flush(1));
        session.opened_with(1, 200, &[("content-type", "audio/pcm")]);
        assert_eq!(session.bytes(1, &[1, 2, 3])[0], Effect::Audio(vec![1, 2]));
        assert_eq!(fault(&session.finished(1, None)), &FaultKind::Protocol);
    }

    #[test]
    fn replies_are_spoken_one_after_another_and_nothing_is_asked_for_nothing() {
        let mut session = speaking("{}");
        text(&mut session, "One moment.");
        assert_eq!(session.tell(Input::Flush(8)), []);
        session.opened_with(1, 200, &SOUND);
        session.bytes(1, &[1]);
        let next = session.finished(1, None);
        assert!(matches!(&next[..2], [Effect::Flushed(7), Effect::Link(LinkEffect::Http(open))] if open.id == 2));
        session.opened_with(2, 200, &SOUND);
        session.bytes(2, &[2]);
        assert_eq!(session.finished(2, None), [Effect::Flushed(8)]);
        text(&mut session, " ... ");
        assert_eq!(session.tell(Input::Flush(9)), [Effect::Flushed(9)]);
    }

    #[test]
    fn a_text_that_is_too_long_is_spoken_in_pieces_with_one_mark() {
        let mut session = begun("{}");
        text(&mut session, &"It is so. ".repeat(300));
        session.tell(Input::Flush(1));
        session.opened_with(1, 200, &SOUND);
        session.bytes(1, &[1]);
        let next = session.finished(1, None);
        assert!(matches!(&next[0], Effect::Link(LinkEffect::Http(open)) if open.id == 2), "{next:?}");
        session.opened_with(2, 200, &SOUND);
        session.bytes(2, &[1]);
        assert_eq!(session.finished(2, None), [Effect::Flushed(1)]);
    }

    #[test]
    fn words_have_their_places_in_the_sound_of_the_session() {
        let mut session = speaking(r#"{"word_times":true}"#);
        session.opened_with(1, 200, &SOUND);
        assert_eq!(session.opened_with(2, 200, &[("content-type", MARKS)]), [usage(13)]);
        let word = |text: &str, start_ms, end_ms| {
            let text = text.to_owned();
            Effect::Word(vg_plugin_sdk::Word { text, start_ms, end_ms, confidence: None })
        };
        let marks = br#"{"time":50,"type":"word","start":0,"end":4,"value":"Good"}
{"time":390,"type":"word","start":5,"end":12,"value":"morning"}
"#;
        assert_eq!(without_timers(session.bytes(2, marks)), [word("Good", 50, 390)]);
        session.bytes(1, &[1; 8_000]);
        assert_eq!(without_timers(session.finished(1, None)), [], "the words may still come");
        assert_eq!(session.finished(2, None), [link::close(2).into(), word("morning", 390, 1_000), Effect::Flushed(7)]);
        text(&mut session, "Bye.");
        session.tell(Input::Flush(8));
        session.opened_with(3, 200, &SOUND);
        session.opened_with(4, 200, &[("content-type", MARKS)]);
        session.bytes(3, &[1; 800]);
        session.finished(3, None);
        session.bytes(4, br#"{"time":10,"type":"word","start":0,"end":3,"value":"Bye"}"#);
        assert_eq!(session.finished(4, None), [link::close(4).into(), word("Bye", 1_010, 1_100), Effect::Flushed(8)]);
    }

    #[test]
    fn the_last_word_lasts_as_long_as_the_sound_also_where_that_comes_later() {
        let mut session = speaking(r#"{"word_times":true}"#);
        session.opened_with(1, 200, &SOUND);
        session.opened_with(2, 200, &[("content-type", MARKS)]);
        session.bytes(2, br#"{"time":50,"type":"word","start":0,"end":4,"value":"Good"}"#);
        assert_eq!(without_timers(session.finished(2, None)), [link::close(2).into()]);
        session.bytes(1, &[1; 8_000]);
        let word = vg_plugin_sdk::Word { text: "Good".to_owned(), start_ms: 50, end_ms: 1_000, confidence: None };
        assert_eq!(without_timers(session.finished(1, None)), [Effect::Word(word), Effect::Flushed(7)]);
    }

    #[test]
    fn words_that_come_all_at_once_are_given_in_portions_and_the_mark_behind_them() {
        let mut session = speaking(r#"{"word_times":true}"#);
        session.opened_with(1, 200, &SOUND);
        session.opened_with(2, 200, &[("content-type", MARKS)]);
        session.bytes(1, &[1; 80]);
        session.finished(1, None);
        let marks = marks_of((0..450).map(|time| (time, "so")));
        let words = |effects: &[Effect]| effects.iter().filter(|effect| matches!(effect, Effect::Word(_))).count();
        assert_eq!(words(&session.bytes(2, &marks)), 200);
        let ended = session.finished(2, None);
        assert_eq!((words(&ended), ended.contains(&Effect::Flushed(7))), (200, false));
        let rest = session.pass_ms(0);
        assert_eq!((words(&rest), rest.last()), (50, Some(&Effect::Flushed(7))));
    }

    #[test]
    fn patience_with_the_words_of_one_piece_is_not_taken_from_the_next() {
        let mut session = speaking(r#"{"word_times":true}"#);
        text(&mut session, "One moment.");
        session.tell(Input::Flush(8));
        session.opened_with(1, 200, &SOUND);
        session.bytes(1, &[1]);
        session.finished(1, None);
        let next = session.finished(2, None);
        assert!(next.contains(&Effect::Flushed(7)), "{next:?}");
        assert_eq!(without_timers(session.pass_ms(1_000)), [], "the words of the second piece may still come");
        session.opened_with(4, 200, &[("content-type", MARKS)]);
        session.bytes(4, &marks_of([(5, "One")]));
        let second = session.bytes(4, &marks_of([(90, "moment")]));
        assert!(second.iter().any(|effect| matches!(effect, Effect::Word(word) if word.text == "One")), "{second:?}");
    }

    #[test]
    fn whole_sentences_are_asked_for_before_the_rest_is_written() {
        let mut session = begun("{}");
        let first = text(&mut session, "Good morning. How ");
        assert!(matches!(&first[0], Effect::Link(LinkEffect::Http(open)) if open.id == 1), "{first:?}");
        assert_eq!(text(&mut session, "are you?"), []);
        assert_eq!(session.tell(Input::Flush(7)), []);
        session.opened_with(1, 200, &SOUND);
        session.bytes(1, &[1]);
        let next = session.finished(1, None);
        assert!(matches!(&next[0], Effect::Link(LinkEffect::Http(open)) if open.id == 2), "{next:?}");
        session.opened_with(2, 200, &SOUND);
        session.bytes(2, &[1]);
        assert_eq!(session.finished(2, None), [Effect::Flushed(7)]);
        let mut document = begun("{}");
        assert_eq!(text(&mut document, "<speak>Good morning. How "), []);
    }

    #[test]
    fn sound_that_waits_for_room_is_not_silence() {
        let mut session = speaking("{}");
        session.opened_with(1, 200, &SOUND);
        session.bytes(1, &[1]);
        assert_eq!(session.pass_ms(3_999), []);
        // The timer, then the host that has room, then the sound that waited there.
        assert!(matches!(session.pass_ms(1)[..], [Effect::Timer(_), Effect::Timer(_)]));
        session.pass_ms(999);
        session.bytes(1, &[2]);
        session.pass_ms(4_999);
        assert_eq!(session.finished(1, None), [Effect::Flushed(7)]);
    }

    #[test]
    fn sound_does_not_wait_for_places_of_words_that_do_not_come() {
        let mut refused = speaking(r#"{"word_times":true}"#);
        assert_eq!(refused.opened_with(2, 400, &[]), [link::close(2).into()]);
        refused.opened_with(1, 200, &SOUND);
        refused.bytes(1, &[1]);
        assert_eq!(refused.finished(1, None), [Effect::Flushed(7)]);
        text(&mut refused, "Bye.");
        let next = refused.tell(Input::Flush(8));
        assert_eq!(
            next.iter().filter(|effect| matches!(effect, Effect::Link(LinkEffect::Http(_)))).count(),
            1,
            "not asked again"
        );

        let mut late = speaking(r#"{"word_times":true}"#);
        late.opened_with(1, 200, &SOUND);
        late.bytes(1, &[1]);
        late.finished(1, None);
        assert_eq!(late.pass_ms(1_000), [link::close(2).into(), Effect::Flushed(7)]);
    }

    #[test]
    fn nothing_is_heard_of_what_was_cancelled() {
        let mut session = speaking(r#"{"word_times":true}"#);
        let cancelled = session.tell(Input::Cancel);
        assert_eq!(cancelled[..3], [link::close(1).into(), link::close(2).into(), Effect::Cancelled]);
        assert!(
            matches!(&cancelled[3..], [Effect::Link(LinkEffect::Preconnect(_))]),
            "the next reply does not wait for TLS: {cancelled:?}"
        );
        assert_eq!(session.tell(Input::Cancel), [Effect::Cancelled], "nothing was lost");
        assert_eq!((session.bytes(1, &[1, 2]), session.finished(1, None), session.finished(2, None)), (vec![], vec![], vec![]));
        assert_eq!(session.pass_ms(10_000), []);
        text(&mut session, "Again.");
        assert!(matches!(&session.tell(Input::Flush(8))[0], Effect::Link(LinkEffect::Http(open)) if open.id == 3));
        session.tell(Input::End);
        assert_eq!(session.tell(Input::Cancel).last(), Some(&Effect::Done), "nothing follows");
    }

    #[test]
    fn the_service_is_asked_once_more_while_nothing_was_spoken() {
        let mut session = speaking("{}");
        let again = session.opened_with(1, 500, &[]);
        assert!(
            matches!(&again[..2], [Effect::Link(LinkEffect::Close(1)), Effect::Link(LinkEffect::Http(open))] if open.id == 2)
        );
        assert_eq!(session.finished(1, None), []);
        assert_eq!(fault(&session.opened_with(2, 503, &[])), &FaultKind::Unavailable);

        let mut lost = speaking("{}");
        assert!(matches!(lost.failed(1, LinkErrorKind::Reset)[1], Effect::Link(LinkEffect::Http(_))));
        let mut cut = speaking("{}");
        cut.opened_with(1, 200, &SOUND);
        cut.bytes(1, &[1]);
        assert_eq!(fault(&cut.failed(1, LinkErrorKind::Reset)), &FaultKind::Unavailable, "it was heard");
    }

    #[test]
    fn every_bad_day_ends_in_a_fault() {
        assert_eq!(fault(&speaking("{}").opened_with(1, 403, &[])), &FaultKind::Auth);
        assert_eq!(fault(&speaking("{}").opened_with(1, 200, &[("content-type", "text/html")])), &FaultKind::Protocol);
        assert_eq!(fault(&speaking("{}").opened_with(1, 200, &[("content-type", "audio/pcm")])), &FaultKind::Protocol);
        let mut empty = speaking("{}");
        empty.opened_with(1, 200, &SOUND);
        let spoke_nothing = empty.finished(1, None);
        assert_eq!(fault(&spoke_nothing), &FaultKind::EmptyResult);
        assert!(matches!(&spoke_nothing[..], [Effect::Fail(fault)] if fault.remedy == Remedy::NextProvider));
        assert_eq!(fault(&speaking("{}").pass_ms(5_000)), &FaultKind::Unavailable);
        let mut stalled = speaking("{}");
        stalled.opened_with(1, 200, &SOUND);
        stalled.bytes(1, &[1]);
        assert_eq!(fault(&stalled.pass_ms(5_000)), &FaultKind::Unavailable);
    }
}

mod streams {
    use super::*;

    fn signed(session: &mut Driven, id: LinkId) -> Vec<Effect> {
        let scope = "20260630/us-east-1/polly/aws4_request".to_owned();
        let signed = Signed { id, signature: "ab".repeat(32), amz_date: "20260630T120000Z".to_owned(), scope };
        session.tell(Input::Link(LinkInput::Signed(signed)))
    }

    /// What was sent, by its kind; the end is a dash.
    fn sent(effects: &[Effect]) -> Vec<String> {
        let bytes = effects.iter().filter_map(|effect| match effect {
            Effect::Link(LinkEffect::SendBytes(sent)) => Some(Message::decode(&sent.data).unwrap()),
            _ => None,
        });
        let kind = |inner: Message| match inner.text(":event-type") {
            Some("TextEvent") => {
                serde_json::from_slice::<serde_json::Value>(&inner.payload).unwrap()["Text"].as_str().unwrap().to_owned()
            }
            kind => kind.unwrap_or_default().to_owned(),
        };
        bytes
            .map(|outer| if outer.payload.is_empty() { "-".to_owned() } else { kind(Message::decode(&outer.payload).unwrap()) })
            .collect()
    }

    fn audio(samples: &[u8]) -> Vec<u8> {
        Message::event("AudioEvent", "application/octet-stream", samples).encode()
    }

    fn closed(characters: u64) -> Vec<u8> {
        Message::event("StreamClosedEvent", "application/json", format!(r#"{{"RequestCharacters":{characters}}}"#)).encode()
    }

    fn opened() -> Driven {
        let mut session = begun(STREAMS);
        text(&mut session, "Hello, ");
        signed(&mut session, 1);
        session.opened_with(1, 200, &STREAM);
        session
    }

    #[test]
    fn text_goes_in_while_sound_comes_out_and_the_services_word_closes_it() {
        let mut session = begun(STREAMS);
        let asked = text(&mut session, "Hello, ");
        assert!(matches!(&asked[0], Effect::Link(LinkEffect::Http(open)) if open.url.ends_with("/v1/synthesisStream")));
        assert_eq!(sent(&signed(&mut session, 1)), ["Hello, "]);
        session.opened_with(1, 200, &STREAM);
        assert_eq!(session.bytes(1, &Message::event("initial-response", "application/json", "{}").encode()), []);
        assert_eq!(session.bytes(1, &audio(&[1, 2])), [Effect::Audio(vec![1, 2])]);
        assert_eq!(sent(&text(&mut session, "this is it.")), ["this is it."]);
        let flushed = session.tell(Input::Flush(7));
        assert_eq!(sent(&flushed), ["CloseStreamEvent", "-"]);
        assert_eq!(flushed.last(), Some(&link::finish(1).into()));
        let last = [audio(&[3]), closed(18)].concat();
        let said = without_timers([session.bytes(1, &last[..50]), session.bytes(1, &last[50..])].concat());
        assert_eq!(said, [Effect::Audio(vec![3]), link::close(1).into(), usage(18), Effect::Flushed(7)]);
        assert_eq!(session.finished(1, None), []);
        assert_eq!(session.tell(Input::End), [Effect::Done]);
    }

    #[test]
    fn the_next_reply_waits_for_the_one_before() {
        let mut session = opened();
        session.tell(Input::Flush(1));
        assert_eq!(text(&mut session, "Next."), []);
        assert_eq!(session.tell(Input::Flush(2)), []);
        session.bytes(1, &audio(&[1]));
        let said = session.bytes(1, &closed(7));
        assert!(said.contains(&Effect::Flushed(1)));
        assert!(said.iter().any(|effect| matches!(effect, Effect::Link(LinkEffect::Http(open)) if open.id == 2)));
        assert_eq!(sent(&signed(&mut session, 2)), ["Next.", "CloseStreamEvent", "-"]);
        assert_eq!(session.tell(Input::End), []);
        session.opened_with(2, 200, &STREAM);
        session.bytes(2, &audio(&[1]));
        assert_eq!(session.bytes(2, &closed(5)).last(), Some(&Effect::Done));
    }

    #[test]
    fn sound_without_the_services_word_is_a_fault_however_well_it_ends() {
        let mut ended = opened();
        ended.tell(Input::Flush(1));
        ended.bytes(1, &audio(&[1]));
        assert_eq!(fault(&ended.finished(1, None)), &FaultKind::Unavailable);
        let mut cut = opened();
        cut.tell(Input::Flush(1));
        cut.bytes(1, &audio(&[1]));
        cut.bytes(1, &audio(&[1])[..50]);
        assert_eq!(fault(&cut.failed(1, LinkErrorKind::Reset)), &FaultKind::Unavailable);
        let mut early = opened();
        assert_eq!(fault(&early.bytes(1, &closed(7))), &FaultKind::Unavailable, "not all text was given");
        let mut empty = opened();
        empty.tell(Input::Flush(1));
        assert_eq!(fault(&empty.bytes(1, &closed(7))), &FaultKind::EmptyResult);
    }

    #[test]
    fn every_wait_has_an_end_but_that_for_text() {
        let mut never = begun(STREAMS);
        text(&mut never, "Hello");
        assert_eq!(fault(&never.pass_ms(6_000)), &FaultKind::Unavailable);
        let mut session = opened();
        assert_eq!(session.pass_ms(60_000), [], "the owner thinks");
        session.tell(Input::Flush(1));
        assert_eq!(fault(&session.pass_ms(5_000)), &FaultKind::Unavailable);
    }

    #[test]
    fn a_flush_does_not_shorten_the_wait_for_the_head() {
        let mut session = begun(STREAMS);
        text(&mut session, "Hello");
        session.tell(Input::Flush(1));
        signed(&mut session, 1);
        session.pass_ms(5_900);
        session.opened_with(1, 200, &STREAM);
        session.pass_ms(4_999);
        session.bytes(1, &Message::event("initial-response", "application/json", "{}").encode());
        assert_eq!(fault(&session.pass_ms(1)), &FaultKind::Unavailable, "and what is no sound does not make it longer");
    }

    #[test]
    fn sound_that_waits_for_room_is_not_silence() {
        let mut session = opened();
        session.tell(Input::Flush(1));
        session.bytes(1, &audio(&[1]));
        assert_eq!(session.pass_ms(3_999), []);
        assert!(matches!(session.pass_ms(1)[..], [Effect::Timer(_), Effect::Timer(_)]));
        session.pass_ms(999);
        session.bytes(1, &audio(&[2]));
        session.pass_ms(4_999);
        assert_eq!(session.bytes(1, &closed(7)).last(), Some(&Effect::Flushed(1)));
    }

    #[test]
    fn nothing_is_heard_of_what_was_cancelled() {
        let mut session = opened();
        assert_eq!(session.tell(Input::Cancel), [link::close(1).into(), usage(7), Effect::Cancelled]);
        assert_eq!(session.bytes(1, &audio(&[1])), []);
        assert_eq!(session.tell(Input::End), [Effect::Done]);
    }

    #[test]
    fn a_stream_that_was_not_answered_is_asked_for_once_more_with_all_text() {
        let mut session = begun(STREAMS);
        text(&mut session, "Hello.");
        signed(&mut session, 1);
        session.tell(Input::Flush(1));
        assert!(matches!(&session.failed(1, LinkErrorKind::Reset)[0], Effect::Link(LinkEffect::Http(open)) if open.id == 2));
        assert_eq!(sent(&signed(&mut session, 2)), ["Hello.", "CloseStreamEvent", "-"]);
        assert_eq!(fault(&session.opened_with(2, 500, &[])), &FaultKind::Unavailable);
    }

    #[test]
    fn a_stream_that_fails_before_its_first_sound_is_asked_for_once_more() {
        let exception = |kind: &str, payload: &str| {
            let text = |name: &str, value: &str| (name.to_owned(), vg_wire::event_stream::Value::Text(value.to_owned()));
            let headers = vec![text(":message-type", "exception"), text(":exception-type", kind)];
            Message { headers, payload: payload.as_bytes().to_vec() }.encode()
        };
        let failure = exception("ServiceFailureException", "{}");
        let mut session = opened();
        let again = session.bytes(1, &failure);
        let [Effect::Link(LinkEffect::Close(1)), Effect::Link(LinkEffect::Http(open)), ..] = &again[..] else {
            panic!("{again:?}")
        };
        assert_eq!(open.id, 2);
        assert_eq!(sent(&signed(&mut session, 2)), ["Hello, "]);
        session.opened_with(2, 200, &STREAM);
        assert_eq!(fault(&session.bytes(2, &failure)), &FaultKind::Unavailable, "once");
        let mut spoken = opened();
        spoken.bytes(1, &audio(&[1]));
        assert_eq!(fault(&spoken.bytes(1, &failure)), &FaultKind::Unavailable, "it was heard");
        let mut lost = opened();
        assert!(matches!(lost.failed(1, LinkErrorKind::Reset)[0], Effect::Link(LinkEffect::Http(_))));
        let mut throttled = opened();
        assert_eq!(fault(&throttled.bytes(1, &exception("ThrottlingException", "{}"))), &FaultKind::Quota(None));
    }

    #[test]
    fn nothing_to_say_opens_no_stream() {
        let mut session = begun(STREAMS);
        assert_eq!(text(&mut session, "  "), []);
        assert_eq!(session.tell(Input::Flush(3)), [Effect::Flushed(3)]);
        assert_eq!(session.tell(Input::End), [Effect::Done]);
    }

    #[test]
    fn a_bad_checksum_is_a_fault_of_the_protocol() {
        let mut session = opened();
        let mut message = audio(&[1, 2]);
        *message.last_mut().unwrap() ^= 1;
        assert_eq!(fault(&session.bytes(1, &message)), &FaultKind::Protocol);
    }
}
