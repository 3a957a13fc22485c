//! One call's Ear and Mouth, and the channels to whoever owns the call. No socket: the shard hands packets in and takes them out.

use super::shard::LegConfig;
use super::taped::Taped;
use crate::application::ports::{AudioChunk, LegEvent, MouthCommand, MouthFloor};
use std::collections::VecDeque;
use std::time::{Duration, Instant};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, watch};
use vg_domain::ids::UtteranceId;
use vg_media::dtmf::DigitNews;
use vg_media::rtcp::{Arrival, Departure, Reporter};
use vg_media::{
    AirWatch, Codec, Ear, EarSink, Edge, Frame, Mouth, MouthEvent, PathNews, PathWatch, SayError, Side, Silence, UtteranceTag,
    rtp,
};

/// Sound is handed on in pieces of this length: a message per 20 ms frame costs four times as much.
const CHUNK_MS: usize = 100;
const FRAME: Duration = Duration::from_millis(20);
/// The start of speech goes on in shorter pieces, so that the first partial words come early.
const CHUNK_AT_START_MS: usize = 40;
const START_MS: usize = 400;
/// Where nobody has spoken for [`QUIET_AFTER_MS`], pieces are longer: each costs the same, and an edge sends what there is at once.
const CHUNK_WHEN_QUIET_MS: usize = 200;
/// Longer than services of speech take to call an utterance ended: until then they get their silence as quickly as speech.
const QUIET_AFTER_MS: usize = 2_000;
/// Edges and marks wait here while their owner is busy. An owner so far behind is taken for dead.
const PENDING_MAX: usize = 256;
/// Counts are handed on in every so many turns, three times a second.
const COUNT_TURNS: u32 = 16;
/// In every so many turns it is looked whether the owner is still there: that is written elsewhere, and a miss of the cache each time.
const OWNER_TURNS: u32 = 4;

/// What a leg counts.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct LegCounts {
    pub(super) garbage: u64,
    pub(super) late: u64,
    pub(super) lost: u64,
    pub(super) concealed: u64,
    pub(super) reports: u64,
    pub(super) audio_dropped_ms: u64,
}

/// See the module.
pub(super) struct Leg {
    ear: Ear,
    mouth: Mouth,
    /// RTP only.
    reporter: Option<Reporter>,
    codec: Codec,
    silence: Silence,
    path: Option<PathWatch>,
    commands: mpsc::Receiver<MouthCommand>,
    /// Read from the channel, but the Mouth had no room: nothing further is read until it has.
    stalled: Option<MouthCommand>,
    floor: watch::Receiver<MouthFloor>,
    /// Nothing of this utterance or one before it is said any more.
    hushed: Option<UtteranceId>,
    out: Outbox,
    told: LegCounts,
    turns: u32,
}

impl Leg {
    pub(super) fn new(
        ear: Ear,
        mouth: Mouth,
        reporter: Option<Reporter>,
        config: LegConfig,
        (commands, floor): (mpsc::Receiver<MouthCommand>, watch::Receiver<MouthFloor>),
        events: mpsc::Sender<LegEvent>,
    ) -> Self {
        let out = Outbox::new(events, config.rate_hz as usize / 1000);
        let (codec, silence, told) = (config.codec, config.silence, LegCounts::default());
        let (path, stalled, hushed) = (None, None, None);
        Self { ear, mouth, reporter, codec, silence, path, commands, stalled, floor, hushed, out, told, turns: 0 }
    }

    /// The owner dropped its half, which shows within 80 ms, or has not read for so long that it must be dead.
    pub(super) fn is_over(&self) -> bool {
        let left = self.turns.is_multiple_of(OWNER_TURNS) && self.out.events.is_closed();
        left || self.out.pending.len() > PENDING_MAX
    }

    pub(super) fn hear(&mut self, now: Instant, datagram: &[u8]) {
        let mut sounds = self.reporter.is_none();
        if let Some(reporter) = &mut self.reporter
            && let Ok((header, _)) = rtp::parse(datagram)
        {
            sounds = self.codec.accepts(header.payload_type);
            let arrival = Arrival::of(now, &header);
            // The time of a key's packets is that of its beginning.
            let timestamp = arrival.timestamp.filter(|_| sounds);
            reporter.handle_arrival(&Arrival { timestamp, ..arrival });
        }
        if let Some(path) = self.path.as_mut().filter(|_| sounds) {
            path.heard(now);
        }
        self.ear.handle_datagram(now, datagram);
    }

