//! How the sound of real people comes through: codecs, resampler, lost and late packets, and what a recogniser still understands.
//!
//! People are those who recorded Asterisk's prompts (`vg_tests::lab::prompts`). Two measures: the segmental signal-to-noise ratio, and
//! listening quality by PESQ as an opinion score from 1 to 4.55 (narrow band, ITU-T P.862.1) or 4.64 (wide band, P.862.2).
//! Bounds lie a little under what was measured when they were written; the tables of ARCHITECTURE.md are what this prints:
//! `cargo test -p vg-tests --test quality -- --nocapture`, after `cargo xtask setup`.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr, reason = "a broken story stops; figures are its report")]

#[path = "quality/browser.rs"]
mod browser;
#[path = "quality/call.rs"]
mod call;
#[path = "quality/measure.rs"]
mod measure;
#[path = "quality/words.rs"]
mod words;

use browser::{Repair, opus};
use call::{Heard, call, without_breath};
use measure::{opinion, segmental_snr_db};
use serde_json::json;
use std::path::Path;
use std::time::Duration;
use vg_media::Codec;
use vg_media::codec::g711;
use vg_media::link::Weather;
use vg_media::resample::convert;
use vg_tests::lab::prompts::{Voice, prompt, prompt_wide};
use vg_tests::words::word_errors;
use words::Recogniser;

/// Half a minute of each voice.
const NARROW: [(Voice, &str); 4] = [
    (Voice::Allison, "demo-abouttotry"),
    (Voice::Allison, "vm-msginstruct"),
    (Voice::Carlo, "demo-abouttotry"),
    (Voice::Carlo, "demo-nogo"),
];
const WIDE: [(Voice, &str); 3] =
    [(Voice::Allison, "demo-abouttotry"), (Voice::Allison, "vm-msginstruct"), (Voice::Allison, "demo-nogo")];

fn people(rate_hz: u32) -> Vec<Vec<i16>> {
    match rate_hz {
        8_000 => NARROW.iter().map(|(voice, name)| prompt(*voice, name).unwrap()).collect(),
        _ => WIDE.iter().map(|(voice, name)| prompt_wide(*voice, name).unwrap()).collect(),
    }
}

fn mean(values: impl IntoIterator<Item = f64>) -> f64 {
    let (sum, count) = values.into_iter().fold((0.0, 0.0), |(sum, count), value| (sum + value, count + 1.0));
    sum / count
}

/// Means over all people.
struct Score {
    snr_db: f64,
    opinion: f64,
}

impl Score {
    fn of(rate_hz: u32, pass: impl Fn(&[i16]) -> Vec<i16>) -> Self {
        let pairs: Vec<_> = people(rate_hz).into_iter().map(|said| (pass(&said), said)).collect();
        Self {
            snr_db: mean(pairs.iter().map(|(heard, said)| segmental_snr_db(rate_hz, said, heard))),
            opinion: mean(pairs.iter().map(|(heard, said)| opinion(rate_hz, said, heard))),
        }
    }

    /// Prints a row and holds it against its bounds.
    fn at_least(&self, name: &str, snr_db: f64, opinion: f64) {
        let row = format!("| {name} | {:.1} | {:.2} |", self.snr_db, self.opinion);
        eprintln!("{row}");
        assert!(self.snr_db >= snr_db && self.opinion >= opinion, "{row} at least {snr_db} dB and {opinion}");
    }
}

#[test]
fn every_codec_carries_voices_as_well_as_it_can() {
    let fair = Weather::default();
    let leg = |codec: Codec| Score::of(codec.rate_hz(), |said| call(codec, said, fair, 1).line);
    eprintln!("| mouth to ear | segmental SNR, dB | opinion |");
    leg(Codec::Pcmu).at_least("PCMU", 36.5, 4.30);
    leg(Codec::Pcma).at_least("PCMA", 36.8, 4.29);
    leg(Codec::L16_8k).at_least("L16, 8 kHz", 59.0, 4.54);
    leg(Codec::G722).at_least("G.722", 42.3, 4.57);
    leg(Codec::L16_16k).at_least("L16, 16 kHz", 59.0, 4.62);
    // No copy of the wave: its bound is the opinion.
    Score::of(16_000, |said| opus(said, fair, 1, Repair::Copies).line).at_least("Opus, 32 kbit/s", 7.0, 3.88);
}

