//! One WebSocket for the call: speech goes up while it is spoken, and its words come down.
//!
//! What a lost connection leaves unanswered is said again on a new one, as long as the gateway cuts the speech: then each stretch is
//! kept until its words are there.

mod line;
mod owed;

use crate::options::{Options, Turns};
use crate::protocol::realtime::{Event, Plan, SET_UP, Voice, append, commit};
use crate::protocol::{confidence, fault_of_code};
use crate::segments::{Cut, EDGE_LATE_MS, Segments, is_loud};
use line::{Line, News};
use owed::{Owed, Queue, Stretch};
use vg_plugin_sdk::stt::{Edge, Effect, Input, Timer};
use vg_plugin_sdk::{AudioFormat, Fault, FaultKind, Instant, Remedy, SessionStart, Usage};
use vg_wire::openai::Refusal;

/// The only timer: rings when the next of all deadlines has come.
const WAKE: u32 = 1;
/// The vendor refuses a stretch of less sound.
const SHORTEST_MS: u64 = 100;
/// A session ends after 60 minutes: it is left before that, when nobody speaks.
const OLD_US: u64 = 50 * 60 * 1_000_000;
/// Two detectors do not agree to the millisecond where speech ended; between two stretches there is more silence than that.
const CUT_MS: u64 = 300;
/// A stretch of the server's own is as long as this at most in one report of what was sent.
const REPORT_MS: u64 = 5_000;

/// A session after its `start`.
#[derive(Debug)]
pub(crate) struct Live {
    plan: Plan,
    format: AudioFormat,
    line: Line,
    segments: Segments,
    voice: Voice,
    queue: Queue,
    /// Where in the call the server's count of milliseconds begins.
    base_ms: u64,
    /// Where the caller was heard last, and up to where all is cut, in milliseconds: where the server cuts.
    spoke_ms: Option<u64>,
    cut_ms: u64,
    /// Sound sent but not reported, in milliseconds.
    unreported_ms: u64,
    commits: u32,
    ending: bool,
    wake_us: Option<u64>,
}

impl Live {
    pub(crate) fn new(now: Instant, start: &SessionStart, options: Options) -> Result<(Self, Vec<Effect>), Fault> {
        let segments = Segments::new(start.format, options.pre_roll_ms, options.speech_max_s * 1000);
        let plan = Plan::new(start, options)?;
        let mut session = Self {
            plan,
            format: start.format,
            line: Line::default(),
            segments,
            voice: Voice::new(start.format)?,
            queue: Queue::default(),
            base_ms: 0,
            spoke_ms: None,
            cut_ms: 0,
            unreported_ms: 0,
            commits: 0,
            ending: false,
            wake_us: None,
        };
        let mut effects = Vec::new();
        session.open(now, &mut effects);
        effects.extend(session.alarm(now));
        Ok((session, effects))
    }

    pub(crate) fn handle(&mut self, now: Instant, input: Input) -> Vec<Effect> {
        let mut effects = Vec::new();
        if let Err(fault) = self.react(now, input, &mut effects) {
            // What it cost is not lost with it.
            self.report(true, &mut effects);
            effects.push(Effect::Fail(fault));
        }
        effects
    }

    fn react(&mut self, now: Instant, input: Input, effects: &mut Vec<Effect>) -> Result<(), Fault> {
        match input {
            Input::Start(_) => return Err(Fault::new(FaultKind::Internal, "started twice")),
            Input::Audio(bytes) => self.hear(now, bytes, effects),
            Input::Edge(edge) => self.edge(now, edge, effects),
            Input::Finalize => {
                self.close_stretch(now, effects);
                self.queue.owe(Owed::Finalized(now.mono_us));
            }
            Input::End => {
                self.close_stretch(now, effects);
                self.ending = true;
                self.queue.owe(Owed::Done(now.mono_us));
            }
            Input::Link(news) => {
                if let Some(news) = self.line.told(now, news)? {
                    self.news(now, news, effects)?;
                }
            }
            Input::Timer(_) => self.wake_us = None,
        }
        if let Some(refused) = self.line.overdue(now, effects)? {
            self.news(now, refused, effects)?;
        }
        self.queue.overdue(now)?;
        if self.line.is_due(now) {
            self.open(now, effects);
        }
        let done = self.give(now, effects);
        self.line.pump(now, effects);
        if done {
            self.report(true, effects);
            effects.push(Effect::Done);
        } else {
            effects.extend(self.alarm(now));
        }
        Ok(())
    }

