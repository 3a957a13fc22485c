//! ElevenLabs' words: URLs, what is sent and what comes back
//! (<https://elevenlabs.io/docs/api-reference/text-to-speech>, `stream-input` and `stream`).

use crate::options::{Options, Transport, VoiceSettings};
use base64::Engine;
use serde::{Deserialize, Serialize};
use vg_plugin_sdk::{AudioFormat, Encoding, Fault, FaultKind, json, link};

const WEBSOCKET: &str = "wss://api.elevenlabs.io";
const HTTPS: &str = "https://api.elevenlabs.io";

/// What every message has in common: the end of the text.
pub(crate) const END_OF_TEXT: &str = r#"{"text":""}"#;
/// Keeps a socket on which nothing is to be said.
pub(crate) const KEEP_ALIVE: &str = r#"{"text":" "}"#;

/// The name of a format; none where ElevenLabs does not give it.
pub(crate) fn output_format(format: AudioFormat) -> Option<&'static str> {
    match (format.encoding, format.rate_hz) {
        (Encoding::Mulaw, 8_000) => Some("ulaw_8000"),
        (Encoding::Alaw, 8_000) => Some("alaw_8000"),
        (Encoding::PcmS16le, 8_000) => Some("pcm_8000"),
        (Encoding::PcmS16le, 16_000) => Some("pcm_16000"),
        (Encoding::PcmS16le, 24_000) => Some("pcm_24000"),
        (Encoding::PcmS16le, 48_000) => Some("pcm_48000"),
        _ => None,
    }
}

/// Where it is asked, before the endpoint is replaced.
pub(crate) fn url(options: &Options, output_format: &str, language: &str) -> String {
    let Options { voice, model, .. } = options;
    let mut url = match options.transport {
        Transport::Websocket => {
            format!("{WEBSOCKET}/v1/text-to-speech/{voice}/stream-input?model_id={model}&output_format={output_format}")
        }
        Transport::Stream => format!("{HTTPS}/v1/text-to-speech/{voice}/stream?output_format={output_format}"),
        Transport::Timestamps => {
            format!("{HTTPS}/v1/text-to-speech/{voice}/stream/with-timestamps?output_format={output_format}")
        }
    };
    if options.transport == Transport::Websocket {
        // The longest there is: a caller may think for a while.
        url.push_str("&inactivity_timeout=180");
        if let Some(code) = language_code(model, language) {
            url.push_str(&format!("&language_code={code}"));
        }
        if let Some(seed) = options.seed {
            url.push_str(&format!("&seed={seed}"));
        }
        if let Some(normalization) = &options.apply_text_normalization {
            url.push_str(&format!("&apply_text_normalization={normalization}"));
        }
        if options.auto_mode {
            url.push_str("&auto_mode=true");
        }
        if options.enable_ssml_parsing {
            url.push_str("&enable_ssml_parsing=true");
        }
    }
    if !options.enable_logging {
        url.push_str("&enable_logging=false");
    }
    url
}

/// ISO 639-1, and only for the models that take one.
fn language_code<'a>(model: &str, language: &'a str) -> Option<&'a str> {
    let takes = model.ends_with("_v2_5") || model.ends_with("_v3");
    language.split('-').next().filter(|code| takes && code.len() == 2)
}

#[derive(Serialize)]
struct Greeting {
    text: &'static str,
    try_trigger_generation: bool,
    voice_settings: Option<VoiceSettings>,
    generation_config: GenerationConfig,
}

#[derive(Serialize)]
struct GenerationConfig {
    chunk_length_schedule: Vec<u32>,
}

#[derive(Serialize)]
struct Piece<'a> {
    text: &'a str,
    try_trigger_generation: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    flush: bool,
}

/// A socket's first message.
pub(crate) fn greeting(options: &Options) -> String {
    written(&Greeting {
        text: " ",
        try_trigger_generation: true,
        voice_settings: options.voice_settings(),
        generation_config: GenerationConfig { chunk_length_schedule: options.chunk_length_schedule.clone() },
    })
}

