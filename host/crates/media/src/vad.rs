//! Voice activity by energy: a gate above an adaptive noise floor and the echo of our own voice, with hysteresis in level and in time.

mod echo;

use crate::frame::{Edge, FRAME, FRAME_MS};
use echo::Echo;
use std::time::{Duration, Instant};

/// The floor is the quietest frame of this many blocks: long enough that speech has a gap in it, short enough that a
/// noise which sets in is learnt in two seconds.
const FLOOR_BLOCKS: usize = 4;
const FLOOR_BLOCK_FRAMES: u32 = 25;

/// Quieter than this is a muted line (digital silence), which says nothing about the room.
const MUTED_DBFS: f32 = -80.0;

/// Assumed before anything was heard.
const FLOOR_START_DBFS: f32 = -60.0;

/// When sound counts as speech.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct VadConfig {
    /// Voiced for this long is speech. Longer ignores more clicks and hears barge-in later. Default 60 ms.
    pub start: Duration,
    /// Unvoiced for this long is no speech any more. Shorter ends turns sooner and cuts words apart. Default 200 ms.
    pub end: Duration,
    /// How far above the noise floor speech begins. Default 9 dB; it goes on down to 3 dB less.
    pub margin_db: f32,
    /// Nothing below this is speech. Default -48 dB of full scale.
    pub level_min_dbfs: f32,
    /// Noise is never thought louder than this, so that a loud voice without pauses stays a voice. Default -35 dB.
    pub floor_max_dbfs: f32,
}

impl Default for VadConfig {
    fn default() -> Self {
        Self {
            start: Duration::from_millis(60),
            end: Duration::from_millis(200),
            margin_db: 9.0,
            level_min_dbfs: -48.0,
            floor_max_dbfs: -35.0,
        }
    }
}

/// How much easier it is to stay voiced than to become so.
const STAY_DB: f32 = 3.0;

#[derive(Debug)]
pub(crate) struct Vad {
    start_frames: u32,
    end_frames: u32,
    /// Powers as mean squares.
    level_min: f32,
    margin: f32,
    margin_stay: f32,
    floor: Floor,
    echo: Echo,
    state: State,
}

/// What is thought of a frame.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Judged {
    /// The gate's verdict on it alone.
    pub(crate) voiced: bool,
    pub(crate) edge: Option<Edge>,
    /// Mean square of its samples.
    pub(crate) power: f32,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Quiet,
    /// Voiced since, for so many frames.
    Rising {
        since: Moment,
        frames: u32,
    },
    Speaking {
        last: Moment,
    },
    /// Unvoiced since `last`, for so many frames.
    Falling {
        last: Moment,
        frames: u32,
    },
}

/// Which frame it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    pub(crate) at: Instant,
    pub(crate) position_ms: u64,
}

impl Vad {
    pub(crate) fn new(config: VadConfig) -> Self {
        Self {
            start_frames: frames(config.start),
            end_frames: frames(config.end),
            level_min: power_of(config.level_min_dbfs),
            margin: ratio_of(config.margin_db),
            margin_stay: ratio_of((config.margin_db - STAY_DB).max(0.0)),
            floor: Floor::new(power_of(config.floor_max_dbfs)),
            echo: Echo::new(),
            state: State::Quiet,
        }
    }

    /// Whether this is neither within speech nor perhaps its beginning.
    pub(crate) fn is_quiet(&self) -> bool {
        matches!(self.state, State::Quiet)
    }

    /// Our own voice: the mean square of a frame that was sent just now.
    pub(crate) fn spoken(&mut self, power: f32) {
        self.echo.spoken(power);
    }

    /// Whether a frame would count as voiced now, echo apart.
    pub(crate) fn is_voiced(&self, power: f32) -> bool {
        let margin = match self.state {
            State::Quiet | State::Rising { .. } => self.margin,
            State::Speaking { .. } | State::Falling { .. } => self.margin_stay,
        };
        power > self.level_min && power > self.floor.power() * margin
    }

    /// Judges one frame. `genuine` is false for frames that were made up: they are no measure of the noise.
    pub(crate) fn push(&mut self, samples: &[i16], genuine: bool, moment: Moment) -> Judged {
        let power = mean_square(samples);
        if genuine {
            self.floor.push(power);
        }
        let voiced = power > self.echo.level(power) && self.is_voiced(power);
        let (state, edge) = self.next(voiced, moment);
        self.state = state;
        Judged { voiced, edge, power }
    }