    /// RTCP of the far side.
    pub(super) fn handle_report(&mut self, now: Instant, datagram: &[u8]) {
        if let Some(reporter) = &mut self.reporter {
            reporter.handle_datagram(now, datagram);
            while reporter.poll_event().is_some() {}
        }
    }

    /// Passes on what was heard by `now`.
    pub(super) fn poll_ear(&mut self, now: Instant) {
        self.ear.poll(now, &mut self.out);
        self.out.flush_pending();
    }

    /// When the next frame of the caller is due; none before the first packet.
    pub(super) fn due(&self) -> Option<Instant> {
        self.ear.poll_timeout().map(|(due, _)| due)
    }

    /// Next packet to send and when its slot was.
    pub(super) fn transmit(&mut self, tick: Instant, packet: &mut [u8]) -> Option<(usize, Instant)> {
        // After a pause the next slot lies in the past; the packet that ends the pause is due in the tick that finds it.
        let due = self.mouth.poll_timeout().map(|(due, _)| due).filter(|due| tick.saturating_duration_since(*due) < FRAME);
        let due = due.unwrap_or(tick);
        let length = self.mouth.poll_transmit(tick, packet)?;
        self.ear.handle_spoken(self.mouth.spoken_power());
        if let Some(air) = self.out.air.as_mut().filter(|_| self.mouth.is_audible()) {
            air.said(tick);
        }
        if let Some(tape) = &mut self.out.tape {
            tape.keep(Side::Gateway, tick, self.mouth.spoken_samples());
        }
        if let Some(reporter) = &mut self.reporter
            && let Ok((header, payload)) = rtp::parse(&packet[..length])
        {
            reporter.handle_departure(&Departure { at: tick, timestamp: header.timestamp, octets: payload.len() });
        }
        Some((length, due))
    }

    /// A packet is on its way.
    pub(super) fn left(&mut self, now: Instant) {
        if let Some(path) = &mut self.path {
            path.sent(now);
        }
    }

    /// The next report, if one is due.
    pub(super) fn transmit_report(&mut self, now: Instant, datagram: &mut [u8]) -> Option<usize> {
        let reporter = self.reporter.as_mut()?;
        reporter.poll_timeout().filter(|(due, _)| *due <= now)?;
        reporter.poll_transmit(now, datagram)
    }

    /// To be called after the last [`transmit`](Self::transmit) of a tick.
    pub(super) fn report(&mut self) {
        while let Some(event) = self.mouth.poll_event() {
            match event {
                MouthEvent::Audible { tag, at } => self.out.keep(LegEvent::Audible { utterance: utterance(tag), at }),
                MouthEvent::Ended { tag, .. } => self.out.keep(LegEvent::Ended { utterance: utterance(tag) }),
                MouthEvent::Underrun { .. } => {}
            }
        }
        self.out.flush_pending();
    }

    pub(super) fn report_inactive(&mut self) {
        self.out.flush_chunk();
        self.out.keep(LegEvent::Inactive);
    }

    /// Looks over what is watched and recorded.
    fn look_after(&mut self, now: Instant) {
        if let Some(news) = self.path.as_mut().and_then(|path| path.poll(now)) {
            self.out.keep(match news {
                PathNews::Proven { after } => LegEvent::PathProven { after_ms: after.as_millis() as u64 },
                PathNews::Silent { heard, sent } => LegEvent::PathSilent { heard, sent },
            });
            if let PathNews::Proven { .. } = news {
                self.path = None;
            }
        }
        if let Some(dead) = self.out.air.as_mut().and_then(|air| air.poll(now)) {
            let (heard_ago_ms, said_ago_ms) = (dead.heard_ago.as_millis() as u64, dead.said_ago.as_millis() as u64);
            self.out.keep(LegEvent::DeadAir { heard_ago_ms, said_ago_ms });
        }
        if let Some(tape) = &mut self.out.tape {
            tape.turn(now);
        }
    }

