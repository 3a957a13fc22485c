use super::*;
use crate::api::{AudioFormat, Encoding, HttpVersion, Preconnect, TtsEffect, TtsInput};
use crate::limits::AUDIO_EVENT_BYTES;
use crate::session::TtsEvent;
use crate::session::roles::Speaking;

fn desk() -> Desk<Speaking> {
    let format = AudioFormat { encoding: Encoding::PcmS16le, rate_hz: 8000 };
    let start = SessionStart { format, language: "en-US".into(), options: "{}".into(), seed: [0; 32] };
    let mut desk = Desk::new(start);
    assert!(matches!(desk.next(Instant::now()), Some(TtsInput::Start(_))));
    desk
}

fn timer(id: u32, delay_ms: u32) -> TtsEffect {
    TtsEffect::Timer(Timer { id, delay_ms })
}

fn text(text: &str) -> TtsInput {
    TtsInput::Text(text.into())
}

fn said(input: Option<TtsInput>) -> String {
    match input {
        None => "nothing".into(),
        Some(TtsInput::Text(text)) => text,
        Some(TtsInput::Timer(id)) => format!("timer {id}"),
        Some(TtsInput::Flush(mark)) => format!("flush {mark}"),
        Some(TtsInput::Cancel) => "cancel".into(),
        Some(TtsInput::End) => "end".into(),
        Some(TtsInput::Link(_)) => "link".into(),
        Some(TtsInput::Start(_)) => "start".into(),
    }
}

#[test]
fn while_events_are_owed_only_cancel_end_and_real_timers_pass() {
    let (mut desk, now) = (desk(), Instant::now());
    desk.book(now, vec![TtsEffect::Audio(vec![0; 2]), timer(1, 0), timer(2, 5)]).unwrap();
    desk.take_in(text("more"));
    assert_eq!(said(desk.next(now)), "nothing");
    assert_eq!(desk.wake_at(), Some(now + Duration::from_millis(5)));
    assert_eq!(said(desk.next(now + Duration::from_millis(5))), "timer 2");
    desk.take_in(TtsInput::Cancel);
    assert_eq!(said(desk.next(now)), "cancel");
    assert!(desk.pay().is_some());
    assert_eq!(said(desk.next(now)), "timer 1");
}

#[test]
fn news_of_links_keep_their_order_and_come_before_what_the_owner_says() {
    let (mut desk, now) = (desk(), Instant::now());
    desk.take_in(text("more"));
    for code in [1, 2, 3] {
        desk.take_news(LinkInput::Finished(1, Some(code)));
    }
    for code in [1, 2, 3] {
        let Some(TtsInput::Link(news)) = desk.next(now) else { panic!("no news") };
        assert!(matches!(*news, LinkInput::Finished(1, Some(came)) if came == code));
    }
    assert_eq!(said(desk.next(now)), "more");
}

#[test]
fn end_passes_while_events_are_owed_but_not_before_the_text_it_ends() {
    let (mut desk, now) = (desk(), Instant::now());
    desk.book(now, vec![TtsEffect::Cancelled]).unwrap();
    desk.take_in(text("last words"));
    desk.take_in(TtsInput::End);
    assert_eq!(said(desk.next(now)), "nothing");
    desk.pay();
    assert_eq!(said(desk.next(now)), "last words");
    desk.book(now, vec![TtsEffect::Cancelled]).unwrap();
    assert_eq!(said(desk.next(now)), "end");
}

#[test]
fn cancel_overtakes_the_text_and_marks_before_it() {
    let (mut desk, now) = (desk(), Instant::now());
    for input in [text("one"), TtsInput::Flush(1), TtsInput::Cancel, text("two")] {
        desk.take_in(input);
    }
    assert_eq!(said(desk.next(now)), "cancel");
    assert_eq!(said(desk.next(now)), "two");
    assert_eq!(said(desk.next(now)), "nothing");
}

#[test]
fn what_only_the_host_may_say_is_ignored() {
    let mut desk = desk();
    desk.take_in(TtsInput::Timer(1));
    desk.take_in(TtsInput::Link(Box::new(LinkInput::Writable(1))));
    assert_eq!(said(desk.next(Instant::now())), "nothing");
}

