//! One turn: from its WAV header to `turn.end`.

use super::context::{Context, Mode};
use crate::azure::usp::{Gone, Line};
use crate::{Coding, Ear, Format, Heard, Moment, Utterance, Vendor, Word, recordings};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use vg_wire::wav;

const TICKS_PER_MS: u64 = 10_000;

/// A turn, and what was heard in it.
#[derive(Debug)]
pub(super) struct Turn {
    pub(super) request_id: String,
    tag: String,
    context: Context,
    ear: Option<Ear>,
    /// Anything was heard; phrases that were said.
    words: bool,
    phrases: u32,
    last_end_ms: u64,
}

/// Names a turn so that it is known of which connection's id it is.
fn tag(connection: &str, request_id: &str) -> String {
    format!("{}{}", half(connection), half(request_id))
}

/// Whether a turn of that name was one of this connection's id.
pub(super) fn is_tag_of(tag: &str, connection: &str) -> bool {
    tag.len() == 32 && tag.starts_with(&half(connection))
}

fn half(id: &str) -> String {
    let digest = Sha256::digest(id.to_ascii_lowercase());
    digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

impl Turn {
    pub(super) fn new(request_id: String, connection: &str, context: Context) -> Self {
        let tag = tag(connection, &request_id);
        Self { request_id, tag, context, ear: None, words: false, phrases: 0, last_end_ms: 0 }
    }

    pub(super) fn is_begun(&self) -> bool {
        self.ear.is_some()
    }

    /// The WAV header says how the sound is written.
    pub(super) async fn begin(&mut self, line: &mut Line, header: &[u8]) -> Result<(), Gone> {
        let Some(format) = format(header) else { return line.offended(1007, "the WAV header is none that is taken").await };
        let language = self.context.candidates.first().unwrap_or(&self.context.language);
        self.ear = Some(line.sim.ear(format, language));
        if line.sim.trouble("no-turn-start").is_none() {
            let body = json!({ "context": { "serviceTag": self.tag } });
            line.say(&self.request_id, "turn.start", &body).await?;
        }
        Ok(())
    }

    /// Whether the turn is over.
    pub(super) async fn hear(&mut self, line: &mut Line, samples: &[u8]) -> Result<bool, Gone> {
        let Some(ear) = &mut self.ear else { return Ok(false) };
        let heard = ear.hear(samples);
        let position_ms = ear.position_ms();
        for heard in heard {
            if self.say(line, heard).await? {
                return Ok(true);
            }
        }
        if !self.words && position_ms >= self.context.initial_silence_ms {
            // A place without a length, as the service tells silence.
            self.status(line, "InitialSilenceTimeout", position_ms, 0).await?;
            return self.over(line).await;
        }
        Ok(false)
    }

    /// The client has no more sound: everything is said, and the turn is over.
    pub(super) async fn end(&mut self, line: &mut Line) -> Result<bool, Gone> {
        let Some(ear) = &mut self.ear else { return Ok(false) };
        let heard = ear.finalize();
        let position_ms = ear.position_ms();
        for heard in heard {
            if self.say(line, heard).await? {
                return Ok(true);
            }
        }
        let ended = json!({ "Offset": self.last_end_ms * TICKS_PER_MS });
        line.say(&self.request_id, "speech.endDetected", &ended).await?;
        match self.context.mode {
            Mode::Interactive => self.status(line, "NoMatch", 0, position_ms).await?,
            Mode::Conversation | Mode::Dictation => self.status(line, "EndOfDictation", position_ms, 0).await?,
        }
        self.over(line).await
    }

    async fn over(&mut self, line: &mut Line) -> Result<bool, Gone> {
        if line.sim.trouble("no-turn-end").is_none() {
            line.say(&self.request_id, "turn.end", &json!({})).await?;
        }
        Ok(true)
    }

    async fn say(&mut self, line: &mut Line, heard: Heard) -> Result<bool, Gone> {
        match heard {
            Heard::Started(ms) if !std::mem::replace(&mut self.words, true) => {
                let body = json!({ "Offset": ms * TICKS_PER_MS });
                line.say(&self.request_id, "speech.startDetected", &body).await?;
            }
            Heard::Started(_) => {}
            Heard::Partial(said) => {
                let mut body = json!({ "Id": half(&said.text()).repeat(2), "Text": said.text(), "Channel": 0 });
                place(&mut body, said.start_ms(), said.end_ms());
                self.name_language(&mut body, &said);
                line.say(&self.request_id, "speech.hypothesis", &body).await?;
                if self.phrases > 0 && line.sim.trouble("turn-end-early").is_some() {
                    return self.over(line).await;
                }
            }
            Heard::Final(said) => {
                line.sim.wait(Vendor::Azure, Moment::Final).await;
                return self.phrase(line, &said).await;
            }
            Heard::Ended(ms) => self.last_end_ms = ms,
        }
        Ok(false)
    }

    async fn phrase(&mut self, line: &mut Line, said: &Utterance) -> Result<bool, Gone> {
        for status in ["TooManyRequests", "BadRequest", "Forbidden", "ServiceUnavailable", "Error", "NoMatch"] {
            if line.sim.trouble(&format!("status-{status}")).is_some() {
                self.status(line, status, said.start_ms(), said.end_ms() - said.start_ms()).await?;
                return Ok(false);
            }
        }
        self.phrases += 1;
        self.last_end_ms = said.end_ms();
        let early = line.sim.trouble("end-detected-early").is_some();
        if self.context.mode == Mode::Interactive || early {
            let ended = json!({ "Offset": self.last_end_ms * TICKS_PER_MS });
            line.say(&self.request_id, "speech.endDetected", &ended).await?;
        }
        let body = self.success(said);
        line.say(&self.request_id, "speech.phrase", &body).await?;
        if self.context.mode == Mode::Interactive { self.over(line).await } else { Ok(false) }
    }

    fn success(&self, said: &Utterance) -> Value {
        let lexical = said.text();
        let shown = display(&lexical);
        let mut body =
            json!({ "Id": half(&lexical).repeat(2), "RecognitionStatus": "Success", "Channel": 0, "DisplayText": shown });
        place(&mut body, said.start_ms(), said.end_ms());
        self.name_language(&mut body, said);
        if self.context.detailed {
            let mut best =
                json!({ "Confidence": 0.93, "Lexical": lexical, "ITN": lexical, "MaskedITN": lexical, "Display": shown });
            if self.context.word_times {
                best["Words"] = said.words.iter().map(|word| self.word(word)).collect();
            }
            body["NBest"] = json!([best]);
        }
        body
    }

    fn word(&self, word: &Word) -> Value {
        let mut shown = json!({ "Word": word.text });
        place(&mut shown, word.start_ms, word.end_ms);
        if self.context.word_confidence {
            shown["Confidence"] = json!(0.9);
        }
        shown
    }

    async fn status(&mut self, line: &mut Line, status: &str, offset_ms: u64, duration_ms: u64) -> Result<(), Gone> {
        let mut body = json!({ "Id": half(status).repeat(2), "RecognitionStatus": status, "Channel": 0, "DisplayText": "" });
        place(&mut body, offset_ms, offset_ms + duration_ms);
        line.say(&self.request_id, "speech.phrase", &body).await
    }

    /// The language of the recording that holds these words, if it was asked for.
    fn name_language(&self, body: &mut Value, said: &Utterance) {
        let Some(first) = self.context.candidates.first() else { return };
        let text = said.text();
        let known = recordings().iter().find(|recording| recording.texts().iter().any(|phrase| phrase.contains(&text)));
        let language = known.map(|recording| &recording.language).filter(|language| self.context.candidates.contains(language));
        body["PrimaryLanguage"] = json!({ "Language": language.unwrap_or(first), "Confidence": "High" });
    }
}

fn place(body: &mut Value, start_ms: u64, end_ms: u64) {
    body["Offset"] = json!(start_ms * TICKS_PER_MS);
    body["Duration"] = json!(end_ms.saturating_sub(start_ms) * TICKS_PER_MS);
}

/// With a capital and a full stop.
fn display(lexical: &str) -> String {
    let mut letters = lexical.chars();
    let first = letters.next().map(|letter| letter.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", letters.as_str())
}

/// 44 bytes and nothing else: `fmt ` behind the head, `data` behind that.
fn format(header: &[u8]) -> Option<Format> {
    if wav::data_offset(header)? != header.len() || header.get(12..16)? != b"fmt " {
        return None;
    }
    let two = |at: usize| header.get(at..at + 2).map(|bytes| u16::from_le_bytes([bytes[0], bytes[1]]));
    let rate_hz = u32::from_le_bytes(header.get(24..28)?.try_into().ok()?);
    let coding = match (two(20)?, two(34)?) {
        (1, 16) => Coding::Pcm,
        (6, 8) => Coding::Alaw,
        (7, 8) => Coding::Mulaw,
        _ => return None,
    };
    let taken = two(22)? == 1 && matches!(rate_hz, 8_000 | 16_000);
    taken.then_some(Format { coding, rate_hz })
}