#[test]
fn resampling_there_and_back_cannot_be_heard() {
    let there_and_back = |rate_hz, by_hz| {
        Score::of(rate_hz, move |said| convert(&convert(said, rate_hz, by_hz).unwrap(), by_hz, rate_hz).unwrap())
    };
    eprintln!("| resampled there and back | segmental SNR, dB | opinion |");
    there_and_back(8_000, 16_000).at_least("8 by 16 kHz", 47.5, 4.54);
    there_and_back(8_000, 24_000).at_least("8 by 24 kHz", 35.0, 4.54);
    there_and_back(8_000, 48_000).at_least("8 by 48 kHz", 35.0, 4.54);
    there_and_back(16_000, 24_000).at_least("16 by 24 kHz", 41.5, 4.58);
    there_and_back(16_000, 48_000).at_least("16 by 48 kHz", 41.5, 4.58);
    // PESQ knows no higher rates.
    let snr_db = mean(people(16_000).iter().map(|said| {
        let said = convert(said, 16_000, 24_000).unwrap();
        segmental_snr_db(24_000, &said, &convert(&convert(&said, 24_000, 48_000).unwrap(), 48_000, 24_000).unwrap())
    }));
    eprintln!("| 24 by 48 kHz | {snr_db:.1} | |");
    assert!(snr_db >= 59.0, "{snr_db:.1} dB");
}

/// Opinions of everybody's call: with what the gateway makes up for lost packets, and with silence instead.
struct Lossy {
    made_up: f64,
    holes: f64,
    lost: u64,
    sent: u64,
}

impl Lossy {
    fn of(rate_hz: u32, pass: impl Fn(&[i16], u64) -> Heard) -> Self {
        let calls: Vec<_> = people(rate_hz).into_iter().zip(0..).map(|(said, seed)| (pass(&said, seed), said)).collect();
        Self {
            made_up: mean(calls.iter().map(|(heard, said)| opinion(rate_hz, said, &heard.line))),
            holes: mean(calls.iter().map(|(heard, said)| opinion(rate_hz, said, &heard.holes))),
            lost: calls.iter().map(|(heard, _)| heard.lost).sum(),
            sent: calls.iter().map(|(heard, _)| heard.sent).sum(),
        }
    }

    /// Prints a row and holds it against its bounds: the opinion, and what it is better by than silence.
    fn at_least(&self, name: &str, percent: u32, opinion: f64, gain: f64) {
        let Self { made_up, holes, lost, sent } = self;
        let row = format!("| {name} | {percent} % | {lost} of {sent} | {made_up:.2} | {holes:.2} |");
        eprintln!("{row}");
        assert_eq!(percent == 0, *lost == 0, "{row}");
        assert!(*made_up >= opinion && made_up - holes >= gain, "{row} at least {opinion}, and {gain} better");
    }
}

fn loss(percent: u32) -> Weather {
    Weather { loss: f64::from(percent) / 100.0, ..Weather::default() }
}

const LOSS_HEAD: &str = "| codec | loss | packets | opinion, concealed | opinion, silent holes |";

