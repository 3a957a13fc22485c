//! One call: streams of Google follow each other, since each ends with a turn or after five minutes at the latest. Usually there is one;
//! while Google finishes a turn the next stream hears already.

use crate::leg::{Activity, Leg};
use crate::options::{Api, Options, SCHEMA};
use crate::protocol::{self, Ending, ending};
use std::collections::VecDeque;
use vg_plugin_sdk::{
    AudioFormat, Descriptor, Encoding, Fault, FaultKind, Features, Instant, SecretKind, SecretWish, SessionStart, Usage,
    audio::{self, Whole},
    link::{self, Failed, LinkErrorKind, LinkId, LinkInput, Opened},
    options,
    stt::{Edge, Effect, Input, SttPlugin, Timer},
};
use vg_wire::grpc::Status;

/// An answer to `finalize`. There is no other wait: Google's head may come with its first words only, and who is silent hears none.
const FINALIZED: Timer = Timer { id: 1, delay_ms: 5_000 };
const END: Timer = Timer { id: 2, delay_ms: 5_000 };
/// More audio is to be sent than goes out at once.
const REST: Timer = Timer { id: 3, delay_ms: 20 };

/// A stream lives for five minutes. From here on it is replaced when nobody speaks,
const OLD_US: u64 = 270_000_000;
/// and from here on at once.
const TOO_OLD_US: u64 = 280_000_000;
/// A stream that expires sooner is no stream.
const YOUNG_US: u64 = 400_000;

/// A final that ends so shortly before the caller's last voiced sample has heard all of it.
const HEARD_ALL_MS: u64 = 250;
/// Of what Google has said nothing for so long was no speech.
const LATE_MS: u64 = 10_000;
/// Whose turns pile up faster is not answered any more.
const LEGS: usize = 6;

/// How a stream is opened.
#[derive(Clone, Debug)]
struct Door {
    options: Options,
    url: String,
    opening: Vec<u8>,
}

/// One call.
#[derive(Debug, Default)]
pub(crate) struct Session {
    door: Option<Door>,
    /// A-law goes to v1 as linear samples.
    is_decoded: bool,
    encoding: Option<Encoding>,
    bytes_per_ms: u64,
    whole: Whole,
    /// Bytes of the call's audio, as it is sent.
    heard: u64,
    /// The oldest first; only the last one may still be given audio.
    legs: VecDeque<Leg>,
    links: LinkId,
    /// The caller's last voiced sample, where the caller is silent.
    spoken_to_ms: Option<u64>,
    speaking: bool,
    /// Where the last final of all ended.
    finals_end_ms: u64,
    activity: Activity,
    ending: bool,
}

impl SttPlugin for Session {
    fn descriptor() -> Descriptor {
        let format = |encoding, rate_hz| AudioFormat { encoding, rate_hz };
        let languages = ["en-US", "en-GB", "pt-BR", "es-ES", "es-US", "es-MX", "es-419", "fr-FR", "de-DE", "it-IT"];
        Descriptor {
            formats: vec![
                format(Encoding::Mulaw, 8_000),
                format(Encoding::PcmS16le, 16_000),
                format(Encoding::PcmS16le, 8_000),
                format(Encoding::Alaw, 8_000),
            ],
            languages: languages.map(str::to_owned).to_vec(),
            features: Features::INTERIM | Features::WORD_TIMES | Features::FINALIZE | Features::ENDPOINTING,
            options_schema: SCHEMA.to_owned(),
            hosts: vec!["https://speech.googleapis.com".to_owned()],
            secrets: vec![SecretWish {
                name: "api_key".to_owned(),
                kind: SecretKind::Fixed,
                why: "an API key, or an access token where the option auth is bearer; with service_account or oauth2 the secret of that name \
                      stands in its place"
                    .to_owned(),
            }],
            ..Descriptor::stt("stt-google", env!("CARGO_PKG_VERSION"))
        }
    }

    fn new() -> Self {
        Self::default()
    }

    fn handle(&mut self, now: Instant, input: Input) -> Vec<Effect> {
        let mut effects = Vec::new();
        if let Err(fault) = self.react(now, input, &mut effects) {
            // What was said, and what it cost, is not lost with it.
            if let Some(leg) = self.legs.front_mut() {
                leg.release(&mut self.activity, &mut effects);
            }
            effects.extend(self.legs.iter().map(|leg| used(leg, self.bytes_per_ms)));
            effects.push(Effect::Fail(fault));
        }
        effects
    }
}

