//! The far end of the leg: what is heard there, and what is said. Everything moves in frames of 20 ms.

use super::log::Log;
use super::sound::{self, HeardWords};
use crate::rig::{FarLeg, Order};
use futures_util::FutureExt;
use std::collections::VecDeque;
use std::time::Duration;
use tokio::time::Instant;
use vg_domain::ids::UtteranceId;
use voice_gateway::application::ports::{AudioChunk, LegEvent, MouthCommand};

/// Frames of voice after which the caller is taken to speak, and of silence after which to pause: those of the voice activity detector.
const SPEECH_FRAMES: u32 = 3;
const PAUSE_FRAMES: u32 = 10;
pub(super) const FRAME_MS: u64 = 20;

/// What the caller heard of an utterance.
pub(super) struct HeardUtterance {
    id: UtteranceId,
    pub(super) words: HeardWords,
    pub(super) end: HeardEnd,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HeardEnd {
    /// It is being heard.
    Open,
    Whole,
    Cut,
}

/// See the module.
pub(super) struct FarEnd {
    log: Log,
    voices: Vec<String>,
    leg: Option<FarLeg>,
    queue: VecDeque<Queued>,
    /// The Mouth stands still.
    paused: bool,
    /// Utterances that were audible, oldest first.
    pub(super) heard: Vec<HeardUtterance>,
    /// Milliseconds of the one being heard.
    spoken_ms: u64,
    /// Frames that the caller is yet to say.
    to_say: VecDeque<Frame>,
    voiced: u32,
    unvoiced: u32,
    speaks: bool,
    since: Instant,
    last_voiced: Instant,
    position_ms: u64,
    dead_air: Option<Duration>,
    pub(super) silence: Silence,
    /// Orders that would have let two utterances sound at once.
    pub(super) overlaps: u32,
}

enum Queued {
    Sound { utterance: UtteranceId, rate_hz: u32, pcm: VecDeque<i16> },
    End(UtteranceId),
}

struct Frame {
    chars: String,
    voiced: bool,
}

/// How long nobody was heard while the gateway owed the caller something.
#[derive(Debug, Default)]
pub(super) struct Silence {
    owed: bool,
    dead_ms: u64,
    quiet_ms: u64,
    told: bool,
    /// The longest, and when it ended.
    pub(super) longest_ms: (u64, u64),
}

impl FarEnd {
    pub(super) fn new(log: Log, voices: Vec<String>) -> Self {
        let now = Instant::now();
        Self {
            log,
            voices,
            leg: None,
            queue: VecDeque::new(),
            paused: false,
            heard: Vec::new(),
            spoken_ms: 0,
            to_say: VecDeque::new(),
            voiced: 0,
            unvoiced: PAUSE_FRAMES,
            speaks: false,
            since: now,
            last_voiced: now,
            position_ms: 0,
            dead_air: None,
            silence: Silence::default(),
            overlaps: 0,
        }
    }

    /// A leg is there; one that was is not.
    pub(super) fn connect(&mut self, leg: FarLeg) {
        self.drop_leg();
        self.leg = Some(leg);
        (self.position_ms, self.dead_air, self.speaks) = (0, None, false);
    }

    /// The leg ends from this side.
    pub(super) async fn lose(&mut self) {
        self.tell(LegEvent::Lost).await;
        self.drop_leg();
    }

    fn drop_leg(&mut self) {
        (self.leg, self.paused) = (None, false);
        self.queue.clear();
        self.silence.owed = false;
        self.cut();
    }

    /// The caller says words, evenly spread over so long.
    pub(super) fn say(&mut self, words: &str, lasting_ms: u64) {
        let frames = usize::try_from(lasting_ms / FRAME_MS).unwrap_or(0).max(1);
        let chars: Vec<char> = format!("{} ", words.trim()).chars().collect();
        for frame in 0..frames {
            let (from, to) = (chars.len() * frame / frames, chars.len() * (frame + 1) / frames);
            self.to_say.push_back(Frame { chars: chars[from..to].iter().collect(), voiced: true });
        }
    }

    pub(super) fn make_noise(&mut self, lasting_ms: u64) {
        let frames = (0..lasting_ms / FRAME_MS).map(|_| Frame { chars: String::new(), voiced: true });
        self.to_say.extend(frames);
    }

