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