    fn by_host(&self) -> bool {
        self.plan.options.turns == Turns::Host
    }

    /// A new connection, on which all is said again that is unanswered.
    fn open(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        if !self.by_host() && self.line.has_something_to_say() {
            return effects.push(self.line.open_again(now, &self.plan));
        }
        effects.push(self.line.open(now, &self.plan, self.plan.set_up()));
        self.base_ms = self.segments.now_ms();
        self.queue.forget_items();
        for stretch in self.queue.stretches().filter(|stretch| stretch.heard.is_none()) {
            for piece in stretch.wire.chunks(line::PIECE_BYTES) {
                self.line.say(append(piece));
            }
            self.unreported_ms += self.voice.wire_ms(stretch.wire.len() as u64);
            if let Some(number) = stretch.commit {
                self.line.say(commit(&commit_id(number)));
            }
        }
    }

    /// Before something is said: there is a connection, and no old one.
    fn ready(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        if self.line.is_older_than(now, OLD_US) && !self.queue.has_words() {
            effects.extend(self.line.close());
        }
        if self.line.is_closed() {
            self.open(now, effects);
        }
    }

    fn hear(&mut self, now: Instant, bytes: Vec<u8>, effects: &mut Vec<Effect>) {
        if self.ending {
            return;
        }
        if self.by_host() {
            let cuts = self.segments.audio(bytes);
            return self.cut(now, cuts, effects);
        }
        if !self.segments.is_speech() || self.line.is_closed() {
            self.ready(now, effects);
        }
        if !self.segments.has_edges() && is_loud(self.format.encoding, &bytes) {
            self.spoke_ms = Some(self.segments.now_ms());
        }
        let wire = self.voice.wire(&bytes);
        self.unreported_ms += self.voice.wire_ms(wire.len() as u64);
        if !wire.is_empty() {
            self.line.say(append(&wire));
        }
        // Where the call is, and whether somebody speaks.
        let _cut_by_the_server = self.segments.audio(bytes);
        self.report(false, effects);
    }

    fn edge(&mut self, now: Instant, edge: Edge, effects: &mut Vec<Effect>) {
        if matches!(edge, Edge::SpeechStarted(_)) && !self.segments.is_speech() {
            self.ready(now, effects);
        }
        let cuts = self.segments.edge(edge);
        if self.by_host() {
            return self.cut(now, cuts, effects);
        }
        let (Edge::SpeechStarted(ms) | Edge::SpeechEnded(ms)) = edge;
        // No edge is older than that, whatever it says.
        let ms = ms.max(self.segments.now_ms().saturating_sub(EDGE_LATE_MS));
        self.spoke_ms = self.spoke_ms.max(Some(ms));
    }

    /// Whether there is speech that nobody has cut.
    fn is_unheard(&self) -> bool {
        !self.by_host() && (self.segments.is_speech() || self.spoke_ms.is_some_and(|ms| ms >= self.cut_ms))
    }

    /// The turn is over: what is being spoken is a stretch.
    fn close_stretch(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        let unheard = self.is_unheard();
        let cuts = self.segments.finalize();
        if self.by_host() {
            return self.cut(now, cuts, effects);
        }
        if unheard {
            // Whether the server has cut it already is on its way to us: it then answers that there is nothing to be cut.
            self.commits += 1;
            self.line.say(commit(&commit_id(self.commits)));
            let now_ms = self.segments.now_ms();
            self.cut_ms = now_ms + 1;
            let end_ms = self.spoke_ms.filter(|_| !self.segments.is_speech()).unwrap_or(now_ms);
            self.queue.owe(Owed::Words(Stretch::expected(end_ms, self.commits)));
        }
    }

