//! One call: audio goes to Deepgram by itself, words come back.

use crate::options::{Api, Auth, Options, SCHEMA};
use crate::protocol::{self, Message, Results, Trouble, TurnEvent, TurnInfo};
use vg_plugin_sdk::{
    AudioFormat, Descriptor, Encoding, Fault, FaultKind, Features, Instant, Remedy, SecretKind, SecretWish, SessionStart, Usage,
    link::{self, LinkInput, Opened},
    options,
    stt::{AudioRoute, Edge, Effect, Input, SttPlugin, Timer},
};

const DEEPGRAM: link::LinkId = 1;
/// The host gives a connection 5 s.
const FIRST_ANSWER: Timer = Timer { id: 1, delay_ms: 6_000 };
/// An answer to `Finalize`. Deepgram gives none where it has nothing left to say.
const FINALIZED: Timer = Timer { id: 2, delay_ms: 1_500 };
const END: Timer = Timer { id: 3, delay_ms: 5_000 };
/// Deepgram asks for one each 3 to 5 s of silence; one in between does no harm.
const KEEP_ALIVE: Timer = Timer { id: 4, delay_ms: 4_000 };

/// A final that ends so shortly before the caller's last voiced sample has heard all of it.
const HEARD_ALL_MS: u64 = 250;

/// One call.
#[derive(Debug, Default)]
pub(crate) struct Session {
    api: Api,
    began_us: u64,
    opened: bool,
    ending: bool,
    /// Answers to `finalize` that are owed.
    finalizing: u32,
    /// Where the last final ended: what is said twice is heard once.
    finals_end_ms: u64,
    /// Words were told that no final has replaced yet.
    open_words: bool,
    /// The caller's last voiced sample, where the caller is silent.
    spoken_to_ms: Option<u64>,
    /// Flux: the next turn that may be told.
    turn: u64,
    billed_ms: Option<u64>,
}

impl SttPlugin for Session {
    fn descriptor() -> Descriptor {
        let format = |encoding, rate_hz| AudioFormat { encoding, rate_hz };
        let languages = ["en-US", "en-GB", "pt-BR", "es-ES", "es-419", "es-MX", "es-US", "fr-FR", "de-DE", "it-IT", "multi"];
        Descriptor {
            formats: vec![
                format(Encoding::Mulaw, 8_000),
                format(Encoding::Alaw, 8_000),
                format(Encoding::PcmS16le, 16_000),
                format(Encoding::PcmS16le, 8_000),
            ],
            languages: languages.map(str::to_owned).to_vec(),
            features: Features::INTERIM | Features::WORD_TIMES | Features::FINALIZE | Features::ENDPOINTING,
            options_schema: SCHEMA.to_owned(),
            hosts: vec!["wss://api.deepgram.com".to_owned()],
            secrets: vec![SecretWish {
                name: "api_key".to_owned(),
                kind: SecretKind::Fixed,
                why: "a Deepgram API key, or a temporary token where the option auth is bearer".to_owned(),
            }],
            ..Descriptor::stt("stt-deepgram", env!("CARGO_PKG_VERSION"))
        }
    }

    fn new() -> Self {
        Self::default()
    }

    fn handle(&mut self, now: Instant, input: Input) -> Vec<Effect> {
        self.react(now, input).unwrap_or_else(|fault| vec![Effect::Fail(fault)])
    }
}

impl Session {
    fn react(&mut self, now: Instant, input: Input) -> Result<Vec<Effect>, Fault> {
        match input {
            Input::Start(start) => self.open(now, &start),
            // It goes to Deepgram by itself.
            Input::Audio(_) => Ok(vec![]),
            Input::Edge(Edge::SpeechStarted(_)) => {
                self.spoken_to_ms = None;
                Ok(vec![])
            }
            Input::Edge(Edge::SpeechEnded(ms)) => {
                self.spoken_to_ms = Some(ms);
                Ok(vec![])
            }
            Input::Finalize => Ok(self.finalize()),
            Input::End => {
                self.ending = true;
                Ok(vec![link::send_text(DEEPGRAM, protocol::CLOSE_STREAM).into(), Effect::Timer(END)])
            }
            Input::Link(news) => self.heard(now, news),
            Input::Timer(id) => self.woken(now, id),
        }
    }

