//! `[fallback]`: what is done where the agent does not answer.

use crate::config::Faults;
use serde::Deserialize;
use std::collections::BTreeMap;
use vg_domain::fallback::{Fallback, Intent};

/// Answers of a tenant.
const ANSWERS_MAX: usize = 64;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawFallback {
    answers: BTreeMap<String, String>,
    agent_falls_max: Option<u32>,
}

impl RawFallback {
    pub(super) fn resolve(self, faults: &mut Faults) -> Fallback {
        if self.answers.len() > ANSWERS_MAX {
            faults.add("fallback.answers", format_args!("must be at most {ANSWERS_MAX}"));
        }
        let mut answers = BTreeMap::new();
        for (name, line) in self.answers {
            if line.trim().is_empty() {
                faults.add(format_args!("fallback.answers.{name}"), "says nothing");
            }
            match Intent::parse(&name) {
                Some(intent) => drop(answers.insert(intent, line)),
                None => faults.add(format_args!("fallback.answers.{name}"), "a name is 1 to 64 of A-Z a-z 0-9 . _ -"),
            }
        }
        if self.agent_falls_max == Some(0) {
            faults.add("fallback.agent_falls_max", "must be at least 1");
        }
        let agent_falls_max = self.agent_falls_max.unwrap_or(Fallback::default().agent_falls_max);
        Fallback { answers, agent_falls_max }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(text: &str) -> Result<Fallback, Vec<String>> {
        let mut faults = Faults::default();
        let fallback = toml::from_str::<RawFallback>(text).unwrap().resolve(&mut faults);
        faults.or(fallback).map_err(|faults| faults.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn a_fallback_is_read_and_what_makes_no_sense_is_a_fault() {
        assert_eq!(resolve(""), Ok(Fallback::default()));
        let answers = [(Intent::parse("delivery").unwrap(), "Three days.".to_owned())].into();
        let written = "agent_falls_max = 3\nanswers = { delivery = 'Three days.' }";
        assert_eq!(resolve(written), Ok(Fallback { answers, agent_falls_max: 3 }));
        assert_eq!(
            resolve("agent_falls_max = 0\nanswers = { 'two words' = 'x', hours = ' ' }").unwrap_err(),
            [
                "fallback.answers.hours: says nothing",
                "fallback.answers.two words: a name is 1 to 64 of A-Z a-z 0-9 . _ -",
                "fallback.agent_falls_max: must be at least 1",
            ]
        );
        let many: Vec<String> = (0..=ANSWERS_MAX).map(|n| format!("i{n} = 'x'")).collect();
        assert_eq!(
            resolve(&format!("answers = {{ {} }}", many.join(", "))).unwrap_err(),
            ["fallback.answers: must be at most 64"]
        );
    }
}
