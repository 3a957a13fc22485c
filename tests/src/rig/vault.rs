//! A vault that keeps cards in mind.

use super::{Rig, Shared};
use futures_util::future::BoxFuture;
use std::sync::Arc;
use vg_domain::card::CardField;
use vg_domain::pii::Pii;
use voice_gateway::application::ports::{Kept, Vault, VaultError, VaultRequest};

/// A card as the vault was given it: number, expiry and code.
pub type GivenCard = [Option<String>; 3];

impl Rig {
    /// How loud each piece of sound was that listeners were given so far.
    pub fn heard_peaks(&self) -> Vec<u16> {
        self.shared.heard_peaks.lock().unwrap().clone()
    }

    /// Cards that the vault has kept so far.
    pub fn cards(&self) -> Vec<GivenCard> {
        self.shared.cards.lock().unwrap().clone()
    }
}

pub(super) struct FakeVault(pub(super) Arc<Shared>);

impl Vault for FakeVault {
    fn keep(&self, request: VaultRequest) -> BoxFuture<'static, Result<Kept, VaultError>> {
        let shared = Arc::clone(&self.0);
        Box::pin(async move {
            let (takes, falls) = {
                let mut script = shared.script.lock().unwrap();
                (script.vault_takes, script.vault_falls.pop_front())
            };
            tokio::time::sleep(takes).await;
            if let Some(error) = falls {
                return Err(error);
            }
            let mut cards = shared.cards.lock().unwrap();
            cards.push(CardField::ALL.map(|field| request.card.reveal(field).map(str::to_owned)));
            Ok(Kept { token: Pii::new(format!("tok-{}", cards.len())), brand: Some("visa".to_owned()) })
        })
    }
}
