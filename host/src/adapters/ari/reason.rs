//! Why a leg ends, as Asterisk is told. Pure.

use vg_domain::outcome::EndCause;
use vg_domain::refusal::Refusal;

/// The `reason` of `DELETE /channels/ID`. Before the answer it decides the SIP status (measured: busy 486, congestion 503, unallocated 404,
/// rejected 403); afterwards it is a normal end anyway.
pub(super) fn reason(cause: EndCause) -> &'static str {
    match cause {
        EndCause::SetUpFailed | EndCause::ProvidersExhausted => "congestion",
        EndCause::Refused(refusal) => match refusal {
            Refusal::TenantUnknown | Refusal::DidUnknown => "unallocated",
            Refusal::TrunkMismatch => "rejected",
            Refusal::TenantOverLimit => "busy",
            Refusal::TenantUnavailable | Refusal::OverLimit | Refusal::EventsFull | Refusal::Draining => "congestion",
        },
        _ => "normal",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_has_the_status_that_says_why() {
        let reasons = Refusal::ALL.map(|refusal| (refusal.code(), reason(EndCause::Refused(refusal))));
        let expected = [
            ("tenant_unknown", "unallocated"),
            ("tenant_unavailable", "congestion"),
            ("did_unknown", "unallocated"),
            ("trunk_mismatch", "rejected"),
            ("over_limit", "congestion"),
            ("tenant_over_limit", "busy"),
            ("events_full", "congestion"),
            ("draining", "congestion"),
        ];
        assert_eq!(reasons, expected);
        assert_eq!(reason(EndCause::AgentHungUp), "normal");
    }
}