#[test]
fn a_timer_set_again_replaces_the_first() {
    let (mut desk, now) = (desk(), Instant::now());
    desk.book(now, vec![timer(7, 10)]).unwrap();
    desk.book(now, vec![timer(7, 30)]).unwrap();
    assert_eq!(said(desk.next(now + Duration::from_millis(29))), "nothing");
    assert_eq!(said(desk.next(now + Duration::from_millis(30))), "timer 7");
    assert_eq!(said(desk.next(now + Duration::from_millis(60))), "nothing");
}

#[test]
fn as_many_timers_as_allowed_pass_and_one_more_ends_the_session() {
    let (mut desk, now) = (desk(), Instant::now());
    desk.book(now, (0..TIMERS as u32).map(|id| timer(id, 9)).collect()).unwrap();
    desk.book(now, vec![timer(0, 9)]).unwrap();
    let end = desk.book(now, vec![timer(TIMERS as u32, 9)]).unwrap_err();
    assert_eq!(end.code(), "timer-limit");
}

#[test]
fn a_guest_that_asks_to_be_called_at_once_but_says_nothing_is_slowed() {
    let (mut desk, now) = (desk(), Instant::now());
    desk.book(now, vec![timer(1, 0)]).unwrap();
    assert_eq!(said(desk.next(now)), "nothing");
    assert_eq!(said(desk.next(now + IDLE_TIMER)), "timer 1");
}

fn link() -> TtsEffect {
    TtsEffect::Link(LinkEffect::Preconnect(Preconnect { url: "https://vendor.example/".into(), version: HttpVersion::Http1 }))
}

#[test]
fn a_guest_that_opens_links_again_and_again_is_ended_but_one_that_takes_its_time_is_not() {
    let (mut desk, mut now) = (desk(), Instant::now());
    for _ in 0..3 {
        desk.book(now, (0..LINKS_TRIED).map(|_| link()).collect()).unwrap();
        now += LINKS_TRIED_IN + Duration::from_millis(1);
    }
    desk.book(now, (0..LINKS_TRIED).map(|_| link()).collect()).unwrap();
    assert_eq!(desk.book(now, vec![link()]).unwrap_err().code(), "link-limit");
}

#[test]
fn what_is_asked_of_links_keeps_its_order() {
    let (mut desk, now) = (desk(), Instant::now());
    desk.book(now, vec![link(), TtsEffect::Link(LinkEffect::Finish(3)), TtsEffect::Link(LinkEffect::Close(3))]).unwrap();
    assert!(matches!(desk.ask(), Some(Ask::Link(LinkEffect::Preconnect(_)))));
    assert!(matches!(desk.ask(), Some(Ask::Link(LinkEffect::Finish(3)))));
    assert!(matches!(desk.ask(), Some(Ask::Link(LinkEffect::Close(3)))));
    assert!(desk.ask().is_none());
}

#[test]
fn long_audio_is_cut_without_loss() {
    let (mut desk, now) = (desk(), Instant::now());
    desk.book(now, vec![TtsEffect::Audio(vec![1; 2 * AUDIO_EVENT_BYTES + 2])]).unwrap();
    let mut sizes = Vec::new();
    while let Some(TtsEvent::Audio(piece)) = desk.pay() {
        sizes.push(piece.len());
    }
    assert_eq!(sizes, [AUDIO_EVENT_BYTES, AUDIO_EVENT_BYTES, 2]);
}

#[test]
fn a_session_that_owes_too_much_is_ended() {
    let (mut desk, now) = (desk(), Instant::now());
    desk.book(now, (0..OWED_EVENTS as u32).map(TtsEffect::Flushed).collect()).unwrap();
    assert_eq!(desk.book(now, vec![TtsEffect::Cancelled]).unwrap_err().code(), "output-limit");
}

#[test]
fn an_owner_who_says_nothing_more_ends_the_session_once() {
    let (mut desk, now) = (desk(), Instant::now());
    desk.input_closed();
    desk.input_closed();
    assert!(!desk.has_room());
    assert_eq!(said(desk.next(now)), "end");
    assert_eq!(said(desk.next(now)), "nothing");
}