    fn open(&mut self, now: Instant, start: &SessionStart) -> Result<Vec<Effect>, Fault> {
        let options = Options::read(&start.options)?;
        self.began_us = now.mono_us;
        self.api = options.api;
        let url = protocol::url(&options, start.format, &start.language);
        let url = if options.endpoint.is_some() { options::endpoint(&start.options, &url)? } else { url };
        let scheme = match options.auth {
            Auth::Key => "Token",
            Auth::Bearer => "bearer",
        };
        Ok(vec![
            link::websocket(DEEPGRAM, url).header("authorization", format!("{scheme} {{secret:api_key}}")).into(),
            Effect::RouteAudio(AudioRoute { link: DEEPGRAM, prefix: vec![] }),
            Effect::Timer(FIRST_ANSWER),
        ])
    }

    fn finalize(&mut self) -> Vec<Effect> {
        let heard_all = self.spoken_to_ms.is_some_and(|ms| self.finals_end_ms + HEARD_ALL_MS >= ms);
        if self.finalizing == 0 && !self.open_words && heard_all {
            return vec![Effect::Finalized];
        }
        self.finalizing += 1;
        let ask = match self.api {
            Api::Nova => protocol::FINALIZE,
            Api::Flux => protocol::FORCE_END_TURN,
        };
        let wait = self.opened.then_some(Effect::Timer(FINALIZED));
        std::iter::once(link::send_text(DEEPGRAM, ask).into()).chain(wait).collect()
    }

    fn heard(&mut self, now: Instant, news: LinkInput) -> Result<Vec<Effect>, Fault> {
        match news {
            LinkInput::Opened(head) => self.opened(&head),
            LinkInput::Text(message) => self.told(&message.data),
            LinkInput::Finished(end) => self.finished(now, end.code),
            LinkInput::Failed(failed) => Err(Fault::of_link(&failed)),
            _ => Ok(vec![]),
        }
    }

    fn opened(&mut self, head: &Opened) -> Result<Vec<Effect>, Fault> {
        if let Some(fault) = refused(head) {
            return Err(fault);
        }
        self.opened = true;
        // What was asked before is heard only now.
        let mut effects: Vec<Effect> = (self.finalizing > 0).then_some(Effect::Timer(FINALIZED)).into_iter().collect();
        // Flux has no such message.
        effects.extend((self.api == Api::Nova).then_some(Effect::Timer(KEEP_ALIVE)));
        Ok(effects)
    }

    fn told(&mut self, text: &str) -> Result<Vec<Effect>, Fault> {
        let broken = |_| Fault::new(FaultKind::Protocol, "a message is none of Deepgram's");
        Ok(match Message::read(text).map_err(broken)? {
            Message::Results(results) => self.results(&results),
            Message::TurnInfo(turn) => self.turn_info(&turn),
            Message::SpeechStarted { timestamp } => vec![Effect::SpeechStarted(protocol::ms(timestamp))],
            Message::UtteranceEnd { last_word_end } => vec![Effect::SpeechEnded(protocol::ms(last_word_end))],
            Message::Metadata { duration } => {
                self.billed_ms = duration.map(protocol::ms);
                vec![]
            }
            Message::Error(trouble) => return Err(reported(&trouble)),
            Message::Connected | Message::Other => vec![],
        })
    }

    fn results(&mut self, results: &Results) -> Vec<Effect> {
        let transcript = results.transcript();
        let stale = results.end_ms() <= self.finals_end_ms;
        if !results.is_final {
            let news = transcript.filter(|_| !stale);
            self.open_words |= news.is_some();
            return news.map(Effect::Partial).into_iter().collect();
        }
        let mut effects = Vec::new();
        if !stale {
            self.finals_end_ms = results.end_ms();
            self.open_words = false;
            let said = transcript.is_some();
            effects.extend(transcript.map(Effect::Final));
            if results.speech_final && said {
                effects.push(Effect::SpeechEnded(results.end_ms()));
            }
        }
        if results.from_finalize {
            effects.extend(self.answer_one());
        }
        effects
    }

    fn turn_info(&mut self, turn: &TurnInfo) -> Vec<Effect> {
        if turn.turn_index < self.turn {
            return vec![];
        }
        let transcript = turn.transcript();
        match turn.event {
            TurnEvent::EndOfTurn => {
                self.turn = turn.turn_index + 1;
                self.finals_end_ms = self.finals_end_ms.max(turn.end_ms());
                self.open_words = false;
                let mut effects: Vec<Effect> = transcript.map(Effect::Final).into_iter().collect();
                effects.push(Effect::SpeechEnded(turn.end_ms()));
                effects.extend(self.answer_one());
                effects
            }
            TurnEvent::Other => vec![],
            event => {
                self.open_words |= transcript.is_some();
                let started = (event == TurnEvent::StartOfTurn).then(|| Effect::SpeechStarted(turn.start_ms()));
                started.into_iter().chain(transcript.map(Effect::Partial)).collect()
            }
        }
    }

