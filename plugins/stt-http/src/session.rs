//! One call: sound goes to the engine by itself, its words come back.

#[cfg(test)]
mod tests;

use crate::options::Options;
use crate::protocol::{Ask, Heard, News};
use vg_own_engine::{Asking, BODY_MS, Ms, Refused, VERSION};
use vg_plugin_sdk::{
    Fault, FaultKind, Instant, SessionStart, Transcript, Usage,
    link::{self, LinkInput, Opened},
    stt::{AudioRoute, Edge, Effect, Input, Timer},
};

const ENGINE: link::LinkId = 1;
/// As long as the host lets connecting take.
const CONNECT_MS: u32 = 5_000;

/// Waits of a session. Each has a timer of its own: setting one again replaces it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wait {
    /// For the connection, then for `ready`.
    Ready = 1,
    Finalized,
    Done,
}

/// One session, from before its `start`.
#[derive(Debug, Default)]
pub(crate) struct Session(State);

#[derive(Debug, Default)]
enum State {
    #[default]
    Fresh,
    Live(Box<Call>),
    Over,
}

#[derive(Debug)]
struct Call {
    began_us: u64,
    options: Options,
    phase: Phase,
    /// Answers to `finalize` that are owed.
    owed: u32,
    ending: bool,
    last: Last,
}

#[derive(Debug)]
enum Phase {
    Connecting,
    /// The engine does not become a WebSocket; its reason may follow.
    Refused(Refused),
    /// Said `start`, not heard `ready`.
    Greeting,
    Listening,
}

/// The last final with words in it: words are given once.
#[derive(Debug, Default)]
struct Last {
    text: String,
    start_ms: u64,
    end_ms: u64,
    /// So far the engine is through with the sound; a final without words says so, too.
    until_ms: u64,
}

impl Session {
    pub(crate) fn handle(&mut self, now: Instant, input: Input) -> Vec<Effect> {
        let effects = match (&mut self.0, input) {
            (State::Fresh, Input::Start(start)) => self.start(now, &start),
            (State::Fresh, _) => Err(Fault::new(FaultKind::Internal, "the first input is not start")),
            (State::Live(call), input) => call.react(now, input),
            (State::Over, _) => Ok(vec![]),
        };
        let effects = effects.unwrap_or_else(|fault| {
            let usage = if let State::Live(call) = &self.0 { call.usage(now) } else { None };
            usage.into_iter().chain([Effect::Fail(fault)]).collect()
        });
        if let Some(Effect::Done | Effect::Fail(_)) = effects.last() {
            self.0 = State::Over;
        }
        effects
    }

    fn start(&mut self, now: Instant, start: &SessionStart) -> Result<Vec<Effect>, Fault> {
        let (options, Asking { url, headers }) = Options::read(&start.options)?;
        let ask = Ask::Start {
            version: VERSION,
            format: start.format.into(),
            language: &start.language,
            partials: options.partials,
            options: &options.options,
        };
        let open = headers.into_iter().fold(link::websocket(ENGINE, url), |open, (name, value)| open.header(&name, value));
        let effects = vec![
            open.into(),
            link::send_text(ENGINE, ask.json()).into(),
            // Sound waits behind `start` until the link is open; this plugin is not called for it.
            Effect::RouteAudio(AudioRoute { link: ENGINE, prefix: vec![] }),
            Effect::Timer(Timer { id: Wait::Ready as u32, delay_ms: CONNECT_MS }),
        ];
        let phase = Phase::Connecting;
        let call = Call { began_us: now.mono_us, options, phase, owed: 0, ending: false, last: Last::default() };
        self.0 = State::Live(Box::new(call));
        Ok(effects)
    }
}

