//! What client and server agree on: the session, checked field by field as the vendor does.

use crate::{Coding, Format};
use serde_json::{Map, Value, json};

/// `gpt-realtime-whisper` takes no detection of turns.
const MODELS: [&str; 6] =
    ["gpt-live-transcribe", "gpt-realtime-whisper", "gpt-4o-transcribe", "gpt-4o-mini-transcribe", "gpt-transcribe", "whisper-1"];
const WITHOUT_TURNS: &str = "gpt-realtime-whisper";
const LOGPROBS: &str = "item.input_audio_transcription.logprobs";

pub(super) fn is_model(name: &str) -> bool {
    MODELS.contains(&name)
}

/// Of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Present,
    /// With `OpenAI-Beta: realtime=v1`.
    Older,
}

/// What a client must not do.
#[derive(Debug)]
pub(super) struct Wrong {
    pub(super) param: String,
    pub(super) code: &'static str,
    pub(super) message: String,
}

impl Wrong {
    pub(super) fn new(param: &str, code: &'static str, message: &str) -> Self {
        Self { param: param.to_owned(), code, message: message.to_owned() }
    }

    /// As the server says it. `of`: the client's `event_id`.
    pub(super) fn event(&self, of: &Value) -> Value {
        let param = (!self.param.is_empty()).then_some(&self.param);
        json!({ "type": "error", "error": {
            "type": "invalid_request_error", "code": self.code, "message": self.message, "param": param, "event_id": of,
        } })
    }
}

/// A session's terms.
#[derive(Clone, Debug)]
pub(super) struct Terms {
    pub(super) format: Format,
    /// Model, language, prompt; null where nothing is transcribed.
    pub(super) transcription: Value,
    /// Null where the client cuts.
    pub(super) turns: Value,
    noise_reduction: Value,
    include: Value,
}

impl Default for Terms {
    fn default() -> Self {
        Self {
            format: Format::pcm(24_000),
            transcription: Value::Null,
            turns: json!({ "type": "server_vad", "threshold": 0.5, "prefix_padding_ms": 300, "silence_duration_ms": 200 }),
            noise_reduction: Value::Null,
            include: Value::Null,
        }
    }
}

impl Terms {
    /// A session as a client wants it; what it does not say is as before a session begins.
    pub(super) fn read(session: &Value, form: Form) -> Result<Self, Wrong> {
        match form {
            Form::Present => Self::present(session),
            Form::Older => Self::older(session),
        }
    }

    fn present(session: &Value) -> Result<Self, Wrong> {
        let fields = object(session, "session")?;
        known(fields, "session", &["type", "audio", "include"])?;
        if session["type"] != "transcription" {
            return Err(Wrong::new(
                "session.type",
                "invalid_value",
                "A session of intent transcription has type 'transcription'.",
            ));
        }
        let mut terms = Self::default();
        let audio = object(&session["audio"], "session.audio")?;
        known(audio, "session.audio", &["input"])?;
        let at = "session.audio.input";
        let input = object(&session["audio"]["input"], at)?;
        known(input, at, &["format", "transcription", "turn_detection", "noise_reduction"])?;
        if let Some(format) = input.get("format") {
            terms.format = present_format(format).ok_or_else(|| invalid(&format!("{at}.format"), format))?;
        }
        terms.rest(input, at, "transcription", "noise_reduction")?;
        terms.included(session.get("include"))
    }

    fn older(session: &Value) -> Result<Self, Wrong> {
        let names =
            ["input_audio_format", "input_audio_transcription", "turn_detection", "input_audio_noise_reduction", "include"];
        let fields = object(session, "session")?;
        known(fields, "session", &names)?;
        let mut terms = Self::default();
        if let Some(format) = fields.get("input_audio_format") {
            terms.format = match format.as_str() {
                Some("pcm16") => Format::pcm(24_000),
                Some("g711_ulaw") => Format::MULAW,
                Some("g711_alaw") => Format::ALAW,
                _ => return Err(invalid("session.input_audio_format", format)),
            };
        }
        terms.rest(fields, "session", "input_audio_transcription", "input_audio_noise_reduction")?;
        terms.included(fields.get("include"))
    }

    fn rest(&mut self, fields: &Map<String, Value>, at: &str, transcription: &str, noise: &str) -> Result<(), Wrong> {
        if let Some(wanted) = fields.get(transcription).filter(|wanted| !wanted.is_null()) {
            let at = format!("{at}.{transcription}");
            known(object(wanted, &at)?, &at, &["model", "language", "prompt"])?;
            if !wanted["model"].as_str().is_some_and(is_model) {
                return Err(Wrong::new(&format!("{at}.model"), "model_not_found", "The model does not exist."));
            }
            let language = &wanted["language"];
            if !language.is_null() && language.as_str().is_none_or(|language| language.len() != 2) {
                return Err(invalid(&format!("{at}.language"), language));
            }
            self.transcription = wanted.clone();
        }
        if let Some(turns) = fields.get("turn_detection") {
            self.turns = turns_wanted(turns, &format!("{at}.turn_detection"))?;
        }
        if self.transcription["model"] == WITHOUT_TURNS && !self.turns.is_null() {
            let message = "turn_detection must be null with this model.";
            return Err(Wrong::new(&format!("{at}.turn_detection"), "invalid_value", message));
        }
        if let Some(wanted) = fields.get(noise).filter(|wanted| !wanted.is_null()) {
            if !["near_field", "far_field"].iter().any(|kind| wanted["type"] == *kind) {
                return Err(invalid(&format!("{at}.{noise}.type"), &wanted["type"]));
            }
            self.noise_reduction = wanted.clone();
        }
        Ok(())
    }

