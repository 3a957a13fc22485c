//! The vendor's conversation: what is asked and sent, and what its messages mean. Times are the vendor's ticks of 100 ns, of one turn.

mod told;

use crate::options::{Options, Output, Segmentation};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use vg_plugin_sdk::{AudioFormat, Encoding, Fault};
use vg_wire::usp::{self, Headers};
use vg_wire::wav;

pub(crate) use told::{Phrase, Status, Told, Trouble, Word, read};

/// Whose client this is: our own name, never a vendor's.
pub(crate) const USER_AGENT: &str = concat!("serphona-voice-gateway/", env!("CARGO_PKG_VERSION"));

/// Which paths the vendor is asked at; the official client chooses by whether it was given a region or a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Family {
    Region,
    Host,
}

/// How the vendor listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Mode {
    Conversation,
    Dictation,
}

/// What becomes of profane words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Profanity {
    Default,
    Masked,
    Removed,
    Raw,
}

/// Whether the language may change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Detection {
    Continuous,
    AtStart,
}

impl Mode {
    fn path(self) -> &'static str {
        match self {
            Self::Conversation => "conversation",
            Self::Dictation => "dictation",
        }
    }

    /// As `speech.context` has it, also as the name of the mode's own settings.
    fn word(self) -> &'static str {
        match self {
            Self::Conversation => "CONVERSATION",
            Self::Dictation => "DICTATION",
        }
    }
}

impl Profanity {
    fn word(self) -> Option<&'static str> {
        match self {
            Self::Default => None,
            Self::Masked => Some("masked"),
            Self::Removed => Some("removed"),
            Self::Raw => Some("raw"),
        }
    }
}

/// What stays the same for a whole session.
#[derive(Clone, Debug)]
pub(crate) struct Wire {
    pub(crate) url: String,
    config: String,
    context: Map<String, Value>,
    riff: [u8; 44],
}

/// One turn of the vendor's protocol: from `speech.context` to `turn.end`.
#[derive(Clone, Debug)]
pub(crate) struct Turn {
    pub(crate) request_id: String,
    /// Headers of each message of sound, behind the others.
    audio_tail: String,
}

/// Where a turn goes on from an earlier one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Continuation<'a> {
    pub(crate) previous_tag: &'a str,
    /// Ticks of the session at which this turn begins.
    pub(crate) offset: u64,
}

impl Wire {
    pub(crate) fn new(options: &Options, raw_options: &str, language: &str, format: AudioFormat) -> Result<Self, Fault> {
        let default = format!("wss://{}.stt.speech.microsoft.com{}", options.region, target(options, language));
        let url = match options.endpoint.as_str() {
            "" => default,
            _ => vg_plugin_sdk::options::endpoint(raw_options, &default)?,
        };
        let (coding, bits) = match format.encoding {
            Encoding::PcmS16le => (wav::Coding::Pcm, "16"),
            Encoding::Mulaw => (wav::Coding::Mulaw, "8"),
            Encoding::Alaw => (wav::Coding::Alaw, "8"),
        };
        let config = json!({ "context": {
            "system": { "name": "serphona-voice-gateway", "version": env!("CARGO_PKG_VERSION"), "build": "wasm32", "lang": "Rust" },
            "os": { "platform": "WebAssembly", "name": "serphona-voice-gateway", "version": env!("CARGO_PKG_VERSION") },
            "audio": { "source": { "type": "Stream", "model": "", "samplerate": format.rate_hz.to_string(),
                "bitspersample": bits, "channelcount": "1" } },
        } });
        let context = context(options, language);
        Ok(Self { url, config: config.to_string(), context, riff: wav::header(coding, format.rate_hz, 0) })
    }

    /// The first message of a connection.
    pub(crate) fn config(&self, unix_ms: u64) -> String {
        let headers = Headers::new()
            .with("X-Timestamp", usp::timestamp(unix_ms))
            .with("Path", "speech.config")
            .with("Content-Type", "application/json");
        usp::text(&headers, &self.config)
    }

    /// The first message of a turn.
    pub(crate) fn context(&self, turn: &Turn, continuation: Option<Continuation<'_>>, unix_ms: u64) -> String {
        let headers = Headers::new()
            .with("X-Timestamp", usp::timestamp(unix_ms))
            .with("Path", "speech.context")
            .with("X-RequestId", &turn.request_id);
        let mut context = self.context.clone();
        if let Some(Continuation { previous_tag, offset }) = continuation {
            let mut goes_on = json!({ "previousServiceTag": previous_tag });
            if offset > 0 {
                goes_on["audio"] = json!({ "streams": { "1": { "offset": offset.to_string() } } });
            }
            context.insert("continuation".to_owned(), goes_on);
        }
        usp::text(&headers, &Value::Object(context).to_string())
    }

    /// The second message of a turn: how its sound is written.
    pub(crate) fn riff(&self, turn: &Turn, unix_ms: u64) -> Vec<u8> {
        sound("Path:audio\r\nContent-Type:audio/x-wav\r\n", turn, unix_ms, &self.riff)
    }
}

impl Turn {
    /// `stream` counts the streams of sound of a connection, from 1.
    pub(crate) fn new(request_id: String, stream: u32) -> Self {
        let audio_tail = format!("X-RequestId:{request_id}\r\nX-StreamId:{stream}\r\n");
        Self { request_id, audio_tail }
    }

