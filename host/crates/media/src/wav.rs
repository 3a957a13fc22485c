//! WAV files (RIFF WAVE): reading what prompts and recordings come in, writing 16-bit linear.

use crate::codec::g711;

const TAG_PCM: u16 = 1;
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
    /// Another kind of file.
    #[error("read wav: not a riff wave file")]
    NotWave,
    /// The file ends before its chunks do.
    #[error("read wav: file is cut short")]
    Truncated,
    /// No `fmt ` chunk before the sound, or too short a one.
    #[error("read wav: format chunk is missing")]
    FormatMissing,
    /// No `data` chunk.
    #[error("read wav: data chunk is missing")]
    DataMissing,
    /// An encoding other than PCM, mu-law and A-law.
    #[error("read wav: encoding {tag:#06x} is not supported, only pcm (1), a-law (6) and mu-law (7)")]
    Encoding {
        /// The format tag.
        tag: u16,
    },
    /// A sample size that the encoding does not come in here.
    #[error("read wav: {bits} bits per sample are not supported, only 16 and 8")]
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

/// Reads 16-bit and 8-bit PCM, mu-law and A-law, any number of channels. Unknown chunks are skipped.
pub fn read(file: &[u8]) -> Result<Wav, WavError> {
    let (head, mut rest) = file.split_first_chunk::<12>().ok_or(WavError::NotWave)?;
    if &head[..4] != b"RIFF" || &head[8..] != b"WAVE" {
        return Err(WavError::NotWave);
    }
    let mut format = None;
    while let Some((chunk, after)) = rest.split_first_chunk::<8>() {
        let size = u32::from_le_bytes([chunk[4], chunk[5], chunk[6], chunk[7]]);
        let length = size as usize;
        match &chunk[..4] {
            b"fmt " => format = Some(Format::read(after.get(..length).ok_or(WavError::Truncated)?)?),
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
    const HEAD: u32 = 36;
    let frame_bytes = 2 * channels;
    let whole = (u32::MAX - HEAD) / u32::from(frame_bytes) * u32::from(frame_bytes);
    let data_bytes = u32::try_from(2 * count).unwrap_or(u32::MAX).min(whole);
    let mut file = Vec::with_capacity((HEAD + 8) as usize + data_bytes as usize);
    file.extend(b"RIFF");
    file.extend((HEAD + data_bytes).to_le_bytes());
    file.extend(b"WAVEfmt ");
    file.extend(16u32.to_le_bytes());
    file.extend(TAG_PCM.to_le_bytes());
    file.extend(channels.to_le_bytes());
    file.extend(rate_hz.to_le_bytes());
    file.extend(rate_hz.saturating_mul(u32::from(frame_bytes)).to_le_bytes());
    file.extend(frame_bytes.to_le_bytes());
    file.extend(16u16.to_le_bytes());
    file.extend(b"data");
    file.extend(data_bytes.to_le_bytes());
    file.extend(samples.take(data_bytes as usize / 2).flat_map(i16::to_le_bytes));
    file
}

#[derive(Clone, Copy)]
struct Format {
    encoding: Encoding,
    channels: u16,
    rate_hz: u32,
}

#[derive(Clone, Copy)]
enum Encoding {
    Linear16,
    Linear8,
    Ulaw,
    Alaw,
}

impl Format {
    fn read(chunk: &[u8]) -> Result<Self, WavError> {
        let field = |at: usize| chunk.get(at..at + 2).map(|bytes| u16::from_le_bytes([bytes[0], bytes[1]]));
        let (Some(mut tag), Some(channels), Some(low), Some(high), Some(bits)) =
            (field(0), field(2), field(4), field(6), field(14))
        else {
            return Err(WavError::FormatMissing);
        };
        if tag == TAG_EXTENSIBLE {
            // The sub-format's GUID begins with the tag proper.
            tag = field(24).ok_or(WavError::FormatMissing)?;
        }
        let rate_hz = u32::from(high) << 16 | u32::from(low);
        if channels == 0 || rate_hz == 0 {
            return Err(WavError::Shape { channels, rate_hz });
        }
        let encoding = match (tag, bits) {
            (TAG_PCM, 16) => Encoding::Linear16,
            (TAG_PCM, 8) => Encoding::Linear8,
            (TAG_ULAW, 8) => Encoding::Ulaw,
            (TAG_ALAW, 8) => Encoding::Alaw,
            (TAG_PCM | TAG_ULAW | TAG_ALAW, _) => return Err(WavError::Bits { bits }),
            _ => return Err(WavError::Encoding { tag }),
        };
        Ok(Self { encoding, channels, rate_hz })
    }

    fn decode(self, data: &[u8]) -> Wav {
        let mut samples = match self.encoding {
            Encoding::Linear16 => data.as_chunks().0.iter().map(|bytes| i16::from_le_bytes(*bytes)).collect(),
            // 8-bit PCM is unsigned.
            Encoding::Linear8 => data.iter().map(|&byte| (i16::from(byte) - 128) << 8).collect(),
            Encoding::Ulaw => by_table(data, g711::decode_ulaw),
            Encoding::Alaw => by_table(data, g711::decode_alaw),
        };
        samples.truncate(samples.len() - samples.len() % usize::from(self.channels));
        Wav { rate_hz: self.rate_hz, channels: self.channels, samples }
    }
}

fn by_table(data: &[u8], decode: fn(&[u8], &mut [i16])) -> Vec<i16> {
    let mut samples = vec![0; data.len()];
    decode(data, &mut samples);
    samples
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(tag: u16, channels: u16, bits: u16, data: &[u8]) -> Vec<u8> {
        let mut file = write_mono(8_000, &[]);
        file.truncate(36);
        file[20..22].copy_from_slice(&tag.to_le_bytes());
        file[22..24].copy_from_slice(&channels.to_le_bytes());
        file[34..36].copy_from_slice(&bits.to_le_bytes());
        file.extend(b"LIST\x03\0\0\0abc\0data");
        file.extend((data.len() as u32).to_le_bytes());
        file.extend(data);
        file
    }

    fn samples(tag: u16, bits: u16, data: &[u8]) -> Result<Vec<i16>, WavError> {
        read(&file(tag, 1, bits, data)).map(|wav| wav.samples)
    }

    #[test]
    fn file_written_is_the_file_read() {
        let mono = Wav { rate_hz: 16_000, channels: 1, samples: vec![1, -2, i16::MIN] };
        assert_eq!(read(&write_mono(16_000, &mono.samples)), Ok(mono));
        let stereo = read(&write_stereo(8_000, &[1, 2, 3], &[-1])).unwrap();
        assert_eq!((stereo.channels, &stereo.samples[..]), (2, &[1, -1, 2, 0, 3, 0][..]));
        assert_eq!(stereo.mono(), [0, 1, 1]);
    }

    #[test]
    fn every_supported_encoding_is_read_past_foreign_chunks() {
        assert_eq!(samples(1, 16, &[1, 0, 0xFF, 0xFF]), Ok(vec![1, -1]));
        assert_eq!(samples(1, 8, &[128, 255, 0]), Ok(vec![0, 127 << 8, -32768]));
        assert_eq!(samples(7, 8, &[0xFF, 0x80]), Ok(vec![0, 32_124]));
        assert_eq!(samples(6, 8, &[0xD5, 0xAA]), Ok(vec![8, 32_256]));
    }

    #[test]
    fn extensible_header_is_read_by_its_sub_format() {
        let mut extensible = file(TAG_EXTENSIBLE, 1, 16, &[7, 0]);
        extensible[16..20].copy_from_slice(&40u32.to_le_bytes());
        let sub_format = [&[22, 0, 16, 0, 4, 0, 0, 0, 1, 0][..], &[0; 14]].concat();
        extensible.splice(36..36, sub_format);
        assert_eq!(read(&extensible).map(|wav| wav.samples), Ok(vec![7]));
    }

    #[test]
    fn length_unknown_to_its_writer_means_all_there_is() {
        for size in SIZES_UNKNOWN {
            let mut piped = write_mono(8_000, &[5, 6]);
            piped[40..44].copy_from_slice(&size.to_le_bytes());
            assert_eq!(read(&piped).map(|wav| wav.samples), Ok(vec![5, 6]), "{size:#x}");
        }
    }

    #[test]
    fn every_other_kind_of_file_has_an_error_of_its_own() {
        let good = write_mono(8_000, &[1, 2, 3]);
        assert_eq!(read(b"ID3\x04 this is an mp3"), Err(WavError::NotWave));
        assert_eq!(read(b""), Err(WavError::NotWave));
        assert_eq!(read(&good[..good.len() - 1]), Err(WavError::Truncated));
        assert_eq!(read(&good[..30]), Err(WavError::Truncated));
        assert_eq!(read(&good[..12]), Err(WavError::FormatMissing));
        assert_eq!(read(&good[..36]), Err(WavError::DataMissing));
        assert_eq!(samples(3, 32, &[0; 4]), Err(WavError::Encoding { tag: 3 }));
        assert_eq!(samples(1, 24, &[0; 3]), Err(WavError::Bits { bits: 24 }));
        assert_eq!(samples(7, 16, &[0; 2]), Err(WavError::Bits { bits: 16 }));
        assert_eq!(read(&file(1, 0, 16, &[])), Err(WavError::Shape { channels: 0, rate_hz: 8_000 }));
    }
}
