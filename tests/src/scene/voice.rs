//! Voices whose sound spells what they say.

use super::listener::Timed;
use super::log::Log;
use super::script::{VoiceManner, VoiceTrouble};
use super::sound;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;
use voice_gateway::application::ports::{Fall, Speak, Speaking, SpeakingEvent, SpeakingInput, SpeakingRequest, SpokenWord};

/// Everybody who can speak, by plugin.
#[derive(Clone)]
pub(super) struct Voices {
    /// In the order of the ladder: the sound tells who speaks by it.
    pub(super) names: Vec<String>,
    pub(super) manners: Arc<Mutex<BTreeMap<String, VoiceManner>>>,
    pub(super) log: Log,
}

impl Voices {
    /// How a session that opens now will speak.
    fn begin(&self, plugin: &str) -> VoiceManner {
        let mut manners = self.manners.lock().unwrap();
        let Some(manner) = manners.get_mut(plugin) else { return VoiceManner::default() };
        let begun = manner.clone();
        if let Some(times) = &mut manner.times {
            *times -= 1;
            if *times == 0 {
                (manner.trouble, manner.times) = (None, None);
            }
        }
        begun
    }
}

impl Speaking for Voices {
    fn open(&self, request: SpeakingRequest) -> Result<Box<dyn Speak>, Fall> {
        let plugin = request.provider.plugin;
        let begun = self.begin(plugin.as_str());
        if let Some(VoiceTrouble::Refuses(code)) = begun.trouble {
            return Err(Fall::new(plugin, code.leak()));
        }
        if request.call.as_str() != "probe" {
            self.log.note(format!("voice opens {plugin}"));
        }
        let voice = self.names.iter().position(|name| *name == plugin.as_str()).expect("a voice of the ladder");
        let (voices, first) = (self.clone(), begun.times.is_some().then_some(begun));
        Ok(Box::new(Session {
            voices,
            voice,
            first,
            stands_still: false,
            given: 0,
            planned: 0,
            fall: Fall::new(plugin, "trap"),
            events: Timed::default(),
        }))
    }
}

struct Session {
    voices: Voices,
    voice: usize,
    /// How this session speaks, where not every one does so.
    first: Option<VoiceManner>,
    /// It says nothing more.
    stands_still: bool,
    /// Samples that it has given, and with those that it is about to give.
    given: usize,
    planned: usize,
    /// Whose fall it would be.
    fall: Fall,
    events: Timed<SpeakingEvent>,
}

impl Session {
    fn manner(&self) -> VoiceManner {
        let of_all = || self.voices.manners.lock().unwrap().get(self.fall.plugin.as_str()).cloned().unwrap_or_default();
        self.first.clone().unwrap_or_else(of_all)
    }

    /// So much of a text, whose words it knows where they lie before it says them.
    fn speak(&mut self, manner: &VoiceManner, text: &str, chars: usize) {
        let words = before(text, chars);
        if words.is_empty() {
            return;
        }
        let after = Duration::from_millis(manner.first_ms);
        let mut pcm = sound::silence(manner.breath_ms);
        let (begin, spoken) = (self.planned + pcm.len(), sound::speak(words, self.voice));
        for (word, from, to) in sound::places(text).into_iter().filter(|(_, from, _)| manner.words && *from < spoken.len()) {
            let (start_ms, end_ms) = (sound::ms(begin + from), sound::ms(begin + to));
            self.events.push(after, SpeakingEvent::Word(SpokenWord { text: word.to_owned(), start_ms, end_ms }));
        }
        pcm.extend(spoken);
        self.planned += pcm.len();
        self.events.push(after, SpeakingEvent::Audio { rate_hz: sound::RATE_HZ, pcm });
    }
}

fn before(words: &str, chars: usize) -> &str {
    words.char_indices().nth(chars).map_or(words, |(at, _)| &words[..at])
}

impl Speak for Session {
    fn try_tell(&mut self, input: SpeakingInput) -> Result<(), SpeakingInput> {
        let manner = self.manner();
        let after = Duration::from_millis(manner.first_ms);
        match (input, manner.trouble.clone()) {
            (SpeakingInput::Cancel, _) => {
                self.events.clear();
                self.planned = self.given;
                self.events.push(Duration::ZERO, SpeakingEvent::Cancelled);
            }
            (_, Some(VoiceTrouble::HalfOpen)) => {}
            (_, _) if self.stands_still => {}
            (SpeakingInput::Text(_), Some(VoiceTrouble::NoAudio)) => {}
            (SpeakingInput::Text(words), Some(VoiceTrouble::FallsAfter(chars))) => {
                self.speak(&manner, &words, chars);
                self.events.push(after, SpeakingEvent::Fell(self.fall.clone()));
                self.stands_still = true;
            }
            (SpeakingInput::Text(words), Some(VoiceTrouble::StallsAfter(chars))) => {
                self.speak(&manner, &words, chars);
                self.stands_still = true;
            }
            (SpeakingInput::Text(words), _) => self.speak(&manner, &words, usize::MAX),
            (SpeakingInput::Flush(mark), _) => self.events.push(after, SpeakingEvent::Flushed(mark)),
        }
        Ok(())
    }

    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Option<SpeakingEvent>> {
        self.events.poll_next(cx).map(|event| {
            if let SpeakingEvent::Audio { pcm, .. } = &event {
                self.given += pcm.len();
            }
            Some(event)
        })
    }
}
