//! Calls through every weather: how much is made up, how long sound is held back, how close it comes to what was said, and no clicks.

use super::*;
use crate::frame::FRAME;
use crate::link::{Link, Rng, Weather};
use std::f64::consts::TAU;

const MS: Duration = Duration::from_millis(1);
const RATE: usize = 8_000;
const FRAME_SAMPLES: usize = RATE / 50;
/// Words of 600 ms between pauses of 400 ms.
const WORD_FRAMES: usize = 30;
const ROUND_FRAMES: usize = 50;

/// A voice of harmonics that glides and swells, in a room that is not quite silent; the same each minute.
fn speech(frames: usize) -> Vec<i16> {
    let minute = speech_of(frames.min(3_000));
    minute.iter().copied().cycle().take(frames * FRAME_SAMPLES).collect()
}

fn speech_of(frames: usize) -> Vec<i16> {
    let mut rng = Rng::new(11);
    let mut phase = 0.0;
    (0..frames * FRAME_SAMPLES)
        .map(|n| {
            let seconds = n as f64 / RATE as f64;
            let within = (n / FRAME_SAMPLES) % ROUND_FRAMES;
            let progress = (n % (ROUND_FRAMES * FRAME_SAMPLES)) as f64 / (WORD_FRAMES * FRAME_SAMPLES) as f64;
            let swell = if within < WORD_FRAMES { (progress * TAU / 2.0).sin().max(0.0) } else { 0.0 };
            phase += TAU * (120.0 + 40.0 * (seconds * TAU * 0.7).sin()) / RATE as f64;
            let voice: f64 = (1..=12).map(|k| (phase * f64::from(k)).sin() / (f64::from(k) + (f64::from(k) - 5.0).powi(2))).sum();
            (9_000.0 * swell * voice + 12.0 * (rng.unit() - 0.5)) as i16
        })
        .collect()
}

#[derive(Default)]
struct Heard {
    line: Vec<i16>,
    /// What sound was held back by at each frame, in milliseconds.
    delays_ms: Vec<u64>,
}

impl EarSink for Heard {
    fn frame(&mut self, frame: Frame<'_>) {
        self.line.extend(frame.samples);
    }

    fn edge(&mut self, _edge: Edge) {}
}

struct Told {
    heard: Heard,
    stats: EarStats,
    sent: u64,
    lost: u64,
    /// Segmental signal-to-noise ratio of the words, in dB, of 20 ms segments within -10 and 35 dB.
    snr_db: f64,
}

impl Told {
    /// Share of the frames while somebody sent that were made up.
    fn concealed(&self) -> f64 {
        self.stats.concealed as f64 / self.sent as f64
    }

    fn delay_ms(&self) -> u64 {
        let delays = &self.heard.delays_ms;
        delays[delays.len() / 4..].iter().sum::<u64>() / (delays.len() as u64 * 3 / 4)
    }
}

/// A call of mu-law packets through a weather. `ppm`: how much faster than ours the sender's clock is.
fn call(seconds: usize, weather: Weather, ppm: f64, seed: u64) -> Told {
    let frames = 50 * seconds;
    let said = speech(frames);
    let begin = Instant::now();
    let mut ear = Ear::new(begin, EarConfig::new(Codec::Pcmu, Framing::Rtp)).unwrap();
    let (mut link, mut heard) = (Link::new(seed, weather), Heard::default());
    let mut next = 0;
    for tick in 0..frames as u32 * 4 + 100 {
        let now = begin + 5 * MS * tick;
        while next < frames && begin + FRAME.mul_f64(1.0 / (1.0 + ppm / 1e6)) * next as u32 <= now {
            let (sequence, timestamp) = (next as u16, (next * FRAME_SAMPLES) as u32);
            let header = Header { marker: false, payload_type: 0, sequence, timestamp, ssrc: 1 };
            let mut datagram = rtp::write(header).to_vec();
            datagram.resize(12 + FRAME_SAMPLES, 0);
            Codec::Pcmu.encoder().encode(&said[next * FRAME_SAMPLES..][..FRAME_SAMPLES], &mut datagram[12..]);
            link.send(now, &datagram);
            next += 1;
        }
        for (arrival, datagram) in link.deliver(now) {
            ear.handle_datagram(arrival, &datagram);
        }
        ear.poll(now, &mut heard);
        if tick % 4 == 0 && next < frames {
            heard.delays_ms.push(ear.stats().delay_ms);
        }
    }
    let snr_db = segmental_snr_db(&said, &heard.line);
    Told { stats: ear.stats(), sent: frames as u64, lost: link.lost, snr_db, heard }
}

