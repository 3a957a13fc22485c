//! `google.cloud.texttospeech.v1.TextToSpeech`: `StreamingSynthesize`, `SynthesizeSpeech`, and `text:synthesize` by REST.

use super::call::{Call, Said, Shared, Status, Talk, answer, refused};
use super::credential::admit;
use crate::{Coding, Cut, Format, Moment, Sim, Vendor, Voice};
use axum::Extension;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use prost::Message;
use serde::Deserialize;
use serde_json::json;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use vg_wire::wav;

const SERVICE: &str = "texttospeech.googleapis.com";
/// Without text.
const IDLE: Duration = Duration::from_secs(5);
const TEXT_BYTES: usize = 5000;
/// Sound of one message: no multiple of a sample, which nobody promises.
const PIECE: usize = 801;

#[derive(Clone, PartialEq, Message)]
struct StreamingRequest {
    #[prost(message, optional, tag = "1")]
    config: Option<StreamingConfig>,
    #[prost(message, optional, tag = "2")]
    input: Option<Input>,
}

#[derive(Clone, PartialEq, Message)]
struct StreamingConfig {
    #[prost(message, optional, tag = "1")]
    voice: Option<VoiceSelection>,
    #[prost(message, optional, tag = "4")]
    audio: Option<StreamingAudio>,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct StreamingAudio {
    #[prost(int32, tag = "1")]
    encoding: i32,
    #[prost(int32, tag = "2")]
    rate: i32,
    #[prost(double, tag = "3")]
    speaking_rate: f64,
}

#[derive(Clone, PartialEq, Message)]
struct Input {
    #[prost(string, optional, tag = "1")]
    text: Option<String>,
    #[prost(string, optional, tag = "2")]
    ssml: Option<String>,
    #[prost(string, optional, tag = "5")]
    markup: Option<String>,
}

#[derive(Clone, PartialEq, Message)]
struct VoiceSelection {
    #[prost(string, tag = "1")]
    language: String,
    #[prost(string, tag = "2")]
    name: String,
}

#[derive(Clone, PartialEq, Message)]
struct UnaryRequest {
    #[prost(message, optional, tag = "1")]
    input: Option<Input>,
    #[prost(message, optional, tag = "2")]
    voice: Option<VoiceSelection>,
    #[prost(message, optional, tag = "3")]
    audio: Option<UnaryAudio>,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct UnaryAudio {
    #[prost(int32, tag = "1")]
    encoding: i32,
    #[prost(double, tag = "2")]
    speaking_rate: f64,
    #[prost(int32, tag = "5")]
    rate: i32,
}

#[derive(Clone, PartialEq, Message)]
struct Spoken {
    #[prost(bytes = "vec", tag = "1")]
    audio: Vec<u8>,
}

/// A rate of 0 is the voice's own.
fn format(encoding: i32, rate: i32) -> Option<Format> {
    let coding = match encoding {
        // Streams: what is not named is linear.
        0 | 1 | 7 => Coding::Pcm,
        5 => Coding::Mulaw,
        6 => Coding::Alaw,
        _ => return None,
    };
    let rate_hz = if rate == 0 { 24_000 } else { u32::try_from(rate).ok()? };
    (8_000..=48_000).contains(&rate_hz).then_some(Format { coding, rate_hz })
}

fn voice_is_known(voice: &VoiceSelection) -> Result<(), Status> {
    if voice.language.is_empty() {
        return Err(Status::invalid("Voice language code must be set."));
    }
    let own = voice.name.strip_prefix(&voice.language).and_then(|name| name.strip_prefix('-'));
    let families = ["Chirp3-HD-", "Neural2-", "Wavenet-", "Standard-", "Studio-", "News-", "Polyglot-"];
    let known = voice.name.is_empty() || own.is_some_and(|own| families.iter().any(|family| own.starts_with(family)));
    known.then_some(()).ok_or_else(|| Status::invalid(format!("Voice '{}' does not exist. Is it misspelled?", voice.name)))
}

fn rate_is_possible(rate: f64) -> Result<(), Status> {
    let possible = rate == 0.0 || (0.25..=2.0).contains(&rate);
    possible.then_some(()).ok_or_else(|| Status::invalid("Invalid speaking rate."))
}

fn is_short(text: &str) -> Result<(), Status> {
    let what = "Either `input.text` or `input.ssml` is longer than the limit of 5000 bytes.";
    (text.len() <= TEXT_BYTES).then_some(()).ok_or_else(|| Status::invalid(what))
}

pub(super) async fn streaming(State(sim): Shared, request: Request) -> Response {
    let mut call = match Call::accept(sim, request, SERVICE).await {
        Ok(call) => call,
        Err(response) => return *response,
    };
    match opened(&mut call).await {
        Ok(voice) => {
            let stream = Stream { call, voice, waiting: String::new(), ready: VecDeque::new(), spoke: false };
            answer(stream, SERVICE)
        }
        Err(status) => status.into_response(),
    }
}

async fn opened(call: &mut Call) -> Result<Voice, Status> {
    let first = tokio::time::timeout(IDLE, call.next()).await.map_err(|_| aborted())??;
    let first = first.ok_or_else(|| call.wrong("the stream has no first message"))?;
    let what = "The first message must contain a streaming_config that fully specifies the request.";
    let config = call.read::<StreamingRequest>(&first)?.config.ok_or_else(|| call.wrong(what))?;
    let noted = |status: Status| {
        call.sim.offence(Vendor::Google, format!("a stream was refused: {status:?}"));
        status
    };
    let selection = config.voice.unwrap_or_default();
    voice_is_known(&selection).map_err(noted)?;
    if !selection.name.contains("Chirp3-HD") {
        return Err(noted(Status::invalid("Currently, only Chirp 3: HD voices are supported for streaming synthesis.")));
    }
    let audio = config.audio.unwrap_or_default();
    rate_is_possible(audio.speaking_rate).map_err(noted)?;
    let format = format(audio.encoding, audio.rate).filter(|_| audio.encoding != 1);
    let format = format.ok_or_else(|| noted(Status::invalid("Unsupported audio encoding for streaming.")))?;
    Ok(call.sim.voice(format))
}

fn aborted() -> Status {
    Status::new(10, "Stream aborted due to long duration elapsed without input sent.")
}

struct Stream {
    call: Call,
    voice: Voice,
    /// A word that may go on.
    waiting: String,
    ready: VecDeque<Said>,
    spoke: bool,
}

impl Stream {
    async fn listen(&mut self) -> Result<(), Status> {
        let idle = self.call.sim.trouble_ahead("google-idle-ms").map_or(IDLE, |ms| Duration::from_millis(ms.into()));
        let message = tokio::time::timeout(idle, self.call.next()).await;
        let message = message.map_err(|_| {
            self.call.sim.offence(Vendor::Google, "no text for too long");
            aborted()
        })??;
        let Some(message) = message else {
            let rest = std::mem::take(&mut self.waiting);
            self.speak(&rest).await;
            self.ready.push_back(Said::End(Status::OK));
            return Ok(());
        };
        let request = self.call.read::<StreamingRequest>(&message)?;
        if request.config.is_some() {
            return Err(self.call.wrong("The streaming_config must only be set in the first message."));
        }
        let input = request.input.ok_or_else(|| self.call.wrong("A message without input."))?;
        if input.ssml.is_some() {
            return Err(self.call.wrong("SSML is not supported for streaming synthesis."));
        }
        let text = input.text.or(input.markup).unwrap_or_default();
        is_short(&text).map_err(|_| self.call.wrong("Input is longer than the limit of 5000 bytes."))?;
        self.waiting.push_str(&text);
        if let Some(end) = self.waiting.rfind(char::is_whitespace) {
            let rest = self.waiting.split_off(end);
            let whole = std::mem::replace(&mut self.waiting, rest);
            self.speak(&whole).await;
        }
        Ok(())
    }

