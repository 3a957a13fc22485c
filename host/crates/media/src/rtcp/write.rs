//! Compound packets written, into the caller's buffer.

use super::{BLOCK_LEN, CNAME, HEADER_LEN, ReportBlock, SENDER_LEN, SSRC_LEN, SenderInfo, kind};

const VERSION: u8 = 2;

/// The most blocks an SR or RR has room for.
const BLOCKS_MAX: usize = 31;

const CNAME_MAX: usize = 255;

/// A buffer of this size holds a [`Compound`] with one report block, whatever its name is.
pub const COMPOUND_MAX: usize = HEADER_LEN
    + SSRC_LEN
    + SENDER_LEN
    + BLOCK_LEN
    + (HEADER_LEN + SSRC_LEN + (2 + CNAME_MAX + 1).next_multiple_of(4))
    + (HEADER_LEN + SSRC_LEN);

/// The name by which a peer knows our sources to belong together (RFC 3550, section 6.5.1). Choose it at random for each
/// call (RFC 7022): one made of a user and a host tells who they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cname(Box<str>);

/// Why a text is no [`Cname`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CnameError {
    /// It is empty.
    #[error("use a canonical name: it is empty")]
    Empty,
    /// It does not fit an SDES item.
    #[error("use a canonical name: it has {bytes} bytes, at most {CNAME_MAX} fit")]
    Long {
        /// What was asked for.
        bytes: usize,
    },
}

impl CnameError {
    /// Bounded label.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::Long { .. } => "long",
        }
    }
}

impl Cname {
    /// 1 to 255 bytes of UTF-8.
    pub fn new(text: &str) -> Result<Self, CnameError> {
        match text.len() {
            0 => Err(CnameError::Empty),
            1..=CNAME_MAX => Ok(Self(text.into())),
            bytes => Err(CnameError::Long { bytes }),
        }
    }

    /// A name that tells nothing, of 96 random bits (RFC 7022, section 4.2; in hexadecimal).
    pub fn random(bits: [u8; 12]) -> Self {
        Self(bits.iter().map(|byte| format!("{byte:02x}")).collect::<String>().into())
    }

    /// The name itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What one of us tells: SR or RR, then SDES with the name, then BYE if asked for (RFC 3550, section 6.1).
#[derive(Clone, Copy, Debug)]
pub struct Compound<'a> {
    /// Who tells it.
    pub ssrc: u32,
    /// What it sent: makes it an SR.
    pub sender: Option<SenderInfo>,
    /// What it got: at most 31.
    pub reports: &'a [ReportBlock],
    /// Its name.
    pub cname: &'a Cname,
    /// Whether it leaves.
    pub bye: bool,
}

/// Writes to the front of `datagram` and returns the length; `None`, with anything written, if it does not fit.
pub fn write(compound: &Compound<'_>, datagram: &mut [u8]) -> Option<usize> {
    let mut writer = Writer { datagram, length: 0 };
    let count = u8::try_from(compound.reports.len()).ok().filter(|&count| usize::from(count) <= BLOCKS_MAX)?;
    let kind = if compound.sender.is_some() { kind::SENDER_REPORT } else { kind::RECEIVER_REPORT };
    writer.packet(kind, count, |writer| {
        writer.put(&compound.ssrc.to_be_bytes())?;
        if let Some(sender) = &compound.sender {
            writer.put(&sender.write())?;
        }
        compound.reports.iter().try_for_each(|block| writer.put(&block.write()))
    })?;
    writer.packet(kind::SOURCE_DESCRIPTION, 1, |writer| {
        let text = compound.cname.0.as_bytes();
        writer.put(&compound.ssrc.to_be_bytes())?;
        writer.put(&[CNAME, u8::try_from(text.len()).ok()?])?;
        writer.put(text)?;
        // At least one null ends the items, others fill the word.
        let items = 2 + text.len();
        writer.put(&[0; 4][..(items + 1).next_multiple_of(4) - items])
    })?;
    if compound.bye {
        writer.packet(kind::GOODBYE, 1, |writer| writer.put(&compound.ssrc.to_be_bytes()))?;
    }
    Some(writer.length)
}

struct Writer<'a> {
    datagram: &'a mut [u8],
    length: usize,
}

impl Writer<'_> {
    fn put(&mut self, bytes: &[u8]) -> Option<()> {
        self.datagram.get_mut(self.length..self.length + bytes.len())?.copy_from_slice(bytes);
        self.length += bytes.len();
        Some(())
    }

    /// A packet whose body `fill` writes, a whole number of words.
    fn packet(&mut self, kind: u8, count: u8, fill: impl FnOnce(&mut Self) -> Option<()>) -> Option<()> {
        let start = self.length;
        self.put(&[VERSION << 6 | count, kind, 0, 0])?;
        fill(self)?;
        let words = u16::try_from((self.length - start) / 4 - 1).ok()?;
        self.datagram[start + 2..start + HEADER_LEN].copy_from_slice(&words.to_be_bytes());
        Some(())
    }
}
