//! Tickets for `/media/ws`: one call of one tenant, begun within a minute, by whoever holds the ticket.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;
use vg_domain::ids::TenantId;

/// How long a ticket may be used.
pub const TICKET_KEPT: Duration = Duration::from_secs(60);
/// Tickets of a tenant that are not used yet. Full: no further one.
const TENANT_MAX: usize = 256;
/// Tickets of all tenants. Full: no further one.
const ALL_MAX: usize = 16_384;
/// Random bytes of a ticket.
const BYTES: usize = 32;

/// Tickets that are not used yet.
#[derive(Default)]
pub struct Tickets {
    kept: Mutex<HashMap<String, Ticket>>,
}

struct Ticket {
    tenant: TenantId,
    until: Instant,
}

/// Why there is no ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TicketError {
    /// Too many are not used yet.
    #[error("too many tickets are not used yet")]
    TooMany,
    /// The system gives no random bytes.
    #[error("system gives no random bytes")]
    NoRandomness,
}

impl TicketError {
    /// Bounded label.
    pub fn code(self) -> &'static str {
        match self {
            Self::TooMany => "too_many_tickets",
            Self::NoRandomness => "no_randomness",
        }
    }
}

impl Tickets {
    /// A new one: letters, digits, `-` and `_`.
    ///
    /// # Errors
    /// Where there is none to be had.
    pub fn issue(&self, tenant: &TenantId) -> Result<String, TicketError> {
        let now = Instant::now();
        let mut kept = self.lock();
        let of_tenant = kept.values().filter(|ticket| ticket.tenant == *tenant).count();
        if of_tenant >= TENANT_MAX || kept.len() >= ALL_MAX {
            kept.retain(|_, ticket| ticket.until > now);
            let of_tenant = kept.values().filter(|ticket| ticket.tenant == *tenant).count();
            if of_tenant >= TENANT_MAX || kept.len() >= ALL_MAX {
                return Err(TicketError::TooMany);
            }
        }
        let mut bytes = [0; BYTES];
        getrandom::fill(&mut bytes).map_err(|_| TicketError::NoRandomness)?;
        let name = URL_SAFE_NO_PAD.encode(bytes);
        kept.insert(name.clone(), Ticket { tenant: tenant.clone(), until: now + TICKET_KEPT });
        Ok(name)
    }

    /// Uses a ticket up: whose call it is for, if it is one and still holds.
    pub fn redeem(&self, name: &str) -> Option<TenantId> {
        let ticket = self.lock().remove(name)?;
        (ticket.until > Instant::now()).then_some(ticket.tenant)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Ticket>> {
        // Nothing panics while it is held.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_ticket_holds_once_and_a_minute() {
        let (tickets, acme) = (Tickets::default(), TenantId::new("acme"));
        let (first, second) = (tickets.issue(&acme).unwrap(), tickets.issue(&acme).unwrap());
        assert_ne!(first, second);
        tokio::time::advance(TICKET_KEPT - Duration::from_millis(1)).await;
        assert_eq!(tickets.redeem(&first), Some(acme));
        assert_eq!(tickets.redeem(&first), None);
        tokio::time::advance(Duration::from_millis(1)).await;
        assert_eq!(tickets.redeem(&second), None);
        assert_eq!(tickets.redeem("made up"), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_tenant_has_a_bounded_number_of_them() {
        let (tickets, acme) = (Tickets::default(), TenantId::new("acme"));
        let issued = (0..TENANT_MAX + 1).filter(|_| tickets.issue(&acme).is_ok()).count();
        assert_eq!(issued, TENANT_MAX);
        assert!(tickets.issue(&TenantId::new("other")).is_ok());
        tokio::time::advance(TICKET_KEPT).await;
        assert!(tickets.issue(&acme).is_ok());
    }
}