    async fn speak(&mut self, text: &str) {
        let sound = self.voice.speak(text).samples;
        if sound.is_empty() || self.call.sim.trouble_ahead("google-empty").is_some() {
            return;
        }
        if !std::mem::replace(&mut self.spoke, true) {
            self.call.sim.wait(Vendor::Google, Moment::FirstAudio).await;
        }
        let messages = sound.chunks(PIECE).map(|piece| Said::Message(Spoken { audio: piece.to_vec() }.encode_to_vec()));
        self.ready.extend(messages);
    }
}

impl Talk for Stream {
    fn call(&self) -> &Call {
        &self.call
    }

    async fn next(&mut self) -> Said {
        loop {
            if let Some(said) = self.ready.pop_front() {
                return said;
            }
            if let Err(status) = self.listen().await {
                return Said::End(status);
            }
        }
    }

    fn is_fruit(message: &[u8]) -> bool {
        !message.is_empty()
    }
}

/// A whole text; the sound of encodings 1, 5 and 6 has a WAV header.
fn spoken(sim: &Sim, input: &Input, encoding: i32, rate: i32) -> Result<Vec<u8>, Status> {
    if input
        .ssml
        .as_deref()
        .is_some_and(|ssml| !ssml.trim_start().starts_with("<speak") || !ssml.trim_end().ends_with("</speak>"))
    {
        return Err(Status::invalid("Invalid SSML. Newer voices do not support SSML."));
    }
    let text = input.text.clone().or_else(|| input.ssml.as_deref().map(plain));
    let text = text.filter(|text| !text.trim().is_empty());
    let text = text.ok_or_else(|| Status::invalid("Either `input.text` or `input.ssml` must be set."))?;
    is_short(input.text.as_deref().or(input.ssml.as_deref()).unwrap_or_default())?;
    let format = format(encoding, rate).filter(|_| encoding != 0);
    let format = format.ok_or_else(|| Status::invalid("Audio encoding must be set."))?;
    let samples = match sim.trouble("google-empty") {
        Some(_) => vec![],
        None => sim.voice(format).speak(&text).samples,
    };
    if encoding == 7 {
        return Ok(samples);
    }
    let coding = match format.coding {
        Coding::Pcm => wav::Coding::Pcm,
        Coding::Alaw => wav::Coding::Alaw,
        Coding::Mulaw => wav::Coding::Mulaw,
    };
    Ok([&wav::header(coding, format.rate_hz, samples.len() as u32)[..], &samples].concat())
}

/// The words of SSML.
fn plain(ssml: &str) -> String {
    let mut inside = false;
    let outside = |c: char| match c {
        '<' => {
            inside = true;
            ' '
        }
        '>' => {
            inside = false;
            ' '
        }
        _ if inside => ' ',
        c => c,
    };
    ssml.chars().map(outside).collect()
}

pub(super) async fn unary(State(sim): Shared, request: Request) -> Response {
    let mut call = match Call::accept(sim, request, SERVICE).await {
        Ok(call) => call,
        Err(response) => return *response,
    };
    let spoken = async {
        let message = call.next().await?.ok_or_else(|| call.wrong("no request"))?;
        let request = call.read::<UnaryRequest>(&message)?;
        voice_is_known(&request.voice.unwrap_or_default())?;
        let audio = request.audio.unwrap_or_default();
        rate_is_possible(audio.speaking_rate)?;
        spoken(&call.sim, &request.input.unwrap_or_default(), audio.encoding, audio.rate)
    };
    match spoken.await.inspect_err(|status| {
        // Who resets a stream has cancelled it (code 1), and need not hear it out.
        if status.code != 1 {
            call.sim.offence(Vendor::Google, format!("a request was refused: {status:?}"));
        }
    }) {
        Ok(audio) => answer(Whole { call, audio: Some(audio) }, SERVICE),
        Err(status) => status.into_response(),
    }
}

struct Whole {
    call: Call,
    audio: Option<Vec<u8>>,
}

impl Talk for Whole {
    fn call(&self) -> &Call {
        &self.call
    }

