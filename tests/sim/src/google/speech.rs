//! `google.cloud.speech.{v1,v2}.Speech/StreamingRecognize`, and v1's `speech:recognize` by REST.

mod messages;
mod whole;

pub(super) use whole::{recognize_v1, recognize_v2, rest_v1, rest_v2};

use super::call::{Call, Said, Shared, Span, Status, Talk, answer};
use crate::{Ear, Heard, Moment, Sim, Utterance, Vendor};
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use messages::{Alternative, Plan, Recognition, WordInfo};
use prost::Message;
use std::collections::VecDeque;
use std::time::Duration;

const SERVICE: &str = "speech.googleapis.com";
/// Without audio.
const IDLE: Duration = Duration::from_secs(10);
/// Audio of one stream.
const MAX_MS: u64 = 305_000;

/// Which interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Api {
    V1,
    V2,
}

pub(super) async fn streaming_v1(State(sim): Shared, request: Request) -> Response {
    streaming(Api::V1, sim, request).await
}

pub(super) async fn streaming_v2(State(sim): Shared, request: Request) -> Response {
    streaming(Api::V2, sim, request).await
}

async fn streaming(api: Api, sim: std::sync::Arc<Sim>, request: Request) -> Response {
    let mut call = match Call::accept(sim, request, SERVICE).await {
        Ok(call) => call,
        Err(response) => return *response,
    };
    // What cannot be opened is answered by trailers only.
    match opened(api, &mut call).await {
        Ok(plan) => answer(Stream::new(api, call, plan), SERVICE),
        Err(status) => status.into_response(),
    }
}

async fn opened(api: Api, call: &mut Call) -> Result<Plan, Status> {
    let idle =
        Status::new(11, "Audio Timeout Error: Long duration elapsed without audio. Audio should be sent close to real time.");
    let first = tokio::time::timeout(IDLE, call.next()).await.map_err(|_| idle)??;
    let first = first.ok_or_else(|| call.wrong("the stream has no first message"))?;
    let plan = match api {
        Api::V1 => call.read::<messages::v1::Request>(&first)?.plan(),
        Api::V2 => call.read::<messages::v2::Request>(&first)?.plan(),
    };
    plan.map_err(|what| call.wrong(what))
}

struct Stream {
    api: Api,
    call: Call,
    plan: Plan,
    ear: Ear,
    /// What is to be said.
    ready: VecDeque<Said>,
    finals: usize,
    began_ms: Option<u64>,
    ended_ms: Option<u64>,
    /// No more is heard; the client is to end its request.
    deaf: bool,
    over: bool,
}

impl Stream {
    fn new(api: Api, call: Call, plan: Plan) -> Self {
        let ear = call.sim.ear(plan.format, &plan.language);
        Self { api, call, plan, ear, ready: VecDeque::new(), finals: 0, began_ms: None, ended_ms: None, deaf: false, over: false }
    }

    /// More of the request.
    async fn listen(&mut self) -> Result<(), Status> {
        let idle = self.call.sim.trouble_ahead("google-idle-ms").map_or(IDLE, |ms| Duration::from_millis(ms.into()));
        let Ok(message) = tokio::time::timeout(idle, self.call.next()).await else {
            return Err(match self.api {
                Api::V1 => Status::new(
                    11,
                    "Audio Timeout Error: Long duration elapsed without audio. Audio should be sent close to real time.",
                ),
                Api::V2 => Status::new(10, "Stream timed out after receiving no more client requests."),
            });
        };
        let Some(message) = message? else {
            if !self.deaf {
                let heard = self.ear.finalize();
                self.told(heard).await;
            }
            if self.api == Api::V1 {
                self.say(messages::v1::Response::billed(self.ear.position_ms()).encode_to_vec());
            }
            self.end(Status::OK);
            return Ok(());
        };
        let audio = match self.api {
            Api::V1 => self.call.read::<messages::v1::Request>(&message)?.samples(),
            Api::V2 => self.call.read::<messages::v2::Request>(&message)?.samples(),
        };
        let audio = audio.map_err(|what| self.call.wrong(what))?;
        if self.deaf {
            return Ok(());
        }
        for piece in audio.chunks(self.plan.format.bytes(20)) {
            let heard = self.ear.hear(piece);
            self.told(heard).await;
            self.limits()?;
            if self.over || self.deaf {
                break;
            }
        }
        Ok(())
    }

