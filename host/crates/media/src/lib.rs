//! The pure media core: what is heard and what goes on the wire.
//!
//! Two values per call. [`Ear`] turns datagrams into evenly spaced frames and speech edges; [`Mouth`] turns samples into
//! evenly spaced datagrams. Both are told the time, never ask for it, and touch no socket, task or log:
//!
//! ```text
//! Ear    handle_datagram(now, bytes)   poll(now, sink)            poll_timeout() -> (Instant, EarReason)
//! Mouth  say / end / hush              poll_transmit(now, buf)    poll_timeout() -> (Instant, MouthReason)
//! ```
//!
//! The modules stand in the order in which sound passes them. After a first second nothing here allocates per packet.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods))]

pub mod rtp;

pub mod rtcp;

pub mod dtmf;

mod delay;

mod jitter;

pub mod codec;

mod plc;

pub mod resample;
pub mod tone;

pub mod vad;

pub mod frame;

pub mod ear;

mod pace;

pub mod mouth;

pub mod tape;

pub mod watch;

pub mod wav;

pub mod ogg_opus;

pub mod stats;

pub mod fuzz;

pub mod link;

mod error;

pub use codec::{Codec, Framing};
pub use ear::{Ear, EarConfig, EarReason, EarSink};
pub use error::MediaError;
pub use frame::{Edge, FRAME, Frame};
pub use mouth::{Bed, Mouth, MouthConfig, MouthEvent, MouthReason, RtpStart, SayError, Silence, Spoken, UtteranceTag};
pub use resample::Resampler;
pub use stats::{EarStats, MouthStats};
pub use tape::{Side, Tape};
pub use vad::VadConfig;
pub use watch::{AirWatch, DeadAir, PathNews, PathWatch};

/// A buffer of this size holds every datagram a [`Mouth`] makes.
pub const DATAGRAM_MAX: usize = rtp::HEADER_LEN + codec::FRAME_BYTES_MAX;
