//! tokio's clock as the domain has it, so that a paused one moves calls as well.

use std::time::Instant;

pub(super) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// Waits until that moment; for ever where there is none.
pub(super) async fn until(wake: Option<Instant>) {
    match wake {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}
