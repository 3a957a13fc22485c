//! Opus (RFC 6716) by its reference implementation, libopus: 16 kHz mono.
//!
//! What is decoded and encoded here is by construction what libopus makes of it; this module adds types, not arithmetic. In RTP the clock of
//! Opus counts 48 000 a second at every rate (RFC 7587, section 4.1).
//!
//! libopus allocates when a [`Decoder`] or an [`Encoder`] is made and works on the stack after that.

mod packet;

pub use packet::{carries_fec, packet_samples};

use opus::{Application, Bitrate, Channels, ErrorCode, Signal};

/// Samples per second on this side of the codec, whatever the sender's bandwidth.
pub const RATE_HZ: u32 = 16_000;

/// Samples of 20 ms, in which an [`Encoder`] works.
pub const FRAME_SAMPLES: usize = 320;

/// Samples of 120 ms, the longest packet (RFC 6716, section 3.4, R5).
pub const PACKET_SAMPLES_MAX: usize = 1_920;

/// Losses are made up in multiples of this many samples: 2.5 ms, the shortest frame there is.
pub const STEP_SAMPLES: usize = 40;

/// Bytes of the largest packet that an [`Encoder`] makes (RFC 6716, section 3.2.1, and the byte before it).
pub const PACKET_BYTES_MAX: usize = 1_276;

/// Why libopus refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpusError {
    /// The bytes are no packet: RFC 6716, section 3.4. The decoder is as it was before.
    #[error("read an opus packet: it is malformed")]
    Packet,
    /// The other side is too short for the result. The decoder is as it was before.
    #[error("code opus: the buffer is too short for it")]
    Room,
    /// A setting or a number of samples is out of range.
    #[error("code opus: a setting or a length is out of range")]
    Argument,
    /// There is no memory for another codec.
    #[error("make an opus codec: there is no memory")]
    Memory,
    /// libopus contradicts itself.
    #[error("code opus: the library failed")]
    Library,
}

impl OpusError {
    /// Bounded label.
    pub fn code(self) -> &'static str {
        match self {
            Self::Packet => "opus_packet",
            Self::Room => "opus_room",
            Self::Argument => "opus_argument",
            Self::Memory => "opus_memory",
            Self::Library => "opus_library",
        }
    }
}

impl From<opus::Error> for OpusError {
    fn from(error: opus::Error) -> Self {
        match error.code() {
            ErrorCode::InvalidPacket => Self::Packet,
            ErrorCode::BufferTooSmall => Self::Room,
            ErrorCode::BadArg => Self::Argument,
            ErrorCode::AllocFail => Self::Memory,
            ErrorCode::InternalError | ErrorCode::InvalidState | ErrorCode::Unimplemented | ErrorCode::Unknown => Self::Library,
        }
    }
}

/// Packets to samples, and a guess for what is missing.
///
/// Every stretch of time is told once and in order, by one of the three verbs. Two channels are mixed into one.
pub struct Decoder {
    inner: opus::Decoder,
}

impl Decoder {
    /// A decoder that has heard nothing yet.
    pub fn new() -> Result<Self, OpusError> {
        Ok(Self { inner: opus::Decoder::new(RATE_HZ, Channels::Mono)? })
    }

    /// Decodes a packet of 2.5 to 120 ms. How many samples it held, at most [`PACKET_SAMPLES_MAX`].
    pub fn decode(&mut self, packet: &[u8], samples: &mut [i16]) -> Result<usize, OpusError> {
        // libopus takes no bytes for a loss: that must be asked for.
        if packet.is_empty() {
            return Err(OpusError::Packet);
        }
        Ok(self.inner.decode(packet, samples, false)?)
    }

    /// Fills in what was lost just before this packet, whose copy of it (in-band FEC, RFC 6716, section 2.1.7) is used where there is one;
    /// see [`carries_fec`]. The packet itself is to be decoded after that.
    ///
    /// The copy covers as much time as one frame of the packet; what was lost before that is a guess. Samples come in multiples of
    /// [`STEP_SAMPLES`].
    pub fn recover(&mut self, next: &[u8], samples: &mut [i16]) -> Result<(), OpusError> {
        if next.is_empty() {
            return Err(OpusError::Packet);
        }
        self.fill(next, samples)
    }

