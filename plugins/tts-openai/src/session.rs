//! One reply, or several one after another: a request for each sentence or more, the next while the last is still being heard.

use crate::protocol::sound::Sound;
use crate::protocol::{Plan, fault};
use vg_plugin_sdk::link::{self, HttpVersion, LinkErrorKind, LinkId, LinkInput};
use vg_plugin_sdk::tts::{Effect, Input, Piece, Silence, Texts, Timer, Woken};
use vg_plugin_sdk::{AudioFormat, Fault, FaultKind, Instant, SessionStart, Usage};
use vg_wire::openai::{Refusal, pause_ms};
use vg_wire::resample::Resampler;

/// The only timer but those of [`Silence`]: what it means follows from what is being done.
const WAKE: u32 = 1;
/// Until the first sound, from the first try on, however often it is tried.
const FIRST_SOUND_MS: u64 = 8_500;
/// Between two pieces of an answer.
const STALL_MS: u32 = 5_000;
/// A refusal says what it says at once, or is taken by its status.
const REFUSAL_MS: u32 = 1_000;
/// The body ends with its announced end, or is not waited for.
const ENDING_MS: u32 = 500;
/// A lost connection may be tried again this soon.
const LOST_MS: u64 = 100;
const TRIES: u8 = 2;

/// A session after its `start`.
#[derive(Debug)]
pub(crate) struct Session {
    plan: Plan,
    format: AudioFormat,
    /// Of one answer at a time: its table is made once.
    resampler: Resampler,
    texts: Texts,
    speaking: Option<Speaking>,
    silence: Silence,
    links: LinkId,
    ending: bool,
}

/// A piece that is being spoken.
#[derive(Debug)]
struct Speaking {
    piece: Piece,
    link: LinkId,
    tries: u8,
    since_us: u64,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    Asked,
    Refused {
        status: u16,
        headers: link::Fields,
        body: Vec<u8>,
    },
    /// To be asked again when the timer rings.
    Pausing,
    Sounding(Box<Sound>),
}

impl Session {
    pub(crate) fn new(start: &SessionStart) -> Result<(Self, Vec<Effect>), Fault> {
        let plan = Plan::new(start)?;
        let ready = ready(&plan);
        let texts = Texts::new(plan.options.text_max);
        let resampler = Resampler::new(plan.options.pcm_rate_hz, start.format.rate_hz)
            .map_err(|error| Fault::new(FaultKind::Unsupported, error.to_string()))?;
        let session = Self {
            plan,
            format: start.format,
            resampler,
            texts,
            speaking: None,
            silence: Silence::default(),
            links: 0,
            ending: false,
        };
        Ok((session, vec![ready.into()]))
    }

    pub(crate) fn handle(&mut self, now: Instant, input: Input) -> Result<Vec<Effect>, Fault> {
        let mut effects = match input {
            Input::Start(_) => return Err(Fault::new(FaultKind::Internal, "started twice")),
            Input::Text(text) => {
                self.texts.add(&text);
                vec![]
            }
            Input::Flush(mark) => {
                self.texts.flush(mark);
                vec![]
            }
            Input::Cancel => self.cancel(),
            Input::End => {
                self.ending = true;
                self.texts.end();
                vec![]
            }
            Input::Link(news) => self.heard(now, news)?,
            Input::Timer(id) => self.woken(now, id)?,
        };
        self.next(now, &mut effects)?;
        Ok(effects)
    }

    fn cancel(&mut self) -> Vec<Effect> {
        self.texts.clear();
        self.silence.stop();
        // Its other end is not heard any more, whatever it still sends.
        let open = self.speaking.take().filter(|speaking| !matches!(speaking.stage, Stage::Pausing));
        let Some(Speaking { link, .. }) = open else { return vec![Effect::Cancelled] };
        // The connection goes with its link: the next reply is not to wait for another.
        let next = (!self.ending).then(|| ready(&self.plan).into());
        [link::close(link).into(), Effect::Cancelled].into_iter().chain(next).collect()
    }

