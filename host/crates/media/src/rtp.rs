//! RTP packets (RFC 3550, section 5.1) and the sequence of one source.

mod source;

pub(crate) use source::{Source, Verdict};

/// Length of the header [`write()`] makes, and the least a packet has.
pub const HEADER_LEN: usize = 12;

const VERSION: u8 = 2;

/// The fields of a header that carry meaning here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// First packet of a talkspurt (RFC 3551, section 4.1).
    pub marker: bool,
    /// 0 to 127.
    pub payload_type: u8,
    /// Counts packets, wraps.
    pub sequence: u16,
    /// Counts samples, wraps.
    pub timestamp: u32,
    /// Synchronisation source.
    pub ssrc: u32,
}

/// Why bytes are not an RTP packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RtpError {
    /// Shorter than its headers say.
    #[error("read rtp: packet is cut short")]
    Short,
    /// Not version 2.
    #[error("read rtp: version is {0}, not 2")]
    Version(u8),
    /// The padding count is zero or reaches over the payload.
    #[error("read rtp: padding is wrong")]
    Padding,
}

impl RtpError {
    /// Bounded label.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Short => "short",
            Self::Version(_) => "version",
            Self::Padding => "padding",
        }
    }
}

/// Header and payload of a packet; contributing sources, header extension and padding are skipped.
pub fn parse(datagram: &[u8]) -> Result<(Header, &[u8]), RtpError> {
    let (fixed, rest) = datagram.split_first_chunk::<HEADER_LEN>().ok_or(RtpError::Short)?;
    let version = fixed[0] >> 6;
    if version != VERSION {
        return Err(RtpError::Version(version));
    }
    let (padded, extended, csrc_count) = (fixed[0] & 0x20 != 0, fixed[0] & 0x10 != 0, usize::from(fixed[0] & 0x0F));
    let mut payload = rest.get(4 * csrc_count..).ok_or(RtpError::Short)?;
    if extended {
        let (head, after) = payload.split_first_chunk::<4>().ok_or(RtpError::Short)?;
        let words = usize::from(u16::from_be_bytes([head[2], head[3]]));
        payload = after.get(4 * words..).ok_or(RtpError::Short)?;
    }
    if padded {
        let padding = usize::from(*payload.last().ok_or(RtpError::Padding)?);
        let kept = payload.len().checked_sub(padding).filter(|_| padding > 0).ok_or(RtpError::Padding)?;
        payload = &payload[..kept];
    }
    let header = Header {
        marker: fixed[1] & 0x80 != 0,
        payload_type: fixed[1] & 0x7F,
        sequence: u16::from_be_bytes([fixed[2], fixed[3]]),
        timestamp: u32::from_be_bytes([fixed[4], fixed[5], fixed[6], fixed[7]]),
        ssrc: u32::from_be_bytes([fixed[8], fixed[9], fixed[10], fixed[11]]),
    };
    Ok((header, payload))
}

/// The twelve bytes before a payload.
pub fn write(header: Header) -> [u8; HEADER_LEN] {
    let mut bytes = [0; HEADER_LEN];
    bytes[0] = VERSION << 6;
    bytes[1] = u8::from(header.marker) << 7 | header.payload_type & 0x7F;
    bytes[2..4].copy_from_slice(&header.sequence.to_be_bytes());
    bytes[4..8].copy_from_slice(&header.timestamp.to_be_bytes());
    bytes[8..12].copy_from_slice(&header.ssrc.to_be_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: Header = Header { marker: true, payload_type: 8, sequence: 0xFFFE, timestamp: 0x0102_0304, ssrc: 0xDEAD_BEEF };

    fn packet(first: u8, tail: &[u8]) -> Vec<u8> {
        let mut bytes = write(HEADER).to_vec();
        bytes[0] = first;
        bytes.extend_from_slice(tail);
        bytes
    }

    #[test]
    fn header_written_is_the_header_read() {
        assert_eq!(parse(&packet(0x80, b"abc")), Ok((HEADER, &b"abc"[..])));
    }

    #[test]
    fn contributing_sources_extension_and_padding_are_not_payload() {
        let tail = [&[9; 8][..], &[0xBE, 0xDE, 0, 1, 7, 7, 7, 7], b"sound", &[0, 0, 3]].concat();
        assert_eq!(parse(&packet(0x80 | 0x20 | 0x10 | 2, &tail)).map(|(_, payload)| payload), Ok(&b"sound"[..]));
    }

    #[test]
    fn lengths_that_reach_over_the_end_are_refused() {
        assert_eq!(parse(&packet(0x80, b"")[..11]), Err(RtpError::Short));
        assert_eq!(parse(&packet(0x80 | 2, &[0; 7])), Err(RtpError::Short));
        assert_eq!(parse(&packet(0x80 | 0x10, &[0; 3])), Err(RtpError::Short));
        assert_eq!(parse(&packet(0x80 | 0x10, &[0, 0, 0, 2, 1, 1, 1, 1])), Err(RtpError::Short));
        assert_eq!(parse(&packet(0x80 | 0x20, &[1, 4])), Err(RtpError::Padding));
        assert_eq!(parse(&packet(0x80 | 0x20, &[1, 0])), Err(RtpError::Padding));
        assert_eq!(parse(&packet(0x80 | 0x20, &[])), Err(RtpError::Padding));
        assert_eq!(parse(&packet(0x40, b"abc")), Err(RtpError::Version(1)));
    }
}
