//! Listeners that understand what is spelled in the sound they are given.

use super::log::Log;
use super::script::{ListenerManner, ListenerTrouble};
use super::sound;
use std::collections::{BTreeMap, VecDeque};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::time::{Instant, Sleep, sleep_until};
use vg_domain::mask::Heard;
use voice_gateway::application::ports::{Fall, Hearing, HearingEvent, HearingInput, HearingRequest, Listen};

/// Everybody who can listen, by plugin.
#[derive(Clone)]
pub(super) struct Listeners {
    pub(super) manners: Arc<Mutex<BTreeMap<String, ListenerManner>>>,
    pub(super) log: Log,
}

impl Listeners {
    fn manner(&self, plugin: &str) -> ListenerManner {
        self.manners.lock().unwrap().get(plugin).cloned().unwrap_or_default()
    }

    /// The trouble that shows now, if any: what shows a limited number of times is then one time nearer to its end.
    fn suffers(&self, plugin: &str, fits: impl Fn(&ListenerTrouble) -> bool) -> Option<ListenerTrouble> {
        let mut manners = self.manners.lock().unwrap();
        let manner = manners.get_mut(plugin)?;
        let trouble = manner.trouble.clone().filter(fits)?;
        if let Some(times) = &mut manner.times {
            *times -= 1;
            if *times == 0 {
                (manner.trouble, manner.times) = (None, None);
            }
        }
        Some(trouble)
    }
}

impl Hearing for Listeners {
    fn open(&self, request: HearingRequest) -> Result<Box<dyn Listen>, Fall> {
        let plugin = request.provider.plugin;
        if let Some(ListenerTrouble::Refuses(code)) =
            self.suffers(plugin.as_str(), |trouble| matches!(trouble, ListenerTrouble::Refuses(_)))
        {
            return Err(Fall::new(plugin, code.leak()));
        }
        if request.call.as_str() != "probe" {
            self.log.note(format!("listener opens {plugin}"));
        }
        let session = Session {
            listeners: self.clone(),
            fall: Fall::new(plugin, "trap"),
            word: String::new(),
            words: Vec::new(),
            events: Timed::default(),
        };
        Ok(Box::new(session))
    }
}

struct Session {
    listeners: Listeners,
    /// Whose fall it would be.
    fall: Fall,
    /// A word that has not ended.
    word: String,
    /// Words that are not final.
    words: Vec<String>,
    events: Timed<HearingEvent>,
}

impl Session {
    fn fall(&mut self, code: String) {
        let fall = Fall { code: code.leak(), ..self.fall.clone() };
        self.events.push(Duration::ZERO, HearingEvent::Fell(fall));
    }

    fn hear(&mut self, manner: &ListenerManner, pcm: &[i16]) {
        for c in sound::chars(pcm).chars() {
            if c == ' ' {
                self.words.push(std::mem::take(&mut self.word));
                if manner.partials {
                    let guess = HearingEvent::Partial { words: Heard::new(self.words.join(" ")), stability: None };
                    self.events.push(Duration::from_millis(manner.partial_ms), guess);
                }
            } else {
                self.word.push(c);
            }
        }
    }

    /// Gives the words so far as final.
    fn finish(&mut self, manner: &ListenerManner, after: Duration) {
        let words = std::mem::take(&mut self.words);
        let heard = words.iter().map(|word| manner.mishears.get(word).unwrap_or(word).as_str());
        let heard: Vec<&str> = heard.filter(|word| !word.is_empty()).collect();
        let cut = if manner.in_two { heard.len() / 2 } else { 0 };
        for piece in [&heard[..cut], &heard[cut..]] {
            if !piece.is_empty() {
                self.events.push(after, HearingEvent::Final(Heard::new(piece.join(" "))));
            }
        }
    }
}

impl Listen for Session {
    fn try_tell(&mut self, input: HearingInput) -> Result<(), HearingInput> {
        let plugin = self.fall.plugin.clone();
        let manner = self.listeners.manner(plugin.as_str());
        let after = Duration::from_millis(manner.final_ms);
        let falls = |trouble: &ListenerTrouble| match trouble {
            ListenerTrouble::Falls(_) => true,
            ListenerTrouble::FallsAtTheEnd(_) => matches!(input, HearingInput::Finalize),
            _ => false,
        };
        if let Some(ListenerTrouble::Falls(code) | ListenerTrouble::FallsAtTheEnd(code)) =
            self.listeners.suffers(plugin.as_str(), falls)
        {
            self.fall(code);
            return Ok(());
        }
        match (input, &manner.trouble) {
            (_, Some(ListenerTrouble::HalfOpen)) => {}
            (HearingInput::Finalize, Some(ListenerTrouble::NeverFinal)) => {}
            (HearingInput::Audio(_), Some(ListenerTrouble::HearsNothing)) => {}
            (HearingInput::Audio(pcm), _) => self.hear(&manner, &pcm),
            (HearingInput::SpeechStarted(_), _) => {}
            (HearingInput::SpeechEnded(_), _) => {
                if let Some(own_ms) = manner.own_final_ms {
                    self.finish(&manner, Duration::from_millis(own_ms));
                }
            }
            (HearingInput::Finalize, _) => {
                self.finish(&manner, after);
                self.events.push(after, HearingEvent::Finalized);
            }
        }
        Ok(())
    }

    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Option<HearingEvent>> {
        self.events.poll_next(cx).map(Some)
    }
}

/// What comes later: in the order of its time, and of its pushing where that is the same.
pub(super) struct Timed<T> {
    waiting: VecDeque<(Instant, T)>,
    alarm: Option<Pin<Box<Sleep>>>,
    waker: Option<Waker>,
}

impl<T> Default for Timed<T> {
    fn default() -> Self {
        Self { waiting: VecDeque::new(), alarm: None, waker: None }
    }
}

impl<T> Timed<T> {
    pub(super) fn push(&mut self, after: Duration, item: T) {
        let due = Instant::now() + after;
        let at = self.waiting.partition_point(|(other, _)| *other <= due);
        self.waiting.insert(at, (due, item));
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    pub(super) fn clear(&mut self) {
        self.waiting.clear();
    }

    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<T> {
        self.waker = Some(cx.waker().clone());
        let Some((due, _)) = self.waiting.front() else { return Poll::Pending };
        let alarm = self.alarm.insert(Box::pin(sleep_until(*due)));
        if *due > Instant::now() && alarm.as_mut().poll(cx).is_pending() {
            return Poll::Pending;
        }
        self.waiting.pop_front().map_or(Poll::Pending, |(_, item)| Poll::Ready(item))
    }
}
