//! Polly's stream: text comes in pieces, sound goes out meanwhile.

use super::events::{Inbound, NO_INBOUND_EVENT, Outbound, Over, Said, event};
use super::polly::{Asked, BROKEN, SERVICE, words_of};
use super::sigv4::{self, Payload};
use super::{EVENT_STREAM, Refusal, event_stream, offended, trouble};
use crate::{Cut, Format, Moment, Sim, Vendor};
use axum::Extension;
use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Deserialize;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;
use vg_wire::event_stream::Message;

const PIECE: usize = 801;
/// Nobody says how long the service waits for text; long enough for a thought.
const INBOUND: Duration = Duration::from_secs(60);
const INVALID: &str = "ValidationException";

pub(super) async fn stream(State(sim): State<Arc<Sim>>, Extension(cut): Extension<Cut>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    if let Err(refusal) = trouble(&sim, BROKEN).await {
        return refusal.answer("");
    }
    let opened = sigv4::request(&parts, SERVICE, Payload::Events).and_then(|chain| Ok((chain, asked(&parts.headers)?)));
    let (chain, format) = match opened {
        Ok(opened) => opened,
        Err(refusal) => return offended(&sim, refusal).answer(""),
    };
    let told = Outbound::body(Arc::clone(&sim), cut, |outbound| {
        let inbound = Inbound::new(body, chain);
        Stream { inbound, outbound, format, characters: 0, sim, closing: false }.serve()
    });
    event_stream(told)
}

fn asked(headers: &HeaderMap) -> Result<Format, Refusal> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    if text("content-type").as_deref() != Some(EVENT_STREAM) {
        return Err(Refusal::bad(INVALID, "Content-Type is no event stream"));
    }
    if text("x-amzn-engine").as_deref() != Some("generative") {
        return Err(Refusal::bad(INVALID, "This operation supports the generative engine only"));
    }
    let lexicons = text("x-amzn-lexiconnames").unwrap_or_default();
    let asked = Asked {
        text: "x".to_owned(),
        voice_id: text("x-amzn-voiceid").unwrap_or_default(),
        language_code: text("x-amzn-languagecode"),
        engine: text("x-amzn-engine"),
        output_format: text("x-amzn-outputformat").unwrap_or_default(),
        sample_rate: text("x-amzn-samplerate"),
        lexicon_names: lexicons.split(',').map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect(),
        ..Asked::default()
    };
    let format = asked.checked()?.format()?;
    format.map(|(format, _)| format).ok_or_else(|| Refusal::bad(INVALID, "This operation gives no speech marks"))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct TextEvent {
    text: String,
    text_type: Option<String>,
    /// What was given is spoken as it comes: there is nothing to force.
    #[serde(rename = "FlushStreamConfiguration")]
    _flush: Option<Flush>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Flush {
    #[serde(rename = "Force")]
    _force: Option<bool>,
}

struct Stream {
    inbound: Inbound,
    outbound: Outbound,
    format: Format,
    characters: usize,
    sim: Arc<Sim>,
    /// `CloseStreamEvent` came.
    closing: bool,
}

impl Stream {
    async fn serve(mut self) {
        while let Ok(()) = self.next().await {}
    }

    async fn next(&mut self) -> Result<(), Over> {
        let Ok(said) = timeout(INBOUND, self.inbound.next()).await else {
            return Err(self.outbound.refuse("ServiceQuotaExceededException", NO_INBOUND_EVENT).await);
        };
        let event = match said {
            Said::Event(event) => event,
            Said::End | Said::HalfClosed if self.closing => return Err(Over),
            Said::End | Said::HalfClosed => {
                return Err(self.outbound.refuse(INVALID, "the stream ended without a CloseStreamEvent").await);
            }
            Said::Wrong(why) => return Err(self.outbound.refuse(INVALID, why).await),
            Said::Gone => return Err(Over),
        };
        if event.text(":message-type") != Some("event") || event.text(":content-type") != Some("application/json") {
            return Err(self.outbound.refuse(INVALID, "an event is no event of application/json").await);
        }
        match event.text(":event-type") {
            _ if self.closing => Err(self.outbound.refuse(INVALID, "an event came after the CloseStreamEvent").await),
            Some("TextEvent") => self.speak(&event).await,
            Some("CloseStreamEvent") => self.close().await,
            _ => Err(self.outbound.refuse(INVALID, "an event is of no known type").await),
        }
    }

    async fn speak(&mut self, event: &Message) -> Result<(), Over> {
        let Ok(TextEvent { text, text_type, _flush }) = serde_json::from_slice(&event.payload) else {
            return Err(self.outbound.refuse(INVALID, "a TextEvent is malformed").await);
        };
        let words = match text_type.as_deref() {
            None | Some("text") => Some(text),
            Some("ssml") => words_of(&text),
            Some(_) => None,
        };
        let Some(words) = words else { return Err(self.outbound.refuse(INVALID, "the text is not of its type").await) };
        if self.characters == 0 {
            self.sim.wait(Vendor::Aws, Moment::FirstAudio).await;
        }
        self.characters += words.chars().count();
        for piece in self.sim.voice(self.format).speak(&words).samples.chunks(PIECE) {
            self.outbound.say(&super::events::event("AudioEvent", "application/octet-stream", piece)).await?;
            self.outbound.make_trouble().await?;
        }
        Ok(())
    }

    async fn close(&mut self) -> Result<(), Over> {
        self.closing = true;
        if self.sim.trouble("polly-no-close").is_some() {
            return Ok(());
        }
        let payload = json!({ "RequestCharacters": self.characters }).to_string();
        self.outbound.say(&event("StreamClosedEvent", "application/json", payload)).await
    }
}