    async fn next(&mut self) -> Said {
        match self.audio.take() {
            Some(audio) => Said::Message(Spoken { audio }.encode_to_vec()),
            None => Said::End(Status::OK),
        }
    }

    fn is_fruit(_: &[u8]) -> bool {
        true
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Rest {
    input: RestInput,
    voice: RestVoice,
    audio_config: RestAudio,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RestInput {
    text: Option<String>,
    ssml: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RestVoice {
    language_code: String,
    #[serde(default)]
    name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RestAudio {
    audio_encoding: String,
    #[serde(default)]
    sample_rate_hertz: i32,
    #[serde(default)]
    speaking_rate: f64,
    #[serde(default)]
    pitch: f64,
    #[serde(default)]
    volume_gain_db: f64,
    #[serde(default)]
    effects_profile_id: Vec<String>,
}

pub(super) async fn rest(State(sim): Shared, Extension(cut): Extension<Cut>, headers: HeaderMap, body: Bytes) -> Response {
    if let Some(code) = sim.trouble("google-status") {
        return Status::of_code(code, SERVICE).as_json();
    }
    if let Err(response) = refused(&sim, SERVICE).await {
        return *response;
    }
    let spoken = admit(&headers, SERVICE).and_then(|()| {
        let invalid = |error| Status::invalid(format!("Invalid JSON payload received: {error}"));
        let Rest { input, voice, audio_config: audio } = serde_json::from_slice(&body).map_err(invalid)?;
        voice_is_known(&VoiceSelection { language: voice.language_code, name: voice.name })?;
        rate_is_possible(audio.speaking_rate)?;
        let encoding = match audio.audio_encoding.as_str() {
            "LINEAR16" => 1,
            "MULAW" => 5,
            "ALAW" => 6,
            "PCM" => 7,
            _ => 0,
        };
        let possible = (-20.0..=20.0).contains(&audio.pitch) && (-96.0..=16.0).contains(&audio.volume_gain_db);
        if !possible
            || audio
                .effects_profile_id
                .iter()
                .any(|profile| !profile.ends_with("-class-application") && !profile.ends_with("-class-device"))
        {
            return Err(Status::invalid("Invalid audio config."));
        }
        let input = Input { text: input.text, ssml: input.ssml, markup: None };
        spoken(&sim, &input, encoding, audio.sample_rate_hertz)
    });
    match spoken {
        Ok(audio) => {
            sim.wait(Vendor::Google, Moment::FirstAudio).await;
            let body = serde_json::to_string_pretty(&json!({ "audioContent": STANDARD.encode(audio) })).unwrap_or_default();
            let kind = HeaderValue::from_static("application/json; charset=UTF-8");
            ([("content-type", kind)], streamed(sim, cut, body.into())).into_response()
        }
        Err(status) => {
            sim.offence(Vendor::Google, format!("REST was refused with {}", status.code));
            status.as_json()
        }
    }
}

/// In pieces, so that it can be cut between them.
fn streamed(sim: Arc<Sim>, cut: Cut, body: Bytes) -> Body {
    let pieces = futures_util::stream::unfold((body, false), move |(mut rest, began)| {
        let (sim, cut) = (Arc::clone(&sim), cut.clone());
        async move {
            if rest.is_empty() {
                return None;
            }
            if began {
                if sim.trouble_ahead("cut-after").is_some() {
                    // So that what was said is on the wire.
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                sim.said_one(&cut);
            }
            let piece = rest.split_to(PIECE.min(rest.len()));
            Some((Ok::<_, Infallible>(piece), (rest, true)))
        }
    });
    Body::from_stream(pieces)
}