impl Call {
    fn react(&mut self, now: Instant, input: Input) -> Result<Vec<Effect>, Fault> {
        match input {
            Input::Start(_) => Err(Fault::new(FaultKind::Internal, "a session was started twice")),
            Input::Finalize => {
                self.owed += 1;
                // After `end` everything will be final; the engine reads no more.
                Ok(if self.ending { vec![] } else { self.ask(Ask::Finalize, Wait::Finalized) })
            }
            Input::End if self.ending => Ok(vec![]),
            Input::End => {
                self.ending = true;
                // Not half-closed: many servers answer a close with a close, and the last words would be lost.
                Ok(self.ask(Ask::End, Wait::Done))
            }
            Input::Edge(edge) if self.options.edges && !self.ending => {
                let ask = match edge {
                    Edge::SpeechStarted(ms) => Ask::SpeechStarted { ms },
                    Edge::SpeechEnded(ms) => Ask::SpeechEnded { ms },
                };
                Ok(vec![link::send_text(ENGINE, ask.json()).into()])
            }
            Input::Link(news) => self.news(now, news),
            Input::Timer(id) => self.woken(id),
            Input::Audio(_) | Input::Edge(_) => Ok(vec![]),
        }
    }

    /// The time for an answer runs once the engine listens.
    fn ask(&self, ask: Ask<'_>, wait: Wait) -> Vec<Effect> {
        let timer = matches!(self.phase, Phase::Listening).then(|| self.timer(wait));
        [link::send_text(ENGINE, ask.json()).into()].into_iter().chain(timer).collect()
    }

    fn timer(&self, wait: Wait) -> Effect {
        Effect::Timer(Timer { id: wait as u32, delay_ms: self.options.patience_ms })
    }

    fn news(&mut self, now: Instant, news: LinkInput) -> Result<Vec<Effect>, Fault> {
        match (news, &mut self.phase) {
            (LinkInput::Opened(head), _) => self.opened(head),
            (LinkInput::Text(message), Phase::Greeting | Phase::Listening) => self.told(now, News::read(&message.data)?),
            (LinkInput::Bytes(piece), Phase::Refused(refused)) => {
                refused.push(&piece.data);
                Ok(vec![])
            }
            (LinkInput::Finished(_) | LinkInput::Failed(_), Phase::Refused(refused)) => Err(refused.fault()),
            (LinkInput::Finished(end), _) => {
                let code = end.code.map_or_else(|| "without a code".to_owned(), |code| format!("with {code}"));
                Err(Fault::new(FaultKind::Unavailable, format!("the engine hung up before `done`, {code}")))
            }
            (LinkInput::Failed(failed), _) => Err(Fault::of_link(&failed)),
            // What an engine has to say is text.
            _ => Ok(vec![]),
        }
    }

    fn opened(&mut self, head: Opened) -> Result<Vec<Effect>, Fault> {
        match head.status {
            101 => {
                self.phase = Phase::Greeting;
                Ok(vec![self.timer(Wait::Ready)])
            }
            400.. => {
                self.phase = Phase::Refused(Refused::new(head));
                Ok(vec![Effect::Timer(Timer { id: Wait::Ready as u32, delay_ms: BODY_MS })])
            }
            status => Err(Fault::new(FaultKind::Protocol, format!("status {status} in place of a WebSocket"))),
        }
    }