    /// Where a stream ends by itself.
    fn limits(&mut self) -> Result<(), Status> {
        let at_ms = self.ear.position_ms();
        let asked = self.call.sim.trouble_ahead("google-life-ms").map(u64::from);
        if at_ms > asked.unwrap_or(MAX_MS) {
            let _used = self.call.sim.trouble("google-life-ms");
            return Err(Status::of_code(if self.api == Api::V1 { 11 } else { 10 }, SERVICE));
        }
        let nobody = self.plan.start_timeout_ms.is_some_and(|ms| self.began_ms.is_none() && at_ms > ms);
        let no_more = self.plan.end_timeout_ms.is_some_and(|ms| self.ended_ms.is_some_and(|ended| at_ms > ended + ms));
        if (nobody || no_more) && !self.over && !self.deaf {
            match self.api {
                Api::V1 => {
                    self.event(4, at_ms);
                    self.deaf = true;
                }
                Api::V2 => self.end(Status::OK),
            }
        }
        Ok(())
    }

    async fn told(&mut self, heard: Vec<Heard>) {
        for heard in heard {
            if self.over || self.deaf {
                return;
            }
            match heard {
                Heard::Started(ms) => {
                    (self.began_ms, self.ended_ms) = (Some(ms), None);
                    self.event(2, ms);
                }
                Heard::Ended(ms) => {
                    self.ended_ms = Some(ms);
                    self.event(3, ms);
                }
                Heard::Partial(said) if self.plan.interim => {
                    let results = self.interim(&said);
                    self.results(results);
                }
                Heard::Partial(_) => {}
                Heard::Final(said) => {
                    if self.plan.single_utterance {
                        self.event_always(1, said.end_ms());
                    }
                    self.call.sim.wait(Vendor::Google, Moment::Final).await;
                    let result = self.last(&said);
                    self.results(vec![result]);
                    self.deaf = self.plan.single_utterance;
                }
            }
        }
    }

    /// What is likely to stay, and the rest, of low stability.
    fn interim(&self, said: &Utterance) -> Vec<Recognition> {
        let words: Vec<&str> = said.words.iter().map(|word| word.text.as_str()).collect();
        let result = |words: &[&str], stability, behind| {
            let space = if behind { " " } else { "" };
            let transcript = format!("{space}{}", words.join(" "));
            Recognition {
                alternatives: vec![Alternative { transcript, confidence: 0.0, words: vec![] }],
                is_final: false,
                stability,
                end: Some(Span::of_ms(self.ear.position_ms())),
                language_code: self.plan.language.to_lowercase(),
            }
        };
        match words.split_last() {
            Some((last, before)) if before.len() > 1 => {
                vec![result(before, 0.9, self.finals > 0), result(&[*last], 0.01, true)]
            }
            _ => vec![result(&words, 0.9, self.finals > 0)],
        }
    }

    fn last(&mut self, said: &Utterance) -> Recognition {
        let space = if self.finals > 0 { " " } else { "" };
        self.finals += 1;
        let confidence = if self.plan.word_confidence { 0.95 } else { 0.0 };
        let word = |word: &crate::Word| WordInfo {
            start: Some(Span::of_ms(word.start_ms)),
            end: Some(Span::of_ms(word.end_ms)),
            word: word.text.clone(),
            confidence,
        };
        let words = if self.plan.word_times { said.words.iter().map(word).collect() } else { vec![] };
        Recognition {
            alternatives: vec![Alternative { transcript: format!("{space}{}", said.text()), confidence: 0.96, words }],
            is_final: true,
            stability: 0.0,
            end: Some(Span::of_ms(self.ear.position_ms())),
            language_code: self.plan.language.to_lowercase(),
        }
    }

    fn results(&mut self, results: Vec<Recognition>) {
        self.say(match self.api {
            Api::V1 => messages::v1::Response { results, request_id: 4_207_849_128, ..Default::default() }.encode_to_vec(),
            Api::V2 => messages::v2::Response { results, ..Default::default() }.encode_to_vec(),
        });
    }

    fn event(&mut self, kind: i32, at_ms: u64) {
        if self.plan.voice_activity {
            self.event_always(kind, at_ms);
        }
    }

    fn event_always(&mut self, kind: i32, at_ms: u64) {
        let at = Some(Span::of_ms(at_ms));
        self.say(match self.api {
            Api::V1 => {
                messages::v1::Response { speech_event_type: kind, speech_event_time: at, ..Default::default() }.encode_to_vec()
            }
            Api::V2 => {
                messages::v2::Response { speech_event_type: kind, speech_event_offset: at, ..Default::default() }.encode_to_vec()
            }
        });
    }

    fn say(&mut self, message: Vec<u8>) {
        self.ready.push_back(Said::Message(message));
    }

    fn end(&mut self, status: Status) {
        self.over = true;
        self.ready.push_back(Said::End(status));
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
                self.end(status);
            }
        }
    }

    fn is_fruit(message: &[u8]) -> bool {
        let v1 = messages::v1::Response::decode(message).is_ok_and(|response| !response.results.is_empty());
        v1 || messages::v2::Response::decode(message).is_ok_and(|response| !response.results.is_empty())
    }
}