    /// The caller says no more.
    pub(super) fn fall_silent(&mut self) {
        self.to_say.clear();
    }

    /// Whether the gateway still holds this leg.
    pub(super) fn is_there(&self) -> bool {
        self.leg.is_some()
    }

    /// 20 ms pass.
    pub(super) async fn pass(&mut self) {
        self.take_orders().await;
        let said = self.play().await;
        let heard = self.speak().await;
        self.note_silence(said, heard).await;
        self.position_ms += FRAME_MS;
    }

    async fn take_orders(&mut self) {
        loop {
            let order = match self.leg.as_mut().map(|leg| leg.order().now_or_never()) {
                None | Some(None) => return,
                Some(Some(None)) => return self.drop_leg(),
                Some(Some(Some(order))) => order,
            };
            match order {
                Ok(Order::Say { utterance, rate_hz, pcm }) => {
                    let older = self
                        .heard
                        .last()
                        .is_some_and(|last| utterance.0 < last.id.0 || last.id == utterance && last.end != HeardEnd::Open);
                    self.overlaps += u32::from(older);
                    self.queue.push_back(Queued::Sound { utterance, rate_hz, pcm: pcm.into() });
                }
                Ok(Order::End { utterance }) => self.queue.push_back(Queued::End(utterance)),
                Ok(Order::Pause) => self.stand_still(),
                Ok(Order::GoOn) => self.go_on(),
                Ok(Order::Hush) => {
                    self.queue.clear();
                    self.paused = false;
                    let open = self.heard.last().filter(|last| last.end == HeardEnd::Open).map(|last| last.id);
                    let spoken_ms = self.spoken_ms;
                    self.cut();
                    self.tell(LegEvent::Hushed { utterance: open, spoken_ms }).await;
                }
                Err(MouthCommand::Watch { dead_air, .. }) => {
                    self.dead_air = Some(dead_air);
                    self.tell(LegEvent::PathProven { after_ms: FRAME_MS }).await;
                }
                Err(_) => {}
            }
            // Whoever waits for room has it.
            tokio::task::yield_now().await;
        }
    }

    fn stand_still(&mut self) {
        if !std::mem::replace(&mut self.paused, true) {
            let open = self.heard.last().filter(|last| last.end == HeardEnd::Open);
            let words = open.map_or_else(String::new, |open| open.words.text());
            self.log.note(format!("voice stands still {words}").trim_end());
        }
    }

    fn go_on(&mut self) {
        if std::mem::take(&mut self.paused) {
            self.log.note("voice goes on");
        }
    }

    fn cut(&mut self) {
        if let Some(open) = self.heard.last_mut().filter(|last| last.end == HeardEnd::Open) {
            open.end = HeardEnd::Cut;
            self.log.note(format!("voice is cut {}", open.words.text()));
        }
    }

    /// Plays a frame. Whether anything was audible.
    async fn play(&mut self) -> bool {
        let mut left_us = if self.paused { 0 } else { FRAME_MS * 1_000 };
        let mut audible = false;
        while left_us > 0 {
            match self.queue.front_mut() {
                None => break,
                Some(Queued::End(utterance)) => {
                    let utterance = *utterance;
                    self.queue.pop_front();
                    self.end(utterance).await;
                }
                Some(Queued::Sound { utterance, rate_hz, pcm }) => {
                    let rate = u64::from(*rate_hz);
                    let wanted = usize::try_from((left_us * rate).div_ceil(1_000_000)).unwrap_or(usize::MAX);
                    let samples: Vec<i16> = pcm.drain(..wanted.min(pcm.len())).collect();
                    let utterance = *utterance;
                    if pcm.is_empty() {
                        self.queue.pop_front();
                    }
                    left_us = left_us.saturating_sub(samples.len() as u64 * 1_000_000 / rate);
                    audible |= !samples.is_empty();
                    self.hear(utterance, &samples).await;
                }
            }
        }
        // What ends with this frame is told with it.
        while let Some(Queued::End(utterance)) = self.queue.front().filter(|_| !self.paused) {
            let utterance = *utterance;
            self.queue.pop_front();
            self.end(utterance).await;
        }
        if audible {
            self.spoken_ms += FRAME_MS;
        }
        audible
    }

