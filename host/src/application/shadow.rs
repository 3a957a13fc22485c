//! A second listener that hears the same calls, for comparison: nobody is served by it, and nobody waits for it.
//!
//! What it is told waits in a bounded queue; one that falls, is slow or says too much is let go for the rest of the call, and counted. Its words go through a mask
//! of its own; only how many of them differ leaves the call, unless the tenant keeps masked words.

mod turns;

use super::breakers::{Breakers, Seat};
use super::clock::now;
use super::limits;
use super::ports::{Fall, Hearing, HearingEvent, HearingInput, HearingRequest, Listen, Observation, Observe};
use super::usage::Ledger;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use turns::{Compared, Turns};
use vg_domain::event::{KeptWords, ShadowTurn};
use vg_domain::ids::{CallId, PluginId};
use vg_domain::mask::{Mask, MaskedText};
use vg_domain::tenant::ShadowSettings;
use vg_domain::usage::Usage;

/// One for one call.
pub(super) struct Shadow {
    hearing: Arc<dyn Hearing>,
    breakers: Arc<Breakers>,
    observe: Arc<dyn Observe>,
    request: HearingRequest,
    keep_words: bool,
    session: Option<(Box<dyn Listen>, Seat)>,
    /// It hears no more of this call.
    gone: bool,
    backlog: VecDeque<HearingInput>,
    backlog_samples: usize,
    /// So much it may say until it is told more sound.
    events_left: u32,
    mask: Mask,
    turns: Turns,
    compared: VecDeque<Compared>,
    ledger: Ledger,
}

impl Shadow {
    /// For a call that is one of the tenant's share. `request` is that of the listener who counts.
    pub(super) fn of(
        settings: &ShadowSettings,
        hearing: Arc<dyn Hearing>,
        breakers: Arc<Breakers>,
        observe: Arc<dyn Observe>,
        request: HearingRequest,
    ) -> Option<Self> {
        is_chosen(&request.call, settings.share_per_mille).then(|| Self {
            ledger: Ledger::new(Arc::clone(&breakers), request.tenant.clone()),
            hearing,
            breakers,
            observe,
            request: HearingRequest { provider: settings.provider.clone(), ..request },
            keep_words: settings.keep_words,
            session: None,
            gone: false,
            backlog: VecDeque::new(),
            backlog_samples: 0,
            events_left: limits::SHADOW_EVENTS,
            mask: Mask::new(),
            turns: Turns::default(),
            compared: VecDeque::new(),
        })
    }

    /// The same, with this mask.
    pub(super) fn masked_by(mut self, mask: Mask) -> Self {
        self.mask = mask;
        self
    }

    /// Rate of the sound that will come, for sessions opened from now on.
    pub(super) fn set_rate_hz(&mut self, rate_hz: u32) {
        self.request.rate_hz = rate_hz;
    }

    /// The listener who counts begins, or begins again: this one goes on where it can.
    pub(super) fn start(&mut self) {
        if self.gone || self.session.is_some() {
            return;
        }
        let opened = match self.breakers.seat_of_shadow(&self.request.tenant, &self.request.provider) {
            Ok(seat) => {
                let session = self.hearing.open(HearingRequest { seat: seat.clone(), ..self.request.clone() });
                session.map(|session| (session, seat)).map_err(|fall| fall.code)
            }
            Err(code) => Err(code),
        };
        match opened {
            Ok(session) => self.session = Some(session),
            Err(code) => self.let_go(code),
        }
    }

    /// Nobody is to be heard for a while, or what comes is another leg's.
    pub(super) fn stop(&mut self) {
        if let Some((session, _seat)) = self.session.take() {
            self.ledger.part(self.request.provider.clone(), session.part());
        }
        self.forget();
    }

    /// What it has worked, once nobody is to be heard any more. One that was let go is not asked for more than it had said.
    pub(super) async fn settle(&mut self) -> Vec<(PluginId, Usage)> {
        self.ledger.settle().await
    }

    fn forget(&mut self) {
        (self.backlog, self.backlog_samples) = (VecDeque::new(), 0);
        self.turns = Turns::default();
    }

    /// The same sound.
    pub(super) fn audio(&mut self, pcm: &[i16]) {
        self.events_left = limits::SHADOW_EVENTS;
        self.tell(|| HearingInput::Audio(pcm.to_vec()));
    }

    /// The same edge.
    pub(super) fn speech_started(&mut self, position_ms: u64) {
        self.turns.speech_started();
        self.tell(|| HearingInput::SpeechStarted(position_ms));
    }

