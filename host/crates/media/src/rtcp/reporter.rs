//! The conversation: told of packets, asked for reports.

use super::interval::Interval;
use super::reception::{Reception, compact, ticks};
use super::{COMPOUND_MAX, Cname, Compound, Ntp, Packet, ReportBlock, SenderInfo, parse, write};
use crate::rtp::Header;
use std::time::{Duration, Instant};

/// Our sender reports that are remembered, to tell a round trip by: at 2 s the least, 16 s of them.
const REPORTS_REMEMBERED: usize = 8;

/// Who we are.
#[derive(Clone, Debug)]
pub struct ReporterConfig {
    /// Of the packets we send.
    pub ssrc: u32,
    /// The clock of the RTP timestamps, both ways: 8000 for G.722 too (RFC 3551, section 4.5.2).
    pub rate_hz: u32,
    /// Our name.
    pub cname: Cname,
    /// Random: decides when reports are sent, so that those of many calls do not fall together.
    pub seed: u64,
}

/// An RTP packet came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// When.
    pub at: Instant,
    /// Of its header.
    pub ssrc: u32,
    /// Of its header.
    pub sequence: u16,
    /// Of its header; `None` where it does not tell when the packet was sent, as in telephone events (RFC 4733).
    pub timestamp: Option<u32>,
}

impl Arrival {
    /// A packet of sound.
    pub fn of(at: Instant, header: &Header) -> Self {
        Self { at, ssrc: header.ssrc, sequence: header.sequence, timestamp: Some(header.timestamp) }
    }
}

/// An RTP packet was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Departure {
    /// When.
    pub at: Instant,
    /// Of its header.
    pub timestamp: u32,
    /// Octets of payload.
    pub octets: usize,
}

/// What the peer tells of our packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RemoteReport {
    /// When it told it.
    pub at: Instant,
    /// Of the packets expected since its report before, this many 256ths were lost.
    pub fraction_lost: u8,
    /// Packets lost since the beginning, 24 bits signed.
    pub cumulative_lost: i32,
    /// Interarrival jitter in timestamp units.
    pub jitter: u32,
    /// From us to the peer and back, without the time it kept the report; never below zero. `None` if it heard none of
    /// our sender reports, or only ones long past.
    pub round_trip: Option<Duration>,
}

/// What a [`Reporter`] has to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReporterEvent {
    /// The peer told how it hears us. Only the newest waits.
    Reported(RemoteReport),
    /// The peer said that it sends no more (BYE).
    PeerLeft {
        /// When it did.
        at: Instant,
    },
}

/// Why a [`Reporter`] wants to be polled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReporterReason {
    /// The next report may be due.
    Report,
    /// The last one is.
    Bye,
}

/// What was counted and measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReporterStats {
    /// Datagrams that are not RTCP.
    pub garbage: u64,
    /// Datagrams of RTCP that came.
    pub datagrams: u64,
    /// Reports that were made.
    pub reports: u64,
    /// RTP and RTCP that bear our own SSRC: an echo, or two with one number (RFC 3550, section 8.2). Ignored.
    pub collisions: u64,
    /// RTP packets sent.
    pub sent: u64,
    /// RTP packets that came of the peer's present source, duplicates too.
    pub received: u64,
    /// Of that source, packets that did not come; below zero where duplicates outnumber them.
    pub lost: i64,
    /// Interarrival jitter of that source in timestamp units.
    pub jitter: u32,
    /// What the peer told last.
    pub remote: Option<RemoteReport>,
}

