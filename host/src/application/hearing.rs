//! Listening: the caller's sound goes to a session, its words come back through the mask.

use super::breakers::{Breakers, Climber, Sample, Seat};
use super::limits;
use super::ports::{AudioChunk, Fall, Hearing, HearingEvent, HearingInput, HearingRequest, Listen};
use super::usage::Ledger;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;
use vg_domain::event::Role;
use vg_domain::ids::PluginId;
use vg_domain::tenant::{Ladder, Provider, TenantSettings};
use vg_domain::usage::Usage;

/// What a call learns from its listener.
pub(super) enum Listened {
    /// What it says.
    Says(HearingEvent),
    /// Somebody else listens, for want of a place with this one.
    PassedOver(Fall),
}

/// A session, and the tenant's place that it takes.
type Seated = (Box<dyn Listen>, Seat);

/// Feeds one session after another; keeps what a slow session has not taken, and what one that falls may take with it.
pub(super) struct Listener {
    hearing: Arc<dyn Hearing>,
    request: HearingRequest,
    climber: Climber,
    session: Option<Seated>,
    backlog: VecDeque<HearingInput>,
    backlog_ms: u64,
    /// Nobody is to be heard: sound is let go, and that is no loss.
    stopped: bool,
    /// The caller's speech whose words are not final.
    speech: Option<Speech>,
    /// The newest sound of it.
    replay: Replay,
    ledger: Ledger,
}

/// A stretch of the caller's speech, in milliseconds since the leg's first sample.
#[derive(Clone, Copy)]
struct Speech {
    since_ms: u64,
    /// Its last part began there.
    part_ms: u64,
    until_ms: Option<u64>,
}

/// The newest sound, in the pieces in which it came.
#[derive(Default)]
struct Replay {
    pieces: VecDeque<Vec<i16>>,
    /// What came since the speech was over.
    behind: VecDeque<Vec<i16>>,
    is_over: bool,
    samples: usize,
    /// So many of them are the last part of a speech, what came just before it included.
    part: usize,
}

impl Replay {
    /// One piece more; what is older than `samples_max` is let go, and its memory used again. Of a speech that is over nothing goes for the sake of
    /// silence: of what came behind it the newest `tail` samples are enough.
    fn keep(&mut self, pcm: &[i16], samples_max: usize, tail: usize) {
        self.samples += pcm.len();
        self.part += pcm.len();
        let mut spare = Vec::new();
        while self.samples > samples_max
            && let Some(oldest) = self.let_go(tail)
        {
            self.samples -= oldest.len();
            spare = oldest;
        }
        if self.samples > 0 {
            spare.clear();
            spare.extend_from_slice(pcm);
            let newest = if self.is_over { &mut self.behind } else { &mut self.pieces };
            newest.push_back(spare);
        }
    }

    fn let_go(&mut self, tail: usize) -> Option<Vec<i16>> {
        let behind: usize = self.behind.iter().map(Vec::len).sum();
        let silence = if behind > tail { self.behind.pop_front() } else { None };
        silence.or_else(|| self.pieces.pop_front()).or_else(|| self.behind.pop_front())
    }

    /// Another part of the speech begins, `before` samples ago.
    fn begin_part(&mut self, before: usize) {
        self.pieces.append(&mut self.behind);
        (self.part, self.is_over) = (before, false);
    }

    fn end_part(&mut self) {
        self.is_over = true;
    }

    fn all(&self) -> impl Iterator<Item = &Vec<i16>> {
        self.pieces.iter().chain(&self.behind)
    }

    /// Only the last part is of interest.
    fn keep_part(&mut self) {
        while let Some(oldest) = self.pieces.front().map(Vec::len).filter(|oldest| self.samples >= self.part + oldest) {
            self.samples -= oldest;
            self.pieces.pop_front();
        }
    }

    fn clear(&mut self) {
        *self = Self::default();
    }
}

impl Listener {
    /// A session that is one too many is waited for within half of `deadline`, that of the last words of a turn.
    pub(super) fn new(
        hearing: Arc<dyn Hearing>,
        breakers: Arc<Breakers>,
        ladder: Ladder,
        request: HearingRequest,
        deadline: Duration,
    ) -> Self {
        let ledger = Ledger::new(Arc::clone(&breakers), request.tenant.clone());
        Self {
            hearing,
            climber: Climber::new(breakers, Role::Hearing, request.tenant.clone(), ladder, deadline),
            request,
            session: None,
            backlog: VecDeque::new(),
            backlog_ms: 0,
            stopped: false,
            speech: None,
            replay: Replay::default(),
            ledger,
        }
    }

    /// Who listens, or was the last to.
    pub(super) fn plugin(&self) -> &PluginId {
        &self.climber.provider().plugin
    }

    /// Rate of the sound that will come, for sessions opened from now on.
    pub(super) fn set_rate_hz(&mut self, rate_hz: u32) {
        self.request.rate_hz = rate_hz;
    }

    /// The sound that will come is another leg's: what is left of the old one belongs to nobody.
    pub(super) fn begin_anew(&mut self) {
        self.part();
        self.climber.leave();
        self.speech = None;
        self.forget();
    }