    fn watch(&mut self, now: Instant, path_within: Duration, dead_air: Duration) {
        let mut path = PathWatch::new(now, path_within);
        if self.silence == Silence::Nothing {
            // Nothing need leave while there is nothing to say.
            path.sent(now);
        }
        self.path = Some(path);
        self.out.air = Some(AirWatch::new(now, dead_air));
    }

    /// What happened to packets since this said something last; it does so now and then.
    pub(super) fn take_counts(&mut self) -> Option<LegCounts> {
        self.turns += 1;
        if !self.turns.is_multiple_of(COUNT_TURNS) {
            return None;
        }
        let stats = self.ear.stats();
        let garbage = stats.garbage + stats.foreign_payload;
        let reports = self.reporter.as_ref().map_or(0, |reporter| reporter.stats().datagrams);
        let counts = LegCounts {
            garbage: garbage - self.told.garbage,
            late: stats.late - self.told.late,
            // What came after all is no longer lost: the sum never falls.
            lost: stats.lost.saturating_sub(self.told.lost),
            concealed: stats.concealed - self.told.concealed,
            reports: reports - self.told.reports,
            audio_dropped_ms: std::mem::take(&mut self.out.dropped_ms),
        };
        let (lost, concealed) = (stats.lost.max(self.told.lost), stats.concealed);
        self.told = LegCounts { garbage, late: stats.late, lost, concealed, reports, audio_dropped_ms: 0 };
        Some(counts)
    }

    /// How the sound was, for whoever looks after a complaint.
    pub(super) fn tell_quality(&self) {
        let (ear, mouth) = (self.ear.stats(), self.mouth.stats());
        let remote = self.reporter.as_ref().and_then(|reporter| reporter.stats().remote);
        tracing::debug!(
            frames = ear.frames,
            lost = ear.lost,
            concealed = ear.concealed,
            late = ear.late,
            jitter_us = ear.jitter_us,
            delay_ms = ear.delay_ms,
            clipped = ear.clipped,
            drift_ppm = ear.drift_ppm,
            sent = mouth.packets,
            underruns = mouth.underrun_slots,
            remote_lost = remote.as_ref().map(|remote| remote.cumulative_lost),
            round_trip_us = remote.and_then(|remote| remote.round_trip).map(|time| time.as_micros() as u64),
            "leg ended"
        );
    }

    /// Gives back what the Mouth has no room for.
    fn say(&mut self, utterance: UtteranceId, rate_hz: u32, mut pcm: Vec<i16>) -> Option<Vec<i16>> {
        match self.mouth.say(tag(utterance), rate_hz, &pcm) {
            Ok(()) => None,
            Err(SayError::QueueFull { room }) => {
                // A piece longer than the whole queue would never fit at once.
                let fits = room.as_millis() as usize * rate_hz as usize / 1000;
                if self.mouth.say(tag(utterance), rate_hz, &pcm[..fits.min(pcm.len())]).is_ok() {
                    pcm.drain(..fits.min(pcm.len()));
                }
                Some(pcm)
            }
            Err(error @ SayError::Rate { .. }) => {
                tracing::error!(code = error.code(), rate_hz, "speech dropped");
                None
            }
        }
    }

    /// Is silent or goes on as it is told. True when the Mouth was hushed.
    fn take_floor(&mut self, now: Instant) -> bool {
        if !self.floor.has_changed().unwrap_or(false) {
            return false;
        }
        let (before, floor) = (self.hushed, *self.floor.borrow_and_update());
        self.hushed = floor.hushed;
        // A Mouth that stood still is hushed as it stands: to let it go on first would let a sound out.
        let spoken = (floor.hushed > before).then(|| self.mouth.hush(now));
        if floor.paused {
            self.mouth.pause();
        } else {
            self.mouth.go_on();
        }
        let Some(spoken) = spoken else { return false };
        self.out.keep(LegEvent::Hushed {
            utterance: spoken.as_ref().map(|spoken| utterance(spoken.tag)),
            spoken_ms: spoken.map_or(0, |spoken| spoken.samples * 1000 / u64::from(spoken.rate_hz)),
        });
        true
    }