/// Sends and understands RTCP for one call.
///
/// It is told of every RTP packet in both directions and of every RTCP datagram, and makes a report about every 5 s, the
/// first after about 2.5 s. Another source of the peer, followed from its second packet on, begins new statistics.
#[derive(Debug)]
pub struct Reporter {
    ssrc: u32,
    rate_hz: u32,
    cname: Cname,
    /// The wall clock at one moment; goes on by the other clock, so that nobody's setting of the time spoils a round trip.
    epoch: (Instant, Ntp),
    interval: Interval,
    reception: Reception,
    sending: Sending,
    /// The peer's newest sender report: its source, the middle of its time, when it came.
    last_sr: Option<(u32, u32, Instant)>,
    remote_waits: bool,
    left: Option<Instant>,
    life: Life,
    stats: ReporterStats,
}

#[derive(Debug, Default)]
struct Sending {
    packets: u32,
    octets: u32,
    last: Option<Departure>,
    /// When the two newest reports were made, the newer first.
    reports: [Option<Instant>; 2],
    /// Of our newest sender reports: the middle of their time, when they were made.
    remembered: [Option<(u32, Instant)>; REPORTS_REMEMBERED],
    next_remembered: usize,
}

#[derive(Clone, Copy, Debug)]
enum Life {
    Running,
    Ending { since: Instant },
    Ended,
}

impl Reporter {
    /// One that has sent and heard nothing. `ntp`: what the wall clock shows now.
    pub fn new(now: Instant, ntp: Ntp, config: ReporterConfig) -> Self {
        Self {
            ssrc: config.ssrc,
            rate_hz: config.rate_hz,
            cname: config.cname,
            epoch: (now, ntp),
            interval: Interval::new(now, config.seed),
            reception: Reception::new(now, config.rate_hz),
            sending: Sending::default(),
            last_sr: None,
            remote_waits: false,
            left: None,
            life: Life::Running,
            stats: ReporterStats::default(),
        }
    }

    /// An RTP packet came, of whatever payload type.
    pub fn handle_arrival(&mut self, arrival: &Arrival) {
        if arrival.ssrc == self.ssrc {
            self.stats.collisions += 1;
            return;
        }
        self.reception.handle(arrival);
    }

    /// An RTP packet was sent.
    pub fn handle_departure(&mut self, departure: &Departure) {
        self.stats.sent += 1;
        self.sending.packets = self.sending.packets.wrapping_add(1);
        self.sending.octets = self.sending.octets.wrapping_add(departure.octets as u32);
        self.sending.last = Some(*departure);
    }

    /// Bytes came to the socket that are RTCP by their port, or by [`is_rtcp`](super::is_rtcp). Garbage is counted.
    pub fn handle_datagram(&mut self, now: Instant, datagram: &[u8]) {
        let Ok(packets) = parse(datagram) else {
            self.stats.garbage += 1;
            return;
        };
        self.stats.datagrams += 1;
        for packet in packets {
            match packet {
                Packet::SenderReport { ssrc, .. } | Packet::ReceiverReport { ssrc, .. } if ssrc == self.ssrc => {
                    self.stats.collisions += 1;
                }
                Packet::SenderReport { ssrc, sender, reports } => {
                    self.last_sr = Some((ssrc, sender.ntp.middle(), now));
                    self.handle_reports(now, reports);
                }
                Packet::ReceiverReport { reports, .. } => self.handle_reports(now, reports),
                Packet::Goodbye { mut sources, .. } => {
                    let peer = self.reception.ssrc();
                    if sources.any(|ssrc| ssrc != self.ssrc && peer.is_none_or(|peer| peer == ssrc)) {
                        self.left = Some(now);
                    }
                }
                Packet::SourceDescription(_) | Packet::Application { .. } => {}
            }
        }
    }

    /// The call is over: one more report with a BYE, at once, then nothing. Silent if nothing was ever sent (RFC 3550,
    /// section 6.3.7).
    pub fn end(&mut self, now: Instant) {
        if matches!(self.life, Life::Running) {
            let known = self.stats.sent + self.stats.reports > 0;
            self.life = if known { Life::Ending { since: now } } else { Life::Ended };
        }
    }

