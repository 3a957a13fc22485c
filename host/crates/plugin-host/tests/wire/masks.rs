//! Maskers: good ones, hostile ones, and what of theirs is believed.

use crate::{Rig, rig};
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
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

/// This thread, and those that it starts, on one processor of those it may use.
fn on_one_processor() {
    let all = sched_getaffinity(Pid::from_raw(0)).unwrap();
    let mut one = CpuSet::new();
    one.set((0..CpuSet::count()).find(|cpu| all.is_set(*cpu).unwrap()).unwrap()).unwrap();
    sched_setaffinity(Pid::from_raw(0), &one).unwrap();
}

/// A caller waits by the clock: whoever comes to run for 5 ms of 20 is stopped as well, long before its CPU's time is up.
#[test]
fn a_masker_that_others_keep_from_running_is_stopped_by_the_clock() {
    let rig = rig();
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let masking = scope.spawn(|| {
            on_one_processor();
            let others: Vec<_> = (0..4)
                .map(|_| {
                    scope.spawn(|| {
                        while !over.load(Relaxed) {
                            std::hint::spin_loop();
                        }
                    })
                })
                .collect();
            let mut codes = (0..20).map(|_| masker(&rig, "loop").mask(segment("4111111111111111")).unwrap_err().code());
            let is_slow = codes.any(|code| code == "slow");
            over.store(true, Relaxed);
            assert!(others.into_iter().all(|other| other.join().is_ok()));
            is_slow
        });
        assert!(masking.join().unwrap(), "only the CPU is counted");
    });
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
