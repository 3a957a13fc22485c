//! What a turn is asked to be: by the query, and by `speech.context`.

use serde_json::Value;
use std::collections::HashMap;

/// How long the vendor listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// To the first phrase.
    Interactive,
    Conversation,
    Dictation,
}

impl Mode {
    pub(super) fn read(word: &str) -> Option<Self> {
        match word.to_ascii_lowercase().as_str() {
            "interactive" => Some(Self::Interactive),
            "conversation" => Some(Self::Conversation),
            "dictation" => Some(Self::Dictation),
            _ => None,
        }
    }
}

/// A turn's wishes.
#[derive(Clone, Debug)]
pub(super) struct Context {
    pub(super) mode: Mode,
    pub(super) language: String,
    /// Languages to tell apart; empty where the language is known.
    pub(super) candidates: Vec<String>,
    pub(super) detailed: bool,
    pub(super) word_times: bool,
    pub(super) word_confidence: bool,
    pub(super) initial_silence_ms: u64,
    pub(super) previous_tag: Option<String>,
}

impl Context {
    /// What the query says.
    pub(super) fn asked(query: &HashMap<String, String>, mode: Option<Mode>) -> Self {
        let is = |name: &str, value: &str| query.get(name).is_some_and(|given| given.eq_ignore_ascii_case(value));
        let mode = mode.unwrap_or(Mode::Conversation);
        let candidates = query.get("lidEnabled").map(|list| list.split(',').map(str::to_owned).collect());
        Self {
            mode,
            language: query.get("language").cloned().unwrap_or_default(),
            candidates: candidates.unwrap_or_default(),
            detailed: is("format", "detailed"),
            word_times: is("wordLevelTimestamps", "true"),
            word_confidence: is("wordLevelConfidence", "true"),
            initial_silence_ms: query.get("initialSilenceTimeoutMs").and_then(|ms| ms.parse().ok()).unwrap_or(0),
            previous_tag: None,
        }
    }

    /// The same with what `speech.context` says, or what is wrong with that.
    pub(super) fn told(&self, body: &[u8]) -> Result<Self, &'static str> {
        let told: Value = serde_json::from_slice(body).map_err(|_| "speech.context is no JSON")?;
        let detection = told["phraseDetection"].as_object().ok_or("speech.context has no phraseDetection")?;
        let mut context = self.clone();
        if let Some(mode) = detection.get("mode") {
            context.mode = mode.as_str().and_then(Mode::read).ok_or("phraseDetection.mode is none")?;
        }
        if let Some(language) = detection.get("language").and_then(Value::as_str) {
            language.clone_into(&mut context.language);
        }
        if let Some(ms) = detection.get("initialSilenceTimeout") {
            context.initial_silence_ms = ms.as_u64().ok_or("phraseDetection.initialSilenceTimeout is no number")?;
        }
        segmentation(detection)?;
        phrases(&told["dgi"])?;
        if !told["languageId"].is_null() {
            let languages = told["languageId"]["languages"].as_array().ok_or("languageId has no languages")?;
            context.candidates = languages.iter().filter_map(Value::as_str).map(str::to_owned).collect();
        }
        if told["phraseOutput"]["format"] == "Detailed" {
            context.detailed = true;
        }
        let options = told["phraseOutput"]["detailed"]["options"].as_array().cloned().unwrap_or_default();
        context.word_times |= options.iter().any(|option| option == "WordTimings");
        context.word_confidence |= options.iter().any(|option| option == "WordConfidence");
        let goes_on = &told["continuation"];
        context.previous_tag = goes_on["previousServiceTag"].as_str().map(str::to_owned);
        let offset = goes_on["audio"]["streams"]["1"]["offset"].as_str();
        if offset.is_some_and(|offset| offset.parse::<u64>().is_err()) {
            return Err("continuation.audio.streams.1.offset is no number");
        }
        context.checked()
    }

    fn checked(mut self) -> Result<Self, &'static str> {
        let languages = if self.candidates.is_empty() { vec![self.language.clone()] } else { self.candidates.clone() };
        if languages.len() > 10 || languages.iter().any(|language| !is_language(language)) {
            return Err("no such language");
        }
        if self.initial_silence_ms == 0 {
            self.initial_silence_ms = if self.mode == Mode::Interactive { 5_000 } else { 15_000 };
        }
        Ok(self)
    }
}

/// Settings of the mode lie under its own name, which one client writes in capitals.
fn segmentation(detection: &serde_json::Map<String, Value>) -> Result<(), &'static str> {
    let of_modes = detection.iter().filter(|(name, _)| Mode::read(name).is_some());
    for settings in of_modes.map(|(_, settings)| &settings["segmentation"]) {
        let silence_ms = &settings["segmentationSilenceTimeoutMs"];
        match settings["mode"].as_str() {
            Some("Custom") if silence_ms.as_u64().is_none_or(|ms| (100..=5_000).contains(&ms)) => {}
            Some("Semantic" | "Default") | None => {}
            Some(_) => return Err("segmentation of that kind is none"),
        }
    }
    Ok(())
}

/// One client writes the names in capitals, the other does not.
fn phrases(dgi: &Value) -> Result<(), &'static str> {
    if dgi.is_null() {
        return Ok(());
    }
    let either = |value: &Value, capital: &str, small: &str| match value.get(capital) {
        Some(found) => found.clone(),
        None => value[small].clone(),
    };
    let groups = either(dgi, "Groups", "groups");
    for group in groups.as_array().ok_or("dgi has no groups")? {
        let items = either(group, "Items", "items");
        let items = items.as_array().ok_or("a group of dgi has no items")?;
        if items.iter().any(|item| !either(item, "Text", "text").is_string()) {
            return Err("an item of dgi has no text");
        }
    }
    Ok(())
}

fn is_language(tag: &str) -> bool {
    let parts: Vec<&str> = tag.split('-').collect();
    let letters =
        |part: &str, lengths: &[usize]| lengths.contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric());
    matches!(parts[..], [language, .., region] if letters(language, &[2, 3]) && letters(region, &[2, 3, 4]))
}