    /// The next report, if one is due: writes it to the front of `datagram` and returns its length.
    ///
    /// A buffer shorter than [`COMPOUND_MAX`] is not written to; the report stays due.
    pub fn poll_transmit(&mut self, now: Instant, datagram: &mut [u8]) -> Option<usize> {
        if datagram.len() < COMPOUND_MAX {
            return None;
        }
        let bye = match self.life {
            Life::Running if self.interval.is_due(now) => false,
            Life::Ending { .. } => true,
            Life::Running | Life::Ended => return None,
        };
        let sender = self.sender_info(now);
        let report = self.reception.report(now, self.last_sr);
        let compound = Compound { ssrc: self.ssrc, sender, reports: report.as_slice(), cname: &self.cname, bye };
        let length = write(&compound, datagram);
        self.sending.note_report(now, sender);
        self.interval.restart(now);
        self.stats.reports += 1;
        if bye {
            self.life = Life::Ended;
        }
        length
    }

    /// The next thing to tell.
    pub fn poll_event(&mut self) -> Option<ReporterEvent> {
        if std::mem::take(&mut self.remote_waits) {
            return self.stats.remote.map(ReporterEvent::Reported);
        }
        self.left.take().map(|at| ReporterEvent::PeerLeft { at })
    }

    /// When to ask for a report, and what for; `None` once all is said.
    pub fn poll_timeout(&self) -> Option<(Instant, ReporterReason)> {
        match self.life {
            Life::Running => Some((self.interval.next(), ReporterReason::Report)),
            Life::Ending { since } => Some((since, ReporterReason::Bye)),
            Life::Ended => None,
        }
    }

    /// What was counted and measured so far.
    pub fn stats(&self) -> ReporterStats {
        let reception = &self.reception;
        ReporterStats { received: reception.received(), lost: reception.lost(), jitter: reception.jitter(), ..self.stats }
    }

    fn handle_reports(&mut self, now: Instant, mut reports: impl Iterator<Item = ReportBlock>) {
        let Some(block) = reports.find(|block| block.ssrc == self.ssrc) else { return };
        self.remote_waits = true;
        self.stats.remote = Some(RemoteReport {
            at: now,
            fraction_lost: block.fraction_lost,
            cumulative_lost: block.cumulative_lost,
            jitter: block.jitter,
            round_trip: self.sending.round_trip(now, &block),
        });
    }

    /// For an SR: if we sent anything since the report before the last one (RFC 3550, section 6.4).
    fn sender_info(&self, now: Instant) -> Option<SenderInfo> {
        let last = self.sending.last?;
        if self.sending.reports[1].is_some_and(|report| last.at < report) {
            return None;
        }
        let (begin, ntp) = self.epoch;
        let passed = ticks(now.saturating_duration_since(last.at), self.rate_hz);
        Some(SenderInfo {
            ntp: ntp.later(now.saturating_duration_since(begin)),
            rtp_timestamp: last.timestamp.wrapping_add(passed),
            packets: self.sending.packets,
            octets: self.sending.octets,
        })
    }
}

impl Sending {
    fn note_report(&mut self, now: Instant, sender: Option<SenderInfo>) {
        self.reports = [Some(now), self.reports[0]];
        if let Some(sender) = sender {
            self.remembered[self.next_remembered] = Some((sender.ntp.middle(), now));
            self.next_remembered = (self.next_remembered + 1) % REPORTS_REMEMBERED;
        }
    }

    /// Only a report of ours is believed: any number may stand in the field.
    fn round_trip(&self, now: Instant, block: &ReportBlock) -> Option<Duration> {
        let remembered = self.remembered.iter().flatten();
        let (_, made) = remembered.filter(|(middle, _)| *middle == block.last_sr).max_by_key(|(_, at)| at)?;
        let round = compact(now.saturating_duration_since(*made)).saturating_sub(block.delay_since_last_sr);
        Some(Duration::from_nanos((u64::from(round) * 1_000_000_000) >> 16))
    }
}
