//! What Transcribe is asked for, and what it makes of sound.

use super::Refusal;
use crate::{Ear, Format, Heard, Sim, Utterance, Word, recordings};
use axum::http::HeaderMap;
use serde_json::{Value, json};
use url::form_urlencoded;

const PREFIX: &str = "x-amzn-transcribe-";
/// Of telephone calls; the service has more.
const LANGUAGES: [&str; 20] = [
    "en-US", "en-GB", "en-AU", "en-IN", "en-IE", "en-NZ", "en-ZA", "pt-BR", "pt-PT", "es-US", "es-ES", "fr-FR", "fr-CA", "de-DE",
    "it-IT", "nl-NL", "ja-JP", "ko-KR", "zh-CN", "hi-IN",
];
/// The longest piece of audio.
const PIECE_MS: u64 = 1_000;
/// Words of a partial that may still change.
const UNSTABLE: usize = 2;

/// Parameters by their names without the prefix of headers.
pub(super) struct Parameters(Vec<(String, String)>);

/// What is listened to, and how.
pub(super) struct Listener {
    ear: Ear,
    format: Format,
    /// Sounds like a telephone.
    is_narrow: bool,
    stabilizes: bool,
    /// Empty where the language is told.
    candidates: Vec<String>,
    results: u64,
}

impl Parameters {
    pub(super) fn of_headers(headers: &HeaderMap) -> Self {
        let own = |(name, value): (&axum::http::HeaderName, &axum::http::HeaderValue)| {
            Some((name.as_str().strip_prefix(PREFIX)?.to_owned(), value.to_str().ok()?.to_owned()))
        };
        Self(headers.iter().filter_map(own).collect())
    }

    pub(super) fn of_query(query: &str) -> Self {
        let pairs = form_urlencoded::parse(query.as_bytes()).into_owned();
        Self(pairs.filter(|(name, _)| !name.to_ascii_lowercase().starts_with("x-amz-")).collect())
    }

    /// As they are told back.
    pub(super) fn echoes(&self) -> impl Iterator<Item = (String, &str)> {
        self.0.iter().map(|(name, value)| (format!("{PREFIX}{name}"), value.as_str()))
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    /// `true` and `false`; the older Python client writes them large.
    fn is_on(&self, name: &str) -> Result<bool, Refusal> {
        match self.get(name).map(str::to_ascii_lowercase).as_deref() {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(bad(format!("{name} was not valid."))),
        }
    }

    fn one_of(&self, name: &str, known: &[&str]) -> Result<bool, Refusal> {
        match self.get(name) {
            None => Ok(false),
            Some(value) if known.contains(&value) => Ok(true),
            Some(_) => Err(bad(format!("{name} was not valid."))),
        }
    }

    /// The language, or those to choose from.
    fn languages(&self) -> Result<(String, Vec<String>), Refusal> {
        let (one, many) = (self.is_on("identify-language")?, self.is_on("identify-multiple-languages")?);
        let known = |language: &str| LANGUAGES.contains(&language);
        match (self.get("language-code"), one, many) {
            (Some(code), false, false) if known(code) => Ok((code.to_owned(), vec![])),
            (Some(_), false, false) => Err(bad("LanguageCode was not valid.")),
            (None, true, false) | (None, false, true) => {
                let options: Vec<String> =
                    self.get("language-options").unwrap_or_default().split(',').map(str::to_owned).collect();
                if options.len() < 2 || !options.iter().all(|option| known(option)) {
                    return Err(bad("LanguageOptions must include a minimum of two language codes."));
                }
                let preferred = self.get("preferred-language");
                match preferred {
                    Some(preferred) if !options.iter().any(|option| option == preferred) => {
                        Err(bad("PreferredLanguage must be in LanguageOptions."))
                    }
                    _ => Ok((preferred.unwrap_or(&options[0]).to_owned(), options)),
                }
            }
            _ => Err(bad("Exactly one of LanguageCode, IdentifyLanguage and IdentifyMultipleLanguages is needed.")),
        }
    }
}

fn bad(why: impl Into<String>) -> Refusal {
    Refusal::bad(
        "BadRequestException",
        format!("One or more arguments to the StartStreamTranscription was invalid. {}", why.into()),
    )
}

/// RFC 9562, however it was made.
fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

impl Listener {
    pub(super) fn new(sim: &Sim, asked: &Parameters) -> Result<Self, Refusal> {
        let (language, candidates) = asked.languages()?;
        let rate = asked.get("sample-rate").and_then(|rate| rate.parse().ok()).filter(|rate| (8_000..=48_000).contains(rate));
        let rate_hz = rate.ok_or_else(|| bad("SampleRate was not valid."))?;
        match asked.get("media-encoding") {
            Some("pcm") => {}
            Some("flac" | "ogg-opus") => return Err(bad("MediaEncoding is not simulated.")),
            _ => return Err(bad("MediaEncoding was not valid.")),
        }
        if asked.get("session-id").is_some_and(|id| !is_uuid(id)) {
            return Err(bad("SessionId must be a UUID."));
        }
        let stabilizes = asked.is_on("enable-partial-results-stabilization")?;
        if asked.one_of("partial-results-stability", &["low", "medium", "high"])? && !stabilizes {
            return Err(bad("PartialResultsStability needs EnablePartialResultsStabilization."));
        }
        let filtered = asked.get("vocabulary-filter-name").or_else(|| asked.get("vocabulary-filter-names"));
        if asked.one_of("vocabulary-filter-method", &["mask", "remove", "tag"])? && filtered.is_none() {
            return Err(bad("VocabularyFilterMethod needs a VocabularyFilterName."));
        }
        let redacts = asked.one_of("content-redaction-type", &["PII"])?;
        let finds = asked.one_of("content-identification-type", &["PII"])?;
        if redacts && finds {
            return Err(bad("ContentRedactionType and ContentIdentificationType exclude each other."));
        }
        for name in ["show-speaker-label", "enable-channel-identification"] {
            asked.is_on(name)?;
        }
        let format = Format::pcm(rate_hz);
        let is_narrow = rate_hz == Format::MULAW.rate_hz;
        let ear = sim.ear(if is_narrow { Format::MULAW } else { format }, &language);
        Ok(Self { ear, format, is_narrow, stabilizes, candidates, results: 1 })
    }

