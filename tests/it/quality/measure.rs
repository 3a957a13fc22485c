//! How like what was said is to what was heard.

/// Samples of 20 ms at a rate.
fn frame(rate_hz: u32) -> usize {
    rate_hz as usize / 50
}

/// Speech is what is louder than this, root mean square.
const SPEECH_RMS: f64 = 200.0;
/// Within this a segment's ratio counts, so that a few segments do not outweigh all else. The usual 35 dB would call mu-law perfect.
const SEGMENT_DB: (f64, f64) = (-10.0, 60.0);

/// Listening quality as people would judge it, 1 to 4.5 (ITU-T P.862 with P.862.1; at 16 kHz P.862.2).
pub(crate) fn opinion(rate_hz: u32, said: &[i16], heard: &[i16]) -> f64 {
    let score = match rate_hz {
        8_000 => pesq::pesq_8k(said, heard).map(|raw| pesq::score::mos_lqo(raw.into())),
        16_000 => pesq::pesq_wb(said, heard),
        other => panic!("PESQ knows no {other} Hz"),
    };
    score.unwrap().into()
}

/// Segmental signal-to-noise ratio of speech in dB. What was heard may lie elsewhere by up to 60 ms, and may have grown or shrunk by whole
/// frames on the way.
pub(crate) fn segmental_snr_db(rate_hz: u32, said: &[i16], heard: &[i16]) -> f64 {
    let frame = frame(rate_hz);
    let block = 10 * frame;
    let mut late = lateness(rate_hz, said, heard);
    let (mut sum, mut count) = (0.0, 0.0);
    for (index, block_said) in said.chunks_exact(block).enumerate() {
        if power(block_said).sqrt() < SPEECH_RMS {
            continue;
        }
        let place = |late: i64| {
            let from = usize::try_from((index * block) as i64 + late).ok()?;
            heard.get(from..from + block)
        };
        let likeness = |late: i64| place(late).map_or(f64::MIN, |line| dot(block_said, line));
        let around = (-6..=6).map(|frames| late + frames * frame as i64);
        late = around.max_by(|a, b| likeness(*a).total_cmp(&likeness(*b))).unwrap_or(late);
        let Some(line) = place(late) else { continue };
        for (sent, got) in block_said.chunks(frame).zip(line.chunks(frame)) {
            if power(sent).sqrt() >= SPEECH_RMS {
                sum += ratio_db(sent, got).clamp(SEGMENT_DB.0, SEGMENT_DB.1);
                count += 1.0;
            }
        }
    }
    assert!(count > 20.0, "there was speech to compare");
    sum / count
}

/// By how many samples the loudest second of what was said came later; less than none where frames were left out before it.
fn lateness(rate_hz: u32, said: &[i16], heard: &[i16]) -> i64 {
    let (second, most) = (rate_hz as usize, 3 * frame(rate_hz) as i64);
    let starts = (0..said.len().saturating_sub(second)).step_by(second / 4);
    let loudness = |from: usize| power(&said[from..from + second]);
    let from = starts.max_by(|a, b| loudness(*a).total_cmp(&loudness(*b))).unwrap_or(0);
    let piece = &said[from..said.len().min(from + second)];
    let likeness = |late: i64| {
        let place = usize::try_from(from as i64 + late).ok().and_then(|from| heard.get(from..from + piece.len()));
        place.map_or(f64::MIN, |line| dot(piece, line))
    };
    (-most..=most).max_by(|a, b| likeness(*a).total_cmp(&likeness(*b))).unwrap_or(0)
}

fn ratio_db(said: &[i16], heard: &[i16]) -> f64 {
    let error: f64 = said.iter().zip(heard).map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2)).sum();
    10.0 * (power(said) * said.len() as f64 / error.max(1.0)).log10()
}

fn power(samples: &[i16]) -> f64 {
    dot(samples, samples) / samples.len().max(1) as f64
}

fn dot(a: &[i16], b: &[i16]) -> f64 {
    a.iter().zip(b).map(|(a, b)| i64::from(*a) * i64::from(*b)).sum::<i64>() as f64
}
