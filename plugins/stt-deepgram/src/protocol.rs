//! Deepgram's words: the URL that opens a stream, what is sent over it, and what comes back
//! (<https://developers.deepgram.com/reference/speech-to-text/listen-streaming> and `listen-flux`).

use crate::options::{Api, Options};
use serde::Deserialize;
use vg_plugin_sdk::{AudioFormat, Encoding, Transcript, Word, json};
use vg_wire::query::Query;

/// Deepgram closes a stream on which nothing came for 10 s.
pub(crate) const KEEP_ALIVE: &str = r#"{"type":"KeepAlive"}"#;
/// What was heard so far is to be final.
pub(crate) const FINALIZE: &str = r#"{"type":"Finalize"}"#;
/// The same for Flux: the turn is over.
pub(crate) const FORCE_END_TURN: &str = r#"{"type":"ForceEndTurn"}"#;
/// No more audio: the rest, then the close.
pub(crate) const CLOSE_STREAM: &str = r#"{"type":"CloseStream"}"#;

const NOVA: &str = "wss://api.deepgram.com/v1/listen";
const FLUX: &str = "wss://api.deepgram.com/v2/listen";

/// Where the stream is opened, before the endpoint is replaced.
pub(crate) fn url(options: &Options, format: AudioFormat, language: &str) -> String {
    let encoding = match format.encoding {
        Encoding::PcmS16le => "linear16",
        Encoding::Mulaw => "mulaw",
        Encoding::Alaw => "alaw",
    };
    let mut query = Query::form();
    match options.api {
        Api::Nova => {
            query.add("channels", "1");
            query.add("encoding", encoding);
            let endpointing = match options.endpointing_ms {
                0 => "false".to_owned(),
                ms => ms.to_string(),
            };
            query.add("endpointing", &endpointing);
            query.add("interim_results", "true");
            options.keyterms.iter().for_each(|term| query.add("keyterm", term));
            query.add("language", &language_code(language));
            flag(&mut query, "mip_opt_out", options.mip_opt_out);
            query.add("model", options.model.as_deref().unwrap_or("nova-3"));
            flag(&mut query, "numerals", options.numerals);
            flag(&mut query, "profanity_filter", options.profanity_filter);
            query.add("punctuate", if options.punctuate { "true" } else { "false" });
            query.add("sample_rate", &format.rate_hz.to_string());
            flag(&mut query, "smart_format", options.smart_format);
            number(&mut query, "utterance_end_ms", options.utterance_end_ms);
            query.add("vad_events", "true");
            format!("{NOVA}?{}", query.as_str())
        }
        Api::Flux => {
            query.add("model", flux_model(options));
            query.add("encoding", encoding);
            query.add("sample_rate", &format.rate_hz.to_string());
            number(&mut query, "eager_eot_threshold", options.eager_eot_threshold);
            number(&mut query, "eot_threshold", options.eot_threshold);
            number(&mut query, "eot_timeout_ms", options.eot_timeout_ms);
            options.keyterms.iter().for_each(|term| query.add("keyterm", term));
            flag(&mut query, "mip_opt_out", options.mip_opt_out);
            if flux_model(options).ends_with(MULTILINGUAL) && language != "multi" {
                query.add("language_hint", base(language));
            }
            format!("{FLUX}?{}", query.as_str())
        }
    }
}

/// Ends the names of Flux's models that hear more than English, and takes hints.
const MULTILINGUAL: &str = "-multi";
/// The regions that Nova tells apart (<https://developers.deepgram.com/docs/models-languages-overview>).
const REGIONS: [&str; 10] = ["en-US", "en-GB", "en-AU", "en-IN", "en-NZ", "pt-BR", "pt-PT", "fr-CA", "de-CH", "nl-BE"];

/// Nova's code for a call's language: Latin American Spanish is one for all countries.
fn language_code(language: &str) -> String {
    if let Some(known) = REGIONS.iter().find(|known| known.eq_ignore_ascii_case(language)) {
        return (*known).to_owned();
    }
    match language.split_once('-') {
        Some(("es", region)) if !region.eq_ignore_ascii_case("es") => "es-419".to_owned(),
        _ => base(language).to_owned(),
    }
}

/// Whether the model can be given a call in this language.
pub(crate) fn flux_hears(options: &Options, language: &str) -> bool {
    !flux_model(options).ends_with("-en") || base(language) == "en"
}

fn flux_model(options: &Options) -> &str {
    options.model.as_deref().unwrap_or("flux-general-en")
}

