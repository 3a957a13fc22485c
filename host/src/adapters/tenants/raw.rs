//! A tenant as it is written, and its way to [`TenantSettings`].

mod events;
mod fallback;
mod languages;
mod menu;
mod pci;
mod prompts;
mod recording;
mod shadow;
mod transfer;

use super::lines::{Lines, RawDid, RawTrunk};
use super::outbound::RawOutbound;
use super::{Role, Rung, TenantDraft};
use crate::config::Faults;
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;
use toml::{Table, Value};
use vg_domain::ids::{PluginId, TenantId};
use vg_domain::tenant::{Access, Bounds, Ladder, Provider, Share, Sound, TenantSettings, Timing};
use vg_domain::transfer::Place;
use vg_plugin_host::links::grant::HostRule;
use vg_plugin_host::links::secrets::{LocalStore, SecretSpec, Secrets};

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawTenant {
    language: Option<String>,
    greeting: Option<String>,
    greeting_interruptible: Option<bool>,
    human: Option<String>,
    transfer: transfer::RawTransfer,
    menu: Option<menu::RawMenu>,
    pci: pci::RawPci,
    recording: recording::RawRecording,
    hearing: RawLadder,
    speaking: RawLadder,
    shadow: Option<shadow::RawShadow>,
    prompts: prompts::RawPrompts,
    timing: RawTiming,
    fallback: fallback::RawFallback,
    limits: RawLimits,
    outbound: Option<RawOutbound>,
    events: events::RawEvents,
    trunk: Vec<RawTrunk>,
    did: Vec<RawDid>,
    languages: BTreeMap<String, languages::RawLanguage>,
}

/// `[hearing]`, or `[[hearing]]` for each rung.
#[derive(Debug)]
enum RawLadder {
    One(Box<RawProvider>),
    Many(Vec<RawProvider>),
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RawProvider {
    plugin: Option<String>,
    options: Table,
    secrets: Table,
    hosts: Option<Vec<String>>,
    languages: Vec<String>,
    limits: RawShare,
    sound: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RawShare {
    sessions_max: Option<u32>,
    sessions_wait_ms: Option<u32>,
    connections_max: Option<u32>,
    audio_s_per_day: Option<u64>,
    characters_per_day: Option<u64>,
}

/// Of the tenant as a whole.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RawLimits {
    calls_max: Option<usize>,
    call_max_s: Option<u32>,
    speculations_max: u32,
}

/// The longest wait for the end of a turn, in waits for a caller of whom nothing is known.
const CEILING_WAITS: u32 = 3;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RawTiming {
    endpoint_wait_ms: Option<u32>,
    endpoint_adaptive: Option<bool>,
    endpoint_floor_ms: Option<u32>,
    endpoint_ceiling_ms: Option<u32>,
    silence_ms: Option<u32>,
    barge_in_ms: Option<u32>,
    agent_deadline_ms: Option<u32>,
    filler_ms: Option<u32>,
    hold_ms: Option<u32>,
    speech_deadline_ms: Option<u32>,
    final_deadline_ms: Option<u32>,
}

impl Default for RawLadder {
    fn default() -> Self {
        Self::One(Box::default())
    }
}

impl<'de> Deserialize<'de> for RawLadder {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Not an untagged enum: that would lose the path of what is wrong inside.
        struct OneOrMany;
        impl<'de> Visitor<'de> for OneOrMany {
            type Value = RawLadder;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a section, or one per rung in double brackets")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<RawLadder, A::Error> {
                Deserialize::deserialize(MapAccessDeserializer::new(map)).map(RawLadder::One)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, rungs: A) -> Result<RawLadder, A::Error> {
                Deserialize::deserialize(SeqAccessDeserializer::new(rungs)).map(RawLadder::Many)
            }
        }
        deserializer.deserialize_any(OneOrMany)
    }
}

