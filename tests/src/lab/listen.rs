//! Judging sound: was it this recording, was it that tone, was it anything at all.

/// How well one recording was found in another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Likeness {
    /// Samples by which the heard one is later.
    pub delay_samples: usize,
    /// Normalised cross-correlation at that delay: 1.0 is identical up to volume, unrelated speech stays below 0.3.
    pub similarity: f64,
}

/// Looks for `sent` in `heard` at every delay from 0 to `delay_max` samples. Cost: their product.
pub fn likeness(sent: &[i16], heard: &[i16], delay_max: usize) -> Likeness {
    let mut best = Likeness { delay_samples: 0, similarity: 0.0 };
    for delay_samples in 0..=delay_max.min(heard.len()) {
        let pairs = sent.iter().zip(&heard[delay_samples..]).map(|(a, b)| (i64::from(*a), i64::from(*b)));
        let (cross, own, other) =
            pairs.fold((0, 0, 0), |(cross, own, other), (a, b)| (cross + a * b, own + a * a, other + b * b));
        if own > 0 && other > 0 {
            let similarity = cross as f64 / ((own as f64) * (other as f64)).sqrt();
            if similarity > best.similarity {
                best = Likeness { delay_samples, similarity };
            }
        }
    }
    best
}

/// How sound that was sent fares in what was heard, piece by piece.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sameness {
    /// By how much the heard one is later, in milliseconds: its first piece, the median one, the last one. They differ where a listener held sound
    /// back longer, or a sender stood still.
    pub delay_ms: [f64; 3],
    /// Pieces of 200 ms in which something was said.
    pub pieces: usize,
    /// Signal to noise of the median piece, in dB: whatever is not the sample that was sent is noise. 99 is the same bits.
    pub snr_db: f64,
    /// The same of the worst piece.
    pub snr_db_min: f64,
    /// How much louder the heard one is in the median piece, in dB.
    pub level_db: f64,
}

const PIECE_MS: usize = 200;
const BLOCK_MS: usize = 5;
/// A piece may lie so far off the whole, for a listener may hold sound back longer in a pause.
const SLACK_MS: usize = 40;
/// A piece that is not louder is a pause.
const PIECE_RMS: f64 = 150.0;
const NEAR: usize = 8;
const STALL_MS: usize = 1000;
/// A similarity above it ends the search; what is below the other is not there.
const FOUND: f64 = 0.85;
const LOST: f64 = 0.5;
const SNR_DB_MAX: f64 = 99.0;

/// Compares what was sent with where it is heard. None where nothing of it was said, or it is not there.
pub fn compare(sent: &[i16], heard: &[i16], rate_hz: u32) -> Option<Sameness> {
    let ms = rate_hz as usize / 1000;
    let lag = coarse_lag(&loudness(sent, BLOCK_MS * ms), &loudness(heard, BLOCK_MS * ms))? * BLOCK_MS * ms;
    let (mut snrs, mut levels, mut lags) = (Vec::new(), Vec::new(), Vec::<usize>::new());
    for (nth, piece) in sent.chunks_exact(PIECE_MS * ms).enumerate() {
        if rms(piece) < PIECE_RMS {
            continue;
        }
        let at = nth * PIECE_MS * ms;
        // What is not found was lost.
        let Some(there) = find(piece, heard, at, lags.last().copied(), lag, ms) else {
            snrs.push(0.0);
            continue;
        };
        lags.push(there - at);
        let there = &heard[there..there + piece.len()];
        let (signal, noise) = (power(piece), difference(piece, there));
        snrs.push(if noise > 0.0 { (10.0 * (signal / noise).log10()).min(SNR_DB_MAX) } else { SNR_DB_MAX });
        levels.push(10.0 * (power(there) / signal).log10());
    }
    let (first, last) = (*lags.first()?, *lags.last()?);
    snrs.sort_by(f64::total_cmp);
    levels.sort_by(f64::total_cmp);
    lags.sort_unstable();
    Some(Sameness {
        delay_ms: [first, *lags.get(lags.len() / 2)?, last].map(|lag| lag as f64 / ms as f64),
        pieces: snrs.len(),
        snr_db: *snrs.get(snrs.len() / 2)?,
        snr_db_min: *snrs.first()?,
        level_db: *levels.get(levels.len() / 2)?,
    })
}

/// Where a piece lies in what was heard: close to where the last one was, or a little off, or later by as much as a stall of the machine. The
/// first one is where loudness says, or anywhere. Looking further costs much more.
fn find(piece: &[i16], heard: &[i16], at: usize, last: Option<usize>, lag: usize, ms: usize) -> Option<usize> {
    let expected = at + last.unwrap_or(lag);
    let far = if last.is_some() { (SLACK_MS * ms, STALL_MS * ms) } else { (expected, heard.len()) };
    let mut best = (0, 0.0);
    for (before, after) in [(NEAR, NEAR), (SLACK_MS * ms, SLACK_MS * ms), far] {
        let from = expected.saturating_sub(before);
        let Some(there) = heard.get(from..(expected + piece.len() + after).min(heard.len())) else { continue };
        let Some(delay_max) = there.len().checked_sub(piece.len()) else { continue };
        let found = likeness(piece, there, delay_max);
        if found.similarity > best.1 {
            best = (from + found.delay_samples, found.similarity);
        }
        if best.1 > FOUND {
            break;
        }
    }
    (best.1 > LOST).then_some(best.0)
}

fn loudness(samples: &[i16], block: usize) -> Vec<f64> {
    samples.chunks_exact(block).map(rms).collect()
}

