//! Cards that callers key in: to the vault and to nobody else.

use super::CallTask;
use crate::application::clock::now;
use crate::application::ports::{AudioChunk, VaultError};
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

    /// The same sound, silent where a card may be in it.
    pub(super) fn without_card(&mut self, mut chunk: AudioChunk) -> AudioChunk {
        if self.keeps_card_secret() {
            chunk.pcm.fill(0);
        }
        chunk
    }
}
