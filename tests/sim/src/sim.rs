//! What all simulators of one process share: ears, voices, troubles, offences and chance.

use crate::ear::Scripted;
use crate::server::Cut;
use crate::{Ear, Format, Latencies, Local, Moment, Voice};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

/// Whose protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Vendor {
    /// Amazon Transcribe and Polly.
    Aws,
    /// Azure AI Speech.
    Azure,
    /// Deepgram.
    Deepgram,
    /// ElevenLabs.
    Elevenlabs,
    /// Google Cloud Speech-to-Text and Text-to-Speech.
    Google,
    /// OpenAI.
    Openai,
    /// Our own protocol for a company's engine.
    Own,
}

impl Vendor {
    /// Bounded label.
    pub fn name(self) -> &'static str {
        match self {
            Self::Aws => "aws",
            Self::Azure => "azure",
            Self::Deepgram => "deepgram",
            Self::Elevenlabs => "elevenlabs",
            Self::Google => "google",
            Self::Openai => "openai",
            Self::Own => "own",
        }
    }
}

/// Every trouble that can be asked for, by whose it is; what they do stands in the vendors' modules.
pub const TROUBLES: [(&str, &[&str]); 8] = [
    ("all", &["cut-after"]),
    ("aws", crate::aws::TROUBLES),
    ("azure", crate::azure::TROUBLES),
    ("deepgram", crate::deepgram::TROUBLES),
    ("elevenlabs", crate::elevenlabs::TROUBLES),
    ("google", crate::google::TROUBLES),
    ("openai", crate::openai::TROUBLES),
    ("own", crate::own::TROUBLES),
];

/// Something that a client must not do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offence {
    /// Whose rule.
    pub vendor: Vendor,
    /// What was wrong.
    pub what: String,
}

/// Whoever measures what an engine hears and says; for load.
pub trait Tap: fmt::Debug + Send + Sync {
    /// An engine was sent this.
    fn heard(&self, sound: &[u8]);

    /// An engine is about to say this, and may be given something to hide in it.
    fn says(&self, sound: &mut [u8], format: Format);
}

/// What all simulators share. Handed to each of them in an `Arc`.
#[derive(Debug)]
pub struct Sim {
    engines: Option<Local>,
    latencies: Latencies,
    troubles: Mutex<BTreeMap<String, Trouble>>,
    offences: Mutex<Vec<Offence>>,
    dice: Mutex<Dice>,
    tap: OnceLock<Box<dyn Tap>>,
}

#[derive(Clone, Copy, Debug)]
struct Trouble {
    with: u32,
    /// None: always.
    times: Option<u32>,
}

impl Default for Sim {
    fn default() -> Self {
        Self::new(None, Latencies::default(), 1)
    }
}

impl Sim {
    /// `engines` hear and speak in place of the script; equal seeds wait equally long.
    pub fn new(engines: Option<Local>, latencies: Latencies, seed: u64) -> Self {
        Self {
            engines,
            latencies,
            troubles: Mutex::default(),
            offences: Mutex::default(),
            dice: Mutex::new(Dice::new(seed)),
            tap: OnceLock::new(),
        }
    }

    /// From now on this measures; the first one stays.
    pub fn tap(&self, tap: Box<dyn Tap>) {
        let _there_is_one = self.tap.set(tap);
    }

    /// Who measures, if anybody does.
    pub(crate) fn tapped(&self) -> Option<&dyn Tap> {
        self.tap.get().map(|tap| &**tap)
    }

    /// A recogniser for one stream.
    pub fn ear(&self, format: Format, language: &str) -> Ear {
        match &self.engines {
            Some(local) => Ear::Local(Box::new(local.ear(format))),
            None => Ear::Scripted(Scripted::new(format, language)),
        }
    }

    /// A synthesiser.
    pub fn voice(&self, format: Format) -> Voice {
        match &self.engines {
            Some(local) => Voice::Local(local.voice(format)),
            None => Voice::Scripted(format),
        }
    }

    /// From now on there is trouble of that name: always, or so many times. `with` is for troubles that need a number.
    pub fn inject(&self, name: &str, with: u32, times: Option<u32>) {
        held(&self.troubles).insert(name.to_owned(), Trouble { with, times });
    }

    /// No trouble any more.
    pub fn calm(&self) {
        held(&self.troubles).clear();
    }

    /// Whether this trouble is to be made now, and its number; asking uses up one of its times.
    pub fn trouble(&self, name: &str) -> Option<u32> {
        let mut troubles = held(&self.troubles);
        let trouble = troubles.get_mut(name)?;
        match &mut trouble.times {
            Some(0) => return None,
            Some(times) => *times -= 1,
            None => {}
        }
        Some(trouble.with)
    }

    /// The same without using it up: for troubles that lie ahead.
    pub fn trouble_ahead(&self, name: &str) -> Option<u32> {
        held(&self.troubles).get(name).filter(|trouble| trouble.times != Some(0)).map(|trouble| trouble.with)
    }

    /// Call it after each message that was given to a client: the trouble `cut-after` (its number: messages of one connection) cuts there.
    pub fn said_one(&self, line: &Cut) {
        let said = line.count();
        if self.trouble_ahead("cut-after") == Some(said) && self.trouble("cut-after").is_some() {
            line.now();
        }
    }

    /// The client did what it must not do.
    pub fn offence(&self, vendor: Vendor, what: impl Into<String>) {
        held(&self.offences).push(Offence { vendor, what: what.into() });
    }

    /// Everything that clients did wrong so far.
    pub fn offences(&self) -> Vec<Offence> {
        held(&self.offences).clone()
    }

    /// Waits as long as this vendor would let one wait.
    pub async fn wait(&self, vendor: Vendor, moment: Moment) {
        let uniform = {
            let mut dice = held(&self.dice);
            (dice.uniform(), dice.uniform())
        };
        let wait = self.latencies.draw(vendor, moment, uniform);
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
    }
}

/// A story that panicked does not make the others wrong.
fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// SplitMix64.
#[derive(Clone, Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Of [0, 1).
    pub(crate) fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trouble_comes_as_often_as_it_was_asked_for() {
        let sim = Sim::default();
        assert_eq!(sim.trouble("http-503"), None);
        sim.inject("http-503", 0, Some(1));
        sim.inject("stall", 3, None);
        assert_eq!((sim.trouble("http-503"), sim.trouble("http-503")), (Some(0), None));
        assert_eq!((sim.trouble_ahead("stall"), sim.trouble("stall"), sim.trouble("stall")), (Some(3), Some(3), Some(3)));
        sim.calm();
        assert_eq!(sim.trouble("stall"), None);
    }
}