    fn cut(&mut self, now: Instant, cuts: Vec<Cut>, effects: &mut Vec<Effect>) {
        for cut in cuts {
            match cut {
                Cut::Begin(start_ms) => {
                    self.ready(now, effects);
                    self.queue.owe(Owed::Words(Stretch::begun(start_ms)));
                }
                Cut::More(bytes) => {
                    let wire = self.voice.wire(&bytes);
                    self.more(&wire);
                }
                Cut::End(end_ms) => self.end(now, end_ms, effects),
            }
        }
    }

    fn more(&mut self, wire: &[u8]) {
        let Some(stretch) = self.queue.open_stretch() else { return };
        for piece in wire.chunks(line::PIECE_BYTES) {
            self.line.say(append(piece));
        }
        stretch.wire.extend_from_slice(wire);
        self.unreported_ms += self.voice.wire_ms(wire.len() as u64);
    }

    fn end(&mut self, now: Instant, end_ms: u64, effects: &mut Vec<Effect>) {
        let mut wire = self.voice.rest();
        let Some(length) = self.queue.open_stretch().map(|stretch| stretch.wire.len() + wire.len()) else { return };
        let length_ms = self.voice.wire_ms(length as u64);
        if length_ms < SHORTEST_MS {
            wire.extend(self.voice.silence(SHORTEST_MS - length_ms));
        }
        self.more(&wire);
        self.commits += 1;
        self.line.say(commit(&commit_id(self.commits)));
        if let Some(stretch) = self.queue.open_stretch() {
            stretch.commit = Some(self.commits);
            stretch.end_ms = Some(end_ms.max(stretch.start_ms));
            stretch.since_us = now.mono_us;
        }
        self.report(true, effects);
    }

    fn news(&mut self, now: Instant, news: News, effects: &mut Vec<Effect>) -> Result<(), Fault> {
        match news {
            News::Message(message) => {
                let event = Event::read(&message)?;
                self.said(now, &event, effects)
            }
            News::Lost(_) if self.ending && !self.queue.has_words() => Ok(()),
            News::Lost(fault) => self.lost(now, fault, effects),
            News::Again(pause_us) => {
                self.line.pause(now, pause_us);
                Ok(())
            }
        }
    }

    /// The connection is gone, or of no use. Where nobody waits for words the next one is made when it is needed.
    fn lost(&mut self, now: Instant, fault: Fault, effects: &mut Vec<Effect>) -> Result<(), Fault> {
        let waiting = self.queue.has_words() || self.segments.is_speech() || self.is_unheard();
        if !waiting && self.line.was_useful(now) {
            effects.extend(self.line.close());
            return Ok(());
        }
        if !(waiting && self.by_host() && self.line.was_set_up() && self.queue.try_again()) {
            return Err(fault);
        }
        let old = self.line.close();
        effects.extend(old);
        self.open(now, effects);
        Ok(())
    }

    fn said(&mut self, now: Instant, event: &Event<'_>, effects: &mut Vec<Effect>) -> Result<(), Fault> {
        let item = &*event.item_id;
        match &*event.kind {
            "session.created" | "transcription_session.created" => {}
            "session.updated" | "transcription_session.updated" => self.line.is_set_up(),
            "input_audio_buffer.speech_started" if !self.by_host() => {
                let start_ms = self.base_ms + event.audio_start_ms;
                self.queue.begins(item, start_ms);
                effects.push(Effect::SpeechStarted(start_ms));
            }
            "input_audio_buffer.speech_stopped" if !self.by_host() => {
                let end_ms = self.base_ms + event.audio_end_ms;
                self.queue.ends(item, end_ms, now);
                self.cut_ms = self.cut_ms.max(end_ms + CUT_MS);
                effects.push(Effect::SpeechEnded(end_ms));
            }
            "input_audio_buffer.committed" => {
                self.line.is_set_up();
                self.queue.committed(item, event.previous_item_id.as_deref(), self.segments.now_ms(), now);
            }
            "conversation.item.input_audio_transcription.delta" => {
                let partial = self.queue.delta(item, &event.delta, self.segments.now_ms());
                effects.extend(partial.map(Effect::Partial));
            }
            "conversation.item.input_audio_transcription.completed" => {
                let confidence = event.logprobs.as_deref().and_then(confidence);
                self.queue.completed(item, event.transcript.trim(), confidence);
            }
            "conversation.item.input_audio_transcription.failed" => {
                let refusal = Refusal::of(event.error.as_ref().unwrap_or(&vg_plugin_sdk::json::Value::Null));
                if refusal.code != "audio_unintelligible" {
                    return Err(fault_of_code(&refusal));
                }
                // A cough: somebody made a sound, and nobody spoke.
                self.queue.completed(item, "", None);
            }
            "error" => return self.error(now, event, effects),
            _ => {}
        }
        Ok(())
    }