impl Session {
    fn react(&mut self, now: Instant, input: Input, effects: &mut Vec<Effect>) -> Result<(), Fault> {
        match input {
            Input::Start(start) => self.start(now, &start, effects)?,
            Input::Audio(samples) => self.hear(now, samples, effects)?,
            Input::Edge(Edge::SpeechStarted(_)) => (self.spoken_to_ms, self.speaking) = (None, true),
            Input::Edge(Edge::SpeechEnded(ms)) => (self.spoken_to_ms, self.speaking) = (Some(ms), false),
            Input::Finalize => self.finalize(now, effects),
            Input::End => self.end(effects),
            Input::Link(news) => self.news(now, news, effects)?,
            Input::Timer(id) => self.woken(now, id, effects)?,
        }
        Ok(())
    }

    fn start(&mut self, now: Instant, start: &SessionStart, effects: &mut Vec<Effect>) -> Result<(), Fault> {
        let options = Options::read(&start.options)?;
        let mut format = start.format;
        self.encoding = Some(format.encoding);
        self.is_decoded = format.encoding == Encoding::Alaw && options.api == Api::V1;
        if self.is_decoded {
            format.encoding = Encoding::PcmS16le;
        }
        self.bytes_per_ms = u64::from(format.rate_hz / 1000) * audio::sample_bytes(format.encoding) as u64;
        if self.bytes_per_ms == 0 {
            return Err(Fault::new(FaultKind::Unsupported, "Google takes 8 kHz and more"));
        }
        let url = protocol::url(options.api);
        let url = if options.endpoint.is_some() { options::endpoint(&start.options, url)? } else { url.to_owned() };
        self.door = Some(Door { opening: protocol::opening(&options, format, &start.language), options, url });
        // A refusal is known before the first word, and the connection stands when it comes.
        self.begin(now, effects);
        Ok(())
    }

    /// Another stretch, from here on.
    fn begin(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        let api = self.door.as_ref().map_or(Api::V1, |door| door.options.api);
        self.legs.push_back(Leg::new(api, self.bytes_per_ms, self.heard));
        self.wake(now, self.legs.len() - 1, effects);
    }

    /// A stream for this stretch, the first one or another.
    fn wake(&mut self, now: Instant, nth: usize, effects: &mut Vec<Effect>) {
        let (Some(door), Some(leg)) = (&self.door, self.legs.get_mut(nth)) else { return };
        if let Some(old) = leg.link {
            effects.push(link::close(old).into());
        }
        self.links += 1;
        leg.wake(self.links, now.mono_us);
        let (name, value) = door.options.credential();
        let mut request = link::http(self.links, "POST", door.url.clone())
            .http2()
            .streaming()
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .header("user-agent", concat!("serphona-voice-gateway/", env!("CARGO_PKG_VERSION")))
            .header(name, value);
        if let Some(project) = &door.options.quota_project {
            request = request.header("x-goog-user-project", project.clone());
        }
        effects.extend([request.into(), link::send(self.links, door.opening.clone()).into()]);
        send(leg, effects);
    }

    fn hear(&mut self, now: Instant, samples: Vec<u8>, effects: &mut Vec<Effect>) -> Result<(), Fault> {
        let encoding = self.encoding.unwrap_or(Encoding::Mulaw);
        let mut samples = self.whole.samples(encoding, samples);
        if samples.is_empty() || self.ending {
            return Ok(());
        }
        if self.is_decoded {
            let mut linear = Vec::with_capacity(samples.len());
            audio::decode(encoding, &samples, &mut linear);
            samples.clear();
            audio::encode(Encoding::PcmS16le, &linear, &mut samples);
        }
        if self.legs.back().is_none_or(|leg| leg.complete) {
            if self.legs.len() >= LEGS {
                return Err(Fault::new(FaultKind::Unavailable, "Google finishes turns slower than they come"));
            }
            self.begin(now, effects);
        }
        self.heard += samples.len() as u64;
        let (nth, spoken) = (self.legs.len() - 1, self.is_spoken());
        let Some(leg) = self.legs.back_mut() else { return Ok(()) };
        leg.give(&samples, spoken);
        if leg.waits_too_long() {
            return Err(Fault::new(FaultKind::Unavailable, "Google takes no audio"));
        }
        let age_us = now.mono_us - leg.opened_us;
        let is_over = age_us >= TOO_OLD_US || age_us >= OLD_US && !leg.open_words && !spoken;
        if is_over && leg.lost {
            return Err(too_long());
        }
        if leg.link.is_none() || is_over {
            self.wake(now, nth, effects);
        } else {
            send(leg, effects);
        }
        Ok(())
    }

