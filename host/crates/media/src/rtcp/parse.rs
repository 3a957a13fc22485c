//! Compound packets read. All of a datagram is checked before any of it is given.

use super::{BLOCK_LEN, CNAME, HEADER_LEN, ReportBlock, SENDER_LEN, SSRC_LEN, SenderInfo, kind};
use std::iter::FusedIterator;

const VERSION: u8 = 2;

/// Packet types that cannot be the second byte of RTP with a payload type in use (RFC 5761, section 4).
const KINDS: std::ops::RangeInclusive<u8> = 192..=223;

/// One packet of a compound, of the types of RFC 3550.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Packet<'a> {
    /// SR: from one who sent sound of late.
    SenderReport {
        /// Whose report it is.
        ssrc: u32,
        /// What it sent.
        sender: SenderInfo,
        /// What it got.
        reports: Reports<'a>,
    },
    /// RR: from one who did not.
    ReceiverReport {
        /// Whose report it is.
        ssrc: u32,
        /// What it got.
        reports: Reports<'a>,
    },
    /// SDES: names.
    SourceDescription(Chunks<'a>),
    /// BYE: these sources send no more.
    Goodbye {
        /// Who leaves.
        sources: Sources<'a>,
        /// Why, in the words of the peer; UTF-8 by the RFC, unchecked.
        reason: Option<&'a [u8]>,
    },
    /// APP: of somebody's own making.
    Application {
        /// 0 to 31.
        subtype: u8,
        /// Who sent it.
        ssrc: u32,
        /// Four ASCII letters by the RFC, unchecked.
        name: [u8; 4],
        /// The rest.
        data: &'a [u8],
    },
}

/// Why bytes are not RTCP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RtcpError {
    /// Shorter than its headers say, or empty.
    #[error("read rtcp: packet is cut short")]
    Short,
    /// Not version 2.
    #[error("read rtcp: version is {0}, not 2")]
    Version(u8),
    /// Not a type RTCP has.
    #[error("read rtcp: packet type {0} is none of rtcp")]
    Kind(u8),
    /// Padding before the last packet, or of a length that cannot be.
    #[error("read rtcp: padding is wrong")]
    Padding,
}

impl RtcpError {
    /// Bounded label.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Short => "short",
            Self::Version(_) => "version",
            Self::Kind(_) => "kind",
            Self::Padding => "padding",
        }
    }
}

/// Whether a datagram of a port that carries both is RTCP and not RTP (RFC 5761, section 4).
pub fn is_rtcp(datagram: &[u8]) -> bool {
    datagram.get(1).is_some_and(|kind| KINDS.contains(kind))
}

/// The packets of a datagram, which is refused as a whole if any of it is wrong (RFC 3550, appendix A.2).
///
/// Of the appendix's checks one is left out: the first packet need not be SR or RR, as RFC 5506 allows reduced-size
/// RTCP. Types RFC 3550 does not know are checked for their length and skipped.
pub fn parse(datagram: &[u8]) -> Result<Packets<'_>, RtcpError> {
    let packets = Packets { rest: datagram };
    let mut checked = packets.clone();
    if datagram.is_empty() {
        return Err(RtcpError::Short);
    }
    while !checked.rest.is_empty() {
        checked.advance()?;
    }
    Ok(packets)
}

/// The packets of a compound, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packets<'a> {
    rest: &'a [u8],
}

impl<'a> Packets<'a> {
    /// The next packet, `None` for one of an unknown type.
    fn advance(&mut self) -> Result<Option<Packet<'a>>, RtcpError> {
        let (header, after) = self.rest.split_first_chunk::<HEADER_LEN>().ok_or(RtcpError::Short)?;
        let (version, count, kind) = (header[0] >> 6, header[0] & 0x1F, header[1]);
        if version != VERSION {
            return Err(RtcpError::Version(version));
        }
        if !KINDS.contains(&kind) {
            return Err(RtcpError::Kind(kind));
        }
        let length = 4 * usize::from(u16::from_be_bytes([header[2], header[3]]));
        let (mut body, rest) = after.split_at_checked(length).ok_or(RtcpError::Short)?;
        if header[0] & 0x20 != 0 {
            let padding = usize::from(*body.last().filter(|_| rest.is_empty()).ok_or(RtcpError::Padding)?);
            let kept = body.len().checked_sub(padding).filter(|_| padding > 0 && padding.is_multiple_of(4));
            body = &body[..kept.ok_or(RtcpError::Padding)?];
        }
        self.rest = rest;
        read(kind, count, body).ok_or(RtcpError::Short)
    }
}

impl<'a> Iterator for Packets<'a> {
    type Item = Packet<'a>;

    fn next(&mut self) -> Option<Packet<'a>> {
        while !self.rest.is_empty() {
            if let Some(packet) = self.advance().ok()? {
                return Some(packet);
            }
        }
        None
    }
}

