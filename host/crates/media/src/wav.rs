//! WAV files (RIFF WAVE): reading what prompts and recordings come in, writing 16-bit linear.
//!
//! Read are PCM of 8 to 32 bits, floating point of 32 and 64, mu-law and A-law, any rate and number of channels, plain or extensible headers, either
//! byte order (RIFF, RIFX). Other containers are told apart by their first bytes, so that an error can name them. For a recording that is still
//! being made there is a [`Header`], and its repair.

mod header;
#[cfg(test)]
mod tests;

use crate::codec::g711;
pub use header::{HEADER_LEN, Header};

const TAG_PCM: u16 = 1;
const TAG_FLOAT: u16 = 3;
const TAG_ALAW: u16 = 6;
const TAG_ULAW: u16 = 7;
const TAG_EXTENSIBLE: u16 = 0xFFFE;

/// Chunk sizes that writers to a pipe leave behind, who do not know the length yet.
const SIZES_UNKNOWN: [u32; 3] = [0, 0x7FFF_FFFF, 0xFFFF_FFFF];

/// A recording in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wav {
    /// Samples per second and channel.
    pub rate_hz: u32,
    /// At least 1.
    pub channels: u16,
    /// Linear samples, channels interleaved, a whole number of each.
    pub samples: Vec<i16>,
}

/// Why bytes are not a recording that can be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WavError {
    /// Nothing that is known.
    #[error("read wav: not a riff wave file")]
    NotWave,
    /// A file of another kind.
    #[error("read wav: this is {container}, not a riff wave file")]
    Container {
        /// Which one.
        container: &'static str,
    },
    /// The file ends before its chunks do.
    #[error("read wav: file is cut short")]
    Truncated,
    /// No `fmt ` chunk before the sound, or too short a one.
    #[error("read wav: format chunk is missing")]
    FormatMissing,
    /// No `data` chunk.
    #[error("read wav: data chunk is missing")]
    DataMissing,
    /// An encoding other than PCM, floating point, mu-law and A-law.
    #[error("read wav: encoding {tag:#06x} is not supported, only pcm (1), float (3), a-law (6) and mu-law (7)")]
    Encoding {
        /// The format tag.
        tag: u16,
    },
    /// A sample size that the encoding does not come in.
    #[error("read wav: {bits} bits per sample are not supported: pcm has 8 to 32, float 32 or 64, a-law and mu-law 8")]
    Bits {
        /// Bits per sample.
        bits: u16,
    },
    /// Zero channels or a zero rate.
    #[error("read wav: {channels} channels at {rate_hz} hz make no sound")]
    Shape {
        /// Channels.
        channels: u16,
        /// Rate.
        rate_hz: u32,
    },
}

impl WavError {
    /// Bounded label.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotWave => "not_wave",
            Self::Container { .. } => "container",
            Self::Truncated => "truncated",
            Self::FormatMissing => "format_missing",
            Self::DataMissing => "data_missing",
            Self::Encoding { .. } => "encoding",
            Self::Bits { .. } => "bits",
            Self::Shape { .. } => "shape",
        }
    }
}

impl Wav {
    /// The mean of all channels.
    pub fn mono(&self) -> Vec<i16> {
        let channels = usize::from(self.channels.max(1));
        let mean = |all: &[i16]| all.iter().map(|&sample| i32::from(sample)).sum::<i32>() / channels as i32;
        self.samples.chunks_exact(channels).map(|all| mean(all) as i16).collect()
    }
}

