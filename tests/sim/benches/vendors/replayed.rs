//! The guest alone: a recorded session told to many guests, turn by turn.

use crate::Size;
use crate::figures::{own_cpu, resident_bytes};
use std::path::Path;
use std::time::Duration;
use vg_plugin_host::recording::{AnyInstance, Recording, Said, Told};
use vg_plugin_host::{HostConfig, PluginHost, Trust};

/// What was found.
pub(crate) struct Guests {
    /// One for each round.
    pub(crate) cpu_per_s: Vec<Duration>,
    pub(crate) starts: Vec<Duration>,
    pub(crate) memory_kib: f64,
}

/// A host of their own: what other guests have touched would be counted as theirs, or not.
pub(crate) fn guests(component: &Path, recording: &Recording, size: Size) -> Guests {
    let cache = tempfile::tempdir().unwrap();
    let mut config = HostConfig::new(cache.path());
    config.light.sessions_max = size.guests as u32 + 8;
    let host = PluginHost::new(config).unwrap();
    let plugin = host.load_as(component, Trust::FirstParty).unwrap();
    let mut found = Guests { cpu_per_s: Vec::new(), starts: Vec::new(), memory_kib: 0.0 };
    // The first session pays for what all share.
    drop(AnyInstance::open(&plugin).unwrap());
    for round in 0..=size.rounds {
        let before = resident_bytes();
        let mut guests: Vec<AnyInstance> = Vec::with_capacity(size.guests);
        let mut starts = Vec::with_capacity(size.guests);
        for _ in 0..size.guests {
            let began = own_cpu();
            let mut guest = AnyInstance::open(&plugin).unwrap();
            guest.handle(recording.turns[0].now, recording.turns[0].told.clone()).unwrap();
            starts.push(own_cpu() - began);
            guests.push(guest);
        }
        let (mut cpu, mut sound_bytes) = (Duration::ZERO, sound_told(recording) * size.guests);
        for (nth, turn) in recording.turns.iter().enumerate().skip(1) {
            if matches!(turn.told, Told::Routed(..)) {
                continue;
            }
            let told: Vec<Told> = guests.iter().map(|_| turn.told.clone()).collect();
            guests.iter_mut().for_each(|guest| guest.answer_signatures(&turn.signatures));
            let began = own_cpu();
            for (guest, told) in guests.iter_mut().zip(told) {
                let said = guest.handle(turn.now, told).unwrap_or_else(|error| panic!("turn {nth}: {error}"));
                sound_bytes += said.iter().map(sound_said).sum::<usize>();
            }
            cpu += own_cpu() - began;
            if round == 0 && nth == recording.turns.len() / 2 {
                found.memory_kib = resident_bytes().saturating_sub(before) as f64 / 1024.0 / size.guests as f64;
            }
        }
        let format = recording.header.start.format;
        let sound_s = sound_bytes as f64 / f64::from(format.rate_hz) / format.encoding.sample_bytes() as f64;
        assert!(sound_s > 0.0, "no sound in the recorded session");
        // The first round is for memory, and warms up.
        if round > 0 || size.rounds == 1 {
            found.cpu_per_s.push(cpu.div_f64(sound_s));
            found.starts.extend(starts);
        }
    }
    found
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