    async fn hear(&mut self, utterance: UtteranceId, samples: &[i16]) {
        let begins = self.heard.last().is_none_or(|last| last.id != utterance);
        if begins {
            self.cut();
            self.spoken_ms = 0;
            self.heard.push(HeardUtterance { id: utterance, words: HeardWords::default(), end: HeardEnd::Open });
        }
        let words = &mut self.heard.last_mut().expect("what is heard was begun").words;
        let before = words.voices().len();
        samples.iter().for_each(|sample| words.hear(*sample));
        let new = words.voices().get(before).map(|voice| self.voices[*voice].clone());
        match (begins, new) {
            (true, voice) => {
                self.log.note(format!("voice begins {}", voice.unwrap_or_else(|| "recording".to_owned())));
                self.tell(LegEvent::Audible { utterance, at: Instant::now().into_std() }).await;
            }
            (false, Some(voice)) => self.log.note(format!("voice changes {voice}")),
            (false, None) => {}
        }
        self.silence.owed = false;
    }

    async fn end(&mut self, utterance: UtteranceId) {
        if let Some(open) = self.heard.last_mut().filter(|last| last.id == utterance && last.end == HeardEnd::Open) {
            open.end = HeardEnd::Whole;
            self.log.note(format!("voice ends {}", open.words.text()));
        }
        self.silence.owed = false;
        self.tell(LegEvent::Ended { utterance }).await;
    }

    /// The caller's next frame. Whether it was audible.
    async fn speak(&mut self) -> bool {
        let frame = self.to_say.pop_front().unwrap_or(Frame { chars: String::new(), voiced: false });
        self.tell(LegEvent::Audio(AudioChunk { pcm: sound::frame(&frame.chars) })).await;
        let now = Instant::now();
        if frame.voiced {
            if self.voiced == 0 {
                self.since = now;
            }
            (self.voiced, self.unvoiced, self.last_voiced) = (self.voiced + 1, 0, now);
            if self.voiced >= SPEECH_FRAMES && !self.speaks && self.is_there() {
                self.speaks = true;
                let (at, position_ms) = (self.since.into_std(), self.position_ms);
                self.tell(LegEvent::SpeechStarted { at, position_ms }).await;
            }
        } else {
            if self.voiced > 0 && self.to_say.is_empty() {
                self.log.note("caller stops");
            }
            (self.voiced, self.unvoiced) = (0, self.unvoiced + 1);
            if self.unvoiced == PAUSE_FRAMES && self.speaks {
                self.speaks = false;
                let (last_voiced, position_ms) = (self.last_voiced.into_std(), self.position_ms);
                self.tell(LegEvent::SpeechEnded { last_voiced, position_ms }).await;
            }
        }
        frame.voiced
    }

    async fn note_silence(&mut self, said: bool, heard: bool) {
        let open = self.heard.last().is_some_and(|last| last.end == HeardEnd::Open);
        let silence = &mut self.silence;
        if heard {
            silence.owed = true;
        }
        if said || heard || self.leg.is_none() {
            (silence.dead_ms, silence.quiet_ms, silence.told) = (0, 0, false);
            return;
        }
        silence.dead_ms += FRAME_MS;
        silence.quiet_ms = if silence.owed || open { silence.quiet_ms + FRAME_MS } else { 0 };
        if silence.quiet_ms > silence.longest_ms.0 {
            silence.longest_ms = (silence.quiet_ms, self.log.now_ms());
        }
        let dead_air_ms = self.dead_air.map(|limit| u64::try_from(limit.as_millis()).unwrap_or(u64::MAX));
        if dead_air_ms.is_some_and(|limit| silence.dead_ms >= limit) && !silence.told {
            silence.told = true;
            let ago = silence.dead_ms;
            self.tell(LegEvent::DeadAir { heard_ago_ms: ago, said_ago_ms: ago }).await;
        }
    }

    async fn tell(&mut self, event: LegEvent) {
        if let Some(leg) = &self.leg {
            // Who does not listen any more has let go of the leg.
            let _ = leg.events.send(event).await;
        }
    }
}