    /// Listens as these settings say from now on. Who speaks meanwhile is heard from the beginning.
    pub(super) fn change_to(&mut self, settings: &TenantSettings) -> Result<(), Fall> {
        let listens = self.session.is_some() || self.climber.is_waiting();
        self.climber.go_over_to(settings.hearing.clone());
        (self.request.provider, self.request.language) = (settings.hearing.first().clone(), settings.language.clone());
        if self.speech.is_none_or(|speech| speech.until_ms.is_some()) {
            self.speech = None;
            self.forget();
        }
        if listens { self.start() } else { Ok(()) }
    }

    /// The session counts as fallen, and of what it has heard only the speech that goes on now is heard again.
    pub(super) fn give_up(&mut self) {
        if self.session.is_some() {
            self.climber.fell(Sample::Hearing(self.request.clone()), None);
        }
        match self.speech.take_if(|speech| speech.until_ms.is_none()) {
            Some(speech) => {
                self.session = None;
                self.speech = Some(Speech { since_ms: speech.part_ms, ..speech });
                self.replay.keep_part();
            }
            None => self.begin_anew(),
        }
    }

    /// Whether the caller has said something whose words are not final.
    pub(super) fn is_owed(&self) -> bool {
        self.speech.is_some()
    }

    /// What the caller said before this leg is heard first by the next session, as speech that is over: in pieces, for no plugin has the time to deal with
    /// all of it in one call.
    pub(super) fn recall(&mut self, pcm: &[i16]) {
        let until_ms = self.duration_ms(pcm.len());
        self.speech = Some(Speech { since_ms: 0, part_ms: 0, until_ms: Some(until_ms) });
        for piece in pcm.chunks(samples(limits::HEARING_PIECE_MS, self.request.rate_hz).max(1)) {
            self.replay.keep(piece, pcm.len(), 0);
        }
        self.replay.end_part();
    }

    /// Opens a session in place of the one before, which hears again what was said and is not final. It may have to wait for a place.
    pub(super) fn start(&mut self) -> Result<(), Fall> {
        (self.session, self.stopped) = (None, false);
        self.replay();
        let opened = self.climber.open(opener(&self.hearing, &self.request))?;
        self.take(opened);
        Ok(())
    }

    fn take(&mut self, opened: Option<Seated>) {
        if opened.is_some() {
            self.session = opened;
            self.request.provider = self.climber.provider().clone();
            self.hand_over();
        }
    }

    /// A session where the call was to be served first, and was not for want of a place, if there is one by now.
    fn climb_back(&mut self) {
        if let Some(opened) = self.climber.climb_back(opener(&self.hearing, &self.request)) {
            self.session = None;
            self.replay();
            self.take(Some(opened));
        }
    }

    /// What the next session is to hear first.
    fn replay(&mut self) {
        // All of the backlog's sound is among it.
        (self.backlog, self.backlog_ms) = (VecDeque::new(), 0);
        self.backlog.extend(self.speech.map(|speech| HearingInput::SpeechStarted(speech.since_ms)));
        for pcm in self.replay.all() {
            self.backlog_ms += self.duration_ms(pcm.len());
            self.backlog.push_back(HearingInput::Audio(pcm.clone()));
        }
        let until_ms = self.speech.and_then(|speech| speech.until_ms);
        self.backlog.extend(until_ms.map(HearingInput::SpeechEnded));
    }

    /// The same, of the ladder's next provider. A session that has not fallen by itself counts as fallen.
    pub(super) fn start_next(&mut self) -> Result<(), Fall> {
        if self.session.take().is_some() {
            self.climber.fell(Sample::Hearing(self.request.clone()), None);
        }
        self.climber.climb();
        self.start()
    }

    /// Nobody is to be heard for a while.
    pub(super) fn stop(&mut self) {
        self.part();
        self.climber.leave();
        (self.speech, self.stopped) = (None, true);
        self.forget();
    }

    /// The session goes, and may yet say what it has worked. One that is given up in favour of another is not asked.
    fn part(&mut self) {
        if let Some((session, _seat)) = self.session.take() {
            self.ledger.part(self.climber.provider().clone(), session.part());
        }
    }

    /// What listeners have worked, once nobody is to be heard any more.
    pub(super) async fn settle(&mut self) -> Vec<(PluginId, Usage)> {
        self.ledger.settle().await
    }

    fn forget(&mut self) {
        (self.backlog, self.backlog_ms) = (VecDeque::new(), 0);
        self.replay.clear();
    }

    /// More sound. Returns how many milliseconds had to be dropped.
    pub(super) fn audio(&mut self, chunk: AudioChunk) -> u64 {
        if self.stopped {
            return 0;
        }
        self.backlog_ms += self.duration_ms(chunk.pcm.len());
        let kept_ms = if self.speech.is_some() { limits::HEARING_REPLAY_MS } else { limits::HEARING_PREROLL_MS };
        let [kept, tail] = [kept_ms, limits::HEARING_PREROLL_MS].map(|ms| samples(ms, self.request.rate_hz));
        self.replay.keep(&chunk.pcm, kept, tail);
        self.backlog.push_back(HearingInput::Audio(chunk.pcm));
        self.hand_over();
        self.drop_oldest()
    }