    fn error(&mut self, now: Instant, event: &Event<'_>, effects: &mut Vec<Effect>) -> Result<(), Fault> {
        let error = event.error.as_ref().unwrap_or(&vg_plugin_sdk::json::Value::Null);
        let refusal = Refusal::of(error);
        let of = error["event_id"].as_str().unwrap_or_default();
        let fault = fault_of_code(&refusal);
        if refusal.code == "input_audio_buffer_commit_empty" {
            self.queue.nothing_to_cut(of.strip_prefix("cut-").and_then(|number| number.parse().ok()));
            return Ok(());
        }
        if refusal.code == "session_expired" {
            // The same provider, in a new session.
            return self.lost(now, Fault { kind: FaultKind::SessionLimit, remedy: Remedy::Retry, ..fault }, effects);
        }
        match fault.kind {
            FaultKind::Unavailable => self.lost(now, fault, effects),
            FaultKind::BadAudio if of == SET_UP || refusal.param.starts_with("session") || !self.line.was_set_up() => {
                Err(Fault::new(FaultKind::Unsupported, format!("the vendor does not take the session: {}", refusal.name())))
            }
            // Of a single message, which the vendor passes over.
            FaultKind::BadAudio => Ok(()),
            _ => Err(fault),
        }
    }

    /// What can be said now, in order; whether that is all.
    fn give(&mut self, now: Instant, effects: &mut Vec<Effect>) -> bool {
        let mut done = false;
        while let Some(owed) = self.queue.take() {
            match owed {
                Owed::Words(stretch) => effects.extend(stretch.last().map(Effect::Final)),
                Owed::Finalized(_) => effects.push(Effect::Finalized),
                Owed::Done(_) => done = true,
            }
        }
        if done {
            effects.extend(self.line.leave(now));
        }
        // Told `done` only when the other side has said goodbye, too, or does not.
        self.ending && self.queue.is_empty() && self.line.is_closed()
    }

    fn report(&mut self, all: bool, effects: &mut Vec<Effect>) {
        if self.unreported_ms > 0 && (all || self.unreported_ms >= REPORT_MS) {
            let audio_ms = std::mem::take(&mut self.unreported_ms);
            effects.push(Effect::Usage(Usage { audio_ms, characters: 0, requests: u32::from(all) }));
        }
    }

    /// Rings at the next deadline.
    fn alarm(&mut self, now: Instant) -> Option<Effect> {
        let next_us = [self.line.next_us(now), self.queue.next_us()].into_iter().flatten().min()?;
        // An alarm that rings too early is asked again then.
        if self.wake_us.is_some_and(|wake_us| wake_us <= next_us) {
            return None;
        }
        self.wake_us = Some(next_us);
        let delay_ms = u32::try_from(next_us.saturating_sub(now.mono_us).div_ceil(1000)).unwrap_or(u32::MAX);
        Some(Effect::Timer(Timer { id: WAKE, delay_ms: delay_ms.max(1) }))
    }
}

fn commit_id(number: u32) -> String {
    format!("cut-{number}")
}
