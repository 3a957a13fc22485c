//! `plugin vendor`: the made-up vendor that the templates are written for, on this machine: a first session needs no account. It is an
//! engine of `docs/own-engine.md`, too, so `stt-http` and `tts-http` can be tried with it.

use super::super::terminal::say;
use anyhow::Context;
use axum::Json;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{FromRequest, Query, Request, State};
use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use clap::Args;
use serde::Deserialize;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use vg_media::Codec;

/// A word is spoken as a tone of so long.
const WORD_MS: u32 = 150;
const TONE_HZ: f32 = 440.0;
/// Partial words come each time that so much more was heard.
const PARTIAL_MS: u64 = 300;

#[derive(Debug, Args)]
pub(in super::super) struct Options {
    /// Where it listens; for a plugin that is the option {"endpoint": "http://127.0.0.1:8080"}
    #[arg(long, default_value = "127.0.0.1:8080", value_name = "ADDRESS")]
    bind: SocketAddr,
    /// The key that it asks for; without it the answer is 401
    #[arg(long, default_value = "test")]
    key: String,
}

/// Serves until the program is ended.
pub(super) async fn run(options: Options) -> anyhow::Result<ExitCode> {
    let listener = tokio::net::TcpListener::bind(options.bind);
    let listener = listener.await.with_context(|| format!("cannot listen on {}: choose another with --bind", options.bind))?;
    let address = listener.local_addr()?;
    say(format_args!("a vendor that hears how long you speak, and speaks in tones: http://{address} (end it with Ctrl-C)"));
    say(format_args!("next: API_KEY={} voice-gateway plugin run NAME.wasm --secret api_key=env:API_KEY \\", options.key));
    say(r#"      --options FILE with {"endpoint": "http://ADDRESS"}, --policy FILE with networks = ["127.0.0.0/8"]"#);
    let served = axum::Router::new().fallback(any(serve)).with_state(Arc::from(format!("Bearer {}", options.key)));
    axum::serve(listener, served).await.context("cannot serve")?;
    Ok(ExitCode::SUCCESS)
}

async fn serve(State(bearer): State<Arc<str>>, request: Request) -> Response {
    let given = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    if given != Some(&*bearer) {
        return (StatusCode::UNAUTHORIZED, Json(json!({ "error": "this is not the key of --key" }))).into_response();
    }
    if request.method() == Method::POST {
        return match Json::<Order>::from_request(request, &()).await {
            Ok(Json(order)) => order.sound().into_response(),
            Err(rejection) => rejection.into_response(),
        };
    }
    // An engine of one's own is told by `start`.
    let told_by_query = request.uri().query().is_some();
    let format = match Query::<Format>::try_from_uri(request.uri()) {
        Ok(Query(format)) => format,
        Err(rejection) if told_by_query => return rejection.into_response(),
        Err(_) => Format { encoding: Encoding::Mulaw, rate: 8000 },
    };
    match WebSocketUpgrade::from_request(request, &()).await {
        Ok(upgrade) => upgrade.on_upgrade(move |call| listen(call, format)),
        Err(rejection) => rejection.into_response(),
    }
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Encoding {
    #[serde(alias = "pcm-s16le")]
    Pcm,
    Mulaw,
}

#[derive(Clone, Copy, Deserialize)]
struct Format {
    encoding: Encoding,
    #[serde(alias = "rate_hz")]
    rate: u32,
}

impl Format {
    fn ms(self, bytes: u64) -> u64 {
        let sample_bytes = match self.encoding {
            Encoding::Pcm => 2,
            Encoding::Mulaw => 1,
        };
        bytes * 1000 / sample_bytes / u64::from(self.rate.max(1))
    }
}

/// `POST`: text to be spoken.
#[derive(Deserialize)]
struct Order {
    text: String,
    #[serde(flatten)]
    format: OrderedFormat,
}

/// Among the other members, or a member of its own.
#[derive(Deserialize)]
#[serde(untagged)]
enum OrderedFormat {
    Own { format: Format },
    Among(Format),
}

impl Order {
    /// A tone for each word, a pause after it.
    fn sound(&self) -> Vec<u8> {
        let (OrderedFormat::Own { format: Format { encoding, rate } } | OrderedFormat::Among(Format { encoding, rate })) =
            self.format;
        let word = (rate.min(48_000) * WORD_MS / 1000) as usize;
        let samples = self.text.split_whitespace().take(1000).flat_map(|_| {
            let tone = (0..word).map(move |at| {
                let phase = at as f32 / rate as f32 * TONE_HZ * std::f32::consts::TAU;
                (phase.sin() * 8000.0) as i16
            });
            tone.chain(std::iter::repeat_n(0, word / 2))
        });
        match encoding {
            Encoding::Pcm => samples.flat_map(i16::to_le_bytes).collect(),
            Encoding::Mulaw => {
                let samples: Vec<i16> = samples.collect();
                let mut wire = vec![0; samples.len()];
                Codec::Pcmu.encoder().encode(&samples, &mut wire);
                wire
            }
        }
    }
}

/// What was heard of one call.
struct Ear {
    format: Format,
    bytes: u64,
    /// Where the words that are not final yet began, and up to where they were told.
    began_ms: u64,
    told_ms: u64,
}

impl Ear {
    fn words(&mut self, kind: &str) -> Option<Value> {
        let now_ms = self.format.ms(self.bytes);
        let heard_ms = now_ms - self.began_ms;
        if heard_ms == 0 {
            return None;
        }
        let text = format!("I heard you for {}.{} seconds", heard_ms / 1000, heard_ms % 1000 / 100);
        self.told_ms = now_ms;
        Some(json!({ "type": kind, "text": text, "start_ms": self.began_ms, "end_ms": now_ms }))
    }

    fn last_words(&mut self) -> Option<Value> {
        let words = self.words("final");
        self.began_ms = self.told_ms;
        words
    }

    /// The answers to a message; whether the call goes on.
    fn answers(&mut self, message: &Message) -> (Vec<Value>, bool) {
        match message {
            Message::Binary(sound) => {
                self.bytes += sound.len() as u64;
                let due = self.format.ms(self.bytes) >= self.told_ms + PARTIAL_MS;
                (due.then(|| self.words("partial")).flatten().into_iter().collect(), true)
            }
            Message::Text(text) => self.told(text),
            Message::Close(_) => (vec![], false),
            Message::Ping(_) | Message::Pong(_) => (vec![], true),
        }
    }

    fn told(&mut self, text: &str) -> (Vec<Value>, bool) {
        let said = serde_json::from_str::<Value>(text).unwrap_or_default();
        match (said["type"].as_str(), Format::deserialize(&said["format"])) {
            (Some("start"), Ok(format)) => {
                self.format = format;
                (vec![json!({ "type": "ready", "version": 1 })], true)
            }
            (Some("finalize"), _) => (self.last_words().into_iter().chain([json!({ "type": "finalized" })]).collect(), true),
            (Some("end"), _) => {
                let audio_ms = self.format.ms(self.bytes);
                (self.last_words().into_iter().chain([json!({ "type": "done", "audio_ms": audio_ms })]).collect(), false)
            }
            (Some("start"), Err(_)) => (vec![json!({ "type": "error", "code": "unsupported" })], false),
            _ => (vec![json!({ "type": "error", "code": "unknown_message" })], false),
        }
    }
}

async fn listen(mut call: WebSocket, format: Format) {
    let mut ear = Ear { format, bytes: 0, began_ms: 0, told_ms: 0 };
    while let Some(Ok(message)) = call.recv().await {
        let (answers, goes_on) = ear.answers(&message);
        for answer in answers {
            if call.send(Message::text(answer.to_string())).await.is_err() {
                return;
            }
        }
        if !goes_on {
            // The caller may have gone already.
            let _ = call.send(Message::Close(None)).await;
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_counted_once_and_told_as_they_come() {
        let mut ear = Ear { format: Format { encoding: Encoding::Mulaw, rate: 8000 }, bytes: 0, began_ms: 0, told_ms: 0 };
        let chunk = Message::binary(vec![0; 1600]);
        assert!(ear.answers(&chunk).0.is_empty());
        assert_eq!(ear.answers(&chunk).0[0]["type"], "partial");
        let (answers, goes_on) = ear.answers(&Message::text(r#"{"type":"finalize"}"#));
        assert_eq!((answers[0]["text"].as_str(), goes_on), (Some("I heard you for 0.4 seconds"), true));
        assert_eq!(answers[1]["type"], "finalized");
        assert_eq!(ear.answers(&Message::text(r#"{"type":"finalize"}"#)).0, [json!({ "type": "finalized" })]);
        assert!(!ear.answers(&Message::text(r#"{"type":"end"}"#)).1);
        assert!(!ear.answers(&Message::text("no json")).1);
    }

    #[test]
    fn an_engine_of_ones_own_is_told_the_format_and_says_that_it_is_done() {
        let mut ear = Ear { format: Format { encoding: Encoding::Mulaw, rate: 8000 }, bytes: 0, began_ms: 0, told_ms: 0 };
        let start = |encoding| {
            Message::text(json!({ "type": "start", "format": { "encoding": encoding, "rate_hz": 16000 } }).to_string())
        };
        assert_eq!(ear.answers(&start("pcm-s16le")), (vec![json!({ "type": "ready", "version": 1 })], true));
        ear.answers(&Message::binary(vec![0; 6400]));
        let (answers, goes_on) = ear.answers(&Message::text(r#"{"type":"end"}"#));
        assert_eq!((answers.last(), goes_on), (Some(&json!({ "type": "done", "audio_ms": 200 })), false));
        assert!(!ear.answers(&start("alaw")).1);
        let order: Order =
            serde_json::from_value(json!({ "text": "a", "format": { "encoding": "mulaw", "rate_hz": 8000 } })).unwrap();
        assert_eq!(order.sound().len(), 1200 + 600);
    }

    #[test]
    fn each_word_is_a_tone_in_the_format_that_was_asked_for() {
        let order =
            |encoding, rate| Order { text: " two  words ".into(), format: OrderedFormat::Among(Format { encoding, rate }) };
        assert_eq!(order(Encoding::Pcm, 16_000).sound().len(), 2 * 2 * (2400 + 1200));
        assert_eq!(order(Encoding::Mulaw, 8_000).sound().len(), 2 * (1200 + 600));
        assert!(order(Encoding::Pcm, 0).sound().is_empty());
    }
}
