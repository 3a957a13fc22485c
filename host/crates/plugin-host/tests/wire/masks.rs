//! Maskers: good ones, hostile ones, and what of theirs is believed.

use crate::{Rig, rig};
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;
use std::fs::{File, read_to_string};
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use vg_plugin_host::api::{Kind, MaskSettings, Segment, SpanKind, TextSource};
use vg_plugin_host::{MaskInstance, SessionError};
use zeroize::Zeroizing;

pub(crate) fn settings(behave: &str) -> MaskSettings {
    MaskSettings { languages: vec![behave.to_owned()], kinds: vec![SpanKind::CardNumber], last_four: false }
}

pub(crate) fn segment(text: &str) -> Segment {
    Segment { text: text.to_owned().into(), source: TextSource::Caller, partial: false }
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

/// A card's number, each digit one more than it is: to be looked for in memory it must not stand there.
const NEXT_TO_CARD: &[u8] = b"5:3:42526:376468";

/// How often that number stands in memory that this process can write, buffers that were given back included.
fn in_memory() -> usize {
    const PIECE: usize = 1 << 20;
    /// More of a mapping is no heap of ours.
    const MAPPING_MAX: u64 = 1 << 30;
    let memory = File::open("/proc/self/mem").unwrap();
    // What is read is a copy.
    let mut bytes = Zeroizing::new(vec![0_u8; PIECE]);
    let mut found = 0;
    for line in read_to_string("/proc/self/maps").unwrap().lines() {
        let mut parts = line.split_ascii_whitespace();
        let (start, end) = parts.next().unwrap().split_once('-').unwrap();
        let [mut at, end] = [start, end].map(|address| u64::from_str_radix(address, 16).unwrap());
        if !parts.next().unwrap().starts_with("rw") || end - at > MAPPING_MAX {
            continue;
        }
        while at < end {
            let piece = &mut bytes[..PIECE.min(usize::try_from(end - at).unwrap())];
            if memory.read_exact_at(piece, at).is_err() {
                // It went meanwhile.
                break;
            }
            found += cards_in(piece);
            at += if piece.len() == PIECE { (PIECE - NEXT_TO_CARD.len() + 1) as u64 } else { piece.len() as u64 };
        }
    }
    found
}

fn cards_in(mut bytes: &[u8]) -> usize {
    let mut found = 0;
    while let Some(at) = bytes.iter().position(|byte| *byte == NEXT_TO_CARD[0] - 1) {
        let piece = bytes[at..].get(..NEXT_TO_CARD.len()).unwrap_or_default();
        let is_card = !piece.is_empty() && piece.iter().zip(NEXT_TO_CARD).all(|(byte, next)| byte.wrapping_add(1) == *next);
        found += usize::from(is_card);
        bytes = &bytes[at + 1..];
    }
    found
}

#[test]
fn nothing_of_a_number_is_left_in_memory_when_its_masker_is_gone() {
    let rig = rig();
    let mut masker = masker(&rig, "");
    let mut text = Zeroizing::new(String::with_capacity(100));
    text.push_str("before I tell it to you, let me see: ");
    NEXT_TO_CARD.iter().for_each(|next| text.push(char::from(next - 1)));
    assert!(in_memory() > 0, "what is there is not found: the rest would prove nothing");
    let masked = masker.mask(Segment { text, source: TextSource::Caller, partial: false }).unwrap();
    assert_eq!(masked.text, "before I tell it to you, let me see: #");
    drop(masker);
    assert_eq!(in_memory(), 0);
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