    /// Fills in a guess for what was lost; it fades with every further one. Samples come in multiples of [`STEP_SAMPLES`].
    pub fn conceal(&mut self, samples: &mut [i16]) -> Result<(), OpusError> {
        self.fill(&[], samples)
    }

    /// Forgets what was heard.
    pub fn reset(&mut self) -> Result<(), OpusError> {
        Ok(self.inner.reset_state()?)
    }

    fn fill(&mut self, next: &[u8], samples: &mut [i16]) -> Result<(), OpusError> {
        if !samples.len().is_multiple_of(STEP_SAMPLES) {
            return Err(OpusError::Argument);
        }
        let mut left = samples;
        while !left.is_empty() {
            // libopus makes no more than its longest packet of one call; the copy belongs to the end.
            let count = left.len().min(PACKET_SAMPLES_MAX);
            let (now, later) = left.split_at_mut(count);
            let (source, fec) = if later.is_empty() { (next, !next.is_empty()) } else { (&[][..], false) };
            let made = self.inner.decode(source, now, fec)?;
            if made != count {
                return Err(OpusError::Library);
            }
            left = later;
        }
        Ok(())
    }
}

/// How to encode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EncoderConfig {
    /// Average bits per second without headers: 6000 to 510 000 (RFC 6716, section 2.1.1).
    pub bitrate_bps: u32,
    /// 0 to 10: processor time for quality.
    pub complexity: u8,
    /// What part of the packets the network is expected to lose, 0 to 100: how much of the bits go into copies. Where less than 10 are
    /// expected, libopus leaves the copies out at some rates.
    pub loss_percent: u8,
}

impl Default for EncoderConfig {
    /// Wideband speech with copies, which libopus leaves out at lower rates, for the least processor time. Complexity 5 at 24 kbit/s comes
    /// no nearer to a synthetic voice (segmental SNR of 14 dB both) and costs three times as much.
    fn default() -> Self {
        Self { bitrate_bps: 32_000, complexity: 0, loss_percent: 10 }
    }
}

/// Frames of 20 ms to packets with in-band FEC, without discontinuous transmission.
pub struct Encoder {
    inner: opus::Encoder,
}

impl Encoder {
    /// An encoder at the beginning of a stream.
    pub fn new(config: EncoderConfig) -> Result<Self, OpusError> {
        let mut inner = opus::Encoder::new(RATE_HZ, Channels::Mono, Application::Voip)?;
        // libopus clamps what is too much.
        let bitrate = match config.bitrate_bps {
            6_000..=510_000 => config.bitrate_bps as i32,
            _ => return Err(OpusError::Argument),
        };
        inner.set_bitrate(Bitrate::Bits(bitrate))?;
        inner.set_complexity(i32::from(config.complexity))?;
        inner.set_signal(Signal::Voice)?;
        inner.set_inband_fec(true)?;
        inner.set_packet_loss_perc(i32::from(config.loss_percent))?;
        inner.set_dtx(false)?;
        Ok(Self { inner })
    }

    /// Encodes 20 ms. How many bytes the packet has; [`PACKET_BYTES_MAX`] are always enough.
    pub fn encode(&mut self, frame: &[i16; FRAME_SAMPLES], packet: &mut [u8]) -> Result<usize, OpusError> {
        Ok(self.inner.encode(frame, packet)?)
    }

    /// Changes what part of the packets is expected to be lost, 0 to 100 percent: the receiver's reports say.
    pub fn expect_loss(&mut self, percent: u8) -> Result<(), OpusError> {
        Ok(self.inner.set_packet_loss_perc(i32::from(percent))?)
    }

    /// Samples by which the sound is delayed, encoder and [`Decoder`] together.
    pub fn delay_samples(&mut self) -> Result<usize, OpusError> {
        Ok(self.inner.get_lookahead()?.unsigned_abs() as usize)
    }

    /// Begins another stream.
    pub fn reset(&mut self) -> Result<(), OpusError> {
        Ok(self.inner.reset_state()?)
    }
}

#[cfg(test)]
mod tests;
