//! What the service's refusals mean for the ladder.

use serde::Deserialize;
use vg_plugin_sdk::{Fault, FaultKind, OptionFault, Remedy, link};

/// A head that brings no sound.
pub(crate) fn of_head(status: u16, headers: &[(String, String)]) -> Option<Fault> {
    let by_status = Fault::of_status(status, headers)?;
    let retry_after_ms = if let FaultKind::Quota(ms) = by_status.kind { ms } else { None };
    let name = link::field(headers, "x-amzn-errortype").and_then(|text| text.split([':', '#']).next()).unwrap_or_default();
    if name.is_empty() {
        return Some(by_status);
    }
    let fault = named(name, retry_after_ms);
    // A name that is not known says less than the status.
    Some(if kind(name, None).is_some() { fault } else { Fault { detail: fault.detail, ..by_status } })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Exception {
    quota_code: Option<String>,
}

/// An exception of a stream. How long a stream may last is counted as a quota, too, but says nothing of the account.
pub(crate) fn of_exception(name: &str, payload: &[u8]) -> Fault {
    let told: Option<Exception> = serde_json::from_slice(payload).ok();
    match told.and_then(|told| told.quota_code).as_deref() {
        Some("input-stream-inbound-event-timeout") => Fault::new(FaultKind::Unavailable, "the service waited too long for text"),
        Some("input-stream-timeout") => Fault::new(FaultKind::Unavailable, "the service ended a stream that was open too long"),
        _ => named(name, None),
    }
}

/// An exception by its name.
pub(crate) fn named(name: &str, retry_after_ms: Option<u64>) -> Fault {
    let fault = Fault::new(kind(name, retry_after_ms).unwrap_or(FaultKind::Unavailable), detail(name));
    match name {
        // Another service may take what this one finds too long.
        "TextLengthExceededException" => Fault { remedy: Remedy::NextProvider, ..fault },
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
    let option = |path: &str, message: &str| {
        FaultKind::InvalidOptions(vec![OptionFault { path: path.to_owned(), message: message.to_owned() }])
    };
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
        "ThrottlingException" | "TooManyRequestsException" | "ServiceQuotaExceededException" => FaultKind::Quota(retry_after_ms),
        "EngineNotSupportedException" => option("/engine", "the voice does not speak with this engine"),
        "ValidationException" => option("", "the service refuses the voice or another option"),
        "LexiconNotFoundException" => option("/lexicons", "a lexicon is not in the account and region"),
        "InvalidSsmlException" => option("/ssml", "a text that is to be SSML is none"),
        "SsmlMarksNotSupportedForTextTypeException" | "MarksNotSupportedForFormatException" => {
            option("/word_times", "the service gives no places of words here")
        }
        "LanguageNotSupportedException" | "InvalidSampleRateException" | "TextLengthExceededException" => FaultKind::Unsupported,
        "ServiceFailureException" | "ServiceUnavailableException" | "InternalFailure" | "InternalFailureException" => {
            FaultKind::Unavailable
        }
        _ => return None,
    })
}

/// A name is at most 64 letters: what else stands there is the service's own text.
fn detail(name: &str) -> String {
    let is_name = (1..=64).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'.');
    format!("the service reported {}", if is_name { name } else { "an error without a name" })
}