impl RawTenant {
    /// The settings, or none where something needed is missing; `faults` then says what.
    pub(super) fn resolve(
        self,
        tenant: TenantId,
        file_text: &dyn Fn(&str) -> Result<String, String>,
        faults: &mut Faults,
    ) -> Option<TenantDraft> {
        if let Some(human) = &self.human
            && Place::parse(human).is_none()
        {
            faults.add("human", "expected CONTEXT,EXTENSION");
        }
        let language = needed("language", self.language, faults);
        let greeting = needed("greeting", self.greeting, faults);
        let hearing = self.hearing.resolve(Role::Hearing, file_text, faults);
        let speaking = self.speaking.resolve(Role::Speaking, file_text, faults);
        let recording = self.recording.resolve(faults);
        let prompts = self.prompts.resolve(language.as_deref(), &recording, faults);
        let timing = self.timing.resolve(faults);
        let fallback = self.fallback.resolve(faults);
        let call_max = self.limits.call_max(faults);
        let speculations_max = self.limits.speculations_max;
        let calls_max = self.limits.resolve(faults);
        let outbound = self.outbound.and_then(|outbound| outbound.resolve(faults));
        let webhooks = self.events.resolve(faults);
        let (pci, masking) = self.pci.resolve(faults);
        let transfer = self.transfer.resolve(faults);
        let menu = self.menu.and_then(|menu| menu.resolve(self.human.as_deref(), &transfer, faults));
        let lines = Lines::resolve(self.trunk, self.did, faults);
        let (hearing, speaking) = (hearing?, speaking?);
        let shadow = self.shadow.and_then(|shadow| shadow.resolve(file_text, &hearing, faults));
        let (shadow, beside) = shadow.unzip();
        let mut settings = TenantSettings {
            tenant,
            language: language?,
            greeting: greeting?,
            greeting_interruptible: self.greeting_interruptible.unwrap_or(true),
            hearing: ladder(&hearing)?,
            speaking: ladder(&speaking)?,
            shadow,
            prompts: prompts?,
            timing,
            fallback,
            human: self.human,
            transfer,
            menu,
            pci,
            recording,
            calls_max,
            call_max,
            speculations_max,
            outbound,
            webhooks,
            languages: Vec::new(),
        };
        let (languages, others) = languages::resolve(self.languages, &settings, file_text, faults);
        settings.languages = languages;
        Some(TenantDraft {
            settings,
            lines,
            rungs: [hearing, speaking, beside.into_iter().chain(masking).collect(), others].concat(),
        })
    }
}

fn ladder(rungs: &[Rung]) -> Option<Ladder> {
    let (first, others) = rungs.split_first()?;
    Some(Ladder::new(first.provider.clone(), others.iter().map(|rung| rung.provider.clone())))
}

impl RawLadder {
    /// Every rung, or none where one of them cannot be read.
    fn resolve(self, role: Role, file_text: &dyn Fn(&str) -> Result<String, String>, faults: &mut Faults) -> Option<Vec<Rung>> {
        let written: Vec<(String, RawProvider)> = match self {
            Self::One(only) => vec![(role.as_str().to_owned(), *only)],
            Self::Many(rungs) => {
                rungs.into_iter().enumerate().map(|(at, rung)| (format!("{}[{at}]", role.as_str()), rung)).collect()
            }
        };
        if written.is_empty() {
            faults.add(role.as_str(), "needs at least one rung");
        }
        let rung = |(path, raw): (String, RawProvider)| {
            let provider = raw.resolve(&path, file_text, faults)?;
            let (other, budget) = match role {
                Role::Hearing | Role::Masking => ("characters_per_day", provider.share.characters_per_day),
                Role::Speaking => ("audio_s_per_day", provider.share.audio_s_per_day),
            };
            if budget.is_some() {
                faults.add(format_args!("{path}.limits.{other}"), "is not what this part of the work is counted in");
            }
            Some(Rung { path, role, provider })
        };
        let rungs: Vec<Option<Rung>> = written.into_iter().map(rung).collect();
        rungs.into_iter().collect()
    }
}

impl RawProvider {
    fn resolve(self, path: &str, file_text: &dyn Fn(&str) -> Result<String, String>, faults: &mut Faults) -> Option<Provider> {
        let plugin = needed(&format!("{path}.plugin"), self.plugin, faults);
        let mut options = Value::Table(self.options);
        fill_files(&mut options, &format!("{path}.options"), file_text, faults);
        let options = serde_json::to_string(&options).map_err(|error| faults.add(format_args!("{path}.options"), error));
        check_secrets(&self.secrets, path, faults);
        for (at, host) in self.hosts.iter().flatten().enumerate() {
            if let Err(fault) = host.parse::<HostRule>() {
                faults.add(format_args!("{path}.hosts[{at}]"), fault);
            }
        }
        let share = self.limits.share();
        for (key, limit) in [
            ("sessions_max", share.sessions_max.map(u64::from)),
            ("connections_max", share.connections_max.map(u64::from)),
            ("audio_s_per_day", share.audio_s_per_day),
            ("characters_per_day", share.characters_per_day),
        ] {
            if limit == Some(0) {
                faults.add(format_args!("{path}.limits.{key}"), "must be at least 1");
            }
        }
        if share.sessions_wait.is_some() && share.sessions_max.is_none() {
            faults.add(format_args!("{path}.limits.sessions_wait_ms"), "means nothing without sessions_max");
        }
        let sound = self.sound.map(|text| text.parse::<Sound>()).transpose();
        let sound = sound.map_err(|fault| faults.add(format_args!("{path}.sound"), fault)).ok()?;
        let secrets = if self.secrets.is_empty() { Ok(String::new()) } else { serde_json::to_string(&self.secrets) };
        let access = Access { hosts: self.hosts, secrets: secrets.ok()? };
        let plugin = PluginId::new(plugin?);
        Some(Provider { plugin, options: options.ok()?, languages: self.languages, access, share, sound })
    }
}