    /// The same edge.
    pub(super) fn speech_ended(&mut self, position_ms: u64) {
        self.tell(|| HearingInput::SpeechEnded(position_ms));
    }

    /// The turn is over. Where the listener who counts is asked again, this one is not.
    pub(super) fn finalize(&mut self) {
        if self.session.is_some() && self.turns.finalize(&mut self.compared) {
            self.tell(|| HearingInput::Finalize);
        }
    }

    /// What the listener who counts understood.
    pub(super) fn understood(&mut self, words: &MaskedText) {
        if self.session.is_some() {
            self.turns.first_says(words, now());
        }
    }

    /// The listener who counts has given its last words.
    pub(super) fn finalized(&mut self) {
        self.turns.first_is_done(&mut self.compared);
    }

    /// The next turn that both have understood, or not. Cancel-safe; pending while there is none.
    pub(super) async fn next(&mut self) -> ShadowTurn {
        loop {
            if let Some(compared) = self.compared.pop_front() {
                return self.told(compared);
            }
            let Some((session, _)) = self.session.as_mut() else { return std::future::pending().await };
            let event = poll_fn(|cx| session.poll_event(cx)).await;
            self.on_event(event);
        }
    }

    fn on_event(&mut self, event: Option<HearingEvent>) {
        if self.events_left == 0 {
            return self.falls(Fall::new(self.request.provider.plugin.clone(), "flood"));
        }
        self.events_left -= 1;
        match event {
            // A guess is compared with nothing.
            Some(HearingEvent::Partial { .. }) => {}
            Some(HearingEvent::Usage(usage)) => self.ledger.note(&self.request.provider, usage),
            Some(HearingEvent::Final(words)) => self.turns.second_says(&self.mask.mask_final(words), now()),
            Some(HearingEvent::Finalized) => {
                self.turns.second_is_done(&mut self.compared);
                self.breakers.shadow_served(&self.request);
            }
            Some(HearingEvent::Fell(fall)) => return self.falls(fall),
            None => return self.falls(Fall::new(self.request.provider.plugin.clone(), "ended")),
        }
        self.hand_over();
    }

    fn told(&self, compared: Compared) -> ShadowTurn {
        let Compared { first, second, agreement, likeness, delay_ms } = compared;
        ShadowTurn {
            plugin: self.request.provider.plugin.clone(),
            agreement,
            likeness,
            delay_ms,
            kept: self.keep_words.then_some(KeptWords { first, second }),
        }
    }

    fn tell(&mut self, input: impl FnOnce() -> HearingInput) {
        if self.session.is_none() {
            return;
        }
        let input = input();
        self.backlog_samples += samples(&input);
        self.backlog.push_back(input);
        self.hand_over();
        let backlog_max = u64::from(self.request.rate_hz) * limits::HEARING_BACKLOG_MS / 1_000;
        if self.backlog_samples as u64 > backlog_max || self.backlog.len() > limits::SHADOW_BACKLOG {
            self.falls(Fall::new(self.request.provider.plugin.clone(), "slow"));
        }
    }

    fn hand_over(&mut self) {
        let Some((session, _)) = self.session.as_mut() else { return };
        while let Some(input) = self.backlog.pop_front() {
            let of_it = samples(&input);
            if let Err(input) = session.try_tell(input) {
                self.backlog.push_front(input);
                break;
            }
            self.backlog_samples -= of_it;
        }
    }

    fn falls(&mut self, fall: Fall) {
        self.breakers.shadow_fell(&self.request, fall.retry_after);
        self.let_go(fall.code);
    }

    /// For the rest of the call: nobody misses it.
    fn let_go(&mut self, code: &'static str) {
        (self.session, self.gone) = (None, true);
        self.forget();
        let plugin = self.request.provider.plugin.clone();
        self.observe.observe(&Observation::ShadowDropped { plugin, code });
    }
}

fn samples(input: &HearingInput) -> usize {
    match input {
        HearingInput::Audio(pcm) => pcm.len(),
        HearingInput::SpeechStarted(_) | HearingInput::SpeechEnded(_) | HearingInput::Finalize => 0,
    }
}

/// Of all calls so many in a thousand; the same call always.
fn is_chosen(call: &CallId, share_per_mille: u16) -> bool {
    let mut hasher = DefaultHasher::new();
    call.hash(&mut hasher);
    hasher.finish() % 1_000 < u64::from(share_per_mille)
}

#[cfg(test)]
mod tests;
