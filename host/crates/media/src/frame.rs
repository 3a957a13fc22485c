//! What an [`Ear`](crate::Ear) delivers.

use std::time::{Duration, Instant};

/// Length of every frame: 20 ms.
pub const FRAME: Duration = Duration::from_millis(20);

/// [`FRAME`] in milliseconds.
pub const FRAME_MS: u64 = 20;

/// Frames per second.
pub const FRAMES_PER_S: u32 = 50;

/// 20 ms of the caller's sound.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// Linear samples at the rate asked for in [`EarConfig`](crate::EarConfig).
    pub samples: &'a [i16],
    /// The same at the codec's own rate, as it came.
    pub wire: &'a [i16],
    /// Samples delivered before this frame, at the same rate. Frames have no holes: this grows by one frame each time.
    pub position: u64,
    /// When its packet came to the socket; when it should have come, for a frame that did not.
    pub at: Instant,
    /// The gate's verdict on this frame alone; see [`Edge`] for the one with hysteresis.
    pub voiced: bool,
    /// The packet was missing and the samples are a guess.
    pub concealed: bool,
}

/// The caller began or stopped speaking. Known only some frames later, hence dated back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edge {
    /// Speech began.
    SpeechStarted {
        /// Arrival of the first voiced frame at the socket.
        at: Instant,
        /// Where that frame begins, since the first sample.
        position_ms: u64,
    },
    /// Speech stopped, and stayed so for the hangover of [`VadConfig`](crate::VadConfig).
    SpeechEnded {
        /// Arrival of the last voiced frame at the socket.
        last_voiced: Instant,
        /// Where that frame ends, since the first sample.
        position_ms: u64,
    },
}

/// Samples of the longest frame of any codec: 20 ms at 16 kHz.
pub(crate) const FRAME_SAMPLES_MAX: usize = 320;

/// Samples of one frame at a rate.
pub(crate) const fn frame_samples(rate_hz: u32) -> usize {
    (rate_hz / FRAMES_PER_S) as usize
}
