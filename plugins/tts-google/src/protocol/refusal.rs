//! What Google's refusals mean to the ladder. Their texts may repeat what was to be spoken: only codes and reasons are kept.

use serde::Deserialize;
use vg_plugin_sdk::{Fault, FaultKind, json};
use vg_wire::grpc::Status;

/// `google.rpc.Code` as the names that REST answers carry.
const NAMES: [(&str, u32); 14] = [
    ("CANCELLED", 1),
    ("UNKNOWN", 2),
    ("INVALID_ARGUMENT", 3),
    ("DEADLINE_EXCEEDED", 4),
    ("NOT_FOUND", 5),
    ("PERMISSION_DENIED", 7),
    ("RESOURCE_EXHAUSTED", 8),
    ("FAILED_PRECONDITION", 9),
    ("ABORTED", 10),
    ("OUT_OF_RANGE", 11),
    ("UNIMPLEMENTED", 12),
    ("INTERNAL", 13),
    ("UNAVAILABLE", 14),
    ("UNAUTHENTICATED", 16),
];

#[derive(Deserialize)]
struct RestAnswer {
    error: RestError,
}

#[derive(Deserialize)]
struct RestError {
    #[serde(default)]
    status: String,
    #[serde(default)]
    details: Vec<RestDetail>,
}

#[derive(Deserialize)]
struct RestDetail {
    reason: Option<String>,
    #[serde(rename = "retryDelay")]
    retry_delay: Option<String>,
}

/// What a call's end means; none where it ended well.
pub(crate) fn of_status(status: &Status) -> Option<Fault> {
    (status.code != 0).then(|| fault(status.code, status.reason(), status.retry_after_ms()))
}

/// What an HTTP status means, where that alone says enough; REST explains some of its own in a body: [`of_rest_body`].
pub(crate) fn of_head(status: u16, headers: &[(String, String)]) -> Option<Fault> {
    Fault::of_status(status, headers)
}

/// What a REST refusal means by its body; none where the body is no refusal of Google's.
pub(crate) fn of_rest_body(body: &[u8]) -> Option<Fault> {
    let RestError { status, details } = json::from_slice::<RestAnswer>(body).ok()?.error;
    let (_, code) = NAMES.into_iter().find(|(name, _)| *name == status)?;
    let reason = details.iter().find_map(|detail| detail.reason.as_deref()).filter(|reason| is_name(reason));
    let delay = details.iter().find_map(|detail| detail.retry_delay.as_deref()).and_then(delay_ms);
    Some(fault(code, reason, delay))
}

fn fault(code: u32, reason: Option<&str>, retry_after_ms: Option<u64>) -> Fault {
    let why = match reason {
        Some(reason) => format!("Google answers {code} ({reason})"),
        None => format!("Google answers {code}"),
    };
    let kind = match code {
        7 | 16 => FaultKind::Auth,
        // A key that is none is told as an argument that is none.
        3 | 9 if reason.is_some_and(|reason| reason.starts_with("API_KEY_")) => FaultKind::Auth,
        // Voice, format, SSML or length.
        3 | 5 | 9 | 11 | 12 => FaultKind::Unsupported,
        8 => FaultKind::Quota(retry_after_ms),
        1 | 2 | 4 | 10 | 13 | 14 => FaultKind::Unavailable,
        _ => FaultKind::Protocol,
    };
    Fault::new(kind, why)
}

fn is_name(reason: &str) -> bool {
    !reason.is_empty()
        && reason.len() <= 63
        && reason.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
}

/// `1.5s`
fn delay_ms(text: &str) -> Option<u64> {
    let seconds: f64 = text.strip_suffix('s')?.parse().ok()?;
    (0.0..=86_400.0).contains(&seconds).then_some((seconds * 1000.0).round() as u64)
}