impl FusedIterator for Packets<'_> {}

/// The packet a body is; the outer `None` for one that is cut short, the inner for an unknown type.
fn read(kind: u8, count: u8, body: &[u8]) -> Option<Option<Packet<'_>>> {
    let count = usize::from(count);
    Some(Some(match kind {
        kind::SENDER_REPORT => {
            let (ssrc, body) = split_ssrc(body)?;
            let (sender, body) = body.split_first_chunk::<SENDER_LEN>()?;
            Packet::SenderReport { ssrc, sender: SenderInfo::read(sender), reports: Reports::new(body, count)? }
        }
        kind::RECEIVER_REPORT => {
            let (ssrc, body) = split_ssrc(body)?;
            Packet::ReceiverReport { ssrc, reports: Reports::new(body, count)? }
        }
        kind::SOURCE_DESCRIPTION => Packet::SourceDescription(Chunks::new(body, count)?),
        kind::GOODBYE => {
            let (sources, after) = body.split_at_checked(SSRC_LEN * count)?;
            let reason = match after.split_first() {
                Some((&length, text)) => Some(text.get(..usize::from(length))?),
                None => None,
            };
            Packet::Goodbye { sources: Sources(sources), reason }
        }
        kind::APPLICATION => {
            let (ssrc, body) = split_ssrc(body)?;
            let (&name, data) = body.split_first_chunk()?;
            Packet::Application { subtype: count as u8, ssrc, name, data }
        }
        _ => return Some(None),
    }))
}

fn split_ssrc(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let (ssrc, rest) = bytes.split_first_chunk::<SSRC_LEN>()?;
    Some((u32::from_be_bytes(*ssrc), rest))
}

/// The report blocks of an SR or RR.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reports<'a>(&'a [u8]);

impl<'a> Reports<'a> {
    /// What follows the blocks is an extension of some profile (RFC 3550, section 6.4.3) and left alone.
    fn new(body: &'a [u8], count: usize) -> Option<Self> {
        body.get(..BLOCK_LEN * count).map(Self)
    }
}

impl Iterator for Reports<'_> {
    type Item = ReportBlock;

    fn next(&mut self) -> Option<ReportBlock> {
        let (block, rest) = self.0.split_first_chunk::<BLOCK_LEN>()?;
        self.0 = rest;
        Some(ReportBlock::read(block))
    }
}

/// The sources that leave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sources<'a>(&'a [u8]);

impl Iterator for Sources<'_> {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        let (ssrc, rest) = split_ssrc(self.0)?;
        self.0 = rest;
        Some(ssrc)
    }
}

/// The chunks of an SDES packet: one for each source it describes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunks<'a> {
    rest: &'a [u8],
    left: usize,
}

impl<'a> Chunks<'a> {
    fn new(body: &'a [u8], count: usize) -> Option<Self> {
        let chunks = Self { rest: body, left: count };
        let mut checked = chunks.clone();
        while checked.left > 0 {
            checked.advance()?;
        }
        Some(chunks)
    }

    fn advance(&mut self) -> Option<Chunk<'a>> {
        let (ssrc, text) = split_ssrc(self.rest)?;
        let mut at = 0;
        while *text.get(at)? != 0 {
            at += 2 + usize::from(*text.get(at + 1)?);
        }
        // The null that ends the items is followed by others up to the next word.
        self.rest = text.get((at + 1).next_multiple_of(4)..)?;
        self.left -= 1;
        Some(Chunk { ssrc, items: &text[..at] })
    }
}

impl<'a> Iterator for Chunks<'a> {
    type Item = Chunk<'a>;

    fn next(&mut self) -> Option<Chunk<'a>> {
        if self.left == 0 { None } else { self.advance() }
    }
}

/// What is said of one source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunk<'a> {
    /// Whom it describes.
    pub ssrc: u32,
    items: &'a [u8],
}

/// One fact about a source (RFC 3550, section 6.5). May be personal data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Item<'a> {
    /// 1 is CNAME.
    pub kind: u8,
    /// UTF-8 by the RFC, unchecked.
    pub text: &'a [u8],
}

impl<'a> Chunk<'a> {
    /// Its facts, in order.
    pub fn items(&self) -> impl Iterator<Item = Item<'a>> + use<'a> {
        let mut rest = self.items;
        std::iter::from_fn(move || {
            let (&[kind, length], after) = rest.split_first_chunk()?;
            let (text, after) = after.split_at_checked(usize::from(length))?;
            rest = after;
            Some(Item { kind, text })
        })
    }

    /// The name that stays the same when the source's number changes.
    pub fn cname(&self) -> Option<&'a [u8]> {
        self.items().find(|item| item.kind == CNAME).map(|item| item.text)
    }
}
