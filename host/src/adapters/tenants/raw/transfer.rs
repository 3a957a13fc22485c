//! `[transfer]`: whom a tenant's callers may be handed over to.

use crate::config::Faults;
use serde::Deserialize;
use std::fmt::Display;
use std::time::Duration;
use vg_domain::number::{Number, NumberPlan, Pattern};
use vg_domain::transfer::{Outside, OutsideWay, PlacePattern, ReferPattern, TransferSettings};

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawTransfer {
    queue: Option<String>,
    extension: Option<String>,
    external: Vec<RawOutside>,
    ring_s: Option<u16>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RawOutside {
    place: Option<String>,
    trunk: Option<String>,
    refer: Option<String>,
    numbers: Vec<String>,
    caller_id: Option<String>,
}

/// The context that `voice-gateway asterisk config` writes.
const OUTSIDE: &str = "vg-outside,{name}";
/// Longer than anybody lets a telephone ring.
const RING_MAX_S: u16 = 600;

impl RawTransfer {
    pub(super) fn resolve(self, faults: &mut Faults) -> TransferSettings {
        let before = TransferSettings::default();
        let queue = place("transfer.queue", self.queue, faults);
        let extension = place("transfer.extension", self.extension, faults);
        let external = self.external.into_iter().enumerate();
        let external = external.filter_map(|(at, way)| way.resolve(&format!("transfer.external[{at}]"), faults)).collect();
        let ring = match self.ring_s {
            None => before.ring,
            Some(seconds @ 1..=RING_MAX_S) => Duration::from_secs(seconds.into()),
            Some(_) => {
                faults.add("transfer.ring_s", format_args!("must be between 1 and {RING_MAX_S}"));
                before.ring
            }
        };
        TransferSettings { queue, extension, external, ring }
    }
}

impl RawOutside {
    fn resolve(self, path: &str, faults: &mut Faults) -> Option<Outside> {
        let mut numbers = Vec::new();
        for (at, text) in self.numbers.iter().enumerate() {
            match text.parse::<Pattern>() {
                Ok(_) if !text.starts_with('+') => {
                    faults.add(format_args!("{path}.numbers[{at}]"), "expected + and a country's code: numbers outside have one");
                }
                Ok(pattern) => numbers.push(pattern),
                Err(error) => faults.add(format_args!("{path}.numbers[{at}]"), error),
            }
        }
        if self.numbers.is_empty() {
            faults.add(format_args!("{path}.numbers"), "needs at least one pattern");
        }
        Some(Outside { numbers, way: self.way(path, faults)? })
    }

    fn way(self, path: &str, faults: &mut Faults) -> Option<OutsideWay> {
        if let Some(refer) = self.refer {
            let pattern = ReferPattern::parse(&refer);
            if pattern.is_none() {
                faults.add(format_args!("{path}.refer"), "expected a SIP address with {name} in it");
            }
            if self.place.is_some() || self.trunk.is_some() || self.caller_id.is_some() {
                faults.add(path, "refer goes without place, trunk and caller_id: the caller's telephone calls");
            }
            return pattern.map(OutsideWay::Refer);
        }
        let place = place(format!("{path}.place"), Some(self.place.unwrap_or_else(|| OUTSIDE.to_owned())), faults);
        let is_name = |name: &String| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
        let trunk = self.trunk.filter(is_name);
        if trunk.is_none() {
            faults.add(format_args!("{path}.trunk"), "expected the name of an endpoint");
        }
        let caller_id =
            self.caller_id.map(|text| NumberPlan::default().read(&text).ok().filter(Number::is_e164).ok_or(())).transpose();
        let caller_id =
            caller_id.map_err(|()| faults.add(format_args!("{path}.caller_id"), "expected a number such as +493012345"));
        let caller_id = caller_id.ok()?.map(|number| number.to_pii());
        Some(OutsideWay::Trunk { place: place?, trunk: trunk?, caller_id })
    }
}

fn place(path: impl Display, text: Option<String>, faults: &mut Faults) -> Option<PlacePattern> {
    let text = text?;
    let pattern = PlacePattern::parse(&text);
    if pattern.is_none() {
        faults.add(path, "expected CONTEXT,EXTENSION with {name} in it");
    }
    pattern
}
