//! What the end of a stream means: a status of gRPC, or none.

use vg_plugin_sdk::{Fault, FaultKind};
use vg_wire::grpc::Status;

/// How a stream ended.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Ending {
    /// Google has said all.
    Well,
    /// It was open for too long, or without sound: the next one goes on.
    Expired,
    /// Another one may do better, with the same audio; if that fails too, this is what was wrong.
    Broken(Fault),
    /// Another one ends the same.
    Refused(Fault),
}

/// What a status means (<https://cloud.google.com/apis/design/errors>).
pub(crate) fn ending(status: &Status) -> Ending {
    let reason = status.reason().unwrap_or_default();
    let code = status.code;
    let trouble = |kind, what: &str| {
        let reason = if reason.is_empty() { String::new() } else { format!(", {reason}") };
        Fault::new(kind, format!("Google {what} ({code}{reason})"))
    };
    match code {
        0 => Ending::Well,
        // ABORTED and OUT_OF_RANGE: five minutes are over, or no sound came.
        10 | 11 => Ending::Expired,
        2 | 4 | 13 | 14 => Ending::Broken(trouble(FaultKind::Unavailable, "broke off")),
        3 if reason.starts_with("API_KEY") => Ending::Refused(trouble(FaultKind::Auth, "refuses the key")),
        3 => Ending::Refused(trouble(FaultKind::Unsupported, "refuses the configuration")),
        5 | 9 | 12 => Ending::Refused(trouble(FaultKind::Unsupported, "does not offer this")),
        7 | 16 => Ending::Refused(trouble(FaultKind::Auth, "refuses the credential")),
        8 => Ending::Refused(trouble(FaultKind::Quota(status.retry_after_ms()), "has no quota left")),
        _ => Ending::Refused(trouble(FaultKind::Unavailable, "gave up")),
    }
}