    /// Whether the caller speaks, or has said something just now that no final has reached.
    fn is_spoken(&self) -> bool {
        let heard_ms = self.heard / self.bytes_per_ms.max(1);
        let is_due = |ms| self.finals_end_ms + HEARD_ALL_MS < ms && heard_ms < ms + LATE_MS;
        self.speaking || self.spoken_to_ms.is_some_and(is_due)
    }

    fn finalize(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        let heard_all = self.spoken_to_ms.is_some_and(|ms| self.finals_end_ms + HEARD_ALL_MS >= ms);
        let alone = self.legs.len() == 1;
        let Some(leg) = self.legs.back_mut() else { return effects.push(Effect::Finalized) };
        // Nothing waits to be said where nothing was given, Google sleeps, or has said all.
        let said_all = leg.is_empty() || leg.link.is_none() || heard_all && !leg.open_words;
        if alone && !leg.complete && said_all {
            return effects.push(Effect::Finalized);
        }
        leg.owed += 1;
        if !leg.complete {
            leg.complete = true;
            self.spoken_to_ms = None;
            leg.due_us = now.mono_us + 1000 * u64::from(FINALIZED.delay_ms);
            send(leg, effects);
            if alone {
                effects.push(Effect::Timer(FINALIZED));
            }
        }
    }

    fn end(&mut self, effects: &mut Vec<Effect>) {
        self.ending = true;
        if let Some(leg) = self.legs.back_mut()
            && !leg.complete
        {
            if leg.is_empty() || leg.link.is_none() {
                effects.extend(leg.link.map(|link| link::close(link).into()));
                effects.push(used(leg, self.bytes_per_ms));
                self.legs.pop_back();
            } else {
                leg.complete = true;
                send(leg, effects);
            }
        }
        effects.push(Effect::Timer(END));
        self.done(effects);
    }

    fn done(&mut self, effects: &mut Vec<Effect>) {
        if self.ending && self.legs.is_empty() {
            effects.push(Effect::Done);
        }
    }

    fn news(&mut self, now: Instant, news: LinkInput, effects: &mut Vec<Effect>) -> Result<(), Fault> {
        let id = match &news {
            LinkInput::Opened(head) => head.id,
            LinkInput::Bytes(piece) => piece.id,
            LinkInput::Trailers(trailers) => trailers.id,
            LinkInput::Finished(end) => end.id,
            LinkInput::Failed(failed) => failed.id,
            LinkInput::Full(id) | LinkInput::Writable(id) => *id,
            LinkInput::Signed(_) | LinkInput::Text(_) => return Ok(()),
        };
        // What comes of a stream that is over is for nobody.
        let Some(nth) = self.legs.iter().position(|leg| leg.link == Some(id)) else { return Ok(()) };
        let leg = &mut self.legs[nth];
        let end = match news {
            LinkInput::Opened(head) => opened(&head)?,
            LinkInput::Bytes(piece) => {
                leg.frames.push(&piece.data);
                let end = read(leg)?;
                if end.is_some() {
                    effects.push(link::close(id).into());
                } else if leg.deaf {
                    send(leg, effects);
                }
                end
            }
            LinkInput::Trailers(trailers) => Some(Status::of(&trailers.fields).map_or_else(cut, |status| ending(&status))),
            LinkInput::Finished(_) => Some(cut()),
            LinkInput::Failed(failed) => Some(lost(&failed)),
            LinkInput::Full(_) => {
                leg.full = true;
                None
            }
            _ => {
                leg.full = false;
                send(leg, effects);
                None
            }
        };
        if let Some(end) = end {
            self.over(now, nth, end, effects)?;
        }
        self.release(now, effects);
        Ok(())
    }

    /// A stream is over.
    fn over(&mut self, now: Instant, nth: usize, end: Ending, effects: &mut Vec<Effect>) -> Result<(), Fault> {
        let spoken = self.is_spoken();
        let leg = &mut self.legs[nth];
        leg.link = None;
        let is_young = now.mono_us - leg.opened_us < YOUNG_US;
        match end {
            // A message was cut in two before the end was announced.
            Ending::Well | Ending::Expired if leg.frames.is_cut() => {
                Err(Fault::new(FaultKind::Protocol, "Google ended within a message"))
            }
            Ending::Well if leg.complete && leg.is_heard() => Ok(()),
            Ending::Well | Ending::Expired if leg.lost => Err(too_long()),
            Ending::Well | Ending::Expired if is_young && leg.tried => {
                Err(Fault::new(FaultKind::Unavailable, "Google ends every stream at once"))
            }
            Ending::Well | Ending::Expired => {
                leg.tried |= is_young;
                // In silence it sleeps until more is heard.
                let wanted = leg.complete || leg.open_words || spoken || !leg.is_sent();
                if wanted {
                    self.wake(now, nth, effects);
                }
                Ok(())
            }
            Ending::Broken(_) if !leg.tried && !leg.lost => {
                leg.tried = true;
                self.wake(now, nth, effects);
                Ok(())
            }
            Ending::Broken(fault) | Ending::Refused(fault) => Err(fault),
        }
    }