/// Reads a file. Unknown chunks are skipped; what is finer than 16 bits is rounded to them.
pub fn read(file: &[u8]) -> Result<Wav, WavError> {
    let order = sniff(file)?;
    let mut rest = file.get(12..).unwrap_or_default();
    let mut format = None;
    while let Some((chunk, after)) = rest.split_first_chunk::<8>() {
        let size = order.u32([chunk[4], chunk[5], chunk[6], chunk[7]]);
        let length = size as usize;
        match &chunk[..4] {
            b"fmt " => format = Some(Format::read(after.get(..length).ok_or(WavError::Truncated)?, order)?),
            b"data" => {
                let format = format.ok_or(WavError::FormatMissing)?;
                let data = match after.get(..length) {
                    // A size of zero before sound is that of a writer that could not go back.
                    Some([]) | None if SIZES_UNKNOWN.contains(&size) => after,
                    Some(data) => data,
                    None => return Err(WavError::Truncated),
                };
                return Ok(format.decode(data));
            }
            _ => {}
        }
        // Chunks are padded to an even length.
        rest = after.get(length.saturating_add(length % 2)..).unwrap_or_default();
    }
    Err(if format.is_some() { WavError::DataMissing } else { WavError::FormatMissing })
}

/// First bytes of files that are taken for recordings, and are something else.
const CONTAINERS: &[(&[u8], &str)] = &[
    (b"RF64", "a wave file beyond 4 GiB (RF64)"),
    (b"RIFF", "a riff file without waves"),
    (b"RIFX", "a riff file without waves"),
    (b"ID3", "mp3"),
    (b"OggS", "ogg"),
    (b"fLaC", "flac"),
    (b"FORM", "aiff"),
    (b".snd", "au"),
    (b"caff", "core audio"),
    (b"\x1A\x45\xDF\xA3", "matroska or webm"),
];

