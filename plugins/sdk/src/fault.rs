//! Faults with the remedy that usually fits.

use crate::{
    Fault, FaultKind, OptionFault, Remedy,
    link::{self, Failed, LinkErrorKind},
};

impl Fault {
    /// A fault whose remedy is the usual one of its kind. `detail` is for the operator's log, never words that were spoken.
    pub fn new(kind: FaultKind, detail: impl Into<String>) -> Self {
        let remedy = match kind {
            FaultKind::Auth | FaultKind::InvalidOptions(_) | FaultKind::Unsupported => Remedy::Configuration,
            FaultKind::EmptyResult => Remedy::Caller,
            FaultKind::Quota(_)
            | FaultKind::Unavailable
            | FaultKind::Protocol
            | FaultKind::BadAudio
            | FaultKind::SessionLimit
            | FaultKind::Internal => Remedy::NextProvider,
        };
        Self { kind, remedy, detail: detail.into() }
    }

    /// One option is wrong; `path` is a JSON pointer into the options, empty for the options as a whole.
    pub fn option(path: &str, message: impl Into<String>) -> Self {
        let fault = OptionFault { path: path.to_owned(), message: message.into() };
        Self::new(FaultKind::InvalidOptions(vec![fault]), "the options do not satisfy the schema")
    }

    /// What an HTTP status of the vendor means; none where it is no fault (below 400). `detail` of the fault names the status
    /// only: a body may hold anything.
    pub fn of_status(status: u16, headers: &[(String, String)]) -> Option<Self> {
        let kind = match status {
            ..=399 => return None,
            401 | 403 => FaultKind::Auth,
            402 | 429 => FaultKind::Quota(link::retry_after_ms(headers)),
            408 | 425 | 500.. => FaultKind::Unavailable,
            404 | 406 | 415 | 422 => FaultKind::Unsupported,
            400.. => FaultKind::Protocol,
        };
        Some(Self::new(kind, format!("the vendor answered with status {status}")))
    }

    /// What a failed link means for the session. A host that may not be reached is the operator's to permit, a secret that cannot be
    /// used is the operator's to mend; all else is the next provider's chance.
    pub fn of_link(failed: &Failed) -> Self {
        let kind = match failed.kind {
            LinkErrorKind::EgressDenied
            | LinkErrorKind::Dns
            | LinkErrorKind::Connect
            | LinkErrorKind::Tls
            | LinkErrorKind::Timeout
            | LinkErrorKind::Reset => FaultKind::Unavailable,
            LinkErrorKind::Protocol if is_of_secret(failed) => FaultKind::Auth,
            LinkErrorKind::Protocol => FaultKind::Protocol,
            LinkErrorKind::Limit => FaultKind::SessionLimit,
        };
        let fault = Self::new(kind, format!("the link failed: {}", failed.detail));
        if failed.kind == LinkErrorKind::EgressDenied { Self { remedy: Remedy::Configuration, ..fault } } else { fault }
    }
}

/// The contract has no kind of its own for a secret that is missing, or of which no token can be made: the host says it in words
/// (`secret NAME: ...`), and of nothing else in these.
fn is_of_secret(failed: &Failed) -> bool {
    failed.detail.starts_with("secret ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_of_the_vendor_becomes_the_fault_the_ladder_acts_on() {
        let kind = |status| Fault::of_status(status, &[("Retry-After".to_owned(), "7".to_owned())]).map(|fault| fault.kind);
        assert_eq!((kind(101), kind(200), kind(302)), (None, None, None));
        assert_eq!((kind(401), kind(403)), (Some(FaultKind::Auth), Some(FaultKind::Auth)));
        assert_eq!(kind(429), Some(FaultKind::Quota(Some(7_000))));
        assert_eq!((kind(500), kind(503)), (Some(FaultKind::Unavailable), Some(FaultKind::Unavailable)));
        assert_eq!((kind(400), kind(415)), (Some(FaultKind::Protocol), Some(FaultKind::Unsupported)));
    }

    #[test]
    fn host_that_may_not_be_reached_is_the_operators_matter() {
        let of = |kind| Fault::of_link(&Failed { id: 1, kind, detail: String::new() });
        assert_eq!(of(LinkErrorKind::EgressDenied).remedy, Remedy::Configuration);
        assert_eq!(of(LinkErrorKind::Reset).remedy, Remedy::NextProvider);
        assert_eq!(of(LinkErrorKind::Protocol).kind, FaultKind::Protocol);
    }

    #[test]
    fn secret_that_cannot_be_used_is_the_operators_to_mend_and_a_token_that_is_late_is_not() {
        let of = |kind, detail: &str| {
            let fault = Fault::of_link(&Failed { id: 1, kind, detail: detail.to_owned() });
            (fault.kind, fault.remedy)
        };
        let refused = "secret account: its token endpoint gave no token";
        assert_eq!(of(LinkErrorKind::Protocol, refused), (FaultKind::Auth, Remedy::Configuration));
        assert_eq!(of(LinkErrorKind::Connect, refused), (FaultKind::Unavailable, Remedy::NextProvider));
        assert_eq!(of(LinkErrorKind::Protocol, "no secret of anybody"), (FaultKind::Protocol, Remedy::NextProvider));
    }
}
