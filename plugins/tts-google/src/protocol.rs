//! Google's words: what is asked, by gRPC and REST, and what the answers say
//! (`google/cloud/texttospeech/v1/cloud_tts.proto`).

mod refusal;
mod sound;

pub(crate) use refusal::{of_head, of_rest_body, of_status};
pub(crate) use sound::Sound;

use crate::options::{Auth, Form, Gender, Kind, Options};
use prost::Message;
use serde::Serialize;
use vg_plugin_sdk::{AudioFormat, Encoding, link::HttpOpen, link::LinkId};
use vg_wire::grpc;

/// Before the endpoint is replaced.
pub(crate) const ORIGIN: &str = "https://texttospeech.googleapis.com";
const STREAM: &str = "/google.cloud.texttospeech.v1.TextToSpeech/StreamingSynthesize";
const UNARY: &str = "/google.cloud.texttospeech.v1.TextToSpeech/SynthesizeSpeech";
const REST: &str = "/v1/text:synthesize";

/// Bytes of one text: Google refuses more.
pub(crate) const TEXT_BYTES: usize = 5000;

#[derive(Clone, PartialEq, Message)]
pub(crate) struct StreamingSynthesizeRequest {
    #[prost(message, optional, tag = "1")]
    pub(crate) streaming_config: Option<StreamingSynthesizeConfig>,
    #[prost(message, optional, tag = "2")]
    pub(crate) input: Option<StreamingSynthesisInput>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct StreamingSynthesizeConfig {
    #[prost(message, optional, tag = "1")]
    pub(crate) voice: Option<VoiceSelectionParams>,
    #[prost(message, optional, tag = "4")]
    pub(crate) streaming_audio_config: Option<StreamingAudioConfig>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct StreamingAudioConfig {
    #[prost(int32, tag = "1")]
    pub(crate) audio_encoding: i32,
    #[prost(int32, tag = "2")]
    pub(crate) sample_rate_hertz: i32,
    #[prost(double, tag = "3")]
    pub(crate) speaking_rate: f64,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct StreamingSynthesisInput {
    #[prost(string, optional, tag = "1")]
    pub(crate) text: Option<String>,
    #[prost(string, optional, tag = "5")]
    pub(crate) markup: Option<String>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct SynthesizeSpeechRequest {
    #[prost(message, optional, tag = "1")]
    pub(crate) input: Option<SynthesisInput>,
    #[prost(message, optional, tag = "2")]
    pub(crate) voice: Option<VoiceSelectionParams>,
    #[prost(message, optional, tag = "3")]
    pub(crate) audio_config: Option<AudioConfig>,
}

#[derive(Clone, PartialEq, Serialize, Message)]
pub(crate) struct SynthesisInput {
    #[prost(string, optional, tag = "1")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) text: Option<String>,
    #[prost(string, optional, tag = "2")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ssml: Option<String>,
    #[prost(string, optional, tag = "5")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) markup: Option<String>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct VoiceSelectionParams {
    #[prost(string, tag = "1")]
    pub(crate) language_code: String,
    #[prost(string, tag = "2")]
    pub(crate) name: String,
    #[prost(int32, tag = "3")]
    pub(crate) ssml_gender: i32,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct AudioConfig {
    #[prost(int32, tag = "1")]
    pub(crate) audio_encoding: i32,
    #[prost(double, tag = "2")]
    pub(crate) speaking_rate: f64,
    #[prost(double, tag = "3")]
    pub(crate) pitch: f64,
    #[prost(double, tag = "4")]
    pub(crate) volume_gain_db: f64,
    #[prost(int32, tag = "5")]
    pub(crate) sample_rate_hertz: i32,
    #[prost(string, repeated, tag = "6")]
    pub(crate) effects_profile_id: Vec<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RestRequest<'a> {
    input: &'a SynthesisInput,
    voice: RestVoice<'a>,
    audio_config: RestAudio<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RestVoice<'a> {
    language_code: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    ssml_gender: Option<&'static str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RestAudio<'a> {
    audio_encoding: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    speaking_rate: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pitch: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    volume_gain_db: Option<f64>,
    sample_rate_hertz: u32,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    effects_profile_id: &'a [String],
}

/// All that a session asks by, but the text.
#[derive(Clone, Debug)]
pub(crate) struct Asking {
    options: Options,
    format: AudioFormat,
    language: String,
    /// Empty where it is Google's choice.
    voice: String,
    origin: String,
}

impl Asking {
    /// `origin` is where Google, or what stands for it, is.
    pub(crate) fn new(options: Options, format: AudioFormat, language: &str, origin: String) -> Self {
        let voice = match (&options.voice, options.form) {
            (Some(voice), _) => voice.clone(),
            (None, Form::Stream) => format!("{}-Chirp3-HD-Charon", spoken_in(language)),
            (None, _) => String::new(),
        };
        // Google wants the voice's own language.
        let language = of_voice(&voice).unwrap_or_else(|| spoken_in(language)).to_owned();
        Self { options, format, language, voice, origin }
    }

    pub(crate) fn form(&self) -> Form {
        self.options.form
    }

    pub(crate) fn encoding(&self) -> Encoding {
        self.format.encoding
    }

    pub(crate) fn origin(&self) -> &str {
        &self.origin
    }

    /// A request whose texts follow, from the configuration on: [`texts`](Self::texts).
    pub(crate) fn stream(&self, id: LinkId) -> HttpOpen {
        self.grpc(id, STREAM).streaming()
    }

    /// What a stream begins with.
    pub(crate) fn stream_config(&self) -> Vec<u8> {
        let audio = StreamingAudioConfig {
            audio_encoding: self.audio_encoding(),
            sample_rate_hertz: self.format.rate_hz.cast_signed(),
            speaking_rate: self.options.speaking_rate.unwrap_or_default(),
        };
        let config = StreamingSynthesizeConfig { voice: Some(self.voice()), streaming_audio_config: Some(audio) };
        framed(&StreamingSynthesizeRequest { streaming_config: Some(config), input: None })
    }

    /// More text of a stream, in as many messages as Google's limit wants.
    pub(crate) fn texts(&self, text: &str) -> Vec<u8> {
        let input = |text: &str| match self.options.input {
            Kind::Markup => StreamingSynthesisInput { text: None, markup: Some(text.to_owned()) },
            Kind::Text | Kind::Ssml => StreamingSynthesisInput { text: Some(text.to_owned()), markup: None },
        };
        let message = |text| framed(&StreamingSynthesizeRequest { streaming_config: None, input: Some(input(text)) });
        pieces(text).into_iter().flat_map(message).collect()
    }

    /// The request for a whole text of at most [`TEXT_BYTES`].
    pub(crate) fn whole(&self, id: LinkId, text: &str) -> HttpOpen {
        let input = match self.options.input {
            Kind::Ssml if is_ssml(text) => SynthesisInput { text: None, ssml: Some(text.to_owned()), markup: None },
            Kind::Markup => SynthesisInput { text: None, ssml: None, markup: Some(text.to_owned()) },
            Kind::Text | Kind::Ssml => SynthesisInput { text: Some(text.to_owned()), ssml: None, markup: None },
        };
        if self.options.form == Form::Rest {
            let open = vg_plugin_sdk::link::http(id, "POST", format!("{}{REST}", self.origin));
            return self.authorized(open.header("content-type", "application/json")).body(self.rest(&input));
        }
        let audio_config = AudioConfig {
            audio_encoding: self.audio_encoding(),
            speaking_rate: self.options.speaking_rate.unwrap_or_default(),
            pitch: self.options.pitch.unwrap_or_default(),
            volume_gain_db: self.options.volume_gain_db.unwrap_or_default(),
            sample_rate_hertz: self.format.rate_hz.cast_signed(),
            effects_profile_id: self.options.effects_profile.clone(),
        };
        let request = SynthesizeSpeechRequest { input: Some(input), voice: Some(self.voice()), audio_config: Some(audio_config) };
        self.grpc(id, UNARY).body(framed(&request))
    }

    /// The texts of requests for one order, each within Google's limit. SSML is one document and not cut.
    pub(crate) fn orders<'a>(&self, text: &'a str) -> Vec<&'a str> {
        if self.options.input == Kind::Ssml && is_ssml(text) { vec![text] } else { pieces(text) }
    }

    fn rest(&self, input: &SynthesisInput) -> Vec<u8> {
        let gender = self.options.gender.map(|gender| match gender {
            Gender::Male => "MALE",
            Gender::Female => "FEMALE",
            Gender::Neutral => "NEUTRAL",
        });
        let request = RestRequest {
            input,
            voice: RestVoice { language_code: &self.language, name: &self.voice, ssml_gender: gender },
            audio_config: RestAudio {
                audio_encoding: match self.format.encoding {
                    Encoding::PcmS16le => "PCM",
                    Encoding::Mulaw => "MULAW",
                    Encoding::Alaw => "ALAW",
                },
                speaking_rate: self.options.speaking_rate,
                pitch: self.options.pitch,
                volume_gain_db: self.options.volume_gain_db,
                sample_rate_hertz: self.format.rate_hz,
                effects_profile_id: &self.options.effects_profile,
            },
        };
        // Strings and numbers always have a form in JSON.
        vg_plugin_sdk::json::to_vec(&request).unwrap_or_default()
    }

    /// `AudioEncoding`. PCM is linear without a header.
    fn audio_encoding(&self) -> i32 {
        match self.format.encoding {
            Encoding::Mulaw => 5,
            Encoding::Alaw => 6,
            Encoding::PcmS16le => 7,
        }
    }

    fn voice(&self) -> VoiceSelectionParams {
        let gender = match self.options.gender {
            None => 0,
            Some(Gender::Male) => 1,
            Some(Gender::Female) => 2,
            Some(Gender::Neutral) => 3,
        };
        VoiceSelectionParams { language_code: self.language.clone(), name: self.voice.clone(), ssml_gender: gender }
    }

    fn grpc(&self, id: LinkId, path: &str) -> HttpOpen {
        let open = vg_plugin_sdk::link::http(id, "POST", format!("{}{path}", self.origin)).http2();
        self.authorized(open.header("content-type", "application/grpc").header("te", "trailers"))
    }

    fn authorized(&self, open: HttpOpen) -> HttpOpen {
        let open = open.header("user-agent", concat!("serphona-voice-gateway/", env!("CARGO_PKG_VERSION")));
        let open = match self.options.auth {
            Auth::Key => open.header("x-goog-api-key", "{secret:api_key}"),
            Auth::Bearer => open.header("authorization", "Bearer {secret:api_key}"),
            Auth::ServiceAccount => open.header("authorization", "Bearer {secret:service_account}"),
            Auth::Oauth2 => open.header("authorization", "Bearer {secret:oauth2}"),
        };
        match &self.options.quota_project {
            Some(project) => open.header("x-goog-user-project", project),
            None => open,
        }
    }
}

fn framed(message: &impl Message) -> Vec<u8> {
    grpc::frame(&message.encode_to_vec())
}

/// Spanish of Latin America is spoken by the voices of `es-US`.
fn spoken_in(language: &str) -> &str {
    match language {
        "es-MX" | "es-419" | "es-AR" | "es-CO" | "es-CL" => "es-US",
        language => language,
    }
}

/// `pt-BR` of `pt-BR-Chirp3-HD-Aoede`.
fn of_voice(voice: &str) -> Option<&str> {
    let (at, _) = voice.match_indices('-').nth(1)?;
    let language = &voice[..at];
    let (tongue, region) = language.split_once('-')?;
    let fits = (2..=3).contains(&tongue.len()) && region.len() == 2 && region.bytes().all(|byte| byte.is_ascii_uppercase());
    fits.then_some(language)
}

fn is_ssml(text: &str) -> bool {
    text.trim_start().starts_with("<speak")
}

/// Cut behind sentences where there are such, else between words, else anywhere.
fn pieces(mut text: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    while text.len() > TEXT_BYTES {
        let most = &text[..text.floor_char_boundary(TEXT_BYTES)];
        let behind = |letters: &[char]| most.rfind(letters).map(|at| at + most[at..].chars().next().map_or(1, char::len_utf8));
        let end = behind(&['.', '!', '?', '\n']).or_else(|| behind(&[' '])).unwrap_or(most.len());
        let (piece, rest) = text.split_at(end);
        pieces.push(piece);
        text = rest;
    }
    pieces.push(text);
    pieces
}