/// Each word is looked for where it lies: frames are left out or put in between words only.
fn segmental_snr_db(said: &[i16], heard: &[i16]) -> f64 {
    let (mut sum, mut count) = (0.0, 0.0);
    let mut shift = 0i64;
    for (round, word) in said.chunks_exact(ROUND_FRAMES * FRAME_SAMPLES).enumerate() {
        let word = &word[..WORD_FRAMES * FRAME_SAMPLES];
        let at = (round * ROUND_FRAMES * FRAME_SAMPLES) as i64;
        let place = |frames: i64| {
            usize::try_from(at + frames * FRAME_SAMPLES as i64).ok().and_then(|from| heard.get(from..from + word.len()))
        };
        let likeness = |frames: i64| place(frames).map_or(i64::MIN, |line| dot(word, line));
        let Some(best) = (shift - 12..=shift + 12).max_by_key(|frames| likeness(*frames)) else { continue };
        let Some(line) = place(best) else { continue };
        shift = best;
        for (sent, got) in word.chunks(FRAME_SAMPLES).zip(line.chunks(FRAME_SAMPLES)) {
            let power = dot(sent, sent) as f64;
            if power < 1e4 * FRAME_SAMPLES as f64 {
                continue;
            }
            let error: f64 = sent.iter().zip(got).map(|(sent, got)| f64::from(i32::from(*sent) - i32::from(*got)).powi(2)).sum();
            sum += (10.0 * (power / error.max(1.0)).log10()).clamp(-10.0, 35.0);
            count += 1.0;
        }
    }
    sum / f64::max(count, 1.0)
}

fn dot(a: &[i16], b: &[i16]) -> i64 {
    a.iter().zip(b).map(|(a, b)| i64::from(*a) * i64::from(*b)).sum()
}

/// The steepest step between two samples.
fn steepest(line: &[i16]) -> i32 {
    line.windows(2).map(|pair| (i32::from(pair[1]) - i32::from(pair[0])).abs()).max().unwrap_or(0)
}

fn rain(loss: f64, jitter_ms: u32) -> Weather {
    Weather { loss, jitter_max: MS * jitter_ms, ..Weather::default() }
}

/// Loss that is concealed, delay that follows the jitter, words that stay as they were; numbers are those of a minute.
struct Bounds {
    weather: Weather,
    /// Made-up frames beyond those that were lost, as a share of all.
    concealed: f64,
    delay_ms: u64,
    snr_db: f64,
}

fn bounds(weather: Weather, delay_ms: u64, snr_db: f64) -> Bounds {
    Bounds { weather, concealed: 0.005, delay_ms, snr_db }
}

fn table() -> Vec<Bounds> {
    let reordered = |jitter_ms| Weather { reorder: true, ..rain(0.0, jitter_ms) };
    let bursts = |loss, burst| Weather { burst, ..rain(loss, 0) };
    vec![
        bounds(rain(0.0, 0), 25, 34.0),
        bounds(rain(0.01, 0), 25, 33.5),
        bounds(rain(0.05, 0), 25, 31.5),
        bounds(rain(0.10, 0), 25, 29.0),
        bounds(rain(0.20, 0), 30, 24.5),
        bounds(bursts(0.05, 2.0), 25, 31.0),
        bounds(bursts(0.05, 4.0), 30, 31.0),
        bounds(rain(0.0, 20), 45, 34.0),
        bounds(rain(0.0, 50), 75, 34.0),
        bounds(rain(0.0, 100), 125, 33.5),
        bounds(reordered(20), 45, 34.0),
        bounds(reordered(50), 75, 34.0),
        Bounds { concealed: 0.012, ..bounds(reordered(100), 125, 33.0) },
        bounds(Weather { duplicate: 0.3, ..rain(0.0, 0) }, 25, 34.0),
        Bounds { concealed: 0.012, ..bounds(Weather { duplicate: 0.1, loss: 0.05, ..reordered(100) }, 125, 30.0) },
    ]
}

#[test]
fn every_weather_is_heard_with_no_more_delay_than_it_needs() {
    for (row, Bounds { weather, concealed, delay_ms, snr_db }) in table().iter().enumerate() {
        for seed in 1..=3 {
            let told = call(60, *weather, 0.0, seed);
            let why = format!(
                "row {row} seed {seed}: {} ms, {:.1} dB, lost {}, {:?}",
                told.delay_ms(),
                told.snr_db,
                told.lost,
                told.stats
            );
            let lost = told.lost as f64 / told.sent as f64;
            assert!((lost - weather.loss).abs() <= 0.4 * weather.loss, "{why}");
            assert!(told.concealed() <= lost + concealed, "{why}");
            assert!(told.delay_ms() <= *delay_ms, "{why}");
            assert!(told.snr_db >= *snr_db, "{why}");
            assert_eq!(told.stats.resyncs, 0, "{why}");
        }
    }
}