    /// Where nothing is being spoken: the next piece, or the end.
    fn next(&mut self, now: Instant, effects: &mut Vec<Effect>) -> Result<(), Fault> {
        while self.speaking.is_none() {
            match self.texts.take() {
                // Of marks and pictures alone the vendor makes no sound.
                Some(piece) if !piece.is_speech() => effects.extend(piece.mark.map(Effect::Flushed)),
                Some(piece) => {
                    let characters = piece.text.chars().count() as u64;
                    effects.push(Effect::Usage(Usage { audio_ms: 0, characters, requests: 1 }));
                    let speaking = Speaking { piece, link: 0, tries: 0, since_us: now.mono_us, stage: Stage::Pausing };
                    self.ask(now, speaking, effects)?;
                }
                None => {
                    if self.ending {
                        effects.push(Effect::Done);
                    }
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    fn ask(&mut self, now: Instant, mut speaking: Speaking, effects: &mut Vec<Effect>) -> Result<(), Fault> {
        self.links += 1;
        speaking.link = self.links;
        speaking.tries += 1;
        speaking.stage = Stage::Asked;
        effects.push(self.plan.request(self.links, &speaking.piece.text)?.into());
        effects.push(self.silence.within(speaking.left_ms(now)));
        self.speaking = Some(speaking);
        Ok(())
    }

    fn heard(&mut self, now: Instant, news: LinkInput) -> Result<Vec<Effect>, Fault> {
        // News of a link that was given up is for nobody.
        let Some(mut speaking) = self.speaking.take_if(|speaking| link_of(&news) == Some(speaking.link)) else {
            return Ok(vec![]);
        };
        match (news, &mut speaking.stage) {
            (LinkInput::Opened(head), stage) if head.status == 200 => {
                let sound = Sound::of(&head.headers, self.plan.options.pcm_rate_hz, self.format)?;
                *stage = Stage::Sounding(Box::new(sound));
                self.resampler.reset();
                self.speaking = Some(speaking);
                Ok(vec![])
            }
            (LinkInput::Opened(head), stage) => {
                *stage = Stage::Refused { status: head.status, headers: head.headers, body: Vec::new() };
                self.speaking = Some(speaking);
                Ok(vec![self.wake(REFUSAL_MS)])
            }
            (LinkInput::Bytes(piece), Stage::Sounding(sound)) => {
                let was_announced = sound.is_announced();
                let audio = sound.push(piece.data, &mut self.resampler)?;
                let is_announced = sound.is_announced();
                self.speaking = Some(speaking);
                // Only sound is news: an empty event every second is a stall, too.
                let heard = !audio.is_empty();
                let wait = match is_announced {
                    false => heard.then(|| self.silence.within(STALL_MS)),
                    true => (!was_announced).then(|| self.wake(ENDING_MS)),
                };
                Ok(heard.then_some(Effect::Audio(audio)).into_iter().chain(wait).collect())
            }
            (LinkInput::Bytes(piece), Stage::Refused { body, .. }) => {
                link::keep_refusal(body, &piece.data);
                self.speaking = Some(speaking);
                Ok(vec![])
            }
            (LinkInput::Finished(_), Stage::Sounding(_)) => self.spoken(speaking),
            (LinkInput::Failed(_), Stage::Sounding(sound)) if sound.is_announced() => self.spoken(speaking),
            (LinkInput::Finished(_) | LinkInput::Failed(_), Stage::Refused { .. }) => self.refused(now, speaking),
            (LinkInput::Finished(_), _) => Err(Fault::new(FaultKind::Protocol, "the answer had no head")),
            (LinkInput::Failed(failed), stage) if failed.kind == LinkErrorKind::Reset && stage.is_silent() => {
                self.again(now, speaking, LOST_MS).ok_or_else(|| Fault::of_link(&failed))
            }
            (LinkInput::Failed(failed), _) => Err(cut(&failed)),
            _ => {
                self.speaking = Some(speaking);
                Ok(vec![])
            }
        }
    }

    /// All of it was given: the last of the sound, and the mark.
    fn spoken(&mut self, speaking: Speaking) -> Result<Vec<Effect>, Fault> {
        let Stage::Sounding(sound) = speaking.stage else { return Ok(vec![]) };
        self.silence.stop();
        let rest = sound.finish(&mut self.resampler)?;
        let audio = (!rest.is_empty()).then_some(Effect::Audio(rest));
        Ok(audio.into_iter().chain(speaking.piece.mark.map(Effect::Flushed)).collect())
    }

    /// Its whole refusal was heard, or enough of it.
    fn refused(&mut self, now: Instant, speaking: Speaking) -> Result<Vec<Effect>, Fault> {
        let Stage::Refused { status, headers, body } = &speaking.stage else { return Ok(vec![]) };
        let refusal = Refusal::read(body);
        let fault = fault(*status, headers, &refusal);
        let pause = pause_ms(*status, &refusal, |name| link::field(headers, name));
        pause.and_then(|pause_ms| self.again(now, speaking, pause_ms)).ok_or(fault)
    }

    /// Asks once more after a pause, since nothing was spoken yet; none where that was done, or would take too long.
    fn again(&mut self, now: Instant, mut speaking: Speaking, pause_ms: u64) -> Option<Vec<Effect>> {
        if speaking.tries >= TRIES || pause_ms >= u64::from(speaking.left_ms(now)) {
            return None;
        }
        speaking.stage = Stage::Pausing;
        self.speaking = Some(speaking);
        Some(vec![self.wake(u32::try_from(pause_ms).unwrap_or(u32::MAX))])
    }

    /// No sound is owed for now, but something else in so many milliseconds.
    fn wake(&mut self, delay_ms: u32) -> Effect {
        self.silence.stop();
        Effect::Timer(Timer { id: WAKE, delay_ms })
    }

    fn woken(&mut self, now: Instant, id: u32) -> Result<Vec<Effect>, Fault> {
        match self.silence.woken(id) {
            Woken::Silent => return Err(Fault::new(FaultKind::Unavailable, "the vendor fell silent")),
            Woken::Wait(effect) => return Ok(effect.into_iter().collect()),
            Woken::Other => {}
        }
        let Some(speaking) = self.speaking.take() else { return Ok(vec![]) };
        let mut effects = Vec::new();
        match &speaking.stage {
            Stage::Pausing => {
                effects.push(Effect::Usage(Usage { audio_ms: 0, characters: 0, requests: 1 }));
                self.ask(now, speaking, &mut effects)?;
            }
            Stage::Refused { .. } => {
                effects.push(link::close(speaking.link).into());
                effects.extend(self.refused(now, speaking)?);
            }
            Stage::Sounding(sound) if sound.is_announced() => {
                effects.push(link::close(speaking.link).into());
                effects.extend(self.spoken(speaking)?);
            }
            // It rang for what was spoken before.
            Stage::Asked | Stage::Sounding(_) => self.speaking = Some(speaking),
        }
        Ok(effects)
    }
}

impl Stage {
    /// Asked, and nothing of the answer was heard.
    fn is_silent(&self) -> bool {
        match self {
            Self::Asked => true,
            Self::Sounding(sound) => sound.is_silent(),
            Self::Refused { .. } | Self::Pausing => false,
        }
    }
}

impl Speaking {
    /// Until its first sound must be there.
    fn left_ms(&self, now: Instant) -> u32 {
        let past_ms = now.mono_us.saturating_sub(self.since_us) / 1000;
        u32::try_from(FIRST_SOUND_MS.saturating_sub(past_ms)).unwrap_or_default()
    }
}

/// The link was lost with an answer half heard: that it is broken off is all that matters, whatever broke it.
fn cut(failed: &link::Failed) -> Fault {
    let fault = Fault::of_link(failed);
    if fault.kind == FaultKind::Protocol { Fault { kind: FaultKind::Unavailable, ..fault } } else { fault }
}

/// A connection for the next request.
fn ready(plan: &Plan) -> link::LinkEffect {
    link::preconnect(plan.url.clone(), HttpVersion::Http1)
}

fn link_of(news: &LinkInput) -> Option<LinkId> {
    match news {
        LinkInput::Opened(head) => Some(head.id),
        LinkInput::Bytes(piece) => Some(piece.id),
        LinkInput::Finished(end) => Some(end.id),
        LinkInput::Failed(failed) => Some(failed.id),
        _ => None,
    }
}