    fn is_hushed(&self, utterance: UtteranceId) -> bool {
        self.hushed.is_some_and(|hushed| utterance <= hushed)
    }

    /// Takes orders for the slots from `now`. True when the Mouth was hushed.
    pub(super) fn take_orders(&mut self, now: Instant) -> bool {
        self.look_after(now);
        let hushed = self.take_floor(now);
        loop {
            let Some(command) = self.stalled.take().or_else(|| self.commands.try_recv().ok()) else { return hushed };
            match command {
                MouthCommand::Say { utterance, .. } | MouthCommand::End { utterance } if self.is_hushed(utterance) => {}
                MouthCommand::Say { utterance, rate_hz, pcm } => {
                    if let Some(rest) = self.say(utterance, rate_hz, pcm) {
                        self.stalled = Some(MouthCommand::Say { utterance, rate_hz, pcm: rest });
                        return hushed;
                    }
                }
                MouthCommand::End { utterance } => self.mouth.end(tag(utterance)),
                MouthCommand::Record(tap) => self.out.tape = Some(Taped::new(now, self.codec, *tap)),
                MouthCommand::StopRecording => self.out.tape = None,
                MouthCommand::Watch { path_within, dead_air } => self.watch(now, path_within, dead_air),
            }
        }
    }
}

fn tag(utterance: UtteranceId) -> UtteranceTag {
    UtteranceTag(utterance.0)
}

fn utterance(tag: UtteranceTag) -> UtteranceId {
    UtteranceId(tag.0)
}

/// What the caller does since the last edge, and how many milliseconds of it were passed on.
#[derive(Clone, Copy, Debug)]
enum Voice {
    Speech(usize),
    Quiet(usize),
}

/// The way to the owner: sound may be dropped, everything else is kept until it fits.
struct Outbox {
    events: mpsc::Sender<LegEvent>,
    pending: VecDeque<LegEvent>,
    chunk: Vec<i16>,
    samples_per_ms: usize,
    voice: Voice,
    dropped_ms: u64,
    tape: Option<Taped>,
    air: Option<AirWatch>,
}

impl Outbox {
    fn new(events: mpsc::Sender<LegEvent>, samples_per_ms: usize) -> Self {
        Self {
            events,
            pending: VecDeque::new(),
            chunk: Vec::with_capacity(CHUNK_MS * samples_per_ms),
            samples_per_ms,
            voice: Voice::Quiet(0),
            dropped_ms: 0,
            tape: None,
            air: None,
        }
    }

    fn keep(&mut self, event: LegEvent) {
        self.pending.push_back(event);
    }

    fn flush_pending(&mut self) {
        while let Some(event) = self.pending.pop_front() {
            if let Err(TrySendError::Full(event)) = self.events.try_send(event) {
                self.pending.push_front(event);
                return;
            }
        }
    }

    fn flush_chunk(&mut self) {
        if self.chunk.is_empty() {
            return;
        }
        let full = self.target_ms().max(CHUNK_MS) * self.samples_per_ms;
        let pcm = std::mem::replace(&mut self.chunk, Vec::with_capacity(full));
        let length_ms = pcm.len() / self.samples_per_ms;
        let (Voice::Speech(passed_ms) | Voice::Quiet(passed_ms)) = &mut self.voice;
        *passed_ms += length_ms;
        // An edge must not be overtaken by the sound after it.
        self.flush_pending();
        let fits = self.pending.is_empty() && self.events.try_send(LegEvent::Audio(AudioChunk { pcm })).is_ok();
        if !fits {
            self.dropped_ms += length_ms as u64;
        }
    }

    /// How long the piece is to be that is being gathered.
    fn target_ms(&self) -> usize {
        match self.voice {
            Voice::Speech(..START_MS) => CHUNK_AT_START_MS,
            Voice::Quiet(QUIET_AFTER_MS..) => CHUNK_WHEN_QUIET_MS,
            Voice::Speech(_) | Voice::Quiet(_) => CHUNK_MS,
        }
    }
}