#[test]
fn what_is_made_up_for_lost_packets_sounds_better_than_holes() {
    eprintln!("{LOSS_HEAD}");
    for (percent, opinion, gain) in [(0, 4.30, 0.0), (1, 3.95, 0.15), (5, 3.10, 0.45), (10, 2.60, 0.5), (20, 1.95, 0.5)] {
        Lossy::of(8_000, |said, seed| call(Codec::Pcmu, said, loss(percent), seed)).at_least("PCMU", percent, opinion, gain);
    }
    for (percent, opinion, gain) in [(0, 4.57, 0.0), (1, 3.68, 0.3), (5, 2.30, 0.6), (10, 1.55, 0.3), (20, 1.28, 0.18)] {
        Lossy::of(16_000, |said, seed| call(Codec::G722, said, loss(percent), seed)).at_least("G.722", percent, opinion, gain);
    }
    // A codec that remembers nothing: what G.722 loses beyond this it loses by having lost its place.
    for (percent, opinion, gain) in [(0, 4.60, 0.0), (1, 3.85, 0.3), (5, 2.50, 0.6), (10, 1.75, 0.4), (20, 1.38, 0.25)] {
        Lossy::of(16_000, |said, seed| call(Codec::L16_16k, said, loss(percent), seed)).at_least("L16", percent, opinion, gain);
    }
}

#[test]
fn copies_of_opus_in_the_next_packet_sound_better_than_guesses_and_those_better_than_holes() {
    eprintln!("{LOSS_HEAD}");
    let lossy = |percent, repair| Lossy::of(16_000, move |said, seed| opus(said, loss(percent), seed, repair));
    for (percent, opinion, gain) in [(0, 3.88, 0.0), (1, 3.70, 0.65), (5, 3.45, 1.6), (10, 3.10, 1.7), (20, 2.10, 0.9)] {
        let copies = lossy(percent, Repair::Copies);
        copies.at_least("Opus", percent, opinion, gain);
        if percent == 5 {
            let guesses = lossy(percent, Repair::Guesses);
            guesses.at_least("Opus, guesses only", percent, 2.35, 0.6);
            assert!(copies.made_up >= guesses.made_up + 0.9, "a copy is worth more than a guess");
        }
    }
}

/// The jitter in milliseconds, whether packets overtake each other, and the bounds: percent concealed and opinion.
type Jittery = (u64, bool, f64, f64);

#[test]
fn jitter_up_to_100_ms_costs_hardly_anything_but_delay() {
    const PCMU: [Jittery; 6] = [
        (0, false, 0.0, 4.30),
        (20, false, 0.1, 4.30),
        (50, false, 0.3, 4.24),
        (50, true, 0.3, 4.24),
        (100, false, 0.5, 4.20),
        (100, true, 1.9, 3.84),
    ];
    const G722: [Jittery; 6] = [
        (0, false, 0.0, 4.57),
        (20, false, 0.1, 4.57),
        (50, false, 0.3, 4.45),
        (50, true, 0.3, 4.45),
        (100, false, 0.6, 4.45),
        (100, true, 2.3, 3.85),
    ];
    eprintln!("| codec | jitter | order | delay at the end | concealed | opinion |");
    for (name, codec, rows) in [("PCMU", Codec::Pcmu, PCMU), ("G.722", Codec::G722, G722)] {
        for (jitter_ms, reorder, share_most, least) in rows {
            let rate_hz = codec.rate_hz();
            let weather = Weather { jitter_max: Duration::from_millis(jitter_ms), reorder, ..Weather::default() };
            let pass = |(said, seed): (Vec<i16>, u64)| (call(codec, &said, weather, seed), said);
            let calls: Vec<_> = people(rate_hz).into_iter().zip(0..).map(pass).collect();
            let opinion = mean(calls.iter().map(|(heard, said)| opinion(rate_hz, said, &heard.line)));
            let delay_ms = mean(calls.iter().map(|(heard, _)| heard.stats.delay_ms as f64));
            let share = mean(calls.iter().map(|(heard, _)| 100.0 * heard.stats.concealed as f64 / heard.stats.frames as f64));
            let order = if reorder { "mixed" } else { "kept" };
            let row = format!("| {name} | {jitter_ms} ms | {order} | {delay_ms:.0} ms | {share:.1} % | {opinion:.2} |");
            eprintln!("{row}");
            assert!(opinion >= least && share <= share_most, "{row} at least {least}, at most {share_most} %");
            assert!(delay_ms <= jitter_ms as f64 + 25.0, "{row}");
        }
    }
}

