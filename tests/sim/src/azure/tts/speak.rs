//! One turn: from `turn.start` to `turn.end`.

use super::{format, is_voice};
use crate::azure::usp::{Gone, Line};
use crate::{Format, Moment, Sim, Vendor, Voice};
use serde_json::{Value, json};

const TICKS_PER_MS: u64 = 10_000;
const MESSAGE_MS: u64 = 100;
/// What is named in `X-StreamId`.
const STREAM: &str = "2FE6B6BFD9814E24A0918D8B73901097";

/// What `synthesis.context` asks for.
#[derive(Clone, Debug)]
pub(super) struct Wishes {
    format: Format,
    words: bool,
    session_end: bool,
}

/// A turn, and what was said in it.
#[derive(Debug)]
pub(super) struct Turn {
    pub(super) request_id: String,
    /// What our messages name.
    named: String,
    wishes: Wishes,
    voice: Voice,
    begun: bool,
    /// Text in pieces that is not spoken yet.
    waiting: String,
    /// Bytes of sound so far.
    said: usize,
    /// Not a whole message yet.
    tail: Vec<u8>,
}

impl Wishes {
    /// `pieces`: the turn is one of v2.
    pub(super) fn read(body: &[u8], pieces: bool) -> Result<Self, &'static str> {
        let told: Value = serde_json::from_slice(body).map_err(|_| "synthesis.context is no JSON")?;
        let synthesis = &told["synthesis"];
        let format = synthesis["audio"]["outputFormat"].as_str().and_then(format).ok_or("outputFormat is none")?;
        // One client writes some of them as text.
        let flag = |name: &str| match &synthesis["audio"]["metadataOptions"][name] {
            Value::Bool(flag) => *flag,
            value => value == "true",
        };
        let input = &synthesis["input"];
        if pieces {
            if input["bidirectionalStreamingMode"] != true {
                return Err("v2 takes text in pieces only");
            }
            if !input["voiceName"].as_str().is_some_and(is_voice) {
                return Err("Unsupported voice");
            }
            let texts = ["pitch", "rate", "volume", "style", "temperature"];
            if texts.iter().any(|name| !input[name].is_null() && !input[name].is_string()) {
                return Err("a wish for the voice is no text");
            }
        } else if !input.is_null() {
            return Err("v1 takes no input in synthesis.context");
        }
        Ok(Self { format, words: flag("wordBoundaryEnabled"), session_end: flag("sessionEndEnabled") })
    }
}

impl Turn {
    pub(super) fn new(request_id: String, wishes: Wishes, sim: &Sim) -> Self {
        let voice = sim.voice(wishes.format);
        Self {
            named: request_id.clone(),
            request_id,
            wishes,
            voice,
            begun: false,
            waiting: String::new(),
            said: 0,
            tail: Vec::new(),
        }
    }

    pub(super) async fn begin(&mut self, line: &mut Line) -> Result<(), Gone> {
        if std::mem::replace(&mut self.begun, true) {
            return Ok(());
        }
        if line.sim.trouble("strange-turn").is_some() {
            self.named = "f".repeat(32);
        }
        if line.sim.trouble("no-turn-start").is_none() {
            line.say(&self.named, "turn.start", &json!({ "context": { "serviceTag": "00" } })).await?;
        }
        let body = json!({ "context": { "serviceTag": "00" }, "audio": { "type": "inline", "streamId": STREAM } });
        line.say(&self.named, "response", &body).await?;
        line.sim.wait(Vendor::Azure, Moment::FirstAudio).await;
        Ok(())
    }

    /// Text in pieces: what is certainly whole words is spoken.
    pub(super) async fn piece(&mut self, line: &mut Line, piece: &str) -> Result<(), Gone> {
        self.waiting.push_str(piece);
        match self.waiting.rfind(char::is_whitespace) {
            None => Ok(()),
            Some(at) => {
                let rest = self.waiting.split_off(at);
                let whole = std::mem::replace(&mut self.waiting, rest);
                self.speak(line, &whole).await
            }
        }
    }

    pub(super) async fn rest(&mut self, line: &mut Line) -> Result<(), Gone> {
        let rest = std::mem::take(&mut self.waiting);
        self.speak(line, &rest).await
    }

    pub(super) async fn speak(&mut self, line: &mut Line, text: &str) -> Result<(), Gone> {
        if line.sim.trouble("empty-audio").is_some() {
            return Ok(());
        }
        let speech = self.voice.speak(text);
        if self.wishes.words && !speech.words.is_empty() {
            let base_ms = self.wishes.format.ms(self.said);
            let entry = |word: &crate::Word| {
                let (offset, duration) = ((base_ms + word.start_ms) * TICKS_PER_MS, (word.end_ms - word.start_ms) * TICKS_PER_MS);
                json!({ "Type": "WordBoundary", "Data": { "Offset": offset, "Duration": duration,
                    "text": { "Text": word.text, "Length": word.text.chars().count(), "BoundaryType": "WordBoundary" } } })
            };
            let metadata: Vec<Value> = speech.words.iter().map(entry).collect();
            line.say(&self.named, "audio.metadata", &json!({ "Metadata": metadata })).await?;
        }
        self.said += speech.samples.len();
        self.tail.extend(speech.samples);
        let message = self.wishes.format.bytes(MESSAGE_MS);
        while self.tail.len() >= message {
            let rest = self.tail.split_off(message);
            let samples = std::mem::replace(&mut self.tail, rest);
            line.sound(&self.named, STREAM, &samples).await?;
        }
        Ok(())
    }

    /// The turn is over.
    pub(super) async fn end(&mut self, line: &mut Line) -> Result<bool, Gone> {
        if line.sim.trouble("half-sample").is_some() {
            self.tail.push(0);
        }
        if !self.tail.is_empty() {
            let tail = std::mem::take(&mut self.tail);
            line.sound(&self.named, STREAM, &tail).await?;
        }
        line.sound(&self.named, STREAM, &[]).await?;
        if self.wishes.session_end {
            let offset = self.wishes.format.ms(self.said) * TICKS_PER_MS;
            let entry = json!({ "Metadata": [{ "Type": "SessionEnd", "Data": { "Offset": offset } }] });
            line.say(&self.named, "audio.metadata", &entry).await?;
        }
        if line.sim.trouble("no-turn-end").is_none() {
            line.say(&self.named, "turn.end", &json!({})).await?;
        }
        Ok(true)
    }
}
