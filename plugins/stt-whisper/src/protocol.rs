//! What OpenAI's two ways of listening say: [`transcriptions`] over HTTP, [`realtime`] over a WebSocket.

pub(crate) mod realtime;
pub(crate) mod transcriptions;

use serde::Deserialize;
use vg_plugin_sdk::{Fault, FaultKind, Word, link};
use vg_wire::openai::{Refusal, wait_ms};

pub(crate) const ORIGIN: &str = "https://api.openai.com";

/// What was heard of a stretch of speech. Times of words are those of the stretch.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Heard {
    /// Empty where there was nothing to be understood.
    pub(crate) text: String,
    pub(crate) language: Option<String>,
    pub(crate) confidence: Option<f32>,
    pub(crate) words: Vec<Word>,
}

/// One token's.
#[derive(Debug, Deserialize)]
pub(crate) struct LogProbability {
    logprob: f64,
}

/// The mean of a text's tokens as 0.0 to 1.0.
pub(crate) fn confidence(tokens: &[LogProbability]) -> Option<f32> {
    let sum: f64 = tokens.iter().map(|token| token.logprob).sum();
    (!tokens.is_empty()).then(|| (sum / tokens.len() as f64).exp().clamp(0.0, 1.0) as f32)
}

/// What a refusal means. Of the body only codes are told: its text may repeat what was said.
pub(crate) fn fault(status: u16, headers: &[(String, String)], refusal: &Refusal) -> Fault {
    let detail = format!("the vendor answered with status {status} {}", refusal.name());
    if refusal.is_unpaid() {
        return Fault::new(FaultKind::Quota(None), detail);
    }
    let option = option(refusal);
    match status {
        400 | 404 | 422 if !option.is_empty() => Fault::option(option, detail),
        400 | 404 | 422 if refusal.param.ends_with("language") => Fault::new(FaultKind::Unsupported, detail),
        // All but the sound is the same each time.
        400 | 413 | 422 => Fault::new(FaultKind::BadAudio, detail),
        409 => Fault::new(FaultKind::Unavailable, detail),
        429 => Fault::new(FaultKind::Quota(wait_ms(|name| link::field(headers, name))), detail),
        _ => match Fault::of_status(status, headers) {
            Some(fault) => Fault { detail, ..fault },
            None => Fault::new(FaultKind::Protocol, detail),
        },
    }
}

/// What an error within an answer or a session means: there is no status, so codes have to do.
pub(crate) fn fault_of_code(refusal: &Refusal) -> Fault {
    let status = match (refusal.code.as_str(), refusal.kind.as_str()) {
        ("invalid_api_key", _) | (_, "authentication_error") => 401,
        (code, _) if code.contains("rate_limit") => 429,
        (_, "invalid_request_error") => 400,
        _ => 500,
    };
    let fault = fault(status, &[], refusal);
    Fault { detail: format!("the vendor reported {}", refusal.name()), ..fault }
}

/// Which option is at fault, as a JSON pointer.
fn option(refusal: &Refusal) -> &'static str {
    let last = refusal.param.rsplit('.').next().unwrap_or_default();
    match last {
        "model" => "/model",
        "prompt" => "/prompt",
        "keywords" | "keywords[]" => "/keywords",
        "temperature" => "/temperature",
        "response_format" | "stream" | "timestamp_granularities" | "timestamp_granularities[]" => "/response",
        "include" | "include[]" => "/confidence",
        "turn_detection" => "/turns",
        "threshold" => "/vad_threshold",
        "prefix_padding_ms" => "/vad_prefix_ms",
        "silence_duration_ms" => "/vad_silence_ms",
        "eagerness" => "/eagerness",
        "noise_reduction" => "/noise_reduction",
        _ if refusal.code == "model_not_found" => "/model",
        _ => "",
    }
}
