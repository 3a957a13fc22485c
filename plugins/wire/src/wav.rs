//! RIFF WAVE headers: written around telephone audio, found and dropped in front of it.

/// How samples are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    /// 16-bit linear.
    Pcm,
    /// G.711 A-law.
    Alaw,
    /// G.711 mu-law.
    Mulaw,
}

impl Coding {
    /// `wFormatTag` and bits a sample.
    fn tag(self) -> (u16, u16) {
        match self {
            Self::Pcm => (1, 16),
            Self::Alaw => (6, 8),
            Self::Mulaw => (7, 8),
        }
    }
}

/// The 44 bytes before mono samples; `data_bytes` is 0 where the length is not known, as in a stream.
pub fn header(coding: Coding, rate_hz: u32, data_bytes: u32) -> [u8; 44] {
    let (tag, bits) = coding.tag();
    let block = bits / 8;
    let riff_bytes = if data_bytes == 0 { 0 } else { data_bytes.saturating_add(36) };
    let mut header = [0; 44];
    let mut at = 0;
    let mut put = |bytes: &[u8]| {
        header[at..at + bytes.len()].copy_from_slice(bytes);
        at += bytes.len();
    };
    put(b"RIFF");
    put(&riff_bytes.to_le_bytes());
    put(b"WAVEfmt ");
    put(&16u32.to_le_bytes());
    put(&tag.to_le_bytes());
    put(&1u16.to_le_bytes());
    put(&rate_hz.to_le_bytes());
    put(&(rate_hz * u32::from(block)).to_le_bytes());
    put(&block.to_le_bytes());
    put(&bits.to_le_bytes());
    put(b"data");
    put(&data_bytes.to_le_bytes());
    header
}

/// Where the samples begin, behind whatever chunks precede them (`fact`, pad bytes); none where this is no WAVE file or too little of one.
pub fn data_offset(file: &[u8]) -> Option<usize> {
    if file.get(..4)? != b"RIFF" || file.get(8..12)? != b"WAVE" {
        return None;
    }
    let mut at = 12;
    loop {
        let (name, size) = (file.get(at..at + 4)?, file.get(at + 4..at + 8)?);
        if name == b"data" {
            return Some(at + 8);
        }
        let size = u32::from_le_bytes(size.try_into().ok()?) as usize;
        at = at.checked_add(8)?.checked_add(size)?.checked_add(size % 2)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_found_behind_any_chunks() {
        let file = [&header(Coding::Mulaw, 8000, 3)[..], &[1, 2, 3]].concat();
        assert_eq!(data_offset(&file), Some(44));
        let mut with_fact = file[..36].to_vec();
        with_fact.extend(b"fact\x03\0\0\0abc\0data\x03\0\0\0");
        assert_eq!(data_offset(&with_fact), Some(with_fact.len()));
        assert_eq!(data_offset(&file[..40]), None);
        assert_eq!(data_offset(b"ID3"), None);
    }

    #[test]
    fn the_header_says_what_the_samples_are() {
        let pcm = header(Coding::Pcm, 16_000, 0);
        assert_eq!((&pcm[4..8], &pcm[20..24], &pcm[24..28]), (&[0; 4][..], &[1, 0, 1, 0][..], &16_000u32.to_le_bytes()[..]));
        let alaw = header(Coding::Alaw, 8000, 160);
        assert_eq!((&alaw[4..8], alaw[20], alaw[34]), (&196u32.to_le_bytes()[..], 6, 8));
    }
}
