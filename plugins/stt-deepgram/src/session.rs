//! One call: audio goes to Deepgram by itself, words come back.

use crate::ear::Ear;
use crate::options::{Api, Auth, Options, SCHEMA};
use crate::protocol::{self, Message, Trouble};
use vg_plugin_sdk::{
    AudioFormat, Descriptor, Encoding, Fault, FaultKind, Features, Instant, Remedy, SecretKind, SecretWish, SessionStart, Usage,
    link::{self, LinkInput, Opened},
    options,
    stt::{AudioRoute, Effect, Input, SttPlugin, Timer},
};

const DEEPGRAM: link::LinkId = 1;
/// The host gives a connection 5 s.
const FIRST_ANSWER: Timer = Timer { id: 1, delay_ms: 6_000 };
/// An answer to `Finalize`, where Deepgram has nothing left to say: it need not give one.
const GRACE: Timer = Timer { id: 2, delay_ms: 1_500 };
/// So much longer where words are owed.
const FINALIZED: Timer = Timer { id: 2, delay_ms: 2_500 };
const END: Timer = Timer { id: 3, delay_ms: 5_000 };
/// Deepgram asks for one each 3 to 5 s of silence; one in between does no harm.
const KEEP_ALIVE: Timer = Timer { id: 4, delay_ms: 4_000 };

/// One call.
#[derive(Debug, Default)]
pub(crate) struct Session {
    api: Api,
    ear: Ear,
    opened: bool,
    ending: bool,
    /// Answers have been owed for longer than a Deepgram that has nothing to say would take.
    overdue: bool,
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

    fn handle(&mut self, _now: Instant, input: Input) -> Vec<Effect> {
        let mut effects = Vec::new();
        if let Err(fault) = self.react(input, &mut effects) {
            // What it cost is not lost with it.
            if self.opened {
                effects.push(self.usage());
            }
            effects.push(Effect::Fail(fault));
        }
        effects
    }
}

impl Session {
    fn react(&mut self, input: Input, effects: &mut Vec<Effect>) -> Result<(), Fault> {
        let owed_before = self.ear.owes();
        match input {
            Input::Start(start) => self.open(&start, effects)?,
            // It goes to Deepgram by itself.
            Input::Audio(_) => {}
            Input::Edge(edge) => self.ear.edge(&edge),
            Input::Finalize => self.ear.finalize(effects),
            Input::End => {
                self.ending = true;
                effects.extend([link::send_text(DEEPGRAM, protocol::CLOSE_STREAM).into(), Effect::Timer(END)]);
            }
            Input::Link(news) => self.heard(news, effects)?,
            Input::Timer(id) => self.woken(id, effects)?,
        }
        self.wait(owed_before, effects);
        Ok(())
    }

    /// What Deepgram bills, or how far it listened where it does not say.
    fn usage(&self) -> Effect {
        Effect::Usage(Usage { audio_ms: self.billed_ms.unwrap_or(self.ear.heard_ms()), characters: 0, requests: 1 })
    }

    fn open(&mut self, start: &SessionStart, effects: &mut Vec<Effect>) -> Result<(), Fault> {
        let options = Options::read(&start.options)?;
        self.api = options.api;
        self.ear = Ear::new(options.api, DEEPGRAM);
        if options.api == Api::Flux && !protocol::flux_hears(&options, &start.language) {
            return Err(Fault::new(
                FaultKind::Unsupported,
                "this model of Flux hears English only: flux-general-multi hears more",
            ));
        }
        let url = protocol::url(&options, start.format, &start.language);
        let url = if options.endpoint.is_some() { options::endpoint(&start.options, &url)? } else { url };
        let scheme = match options.auth {
            Auth::Key => "Token",
            Auth::Bearer => "bearer",
        };
        effects.extend([
            link::websocket(DEEPGRAM, url).header("authorization", format!("{scheme} {{secret:api_key}}")).into(),
            Effect::RouteAudio(AudioRoute { link: DEEPGRAM, prefix: vec![] }),
            Effect::Timer(FIRST_ANSWER),
        ]);
        Ok(())
    }

    /// A timer for the oldest answer that is owed, from when it is; before the link is open nobody has heard the question.
    fn wait(&mut self, owed_before: usize, effects: &mut Vec<Effect>) {
        let owed = self.ear.owes();
        if self.opened && owed > 0 && (owed_before == 0 || owed < owed_before) {
            self.overdue = false;
            effects.push(Effect::Timer(GRACE));
        }
    }

    fn heard(&mut self, news: LinkInput, effects: &mut Vec<Effect>) -> Result<(), Fault> {
        match news {
            LinkInput::Opened(head) => {
                if let Some(fault) = refused(&head) {
                    return Err(fault);
                }
                self.opened = true;
                // What was asked before is heard only now.
                effects.extend((self.ear.owes() > 0).then_some(Effect::Timer(GRACE)));
                // Flux has no such message.
                effects.extend((self.api == Api::Nova).then_some(Effect::Timer(KEEP_ALIVE)));
                Ok(())
            }
            LinkInput::Text(message) => self.told(&message.data, effects),
            LinkInput::Finished(end) => self.finished(end.code, effects),
            LinkInput::Failed(failed) => Err(Fault::of_link(&failed)),
            _ => Ok(()),
        }
    }

    fn told(&mut self, text: &str, effects: &mut Vec<Effect>) -> Result<(), Fault> {
        let broken = |_| Fault::new(FaultKind::Protocol, "a message is none of Deepgram's");
        match Message::read(text).map_err(broken)? {
            Message::Results(results) => self.ear.results(&results, effects),
            Message::TurnInfo(turn) => self.ear.turn(&turn, effects),
            Message::SpeechStarted { timestamp } => effects.push(Effect::SpeechStarted(protocol::ms(timestamp))),
            Message::UtteranceEnd { last_word_end } => self.ear.utterance_end(last_word_end, effects),
            Message::Metadata { duration } => self.billed_ms = duration.map(protocol::ms),
            Message::Error(trouble) => return Err(reported(&trouble)),
            Message::Connected | Message::Other => {}
        }
        Ok(())
    }

    fn finished(&mut self, code: Option<u16>, effects: &mut Vec<Effect>) -> Result<(), Fault> {
        let told_all = self.billed_ms.is_some() || self.api == Api::Flux;
        match code {
            Some(1000) if self.ending && told_all => {
                // Deepgram has told all: what was to be finalized is final.
                self.ear.close(effects)?;
                effects.extend([self.usage(), Effect::Done]);
                Ok(())
            }
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

    fn woken(&mut self, id: u32, effects: &mut Vec<Effect>) -> Result<(), Fault> {
        let late = |what: &str| Err(Fault::new(FaultKind::Unavailable, format!("Deepgram did not {what} in time")));
        match id {
            _ if id == FIRST_ANSWER.id && !self.opened => late("answer"),
            _ if id == END.id && self.ending => late("finish"),
            // Its close is waited for, which brings everything.
            _ if self.ending => Ok(()),
            _ if id == GRACE.id => {
                self.ear.answer_what_needs_no_words(effects);
                match (self.ear.owes(), std::mem::replace(&mut self.overdue, true)) {
                    (0, _) => Ok(()),
                    (_, true) => late("finalize"),
                    (_, false) => {
                        effects.push(Effect::Timer(FINALIZED));
                        Ok(())
                    }
                }
            }
            _ if id == KEEP_ALIVE.id => {
                effects.extend([link::send_text(DEEPGRAM, protocol::KEEP_ALIVE).into(), Effect::Timer(KEEP_ALIVE)]);
                Ok(())
            }
            _ => Ok(()),
        }
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
