//! What can be told of a recording without understanding it.

/// Peak above which 20 ms are sound.
const AUDIBLE: u16 = 300;
/// Silence that parts two questions: longer than a pause inside one, shorter than the answer between two.
const GAP_MS: usize = 900;

/// How much of a track is sound, in milliseconds.
pub(crate) fn audible_ms(rate_hz: u32, track: &[i16]) -> u64 {
    frames(rate_hz, track).filter(|audible| *audible).count() as u64 * 20
}

/// For each question on the caller's track: how much sound the agent's track has until the next one, in milliseconds.
pub(crate) fn answers_ms(rate_hz: u32, caller: &[i16], agent: &[i16]) -> Vec<u64> {
    let answer: Vec<bool> = frames(rate_hz, agent).collect();
    let questions = bursts(&frames(rate_hz, caller).collect::<Vec<bool>>());
    let until = questions.iter().skip(1).map(|next| next.0).chain([answer.len()]);
    let sound = |from: usize, to: usize| answer.get(from..to.min(answer.len())).unwrap_or_default();
    questions.iter().zip(until).map(|(question, to)| sound(question.1, to).iter().filter(|a| **a).count() as u64 * 20).collect()
}

/// How much sound the agent's track has before the caller says anything, in milliseconds.
pub(crate) fn greeting_ms(rate_hz: u32, caller: &[i16], agent: &[i16]) -> u64 {
    let until = frames(rate_hz, caller).position(|audible| audible).unwrap_or(usize::MAX);
    frames(rate_hz, agent).take(until).filter(|audible| *audible).count() as u64 * 20
}

/// Stretches in which neither of both tracks has sound, up to the last sound: from when, and how long, in milliseconds.
pub(crate) fn silences(rate_hz: u32, caller: &[i16], agent: &[i16]) -> impl Iterator<Item = (u64, u64)> {
    let loud: Vec<bool> = frames(rate_hz, caller).zip(frames(rate_hz, agent)).map(|(caller, agent)| caller || agent).collect();
    let mut from = 0;
    loud.into_iter().enumerate().filter(|(_, loud)| *loud).filter_map(move |(at, _)| {
        let silence = (from as u64 * 20, (at - from) as u64 * 20);
        from = at + 1;
        (silence.1 > 0).then_some(silence)
    })
}

/// Whether each 20 ms of a track are sound.
fn frames(rate_hz: u32, track: &[i16]) -> impl Iterator<Item = bool> {
    let size = (rate_hz as usize / 50).max(1);
    track.chunks(size).map(|frame| frame.iter().any(|sample| sample.unsigned_abs() > AUDIBLE))
}

/// First frame, and frame after the last, of each stretch of sound.
fn bursts(frames: &[bool]) -> Vec<(usize, usize)> {
    let mut bursts: Vec<(usize, usize)> = Vec::new();
    for at in (0..frames.len()).filter(|at| frames[*at]) {
        match bursts.last_mut() {
            Some((_, end)) if at - *end < GAP_MS / 20 => *end = at + 1,
            _ => bursts.push((at, at + 1)),
        }
    }
    bursts
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seconds of sound (true) or silence at 8 kHz.
    fn track(pieces: &[(bool, f64)]) -> Vec<i16> {
        let piece = |(loud, s): &(bool, f64)| vec![if *loud { 1000 } else { 8 }; (s * 8000.0) as usize];
        pieces.iter().flat_map(piece).collect()
    }

    #[test]
    fn each_question_has_the_sound_until_the_next() {
        let caller = track(&[(false, 1.0), (true, 0.5), (false, 0.3), (true, 0.5), (false, 3.0), (true, 1.0), (false, 2.0)]);
        let agent = track(&[(true, 1.0), (false, 2.0), (true, 1.5), (false, 2.0), (true, 0.4), (false, 1.4)]);
        assert_eq!(answers_ms(8000, &caller, &agent), [1500, 400]);
        assert_eq!(audible_ms(8000, &agent), 2900);
        assert_eq!(greeting_ms(8000, &caller, &agent), 1000);
        assert_eq!(greeting_ms(8000, &[], &agent), 2900);
    }

    #[test]
    fn silences_are_where_neither_is_heard() {
        let caller = track(&[(false, 1.0), (true, 0.5), (false, 3.5)]);
        let agent = track(&[(true, 0.4), (false, 2.0), (true, 1.0), (false, 1.6)]);
        assert_eq!(silences(8000, &caller, &agent).collect::<Vec<_>>(), [(400, 600), (1500, 900)]);
        assert_eq!(silences(8000, &track(&[(false, 1.0)]), &track(&[(false, 1.0)])).count(), 0);
    }

    #[test]
    fn silence_has_no_questions() {
        assert!(answers_ms(8000, &track(&[(false, 2.0)]), &track(&[(true, 2.0)])).is_empty());
        assert_eq!(audible_ms(8000, &[]), 0);
    }
}
