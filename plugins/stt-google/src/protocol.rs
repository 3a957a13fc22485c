//! Google's messages (`google/cloud/speech/{v1,v2}/cloud_speech.proto`): what a stream is opened with, what is sent over it, and what
//! comes back, the same for both interfaces.

mod ending;
mod v1;
mod v2;

pub(crate) use ending::{Ending, ending};

use crate::options::{Api, Options};
use prost::Message;
use vg_plugin_sdk::AudioFormat;
use vg_wire::grpc;

/// The most audio of one message (v2's limit is 15 KB; v1 takes more).
pub(crate) const MESSAGE_BYTES: usize = 12_800;
/// Longer messages do not come from Google.
pub(crate) const ANSWER_BYTES: u32 = 1 << 20;

/// Where a stream is opened, before the endpoint is replaced.
pub(crate) fn url(api: Api) -> &'static str {
    match api {
        Api::V1 => "https://speech.googleapis.com/google.cloud.speech.v1.Speech/StreamingRecognize",
        Api::V2 => "https://speech.googleapis.com/google.cloud.speech.v2.Speech/StreamingRecognize",
    }
}

/// A stream's first message, framed.
pub(crate) fn opening(options: &Options, format: AudioFormat, language: &str) -> Vec<u8> {
    grpc::frame(&match options.api {
        Api::V1 => v1::opening(options, format, language).encode_to_vec(),
        Api::V2 => v2::opening(options, format, language).encode_to_vec(),
    })
}

/// A message of audio, framed. The only one that is sent often: written without a detour.
pub(crate) fn audio(api: Api, samples: &[u8]) -> Vec<u8> {
    let tag = match api {
        // Fields 2 and 5, each of bytes.
        Api::V1 => 0x12,
        Api::V2 => 0x2a,
    };
    let length = 1 + prost::encoding::encoded_len_varint(samples.len() as u64) + samples.len();
    let mut framed = Vec::with_capacity(5 + length);
    // Not compressed.
    framed.push(0);
    framed.extend((length as u32).to_be_bytes());
    framed.push(tag);
    prost::encoding::encode_varint(samples.len() as u64, &mut framed);
    framed.extend_from_slice(samples);
    framed
}

/// What Google says, of either interface.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Answer {
    pub(crate) results: Vec<Recognition>,
    pub(crate) event: Option<Event>,
    /// Where the event lies in the stream.
    pub(crate) event_ms: u64,
    /// A code of `google.rpc.Code`; in a message only v1 has one.
    pub(crate) error: Option<u32>,
}

/// A speech event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// No more is heard on this stream.
    UtteranceEnded,
    SpeechBegan,
    SpeechEnded,
    TimedOut,
}

/// A message of Google.
pub(crate) fn read(api: Api, message: &[u8]) -> Result<Answer, prost::DecodeError> {
    match api {
        Api::V1 => v1::StreamingRecognizeResponse::decode(message).map(v1::StreamingRecognizeResponse::answer),
        Api::V2 => v2::StreamingRecognizeResponse::decode(message).map(v2::StreamingRecognizeResponse::answer),
    }
}

impl Event {
    fn of(number: i32) -> Option<Self> {
        match number {
            1 => Some(Self::UtteranceEnded),
            2 => Some(Self::SpeechBegan),
            3 => Some(Self::SpeechEnded),
            4 => Some(Self::TimedOut),
            _ => None,
        }
    }
}

/// `google.protobuf.Duration`
#[derive(Clone, Copy, PartialEq, Message)]
pub(crate) struct Duration {
    #[prost(int64, tag = "1")]
    seconds: i64,
    #[prost(int32, tag = "2")]
    nanos: i32,
}

impl Duration {
    fn of_ms(ms: u32) -> Self {
        Self { seconds: i64::from(ms / 1000), nanos: (ms % 1000) as i32 * 1_000_000 }
    }

    /// What lies before the beginning is the beginning.
    pub(crate) fn ms(self) -> u64 {
        self.seconds.saturating_mul(1000).saturating_add(i64::from(self.nanos) / 1_000_000).max(0).cast_unsigned()
    }
}

/// When a stream ends by itself.
#[derive(Clone, Copy, PartialEq, Message)]
struct VoiceActivityTimeout {
    #[prost(message, optional, tag = "1")]
    speech_start_timeout: Option<Duration>,
    #[prost(message, optional, tag = "2")]
    speech_end_timeout: Option<Duration>,
}

impl VoiceActivityTimeout {
    fn of(options: &Options) -> Option<Self> {
        let timeout = Self {
            speech_start_timeout: options.speech_start_timeout_ms.map(Duration::of_ms),
            speech_end_timeout: options.speech_end_timeout_ms.map(Duration::of_ms),
        };
        (timeout != Self::default()).then_some(timeout)
    }
}

/// `StreamingRecognitionResult`, whose numbers are those of both interfaces.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Recognition {
    #[prost(message, repeated, tag = "1")]
    alternatives: Vec<Alternative>,
    #[prost(bool, tag = "2")]
    pub(crate) is_final: bool,
    #[prost(float, tag = "3")]
    pub(crate) stability: f32,
    /// Since the stream's first sample.
    #[prost(message, optional, tag = "4")]
    pub(crate) end: Option<Duration>,
    #[prost(string, tag = "6")]
    pub(crate) language_code: String,
}

/// `SpeechRecognitionAlternative`
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Alternative {
    #[prost(string, tag = "1")]
    pub(crate) transcript: String,
    #[prost(float, tag = "2")]
    confidence: f32,
    #[prost(message, repeated, tag = "3")]
    pub(crate) words: Vec<WordInfo>,
}

/// `WordInfo`
#[derive(Clone, PartialEq, Message)]
pub(crate) struct WordInfo {
    #[prost(message, optional, tag = "1")]
    pub(crate) start: Option<Duration>,
    #[prost(message, optional, tag = "2")]
    pub(crate) end: Option<Duration>,
    #[prost(string, tag = "3")]
    pub(crate) word: String,
    #[prost(float, tag = "4")]
    confidence: f32,
}

impl Recognition {
    /// What is likeliest; none where nothing was said.
    pub(crate) fn best(&self) -> Option<&Alternative> {
        self.alternatives.first().filter(|best| !best.transcript.trim().is_empty())
    }
}

impl Alternative {
    /// Google writes 0 where it does not say.
    pub(crate) fn confidence(&self) -> Option<f32> {
        (self.confidence > 0.0).then_some(self.confidence)
    }
}

impl WordInfo {
    /// Google writes 0 where it does not say.
    pub(crate) fn confidence(&self) -> Option<f32> {
        (self.confidence > 0.0).then_some(self.confidence)
    }
}
