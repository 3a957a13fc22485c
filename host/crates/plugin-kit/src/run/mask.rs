//! Masks: one line in, one line out, in order, one masker per conversation.

use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::HashMap;
use vg_plugin_host::api::{MaskSettings, Masked, Segment, SpanKind, TextSource};
use vg_plugin_host::{MaskInstance, Plugin, SessionError};

/// Conversations that are remembered; the kit is no server.
const CONVERSATIONS: usize = 10_000;

/// One segment of a conversation, as it is read.
#[derive(Clone, Deserialize)]
pub struct MaskLine {
    /// Comes back with the answer.
    pub id: Value,
    /// The words.
    pub text: String,
    /// BCP 47 tag; counts in the first line of a conversation.
    #[serde(default)]
    pub lang: String,
    /// `caller`, `agent` or `dtmf`.
    #[serde(default = "caller")]
    pub source: String,
    /// Segments of one conversation are one masker's.
    #[serde(default)]
    pub conversation: Value,
    /// The text may still change.
    #[serde(default)]
    pub partial: bool,
    /// What is to be masked; everything where nothing is said. Counts in the first line of a conversation.
    pub policy: Option<Vec<String>>,
}

/// A plugin that masks, and the conversations it is in.
pub struct Masking<'a> {
    plugin: &'a Plugin,
    maskers: HashMap<String, MaskInstance>,
    /// The last fault, for the exit code.
    pub fell: Option<SessionError>,
    /// Lines that were none.
    pub bad_lines: usize,
}

fn caller() -> String {
    "caller".to_owned()
}

/// Everything that can be masked.
pub fn mask_kinds() -> Vec<SpanKind> {
    vec![SpanKind::CardNumber, SpanKind::SecurityCode, SpanKind::ExpiryDate, SpanKind::DocumentNumber]
}

impl<'a> Masking<'a> {
    /// Nobody has spoken yet.
    pub fn new(plugin: &'a Plugin) -> Self {
        Self { plugin, maskers: HashMap::new(), fell: None, bad_lines: 0 }
    }

    /// The answer to one line: `{id, text, spans, hold?}`, offsets in code points of the text that came in. Where something is
    /// wrong the answer has an `error` and no text: what was not masked is not shown.
    pub fn answer(&mut self, line: &str) -> Value {
        let parsed = serde_json::from_str::<MaskLine>(line).map_err(|error| error.to_string());
        let line = match parsed {
            Ok(line) => line,
            Err(error) => return self.bad(Value::Null, &error),
        };
        let Some(source) = source(&line.source) else {
            return self.bad(line.id, "source: one of caller, agent, dtmf");
        };
        let Some(kinds) = line.policy.as_deref().map_or_else(|| Some(mask_kinds()), kinds) else {
            return self.bad(line.id, "policy: card-number, security-code, expiry-date, document-number");
        };
        let settings = MaskSettings { languages: languages(&line.lang), kinds, last_four: false };
        let text = line.text.clone();
        let segment = Segment { text: line.text.into(), source, partial: line.partial };
        match self.mask(&line.conversation.to_string(), settings, segment) {
            Ok(masked) => shown(&line.id, &text, &masked),
            Err(error) => {
                let answer = json!({ "id": line.id, "text": "", "spans": [], "error": error.code() });
                self.fell = Some(error);
                answer
            }
        }
    }

    fn mask(&mut self, conversation: &str, settings: MaskSettings, segment: Segment) -> Result<Masked, SessionError> {
        if !self.maskers.contains_key(conversation) {
            if self.maskers.len() == CONVERSATIONS {
                return Err(SessionError::SessionLimit);
            }
            self.maskers.insert(conversation.to_owned(), self.plugin.instantiate_mask(settings)?);
        }
        let masker = self.maskers.get_mut(conversation).ok_or(SessionError::Dead)?;
        let masked = masker.mask(segment);
        if masked.is_err() {
            // The next segment gets a fresh one, as in the gateway.
            self.maskers.remove(conversation);
        }
        masked
    }

    fn bad(&mut self, id: Value, why: &str) -> Value {
        self.bad_lines += 1;
        json!({ "id": id, "error": "bad-line", "detail": why })
    }
}

fn languages(tag: &str) -> Vec<String> {
    if tag.is_empty() { Vec::new() } else { vec![tag.to_owned()] }
}

fn source(name: &str) -> Option<TextSource> {
    match name {
        "caller" => Some(TextSource::Caller),
        "agent" => Some(TextSource::Agent),
        "dtmf" => Some(TextSource::Dtmf),
        _ => None,
    }
}

fn kinds(names: &[String]) -> Option<Vec<SpanKind>> {
    names.iter().map(|name| mask_kinds().into_iter().find(|kind| kind.as_str() == name)).collect()
}

fn shown(id: &Value, text: &str, masked: &Masked) -> Value {
    let points = |byte: u32| text.get(..byte as usize).map_or(0, |before| before.chars().count());
    let span = |span: &vg_plugin_host::api::MaskSpan| json!({ "start": points(span.start), "end": points(span.end), "kind": span.kind.as_str() });
    let spans: Vec<Value> = masked.spans.iter().map(span).collect();
    let mut answer = json!({ "id": id, "text": masked.text, "spans": spans });
    if masked.hold {
        answer["hold"] = json!(true);
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;
    use vg_plugin_host::api::MaskSpan;

    #[test]
    fn offsets_are_code_points_of_the_text_that_came_in() {
        let spans = vec![MaskSpan { kind: SpanKind::CardNumber, start: 5, end: 7 }];
        let masked = Masked { text: "é ü **".into(), spans, hold: false };
        let answer = shown(&json!(4), "é ü42", &masked);
        assert_eq!(answer, json!({ "id": 4, "text": "é ü **", "spans": [{ "start": 3, "end": 5, "kind": "card-number" }] }));
    }

    #[test]
    fn a_line_says_what_is_masked_or_everything_is() {
        assert_eq!(kinds(&["card-number".into()]), Some(vec![SpanKind::CardNumber]));
        assert_eq!(kinds(&["card".into()]), None);
        assert_eq!(mask_kinds().len(), 4);
    }
}
