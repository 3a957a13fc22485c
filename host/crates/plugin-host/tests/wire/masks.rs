//! Maskers: good ones, hostile ones, and what of theirs is believed.

use crate::{Rig, rig};
use vg_plugin_host::api::{Kind, MaskSettings, Segment, SpanKind, TextSource};
use vg_plugin_host::{MaskInstance, SessionError};

pub(crate) fn settings(behave: &str) -> MaskSettings {
    MaskSettings { languages: vec![behave.to_owned()], kinds: vec![SpanKind::CardNumber], last_four: false }
}

pub(crate) fn segment(text: &str) -> Segment {
    Segment { text: text.to_owned(), source: TextSource::Caller, partial: false }
}

fn masker(rig: &Rig, behave: &str) -> MaskInstance {
    rig.load("test/probe-mask").instantiate_mask(settings(behave)).unwrap()
}

#[test]
fn a_card_number_is_masked_and_its_place_is_told() {
    let rig = rig();
    assert_eq!(rig.load("test/probe-mask").descriptor().kind, Kind::Mask);
    let mut masker = masker(&rig, "");
    let masked = masker.mask(segment("é 4111111111111111.")).unwrap();
    assert_eq!(masked.text, "é #.");
    assert_eq!((masked.spans.len(), masked.spans[0].start, masked.spans[0].end), (1, 3, 19));
    assert_eq!(masker.mask(segment("nothing")).unwrap().text, "nothing");
}

#[test]
fn a_masker_that_falls_answers_nothing_more() {
    let rig = rig();
    // Where the machine is busy, time is up before memory is, and the clock before the CPU's.
    let time = ["cpu-limit", "slow"];
    for (behave, codes) in [("loop", &time[..]), ("trap", &["trap"]), ("memory-bomb", &["memory-limit", "cpu-limit", "slow"])] {
        let mut masker = masker(&rig, behave);
        let code = masker.mask(segment("4111111111111111")).unwrap_err().code();
        assert!(codes.contains(&code), "{behave}: {code}");
        assert_eq!(masker.mask(segment("hello")), Err(SessionError::Dead));
    }
    let error = rig.load("test/probe-mask").instantiate_mask(settings("constructor-loop")).err();
    assert!(error.is_some_and(|error| time.contains(&error.code())));
}

#[test]
fn spans_that_are_none_of_the_text_end_the_masker() {
    let rig = rig();
    for behave in ["beyond", "overlap", "inside-character"] {
        let mut masker = masker(&rig, behave);
        assert_eq!(masker.mask(segment("é 4111111111111111")).unwrap_err().code(), "contract", "{behave}");
        assert_eq!(masker.mask(segment("hello")), Err(SessionError::Dead));
    }
}

#[test]
fn a_masker_neither_listens_nor_speaks() {
    let rig = rig();
    let plugin = rig.load("test/probe-mask");
    assert_eq!(plugin.instantiate_stt().err(), Some(SessionError::WrongKind));
    assert_eq!(rig.load("test/probe-stt").instantiate_mask(settings("")).err(), Some(SessionError::WrongKind));
}