/// What Allison says in her prompts.
const SAYINGS: [(&str, &str); 20] = [
    ("all-circuits-busy-now", "all circuits are busy now"),
    ("one-moment-please", "one moment please"),
    ("please-try-again", "please try again"),
    ("hello-world", "hello world"),
    ("call-forwarding", "call forwarding"),
    ("call-waiting", "call waiting"),
    ("do-not-disturb", "do not disturb"),
    ("telephone-number", "telephone number"),
    ("from-unknown-caller", "from an unknown caller"),
    ("queue-thankyou", "thank you for your patience"),
    ("please-try-call-later", "please try your call again later"),
    ("conf-onlyperson", "you are currently the only person in this conference"),
    ("vm-nomore", "no more messages"),
    ("something-terribly-wrong", "something is terribly wrong"),
    ("vm-nobodyavail", "nobody is available to take your call at the moment"),
    ("feature-not-avail-line", "that feature is not available on this line"),
    ("agent-pass", "please enter your password followed by the pound key"),
    ("info-about-last-call", "information about your last call"),
    ("vm-goodbye", "goodbye"),
    ("sorry-youre-having-problems", "i'm sorry that you're having problems"),
];

/// Sentences of fixtures/speech that are in the demo's grammar, by the voice slt.
fn sentences() -> Vec<(Vec<i16>, String)> {
    let fixtures = repo().join("tests/fixtures/speech");
    let list = std::fs::read_to_string(fixtures.join("sentences.tsv")).unwrap();
    let sound = std::fs::read(fixtures.join("slt-8k.ulaw")).unwrap();
    let (mut rest, mut sentences) = (&sound[..], Vec::new());
    for line in list.lines().filter(|line| !line.starts_with('#')) {
        let [kind, voice, bytes, _, text] = line.split('\t').collect::<Vec<_>>().try_into().unwrap();
        if voice == "slt" {
            let (wire, further) = rest.split_at(bytes.parse().unwrap());
            let mut samples = vec![0; wire.len()];
            g711::decode_ulaw(wire, &mut samples);
            sentences.extend((kind == "in").then(|| (samples, text.to_owned())));
            rest = further;
        }
    }
    assert!(rest.is_empty(), "sentences.tsv lists all of slt");
    sentences
}

fn repo() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

#[test]
fn recogniser_misses_hardly_more_words_when_one_packet_in_twenty_is_lost() {
    let recogniser = Recogniser::load();
    let phrases = json!({ "phrases": SAYINGS.map(|(_, text)| text) }).to_string();
    let grammar = json!({ "grammar": std::fs::read_to_string(repo().join("host/demo/demo.jsgf")).unwrap() }).to_string();
    let person: Vec<_> = SAYINGS.iter().map(|(name, text)| (prompt(Voice::Allison, name).unwrap(), (*text).to_owned())).collect();
    // A soft sound at a word's beginning is no breath.
    let breathless = person.iter().map(|(said, text)| (without_breath(said), text.clone())).collect();
    eprintln!("| who | loss | packets | words | wrong |");
    for (who, sayings, options, bounds) in [
        ("a person, 20 phrases", person, phrases.clone(), [17, 20, 29]),
        ("the same without a breath", breathless, phrases, [17, 20, 29]),
        ("flite slt, the demo's grammar", sentences(), grammar, [10, 10, 13]),
    ] {
        let words: usize = sayings.iter().map(|(_, text)| text.split_whitespace().count()).sum();
        for (percent, most) in [0, 5, 20].into_iter().zip(bounds) {
            let (mut lost, mut sent, mut wrong) = (0, 0, 0);
            for ((said, text), seed) in sayings.iter().zip(0..) {
                let (understood, heard) = recogniser.understands(said, &options, loss(percent), seed);
                wrong += word_errors(text, &understood);
                (lost, sent) = (lost + heard.lost, sent + heard.sent);
            }
            let row = format!("| {who} | {percent} % | {lost} of {sent} | {words} | {wrong} |");
            eprintln!("{row}");
            assert!(wrong <= most, "{row} at most {most}");
        }
    }
}
