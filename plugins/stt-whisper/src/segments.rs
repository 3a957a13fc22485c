//! Speech cut out of a call: where the gateway heard it, and a little before.

use vg_plugin_sdk::audio::{self, Whole};
use vg_plugin_sdk::stt::Edge;
use vg_plugin_sdk::{AudioFormat, Encoding};

/// Until an edge is told there are so many milliseconds of sound behind it: they are kept beside the pre-roll.
pub(crate) const EDGE_LATE_MS: u64 = 1000;
/// Sound that stays below this has no speech in it.
const QUIET: u16 = 300;

/// What becomes of speech.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// A stretch begins; milliseconds since the session's first sample.
    Begin(u64),
    /// Its next samples, as they came.
    More(Vec<u8>),
    /// It is over; milliseconds since the session's first sample.
    End(u64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Quiet,
    /// Speech, but no sound of it since the last cut.
    Resting,
    Speech,
}

/// One call's sound. Stretches do not overlap, so that no word is in two of them.
#[derive(Debug)]
pub(crate) struct Segments {
    format: AudioFormat,
    whole: Whole,
    state: State,
    /// The newest sound that is in no stretch.
    held: Vec<u8>,
    /// Bytes heard.
    heard: u64,
    /// Bytes of the stretch that is being cut.
    length: u64,
    pre_roll_ms: u64,
    longest_ms: u64,
    /// Somebody tells edges.
    has_edges: bool,
}

impl Segments {
    pub(crate) fn new(format: AudioFormat, pre_roll_ms: u64, longest_ms: u64) -> Self {
        Self {
            format,
            whole: Whole::default(),
            state: State::Quiet,
            held: Vec::new(),
            heard: 0,
            length: 0,
            pre_roll_ms,
            longest_ms,
            has_edges: false,
        }
    }

    /// Where the call is, in milliseconds since its first sample.
    pub(crate) fn now_ms(&self) -> u64 {
        self.ms(self.heard)
    }

    /// Whether anybody tells where speech begins and ends.
    pub(crate) fn has_edges(&self) -> bool {
        self.has_edges
    }

    pub(crate) fn is_speech(&self) -> bool {
        self.state != State::Quiet
    }

    pub(crate) fn audio(&mut self, bytes: Vec<u8>) -> Vec<Cut> {
        let bytes = self.whole.samples(self.format.encoding, bytes);
        if bytes.is_empty() {
            return vec![];
        }
        let mut cuts = Vec::new();
        if self.state == State::Resting {
            cuts.push(self.begin(self.heard));
        }
        self.heard += bytes.len() as u64;
        match self.state {
            State::Quiet => self.hold(&bytes),
            State::Resting | State::Speech => {
                self.length += bytes.len() as u64;
                cuts.push(Cut::More(bytes));
                if self.ms(self.length) >= self.longest_ms {
                    cuts.push(self.end(self.now_ms()));
                    self.state = State::Resting;
                }
            }
        }
        cuts
    }

    pub(crate) fn edge(&mut self, edge: Edge) -> Vec<Cut> {
        self.has_edges = true;
        match (edge, self.state) {
            (Edge::SpeechStarted(ms), State::Quiet) => {
                let from = self.bytes(ms.saturating_sub(self.pre_roll_ms));
                let held_from = self.heard - self.held.len() as u64;
                let skip = usize::try_from(from.saturating_sub(held_from)).unwrap_or(usize::MAX).min(self.held.len());
                let held = self.newest(skip);
                self.start(held)
            }
            (Edge::SpeechEnded(ms), State::Speech) => {
                let end = self.end(ms.min(self.now_ms()));
                self.state = State::Quiet;
                vec![end]
            }
            (Edge::SpeechEnded(_), State::Resting) => {
                self.state = State::Quiet;
                vec![]
            }
            (Edge::SpeechStarted(_), State::Resting | State::Speech) | (Edge::SpeechEnded(_), State::Quiet) => vec![],
        }
    }

    /// What there is of speech is a stretch now. Where nobody tells edges that is the newest sound, as much as a stretch may be, unless it
    /// is silence.
    pub(crate) fn finalize(&mut self) -> Vec<Cut> {
        match self.state {
            State::Speech => {
                let end = self.end(self.now_ms());
                self.state = State::Resting;
                vec![end]
            }
            State::Quiet if !self.has_edges => {
                let held = self.newest(0);
                if !is_loud(self.format.encoding, &held) {
                    return vec![];
                }
                let mut cuts = self.start(held);
                cuts.push(self.end(self.now_ms()));
                self.state = State::Quiet;
                cuts
            }
            State::Quiet | State::Resting => vec![],
        }
    }

    /// What is held behind `skip`, and no more than a stretch may be; then nothing is held.
    fn newest(&mut self, skip: usize) -> Vec<u8> {
        let longest = self.bytes(self.longest_ms) as usize;
        let held = self.held.split_off(skip.max(self.held.len().saturating_sub(longest)));
        self.held.clear();
        held
    }

    fn start(&mut self, held: Vec<u8>) -> Vec<Cut> {
        let begin = self.begin(self.heard - held.len() as u64);
        self.length = held.len() as u64;
        if held.is_empty() { vec![begin] } else { vec![begin, Cut::More(held)] }
    }

    fn begin(&mut self, at: u64) -> Cut {
        self.state = State::Speech;
        self.length = 0;
        Cut::Begin(self.ms(at))
    }

    fn end(&mut self, ms: u64) -> Cut {
        self.length = 0;
        Cut::End(ms)
    }

