//! A tenant's own numbers and trunks, and whether a call came by them. Pure.

use super::raw::needed;
use crate::application::ports::{Arrival, DialledNumber, Endpoint, TenantError};
use crate::config::Faults;
use serde::Deserialize;
use std::collections::BTreeSet;

/// `[[trunk]]`, or what the tenant-manager says of one.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawTrunk {
    id: Option<String>,
    endpoint: Option<String>,
}

/// `[[did]]`, or what the tenant-manager says of one.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawDid {
    id: Option<String>,
    number: Option<String>,
    #[serde(alias = "trunk_id")]
    trunk: Option<String>,
}

/// What is read of a trunk, and of a number.
pub(super) const TRUNK_KEYS: [&str; 2] = ["id", "endpoint"];
pub(super) const DID_KEYS: [&str; 4] = ["id", "number", "trunk", "trunk_id"];

/// A line of Asterisk that is the tenant's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Trunk {
    pub(super) id: String,
    pub(super) endpoint: Endpoint,
}

/// A number that is the tenant's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Did {
    pub(super) id: String,
    pub(super) number: DialledNumber,
    /// Id of the only trunk by which it can be called; none for any of the tenant's.
    pub(super) trunk: Option<String>,
}

/// What a tenant lists. An empty list confirms nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Lines {
    trunks: Vec<Trunk>,
    dids: Vec<Did>,
}

/// What was confirmed of a call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Confirmed {
    pub(super) did_id: Option<String>,
    pub(super) trunk_id: Option<String>,
}

impl Lines {
    /// `[[trunk]]` and `[[did]]` of a tenant; entries with a fault are left out.
    pub(super) fn resolve(trunks: Vec<RawTrunk>, dids: Vec<RawDid>, faults: &mut Faults) -> Self {
        let trunk = |(at, raw): (usize, RawTrunk)| raw.resolve(&format!("trunk[{at}]."), faults);
        let trunks: Vec<Trunk> = trunks.into_iter().enumerate().filter_map(trunk).collect();
        let did = |(at, raw): (usize, RawDid)| raw.resolve(&format!("did[{at}]."), faults);
        let dids: Vec<Did> = dids.into_iter().enumerate().filter_map(did).collect();
        let ids: BTreeSet<&str> = trunks.iter().map(|trunk| trunk.id.as_str()).collect();
        if ids.len() < trunks.len() {
            faults.add("trunk", "two entries have the same id");
        }
        if dids.iter().map(|did| &did.number).collect::<BTreeSet<_>>().len() < dids.len() {
            faults.add("did", "two entries have the same number");
        }
        for (at, did) in dids.iter().enumerate() {
            if did.trunk.as_ref().is_some_and(|trunk| !ids.contains(trunk.as_str())) {
                faults.add(format_args!("did[{at}].trunk"), "no [[trunk]] has this id");
            }
        }
        Self { trunks, dids }
    }

    /// Whether nothing is listed.
    pub(super) fn is_empty(&self) -> bool {
        self.trunks.is_empty() && self.dids.is_empty()
    }

    /// Holds a call against the lists. What came by no Asterisk has no line that could be confirmed.
    ///
    /// # Errors
    /// `DidUnknown` first, then `TrunkMismatch`.
    pub(super) fn confirm(&self, arrival: &Arrival) -> Result<Confirmed, TenantError> {
        let Some(endpoint) = &arrival.endpoint else { return Ok(Confirmed::default()) };
        let did = match self.dids.as_slice() {
            [] => None,
            dids => {
                let dialled = DialledNumber::parse(arrival.dialled.reveal());
                let dialled = dialled.ok_or(TenantError::DidUnknown)?;
                Some(dids.iter().find(|did| did.number == dialled).ok_or(TenantError::DidUnknown)?)
            }
        };
        let bound = did.and_then(|did| did.trunk.as_deref());
        let fits = |trunk: &&Trunk| trunk.endpoint == *endpoint && bound.is_none_or(|id| trunk.id == id);
        let trunk = match (self.trunks.as_slice(), bound) {
            ([], None) => None,
            (trunks, _) => Some(trunks.iter().find(fits).ok_or(TenantError::TrunkMismatch)?),
        };
        Ok(Confirmed { did_id: did.map(|did| did.id.clone()), trunk_id: trunk.map(|trunk| trunk.id.clone()) })
    }
}

impl RawTrunk {
    /// `path` is what stands before the keys.
    pub(super) fn resolve(self, path: &str, faults: &mut Faults) -> Option<Trunk> {
        let id = needed(&format!("{path}id"), self.id, faults);
        let endpoint = needed(&format!("{path}endpoint"), self.endpoint, faults)?;
        let endpoint = Endpoint::parse(&endpoint);
        if endpoint.is_none() {
            faults.add(format_args!("{path}endpoint"), "expected TECHNOLOGY/NAME, for example PJSIP/trunk-a");
        }
        Some(Trunk { id: id?, endpoint: endpoint? })
    }
}