    /// A piece of audio.
    ///
    /// # Errors
    /// Why the service does not take it.
    pub(super) fn hear(&mut self, pcm: &[u8]) -> Result<Vec<Value>, &'static str> {
        if !pcm.len().is_multiple_of(2) {
            return Err("Audio chunk is cut within a sample.");
        }
        if self.format.ms(pcm.len()) > PIECE_MS {
            return Err("Audio chunk is longer than a second.");
        }
        // Mu-law that was decoded for this service is known as what it was.
        let heard = match self.is_narrow {
            true => self.ear.hear(&Format::MULAW.write(&self.format.read(pcm), self.format.rate_hz)),
            false => self.ear.hear(pcm),
        };
        Ok(self.told(heard))
    }

    /// What is left at the end.
    pub(super) fn last(&mut self) -> Vec<Value> {
        let heard = self.ear.finalize();
        self.told(heard)
    }

    fn told(&mut self, heard: Vec<Heard>) -> Vec<Value> {
        let mut results = Vec::new();
        for heard in heard {
            match heard {
                Heard::Partial(said) => results.push(self.result(&said, true)),
                Heard::Final(said) => {
                    results.push(self.result(&said, false));
                    self.results += 1;
                }
                Heard::Started(_) | Heard::Ended(_) => {}
            }
        }
        results
    }

    fn result(&self, said: &Utterance, is_partial: bool) -> Value {
        let settled = if is_partial { said.words.len().saturating_sub(UNSTABLE) } else { said.words.len() };
        let item = |(nth, word): (usize, &Word)| {
            let mut item = json!({
                "Content": word.text, "StartTime": seconds(word.start_ms), "EndTime": seconds(word.end_ms), "Type": "pronunciation",
                "VocabularyFilterMatch": false,
            });
            if !is_partial {
                item["Confidence"] = json!(0.98);
            }
            if self.stabilizes {
                item["Stable"] = json!(nth < settled);
            }
            item
        };
        let mut items: Vec<Value> = said.words.iter().enumerate().map(item).collect();
        let mut text = capitalized(&said.text());
        let end = seconds(said.end_ms());
        if !is_partial {
            text.push('.');
            items.push(json!({ "Content": ".", "StartTime": end, "EndTime": end, "Type": "punctuation", "VocabularyFilterMatch": false }));
        }
        let mut result = json!({
            "ResultId": format!("b1f7c3e2-0000-4000-8000-{:012}", self.results), "StartTime": seconds(said.start_ms()), "EndTime": end,
            "IsPartial": is_partial, "ChannelId": "ch_0", "Alternatives": [{ "Transcript": text, "Items": items }],
        });
        if let Some(first) = self.candidates.first() {
            let language = spoken(said).filter(|language| self.candidates.contains(language)).unwrap_or_else(|| first.clone());
            result["LanguageIdentification"] = json!([{ "LanguageCode": language, "Score": 0.93 }]);
            result["LanguageCode"] = json!(language);
        }
        json!({ "Transcript": { "Results": [result] } })
    }
}

/// The language of the recording that has these words.
fn spoken(said: &Utterance) -> Option<String> {
    let has = |text: String| text.contains(&said.text());
    let found = recordings().iter().find(|recording| recording.texts().into_iter().any(has));
    found.map(|recording| recording.language.clone())
}

fn capitalized(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().collect::<String>() + letters.as_str()).unwrap_or_default()
}

fn seconds(ms: u64) -> f64 {
    ms as f64 / 1000.0
}