fn base(language: &str) -> &str {
    language.split('-').next().unwrap_or(language)
}

fn flag(query: &mut Query, name: &str, on: bool) {
    if on {
        query.add(name, "true");
    }
}

fn number(query: &mut Query, name: &str, number: Option<impl ToString>) {
    if let Some(number) = number {
        query.add(name, &number.to_string());
    }
}

/// A message of Deepgram.
#[derive(Debug, Deserialize)]
#[serde(tag = "type")]
pub(crate) enum Message {
    Results(Results),
    SpeechStarted {
        timestamp: f64,
    },
    UtteranceEnd {
        last_word_end: f64,
    },
    Metadata {
        duration: Option<f64>,
    },
    Connected,
    TurnInfo(TurnInfo),
    Error(Trouble),
    #[serde(other)]
    Other,
}

/// Nova: a piece of the transcript. Finals follow each other without a gap.
#[derive(Debug, Deserialize)]
pub(crate) struct Results {
    start: f64,
    duration: f64,
    #[serde(default)]
    pub(crate) is_final: bool,
    #[serde(default)]
    pub(crate) speech_final: bool,
    #[serde(default)]
    pub(crate) from_finalize: bool,
    channel: Channel,
}

#[derive(Debug, Deserialize)]
struct Channel {
    #[serde(default)]
    alternatives: Vec<Alternative>,
}

#[derive(Debug, Deserialize)]
struct Alternative {
    transcript: String,
    confidence: Option<f32>,
    #[serde(default)]
    words: Vec<NovaWord>,
}

#[derive(Debug, Deserialize)]
struct NovaWord {
    word: String,
    punctuated_word: Option<String>,
    start: f64,
    end: f64,
    confidence: Option<f32>,
}

/// Flux: what is known of a turn.
#[derive(Debug, Deserialize)]
pub(crate) struct TurnInfo {
    pub(crate) event: TurnEvent,
    pub(crate) turn_index: u64,
    audio_window_start: f64,
    audio_window_end: f64,
    transcript: String,
    end_of_turn_confidence: Option<f32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub(crate) enum TurnEvent {
    StartOfTurn,
    Update,
    EagerEndOfTurn,
    TurnResumed,
    EndOfTurn,
    #[serde(other)]
    Other,
}

/// What went wrong; `description` and `message` are free text and are not read.
#[derive(Debug, Deserialize)]
pub(crate) struct Trouble {
    pub(crate) code: Option<String>,
    pub(crate) variant: Option<String>,
}

impl Message {
    /// Reads a text message; what is no message of Deepgram's is an error.
    pub(crate) fn read(text: &str) -> Result<Self, json::Error> {
        json::from_str(text)
    }
}

impl Results {
    pub(crate) fn end_ms(&self) -> u64 {
        ms(self.start + self.duration)
    }

    /// None where nothing was said.
    pub(crate) fn transcript(&self) -> Option<Transcript> {
        let best = self.channel.alternatives.first().filter(|best| !best.transcript.trim().is_empty())?;
        let word = |word: &NovaWord| Word {
            text: word.punctuated_word.as_ref().unwrap_or(&word.word).clone(),
            start_ms: ms(word.start),
            end_ms: ms(word.end),
            confidence: word.confidence,
        };
        Some(Transcript {
            text: best.transcript.clone(),
            language: None,
            confidence: best.confidence,
            stability: self.is_final.then_some(1.0),
            start_ms: ms(self.start),
            end_ms: self.end_ms(),
            words: best.words.iter().map(word).collect(),
        })
    }
}

impl TurnInfo {
    pub(crate) fn start_ms(&self) -> u64 {
        ms(self.audio_window_start)
    }

    pub(crate) fn end_ms(&self) -> u64 {
        ms(self.audio_window_end)
    }

    /// None where nothing was said. An early end of turn is as stable as Flux is sure of it.
    pub(crate) fn transcript(&self) -> Option<Transcript> {
        let stability = match self.event {
            TurnEvent::EndOfTurn => Some(1.0),
            TurnEvent::EagerEndOfTurn => self.end_of_turn_confidence,
            _ => None,
        };
        (!self.transcript.trim().is_empty()).then(|| Transcript {
            text: self.transcript.clone(),
            language: None,
            confidence: None,
            stability,
            start_ms: self.start_ms(),
            end_ms: self.end_ms(),
            words: vec![],
        })
    }
}

/// Seconds of Deepgram as milliseconds; a place before the beginning is the beginning.
pub(crate) fn ms(seconds: f64) -> u64 {
    (seconds * 1000.0).round() as u64
}
