//! Both interfaces' messages, and what a stream's first message asks for.

use crate::google::call::Span;
use crate::{Coding, Format};
use prost::Message;

/// What a stream was opened with.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) format: Format,
    pub(super) language: String,
    pub(super) interim: bool,
    pub(super) voice_activity: bool,
    pub(super) single_utterance: bool,
    pub(super) word_times: bool,
    pub(super) word_confidence: bool,
    pub(super) start_timeout_ms: Option<u64>,
    pub(super) end_timeout_ms: Option<u64>,
}

/// Models of the captures, and those that the documentation names for streams.
#[rustfmt::skip]
const MODELS: [&str; 12] = [
    "", "default", "telephony", "telephony_short", "latest_long", "latest_short", "long", "short", "phone_call", "command_and_search", "chirp_2",
    "chirp_3",
];

#[derive(Clone, Copy, PartialEq, Message)]
pub(super) struct VoiceActivityTimeout {
    #[prost(message, optional, tag = "1")]
    start: Option<Span>,
    #[prost(message, optional, tag = "2")]
    end: Option<Span>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Recognition {
    #[prost(message, repeated, tag = "1")]
    pub(super) alternatives: Vec<Alternative>,
    #[prost(bool, tag = "2")]
    pub(super) is_final: bool,
    #[prost(float, tag = "3")]
    pub(super) stability: f32,
    #[prost(message, optional, tag = "4")]
    pub(super) end: Option<Span>,
    #[prost(string, tag = "6")]
    pub(super) language_code: String,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Alternative {
    #[prost(string, tag = "1")]
    pub(super) transcript: String,
    #[prost(float, tag = "2")]
    pub(super) confidence: f32,
    #[prost(message, repeated, tag = "3")]
    pub(super) words: Vec<WordInfo>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct WordInfo {
    #[prost(message, optional, tag = "1")]
    pub(super) start: Option<Span>,
    #[prost(message, optional, tag = "2")]
    pub(super) end: Option<Span>,
    #[prost(string, tag = "3")]
    pub(super) word: String,
    #[prost(float, tag = "4")]
    pub(super) confidence: f32,
}

fn format(coding: Option<Coding>, rate: i32) -> Result<Format, String> {
    let coding = coding.ok_or("Invalid recognition 'config': bad encoding.")?;
    let rate_hz = u32::try_from(rate).ok().filter(|rate| (8000..=48_000).contains(rate));
    Ok(Format { coding, rate_hz: rate_hz.ok_or("Invalid recognition 'config': bad sample rate hertz.")? })
}

fn timeouts(timeout: Option<VoiceActivityTimeout>, voice_activity: bool) -> Result<(Option<u64>, Option<u64>), String> {
    let Some(timeout) = timeout else { return Ok((None, None)) };
    if !voice_activity {
        return Err("voice_activity_timeout needs enable_voice_activity_events.".to_owned());
    }
    Ok((timeout.start.map(Span::ms), timeout.end.map(Span::ms)))
}

fn model(model: &str) -> Result<(), String> {
    MODELS.contains(&model).then_some(()).ok_or_else(|| format!("Incorrect model specified: {model}"))
}

fn language(code: &str) -> Result<String, String> {
    let known =
        code.len() >= 2 && code.split('-').all(|part| !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric()));
    known.then(|| code.to_owned()).ok_or_else(|| "Invalid recognition 'config': bad language code.".to_owned())
}

pub(super) mod v1 {
    use super::{Coding, Message, Plan, Recognition, Span, VoiceActivityTimeout, format, language, model, timeouts};

    /// Bytes of one audio message.
    const AUDIO_BYTES: usize = 25_600;

    #[derive(Clone, PartialEq, Message)]
    pub(in super::super) struct Request {
        #[prost(message, optional, tag = "1")]
        config: Option<Streaming>,
        #[prost(bytes = "vec", optional, tag = "2")]
        audio: Option<Vec<u8>>,
    }

    #[derive(Clone, PartialEq, Message)]
    pub(in super::super) struct Whole {
        #[prost(message, optional, tag = "1")]
        config: Option<Config>,
        #[prost(message, optional, tag = "2")]
        audio: Option<Content>,
    }

    #[derive(Clone, PartialEq, Message)]
    struct Content {
        #[prost(bytes = "vec", tag = "1")]
        content: Vec<u8>,
    }

    #[derive(Clone, PartialEq, Message)]
    pub(in super::super) struct WholeResponse {
        #[prost(message, repeated, tag = "2")]
        pub(in super::super) results: Vec<Recognition>,
        #[prost(message, optional, tag = "3")]
        pub(in super::super) total_billed_time: Option<Span>,
        #[prost(int64, tag = "8")]
        pub(in super::super) request_id: i64,
    }

    impl Whole {
        pub(in super::super) fn plan(self) -> Result<(Plan, Vec<u8>), String> {
            let content = self.audio.map(|audio| audio.content).unwrap_or_default();
            if content.is_empty() {
                return Err("RecognitionAudio not set.".to_owned());
            }
            let streaming = Streaming { config: self.config, ..Streaming::default() };
            Ok((Request { config: Some(streaming), audio: None }.plan()?, content))
        }
    }

    #[derive(Clone, PartialEq, Message)]
    struct Streaming {
        #[prost(message, optional, tag = "1")]
        config: Option<Config>,
        #[prost(bool, tag = "2")]
        single_utterance: bool,
        #[prost(bool, tag = "3")]
        interim: bool,
        #[prost(bool, tag = "5")]
        voice_activity: bool,
        #[prost(message, optional, tag = "6")]
        timeout: Option<VoiceActivityTimeout>,
    }

    #[derive(Clone, PartialEq, Message)]
    struct Config {
        #[prost(int32, tag = "1")]
        encoding: i32,
        #[prost(int32, tag = "2")]
        rate: i32,
        #[prost(string, tag = "3")]
        language: String,
        #[prost(int32, tag = "4")]
        max_alternatives: i32,
        #[prost(message, repeated, tag = "6")]
        contexts: Vec<Context>,
        #[prost(int32, tag = "7")]
        channels: i32,
        #[prost(bool, tag = "8")]
        word_times: bool,
        #[prost(string, tag = "13")]
        model: String,
        #[prost(bool, tag = "14")]
        enhanced: bool,
        #[prost(bool, tag = "15")]
        word_confidence: bool,
        #[prost(string, repeated, tag = "18")]
        alternative_languages: Vec<String>,
    }

    #[derive(Clone, PartialEq, Message)]
    struct Context {
        #[prost(string, repeated, tag = "1")]
        phrases: Vec<String>,
        #[prost(float, tag = "4")]
        boost: f32,
    }

    #[derive(Clone, PartialEq, Message)]
    pub(in super::super) struct Response {
        #[prost(message, repeated, tag = "2")]
        pub(in super::super) results: Vec<Recognition>,
        #[prost(int32, tag = "4")]
        pub(in super::super) speech_event_type: i32,
        #[prost(message, optional, tag = "5")]
        pub(in super::super) total_billed_time: Option<Span>,
        #[prost(message, optional, tag = "8")]
        pub(in super::super) speech_event_time: Option<Span>,
        #[prost(int64, tag = "10")]
        pub(in super::super) request_id: i64,
    }

    impl Request {
        pub(in super::super) fn plan(self) -> Result<Plan, String> {
            let streaming = self.config.ok_or("Malformed request: the first message must contain a streaming_config.")?;
            let config = streaming.config.ok_or("Malformed request: no recognition config.")?;
            let coding = match config.encoding {
                1 => Some(Coding::Pcm),
                3 => Some(Coding::Mulaw),
                _ => None,
            };
            model(&config.model)?;
            let is_single = match config.model.as_str() {
                "" | "command_and_search" => true,
                "phone_call" => config.enhanced,
                _ => false,
            };
            if streaming.single_utterance && !is_single {
                return Err("Invalid streaming_config: single_utterance can only be used with specified models.".to_owned());
            }
            if config.alternative_languages.len() > 3 || config.alternative_languages.iter().any(|code| language(code).is_err()) {
                return Err("Invalid recognition 'config': bad alternative language codes.".to_owned());
            }
            if !(0..=30).contains(&config.max_alternatives) || !(0..=1).contains(&config.channels) {
                return Err("Invalid recognition 'config': bad max_alternatives or audio_channel_count.".to_owned());
            }
            let long = |context: &Context| {
                context.phrases.iter().any(|phrase| phrase.len() > 100) || !(0.0..=20.0).contains(&context.boost)
            };
            if config.contexts.iter().any(long) {
                return Err("Invalid recognition 'config': bad speech_contexts.".to_owned());
            }
            let (start_timeout_ms, end_timeout_ms) = timeouts(streaming.timeout, streaming.voice_activity)?;
            Ok(Plan {
                format: format(coding, config.rate)?,
                language: language(&config.language)?,
                interim: streaming.interim,
                voice_activity: streaming.voice_activity,
                single_utterance: streaming.single_utterance,
                word_times: config.word_times,
                word_confidence: config.word_confidence,
                start_timeout_ms,
                end_timeout_ms,
            })
        }

        pub(in super::super) fn samples(self) -> Result<Vec<u8>, String> {
            if self.config.is_some() {
                return Err("Malformed request: the config comes once, first.".to_owned());
            }
            let audio = self.audio.filter(|audio| !audio.is_empty()).ok_or("Malformed request: no audio.")?;
            if audio.len() > AUDIO_BYTES {
                return Err("Request payload size exceeds the limit: 25600 bytes.".to_owned());
            }
            Ok(audio)
        }
    }

    impl Response {
        pub(in super::super) fn billed(ms: u64) -> Self {
            Self { total_billed_time: Some(Span::of_ms(ms.div_ceil(1000) * 1000)), ..Self::default() }
        }
    }
}

pub(super) mod v2 {
    use super::{Coding, Message, Plan, Recognition, Span, VoiceActivityTimeout, format, language, model, timeouts};

    /// Bytes of one audio message.
    const AUDIO_BYTES: usize = 15_360;

    #[derive(Clone, PartialEq, Message)]
    pub(in super::super) struct Request {
        #[prost(string, tag = "3")]
        recognizer: String,
        #[prost(message, optional, tag = "6")]
        config: Option<Streaming>,
        #[prost(bytes = "vec", optional, tag = "5")]
        audio: Option<Vec<u8>>,
    }

    #[derive(Clone, PartialEq, Message)]
    pub(in super::super) struct Whole {
        #[prost(message, optional, tag = "1")]
        config: Option<Config>,
        #[prost(string, tag = "3")]
        recognizer: String,
        #[prost(bytes = "vec", tag = "5")]
        content: Vec<u8>,
    }

    #[derive(Clone, PartialEq, Message)]
    pub(in super::super) struct WholeResponse {
        #[prost(message, repeated, tag = "3")]
        pub(in super::super) results: Vec<Recognition>,
    }

    impl Whole {
        pub(in super::super) fn plan(self) -> Result<(Plan, Vec<u8>), String> {
            let streaming = Streaming { config: self.config, features: None };
            let plan = Request { recognizer: self.recognizer, config: Some(streaming), audio: None }.plan()?;
            Ok((plan, self.content))
        }
    }

    #[derive(Clone, PartialEq, Message)]
    struct Streaming {
        #[prost(message, optional, tag = "1")]
        config: Option<Config>,
        #[prost(message, optional, tag = "2")]
        features: Option<StreamingFeatures>,
    }

    #[derive(Clone, PartialEq, Message)]
    struct Config {
        #[prost(message, optional, tag = "2")]
        features: Option<Features>,
        #[prost(message, optional, tag = "8")]
        decoding: Option<Decoding>,
        #[prost(string, tag = "9")]
        model: String,
        #[prost(string, repeated, tag = "10")]
        languages: Vec<String>,
    }

    #[derive(Clone, Copy, PartialEq, Message)]
    struct Features {
        #[prost(bool, tag = "2")]
        word_times: bool,
        #[prost(bool, tag = "3")]
        word_confidence: bool,
    }

    #[derive(Clone, Copy, PartialEq, Message)]
    struct Decoding {
        #[prost(int32, tag = "1")]
        encoding: i32,
        #[prost(int32, tag = "2")]
        rate: i32,
        #[prost(int32, tag = "3")]
        channels: i32,
    }

    #[derive(Clone, Copy, PartialEq, Message)]
    struct StreamingFeatures {
        #[prost(bool, tag = "1")]
        voice_activity: bool,
        #[prost(bool, tag = "2")]
        interim: bool,
        #[prost(message, optional, tag = "3")]
        timeout: Option<VoiceActivityTimeout>,
        #[prost(int32, tag = "8")]
        sensitivity: i32,
    }

    #[derive(Clone, PartialEq, Message)]
    pub(in super::super) struct Response {
        #[prost(int32, tag = "3")]
        pub(in super::super) speech_event_type: i32,
        #[prost(message, repeated, tag = "6")]
        pub(in super::super) results: Vec<Recognition>,
        #[prost(message, optional, tag = "7")]
        pub(in super::super) speech_event_offset: Option<Span>,
    }

    impl Request {
        pub(in super::super) fn plan(self) -> Result<Plan, String> {
            let parts: Vec<&str> = self.recognizer.split('/').collect();
            if !matches!(parts[..], ["projects", project, "locations", place, "recognizers", name]
                if ![project, place, name].contains(&""))
            {
                return Err("Invalid resource field value in the request: recognizer.".to_owned());
            }
            let streaming = self.config.ok_or("The first request must contain a streaming_config.")?;
            let config = streaming.config.ok_or("The recognizer has no configuration of its own.")?;
            let decoding = config.decoding.ok_or("Audio encoding must be given: auto-detection cannot be used for raw audio.")?;
            let coding = match decoding.encoding {
                1 => Some(Coding::Pcm),
                2 => Some(Coding::Mulaw),
                3 => Some(Coding::Alaw),
                _ => None,
            };
            model(&config.model)?;
            if decoding.channels != 1 {
                return Err("audio_channel_count must be 1.".to_owned());
            }
            let codes: Vec<String> = config.languages.iter().map(|code| language(code)).collect::<Result<_, _>>()?;
            let features = config.features.unwrap_or_default();
            let asked = streaming.features.unwrap_or_default();
            if !(0..=3).contains(&asked.sensitivity) {
                return Err("Invalid endpointing_sensitivity.".to_owned());
            }
            let (start_timeout_ms, end_timeout_ms) = timeouts(asked.timeout, asked.voice_activity)?;
            Ok(Plan {
                format: format(coding, decoding.rate)?,
                language: codes.into_iter().next().ok_or("language_codes must not be empty.")?,
                interim: asked.interim,
                voice_activity: asked.voice_activity,
                single_utterance: false,
                word_times: features.word_times,
                word_confidence: features.word_confidence,
                start_timeout_ms,
                end_timeout_ms,
            })
        }

        pub(in super::super) fn samples(self) -> Result<Vec<u8>, String> {
            if self.config.is_some() {
                return Err("The streaming_config comes once, first.".to_owned());
            }
            let audio = self.audio.filter(|audio| !audio.is_empty()).ok_or("A request without audio.")?;
            if audio.len() > AUDIO_BYTES {
                return Err("Audio chunk can be of a a maximum of 15360 bytes.".to_owned());
            }
            Ok(audio)
        }
    }
}
