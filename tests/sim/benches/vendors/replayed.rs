//! The guest alone: a recorded session told to many guests, turn by turn.

use crate::Size;
use crate::figures::{own_cpu, resident_bytes};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use vg_plugin_host::recording::{AnyInstance, Recording, Said, Told, Turn};
use vg_plugin_host::{HostConfig, Plugin, PluginHost, Trust};

/// What was found.
pub(crate) struct Guests {
    /// One for each round.
    pub(crate) cpu_per_s: Vec<Duration>,
    pub(crate) starts: Vec<Duration>,
    pub(crate) memory_kib: f64,
    pub(crate) calls_per_s: f64,
}

/// A plugin in a host of its own, and what it is told.
struct Stage<'a> {
    plugin: Arc<Plugin>,
    recording: &'a Recording,
    guests: usize,
}

pub(crate) fn guests(component: &Path, recording: &Recording, size: Size) -> Guests {
    let cache = tempfile::tempdir().unwrap();
    let mut config = HostConfig::new(cache.path());
    config.light.sessions_max = size.guests as u32 + 8;
    let host = PluginHost::new(config).unwrap();
    let plugin = host.load_as(component, Trust::FirstParty).unwrap();
    let stage = Stage { plugin, recording, guests: size.guests };
    // The first session pays for what all share; memory comes before any other has touched the places of the pool.
    drop(stage.open());
    let memory_kib = stage.memory_kib();
    let mut found = Guests { cpu_per_s: Vec::new(), starts: Vec::new(), memory_kib, calls_per_s: 0.0 };
    for _ in 0..size.rounds {
        let (cpu, sound_s) = stage.round(&mut found.starts);
        found.cpu_per_s.push(cpu.div_f64(sound_s));
        found.calls_per_s = (stage.turns().count() * size.guests) as f64 / sound_s;
    }
    found
}

impl Stage<'_> {
    /// After its answer to `start`.
    fn open(&self) -> AnyInstance {
        let mut guest = AnyInstance::open(&self.plugin).unwrap();
        let start = &self.recording.turns[0];
        guest.handle(start.now, start.told.clone()).unwrap();
        guest
    }

    /// Calls of the guest after its start; what passes it by is none.
    fn turns(&self) -> impl Iterator<Item = &Turn> {
        self.recording.turns.iter().skip(1).filter(|turn| !matches!(turn.told, Told::Routed(..)))
    }

    fn memory_kib(&self) -> f64 {
        let half = self.turns().count() / 2;
        let before = resident_bytes();
        let mut guests: Vec<AnyInstance> = (0..self.guests).map(|_| self.open()).collect();
        for turn in self.turns().take(half) {
            // One copy at a time: what the bench lays out would be counted as the guests'.
            for guest in &mut guests {
                guest.answer_signatures(&turn.signatures);
                guest.handle(turn.now, turn.told.clone()).unwrap();
            }
        }
        resident_bytes().saturating_sub(before) as f64 / 1024.0 / self.guests as f64
    }

    /// CPU of all calls, and the seconds of sound that they were about.
    fn round(&self, starts: &mut Vec<Duration>) -> (Duration, f64) {
        let mut guests = Vec::with_capacity(self.guests);
        for _ in 0..self.guests {
            let began = own_cpu();
            guests.push(self.open());
            starts.push(own_cpu() - began);
        }
        let (mut cpu, mut sound_bytes) = (Duration::ZERO, sound_told(self.recording) * self.guests);
        for turn in self.turns() {
            guests.iter_mut().for_each(|guest| guest.answer_signatures(&turn.signatures));
            let began = own_cpu();
            for guest in &mut guests {
                let said =
                    guest.handle(turn.now, turn.told.clone()).unwrap_or_else(|error| panic!("{}: {error}", turn.told.name()));
                sound_bytes += said.iter().map(sound_said).sum::<usize>();
            }
            cpu += own_cpu() - began;
        }
        let format = self.recording.header.start.format;
        let sound_s = sound_bytes as f64 / f64::from(format.rate_hz) / format.encoding.sample_bytes() as f64;
        assert!(sound_s > 0.0, "no sound in the recorded session");
        (cpu, sound_s)
    }
}

/// What a listener was given, through the guest or past it.
fn sound_told(recording: &Recording) -> usize {
    let bytes = |told: &Told| match told {
        Told::Audio(samples) | Told::Routed(_, samples) => samples.len(),
        _ => 0,
    };
    recording.turns.iter().map(|turn| bytes(&turn.told)).sum()
}

fn sound_said(said: &Said) -> usize {
    if let Said::Audio(samples) = said { samples.len() } else { 0 }
}
