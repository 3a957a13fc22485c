//! `GET /listen`: a WebSocket.

use super::{AskedFormat, No, Stage, at_the_door, version_and_options};
use crate::{Cut, Ear, Heard, Moment, Sim, Utterance, Vendor};
use axum::Extension;
use axum::extract::State;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

pub(super) async fn answer(
    State(sim): State<Arc<Sim>>,
    Extension(line): Extension<Cut>,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Response {
    match at_the_door(&sim, &headers) {
        Some(refused) => refused,
        None => upgrade.on_upgrade(move |socket| async move {
            let mut call = Call { socket, stage: Stage { sim, line } };
            if let Err(Over::Refused(no)) = call.serve().await {
                // Whoever is gone need not be told.
                let _gone = call.say(no.message()).await;
                let _gone = call.hang_up(1008).await;
            }
        }),
    }
}

/// A message of the gateway. It knows more than an engine has to: what is not in the protocol is an offence.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
enum Asked {
    Start { version: u32, format: AskedFormat, language: String, partials: bool, options: Value },
    SpeechStarted { ms: u64 },
    SpeechEnded { ms: u64 },
    Finalize,
    End,
}

/// Why a call is served no longer.
enum Over {
    Gone,
    Refused(No),
}

impl From<No> for Over {
    fn from(no: No) -> Self {
        Self::Refused(no)
    }
}

impl From<axum::Error> for Over {
    fn from(_: axum::Error) -> Self {
        Self::Gone
    }
}

struct Call {
    socket: WebSocket,
    stage: Stage,
}

/// A call after its `start`.
struct Listening {
    ear: Ear,
    partials: bool,
    /// Troubles that come after the first partial.
    partials_said: u32,
    edge_ms: u64,
}

impl Call {
    async fn serve(&mut self) -> Result<(), Over> {
        let Message::Text(first) = self.next().await? else {
            return Err(self.stage.offence("the first message is not `start`").into());
        };
        let Asked::Start { version, format, language, partials, options } = self.read(&first)? else {
            return Err(self.stage.offence("the first message is not `start`").into());
        };
        version_and_options(&self.stage.sim, version, &language, &options)?;
        let format = format.known()?;
        self.greet().await?;
        let ear = self.stage.sim.ear(format, &language);
        let mut listening = Listening { ear, partials, partials_said: 0, edge_ms: 0 };
        loop {
            match self.next().await? {
                Message::Binary(sound) if sound.len() % format.sample_bytes() == 0 => {
                    if let Some(tap) = self.stage.sim.tapped() {
                        tap.heard(&sound);
                    }
                    let heard = listening.ear.hear(&sound);
                    self.tell(&mut listening, heard).await?;
                }
                Message::Binary(_) => {
                    self.stage.offence("a message of sound ends within a sample");
                    return Err(No::because("bad_audio").into());
                }
                Message::Text(text) => {
                    let asked = self.read(&text)?;
                    if !self.asked(&mut listening, asked).await? {
                        return self.hang_up(1000).await;
                    }
                }
                Message::Close(_) => return Err(Over::Gone),
                Message::Ping(_) | Message::Pong(_) => {}
            }
        }
    }

    async fn greet(&mut self) -> Result<(), Over> {
        if let Some(no) = No::trouble(&self.stage.sim, "error") {
            return Err(no.into());
        }
        if self.trouble("silent") {
            return self.silence().await;
        }
        if self.trouble("early") {
            self.say(json!({ "type": "final", "text": "too early", "start_ms": 0, "end_ms": 1 })).await?;
        }
        let version = if self.trouble("newer") { 2 } else { 1 };
        self.say(json!({ "type": "ready", "version": version })).await?;
        if self.trouble("unknown-message") {
            self.say(json!({ "type": "mood", "happy": true })).await?;
        }
        if self.trouble("garbage") {
            self.socket.send(Message::text("\u{1}]garbage{\"")).await?;
        }
        Ok(())
    }

    /// Whether the call goes on.
    async fn asked(&mut self, listening: &mut Listening, asked: Asked) -> Result<bool, Over> {
        match asked {
            Asked::Start { .. } => Err(self.stage.offence("`start` a second time").into()),
            Asked::SpeechStarted { ms } | Asked::SpeechEnded { ms } if ms < listening.edge_ms => {
                Err(self.stage.offence("edges go back in time").into())
            }
            Asked::SpeechStarted { ms } | Asked::SpeechEnded { ms } => {
                listening.edge_ms = ms;
                Ok(true)
            }
            Asked::Finalize => {
                let heard = listening.ear.finalize();
                self.stage.sim.wait(Vendor::Own, Moment::Final).await;
                self.tell(listening, heard).await?;
                if !self.trouble("silent-finalize") {
                    self.say(json!({ "type": "finalized" })).await?;
                }
                Ok(true)
            }
            Asked::End => {
                let heard = listening.ear.finalize();
                self.tell(listening, heard).await?;
                if self.trouble("silent-end") {
                    return self.silence().await.map(|()| false);
                }
                if !self.trouble("hang-up") {
                    self.say(json!({ "type": "done", "audio_ms": listening.ear.position_ms() })).await?;
                }
                Ok(false)
            }
        }
    }

    async fn tell(&mut self, listening: &mut Listening, heard: Vec<Heard>) -> Result<(), Over> {
        for heard in heard {
            match heard {
                Heard::Started(ms) => self.say(json!({ "type": "speech_started", "ms": ms })).await?,
                Heard::Ended(ms) => self.say(json!({ "type": "speech_ended", "ms": ms })).await?,
                Heard::Partial(utterance) if listening.partials => {
                    self.say(transcript("partial", &utterance)).await?;
                    self.after_a_partial(listening).await?;
                }
                Heard::Partial(_) => {}
                Heard::Final(utterance) => self.fin(&utterance).await?,
            }
        }
        Ok(())
    }

    async fn after_a_partial(&mut self, listening: &mut Listening) -> Result<(), Over> {
        listening.partials_said += 1;
        if listening.partials_said > 1 {
            return Ok(());
        }
        if self.trouble("late-hang-up") {
            self.hang_up(1011).await?;
            return Err(Over::Gone);
        }
        No::trouble(&self.stage.sim, "late-error").map_or(Ok(()), |no| Err(no.into()))
    }

    async fn fin(&mut self, utterance: &Utterance) -> Result<(), Over> {
        self.say(transcript("final", utterance)).await?;
        if self.trouble("double-final") {
            self.say(transcript("final", utterance)).await?;
        }
        if self.trouble("stale-partial") {
            self.say(transcript("partial", utterance)).await?;
        }
        if self.trouble("backwards") {
            self.say(json!({ "type": "final", "text": "backwards", "start_ms": 0, "end_ms": utterance.end_ms() - 1 })).await?;
        }
        Ok(())
    }

    async fn next(&mut self) -> Result<Message, Over> {
        Ok(self.socket.recv().await.ok_or(Over::Gone)??)
    }

    fn read(&self, text: &str) -> Result<Asked, Over> {
        serde_json::from_str(text).map_err(|error| self.stage.offence(&error.to_string()).into())
    }

    async fn say(&mut self, message: Value) -> Result<(), Over> {
        self.socket.send(Message::text(message.to_string())).await?;
        self.stage.sim.said_one(&self.stage.line);
        Ok(())
    }

    async fn hang_up(&mut self, code: u16) -> Result<(), Over> {
        Ok(self.socket.send(Message::Close(Some(CloseFrame { code, reason: "".into() }))).await?)
    }

    /// Reads and says nothing until the gateway has gone.
    async fn silence(&mut self) -> Result<(), Over> {
        while !matches!(self.next().await?, Message::Close(_)) {}
        Err(Over::Gone)
    }

    fn trouble(&self, name: &str) -> bool {
        self.stage.sim.trouble(name).is_some()
    }
}

fn transcript(kind: &str, utterance: &Utterance) -> Value {
    let word =
        |word: &crate::Word| json!({ "text": word.text, "start_ms": word.start_ms, "end_ms": word.end_ms, "confidence": 0.9 });
    let words: Vec<Value> = utterance.words.iter().map(word).collect();
    json!({
        "type": kind, "text": utterance.text(), "start_ms": utterance.start_ms(), "end_ms": utterance.end_ms(),
        "confidence": 0.9, "words": words,
    })
}