impl RawDid {
    /// `path` is what stands before the keys.
    pub(super) fn resolve(self, path: &str, faults: &mut Faults) -> Option<Did> {
        let id = needed(&format!("{path}id"), self.id, faults);
        let number = needed(&format!("{path}number"), self.number, faults)?;
        let number = DialledNumber::parse(&number);
        if number.is_none() {
            faults.add(format_args!("{path}number"), "expected a number, for example +551140028922");
        }
        Some(Did { id: id?, number: number?, trunk: self.trunk.filter(|trunk| !trunk.is_empty()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::application::ports::TenantHint;
    use vg_domain::pii::Pii;

    fn lines(text: &str) -> Result<Lines, Vec<String>> {
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Both {
            trunk: Vec<RawTrunk>,
            did: Vec<RawDid>,
        }
        let Both { trunk, did } = toml::from_str(text).unwrap();
        let mut faults = Faults::default();
        let lines = Lines::resolve(trunk, did, &mut faults);
        faults.or(lines).map_err(|faults| faults.iter().map(ToString::to_string).collect())
    }

    fn call(dialled: &str, endpoint: Option<&str>) -> Arrival {
        let endpoint = endpoint.map(Endpoint::of_channel);
        Arrival { hint: TenantHint::Default, dialled: Pii::new(dialled.to_owned()), endpoint }
    }

    const BOTH: &str = "
        trunk = [{ id = 't1', endpoint = 'PJSIP/one' }, { id = 't2', endpoint = 'two' }]
        did = [{ id = 'd1', number = '+55 11 4002-8922', trunk = 't1' }, { id = 'd2', number = '551140028923' }]";

    #[test]
    fn a_call_is_confirmed_by_number_and_trunk_or_refused() {
        use TenantError::{DidUnknown, TrunkMismatch};
        let lines = lines(BOTH).unwrap();
        let (one, two) = (Some("PJSIP/one-0000001f"), Some("PJSIP/two-00000020"));
        for (dialled, channel, expected) in [
            ("+551140028922", one, Ok(("d1", "t1"))),
            ("551140028922", one, Ok(("d1", "t1"))),
            // The number is bound to the other trunk.
            ("551140028922", two, Err(TrunkMismatch)),
            ("551140028923", one, Ok(("d2", "t1"))),
            ("551140028923", two, Ok(("d2", "t2"))),
            ("551140028923", Some("PJSIP/three-00000020"), Err(TrunkMismatch)),
            ("551140028923", Some("PJSIP/one"), Ok(("d2", "t1"))),
            // Technology counts, and so does the whole name.
            ("551140028923", Some("IAX2/one-00000020"), Err(TrunkMismatch)),
            ("551140028923", Some("PJSIP/one-x-00000020"), Err(TrunkMismatch)),
            ("551140028923", Some(""), Err(TrunkMismatch)),
            ("551140028924", one, Err(DidUnknown)),
            ("", one, Err(DidUnknown)),
            ("s", Some("PJSIP/three-00000020"), Err(DidUnknown)),
        ] {
            let confirmed = lines.confirm(&call(dialled, channel));
            let ids = confirmed.map(|confirmed| (confirmed.did_id.unwrap(), confirmed.trunk_id.unwrap()));
            let expected = expected.map(|(did, trunk)| (did.to_owned(), trunk.to_owned()));
            assert_eq!(ids, expected, "{dialled} by {channel:?}");
        }
        // A browser has no trunk.
        assert_eq!(lines.confirm(&call("nobody", None)), Ok(Confirmed::default()));
    }

    #[test]
    fn what_is_not_listed_is_not_confirmed() {
        let anything = call("123", Some("PJSIP/x-00000001"));
        assert_eq!(Lines::default().confirm(&anything), Ok(Confirmed::default()));
        let trunks = lines("trunk = [{ id = 't', endpoint = 'x' }]").unwrap();
        let confirmed = Confirmed { did_id: None, trunk_id: Some("t".into()) };
        assert_eq!(trunks.confirm(&anything), Ok(confirmed));
        assert_eq!(trunks.confirm(&call("123", Some("PJSIP/y-00000001"))), Err(TenantError::TrunkMismatch));
        let dids = lines("did = [{ id = 'd', number = '123' }]").unwrap();
        let confirmed = Confirmed { did_id: Some("d".into()), trunk_id: None };
        assert_eq!(dids.confirm(&anything), Ok(confirmed));
        assert_eq!(dids.confirm(&call("124", Some("PJSIP/x-00000001"))), Err(TenantError::DidUnknown));
    }

    #[test]
    fn faults_of_lines_come_with_their_paths() {
        let wrong = "
            trunk = [{ id = 't' }, { id = 't', endpoint = 'x' }, { id = 't', endpoint = 'y' }, { endpoint = 'a b' }]
            did = [{ number = '1' }, { id = 'e', number = '++' }, { id = 'f', number = '+1' }, { id = 'd', number = '1', trunk = 'u' }]";
        assert_eq!(
            lines(wrong).unwrap_err(),
            [
                "trunk[0].endpoint: is needed",
                "trunk[3].id: is needed",
                "trunk[3].endpoint: expected TECHNOLOGY/NAME, for example PJSIP/trunk-a",
                "did[0].id: is needed",
                "did[1].number: expected a number, for example +551140028922",
                "trunk: two entries have the same id",
                "did: two entries have the same number",
                "did[1].trunk: no [[trunk]] has this id",
            ]
        );
    }
}