#[test]
fn sound_is_held_back_longer_in_worse_weather_and_not_when_it_is_over() {
    let delays = |weather| call(60, weather, 0.0, 1).delay_ms();
    let (fair, windy, stormy) = (delays(rain(0.0, 0)), delays(rain(0.0, 60)), delays(rain(0.0, 120)));
    assert!(fair < 25 && (60..85).contains(&windy) && (120..145).contains(&stormy), "{fair} {windy} {stormy}");
}

#[test]
fn no_repair_can_be_heard_as_a_click() {
    let said = speech(3_000);
    let storms = [Weather { burst: 5.0, ..rain(0.10, 30) }, Weather { reorder: true, ..rain(0.02, 120) }];
    for weather in table().into_iter().map(|row| row.weather).chain(storms) {
        let told = call(60, weather, 0.0, 4);
        let (heard, own) = (steepest(&told.heard.line), steepest(&said));
        assert!(heard <= own * 11 / 10, "{weather:?}: {heard} of {own}: {:?}", told.stats);
        // And between the words, where nothing but the room is to be heard: frames are left out and put in there.
        let heard = steepest_quiet(&told.heard.line);
        assert!(heard <= FAINT, "{weather:?}: {heard}: {:?}", told.stats);
    }
}

/// A step of -50 dB of full scale: what a lead-over from a guess may leave at the edge of a pause.
const FAINT: i32 = 100;

/// The steepest step within a frame of hardly any sound.
fn steepest_quiet(line: &[i16]) -> i32 {
    let quiet = line.chunks(FRAME_SAMPLES).filter(|frame| dot(frame, frame) < 100 * FRAME_SAMPLES as i64);
    assert!(quiet.clone().count() > 500, "pauses are there");
    quiet.map(steepest).max().unwrap_or(0)
}

#[test]
fn clock_that_runs_slow_or_fast_for_an_hour_is_followed_and_measured() {
    for ppm in [-100.0, 100.0] {
        let told = call(3_600, rain(0.0, 20), ppm, 3);
        let stats = told.stats;
        // 100 ppm of an hour are 18 frames; three more at the end of the call are made up, and a second of it is silent.
        assert!(stats.concealed < 60 && stats.late == 0 && stats.overflow == 0, "{stats:?}");
        assert!(stats.trimmed.abs_diff(stats.stretched) < 40 && stats.trimmed + stats.stretched < 150, "{stats:?}");
        assert!(told.delay_ms() < 35 && told.snr_db > 34.0, "{} ms, {} dB", told.delay_ms(), told.snr_db);
        assert!((f64::from(stats.drift_ppm.unwrap()) - ppm).abs() < 5.0, "{stats:?}");
    }
}

#[test]
fn hour_of_storm_with_a_clock_that_drifts_is_heard_to_its_end() {
    let storm = Weather { loss: 0.05, burst: 3.0, duplicate: 0.05, jitter_max: 80 * MS, reorder: true };
    let told = call(3_600, storm, 100.0, 5);
    let (stats, lost) = (told.stats, told.lost as f64 / told.sent as f64);
    let why = format!("{} ms, {:.1} dB, lost {lost:.3}, {stats:?}", told.delay_ms(), told.snr_db);
    // Bursts beyond 60 ms are silence. The call ends with a second of it.
    let not_genuine = (stats.concealed + stats.silent - 50) as f64 / told.sent as f64;
    assert!(told.concealed() <= lost && not_genuine <= lost + 0.012, "{why}");
    assert!(stats.overflow == 0 && stats.resyncs == 0 && stats.drift_ppm.is_some_and(|ppm| ppm.abs_diff(100) < 5), "{why}");
    assert!(told.delay_ms() <= 105 && told.snr_db >= 31.0, "{why}");
    assert!(steepest(&told.heard.line) <= steepest(&speech(3_000)) * 11 / 10, "{why}");
    // Frames follow our clock, not the sender's: an hour of it is an hour.
    assert!((told.heard.line.len() / FRAME_SAMPLES).abs_diff(3_600 * 50) <= 100, "{why}");
}