    fn told(&mut self, now: Instant, news: News) -> Result<Vec<Effect>, Fault> {
        match news {
            News::Ready { version } if version != VERSION => Err(Fault::new(
                FaultKind::Protocol,
                format!("the engine speaks version {version} of the protocol, not {VERSION}"),
            )),
            News::Ready { .. } if matches!(self.phase, Phase::Greeting) => {
                self.phase = Phase::Listening;
                let asked = [(self.owed > 0, Wait::Finalized), (self.ending, Wait::Done)];
                Ok(asked.into_iter().filter(|(asked, _)| *asked).map(|(_, wait)| self.timer(wait)).collect())
            }
            News::Error(refusal) => Err(refusal.fault()),
            News::Ready { .. } | News::Other => Ok(vec![]),
            _ if matches!(self.phase, Phase::Greeting) => {
                Err(Fault::new(FaultKind::Protocol, "the engine answered before it said `ready`"))
            }
            News::SpeechStarted { ms: Ms(ms) } => Ok(vec![Effect::SpeechStarted(ms)]),
            News::SpeechEnded { ms: Ms(ms) } => Ok(vec![Effect::SpeechEnded(ms)]),
            News::Partial(heard) => Ok(self.partial(heard)),
            News::Final(heard) => self.fin(heard),
            News::Finalized if self.owed > 0 => {
                self.owed -= 1;
                // The next answer has its time from here on.
                let next = (self.owed > 0).then(|| self.timer(Wait::Finalized));
                Ok([Effect::Finalized].into_iter().chain(next).collect())
            }
            News::Finalized => Ok(vec![]),
            News::Done { audio_ms } if self.ending => Ok(self.done(now, audio_ms)),
            News::Done { .. } => Err(Fault::new(FaultKind::Unavailable, "the engine was done before it was told to end")),
        }
    }

    fn partial(&self, heard: Heard) -> Vec<Effect> {
        let heard = heard.partial();
        // One that comes after its final is stale.
        let wanted = self.options.partials && heard.end_ms > self.last.until_ms && !heard.text.trim().is_empty();
        if wanted { vec![Effect::Partial(heard)] } else { vec![] }
    }

    fn fin(&mut self, heard: Heard) -> Result<Vec<Effect>, Fault> {
        let said = heard.fin();
        let last = &mut self.last;
        if (said.start_ms, said.end_ms) == (last.start_ms, last.end_ms) && said.text == last.text {
            return Ok(vec![]);
        }
        if said.text.trim().is_empty() {
            last.until_ms = last.until_ms.max(said.end_ms);
            return Ok(vec![]);
        }
        if said.end_ms <= last.until_ms {
            // Dropped it would be words lost, given it could be words twice: the engine has to be mended.
            return Err(Fault::new(FaultKind::Protocol, "a final does not end after the final before it"));
        }
        let Transcript { text, start_ms, end_ms, .. } = &said;
        *last = Last { text: text.clone(), start_ms: *start_ms, end_ms: *end_ms, until_ms: *end_ms };
        Ok(vec![Effect::Final(said)])
    }

    fn woken(&mut self, id: u32) -> Result<Vec<Effect>, Fault> {
        let late = |what: &str| Err(Fault::new(FaultKind::Unavailable, format!("the engine did not {what} in time")));
        match &self.phase {
            Phase::Refused(refused) => Err(refused.fault()),
            Phase::Connecting if id == Wait::Ready as u32 => late("answer"),
            Phase::Greeting if id == Wait::Ready as u32 => late("say `ready`"),
            Phase::Listening if id == Wait::Finalized as u32 && self.owed > 0 => late("answer `finalize`"),
            Phase::Listening if id == Wait::Done as u32 => late("answer `end`"),
            _ => Ok(vec![]),
        }
    }

    fn done(&mut self, now: Instant, audio_ms: Option<Ms>) -> Vec<Effect> {
        // It said its last word: what was to be finalized is final.
        let finalized = vec![Effect::Finalized; std::mem::take(&mut self.owed) as usize];
        let usage = match audio_ms {
            Some(Ms(audio_ms)) => Some(Effect::Usage(Usage { audio_ms, characters: 0, requests: 1 })),
            None => self.usage(now),
        };
        finalized.into_iter().chain(usage).chain([link::close(ENGINE).into(), Effect::Done]).collect()
    }

    /// Sound goes past this plugin, as it is spoken: what was sent is what there was time for.
    fn usage(&self, now: Instant) -> Option<Effect> {
        let heard = matches!(self.phase, Phase::Greeting | Phase::Listening);
        let audio_ms = now.mono_us.saturating_sub(self.began_us) / 1_000;
        heard.then_some(Effect::Usage(Usage { audio_ms, characters: 0, requests: 1 }))
    }
}
