//! Why a call is not taken in.

/// Why a call is not taken in. `code()` is the metric label, the code of events and the name of the prompt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Refusal {
    /// Nobody of that name, or no name and no default.
    TenantUnknown,
    /// The source of the tenant's settings does not answer.
    TenantUnavailable,
    /// The dialled number is not the tenant's.
    DidUnknown,
    /// The call came by a trunk that is not the tenant's.
    TrunkMismatch,
    /// The gateway has as many calls as it takes.
    OverLimit,
    /// The tenant has as many calls as it may have.
    TenantOverLimit,
    /// There is no room for what the call would tell.
    EventsFull,
    /// The gateway is stopping.
    Draining,
}

impl Refusal {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::TenantUnknown,
        Self::TenantUnavailable,
        Self::DidUnknown,
        Self::TrunkMismatch,
        Self::OverLimit,
        Self::TenantOverLimit,
        Self::EventsFull,
        Self::Draining,
    ];

    /// Bounded label.
    pub fn code(self) -> &'static str {
        match self {
            Self::TenantUnknown => "tenant_unknown",
            Self::TenantUnavailable => "tenant_unavailable",
            Self::DidUnknown => "did_unknown",
            Self::TrunkMismatch => "trunk_mismatch",
            Self::OverLimit => "over_limit",
            Self::TenantOverLimit => "tenant_over_limit",
            Self::EventsFull => "events_full",
            Self::Draining => "draining",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_refusal_has_a_code_of_its_own() {
        let codes: BTreeSet<_> = Refusal::ALL.into_iter().map(Refusal::code).collect();
        assert_eq!(codes.len(), Refusal::ALL.len());
    }
}
