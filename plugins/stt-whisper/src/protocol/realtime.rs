//! `/v1/realtime?intent=transcription`: what is said and heard on the WebSocket, in its present and its older form.

use super::{LogProbability, ORIGIN};
use crate::options::{NoiseReduction, Options, Protocol, Turns};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use std::borrow::Cow;
use vg_plugin_sdk::audio::{self, Whole};
use vg_plugin_sdk::json::{self, Value, json};
use vg_plugin_sdk::link::{self, LinkId, WebsocketOpen};
use vg_plugin_sdk::{AudioFormat, Encoding, Fault, FaultKind, SessionStart, options};
use vg_wire::query::Query;
use vg_wire::resample::Resampler;

/// Linear samples are of this rate, and no other.
const PCM_HZ: u32 = 24_000;
/// `event_id` of the message that sets the session up.
pub(crate) const SET_UP: &str = "set-up";

/// How one session asks.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    url: String,
    pub(crate) options: Options,
    set_up: String,
}

impl Plan {
    pub(crate) fn new(start: &SessionStart, options: Options) -> Result<Self, Fault> {
        let mut query = Query::new();
        if options.protocol == Protocol::Beta {
            query.add("model", options.model());
        }
        query.add("intent", "transcription");
        let url = format!("{ORIGIN}{}/realtime?{}", options.base_path, query.as_str()).replacen("https", "wss", 1);
        let url = options::endpoint(&start.options, &url)?;
        let set_up = match options.protocol {
            Protocol::Ga => set_up(&options, start),
            Protocol::Beta => set_up_beta(&options, start),
        };
        Ok(Self { url, options, set_up: set_up.to_string() })
    }

    pub(crate) fn open(&self, id: LinkId) -> WebsocketOpen {
        let mut open = link::websocket(id, self.url.clone());
        open.headers = self.options.headers();
        match self.options.protocol {
            Protocol::Ga => open,
            Protocol::Beta => open.header("openai-beta", "realtime=v1"),
        }
    }

    /// The first message.
    pub(crate) fn set_up(&self) -> &str {
        &self.set_up
    }
}

fn set_up(options: &Options, start: &SessionStart) -> Value {
    let format = match start.format.encoding {
        Encoding::Mulaw => json!({ "type": "audio/pcmu" }),
        Encoding::Alaw => json!({ "type": "audio/pcma" }),
        Encoding::PcmS16le => json!({ "type": "audio/pcm", "rate": PCM_HZ }),
    };
    let mut input = json!({ "format": format, "transcription": transcription(options, start), "turn_detection": turns(options) });
    if options.noise_reduction != NoiseReduction::None {
        input["noise_reduction"] = json!({ "type": options.noise_reduction });
    }
    let mut session = json!({ "type": "transcription", "audio": { "input": input } });
    if options.confidence {
        session["include"] = json!(["item.input_audio_transcription.logprobs"]);
    }
    json!({ "type": "session.update", "event_id": SET_UP, "session": session })
}

fn set_up_beta(options: &Options, start: &SessionStart) -> Value {
    let format = match start.format.encoding {
        Encoding::Mulaw => "g711_ulaw",
        Encoding::Alaw => "g711_alaw",
        Encoding::PcmS16le => "pcm16",
    };
    let mut session = json!({
        "input_audio_format": format, "input_audio_transcription": transcription(options, start), "turn_detection": turns(options),
    });
    if options.noise_reduction != NoiseReduction::None {
        session["input_audio_noise_reduction"] = json!({ "type": options.noise_reduction });
    }
    if options.confidence {
        session["include"] = json!(["item.input_audio_transcription.logprobs"]);
    }
    json!({ "type": "transcription_session.update", "event_id": SET_UP, "session": session })
}

fn transcription(options: &Options, start: &SessionStart) -> Value {
    let mut transcription = json!({ "model": options.model() });
    if let Some(language) = options.language(&start.language) {
        transcription["language"] = json!(language);
    }
    if !options.prompt.is_empty() {
        transcription["prompt"] = json!(options.prompt);
    }
    transcription
}

fn turns(options: &Options) -> Value {
    match options.turns {
        Turns::Host => Value::Null,
        Turns::ServerVad => json!({
            "type": "server_vad", "threshold": options.vad_threshold, "prefix_padding_ms": options.vad_prefix_ms,
            "silence_duration_ms": options.vad_silence_ms,
        }),
        Turns::SemanticVad => json!({ "type": "semantic_vad", "eagerness": options.eagerness }),
    }
}

