//! What the service's refusals mean for the ladder.

use vg_plugin_sdk::{Fault, FaultKind, Remedy, link};

/// A head that opens no stream.
pub(crate) fn of_head(status: u16, headers: &[(String, String)]) -> Option<Fault> {
    let by_status = Fault::of_status(status, headers)?;
    let retry_after_ms = if let FaultKind::Quota(ms) = by_status.kind { ms } else { None };
    // `Name:http://...`, and `x-amzn-ErrorType` or `x-amzn-errortype`.
    let name = link::field(headers, "x-amzn-errortype").and_then(|text| text.split([':', '#']).next()).unwrap_or_default();
    Some(match name {
        "" => by_status,
        // While nothing was said yet it is the request that is wrong: all of it comes from options and language.
        "BadRequestException" => {
            let fault = Fault::option("", "the service refuses language, format, vocabulary or another option");
            Fault { detail: detail(name), ..fault }
        }
        _ => Fault { kind: kind(name, retry_after_ms).unwrap_or(by_status.kind), ..named(name, retry_after_ms) },
    })
}

/// An exception or error by its name.
pub(crate) fn named(name: &str, retry_after_ms: Option<u64>) -> Fault {
    let kind = kind(name, retry_after_ms).unwrap_or(FaultKind::Unavailable);
    let fault = Fault::new(kind, detail(name));
    match name {
        // A session has an id of its own: the next one does not meet this one.
        "ConflictException" => Fault { remedy: Remedy::Retry, ..fault },
        "InvalidSignatureException" | "SignatureDoesNotMatch" => {
            Fault { detail: format!("{}: check the secret key and this machine's clock", fault.detail), ..fault }
        }
        "ExpiredTokenException" | "ExpiredToken" => {
            Fault { detail: format!("{}: the session token has to be renewed", fault.detail), ..fault }
        }
        _ => fault,
    }
}

fn kind(name: &str, retry_after_ms: Option<u64>) -> Option<FaultKind> {
    Some(match name {
        "UnrecognizedClientException"
        | "InvalidSignatureException"
        | "SignatureDoesNotMatch"
        | "ExpiredTokenException"
        | "ExpiredToken"
        | "AccessDeniedException"
        | "AccessDenied"
        | "MissingAuthenticationTokenException"
        | "IncompleteSignatureException"
        | "InvalidClientTokenId" => FaultKind::Auth,
        "LimitExceededException" | "ThrottlingException" | "TooManyRequestsException" => FaultKind::Quota(retry_after_ms),
        // In the middle of a stream: it waited too long for sound, or was sent what it cannot read.
        "BadRequestException" => FaultKind::Protocol,
        "ConflictException" | "InternalFailureException" | "ServiceUnavailableException" => FaultKind::Unavailable,
        _ => return None,
    })
}

/// A name is at most 64 letters: what else stands there is the service's own text.
fn detail(name: &str) -> String {
    let is_name = (1..=64).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'.');
    format!("the service reported {}", if is_name { name } else { "an error without a name" })
}