    fn next(&self, voiced: bool, moment: Moment) -> (State, Option<Edge>) {
        match (self.state, voiced) {
            (State::Quiet, false) | (State::Rising { .. }, false) => (State::Quiet, None),
            (State::Quiet, true) => self.rise(moment, moment, 1),
            (State::Rising { since, frames }, true) => self.rise(since, moment, frames + 1),
            (State::Speaking { .. } | State::Falling { .. }, true) => (State::Speaking { last: moment }, None),
            (State::Speaking { last }, false) => self.fall(last, 1),
            (State::Falling { last, frames }, false) => self.fall(last, frames + 1),
        }
    }

    fn rise(&self, since: Moment, now: Moment, frames: u32) -> (State, Option<Edge>) {
        if frames < self.start_frames {
            return (State::Rising { since, frames }, None);
        }
        let started = Edge::SpeechStarted { at: since.at, position_ms: since.position_ms };
        (State::Speaking { last: now }, Some(started))
    }

    fn fall(&self, last: Moment, frames: u32) -> (State, Option<Edge>) {
        if frames < self.end_frames {
            return (State::Falling { last, frames }, None);
        }
        let ended = Edge::SpeechEnded { last_voiced: last.at, position_ms: last.position_ms + FRAME_MS };
        (State::Quiet, Some(ended))
    }
}

/// Minimum of the last two seconds.
#[derive(Debug)]
struct Floor {
    blocks: [f32; FLOOR_BLOCKS],
    current: usize,
    frames: u32,
    max: f32,
    muted: f32,
}

impl Floor {
    fn new(max: f32) -> Self {
        let blocks = [power_of(FLOOR_START_DBFS); FLOOR_BLOCKS];
        Self { blocks, current: 0, frames: 0, max, muted: power_of(MUTED_DBFS) }
    }

    fn push(&mut self, power: f32) {
        if power < self.muted {
            return;
        }
        if self.frames == FLOOR_BLOCK_FRAMES {
            self.frames = 0;
            self.current = (self.current + 1) % FLOOR_BLOCKS;
            self.blocks[self.current] = f32::MAX;
        }
        self.frames += 1;
        let block = &mut self.blocks[self.current];
        *block = block.min(power);
    }

    fn power(&self) -> f32 {
        self.blocks.iter().fold(self.max, |least, &block| least.min(block))
    }
}

fn frames(duration: Duration) -> u32 {
    let frames = duration.as_nanos().div_ceil(FRAME.as_nanos());
    u32::try_from(frames).unwrap_or(u32::MAX).max(1)
}

pub(crate) fn mean_square(samples: &[i16]) -> f32 {
    // A 20 ms frame of full-scale squares fits 64 bits many times over; integers let the compiler use vectors.
    let sum: u64 = samples.iter().map(|&sample| u64::from(i32::from(sample).pow(2).unsigned_abs())).sum();
    sum as f32 / samples.len().max(1) as f32
}

fn ratio_of(db: f32) -> f32 {
    10f32.powf(db / 10.0)
}

