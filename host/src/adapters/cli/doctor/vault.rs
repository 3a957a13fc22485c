//! Whether cards that are keyed in have somewhere to go.

use super::report::Row;
use crate::adapters::vault::HttpVault;
use crate::config::Vault;

pub(super) async fn row(vault: Option<&Vault>) -> Row {
    let Some(vault) = vault else {
        return Row::fine("vault", "none is configured ([vault]): no agent can ask for a card");
    };
    let reached = match HttpVault::new(vault) {
        Ok(reached) => reached.reach().await,
        Err(faults) => return Row::fault("vault", faults),
    };
    match reached {
        Ok(()) => Row::fine("vault", format_args!("{} answers", vault.url.origin().ascii_serialization())),
        Err(what) => Row::fault("vault", format_args!("{}: {what}", vault.url.origin().ascii_serialization())),
    }
}
