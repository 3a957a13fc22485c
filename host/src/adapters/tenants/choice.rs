//! Whose call it is, before anything is known of the tenant. Pure.

use crate::application::ports::{Arrival, DialledNumber, TenantHint};
use crate::config::{Line, TenantMap};
use vg_domain::ids::TenantId;

/// The operator's map and default.
#[derive(Clone, Debug, Default)]
pub(super) struct Choice {
    map: TenantMap,
    default: Option<TenantId>,
}

impl Choice {
    pub(super) fn new(map: TenantMap, default: Option<TenantId>) -> Self {
        Self { map, default }
    }

    pub(super) fn fallback(&self) -> Option<&TenantId> {
        self.default.as_ref()
    }

    /// By name; then by the number that was dialled; then by the line; then the default.
    pub(super) fn tenant<'a>(&'a self, arrival: &'a Arrival) -> Option<&'a TenantId> {
        if let TenantHint::Named(tenant) = &arrival.hint {
            return Some(tenant);
        }
        let by_number = DialledNumber::parse(arrival.dialled.reveal()).and_then(|number| self.map.get(&Line::Did(number)));
        let by_line = || arrival.endpoint.clone().and_then(|endpoint| self.map.get(&Line::Endpoint(endpoint)));
        by_number.or_else(by_line).or(self.default.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::application::ports::Endpoint;
    use vg_domain::pii::Pii;

    #[test]
    fn a_name_wins_over_the_number_the_number_over_the_line_and_the_line_over_the_default() {
        let tenant = |name: &str| TenantId::new(name);
        let map = [("+55 11 4002", "by-number"), ("PJSIP/one", "by-line"), ("two", "by-other-line")];
        let map = map.map(|(line, name)| (Line::parse(line).unwrap(), tenant(name)));
        let choice = Choice::new(map.into_iter().collect(), Some(tenant("default")));
        for (named, dialled, channel, expected) in [
            (Some("named"), "55114002", Some("PJSIP/one-00000001"), "named"),
            (None, "55114002", Some("PJSIP/one-00000001"), "by-number"),
            (None, "+55114002", None, "by-number"),
            (None, "55114003", Some("PJSIP/one-00000001"), "by-line"),
            (None, "", Some("PJSIP/two-00000001"), "by-other-line"),
            (None, "", Some("IAX2/two-00000001"), "default"),
            (None, "55114003", Some("PJSIP/three-00000001"), "default"),
            (None, "", None, "default"),
        ] {
            let hint = named.map_or(TenantHint::Default, |name| TenantHint::Named(tenant(name)));
            let endpoint = channel.map(Endpoint::of_channel);
            let arrival = Arrival { hint, dialled: Pii::new(dialled.to_owned()), endpoint };
            assert_eq!(choice.tenant(&arrival), Some(&tenant(expected)), "{arrival:?}");
        }
        let nobody = Arrival { hint: TenantHint::Default, dialled: Pii::new(String::new()), endpoint: None };
        assert_eq!(Choice::default().tenant(&nobody), None);
    }
}
