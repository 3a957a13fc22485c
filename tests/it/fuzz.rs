//! That the fuzzers' corpus leads into every branch of the parsers, and that damage of what is in it is survived.
//!
//! Fuzzing itself is libFuzzer's (`cargo xtask fuzz`), which sees coverage; here every file of the corpus, and a seeded number of damages
//! of it, goes through the same bodies on every run of the tests, and what they saw is counted.
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a broken story stops; counts are its report"
)]

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;
use vg_media::fuzz::{self, Mutator};
use vg_tests::Size;
use voice_gateway::adapters::{ami, ari, media_ws};

/// Counts by what was seen.
type Seen = BTreeMap<&'static str, u64>;

/// Every file of a target and its damaged kin, fed to a body that says what it saw.
fn feed(target: &str, body: impl Fn(&[u8]) -> Vec<(&'static str, u64)>) -> Seen {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut names: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.sort();
    let files: Vec<Vec<u8>> = names.iter().map(|name| std::fs::read(name).unwrap()).collect();
    let damages = match Size::asked() {
        Size::Ci => 4_000,
        Size::Full => 100_000,
    };
    let (mut mutator, mut seen) = (Mutator::new(0xF022), Seen::new());
    let mut count = |input: &[u8]| body(input).into_iter().for_each(|(what, times)| *seen.entry(what).or_default() += times);
    files.iter().for_each(|file| count(file));
    for round in 0..damages {
        let (file, other) = (&files[round % files.len()], &files[round * 7 % files.len()]);
        count(&mutator.damage(file, other));
    }
    eprintln!("{target}, {} files and {damages} damaged: {seen:?}", files.len());
    seen
}

/// Fails with what was never seen.
fn all(seen: &Seen, wanted: &[&'static str]) {
    let missing: Vec<_> = wanted.iter().filter(|what| seen.get(*what).is_none_or(|times| *times == 0)).collect();
    assert!(missing.is_empty(), "never reached: {missing:?}, of {seen:?}");
}

#[test]
fn every_fault_of_rtp_is_reached() {
    let seen = feed("rtp", |datagram| vec![(fuzz::rtp(datagram), 1)]);
    all(&seen, &["ok", "short", "version", "padding"]);
}

#[test]
fn every_fate_of_a_packet_is_reached() {
    let begin = Instant::now();
    let seen = feed("ear", |script| {
        let stats = fuzz::ear(begin, script);
        vec![
            ("packets", stats.packets),
            ("garbage", stats.garbage),
            ("foreign_payload", stats.foreign_payload),
            ("events", stats.events),
            ("stray", stats.stray),
            ("lost", stats.lost),
            ("reordered", stats.reordered),
            ("duplicates", stats.duplicates),
            ("late", stats.late),
            ("overflow", stats.overflow),
            ("resyncs", stats.resyncs),
            ("concealed", stats.concealed),
            ("silent", stats.silent),
            ("voiced", stats.voiced),
            ("clipped", stats.clipped),
            ("trimmed", stats.trimmed),
            ("stretched", stats.stretched),
        ]
    });
    all(&seen, &seen.keys().copied().collect::<Vec<_>>());
}

#[test]
fn every_packet_and_every_fault_of_rtcp_is_reached() {
    let seen = feed("rtcp", |datagram| fuzz::rtcp(datagram).into_iter().map(|what| (what, 1)).collect());
    all(&seen, &["sender_report", "receiver_report", "source_description", "goodbye", "goodbye_with_reason", "application"]);
    all(&seen, &["short", "version", "kind", "padding"]);
}

#[test]
fn everything_a_reporter_counts_and_tells_is_reached() {
    let begin = Instant::now();
    let seen = feed("reporter", |script| {
        let (stats, told) = fuzz::reporter(begin, script);
        vec![
            ("garbage", stats.garbage),
            ("datagrams", stats.datagrams),
            ("reports", stats.reports),
            ("collisions", stats.collisions),
            ("sent", stats.sent),
            ("received", stats.received),
            ("lost", stats.lost.max(0) as u64),
            ("more than were sent", u64::from(stats.lost < 0)),
            ("jitter", stats.jitter.into()),
            ("reported", told.reported),
            ("left", told.left),
        ]
    });
    all(&seen, &seen.keys().copied().collect::<Vec<_>>());
}

#[test]
fn every_fate_of_a_telephone_event_is_reached() {
    let begin = Instant::now();
    let seen = feed("digits", |script| {
        let stats = fuzz::digits(begin, script);
        vec![
            ("packets", stats.packets),
            ("digits", stats.digits),
            ("malformed", stats.malformed),
            ("reserved", stats.reserved),
            ("other_events", stats.other_events),
            ("late", stats.late),
            ("overflow", stats.overflow),
            ("ends_missed", stats.ends_missed),
        ]
    });
    all(&seen, &seen.keys().copied().collect::<Vec<_>>());
}

#[test]
fn every_fault_of_a_wav_file_is_reached() {
    let seen = feed("wav", |file| vec![(fuzz::wav(file), 1)]);
    all(&seen, &["ok", "not_wave", "truncated", "format_missing", "data_missing", "encoding", "bits", "shape"]);
}

#[test]
fn every_message_of_the_media_socket_is_reached() {
    let of_phone = |text: &[u8]| vec![(media_ws::fuzz(text)[0], 1)];
    let seen = feed("control", of_phone);
    all(&seen, &["media_start_ulaw", "media_start_alaw", "media_start_slin", "media_start_slin16"]);
    all(&seen, &["dtmf_end", "hangup", "unused", "refused", "not_text"]);
    let to_phone = feed("control", |text| vec![(media_ws::fuzz(text)[1], 1)]);
    all(&to_phone, &["answer", "hangup", "flush_media", "unused", "fact", "refused", "not_text"]);
}

#[test]
fn every_message_of_an_event_socket_is_reached() {
    let seen = feed("ari", |text| vec![(ari::fuzz(text)[0], 1)]);
    all(&seen, &["start", "end", "hangup_request", "destroyed", "digit", "replaced", "registered", "answer", "unused"]);
    all(&seen, &["refused", "not_text"]);
    let addressed = feed("ari", |text| vec![(ari::fuzz(text)[1], 1)]);
    all(&addressed, &["addressed", "nobody", "refused"]);
}

#[test]
fn every_message_and_every_fault_of_a_manager_interface_is_reached() {
    let seen = feed("ami", |bytes| ami::fuzz(bytes).into_iter().map(|what| (what, 1)).collect());
    all(&seen, &["greeting", "answer", "gone", "refusal", "hangup", "digit", "unused", "too_long", "not_a_field"]);
}