    fn hold(&mut self, bytes: &[u8]) {
        self.held.extend_from_slice(bytes);
        let keep_ms = if self.has_edges { self.pre_roll_ms + EDGE_LATE_MS } else { self.longest_ms };
        let keep = self.bytes(keep_ms) as usize;
        // Not at every chunk: moving bytes costs.
        if self.held.len() > keep + keep / 2 {
            self.held.drain(..self.held.len() - keep);
        }
    }

    fn ms(&self, bytes: u64) -> u64 {
        bytes * 1000 / self.bytes_per_s()
    }

    /// Whole samples.
    fn bytes(&self, ms: u64) -> u64 {
        ms * u64::from(self.format.rate_hz) / 1000 * audio::sample_bytes(self.format.encoding) as u64
    }

    fn bytes_per_s(&self) -> u64 {
        (u64::from(self.format.rate_hz) * audio::sample_bytes(self.format.encoding) as u64).max(1)
    }
}

/// Whether anything is in it but silence.
pub(crate) fn is_loud(encoding: Encoding, bytes: &[u8]) -> bool {
    let mut samples = Vec::with_capacity(bytes.len());
    audio::decode(encoding, bytes, &mut samples);
    samples.iter().any(|sample| sample.unsigned_abs() > QUIET)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MULAW: AudioFormat = AudioFormat { encoding: Encoding::Mulaw, rate_hz: 8000 };

    fn segments() -> Segments {
        Segments::new(MULAW, 300, 5000)
    }

    /// Sound of so many milliseconds, each byte telling its place in tenths of seconds.
    fn sound(from_ms: u64, to_ms: u64) -> Vec<u8> {
        (from_ms * 8..to_ms * 8).map(|at| (at / 800) as u8).collect()
    }

    #[test]
    fn speech_begins_before_its_edge_and_ends_with_it() {
        let mut segments = segments();
        assert_eq!(segments.audio(sound(0, 2000)), []);
        let cuts = segments.edge(Edge::SpeechStarted(1700));
        assert_eq!(cuts, [Cut::Begin(1400), Cut::More(sound(1400, 2000))]);
        assert_eq!(segments.audio(sound(2000, 2100)), [Cut::More(sound(2000, 2100))]);
        assert_eq!(segments.edge(Edge::SpeechEnded(2050)), [Cut::End(2050)]);
        assert_eq!((segments.finalize(), segments.audio(sound(2100, 2200))), (vec![], vec![]));
        // What was sent is not sent again.
        assert_eq!(segments.edge(Edge::SpeechStarted(2150)), [Cut::Begin(2100), Cut::More(sound(2100, 2200))]);
    }

    #[test]
    fn what_is_asked_for_within_speech_cuts_it_there() {
        let mut segments = segments();
        segments.edge(Edge::SpeechStarted(0));
        segments.audio(sound(0, 100));
        assert_eq!(segments.finalize(), [Cut::End(100)]);
        assert_eq!(segments.finalize(), []);
        assert_eq!(segments.audio(sound(100, 200)), [Cut::Begin(100), Cut::More(sound(100, 200))]);
        assert_eq!(segments.finalize(), [Cut::End(200)]);
        assert_eq!(segments.edge(Edge::SpeechEnded(200)), []);
        assert_eq!(segments.audio(sound(200, 300)), []);
    }

    #[test]
    fn speech_without_a_pause_is_cut() {
        let mut segments = segments();
        segments.edge(Edge::SpeechStarted(0));
        assert_eq!(segments.audio(sound(0, 5000)).last(), Some(&Cut::End(5000)));
        assert_eq!(segments.audio(sound(5000, 5001))[0], Cut::Begin(5000));
    }

    #[test]
    fn without_edges_all_is_kept_and_silence_is_nothing() {
        let mut segments = segments();
        segments.audio(vec![0xff; 8000]);
        assert_eq!(segments.finalize(), []);
        segments.audio(vec![0x10; 800]);
        assert_eq!(segments.finalize(), [Cut::Begin(1000), Cut::More(vec![0x10; 800]), Cut::End(1100)]);
        assert_eq!(segments.finalize(), []);
    }

    #[test]
    fn what_is_held_is_never_a_longer_stretch_than_speech_may_be() {
        // For less than half as much again nothing is forgotten yet.
        let asked: [fn(&mut Segments) -> Vec<Cut>; 2] = [Segments::finalize, |segments| segments.edge(Edge::SpeechStarted(0))];
        for ask in asked {
            let mut segments = segments();
            segments.audio(sound(0, 7000));
            assert_eq!(ask(&mut segments)[..2], [Cut::Begin(2000), Cut::More(sound(2000, 7000))]);
        }
        // What was loud and is too old is no reason to send silence.
        let mut segments = segments();
        segments.audio(vec![0x10; 800]);
        segments.audio(vec![0xff; 40_000]);
        assert_eq!(segments.finalize(), []);
    }

    #[test]
    fn little_is_kept_before_speech_and_samples_stay_whole() {
        let mut segments = Segments::new(AudioFormat { encoding: Encoding::PcmS16le, rate_hz: 8000 }, 300, 5000);
        segments.edge(Edge::SpeechEnded(0));
        for _ in 0..1000 {
            segments.audio(vec![1; 161]);
        }
        assert_eq!(segments.now_ms(), 161_000 / 16);
        assert!(segments.held.len() <= 2 * 16 * 1300 && segments.held.len().is_multiple_of(2));
    }
}