/// The byte order of a wave file.
fn sniff(file: &[u8]) -> Result<Order, WavError> {
    match (file.get(..4), file.get(8..12)) {
        (Some(b"RIFF"), Some(b"WAVE")) => return Ok(Order::Little),
        (Some(b"RIFX"), Some(b"WAVE")) => return Ok(Order::Big),
        _ => {}
    }
    let named = CONTAINERS.iter().find(|(magic, _)| file.starts_with(magic)).map(|(_, container)| *container);
    let mp4 = (file.get(4..8) == Some(b"ftyp")).then_some("mp4");
    // Frames of MPEG begin with eleven bits that are set.
    let mpeg = matches!(file, [0xFF, second, ..] if second & 0xE0 == 0xE0).then_some("mp3");
    match named.or(mp4).or(mpeg) {
        Some(container) => Err(WavError::Container { container }),
        None => Err(WavError::NotWave),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    Little,
    Big,
}

impl Order {
    fn u16(self, bytes: [u8; 2]) -> u16 {
        match self {
            Self::Little => u16::from_le_bytes(bytes),
            Self::Big => u16::from_be_bytes(bytes),
        }
    }

    fn u32(self, bytes: [u8; 4]) -> u32 {
        match self {
            Self::Little => u32::from_le_bytes(bytes),
            Self::Big => u32::from_be_bytes(bytes),
        }
    }
}

/// A file of one channel. Sound beyond 4 GiB is left out.
pub fn write_mono(rate_hz: u32, samples: &[i16]) -> Vec<u8> {
    write(rate_hz, 1, samples.len(), samples.iter().copied())
}

/// A file of two channels; the shorter one is filled up with silence. Sound beyond 4 GiB is left out.
pub fn write_stereo(rate_hz: u32, left: &[i16], right: &[i16]) -> Vec<u8> {
    let length = left.len().max(right.len());
    let at = |side: &[i16], n: usize| side.get(n).copied().unwrap_or(0);
    write(rate_hz, 2, 2 * length, (0..length).flat_map(|n| [at(left, n), at(right, n)]))
}

fn write(rate_hz: u32, channels: u16, count: usize, samples: impl Iterator<Item = i16>) -> Vec<u8> {
    let header = Header { rate_hz, channels };
    let data_bytes = header.data_bytes(2 * count as u64);
    let mut file = Vec::with_capacity(HEADER_LEN + data_bytes as usize);
    file.extend(header.write(data_bytes));
    file.extend(samples.take(data_bytes as usize / 2).flat_map(i16::to_le_bytes));
    file
}

#[derive(Clone, Copy)]
struct Format {
    encoding: Encoding,
    order: Order,
    channels: u16,
    rate_hz: u32,
}

#[derive(Clone, Copy)]
enum Encoding {
    /// Bytes of a sample, 1 to 4. Fewer bits than that lie in the upper ones.
    Linear(usize),
    Float32,
    Float64,
    Ulaw,
    Alaw,
}

impl Format {
    fn read(chunk: &[u8], order: Order) -> Result<Self, WavError> {
        let field = |at: usize| chunk.get(at..at + 2).map(|bytes| order.u16([bytes[0], bytes[1]]));
        let rate_hz = chunk.get(4..8).map(|bytes| order.u32([bytes[0], bytes[1], bytes[2], bytes[3]]));
        let (Some(mut tag), Some(channels), Some(rate_hz), Some(bits)) = (field(0), field(2), rate_hz, field(14)) else {
            return Err(WavError::FormatMissing);
        };
        if tag == TAG_EXTENSIBLE {
            // The sub-format's GUID begins with the tag proper.
            tag = field(24).ok_or(WavError::FormatMissing)?;
        }
        if channels == 0 || rate_hz == 0 {
            return Err(WavError::Shape { channels, rate_hz });
        }
        let encoding = match (tag, bits) {
            (TAG_PCM, 1..=32) => Encoding::Linear(usize::from(bits.div_ceil(8))),
            (TAG_FLOAT, 32) => Encoding::Float32,
            (TAG_FLOAT, 64) => Encoding::Float64,
            (TAG_ULAW, 8) => Encoding::Ulaw,
            (TAG_ALAW, 8) => Encoding::Alaw,
            (TAG_PCM | TAG_FLOAT | TAG_ULAW | TAG_ALAW, _) => return Err(WavError::Bits { bits }),
            _ => return Err(WavError::Encoding { tag }),
        };
        Ok(Self { encoding, order, channels, rate_hz })
    }

    fn decode(self, data: &[u8]) -> Wav {
        let mut samples = match self.encoding {
            // 8-bit PCM is unsigned.
            Encoding::Linear(1) => data.iter().map(|&byte| (i16::from(byte) - 128) << 8).collect(),
            Encoding::Linear(bytes) => data.chunks_exact(bytes).map(|sample| self.linear(sample)).collect(),
            Encoding::Float32 => {
                data.as_chunks().0.iter().map(|bytes| scaled(f32::from_bits(self.order.u32(*bytes)).into())).collect()
            }
            Encoding::Float64 => data.as_chunks().0.iter().map(|bytes| scaled(self.double(*bytes))).collect(),
            Encoding::Ulaw => by_table(data, g711::decode_ulaw),
            Encoding::Alaw => by_table(data, g711::decode_alaw),
        };
        samples.truncate(samples.len() - samples.len() % usize::from(self.channels));
        Wav { rate_hz: self.rate_hz, channels: self.channels, samples }
    }

    /// The upper 16 bits of a sample of 2 to 4 bytes, rounded.
    fn linear(self, sample: &[u8]) -> i16 {
        let mut bytes = [0; 4];
        for (to, from) in bytes.iter_mut().zip(sample) {
            *to = *from;
        }
        if self.order == Order::Little {
            bytes.rotate_right(4 - sample.len());
        }
        let whole = self.order.u32(bytes).cast_signed();
        (whole.saturating_add(1 << 15) >> 16) as i16
    }

    fn double(self, bytes: [u8; 8]) -> f64 {
        match self.order {
            Order::Little => f64::from_le_bytes(bytes),
            Order::Big => f64::from_be_bytes(bytes),
        }
    }
}

/// From -1 to 1; what is beyond is clipped, and what is no number is silence.
fn scaled(sample: f64) -> i16 {
    (sample * 32_768.0).round() as i16
}

fn by_table(data: &[u8], decode: fn(&[u8], &mut [i16])) -> Vec<i16> {
    let mut samples = vec![0; data.len()];
    decode(data, &mut samples);
    samples
}
