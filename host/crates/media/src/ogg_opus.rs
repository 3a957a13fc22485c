//! Ogg Opus (RFC 7845): two sides of a call as a small file that every player reads.
//!
//! One stream of two channels (mapping family 0), the caller left, the gateway right. Its sound is as long as what was written, to the sample: what the
//! codec is ahead by is skipped at the beginning, and what fills its last frame is cut off by the last page's granule position (sections 4.2 and 4.5).
//!
//! *Why so.* The codec runs in its mode of low delay (CELT alone): a frame depends on few milliseconds beside it, so that silence which stands in place
//! of something begins and ends where it was put; and the two sides, which are two people, are not mixed to be told apart again as speech mode does.

mod reader;
#[cfg(test)]
mod tests;

pub use reader::read;

use crate::codec::opus::{OpusError, PACKET_BYTES_MAX};
use ogg::{PacketWriteEndInfo, PacketWriter};
use opus::{Application, Bitrate, Channels};
use std::io::{self, Write};

/// Granule positions count these, at every rate (RFC 7845, section 4).
pub const GRANULE_HZ: u32 = 48_000;

/// Rates that the codec takes.
pub const RATES_HZ: [u32; 5] = [8_000, 12_000, 16_000, 24_000, 48_000];

const SIDES: usize = 2;
const FRAMES_PER_S: u32 = 50;
/// 0 to 10: processor time for quality. What it costs: `cargo xtask bench media`, `ogg_opus`.
const COMPLEXITY: i32 = 5;
/// Bits per second of both sides, for each sample per second of one.
const BITS_PER_SAMPLE: u32 = 4;
const BITRATE_MAX: u32 = 96_000;

const HEAD_MAGIC: &[u8; 8] = b"OpusHead";
const TAGS_MAGIC: &[u8; 8] = b"OpusTags";
const VERSION: u8 = 1;
const MAPPING_FAMILY: u8 = 0;

/// Why there is no such file, or none that can be read.
#[derive(Debug, thiserror::Error)]
pub enum OggOpusError {
    /// The codec has no such rate.
    #[error("write opus: it has no rate of {rate_hz} hz")]
    Rate {
        /// Samples per second.
        rate_hz: u32,
    },
    /// Not an Ogg Opus file of one or two channels, or a damaged one.
    #[error("read opus: not an ogg opus file of two channels, or a damaged one")]
    Malformed,
    /// The codec refused.
    #[error(transparent)]
    Codec(#[from] OpusError),
    /// What it is written to did.
    #[error("write opus")]
    Write(#[from] io::Error),
}

impl OggOpusError {
    /// Bounded label.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Rate { .. } => "opus_rate",
            Self::Malformed => "opus_malformed",
            Self::Codec(error) => error.code(),
            Self::Write(_) => "opus_write",
        }
    }
}

impl From<opus::Error> for OggOpusError {
    fn from(error: opus::Error) -> Self {
        Self::Codec(error.into())
    }
}

/// Writes one file, as its sound comes.
pub struct Writer<W: Write> {
    pages: PacketWriter<'static, W>,
    serial: u32,
    encoder: opus::Encoder,
    /// What of granule positions one sample is.
    granules: u64,
    /// Samples of one side by which the codec is behind.
    delay: u64,
    frame_samples: usize,
    /// Less than a frame, interleaved.
    frame: Vec<i16>,
    /// So many frames up to now were nothing but silence.
    silent_frames: u32,
    /// Samples of one side that were written, and that are encoded.
    written: u64,
    encoded: u64,
    packets: u32,
}

impl<W: Write> Writer<W> {
    /// Begins a file. `serial` tells its stream from others that it may be laid beside: any number (RFC 3533, section 4).
    ///
    /// # Errors
    /// Where the codec has no such rate, or the sink takes nothing.
    pub fn new(sink: W, rate_hz: u32, serial: u32) -> Result<Self, OggOpusError> {
        if !RATES_HZ.contains(&rate_hz) {
            return Err(OggOpusError::Rate { rate_hz });
        }
        let mut encoder = opus::Encoder::new(rate_hz, Channels::Stereo, Application::LowDelay)?;
        let bitrate = (rate_hz * BITS_PER_SAMPLE).min(BITRATE_MAX);
        encoder.set_bitrate(Bitrate::Bits(i32::try_from(bitrate).unwrap_or(i32::MAX)))?;
        encoder.set_complexity(COMPLEXITY)?;
        encoder.set_vbr(true)?;
        encoder.set_dtx(false)?;
        let delay = u64::from(encoder.get_lookahead()?.unsigned_abs());
        let frame_samples = (rate_hz / FRAMES_PER_S) as usize;
        let mut writer = Self {
            pages: PacketWriter::new(sink),
            serial,
            encoder,
            granules: u64::from(GRANULE_HZ / rate_hz),
            delay,
            frame_samples,
            frame: Vec::with_capacity(SIDES * frame_samples),
            silent_frames: 0,
            written: 0,
            encoded: 0,
            packets: 0,
        };
        let head = head(writer.pre_skip(), rate_hz);
        writer.pages.write_packet(head, serial, PacketWriteEndInfo::EndPage, 0)?;
        writer.pages.write_packet(tags(), serial, PacketWriteEndInfo::EndPage, 0)?;
        Ok(writer)
    }