/// A piece of text: whole words, a space behind the last. A sentence that is whole is spoken at once, however short: it does not wait for
/// the characters of `chunk_length_schedule`.
pub(crate) fn piece(text: &str) -> String {
    written(&Piece { text, try_trigger_generation: true, flush: is_whole(text) })
}

/// Whether a text ends with a sentence, so that its sound is owed at once.
pub(crate) fn is_whole(text: &str) -> bool {
    text.trim_end().ends_with(['.', '?', '!', ':', ';', '\u{2026}', '\u{3002}'])
}

#[derive(Serialize)]
struct Request<'a> {
    text: &'a str,
    model_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    language_code: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    voice_settings: Option<VoiceSettings>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    apply_text_normalization: Option<&'a str>,
}

/// The body of a request for a whole text.
pub(crate) fn request(options: &Options, text: &str, language: &str) -> String {
    written(&Request {
        text,
        model_id: &options.model,
        language_code: language_code(&options.model, language),
        voice_settings: options.voice_settings(),
        seed: options.seed,
        apply_text_normalization: options.apply_text_normalization.as_deref(),
    })
}

/// Structs of strings and numbers always serialise.
fn written(message: &impl Serialize) -> String {
    json::to_string(message).unwrap_or_default()
}

/// A message of the socket.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Message {
    audio: Option<String>,
    is_final: Option<bool>,
    alignment: Option<Alignment>,
    normalized_alignment: Option<Alignment>,
    error: Option<String>,
    code: Option<u32>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Alignment {
    chars: Vec<String>,
    char_start_times_ms: Vec<u64>,
    char_durations_ms: Vec<u64>,
}

/// A line of an answer with timestamps.
#[derive(Debug, Deserialize)]
pub(crate) struct Line {
    audio_base64: String,
    alignment: Option<Characters>,
    normalized_alignment: Option<Characters>,
}

#[derive(Debug, Deserialize)]
struct Characters {
    characters: Vec<String>,
    character_start_times_seconds: Vec<f64>,
    character_end_times_seconds: Vec<f64>,
}

/// A letter with its place in milliseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Letter {
    pub(crate) text: String,
    pub(crate) start_ms: u64,
    pub(crate) end_ms: u64,
}

/// What a socket says.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct News {
    pub(crate) audio: Vec<u8>,
    pub(crate) letters: Vec<Letter>,
    pub(crate) is_final: bool,
}

fn broken(what: &str) -> Fault {
    Fault::new(FaultKind::Protocol, format!("{what} is none of ElevenLabs'"))
}

/// Reads a message of the socket.
///
/// # Errors
/// The fault that it reports, or `protocol` where it is none.
pub(crate) fn read(text: &str) -> Result<News, Fault> {
    let message: Message = json::from_str(text).map_err(|_| broken("a message"))?;
    if let Some(error) = &message.error {
        return Err(fault_of(error, message.code));
    }
    let letters = message.alignment.or(message.normalized_alignment).map(|alignment| {
        let Alignment { chars, char_start_times_ms, char_durations_ms } = alignment;
        let ends = char_start_times_ms.iter().zip(&char_durations_ms).map(|(start, length)| start + length).collect::<Vec<_>>();
        letters(chars, &char_start_times_ms, &ends)
    });
    Ok(News {
        audio: message.audio.map_or(Ok(Vec::new()), |audio| decoded(&audio))?,
        letters: letters.unwrap_or_default(),
        is_final: message.is_final == Some(true),
    })
}

/// Reads a line of an answer with timestamps.
///
/// # Errors
/// `protocol` where it is none.
pub(crate) fn read_line(line: &str) -> Result<News, Fault> {
    let line: Line = json::from_str(line).map_err(|_| broken("a line"))?;
    let ms = |seconds: &[f64]| seconds.iter().map(|seconds| (seconds * 1000.0).round() as u64).collect::<Vec<_>>();
    let letters = line
        .alignment
        .or(line.normalized_alignment)
        .map(|all| letters(all.characters, &ms(&all.character_start_times_seconds), &ms(&all.character_end_times_seconds)));
    Ok(News { audio: decoded(&line.audio_base64)?, letters: letters.unwrap_or_default(), is_final: false })
}