/// Blocks by which `heard` is later, where its loudness rises and falls most as that of `sent` does.
fn coarse_lag(sent: &[f64], heard: &[f64]) -> Option<usize> {
    let own: f64 = sent.iter().map(|loud| loud * loud).sum();
    let fit = |lag: usize| {
        let there = &heard[lag..];
        let cross: f64 = sent.iter().zip(there).map(|(a, b)| a * b).sum();
        let other: f64 = there.iter().take(sent.len()).map(|loud| loud * loud).sum();
        cross / (own * other).sqrt().max(f64::MIN_POSITIVE)
    };
    (0..heard.len())
        .map(|lag| (lag, fit(lag)))
        .filter(|(_, fit)| *fit > 0.5)
        .max_by(|a, b| a.1.total_cmp(&b.1))
        .map(|best| best.0)
}

fn power(samples: &[i16]) -> f64 {
    samples.iter().map(|sample| f64::from(*sample).powi(2)).sum()
}

fn difference(a: &[i16], b: &[i16]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2)).sum()
}

/// Root mean square, in units of a 16-bit sample; 0 for nothing.
pub fn rms(samples: &[i16]) -> f64 {
    if samples.is_empty() {
        return 0.0;
    }
    let energy: f64 = samples.iter().map(|sample| f64::from(*sample).powi(2)).sum();
    (energy / samples.len() as f64).sqrt()
}

/// The share of the energy that lies at one frequency (Goertzel): near 1 for that tone, near 0 for anything else.
pub fn tone_share(samples: &[i16], rate_hz: u32, tone_hz: f64) -> f64 {
    let turn = std::f64::consts::TAU * tone_hz / f64::from(rate_hz);
    let (mut before, mut last) = (0.0, 0.0);
    let mut energy = 0.0;
    for sample in samples {
        let value = f64::from(*sample);
        energy += value * value;
        (before, last) = (last, value + 2.0 * turn.cos() * last - before);
    }
    if energy == 0.0 {
        return 0.0;
    }
    let power = before * before + last * last - 2.0 * turn.cos() * before * last;
    2.0 * power / (energy * samples.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(hz: f64, samples: usize) -> Vec<i16> {
        (0..samples).map(|n| (8000.0 * (std::f64::consts::TAU * hz * n as f64 / 8000.0).sin()) as i16).collect()
    }

    #[test]
    fn a_tone_is_told_from_another() {
        let heard = tone(1004.0, 4000);
        assert!(tone_share(&heard, 8000, 1004.0) > 0.95);
        assert!(tone_share(&heard, 8000, 900.0) < 0.05);
    }

    fn noise(seed: u32, samples: usize, loud: i32) -> Vec<i16> {
        let mut state = seed;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            ((state >> 16) as i32 % (2 * loud + 1) - loud) as i16
        };
        (0..samples).map(|_| next()).collect()
    }

    #[test]
    fn sound_is_the_same_the_noisier_or_the_quieter() {
        // Bursts of unlike length, with pauses.
        let sent: Vec<i16> = (1..6).flat_map(|n| [noise(n, 800 + 700 * n as usize, 6000), vec![0; 1700]].concat()).collect();
        let place = |sound: Vec<i16>| [vec![0; 4321], sound, vec![0; 4000]].concat();
        let found = compare(&sent, &place(sent.clone()), 8000).unwrap();
        assert_eq!((found.snr_db, found.snr_db_min, found.level_db), (99.0, 99.0, 0.0), "{found:?}");
        assert_eq!(found.delay_ms, [540.125; 3]);
        // A twentieth of the amplitude as noise is 26 dB below.
        let noisy = sent.iter().zip(noise(9, sent.len(), 300)).map(|(a, b)| a + b).collect();
        let found = compare(&sent, &place(noisy), 8000).unwrap();
        assert!((23.0..28.0).contains(&found.snr_db) && found.level_db.abs() < 0.1, "{found:?}");
        let half = sent.iter().map(|a| a / 2).collect();
        let found = compare(&sent, &place(half), 8000).unwrap();
        assert!((-6.1..-5.9).contains(&found.level_db) && found.snr_db < 7.0, "{found:?}");
        // One piece of another sound, which a median does not see.
        let mut cut = place(sent.clone());
        cut[9500..9600].fill(0);
        let found = compare(&sent, &cut, 8000).unwrap();
        assert!(found.snr_db == 99.0 && found.snr_db_min < 20.0, "{found:?}");
        // A stall of 480 ms, in which nothing was heard, and the end cut off: what was heard is judged where it is.
        let stalled = [place(sent.clone()), vec![0; 3840]].concat();
        let stalled = [&stalled[..9600], &vec![0; 3840][..], &stalled[9600..21_000]].concat();
        let found = compare(&sent, &stalled, 8000).unwrap();
        assert!(found.delay_ms[0] == 540.125 && found.delay_ms[2] == 1020.125 && found.snr_db == 99.0, "{found:?}");
        assert_eq!(compare(&sent, &[0; 20_000], 8000), None);
        assert_eq!(compare(&[0; 20_000], &place(sent), 8000), None);
    }

    #[test]
    fn a_recording_is_found_where_it_is() {
        let sent: Vec<i16> = (0..1600).map(|n: i32| ((n * n * 31) % 6007 - 3003) as i16).collect();
        let heard = [vec![0; 123], sent.clone()].concat();
        let found = likeness(&sent, &heard, 800);
        assert_eq!(found.delay_samples, 123);
        assert!(found.similarity > 0.999);
        assert!(likeness(&sent, &tone(440.0, 2400), 800).similarity < 0.3);
    }
}
