//! What is heard on one connection, and what is said of it.

use super::terms::{Form, Terms, Wrong};
use crate::{Ear, Heard, Sim, Utterance};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use std::sync::Arc;

pub(super) const DELTA: &str = "conversation.item.input_audio_transcription.delta";
pub(super) const COMPLETED: &str = "conversation.item.input_audio_transcription.completed";
/// The shortest stretch that may be cut.
const SHORTEST_MS: u64 = 100;
const APPEND_BYTES: usize = 15 << 20;

/// One session.
pub(super) struct Talk {
    sim: Arc<Sim>,
    form: Form,
    terms: Terms,
    ear: Ear,
    /// Milliseconds of sound that are in no item.
    uncut_ms: u64,
    /// Sound came, so that its format cannot change any more.
    begun: bool,
    /// What was heard in a stretch that the client has not cut yet.
    heard: Vec<Utterance>,
    /// The item that is being spoken, where the server cuts.
    speaking: Option<String>,
    items: u32,
    previous: Option<String>,
}

impl Talk {
    pub(super) fn new(sim: &Arc<Sim>, form: Form) -> Self {
        let terms = Terms::default();
        Self {
            sim: Arc::clone(sim),
            form,
            ear: sim.ear(terms.format, "en"),
            terms,
            uncut_ms: 0,
            begun: false,
            heard: vec![],
            speaking: None,
            items: 0,
            previous: None,
        }
    }

    /// The first message; also in the older form it is told so, as long as the session has not been changed.
    pub(super) fn created(&self) -> Value {
        json!({ "type": "session.created", "session": self.terms.shown(Form::Present) })
    }

    pub(super) fn told(&mut self, message: &Value) -> Result<Vec<Value>, Wrong> {
        match (message["type"].as_str().unwrap_or_default(), self.form) {
            ("session.update", Form::Present) => self.agree(&message["session"], "session.updated"),
            ("transcription_session.update", Form::Older) => self.agree(&message["session"], "transcription_session.updated"),
            ("input_audio_buffer.append", _) => self.append(&message["audio"]),
            ("input_audio_buffer.commit", _) => self.commit(),
            ("input_audio_buffer.clear", _) => {
                self.ear = self.new_ear();
                self.heard.clear();
                (self.uncut_ms, self.speaking) = (0, None);
                Ok(vec![json!({ "type": "input_audio_buffer.cleared" })])
            }
            (other, _) => Err(Wrong::new("type", "invalid_value", &format!("Invalid value: '{other}'."))),
        }
    }

    fn agree(&mut self, session: &Value, kind: &str) -> Result<Vec<Value>, Wrong> {
        let terms = Terms::read(session, self.form)?;
        if self.begun && terms.format != self.terms.format {
            return Err(Wrong::new(
                "session.audio.input.format",
                "invalid_value",
                "The format cannot change once there is audio.",
            ));
        }
        self.terms = terms;
        if !self.begun {
            self.ear = self.new_ear();
        }
        Ok(vec![json!({ "type": kind, "session": self.terms.shown(self.form) })])
    }

    fn new_ear(&self) -> Ear {
        self.sim.ear(self.terms.format, self.terms.transcription["language"].as_str().unwrap_or("en"))
    }

    fn append(&mut self, audio: &Value) -> Result<Vec<Value>, Wrong> {
        let wrong = || Wrong::new("audio", "invalid_value", "Invalid 'audio'. Expected base64-encoded audio bytes.");
        let audio = audio.as_str().and_then(|audio| STANDARD.decode(audio).ok()).ok_or_else(wrong)?;
        if audio.is_empty() || audio.len() > APPEND_BYTES {
            return Err(wrong());
        }
        self.begun = true;
        self.uncut_ms += self.terms.format.ms(audio.len());
        let heard = self.ear.hear(&audio);
        let mut said = Vec::new();
        for heard in heard {
            match (heard, self.terms.turns.is_null()) {
                (Heard::Final(words), true) => self.heard.push(words),
                (_, true) | (Heard::Partial(_), false) => {}
                (Heard::Started(ms), false) => {
                    let item = self.new_item();
                    said.push(json!({ "type": "input_audio_buffer.speech_started", "audio_start_ms": ms, "item_id": item }));
                    self.speaking = Some(item);
                }
                (Heard::Final(words), false) => self.heard.push(words),
                (Heard::Ended(ms), false) => {
                    let item = self.speaking.take().unwrap_or_else(|| self.new_item());
                    said.push(json!({ "type": "input_audio_buffer.speech_stopped", "audio_end_ms": ms, "item_id": item }));
                    said.extend(self.cut(item));
                }
            }
        }
        Ok(said)
    }

    fn commit(&mut self) -> Result<Vec<Value>, Wrong> {
        if self.uncut_ms < SHORTEST_MS {
            let message = format!(
                "Error committing input audio buffer: buffer too small. Expected at least 100ms of audio, but buffer only has {}ms.",
                self.uncut_ms
            );
            return Err(Wrong::new("", "input_audio_buffer_commit_empty", &message));
        }
        let last = self.ear.finalize();
        self.heard.extend(last.into_iter().filter_map(|heard| if let Heard::Final(words) = heard { Some(words) } else { None }));
        let item = self.speaking.take().unwrap_or_else(|| self.new_item());
        Ok(self.cut(item))
    }

    /// What was heard becomes an item.
    fn cut(&mut self, item: String) -> Vec<Value> {
        self.uncut_ms = 0;
        let previous = self.previous.replace(item.clone());
        let whole = json!({
            "id": item, "type": "message", "status": "completed", "role": "user", "content": [{ "type": "input_audio", "transcript": null }],
        });
        let mut said = vec![json!({ "type": "input_audio_buffer.committed", "item_id": item, "previous_item_id": previous })];
        for kind in ["conversation.item.added", "conversation.item.done"] {
            said.push(json!({ "type": kind, "previous_item_id": previous, "item": whole }));
        }
        let words: Vec<String> = self.heard.drain(..).flat_map(|said| said.words).map(|word| word.text).collect();
        if self.terms.transcription.is_null() {
            return said;
        }
        if let Some(whose) = self.sim.trouble("openai-transcription-failed") {
            let error = match whose {
                0 => {
                    json!({ "type": "transcription_error", "code": "audio_unintelligible", "message": "Not understood.", "param": null })
                }
                _ => json!({ "type": "server_error", "code": "server_error", "message": "Transcription failed.", "param": null }),
            };
            let kind = "conversation.item.input_audio_transcription.failed";
            said.push(json!({ "type": kind, "item_id": item, "content_index": 0, "error": error }));
            return said;
        }
        for word in &words {
            let mut delta = json!({ "type": DELTA, "item_id": item, "content_index": 0, "delta": format!("{word} ") });
            if self.terms.logprobs() {
                delta["logprobs"] = json!([logprob(word)]);
            }
            said.push(delta);
        }
        let usage = super::super::usage(1000, words.len());
        let transcript = words.join(" ");
        let mut all = json!({ "type": COMPLETED, "item_id": item, "content_index": 0, "transcript": transcript, "usage": usage });
        if self.terms.logprobs() {
            all["logprobs"] = words.iter().map(|word| logprob(word)).collect();
        }
        said.push(all);
        said
    }

    fn new_item(&mut self) -> String {
        self.items += 1;
        format!("item_{:03}", self.items - 1)
    }
}

fn logprob(text: &str) -> Value {
    json!({ "token": text, "logprob": -0.01, "bytes": text.as_bytes() })
}