    /// The next sound: interleaved, a whole number of samples of each side.
    ///
    /// # Errors
    /// Where the sink takes no more. What was written is then no whole file.
    pub fn push(&mut self, samples: &[i16]) -> Result<(), OggOpusError> {
        self.written += (samples.len() / SIDES) as u64;
        let mut rest = samples;
        while !rest.is_empty() {
            let room = SIDES * self.frame_samples - self.frame.len();
            let (now, later) = rest.split_at(room.min(rest.len()));
            self.frame.extend_from_slice(now);
            if self.frame.len() == SIDES * self.frame_samples {
                self.encode(false)?;
            }
            rest = later;
        }
        Ok(())
    }

    /// Ends the file. Gives the sink back.
    ///
    /// # Errors
    /// As [`Writer::push`].
    pub fn finish(mut self) -> Result<W, OggOpusError> {
        // What the codec is behind by comes out of it with silence: there is always one more frame.
        loop {
            self.frame.resize(SIDES * self.frame_samples, 0);
            let last = self.encoded + self.frame_samples as u64 >= self.written + self.delay;
            self.encode(last)?;
            if last {
                return Ok(self.pages.into_inner());
            }
        }
    }

    fn encode(&mut self, last: bool) -> Result<(), OggOpusError> {
        let silent = self.frame.iter().all(|sample| *sample == 0);
        if silent && self.silent_frames == 1 {
            // What was said before rings on for a tenth of a second in the codec's filter against direct current: not in a pause.
            self.encoder.reset_state()?;
        }
        self.silent_frames = if silent { self.silent_frames.saturating_add(1) } else { 0 };
        let mut packet = vec![0; PACKET_BYTES_MAX];
        let length = self.encoder.encode(&self.frame, &mut packet)?;
        packet.truncate(length);
        self.frame.clear();
        self.encoded += self.frame_samples as u64;
        self.packets += 1;
        let (end, position) = match (last, self.packets % FRAMES_PER_S) {
            (true, _) => (PacketWriteEndInfo::EndStream, self.written + self.delay),
            // A page a second: so much is lost with a damaged one, and so near can be sought.
            (false, 0) => (PacketWriteEndInfo::EndPage, self.encoded),
            (false, _) => (PacketWriteEndInfo::NormalPacket, self.encoded),
        };
        Ok(self.pages.write_packet(packet, self.serial, end, position * self.granules)?)
    }

    fn pre_skip(&self) -> u16 {
        u16::try_from(self.delay * self.granules).unwrap_or(u16::MAX)
    }
}

/// RFC 7845, section 5.1.
fn head(pre_skip: u16, rate_hz: u32) -> Vec<u8> {
    let gain = 0i16;
    let mut head = HEAD_MAGIC.to_vec();
    head.extend([VERSION, SIDES as u8]);
    head.extend(pre_skip.to_le_bytes());
    head.extend(rate_hz.to_le_bytes());
    head.extend(gain.to_le_bytes());
    head.push(MAPPING_FAMILY);
    head
}

/// RFC 7845, section 5.2: who encoded it, and nothing of what is in it.
fn tags() -> Vec<u8> {
    let vendor = opus::version().as_bytes();
    let comment = concat!("ENCODER=voice-gateway ", env!("CARGO_PKG_VERSION")).as_bytes();
    let mut tags = TAGS_MAGIC.to_vec();
    let length = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap_or_default().to_le_bytes();
    tags.extend(length(vendor));
    tags.extend(vendor);
    tags.extend(1u32.to_le_bytes());
    tags.extend(length(comment));
    tags.extend(comment);
    tags
}
