//! A tenant as it is written, and its way to [`TenantSettings`].

use crate::config::Faults;
use serde::Deserialize;
use std::time::Duration;
use toml::{Table, Value};
use vg_domain::ids::{PluginId, TenantId};
use vg_domain::tenant::{Prompts, Provider, TenantSettings, Timing};

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawTenant {
    language: Option<String>,
    greeting: Option<String>,
    human: Option<String>,
    hearing: RawProvider,
    speaking: RawProvider,
    prompts: RawPrompts,
    timing: RawTiming,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RawProvider {
    plugin: Option<String>,
    options: Table,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RawPrompts {
    not_understood: Option<String>,
    agent_unavailable: Option<String>,
    farewell: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RawTiming {
    endpoint_wait_ms: Option<u32>,
    silence_ms: Option<u32>,
    barge_in_ms: Option<u32>,
    agent_deadline_ms: Option<u32>,
    speech_deadline_ms: Option<u32>,
    final_deadline_ms: Option<u32>,
}

impl RawTenant {
    /// The settings, or none where something needed is missing; `faults` then says what.
    pub(super) fn resolve(
        self,
        tenant: TenantId,
        file_text: &dyn Fn(&str) -> Result<String, String>,
        faults: &mut Faults,
    ) -> Option<TenantSettings> {
        if let Some(human) = &self.human
            && !is_dialplan_place(human)
        {
            faults.add("human", "expected CONTEXT,EXTENSION");
        }
        let language = needed("language", self.language, faults);
        let greeting = needed("greeting", self.greeting, faults);
        let hearing = self.hearing.resolve("hearing", file_text, faults);
        let speaking = self.speaking.resolve("speaking", file_text, faults);
        let prompts = self.prompts.resolve(faults);
        let timing = self.timing.resolve(faults);
        Some(TenantSettings {
            tenant,
            language: language?,
            greeting: greeting?,
            hearing: hearing?,
            speaking: speaking?,
            prompts: prompts?,
            timing,
            human: self.human,
        })
    }
}

impl RawProvider {
    fn resolve(self, role: &str, file_text: &dyn Fn(&str) -> Result<String, String>, faults: &mut Faults) -> Option<Provider> {
        let plugin = needed(&format!("{role}.plugin"), self.plugin, faults);
        let mut options = Value::Table(self.options);
        fill_files(&mut options, &format!("{role}.options"), file_text, faults);
        match serde_json::to_string(&options) {
            Ok(options) => Some(Provider { plugin: PluginId::new(plugin?), options }),
            Err(error) => {
                faults.add(format_args!("{role}.options"), error);
                None
            }
        }
    }
}

impl RawPrompts {
    fn resolve(self, faults: &mut Faults) -> Option<Prompts> {
        let not_understood = needed("prompts.not_understood", self.not_understood, faults);
        let agent_unavailable = needed("prompts.agent_unavailable", self.agent_unavailable, faults);
        let farewell = needed("prompts.farewell", self.farewell, faults);
        Some(Prompts { not_understood: not_understood?, agent_unavailable: agent_unavailable?, farewell: farewell? })
    }
}

impl RawTiming {
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
        timing
    }
}

fn needed(path: &str, value: Option<String>, faults: &mut Faults) -> Option<String> {
    let value = value.filter(|text| !text.trim().is_empty());
    if value.is_none() {
        faults.add(path, "is needed");
    }
    value
}

fn is_dialplan_place(text: &str) -> bool {
    let word = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || "-_.+*#".contains(c));
    text.split_once(',').is_some_and(|(context, extension)| word(context) && word(extension))
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