    pub(super) fn speech_started(&mut self, position_ms: u64) {
        if !self.stopped {
            // Where the words of a stretch before are not final, both are one.
            let since_ms = self.speech.map_or(position_ms, |speech| speech.since_ms);
            self.speech = Some(Speech { since_ms, part_ms: position_ms, until_ms: None });
            self.replay.begin_part(samples(limits::HEARING_PREROLL_MS, self.request.rate_hz));
        }
        self.tell(HearingInput::SpeechStarted(position_ms));
    }

    pub(super) fn speech_ended(&mut self, position_ms: u64) {
        if let Some(speech) = &mut self.speech {
            speech.until_ms = Some(position_ms);
            self.replay.end_part();
        }
        self.tell(HearingInput::SpeechEnded(position_ms));
    }

    /// The turn is over: the session is to give its last words.
    pub(super) fn finalize(&mut self) {
        self.tell(HearingInput::Finalize);
    }

    /// The next thing the session says. Cancel-safe; pending while there is no session, and none that is waited for.
    pub(super) async fn next(&mut self) -> Listened {
        loop {
            if let Some(fall) = self.climber.take_passed() {
                return Listened::PassedOver(fall);
            }
            let Some((session, _)) = self.session.as_mut() else {
                self.climber.seated().await;
                match self.climber.go_on(opener(&self.hearing, &self.request)) {
                    Ok(opened) => self.take(opened),
                    Err(fall) => return Listened::Says(HearingEvent::Fell(fall)),
                }
                continue;
            };
            return Listened::Says(match poll_fn(|cx| session.poll_event(cx)).await {
                Some(HearingEvent::Usage(usage)) => {
                    self.ledger.note(self.climber.provider(), usage);
                    continue;
                }
                Some(HearingEvent::Fell(fall)) => self.on_fall(fall),
                Some(event) => {
                    self.on_event(&event);
                    self.hand_over();
                    event
                }
                None => {
                    let plugin = self.plugin().clone();
                    self.on_fall(Fall::new(plugin, "ended"))
                }
            });
        }
    }

    fn on_fall(&mut self, fall: Fall) -> HearingEvent {
        self.session = None;
        self.climber.fell(Sample::Hearing(self.request.clone()), fall.retry_after);
        HearingEvent::Fell(fall)
    }

    fn on_event(&mut self, event: &HearingEvent) {
        let over = match event {
            HearingEvent::Final(_) | HearingEvent::Finalized => true,
            HearingEvent::Partial { .. } | HearingEvent::Usage(_) | HearingEvent::Fell(_) => false,
        };
        if over {
            self.climber.served();
            // What was said before is known; who still speaks goes on.
            self.replay.clear();
            self.speech = self.speech.filter(|speech| speech.until_ms.is_none());
            if self.speech.is_none() && matches!(event, HearingEvent::Finalized) {
                self.climb_back();
            }
        }
    }

    fn tell(&mut self, input: HearingInput) {
        if self.stopped {
            return;
        }
        self.backlog.push_back(input);
        self.hand_over();
    }

    fn hand_over(&mut self) {
        let Some((session, _)) = self.session.as_mut() else { return };
        while let Some(input) = self.backlog.pop_front() {
            let audio_ms = match &input {
                HearingInput::Audio(pcm) => ms(pcm.len(), self.request.rate_hz),
                _ => 0,
            };
            if let Err(input) = session.try_tell(input) {
                self.backlog.push_front(input);
                break;
            }
            self.backlog_ms -= audio_ms;
        }
    }

    /// Edges and `Finalize` are never dropped: they are few, and the turn hangs on them.
    fn drop_oldest(&mut self) -> u64 {
        let mut dropped_ms = 0;
        while self.backlog_ms > limits::HEARING_BACKLOG_MS {
            let oldest = self.backlog.iter().position(|input| matches!(input, HearingInput::Audio(_)));
            let Some(HearingInput::Audio(pcm)) = oldest.and_then(|at| self.backlog.remove(at)) else { break };
            let ms = self.duration_ms(pcm.len());
            self.backlog_ms -= ms;
            dropped_ms += ms;
        }
        dropped_ms
    }

    fn duration_ms(&self, samples: usize) -> u64 {
        ms(samples, self.request.rate_hz)
    }
}

fn opener<'a>(
    hearing: &'a Arc<dyn Hearing>,
    request: &'a HearingRequest,
) -> impl Fn(&Provider, Seat) -> Result<Box<dyn Listen>, Fall> + 'a {
    |provider, seat| hearing.open(HearingRequest { provider: provider.clone(), seat, ..request.clone() })
}

fn ms(samples: usize, rate_hz: u32) -> u64 {
    samples as u64 * 1_000 / u64::from(rate_hz.max(1))
}

fn samples(ms: u64, rate_hz: u32) -> usize {
    usize::try_from(ms * u64::from(rate_hz) / 1_000).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests;
