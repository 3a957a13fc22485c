//! A vault that does as it is written.

use super::log::Log;
use super::script::VaultManner;
use futures_util::future::BoxFuture;
use std::time::Duration;
use tokio::time::sleep;
use vg_domain::card::CardField;
use vg_domain::pii::Pii;
use voice_gateway::application::ports::{Kept, Vault, VaultError, VaultRequest};

/// See the module.
pub(super) struct Keeper {
    pub(super) log: Log,
    pub(super) manner: VaultManner,
}

impl Vault for Keeper {
    fn keep(&self, request: VaultRequest) -> BoxFuture<'static, Result<Kept, VaultError>> {
        let (log, manner) = (self.log.clone(), self.manner.clone());
        Box::pin(async move {
            let fields = CardField::ALL.into_iter().filter_map(|field| request.card.reveal(field));
            log.note(format!("vault is given {}", fields.collect::<Vec<_>>().join(" ")));
            sleep(Duration::from_millis(manner.takes)).await;
            if manner.refuses {
                return Err(VaultError::Refused);
            }
            Ok(Kept { token: Pii::new("tok-1".to_owned()), brand: None })
        })
    }
}