    fn answer_one(&mut self) -> Option<Effect> {
        self.finalizing = self.finalizing.checked_sub(1)?;
        Some(Effect::Finalized)
    }

    fn finished(&mut self, now: Instant, code: Option<u16>) -> Result<Vec<Effect>, Fault> {
        let told_all = self.billed_ms.is_some() || self.api == Api::Flux;
        match code {
            Some(1000) if self.ending && told_all => Ok(self.done(now)),
            // DATA-0000: what came cannot be decoded.
            Some(1008) => Err(Fault::new(FaultKind::BadAudio, "Deepgram cannot decode the audio (close 1008)")),
            // NET-0000 and NET-0001, and whatever else may happen to it: another stream may do better.
            Some(1011) => {
                let fault = Fault::new(FaultKind::Unavailable, "Deepgram broke off (close 1011)");
                Err(Fault { remedy: Remedy::Retry, ..fault })
            }
            code => Err(Fault::new(FaultKind::Unavailable, format!("Deepgram hung up before it had told all (close {code:?})"))),
        }
    }

    fn woken(&mut self, now: Instant, id: u32) -> Result<Vec<Effect>, Fault> {
        let late = |what: &str| Err(Fault::new(FaultKind::Unavailable, format!("Deepgram did not {what} in time")));
        match id {
            _ if id == FIRST_ANSWER.id && !self.opened => late("answer"),
            _ if id == FINALIZED.id && self.finalizing > 0 => match self.open_words {
                true => late("finalize"),
                // It had nothing to say. Words that come later belong to a turn that is over.
                false => {
                    self.finals_end_ms = self.finals_end_ms.max(self.spoken_to_ms.unwrap_or_else(|| self.elapsed_ms(now)));
                    Ok(vec![Effect::Finalized; std::mem::take(&mut self.finalizing) as usize])
                }
            },
            _ if id == END.id && self.ending => late("finish"),
            _ if id == KEEP_ALIVE.id && !self.ending => {
                Ok(vec![link::send_text(DEEPGRAM, protocol::KEEP_ALIVE).into(), Effect::Timer(KEEP_ALIVE)])
            }
            _ => Ok(vec![]),
        }
    }

    fn done(&mut self, now: Instant) -> Vec<Effect> {
        let audio_ms = self.billed_ms.unwrap_or_else(|| self.elapsed_ms(now));
        // Deepgram has told all: what was to be finalized is final.
        let mut effects = vec![Effect::Finalized; std::mem::take(&mut self.finalizing) as usize];
        effects.extend([Effect::Usage(Usage { audio_ms, characters: 0, requests: 1 }), Effect::Done]);
        effects
    }

    fn elapsed_ms(&self, now: Instant) -> u64 {
        (now.mono_us - self.began_us) / 1_000
    }
}

/// A handshake's refusal. Its body cannot be seen; `dg-error` says in a sentence what was wrong with the request.
fn refused(head: &Opened) -> Option<Fault> {
    let why: String = link::field(&head.headers, "dg-error").unwrap_or_default().chars().take(200).collect();
    match head.status {
        101 => None,
        400 => Some(Fault::new(FaultKind::Unsupported, format!("Deepgram refuses the parameters (400): {why}"))),
        status => Some(
            Fault::of_status(status, &head.headers)
                .unwrap_or_else(|| Fault::new(FaultKind::Protocol, format!("status {status} instead of a WebSocket"))),
        ),
    }
}

fn reported(trouble: &Trouble) -> Fault {
    let code = trouble.code.as_deref().or(trouble.variant.as_deref()).unwrap_or_default();
    let kind = match code {
        code if code.starts_with("DATA-") => FaultKind::BadAudio,
        code if code.contains("UNSUPPORTED") || code.contains("INVALID") => FaultKind::Unsupported,
        code if code.contains("RATE") || code.contains("TOO_MANY") => FaultKind::Quota(None),
        _ => FaultKind::Unavailable,
    };
    Fault::new(kind, format!("Deepgram reported {}", code.chars().take(60).collect::<String>()))
}
