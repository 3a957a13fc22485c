//! Cards that callers key in: to the vault and to nobody else.

use super::CallTask;
use crate::application::clock::now;
use crate::application::ports::{AudioChunk, HearingEvent, Observation, VaultError};
use crate::application::thinking::CardQuestion;
use std::time::Duration;
use vg_domain::card::CardKeyed;
use vg_domain::event::{Fact, Role};
use vg_domain::ids::TurnId;
use vg_domain::mask::MaskedText;

/// Sound on its way when the last key was pressed may still hold that key, or the caller's voice reading it out.
const ON_ITS_WAY: Duration = Duration::from_millis(300);

impl CallTask {
    pub(super) fn ask_card(&mut self, turn: TurnId, text: MaskedText, card: CardKeyed) {
        self.turn_is_heard();
        self.secret_until = Some(now() + ON_ITS_WAY);
        if matches!(card, CardKeyed::NoVault) {
            self.card_not_kept(card.code());
        }
        let (tenant, vault) = (self.settings.tenant.clone(), self.services.vault.clone());
        self.thinker.ask_card(CardQuestion { turn, text, card, tenant }, vault);
    }

    pub(super) fn on_card(&mut self, kept: Result<(), VaultError>) {
        self.secret_until = Some(now() + ON_ITS_WAY);
        if let Err(error) = kept {
            self.card_not_kept(error.code());
        }
    }

    fn card_not_kept(&mut self, code: &'static str) {
        self.emit(Fact::Fell { who: Role::Vault, plugin: None, code });
    }

    /// Nobody hears what is said, or sounds, beside a card: from the moment at which it is asked for until the vault has it.
    pub(super) fn keeps_card_secret(&mut self) -> bool {
        let now = now();
        if self.call.awaits_card() || self.thinker.is_at_vault() {
            self.secret_until = Some(now + ON_ITS_WAY);
        }
        self.secret_until.is_some_and(|until| now < until)
    }

    /// Who listens for the call hears a card where it may be said. Everybody else hears silence beside a card.
    pub(super) fn hear(&mut self, mut chunk: AudioChunk) {
        let is_said = self.call.hears_card();
        let spoken = is_said.then(|| chunk.pcm.clone());
        if self.keeps_card_secret() {
            chunk.pcm.fill(0);
        }
        self.shadow(|shadow| shadow.audio(&chunk.pcm));
        self.keep_sound(&chunk.pcm);
        chunk.pcm = spoken.unwrap_or(chunk.pcm);
        let dropped_ms = self.listener.audio(chunk);
        if dropped_ms > 0 {
            self.services.observe.observe(&Observation::AudioDropped { ms: dropped_ms });
        }
    }

    /// Whether it was words of a card that is being said: they go no further than to the vault.
    pub(super) fn takes_for_card(&mut self, event: &HearingEvent) -> bool {
        match event {
            HearingEvent::Partial { .. } => self.call.hears_card(),
            HearingEvent::Final(words) => self.call.say_card(now(), words),
            HearingEvent::Finalized | HearingEvent::Usage(_) | HearingEvent::Fell(_) => false,
        }
    }
}
