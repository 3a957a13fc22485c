//! `google.cloud.speech.v1`

use super::{Answer, Duration, Event, Recognition, VoiceActivityTimeout};
use crate::options::Options;
use prost::Message;
use vg_plugin_sdk::{AudioFormat, Encoding};

const LINEAR16: i32 = 1;
const MULAW: i32 = 3;

#[derive(Clone, PartialEq, Message)]
pub(super) struct StreamingRecognizeRequest {
    #[prost(message, optional, tag = "1")]
    streaming_config: Option<StreamingRecognitionConfig>,
}

#[derive(Clone, PartialEq, Message)]
struct StreamingRecognitionConfig {
    #[prost(message, optional, tag = "1")]
    config: Option<RecognitionConfig>,
    #[prost(bool, tag = "2")]
    single_utterance: bool,
    #[prost(bool, tag = "3")]
    interim_results: bool,
    #[prost(bool, tag = "5")]
    enable_voice_activity_events: bool,
    #[prost(message, optional, tag = "6")]
    voice_activity_timeout: Option<VoiceActivityTimeout>,
}

#[derive(Clone, PartialEq, Message)]
struct RecognitionConfig {
    #[prost(int32, tag = "1")]
    encoding: i32,
    #[prost(int32, tag = "2")]
    sample_rate_hertz: i32,
    #[prost(string, tag = "3")]
    language_code: String,
    #[prost(int32, tag = "4")]
    max_alternatives: i32,
    #[prost(bool, tag = "5")]
    profanity_filter: bool,
    #[prost(message, repeated, tag = "6")]
    speech_contexts: Vec<SpeechContext>,
    #[prost(bool, tag = "8")]
    enable_word_time_offsets: bool,
    #[prost(bool, tag = "11")]
    enable_automatic_punctuation: bool,
    #[prost(string, tag = "13")]
    model: String,
    #[prost(bool, tag = "14")]
    use_enhanced: bool,
    #[prost(bool, tag = "15")]
    enable_word_confidence: bool,
    #[prost(string, repeated, tag = "18")]
    alternative_language_codes: Vec<String>,
}

#[derive(Clone, PartialEq, Message)]
struct SpeechContext {
    #[prost(string, repeated, tag = "1")]
    phrases: Vec<String>,
    #[prost(float, tag = "4")]
    boost: f32,
}

/// A-law is not among v1's encodings: it is sent as linear samples.
pub(super) fn opening(options: &Options, format: AudioFormat, language: &str) -> StreamingRecognizeRequest {
    let model = match format.rate_hz {
        // With these two Google takes no single utterances: it chooses.
        _ if options.single_utterance => "",
        8_000 => "telephony",
        _ => "latest_long",
    };
    let context = SpeechContext { phrases: options.phrases.clone(), boost: options.phrase_boost };
    let config = RecognitionConfig {
        encoding: if format.encoding == Encoding::Mulaw { MULAW } else { LINEAR16 },
        sample_rate_hertz: format.rate_hz.cast_signed(),
        language_code: language.to_owned(),
        max_alternatives: 1,
        profanity_filter: options.profanity_filter,
        speech_contexts: if options.phrases.is_empty() { vec![] } else { vec![context] },
        enable_word_time_offsets: options.word_times,
        enable_automatic_punctuation: options.punctuation,
        model: options.model.as_deref().unwrap_or(model).to_owned(),
        use_enhanced: options.enhanced,
        enable_word_confidence: options.word_times,
        alternative_language_codes: options.alternative_languages.clone(),
    };
    let streaming = StreamingRecognitionConfig {
        config: Some(config),
        single_utterance: options.single_utterance,
        interim_results: options.interim,
        enable_voice_activity_events: options.voice_activity,
        voice_activity_timeout: VoiceActivityTimeout::of(options),
    };
    StreamingRecognizeRequest { streaming_config: Some(streaming) }
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct StreamingRecognizeResponse {
    #[prost(message, optional, tag = "1")]
    error: Option<Status>,
    #[prost(message, repeated, tag = "2")]
    results: Vec<Recognition>,
    #[prost(int32, tag = "4")]
    speech_event_type: i32,
    #[prost(message, optional, tag = "8")]
    speech_event_time: Option<Duration>,
}

/// `google.rpc.Status`, of which only the code is read.
#[derive(Clone, Copy, PartialEq, Message)]
struct Status {
    #[prost(int32, tag = "1")]
    code: i32,
}

impl StreamingRecognizeResponse {
    pub(super) fn answer(self) -> Answer {
        Answer {
            results: self.results,
            event: Event::of(self.speech_event_type),
            event_ms: self.speech_event_time.map_or(0, Duration::ms),
            error: self.error.map(|status| status.code.cast_unsigned()),
        }
    }
}