    fn included(mut self, include: Option<&Value>) -> Result<Self, Wrong> {
        match include {
            None => {}
            Some(Value::Array(names)) if names.iter().all(|name| name == LOGPROBS) => self.include = json!(names),
            Some(other) => return Err(invalid("session.include", other)),
        }
        Ok(self)
    }

    pub(super) fn logprobs(&self) -> bool {
        self.include.is_array()
    }

    /// As the server tells it.
    pub(super) fn shown(&self, form: Form) -> Value {
        let coding = self.format.coding;
        if form == Form::Older {
            let format = match coding {
                Coding::Pcm => "pcm16",
                Coding::Mulaw => "g711_ulaw",
                Coding::Alaw => "g711_alaw",
            };
            return json!({
                "id": "sess_fake", "object": "realtime.transcription_session", "input_audio_format": format,
                "input_audio_transcription": self.transcription, "turn_detection": self.turns,
            });
        }
        let format = match coding {
            Coding::Pcm => json!({ "type": "audio/pcm", "rate": 24_000 }),
            Coding::Mulaw => json!({ "type": "audio/pcmu" }),
            Coding::Alaw => json!({ "type": "audio/pcma" }),
        };
        json!({
            "type": "transcription", "object": "realtime.transcription_session", "id": "sess_fake", "expires_at": 1_795_370_000,
            "audio": { "input": {
                "format": format, "transcription": self.transcription, "noise_reduction": self.noise_reduction, "turn_detection": self.turns,
            } },
            "include": self.include,
        })
    }
}

fn present_format(format: &Value) -> Option<Format> {
    let fields = format.as_object()?;
    match (format["type"].as_str()?, fields.get("rate")) {
        ("audio/pcm", None) if fields.len() == 1 => Some(Format::pcm(24_000)),
        ("audio/pcm", Some(rate)) if fields.len() == 2 && rate == 24_000 => Some(Format::pcm(24_000)),
        ("audio/pcmu", None) if fields.len() == 1 => Some(Format::MULAW),
        ("audio/pcma", None) if fields.len() == 1 => Some(Format::ALAW),
        _ => None,
    }
}

fn turns_wanted(turns: &Value, at: &str) -> Result<Value, Wrong> {
    if turns.is_null() {
        return Ok(Value::Null);
    }
    let fields = object(turns, at)?;
    let within = |name: &str, low: f64, high: f64| match &turns[name] {
        Value::Null => Ok(()),
        value if value.as_f64().is_some_and(|value| (low..=high).contains(&value)) => Ok(()),
        value => Err(invalid(&format!("{at}.{name}"), value)),
    };
    match turns["type"].as_str() {
        Some("server_vad") => {
            known(
                fields,
                at,
                &["type", "threshold", "prefix_padding_ms", "silence_duration_ms", "create_response", "interrupt_response"],
            )?;
            within("threshold", 0.0, 1.0)?;
            within("prefix_padding_ms", 0.0, 60_000.0)?;
            within("silence_duration_ms", 0.0, 60_000.0)?;
        }
        Some("semantic_vad") => {
            known(fields, at, &["type", "eagerness", "create_response", "interrupt_response"])?;
            let eagerness = turns["eagerness"].as_str().unwrap_or("auto");
            if !["auto", "low", "medium", "high"].contains(&eagerness) {
                return Err(invalid(&format!("{at}.eagerness"), &turns["eagerness"]));
            }
        }
        _ => return Err(invalid(&format!("{at}.type"), &turns["type"])),
    }
    Ok(turns.clone())
}

fn object<'a>(value: &'a Value, at: &str) -> Result<&'a Map<String, Value>, Wrong> {
    value.as_object().ok_or_else(|| invalid(at, value))
}

fn known(fields: &Map<String, Value>, at: &str, names: &[&str]) -> Result<(), Wrong> {
    match fields.keys().find(|name| !names.contains(&name.as_str())) {
        Some(name) => Err(Wrong::new(&format!("{at}.{name}"), "unknown_parameter", "Unknown parameter.")),
        None => Ok(()),
    }
}

fn invalid(param: &str, value: &Value) -> Wrong {
    Wrong::new(param, "invalid_value", &format!("Invalid value: {value}."))
}
