//! The service's wire: what a stream is asked for with, what an audio event looks like, and what comes back.
//! <https://docs.aws.amazon.com/transcribe/latest/dg/streaming-setting-up.html>

mod refusal;

use crate::options::{FilterMethod, Identify, Options, Stability};
use serde::Deserialize;
use vg_plugin_sdk::{Fault, FaultKind};
use vg_wire::event_stream::Message;
use vg_wire::query::Query;

pub(crate) use refusal::{named, of_head};

/// Content type of both directions of the HTTP/2 stream.
pub(crate) const EVENT_STREAM: &str = "application/vnd.amazon.eventstream";
/// Service name in signatures.
pub(crate) const SERVICE: &str = "transcribe";
/// Bytes of one message of the service beyond which something is wrong: a transcript of a long utterance has some tens of thousands.
pub(crate) const MESSAGE_BYTES_MAX: u32 = 512 << 10;

/// What was recognised of one stretch of speech so far.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Recognised {
    /// The same for all partials of a stretch and its final.
    pub(crate) id: String,
    pub(crate) is_partial: bool,
    pub(crate) language: Option<String>,
    pub(crate) text: String,
    pub(crate) start_ms: u64,
    pub(crate) end_ms: u64,
    pub(crate) items: Vec<Item>,
}

/// A word or a mark of punctuation.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Item {
    pub(crate) text: String,
    pub(crate) start_ms: u64,
    pub(crate) end_ms: u64,
    pub(crate) is_punctuation: bool,
    pub(crate) confidence: Option<f32>,
    pub(crate) is_stable: bool,
}

/// The parameters of a stream, by the names that they have in a WebSocket's query; as headers they follow `x-amzn-transcribe-`.
pub(crate) fn parameters(options: &Options, language: &str, rate_hz: u32, session_id: &str) -> Vec<(&'static str, String)> {
    let mut parameters = Vec::new();
    let mut add = |name, value: &str| {
        if !value.is_empty() {
            parameters.push((name, value.to_owned()));
        }
    };
    let identifies = options.identify_language != Identify::Off;
    match options.identify_language {
        Identify::Off => add("language-code", vendor_language(language)),
        Identify::One => add("identify-language", "true"),
        Identify::Many => add("identify-multiple-languages", "true"),
    }
    if identifies {
        add("language-options", &options.language_options.join(","));
        add("preferred-language", &options.preferred_language);
    }
    add("sample-rate", &rate_hz.to_string());
    add("media-encoding", "pcm");
    add("session-id", session_id);
    let stability = match options.stability {
        Stability::Off => "",
        Stability::Low => "low",
        Stability::Medium => "medium",
        Stability::High => "high",
    };
    if !stability.is_empty() {
        add("enable-partial-results-stabilization", "true");
        add("partial-results-stability", stability);
    }
    add(if identifies { "vocabulary-names" } else { "vocabulary-name" }, &options.vocabulary);
    add(if identifies { "vocabulary-filter-names" } else { "vocabulary-filter-name" }, &options.vocabulary_filter);
    if !options.vocabulary_filter.is_empty() {
        add(
            "vocabulary-filter-method",
            match options.vocabulary_filter_method {
                FilterMethod::Mask => "mask",
                FilterMethod::Remove => "remove",
                FilterMethod::Tag => "tag",
            },
        );
    }
    add("language-model-name", &options.language_model);
    if options.redact {
        add("content-redaction-type", "PII");
        add("pii-entity-types", &options.pii_entity_types);
    }
    parameters
}

/// The service has two kinds of Spanish: what is spoken south of the United States is nearest to theirs.
fn vendor_language(tag: &str) -> &str {
    match tag {
        "en" => "en-US",
        "pt" => "pt-BR",
        "es-ES" => tag,
        _ if tag == "es" || tag.starts_with("es-") => "es-US",
        _ => tag,
    }
}

/// Parameters as a query.
pub(crate) fn query(parameters: &[(&'static str, String)]) -> String {
    let mut query = Query::new();
    parameters.iter().for_each(|(name, value)| query.add(name, value));
    format!("?{}", query.as_str())
}

/// A random (version 4) UUID (RFC 9562) of a session's seed.
pub(crate) fn uuid(seed: &[u8]) -> String {
    let mut bytes = [0; 16];
    bytes.iter_mut().zip(seed).for_each(|(byte, random)| *byte = *random);
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex = vg_wire::event_stream::hex(&bytes);
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

/// Samples as the service takes them; none of them are the end of the audio.
pub(crate) fn audio_event(pcm: Vec<u8>) -> Vec<u8> {
    Message::event("AudioEvent", "application/octet-stream", pcm).encode()
}

/// What a message of the service says.
///
/// # Errors
/// What it refuses or complains of, or that it is nothing that the protocol knows.
pub(crate) fn recognised(message: &Message) -> Result<Vec<Recognised>, Fault> {
    match message.text(":message-type") {
        Some("event") if message.text(":event-type") == Some("TranscriptEvent") => {
            let event: TranscriptEvent =
                serde_json::from_slice(&message.payload).map_err(|_| protocol("a transcript is no JSON of its kind"))?;
            let results = event.transcript.and_then(|transcript| transcript.results).unwrap_or_default();
            Ok(results.into_iter().filter_map(read).collect())
        }
        // What the service adds later is not for this version.
        Some("event") => Ok(vec![]),
        Some("exception") => Err(named(message.text(":exception-type").unwrap_or_default(), None)),
        Some("error") => Err(named(message.text(":error-code").unwrap_or_default(), None)),
        _ => Err(protocol("a message is neither event nor exception")),
    }
}

fn protocol(detail: &str) -> Fault {
    Fault::new(FaultKind::Protocol, detail)
}

fn read(raw: RawResult) -> Option<Recognised> {
    let best = raw.alternatives?.into_iter().next()?;
    let items = best.items.unwrap_or_default().into_iter().map(|item| Item {
        text: item.content.unwrap_or_default(),
        start_ms: ms(item.start_time),
        end_ms: ms(item.end_time),
        is_punctuation: item.kind.as_deref() == Some("punctuation"),
        confidence: item.confidence,
        is_stable: item.stable == Some(true),
    });
    Some(Recognised {
        id: raw.result_id.unwrap_or_default(),
        is_partial: raw.is_partial == Some(true),
        language: raw.language_code,
        text: best.transcript.unwrap_or_default(),
        start_ms: ms(raw.start_time),
        end_ms: ms(raw.end_time),
        items: items.collect(),
    })
}

/// Seconds, as the service counts.
fn ms(seconds: Option<f64>) -> u64 {
    (seconds.unwrap_or_default().max(0.0) * 1000.0).round() as u64
}

#[derive(Deserialize)]
struct TranscriptEvent {
    #[serde(rename = "Transcript")]
    transcript: Option<RawTranscript>,
}

#[derive(Deserialize)]
struct RawTranscript {
    #[serde(rename = "Results")]
    results: Option<Vec<RawResult>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RawResult {
    result_id: Option<String>,
    start_time: Option<f64>,
    end_time: Option<f64>,
    is_partial: Option<bool>,
    language_code: Option<String>,
    alternatives: Option<Vec<RawAlternative>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RawAlternative {
    transcript: Option<String>,
    items: Option<Vec<RawItem>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RawItem {
    content: Option<String>,
    start_time: Option<f64>,
    end_time: Option<f64>,
    #[serde(rename = "Type")]
    kind: Option<String>,
    confidence: Option<f32>,
    stable: Option<bool>,
}

#[cfg(test)]
mod tests;