/// Only what is written is checked: whether the secrets are there shows when they are used, so that they can come later.
fn check_secrets(secrets: &Table, path: &str, faults: &mut Faults) {
    let mut specs = BTreeMap::new();
    for (name, written) in secrets {
        match written.clone().try_into::<SecretSpec>() {
            Ok(spec) => drop(specs.insert(name.clone(), spec)),
            Err(error) => faults.add(format_args!("{path}.secrets.{name}"), error.message()),
        }
    }
    for fault in Secrets::resolve(&specs, Arc::new(LocalStore::default())).err().into_iter().flatten() {
        faults.add(format_args!("{path}.secrets.{}", fault.path), fault.message);
    }
}

impl RawShare {
    fn share(&self) -> Share {
        let sessions_wait = self.sessions_wait_ms.map(|ms| Duration::from_millis(ms.into()));
        let Self { sessions_max, connections_max, audio_s_per_day, characters_per_day, .. } = *self;
        Share { sessions_max, sessions_wait, connections_max, audio_s_per_day, characters_per_day }
    }
}

/// A call is told of its end a minute before, and has been of some use by then.
const CALL_MAX_S_MIN: u32 = 120;

impl RawLimits {
    fn call_max(&self, faults: &mut Faults) -> Option<Duration> {
        let seconds = self.call_max_s?;
        if seconds < CALL_MAX_S_MIN {
            faults.add("limits.call_max_s", format_args!("must be at least {CALL_MAX_S_MIN}"));
        }
        Some(Duration::from_secs(seconds.into()))
    }

    fn resolve(&self, faults: &mut Faults) -> Option<NonZeroUsize> {
        if self.calls_max == Some(0) {
            faults.add("limits.calls_max", "must be at least 1");
        }
        NonZeroUsize::new(self.calls_max?)
    }
}

impl RawTiming {
    /// Between what the wait for the end of a turn adapts. A bound that is not written gives way to what is.
    fn bounds(&self, wait: Duration, faults: &mut Faults) -> Option<Bounds> {
        let written = [("floor", self.endpoint_floor_ms), ("ceiling", self.endpoint_ceiling_ms)];
        for (name, _) in written.into_iter().filter(|(_, ms)| *ms == Some(0)) {
            faults.add(format_args!("timing.endpoint_{name}_ms"), "must be at least 1");
        }
        let [floor, ceiling] = written.map(|(_, ms)| ms.map(|ms| Duration::from_millis(ms.into())));
        if self.endpoint_adaptive == Some(false) {
            for (name, _) in written.into_iter().filter(|(_, ms)| ms.is_some()) {
                faults.add(format_args!("timing.endpoint_{name}_ms"), "a wait that does not adapt has no bounds");
            }
            return None;
        }
        let floor = floor.unwrap_or(Bounds::default().floor.min(wait));
        let ceiling = ceiling.unwrap_or(wait * CEILING_WAITS);
        if !(floor..=ceiling).contains(&wait) {
            faults.add("timing.endpoint_wait_ms", "must lie between endpoint_floor_ms and endpoint_ceiling_ms");
            return None;
        }
        Some(Bounds { floor, ceiling })
    }

    fn resolve(self, faults: &mut Faults) -> Timing {
        let mut timing = Timing::default();
        for (key, slot, written) in [
            ("endpoint_wait_ms", &mut timing.endpoint_wait, self.endpoint_wait_ms),
            ("silence_ms", &mut timing.silence, self.silence_ms),
            ("barge_in_ms", &mut timing.barge_in, self.barge_in_ms),
            ("agent_deadline_ms", &mut timing.agent_deadline, self.agent_deadline_ms),
            ("speech_deadline_ms", &mut timing.speech_deadline, self.speech_deadline_ms),
            ("final_deadline_ms", &mut timing.final_deadline, self.final_deadline_ms),
        ] {
            match written {
                None => {}
                Some(0) => faults.add(format_args!("timing.{key}"), "must be at least 1"),
                Some(ms) => *slot = Duration::from_millis(ms.into()),
            }
        }
        // Where nothing is to be heard they are written as 0.
        for (slot, written) in [(&mut timing.filler, self.filler_ms), (&mut timing.hold, self.hold_ms)] {
            if let Some(ms) = written {
                *slot = (ms > 0).then(|| Duration::from_millis(ms.into()));
            }
        }
        timing.endpoint_bounds = self.bounds(timing.endpoint_wait, faults);
        timing
    }
}

pub(super) fn needed(path: &str, value: Option<String>, faults: &mut Faults) -> Option<String> {
    let value = value.filter(|text| !text.trim().is_empty());
    if value.is_none() {
        faults.add(path, "is needed");
    }
    value
}

/// Puts the text of a file where an option says `{ file = "NAME" }`.
fn fill_files(value: &mut Value, path: &str, file_text: &dyn Fn(&str) -> Result<String, String>, faults: &mut Faults) {
    let Value::Table(table) = value else { return };
    if table.len() == 1
        && let Some(Value::String(file)) = table.get("file")
    {
        match file_text(file) {
            Ok(text) => *value = Value::String(text),
            Err(what) => faults.add(path, what),
        }
        return;
    }
    for (key, inner) in table.iter_mut() {
        fill_files(inner, &format!("{path}.{key}"), file_text, faults);
    }
}