    /// Tells what may be told: that of the oldest stretch, and of the next ones once it is complete.
    fn release(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        while let Some(leg) = self.legs.front_mut() {
            leg.release(&mut self.activity, effects);
            self.finals_end_ms = self.finals_end_ms.max(leg.finals_end_ms);
            let is_over = leg.complete && leg.is_heard() && leg.link.is_none();
            if !is_over {
                break;
            }
            effects.extend(std::iter::repeat_n(Effect::Finalized, leg.owed as usize));
            effects.push(used(leg, self.bytes_per_ms));
            self.legs.pop_front();
            if let Some(next) = self.legs.front().filter(|next| next.owed > 0) {
                let delay_ms = (next.due_us.saturating_sub(now.mono_us) / 1000) as u32;
                effects.push(Effect::Timer(Timer { delay_ms: delay_ms.max(1), ..FINALIZED }));
            }
        }
        self.done(effects);
    }

    fn woken(&mut self, now: Instant, id: u32, effects: &mut Vec<Effect>) -> Result<(), Fault> {
        let late = |what: &str| Err(Fault::new(FaultKind::Unavailable, format!("Google did not {what} in time")));
        match id {
            _ if id == FINALIZED.id && self.legs.front().is_some_and(|leg| leg.owed > 0 && now.mono_us >= leg.due_us) => {
                late("finalize")
            }
            _ if id == END.id && self.ending => late("finish"),
            _ if id == REST.id => {
                self.legs.iter_mut().for_each(|leg| send(leg, effects));
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

fn send(leg: &mut Leg, effects: &mut Vec<Effect>) {
    if leg.send(effects) {
        effects.push(Effect::Timer(REST));
    }
}

/// What it cost.
fn used(leg: &Leg, bytes_per_ms: u64) -> Effect {
    Effect::Usage(Usage { audio_ms: leg.sent / bytes_per_ms.max(1), characters: 0, requests: leg.streams })
}

/// All whole messages; an end where one of them says that it went wrong.
fn read(leg: &mut Leg) -> Result<Option<Ending>, Fault> {
    let broken = |what: &str| Fault::new(FaultKind::Protocol, format!("a message is none of Google's: {what}"));
    while let Some(message) = leg.frames.poll().map_err(|error| broken(&error.to_string()))? {
        let answer = leg.read(&message).map_err(|_| broken("it cannot be read"))?;
        if let Some(code) = answer.error {
            return Ok(Some(ending(&Status { code, message: String::new(), details: Vec::new() })));
        }
        leg.told(&answer);
    }
    Ok(None)
}

/// An answer's head; an end where there is nothing but that.
fn opened(head: &Opened) -> Result<Option<Ending>, Fault> {
    if let Some(fault) = Fault::of_status(head.status, &head.headers) {
        return Err(fault);
    }
    // A page for a person, of a proxy perhaps, says what it is.
    let is_page = link::field(&head.headers, "content-type").is_some_and(|kind| !kind.starts_with("application/grpc"));
    if head.status != 200 || is_page {
        return Err(Fault::new(FaultKind::Protocol, format!("status {} with something that is no gRPC", head.status)));
    }
    Ok(Status::of(&head.headers).map(|status| ending(&status)))
}

/// Another stream would begin in the middle of an utterance.
fn too_long() -> Fault {
    Fault::new(FaultKind::Unavailable, "Google's stream is over within an utterance that is too long to be heard again")
}

fn cut() -> Ending {
    Ending::Broken(Fault::new(FaultKind::Unavailable, "Google hung up without a status"))
}

/// Only what had begun is begun again: who cannot be reached now is not reached in a moment.
fn lost(failed: &Failed) -> Ending {
    match failed.kind {
        LinkErrorKind::Reset => Ending::Broken(Fault::of_link(failed)),
        _ => Ending::Refused(Fault::of_link(failed)),
    }
}