impl EarSink for Outbox {
    fn frame(&mut self, frame: Frame<'_>) {
        if let Some(tape) = &mut self.tape {
            tape.keep(Side::Caller, frame.at, frame.wire);
        }
        if let Some(air) = self.air.as_mut().filter(|_| frame.voiced) {
            air.heard(frame.at);
        }
        self.chunk.extend_from_slice(frame.samples);
        if self.chunk.len() >= self.target_ms() * self.samples_per_ms {
            self.flush_chunk();
        }
    }

    fn digit(&mut self, news: DigitNews) {
        // A key counts when it is pressed: who types does not want to wait for the finger.
        if let DigitNews::Began { digit, .. } = news {
            self.keep(LegEvent::Digit(digit.as_char()));
        }
    }

    fn edge(&mut self, edge: Edge) {
        self.flush_chunk();
        match edge {
            Edge::SpeechStarted { at, position_ms } => {
                self.voice = Voice::Speech(0);
                self.keep(LegEvent::SpeechStarted { at, position_ms });
            }
            Edge::SpeechEnded { last_voiced, position_ms } => {
                self.voice = Voice::Quiet(0);
                self.keep(LegEvent::SpeechEnded { last_voiced, position_ms });
            }
        }
    }
}

/// How long a stretch without packets may last before [`Stillness`] calls it one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stillness {
    limit: Option<Duration>,
    last: Option<Instant>,
    told: bool,
}

impl Stillness {
    pub(super) fn new(limit: Option<Duration>) -> Self {
        Self { limit, last: None, told: false }
    }

    pub(super) fn packet(&mut self, now: Instant) {
        self.last = Some(now);
        self.told = false;
    }

    /// True once in each stretch, when packets had flowed and have stood still for the limit.
    pub(super) fn begins(&mut self, now: Instant) -> bool {
        let (Some(limit), Some(last), false) = (self.limit, self.last, self.told) else { return false };
        self.told = now.saturating_duration_since(last) >= limit;
        self.told
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lengths of the pieces in which so much sound is passed on.
    fn pieces(out: &mut Outbox, events: &mut mpsc::Receiver<LegEvent>, sound_ms: usize) -> Vec<usize> {
        let frame =
            Frame { samples: &[0; 160], wire: &[0; 160], position: 0, at: Instant::now(), voiced: false, concealed: false };
        (0..sound_ms / 20).for_each(|_| out.frame(frame));
        std::iter::from_fn(|| events.try_recv().ok())
            .filter_map(|event| if let LegEvent::Audio(chunk) = event { Some(chunk.pcm.len() / 8) } else { None })
            .collect()
    }

    #[test]
    fn sound_goes_on_in_short_pieces_where_it_is_urgent_and_in_long_ones_where_nobody_speaks() {
        let (events, mut told) = mpsc::channel(64);
        let mut out = Outbox::new(events, 8);
        let (now, position_ms) = (Instant::now(), 0);
        assert_eq!(
            pieces(&mut out, &mut told, 2_400),
            [[100; 20].as_slice(), &[200, 200]].concat(),
            "silence from the beginning"
        );
        assert!(pieces(&mut out, &mut told, 60).is_empty());
        out.edge(Edge::SpeechStarted { at: now, position_ms });
        assert_eq!(
            pieces(&mut out, &mut told, 600),
            [60, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 100, 100],
            "what waited goes at once"
        );
        out.edge(Edge::SpeechEnded { last_voiced: now, position_ms });
        assert_eq!(
            pieces(&mut out, &mut told, 2_200),
            [[100; 20].as_slice(), &[200]].concat(),
            "the end of an utterance is urgent, too"
        );
    }

    #[test]
    fn a_standstill_is_told_at_its_limit_and_once_in_each_stretch() {
        let begin = Instant::now();
        let at = |ms| begin + Duration::from_millis(ms);
        let mut stillness = Stillness::new(Some(Duration::from_secs(10)));
        assert!(!stillness.begins(at(60_000)), "no packet was ever there");
        stillness.packet(at(0));
        assert_eq!([9_999, 10_000, 10_001].map(|ms| stillness.begins(at(ms))), [false, true, false]);
        stillness.packet(at(20_000));
        assert_eq!([29_999, 30_000].map(|ms| stillness.begins(at(ms))), [false, true]);
        assert!(!Stillness::new(None).begins(at(60_000)));
    }
}
