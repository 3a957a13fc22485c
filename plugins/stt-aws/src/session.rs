//! One call: the link to the service, its waits, and what is owed to the host.

mod turn;

use crate::heard::Heard;
use crate::options::{Options, Transport};
use crate::protocol::{self, EVENT_STREAM, MESSAGE_BYTES_MAX, SERVICE};
use crate::uplink::Uplink;
use turn::Turn;
use vg_plugin_sdk::{
    Fault, FaultKind, Instant, SessionStart, Usage,
    link::{self, AwsPayload, AwsSigv4, LinkErrorKind, LinkId, LinkInput},
    signing,
    stt::{Edge, Effect, Input, Timer},
};
use vg_wire::event_stream::{Chain, Message, Messages};

/// Name of the secret.
pub(crate) const SECRET: &str = "aws";

/// The answer's head; the host gives up connecting after 5 s.
const HEAD: Timer = Timer { id: 1, delay_ms: 6_000 };
const TURN: u32 = 2;
/// Last words and an orderly end after the end of the audio.
const END: Timer = Timer { id: 3, delay_ms: 5_000 };
/// The service ends a stream after 15 s without audio.
const KEEP: Timer = Timer { id: 4, delay_ms: 5_000 };
/// The rest of what waits, where it is too much for one call.
const FLUSH: Timer = Timer { id: 5, delay_ms: 10 };
/// News, after a turn whose final did not come.
const STALL: Timer = Timer { id: 6, delay_ms: 8_000 };
const KEEP_SILENCE_MS: u64 = 100;
/// Below the host's mark for `full`, so that it can say so.
const BURST_BYTES: usize = 48 << 10;

/// One session; nothing is there before `start`.
#[derive(Debug, Default)]
pub(crate) struct Session {
    call: Option<Call>,
}

#[derive(Debug)]
struct Call {
    options: Options,
    /// Of the session's start: a second link asks for the same.
    parameters: Vec<(&'static str, String)>,
    link: LinkId,
    way: Way,
    opened: bool,
    full: bool,
    end: End,
    uplink: Uplink,
    heard: Heard,
    turn: Turn,
    /// When sound was sent last.
    sound_us: u64,
    /// Something of the service is overdue.
    owed: bool,
}

/// What is sent and read over the link.
#[derive(Debug)]
enum Way {
    /// None before the host has signed the request.
    Http2(Option<Chain>, Messages),
    Websocket,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// The call goes on.
    No,
    /// The host said so, sound still waits.
    Told,
    /// The service was told.
    Sent,
}

impl Session {
    /// See [`vg_plugin_sdk::stt::SttPlugin::handle`].
    pub(crate) fn handle(&mut self, now: Instant, input: Input) -> Vec<Effect> {
        let mut effects = Vec::new();
        let done = match (&mut self.call, input) {
            (call @ None, Input::Start(start)) => Call::begin(&start, now).map(|(begun, first)| {
                *call = Some(begun);
                effects = first;
            }),
            (Some(call), input) => call.react(now, input, &mut effects),
            (None, _) => Ok(()),
        };
        if let Err(fault) = done {
            effects.extend(self.call.as_ref().map(Call::usage));
            effects.push(Effect::Fail(fault));
        }
        effects
    }
}

impl Call {
    fn begin(start: &SessionStart, now: Instant) -> Result<(Self, Vec<Effect>), Fault> {
        let options = Options::parse(&start.options)?;
        let session_id = protocol::uuid(&start.seed);
        let mut call = Self {
            parameters: protocol::parameters(&options, &start.language, start.format.rate_hz, &session_id),
            options,
            link: 0,
            way: Way::Websocket,
            opened: false,
            full: false,
            end: End::No,
            uplink: Uplink::new(start.format),
            heard: Heard::default(),
            turn: Turn::default(),
            sound_us: now.mono_us,
            owed: false,
        };
        let open = call.open()?;
        Ok((call, vec![open, Effect::Timer(HEAD), Effect::Timer(KEEP)]))
    }

    fn open(&mut self) -> Result<Effect, Fault> {
        self.link += 1;
        self.full = false;
        let region = &self.options.region;
        let sign = |payload| AwsSigv4 { secret: SECRET.to_owned(), region: region.clone(), service: SERVICE.to_owned(), payload };
        let agent = concat!("serphona-voice-gateway/", env!("CARGO_PKG_VERSION"));
        match self.options.transport {
            Transport::Http2 => {
                self.way = Way::Http2(None, Messages::new(MESSAGE_BYTES_MAX));
                let url =
                    self.options.url(&format!("https://transcribestreaming.{region}.amazonaws.com/stream-transcription"))?;
                let open = link::http(self.link, "POST", url).http2().streaming().aws(sign(AwsPayload::EventStream));
                let open = open.header("content-type", EVENT_STREAM).header("user-agent", agent);
                let with = |open: link::HttpOpen, (name, value): &(&str, String)| {
                    open.header(&format!("x-amzn-transcribe-{name}"), value.as_str())
                };
                Ok(self.parameters.iter().fold(open, with).into())
            }
            Transport::Websocket => {
                self.way = Way::Websocket;
                let origin = format!("wss://transcribestreaming.{region}.amazonaws.com:8443");
                let url = self.options.url(&format!("{origin}/stream-transcription-websocket"))?;
                let url = url + &protocol::query(&self.parameters);
                Ok(link::websocket(self.link, url).header("user-agent", agent).aws(sign(AwsPayload::Presigned)).into())
            }
        }
    }

