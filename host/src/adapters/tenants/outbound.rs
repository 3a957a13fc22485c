//! `[outbound]` of a tenant as it is written, and its way to [`OutboundRules`].

use crate::config::Faults;
use serde::Deserialize;
use std::fmt::Display;
use std::str::FromStr;
use vg_domain::number::{Number, NumberPlan, Pattern};
use vg_domain::outbound::{MachineDetection, OnMachine, OutboundRules};

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawOutbound {
    trunk: Option<String>,
    caller_id: Option<String>,
    caller_ids: Vec<String>,
    country: Option<String>,
    patterns: Vec<String>,
    denied: Vec<String>,
    amd: bool,
    machine_line: Option<String>,
}

impl RawOutbound {
    /// The rules, or none where something cannot be read; `faults` then says what.
    pub(super) fn resolve(self, faults: &mut Faults) -> Option<OutboundRules> {
        let country = self.country.map(|code| code.trim_start_matches('+').to_owned());
        if country.as_ref().is_some_and(|code| !(1..=3).contains(&code.len()) || !code.bytes().all(|c| c.is_ascii_digit())) {
            faults.add("outbound.country", "expected the digits of a country code, for example 55");
        }
        let plan = NumberPlan { country };
        let trunk = read("outbound.trunk", self.trunk.as_deref(), faults);
        let caller_id = number("outbound.caller_id", &plan, self.caller_id.as_deref().unwrap_or_default(), faults);
        let caller_ids = each("outbound.caller_ids", &self.caller_ids, |path, text| number(path, &plan, text, faults));
        if self.patterns.is_empty() {
            faults.add("outbound.patterns", "is needed: nobody can be called without");
        }
        let patterns = each("outbound.patterns", &self.patterns, |path, text| read::<Pattern>(path, Some(text), faults));
        let denied = each("outbound.denied", &self.denied, |path, text| read::<Pattern>(path, Some(text), faults));
        let machines = match (self.amd, self.machine_line.filter(|line| !line.trim().is_empty())) {
            (true, None) => MachineDetection::On(OnMachine::HangUp),
            (true, Some(line)) => MachineDetection::On(OnMachine::Say(line)),
            (false, None) => MachineDetection::Off,
            (false, Some(_)) => {
                faults.add("outbound.machine_line", "is never said without outbound.amd = true");
                MachineDetection::Off
            }
        };
        Some(OutboundRules {
            trunk: trunk?,
            caller_id: caller_id?,
            caller_ids: caller_ids?,
            patterns: patterns?,
            denied: denied?,
            plan,
            machines,
        })
    }
}

fn each<T>(path: &str, texts: &[String], mut read: impl FnMut(&str, &str) -> Option<T>) -> Option<Vec<T>> {
    let all: Vec<Option<T>> = texts.iter().enumerate().map(|(at, text)| read(&format!("{path}[{at}]"), text)).collect();
    all.into_iter().collect()
}

fn read<T: FromStr<Err: Display>>(path: &str, text: Option<&str>, faults: &mut Faults) -> Option<T> {
    match text.map(str::parse) {
        Some(Ok(value)) => Some(value),
        Some(Err(error)) => {
            faults.add(path, error);
            None
        }
        None => {
            faults.add(path, "is needed");
            None
        }
    }
}

fn number(path: &str, plan: &NumberPlan, text: &str, faults: &mut Faults) -> Option<Number> {
    plan.read(text).map_err(|_| faults.add(path, "expected a telephone number, for example +551130000000")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(text: &str) -> (Option<OutboundRules>, Vec<String>) {
        let mut faults = Faults::default();
        let rules = toml::from_str::<RawOutbound>(text).unwrap().resolve(&mut faults);
        let told = faults.iter().map(|fault| format!("{}: {}", fault.path, fault.what)).collect();
        (rules, told)
    }

    #[test]
    fn rules_are_read_whole() {
        let text = "trunk = 'PJSIP/{number}@trunk'\ncaller_id = '11 3000-0000'\ncaller_ids = ['+551130000001']\ncountry = '+55'\n\
                    patterns = ['+55.']\ndenied = ['+55900.']\namd = true\nmachine_line = 'Call us back.'";
        let (rules, faults) = resolve(text);
        assert_eq!(faults, [""; 0]);
        let rules = rules.unwrap();
        assert_eq!((rules.caller_id.reveal(), rules.caller_ids[0].reveal()), ("+551130000000", "+551130000001"));
        assert_eq!(rules.machines, MachineDetection::On(OnMachine::Say("Call us back.".into())));
        assert!(rules.route("11 99999-8888", None).is_ok());
    }

    #[test]
    fn every_fault_is_told_with_its_path() {
        let text = "trunk = 'PJSIP/trunk'\ncaller_id = 'acme'\ncaller_ids = ['1', 'x']\ncountry = 'BR'\npatterns = ['+55.', 'a']\nmachine_line = 'Hello'";
        let (rules, faults) = resolve(text);
        assert!(rules.is_none());
        let paths: Vec<&str> = faults.iter().map(|fault| fault.split_once(": ").unwrap().0).collect();
        let expected = [
            "outbound.country",
            "outbound.trunk",
            "outbound.caller_id",
            "outbound.caller_ids[1]",
            "outbound.patterns[1]",
            "outbound.machine_line",
        ];
        assert_eq!(paths, expected);
        let needed: Vec<String> = resolve("").1;
        assert_eq!(needed.len(), 3, "{needed:?}");
    }
}