/// The call's sound as the server takes it: the two telephone codes as they are, linear samples at 24 kHz.
#[derive(Debug)]
pub(crate) struct Voice {
    format: AudioFormat,
    whole: Whole,
    /// None where nothing is to be done.
    resampler: Option<Resampler>,
}

impl Voice {
    pub(crate) fn new(format: AudioFormat) -> Result<Self, Fault> {
        let resampled = format.encoding == Encoding::PcmS16le && format.rate_hz != PCM_HZ;
        let resampler = resampled.then(|| Resampler::new(format.rate_hz, PCM_HZ)).transpose();
        let resampler = resampler.map_err(|error| Fault::new(FaultKind::Unsupported, error.to_string()))?;
        Ok(Self { format, whole: Whole::default(), resampler })
    }

    /// The next samples of a stretch.
    pub(crate) fn wire(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.convert(bytes, false)
    }

    /// The last samples of a stretch.
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        self.convert(&[], true)
    }

    /// Bytes on the wire as milliseconds.
    pub(crate) fn wire_ms(&self, bytes: u64) -> u64 {
        let rate_hz = if self.resampler.is_some() { PCM_HZ } else { self.format.rate_hz };
        bytes * 1000 / (u64::from(rate_hz) * audio::sample_bytes(self.format.encoding) as u64).max(1)
    }

    /// Nothing to be heard, of that length.
    pub(crate) fn silence(&self, ms: u64) -> Vec<u8> {
        let rate_hz = if self.resampler.is_some() { PCM_HZ } else { self.format.rate_hz };
        let quiet = match self.format.encoding {
            Encoding::PcmS16le => 0,
            Encoding::Mulaw => 0xff,
            Encoding::Alaw => 0xd5,
        };
        vec![quiet; (ms * u64::from(rate_hz) / 1000) as usize * audio::sample_bytes(self.format.encoding)]
    }

    fn convert(&mut self, bytes: &[u8], last: bool) -> Vec<u8> {
        let Some(resampler) = &mut self.resampler else { return bytes.to_vec() };
        let bytes = self.whole.samples(Encoding::PcmS16le, bytes.to_vec());
        let (mut narrow, mut wide) = (Vec::with_capacity(bytes.len() / 2), Vec::new());
        audio::decode(Encoding::PcmS16le, &bytes, &mut narrow);
        resampler.push(&narrow, &mut wide);
        if last {
            resampler.finish(&mut wide);
        }
        let mut wire = Vec::with_capacity(2 * wide.len());
        audio::encode(Encoding::PcmS16le, &wide, &mut wire);
        wire
    }
}

/// More sound, as the server takes it.
pub(crate) fn append(wire: &[u8]) -> String {
    let mut message = String::with_capacity(wire.len() / 3 * 4 + 60);
    message.push_str(r#"{"type":"input_audio_buffer.append","audio":""#);
    STANDARD.encode_string(wire, &mut message);
    message.push_str("\"}");
    message
}

/// What was appended is a stretch of speech.
pub(crate) fn commit(event_id: &str) -> String {
    format!(r#"{{"type":"input_audio_buffer.commit","event_id":"{event_id}"}}"#)
}

/// What comes; fields that an event does not have are empty.
#[derive(Debug, Deserialize)]
pub(crate) struct Event<'a> {
    #[serde(borrow, default, rename = "type")]
    pub(crate) kind: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(crate) item_id: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) previous_item_id: Option<Cow<'a, str>>,
    #[serde(default)]
    pub(crate) audio_start_ms: u64,
    #[serde(default)]
    pub(crate) audio_end_ms: u64,
    #[serde(borrow, default)]
    pub(crate) delta: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(crate) transcript: Cow<'a, str>,
    pub(crate) logprobs: Option<Vec<LogProbability>>,
    pub(crate) error: Option<Value>,
}

impl<'a> Event<'a> {
    pub(crate) fn read(message: &'a str) -> Result<Self, Fault> {
        json::from_str(message).map_err(|_| Fault::new(FaultKind::Protocol, "a message of the vendor is no JSON of its protocol"))
    }
}