    fn react(&mut self, now: Instant, input: Input, effects: &mut Vec<Effect>) -> Result<(), Fault> {
        match input {
            Input::Start(_) => Ok(()),
            Input::Audio(chunk) => {
                self.uplink.push(chunk)?;
                self.send(now, effects)
            }
            Input::Edge(Edge::SpeechStarted(_)) => {
                self.turn.started();
                Ok(())
            }
            Input::Edge(Edge::SpeechEnded(ms)) => {
                self.turn.ended(ms);
                Ok(())
            }
            Input::Finalize => {
                self.turn.asked(self.uplink.caller_ms());
                if !self.turn.answer(&self.heard, effects) {
                    effects.push(self.turn_timer());
                }
                Ok(())
            }
            Input::End => {
                self.end = End::Told;
                effects.push(Effect::Timer(END));
                self.send(now, effects)
            }
            Input::Link(news) => self.told(now, news, effects),
            Input::Timer(id) => self.woken(now, id, effects),
        }
    }

    fn told(&mut self, now: Instant, news: LinkInput, effects: &mut Vec<Effect>) -> Result<(), Fault> {
        match news {
            LinkInput::Signed(signed) if signed.id == self.link => {
                if let Way::Http2(chain, _) = &mut self.way {
                    *chain = Some(Chain::new(signed.signature));
                }
                self.send(now, effects)
            }
            LinkInput::Opened(head) if head.id == self.link => self.opened(&head, effects),
            LinkInput::Bytes(piece) if piece.id == self.link => self.read(&piece.data, effects),
            LinkInput::Text(message) if message.id == self.link => {
                Err(Fault::new(FaultKind::Protocol, "the service sent a text message"))
            }
            LinkInput::Finished(end) if end.id == self.link => self.finished(end.code, effects),
            LinkInput::Failed(failed) if failed.id == self.link => {
                // Perhaps a connection that was kept and had died: all sound is still here.
                if failed.kind == LinkErrorKind::Reset && self.may_try_again() {
                    return self.again(effects);
                }
                Err(Fault::of_link(&failed))
            }
            LinkInput::Full(id) if id == self.link => {
                self.full = true;
                Ok(())
            }
            LinkInput::Writable(id) if id == self.link => {
                self.full = false;
                self.send(now, effects)
            }
            // Of a link that is no more.
            _ => Ok(()),
        }
    }

    fn opened(&mut self, head: &link::Opened, effects: &mut Vec<Effect>) -> Result<(), Fault> {
        if matches!(head.status, 500 | 503) && self.may_try_again() {
            effects.push(link::close(self.link).into());
            return self.again(effects);
        }
        if let Some(fault) = protocol::of_head(head.status, &head.headers) {
            return Err(fault);
        }
        let status = if matches!(self.way, Way::Http2(..)) { 200 } else { 101 };
        let is_page = status == 200 && link::field(&head.headers, "content-type").is_some_and(|kind| kind != EVENT_STREAM);
        if head.status != status || is_page {
            return Err(Fault::new(FaultKind::Protocol, format!("status {} and no event stream", head.status)));
        }
        self.opened = true;
        self.uplink.answered();
        // A service that was not there yet could not answer: its time begins now.
        if self.turn.is_owed() {
            effects.push(self.turn_timer());
        }
        Ok(())
    }

    /// Once, while the service has said nothing and all sound is still here.
    fn may_try_again(&self) -> bool {
        self.link == 1 && !self.opened
    }

    fn again(&mut self, effects: &mut Vec<Effect>) -> Result<(), Fault> {
        self.uplink.rewind();
        if self.end == End::Sent {
            self.end = End::Told;
        }
        effects.push(self.open()?);
        effects.push(Effect::Timer(HEAD));
        Ok(())
    }

    /// What waits, as far as the link takes it, and the end behind the last of it.
    fn send(&mut self, now: Instant, effects: &mut Vec<Effect>) -> Result<(), Fault> {
        if matches!(self.way, Way::Http2(None, _)) {
            return Ok(());
        }
        let mut burst = 0;
        while !self.full && burst < BURST_BYTES {
            let Some(pcm) = self.uplink.pop() else { break };
            burst += pcm.len();
            self.sound_us = now.mono_us;
            effects.push(self.message(now, &protocol::audio_event(pcm))?);
        }
        if !self.uplink.is_empty() {
            if !self.full {
                effects.push(Effect::Timer(FLUSH));
            }
        } else if self.end == End::Told && !self.full {
            self.end = End::Sent;
            match self.way {
                Way::Http2(..) => effects.extend([self.message(now, &[])?, link::finish(self.link).into()]),
                // The service closes the WebSocket.
                Way::Websocket => effects.push(self.message(now, &protocol::audio_event(vec![]))?),
            }
        }
        Ok(())
    }