fn power_of(dbfs: f32) -> f32 {
    ratio_of(dbfs) * 32_768.0 * 32_768.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::Rng;

    /// Frames of noise, each `(dbfs, count)`, judged in order; edges with the index of the frame after which they came.
    fn judge(vad: &mut Vad, script: &[(f32, u64)]) -> Vec<(u64, Edge)> {
        let (begin, mut rng, mut index, mut edges) = (Instant::now(), Rng::new(7), 0, Vec::new());
        for &(dbfs, count) in script {
            for _ in 0..count {
                // A uniform distribution has the power of a third of its peak's square.
                let peak = power_of(dbfs).sqrt() * 3f32.sqrt();
                let samples: [i16; 160] = std::array::from_fn(|_| (peak * (rng.unit() as f32 * 2.0 - 1.0)) as i16);
                let moment = Moment { at: begin + FRAME * index as u32, position_ms: index * FRAME_MS };
                edges.extend(vad.push(&samples, true, moment).edge.map(|edge| (index, edge)));
                index += 1;
            }
        }
        edges
    }

    fn positions(edges: &[(u64, Edge)]) -> Vec<(&'static str, u64, u64)> {
        let position = |&(index, edge): &(u64, Edge)| match edge {
            Edge::SpeechStarted { position_ms, .. } => ("start", index, position_ms),
            Edge::SpeechEnded { position_ms, .. } => ("end", index, position_ms),
        };
        edges.iter().map(position).collect()
    }

    #[test]
    fn speech_is_dated_back_to_its_first_and_last_voiced_frame() {
        let edges = judge(&mut Vad::new(VadConfig::default()), &[(-65.0, 50), (-25.0, 40), (-65.0, 50)]);
        assert_eq!(positions(&edges), [("start", 52, 1000), ("end", 99, 1800)]);
    }

    #[test]
    fn click_of_two_frames_is_no_speech_and_three_are() {
        let edges = |count| judge(&mut Vad::new(VadConfig::default()), &[(-65.0, 50), (-20.0, count), (-65.0, 50)]);
        assert!(edges(2).is_empty());
        assert_eq!(edges(3).len(), 2);
    }

    #[test]
    fn pause_of_nine_frames_is_within_speech_and_ten_end_it() {
        let edges = |pause| {
            let script = [(-65.0, 50), (-25.0, 20), (-65.0, pause), (-25.0, 20), (-65.0, 20)];
            judge(&mut Vad::new(VadConfig::default()), &script).len()
        };
        assert_eq!((edges(9), edges(10)), (2, 4));
    }

    #[test]
    fn steady_noise_is_learnt_and_speech_above_it_still_heard() {
        let mut vad = Vad::new(VadConfig::default());
        let learnt = judge(&mut vad, &[(-42.0, 200)]);
        assert!(learnt.len() == 2 && learnt[1].0 <= 115, "noise is no speech after two seconds: {learnt:?}");
        let edges = judge(&mut vad, &[(-42.0, 100), (-25.0, 50), (-42.0, 50)]);
        assert_eq!(positions(&edges), [("start", 102, 2000), ("end", 159, 3000)]);
    }

    #[test]
    fn speech_goes_on_at_a_level_at_which_it_would_not_begin() {
        let mut vad = Vad::new(VadConfig::default());
        // Floor -50: begins above -41, goes on above -44.
        judge(&mut vad, &[(-50.0, 150)]);
        assert!(judge(&mut vad, &[(-42.5, 30)]).is_empty());
        assert_eq!(judge(&mut vad, &[(-50.0, 20), (-30.0, 5), (-42.5, 30)]).len(), 1);
    }

    #[test]
    fn muted_line_does_not_lower_the_floor() {
        let mut vad = Vad::new(VadConfig::default());
        judge(&mut vad, &[(-42.0, 200)]);
        assert!(judge(&mut vad, &[(-120.0, 150), (-42.0, 100)]).is_empty());
    }

    /// Judges noise while we speak at -20 dBFS; each `(dbfs, count)` is what comes back.
    fn judge_echo(script: &[(f32, u64)]) -> Vec<(&'static str, u64, u64)> {
        let (mut vad, mut edges) = (Vad::new(VadConfig::default()), Vec::new());
        judge(&mut vad, &[(-65.0, 50)]);
        let (begin, mut rng, mut index) = (Instant::now(), Rng::new(7), 0);
        for &(dbfs, count) in script {
            for _ in 0..count {
                let peak = power_of(dbfs).sqrt() * 3f32.sqrt();
                let samples: [i16; 160] = std::array::from_fn(|_| (peak * (rng.unit() as f32 * 2.0 - 1.0)) as i16);
                vad.spoken(power_of(-20.0));
                let moment = Moment { at: begin + FRAME * index as u32, position_ms: index * FRAME_MS };
                edges.extend(vad.push(&samples, true, moment).edge.map(|edge| (index, edge)));
                index += 1;
            }
        }
        positions(&edges)
    }

    #[test]
    fn echo_of_our_own_voice_is_not_the_callers_and_a_caller_who_interrupts_is_heard() {
        // A usual hybrid from the first word on.
        assert_eq!(judge_echo(&[(-46.0, 500)]), []);
        // A bad one once it is known: two seconds.
        assert!(judge_echo(&[(-34.0, 500)]).iter().all(|(_, index, _)| *index < 125));
        for quiet in [0, 10, 200] {
            let edges = judge_echo(&[(-50.0, quiet), (-28.0, 30)]);
            assert_eq!(edges, [("start", quiet + 2, 20 * quiet)], "after {quiet} frames of our voice");
        }
    }

    #[test]
    fn loud_voice_without_a_pause_stays_a_voice() {
        assert_eq!(judge(&mut Vad::new(VadConfig::default()), &[(-65.0, 50), (-15.0, 500)]).len(), 1);
    }
}