fn decoded(audio: &str) -> Result<Vec<u8>, Fault> {
    base64::engine::general_purpose::STANDARD.decode(audio).map_err(|_| broken("audio"))
}

fn letters(texts: Vec<String>, starts_ms: &[u64], ends_ms: &[u64]) -> Vec<Letter> {
    let places = starts_ms.iter().zip(ends_ms);
    texts.into_iter().zip(places).map(|(text, (&start_ms, &end_ms))| Letter { text, start_ms, end_ms }).collect()
}

/// `detail` of a refusal.
#[derive(Deserialize)]
struct Refusal {
    detail: Detail,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Detail {
    One { status: String },
    // What is wrong with the request, field by field; may repeat the text.
    Many(Vec<json::Value>),
}

/// What an answer other than 200 means. Only `detail.status` is read: the message beside it is free text.
pub(crate) fn refused(status: u16, headers: &[(String, String)], body: &[u8]) -> Fault {
    let refusal = json::from_slice::<Refusal>(body).ok();
    match refusal.map(|refusal| refusal.detail) {
        Some(Detail::One { status: name }) => {
            let fault = fault_of(&name, Some(status.into()));
            match fault.kind {
                FaultKind::Quota(None) => Fault { kind: FaultKind::Quota(link::retry_after_ms(headers)), ..fault },
                _ => fault,
            }
        }
        Some(Detail::Many(faults)) => {
            Fault::new(FaultKind::Unsupported, format!("ElevenLabs refuses the request ({status}, {} fields)", faults.len()))
        }
        None => Fault::of_status(status, headers)
            .unwrap_or_else(|| Fault::new(FaultKind::Protocol, format!("status {status} instead of sound"))),
    }
}

/// Whether there is anything in a text that can be heard: of marks alone no sound is owed.
pub(crate) fn is_audible(text: &str) -> bool {
    text.chars().any(char::is_alphanumeric)
}

/// What an idle socket is told before it is closed: nobody waits for that one.
pub(crate) fn is_idle_timeout(text: &str) -> bool {
    json::from_str::<Message>(text).is_ok_and(|message| message.error.as_deref() == Some("input_timeout_exceeded"))
}

/// The names of errors are the same on the socket and in answers. `quota_exceeded` comes as 401: the key is good, the money is gone.
pub(crate) fn fault_of(name: &str, code: Option<u32>) -> Fault {
    let kind = match name {
        "quota_exceeded" | "too_many_concurrent_requests" | "system_busy" | "rate_limit_exceeded" | "too_many_requests" => {
            FaultKind::Quota(None)
        }
        "invalid_api_key"
        | "needs_authorization"
        | "missing_permissions"
        | "detected_unusual_activity"
        | "authentication_error" => FaultKind::Auth,
        "voice_not_found"
        | "voice_id_does_not_exist"
        | "voice_does_not_exist"
        | "model_not_found"
        | "model_id_does_not_exist"
        | "max_character_limit_exceeded"
        | "unsupported_model"
        | "invalid_model_id" => FaultKind::Unsupported,
        "input_timeout_exceeded" | "internal_error" | "server_error" | "internal_server_error" => FaultKind::Unavailable,
        _ => match code {
            Some(401 | 403) => FaultKind::Auth,
            Some(402 | 429) => FaultKind::Quota(None),
            Some(400 | 404 | 422) => FaultKind::Unsupported,
            Some(1008) => FaultKind::Protocol,
            _ => FaultKind::Unavailable,
        },
    };
    Fault::new(kind, format!("ElevenLabs reported {}", nameable(name)))
}

/// Free text may stand where a name should, and repeat what was to be said.
fn nameable(name: &str) -> &str {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    if (1..=60).contains(&name.len()) && name.bytes().all(plain) { name } else { "an error without a name" }
}
