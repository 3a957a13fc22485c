//! `google.cloud.speech.v2`

use super::{Answer, Duration, Event, Recognition, VoiceActivityTimeout};
use crate::options::{Endpointing, Options};
use prost::Message;
use vg_plugin_sdk::{AudioFormat, Encoding};

#[derive(Clone, PartialEq, Message)]
pub(super) struct StreamingRecognizeRequest {
    #[prost(string, tag = "3")]
    recognizer: String,
    #[prost(message, optional, tag = "6")]
    streaming_config: Option<StreamingRecognitionConfig>,
}

#[derive(Clone, PartialEq, Message)]
struct StreamingRecognitionConfig {
    #[prost(message, optional, tag = "1")]
    config: Option<RecognitionConfig>,
    #[prost(message, optional, tag = "2")]
    streaming_features: Option<StreamingRecognitionFeatures>,
}

#[derive(Clone, PartialEq, Message)]
struct RecognitionConfig {
    #[prost(message, optional, tag = "2")]
    features: Option<RecognitionFeatures>,
    #[prost(message, optional, tag = "6")]
    adaptation: Option<SpeechAdaptation>,
    #[prost(message, optional, tag = "8")]
    explicit_decoding_config: Option<ExplicitDecodingConfig>,
    #[prost(string, tag = "9")]
    model: String,
    #[prost(string, repeated, tag = "10")]
    language_codes: Vec<String>,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct RecognitionFeatures {
    #[prost(bool, tag = "1")]
    profanity_filter: bool,
    #[prost(bool, tag = "2")]
    enable_word_time_offsets: bool,
    #[prost(bool, tag = "3")]
    enable_word_confidence: bool,
    #[prost(bool, tag = "4")]
    enable_automatic_punctuation: bool,
    #[prost(int32, tag = "16")]
    max_alternatives: i32,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct ExplicitDecodingConfig {
    #[prost(int32, tag = "1")]
    encoding: i32,
    #[prost(int32, tag = "2")]
    sample_rate_hertz: i32,
    #[prost(int32, tag = "3")]
    audio_channel_count: i32,
}

#[derive(Clone, PartialEq, Message)]
struct SpeechAdaptation {
    #[prost(message, repeated, tag = "1")]
    phrase_sets: Vec<AdaptationPhraseSet>,
}

#[derive(Clone, PartialEq, Message)]
struct AdaptationPhraseSet {
    #[prost(message, optional, tag = "2")]
    inline_phrase_set: Option<PhraseSet>,
}

#[derive(Clone, PartialEq, Message)]
struct PhraseSet {
    #[prost(message, repeated, tag = "3")]
    phrases: Vec<Phrase>,
    #[prost(float, tag = "4")]
    boost: f32,
}

#[derive(Clone, PartialEq, Message)]
struct Phrase {
    #[prost(string, tag = "1")]
    value: String,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct StreamingRecognitionFeatures {
    #[prost(bool, tag = "1")]
    enable_voice_activity_events: bool,
    #[prost(bool, tag = "2")]
    interim_results: bool,
    #[prost(message, optional, tag = "3")]
    voice_activity_timeout: Option<VoiceActivityTimeout>,
    #[prost(int32, tag = "8")]
    endpointing_sensitivity: i32,
}

pub(super) fn opening(options: &Options, format: AudioFormat, language: &str) -> StreamingRecognizeRequest {
    let model = if format.rate_hz == 8000 { "telephony" } else { "long" };
    let features = RecognitionFeatures {
        profanity_filter: options.profanity_filter,
        enable_word_time_offsets: options.word_times,
        enable_word_confidence: options.word_times,
        enable_automatic_punctuation: options.punctuation,
        max_alternatives: 1,
    };
    let decoding = ExplicitDecodingConfig {
        encoding: match format.encoding {
            Encoding::PcmS16le => 1,
            Encoding::Mulaw => 2,
            Encoding::Alaw => 3,
        },
        sample_rate_hertz: format.rate_hz.cast_signed(),
        audio_channel_count: 1,
    };
    let config = RecognitionConfig {
        features: Some(features),
        adaptation: adaptation(options),
        explicit_decoding_config: Some(decoding),
        model: options.model.as_deref().unwrap_or(model).to_owned(),
        language_codes: std::iter::once(language.to_owned()).chain(options.alternative_languages.iter().cloned()).collect(),
    };
    let features = StreamingRecognitionFeatures {
        enable_voice_activity_events: options.voice_activity,
        interim_results: options.interim,
        voice_activity_timeout: VoiceActivityTimeout::of(options),
        endpointing_sensitivity: match options.endpointing {
            // What Google does where nothing is written.
            Endpointing::Standard => 0,
            Endpointing::Supershort => 2,
            Endpointing::Short => 3,
        },
    };
    let streaming = StreamingRecognitionConfig { config: Some(config), streaming_features: Some(features) };
    let project = options.project.as_deref().unwrap_or_default();
    StreamingRecognizeRequest {
        recognizer: format!("projects/{project}/locations/{}/recognizers/{}", options.location, options.recognizer),
        streaming_config: Some(streaming),
    }
}

fn adaptation(options: &Options) -> Option<SpeechAdaptation> {
    if options.phrases.is_empty() {
        return None;
    }
    let phrases = options.phrases.iter().map(|phrase| Phrase { value: phrase.clone() }).collect();
    let set = PhraseSet { phrases, boost: options.phrase_boost };
    Some(SpeechAdaptation { phrase_sets: vec![AdaptationPhraseSet { inline_phrase_set: Some(set) }] })
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct StreamingRecognizeResponse {
    #[prost(int32, tag = "3")]
    speech_event_type: i32,
    #[prost(message, repeated, tag = "6")]
    results: Vec<Recognition>,
    #[prost(message, optional, tag = "7")]
    speech_event_offset: Option<Duration>,
}

impl StreamingRecognizeResponse {
    pub(super) fn answer(self) -> Answer {
        Answer {
            results: self.results,
            event: Event::of(self.speech_event_type),
            event_ms: self.speech_event_offset.map_or(0, Duration::ms),
            error: None,
        }
    }
}
