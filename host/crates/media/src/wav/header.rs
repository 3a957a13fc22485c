//! The header of 16-bit linear sound, for files that grow while they are written.

use super::TAG_PCM;

/// Bytes before the sound.
pub const HEADER_LEN: usize = 44;

/// Bytes of the header that its own size field counts.
const COUNTED: u32 = HEADER_LEN as u32 - 8;

/// A file's header, as far as it is known before its length is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Samples per second and channel.
    pub rate_hz: u32,
    /// Interleaved.
    pub channels: u16,
}

impl Header {
    /// The header of a file with so many bytes of sound; 0 where nobody knows yet, which readers take for all there is.
    pub fn write(self, data_bytes: u32) -> [u8; HEADER_LEN] {
        let frame_bytes = self.frame_bytes();
        let mut header = [0; HEADER_LEN];
        let parts: [&[u8]; 12] = [
            b"RIFF",
            &COUNTED.saturating_add(data_bytes).to_le_bytes(),
            b"WAVEfmt ",
            &16u32.to_le_bytes(),
            &TAG_PCM.to_le_bytes(),
            &self.channels.to_le_bytes(),
            &self.rate_hz.to_le_bytes(),
            &self.rate_hz.saturating_mul(frame_bytes).to_le_bytes(),
            &(frame_bytes as u16).to_le_bytes(),
            &16u16.to_le_bytes(),
            b"data",
            &data_bytes.to_le_bytes(),
        ];
        let mut at = 0;
        for part in parts {
            header[at..at + part.len()].copy_from_slice(part);
            at += part.len();
        }
        header
    }

    /// What of so much sound a file takes: whole frames, and less than 4 GiB.
    pub fn data_bytes(self, bytes: u64) -> u32 {
        let most = u32::MAX - COUNTED;
        let bytes = u32::try_from(bytes).unwrap_or(most).min(most);
        bytes - bytes % self.frame_bytes()
    }

    /// The header with which a file of this length can be read whose writer died, wherever it was. `first`: its first bytes, as far as there are any;
    /// where even they are not whole, `self` is taken for what was meant. With it, how long the file is then to be.
    pub fn repaired(self, first: &[u8], file_bytes: u64) -> ([u8; HEADER_LEN], u64) {
        let header = Self::parse(first).unwrap_or(self);
        let data_bytes = header.data_bytes(file_bytes.saturating_sub(HEADER_LEN as u64));
        (header.write(data_bytes), HEADER_LEN as u64 + u64::from(data_bytes))
    }

    /// Of a header that [`Header::write`] made.
    pub fn parse(first: &[u8]) -> Option<Self> {
        let head = first.first_chunk::<HEADER_LEN>()?;
        let channels = u16::from_le_bytes([head[22], head[23]]);
        let rate_hz = u32::from_le_bytes([head[24], head[25], head[26], head[27]]);
        let header = Self { rate_hz, channels };
        let data_bytes = u32::from_le_bytes([head[40], head[41], head[42], head[43]]);
        (rate_hz > 0 && channels > 0 && header.write(data_bytes) == *head).then_some(header)
    }

    fn frame_bytes(self) -> u32 {
        2 * u32::from(self.channels.max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Wav, read};
    use super::*;

    const HEADER: Header = Header { rate_hz: 16_000, channels: 2 };

    #[test]
    fn file_cut_at_any_byte_is_read_after_its_repair_with_every_whole_frame() {
        let samples: Vec<i16> = (1..=40).collect();
        let mut file = HEADER.write(0).to_vec();
        file.extend(samples.iter().flat_map(|sample| sample.to_le_bytes()));
        for cut in 0..=file.len() {
            let mut left = file[..cut].to_vec();
            let (header, length) = HEADER.repaired(&left, cut as u64);
            left.resize(length as usize, 0);
            left[..HEADER_LEN].copy_from_slice(&header);
            let whole = cut.saturating_sub(HEADER_LEN) / 4 * 2;
            let wav = Wav { rate_hz: 16_000, channels: 2, samples: samples[..whole].to_vec() };
            assert_eq!(read(&left), Ok(wav), "cut at {cut}");
        }
    }

    #[test]
    fn repair_keeps_the_rate_that_the_file_says_and_takes_its_own_where_it_says_none() {
        let narrow = Header { rate_hz: 8_000, channels: 2 };
        let (header, length) = HEADER.repaired(&narrow.write(0), 44 + 7);
        assert_eq!((Header::parse(&header), length), (Some(narrow), 44 + 4));
        let (header, length) = HEADER.repaired(&[0xA5; 60], 60);
        assert_eq!((Header::parse(&header), length), (Some(HEADER), 60));
    }

    #[test]
    fn file_holds_whole_frames_and_no_more_than_its_sizes_can_say() {
        let most = u32::MAX - 36;
        assert_eq!([3, 4, 7, 8].map(|bytes| HEADER.data_bytes(bytes)), [0, 4, 4, 8]);
        assert_eq!(HEADER.data_bytes(u64::MAX), most - most % 4);
        assert_eq!(HEADER.data_bytes(u64::from(most) + 1), most - most % 4);
        assert_eq!(HEADER.write(HEADER.data_bytes(u64::MAX))[4..8], (u32::MAX - most % 4).to_le_bytes());
    }
}