    /// A message of sound; one without samples ends the stream.
    pub(crate) fn audio(&self, samples: &[u8], unix_ms: u64) -> Vec<u8> {
        sound("Path:audio\r\n", self, unix_ms, samples)
    }
}

/// Written by hand: it is sent ten times a second.
fn sound(head: &str, turn: &Turn, unix_ms: u64, samples: &[u8]) -> Vec<u8> {
    let time = usp::timestamp(unix_ms);
    let headers = ["X-Timestamp:", &time, "\r\n", head, &turn.audio_tail];
    let length: usize = headers.iter().map(|header| header.len()).sum();
    let mut message = Vec::with_capacity(2 + length + samples.len());
    message.extend((length as u16).to_be_bytes());
    headers.iter().for_each(|header| message.extend(header.bytes()));
    message.extend(samples);
    message
}

/// Path and query.
fn target(options: &Options, language: &str) -> String {
    if options.family == Family::Region {
        return "/stt/speech/universal/v2".to_owned();
    }
    let detailed = options.output == Output::Detailed;
    let words = detailed && options.word_times;
    let number = |name: &str, value: u32| (value > 0).then(|| format!("{name}={value}"));
    // In the order of the official client.
    let query: Vec<String> = [
        number("endSilenceTimeoutMs", options.end_silence_ms),
        detailed.then(|| "format=detailed".to_owned()),
        number("initialSilenceTimeoutMs", options.initial_silence_ms),
        Some(format!("language={}", if options.languages.is_empty() { language } else { "en-us" })),
        (!options.languages.is_empty()).then(|| format!("lidEnabled={}", options.languages.join("%2C"))),
        options.profanity.word().map(|word| format!("profanity={word}")),
        number("stableIntermediateThreshold", options.stable_after),
        words.then(|| "wordLevelConfidence=true".to_owned()),
        words.then(|| "wordLevelTimestamps=true".to_owned()),
    ]
    .into_iter()
    .flatten()
    .collect();
    format!("/speech/recognition/{}/cognitiveservices/v1?{}", options.mode.path(), query.join("&"))
}

fn context(options: &Options, language: &str) -> Map<String, Value> {
    let mut context = Map::new();
    context.insert("phraseDetection".to_owned(), detection(options, language).into());
    context.insert("audio".to_owned(), json!({ "streams": { "1": null } }));
    let output = output(options);
    if !output.is_empty() {
        context.insert("phraseOutput".to_owned(), output.into());
    }
    if !options.languages.is_empty() {
        let mode = if options.detection == Detection::Continuous { "DetectContinuous" } else { "DetectAtAudioStart" };
        let languages = json!({ "languages": options.languages, "onSuccess": { "action": "Recognize" },
            "onUnknown": { "action": "None" }, "mode": mode, "Priority": "PrioritizeLatency" });
        context.insert("languageId".to_owned(), languages);
    }
    if !options.phrases.is_empty() {
        let items: Vec<Value> = options.phrases.iter().map(|phrase| json!({ "Text": phrase })).collect();
        let groups = json!({ "Groups": [{ "Type": "Generic", "Items": items }], "bias": options.phrase_weight });
        context.insert("dgi".to_owned(), groups);
    }
    context
}

/// `phraseDetection`
fn detection(options: &Options, language: &str) -> Map<String, Value> {
    let mut detection = Map::new();
    let mut put = |name: &str, value: Value| detection.insert(name.to_owned(), value);
    if options.languages.is_empty() {
        put("language", language.into());
    } else {
        put("onSuccess", json!({ "action": "None" }));
        put("onInterim", json!({ "action": "None" }));
    }
    if options.family == Family::Region || options.segmentation != Segmentation::Default {
        put("mode", options.mode.word().into());
    }
    if let Some(word) = options.profanity.word() {
        put("enrichment", json!({ "profanity": word }));
    }
    if options.initial_silence_ms > 0 {
        put("initialSilenceTimeout", options.initial_silence_ms.into());
    }
    if options.end_silence_ms > 0 {
        put("trailingSilenceTimeout", options.end_silence_ms.into());
    }
    match options.segmentation {
        Segmentation::Default => {}
        Segmentation::Semantic => {
            put(options.mode.word(), json!({ "segmentation": { "mode": "Semantic" } }));
        }
        Segmentation::Silence => {
            let mut segmentation = json!({ "mode": "Custom", "segmentationSilenceTimeoutMs": options.segmentation_silence_ms });
            if options.segmentation_max_ms > 0 {
                segmentation["segmentationForcedTimeoutMs"] = options.segmentation_max_ms.into();
            }
            put(options.mode.word(), json!({ "segmentation": segmentation }));
        }
    }
    detection
}

/// `phraseOutput`
fn output(options: &Options) -> Map<String, Value> {
    let mut output = Map::new();
    let mut interim = Map::new();
    if options.stable_after > 0 {
        interim.insert("stableThreshold".to_owned(), options.stable_after.into());
    }
    if !options.languages.is_empty() {
        interim.insert("resultType".to_owned(), "Auto".into());
        output.insert("phraseResults".to_owned(), json!({ "resultType": "Always" }));
    }
    if !interim.is_empty() {
        output.insert("interimResults".to_owned(), interim.into());
    }
    if options.output == Output::Detailed {
        output.insert("format".to_owned(), "Detailed".into());
        if options.word_times {
            output.insert("detailed".to_owned(), json!({ "options": ["WordTimings", "WordConfidence"] }));
        }
    }
    output
}