    /// An event, signed where the way wants it.
    fn message(&mut self, now: Instant, event: &[u8]) -> Result<Effect, Fault> {
        let link = self.link;
        let bytes = match &mut self.way {
            Way::Websocket => event.to_vec(),
            Way::Http2(chain, _) => chain
                .as_mut()
                .and_then(|chain| {
                    chain.message(event, now.unix_ms, |prior, date, header_hash, payload_hash| {
                        signing::aws_chunk_signature(link, prior, date, header_hash, payload_hash)
                    })
                })
                .ok_or_else(|| Fault::new(FaultKind::Internal, "the host does not continue the signature"))?,
        };
        Ok(link::send(link, bytes).into())
    }

    fn read(&mut self, bytes: &[u8], effects: &mut Vec<Effect>) -> Result<(), Fault> {
        let broken = |error| Fault::new(FaultKind::Protocol, format!("the service's event stream cannot be read: {error}"));
        if !self.opened {
            return Ok(());
        }
        match &mut self.way {
            Way::Websocket => {
                let message = Message::decode(bytes).map_err(broken)?;
                self.hear(&message, effects)
            }
            Way::Http2(_, messages) => {
                messages.push(bytes);
                while let Some(message) = self.next_message().map_err(broken)? {
                    self.hear(&message, effects)?;
                }
                Ok(())
            }
        }
    }

    fn next_message(&mut self) -> Result<Option<Message>, vg_wire::event_stream::EventStreamError> {
        match &mut self.way {
            Way::Http2(_, messages) => messages.poll(),
            Way::Websocket => Ok(None),
        }
    }

    fn hear(&mut self, message: &Message, effects: &mut Vec<Effect>) -> Result<(), Fault> {
        self.owed = false;
        for recognised in protocol::recognised(message)? {
            effects.extend(self.heard.take(recognised));
        }
        self.turn.answer(&self.heard, effects);
        Ok(())
    }

    fn finished(&mut self, code: Option<u16>, effects: &mut Vec<Effect>) -> Result<(), Fault> {
        let unavailable = |detail: String| Err(Fault::new(FaultKind::Unavailable, detail));
        let is_orderly = match &self.way {
            Way::Http2(_, messages) => !messages.is_cut(),
            Way::Websocket => code == Some(1000),
        };
        if self.end != End::Sent {
            return unavailable(format!("the service hung up while the caller was heard (close code {code:?})"));
        }
        if !is_orderly {
            return unavailable(format!("the service broke off its last words (close code {code:?})"));
        }
        if self.heard.open_from_ms().is_some() {
            return unavailable("the service ended without the final of what it had heard".to_owned());
        }
        self.turn.close(effects);
        effects.extend([self.usage(), Effect::Done]);
        Ok(())
    }

    fn woken(&mut self, now: Instant, id: u32, effects: &mut Vec<Effect>) -> Result<(), Fault> {
        let late = |what: &str| Err(Fault::new(FaultKind::Unavailable, format!("the service did not {what} in time")));
        if id == HEAD.id && !self.opened {
            return late("answer");
        }
        if id == END.id && self.end != End::No {
            return late("end");
        }
        if id == STALL.id && self.owed {
            return late("go on");
        }
        if id == KEEP.id {
            self.keep(now, effects)?;
        }
        if id == FLUSH.id {
            self.send(now, effects)?;
        }
        if id == TURN && self.opened && self.turn.give_up(&mut self.heard, effects) {
            self.owed = true;
            effects.push(Effect::Timer(STALL));
        }
        Ok(())
    }

    /// Silence where the call gives none: the service would end the stream.
    fn keep(&mut self, now: Instant, effects: &mut Vec<Effect>) -> Result<(), Fault> {
        let quiet_ms = (now.mono_us - self.sound_us) / 1_000;
        let next_ms = match u32::try_from(quiet_ms) {
            Ok(quiet_ms) if quiet_ms < KEEP.delay_ms => KEEP.delay_ms - quiet_ms,
            _ => KEEP.delay_ms,
        };
        let is_due = quiet_ms >= u64::from(KEEP.delay_ms);
        if is_due && self.opened && self.end == End::No && !self.full && self.uplink.is_empty() {
            let (at_ms, silence) = self.uplink.silence(KEEP_SILENCE_MS);
            self.heard.clock.silence(at_ms, KEEP_SILENCE_MS);
            self.sound_us = now.mono_us;
            effects.push(self.message(now, &protocol::audio_event(silence))?);
        }
        effects.push(Effect::Timer(Timer { delay_ms: next_ms, ..KEEP }));
        Ok(())
    }

    fn turn_timer(&self) -> Effect {
        Effect::Timer(Timer { id: TURN, delay_ms: self.options.finalize_wait_ms })
    }

    fn usage(&self) -> Effect {
        Effect::Usage(Usage { audio_ms: self.uplink.billed_ms(), characters: 0, requests: self.link })
    }
}

#[cfg(test)]
mod tests;
