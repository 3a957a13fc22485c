//! RTCP (RFC 3550, section 6): what each side tells the other about the sound it sent and got.
//!
//! [`parse()`] and [`write()`] are the bytes; a [`Reporter`] is the conversation, for a session of two.

mod parse;

mod write;

mod reception;

mod interval;

mod reporter;

#[cfg(test)]
mod tests;

pub use parse::{Chunk, Chunks, Item, Packet, Packets, Reports, RtcpError, Sources, is_rtcp, parse};
pub use reporter::{Arrival, Departure, RemoteReport, Reporter, ReporterConfig, ReporterEvent, ReporterReason, ReporterStats};
pub use write::{COMPOUND_MAX, Cname, CnameError, Compound, write};

use std::time::Duration;

/// Seconds between the beginning of NTP's era, 1900, and of Unix's, 1970.
const NTP_TO_UNIX_S: u64 = 2_208_988_800;

const HEADER_LEN: usize = 4;
const SSRC_LEN: usize = 4;
const SENDER_LEN: usize = 20;
const BLOCK_LEN: usize = 24;

/// Packet types of RFC 3550, section 12.1.
mod kind {
    pub(super) const SENDER_REPORT: u8 = 200;
    pub(super) const RECEIVER_REPORT: u8 = 201;
    pub(super) const SOURCE_DESCRIPTION: u8 = 202;
    pub(super) const GOODBYE: u8 = 203;
    pub(super) const APPLICATION: u8 = 204;
}

/// The SDES item every compound packet must hold (RFC 3550, section 6.5.1).
const CNAME: u8 = 1;

/// Wall-clock time as RFC 3550 section 4 has it: seconds since 1900 in the upper half, their 2^32nds in the lower.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ntp(pub u64);

impl Ntp {
    /// From the time since 1970. Wraps in 2036, as the format does.
    pub fn from_unix(since_1970: Duration) -> Self {
        Self::default().later(Duration::from_secs(NTP_TO_UNIX_S)).later(since_1970)
    }

    /// This time and a while.
    pub fn later(self, while_passed: Duration) -> Self {
        let fraction = (u64::from(while_passed.subsec_nanos()) << 32) / 1_000_000_000;
        Self(self.0.wrapping_add(while_passed.as_secs() << 32).wrapping_add(fraction))
    }

    /// The middle 32 bits, in 65 536ths of a second: what a report calls LSR.
    pub fn middle(self) -> u32 {
        (self.0 >> 16) as u32
    }
}

/// How one source was received, as told to it (RFC 3550, section 6.4.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReportBlock {
    /// Whose packets are meant.
    pub ssrc: u32,
    /// Of the packets expected since the report before, this many 256ths were lost.
    pub fraction_lost: u8,
    /// Packets lost since the beginning, 24 bits signed: below zero where duplicates outnumber losses.
    pub cumulative_lost: i32,
    /// Wraps of the sequence number in the upper half, the highest number in the lower.
    pub extended_highest: u32,
    /// Interarrival jitter in timestamp units.
    pub jitter: u32,
    /// [`Ntp::middle`] of the newest sender report that came of the source, 0 if none did.
    pub last_sr: u32,
    /// How long ago it came, in 65 536ths of a second.
    pub delay_since_last_sr: u32,
}

/// What a sender report says of its sender (RFC 3550, section 6.4.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SenderInfo {
    /// When the report was made.
    pub ntp: Ntp,
    /// The same moment on the time line of the sender's RTP timestamps.
    pub rtp_timestamp: u32,
    /// RTP packets sent, wraps.
    pub packets: u32,
    /// Octets of payload in them, wraps.
    pub octets: u32,
}

impl ReportBlock {
    const LOST_MAX: i32 = 0x7F_FFFF;
    const LOST_MIN: i32 = -0x80_0000;

    fn read(bytes: &[u8; BLOCK_LEN]) -> Self {
        let [ssrc, lost, extended_highest, jitter, last_sr, delay_since_last_sr] = words(bytes);
        // Shifted up and down again, so that the sign of the 24 bits is kept.
        let cumulative_lost = (lost << 8) as i32 >> 8;
        let fraction_lost = (lost >> 24) as u8;
        Self { ssrc, fraction_lost, cumulative_lost, extended_highest, jitter, last_sr, delay_since_last_sr }
    }

    fn write(&self) -> [u8; BLOCK_LEN] {
        let lost = self.cumulative_lost.clamp(Self::LOST_MIN, Self::LOST_MAX) as u32 & 0xFF_FFFF;
        let lost = u32::from(self.fraction_lost) << 24 | lost;
        bytes([self.ssrc, lost, self.extended_highest, self.jitter, self.last_sr, self.delay_since_last_sr])
    }
}

impl SenderInfo {
    fn read(bytes: &[u8; SENDER_LEN]) -> Self {
        let [ntp_s, ntp_fraction, rtp_timestamp, packets, octets] = words(bytes);
        Self { ntp: Ntp(u64::from(ntp_s) << 32 | u64::from(ntp_fraction)), rtp_timestamp, packets, octets }
    }

    fn write(&self) -> [u8; SENDER_LEN] {
        bytes([(self.ntp.0 >> 32) as u32, self.ntp.0 as u32, self.rtp_timestamp, self.packets, self.octets])
    }
}

fn words<const BYTES: usize, const WORDS: usize>(bytes: &[u8; BYTES]) -> [u32; WORDS] {
    const { assert!(BYTES == 4 * WORDS) };
    std::array::from_fn(|n| u32::from_be_bytes([bytes[4 * n], bytes[4 * n + 1], bytes[4 * n + 2], bytes[4 * n + 3]]))
}

fn bytes<const BYTES: usize, const WORDS: usize>(words: [u32; WORDS]) -> [u8; BYTES] {
    const { assert!(BYTES == 4 * WORDS) };
    std::array::from_fn(|n| words[n / 4].to_be_bytes()[n % 4])
}
