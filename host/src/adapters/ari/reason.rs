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
            Refusal::TenantUnavailable | Refusal::OverLimit | Refusal::Draining => "congestion",
        },
        _ => "normal",
    }
}
