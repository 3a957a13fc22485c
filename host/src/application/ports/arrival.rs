//! How a call came, and what was found out about it before it is served.

use super::{IncomingCall, TenantHint};
use std::fmt;
use std::sync::Arc;
use vg_domain::ids::{DidId, TrunkId};
use vg_domain::pii::Pii;
use vg_domain::tenant::TenantSettings;

/// How a call came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// Who it is for, where somebody says so.
    pub hint: TenantHint,
    /// The number that was dialled; empty where there is none.
    pub dialled: Pii<String>,
    /// By which line of Asterisk it came; none where it came by no Asterisk: then there is nothing to confirm.
    pub endpoint: Option<Endpoint>,
}

impl Arrival {
    /// Of a call that waits.
    pub fn of(call: &IncomingCall) -> Self {
        Self { hint: call.tenant.clone(), dialled: call.dialled.clone(), endpoint: call.endpoint.clone() }
    }
}

/// What was found out about a call: whose it is, and what confirmed it.
#[derive(Clone, Debug, PartialEq)]
pub struct Admission {
    /// The tenant's settings.
    pub settings: Arc<TenantSettings>,
    /// Id of the tenant's number that was dialled; none where the tenant lists no numbers.
    pub did: Option<DidId>,
    /// Id of the tenant's trunk by which the call came; none where the tenant lists no trunks.
    pub trunk: Option<TrunkId>,
}

impl Admission {
    /// With nothing confirmed.
    pub fn unconfirmed(settings: Arc<TenantSettings>) -> Self {
        Self { settings, did: None, trunk: None }
    }
}

/// A line of Asterisk: technology and name, for example `PJSIP/trunk-a`. Compared byte by byte, but for the case of the technology.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Endpoint(String);

impl Endpoint {
    /// As it is written in settings; a name without a technology is one of `PJSIP`. None where it cannot be an endpoint.
    pub fn parse(text: &str) -> Option<Self> {
        let (technology, name) = text.split_once('/').unwrap_or(("PJSIP", text));
        let word = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || "-_.+".contains(c));
        (word(technology) && word(name)).then(|| Self(format!("{}/{name}", technology.to_ascii_uppercase())))
    }

    /// Of a channel by its name: `PJSIP/trunk-a-0000001f` is one of `PJSIP/trunk-a`. A name of another form stands for itself, and is nobody's line.
    pub fn of_channel(name: &str) -> Self {
        let line = name.rsplit_once('-').filter(|(line, serial)| {
            !line.is_empty() && serial.len() >= 8 && serial.bytes().all(|byte| byte.is_ascii_hexdigit())
        });
        let line = line.and_then(|(line, _)| if line.contains('/') { Self::parse(line) } else { None });
        line.unwrap_or_else(|| Self(name.to_owned()))
    }

    /// `TECHNOLOGY/name`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A number as it is dialled, without what only people need: separators, and the `+` that some carriers send and others do not. Also an extension's
/// name. Prints redacted.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DialledNumber(String);

impl DialledNumber {
    /// Longest number or name.
    const CHARACTERS_MAX: usize = 64;

    /// None where nothing of that kind is written.
    pub fn parse(text: &str) -> Option<Self> {
        let bare: String = text.trim().chars().filter(|c| !" .-/()".contains(*c)).collect();
        let bare = bare.strip_prefix('+').map(str::to_owned).unwrap_or(bare);
        let sound = (1..=Self::CHARACTERS_MAX).contains(&bare.len())
            && bare.chars().all(|c| c.is_ascii_alphanumeric() || "_*#".contains(c));
        sound.then_some(Self(bare))
    }

    /// Letters, digits and `_*#`.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for DialledNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_belongs_to_the_endpoint_in_its_name() {
        for (channel, endpoint) in [
            ("PJSIP/trunk-a-0000001f", "PJSIP/trunk-a"),
            ("pjsip/trunk-00000001-00000002", "PJSIP/trunk-00000001"),
            // Other forms are nobody's line: they never equal what settings can hold.
            ("PJSIP/trunk-a", "PJSIP/trunk-a"),
            ("Local/100@people-0000001f;2", "Local/100@people-0000001f;2"),
            ("-0000001f", "-0000001f"),
            ("", ""),
        ] {
            assert_eq!(Endpoint::of_channel(channel).as_str(), endpoint, "{channel}");
        }
    }

    #[test]
    fn an_endpoint_is_a_name_of_pjsip_unless_it_says_otherwise() {
        let parse = |text| Endpoint::parse(text).map(|endpoint| endpoint.to_string());
        assert_eq!(parse("trunk-a").as_deref(), Some("PJSIP/trunk-a"));
        assert_eq!(parse("iax2/Peer_1").as_deref(), Some("IAX2/Peer_1"));
        for wrong in ["", "/", "PJSIP/", "/a", "PJSIP/a/b", "PJSIP/a b", "PJSIP/a@b"] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_number_is_the_same_however_it_is_written() {
        let parse = DialledNumber::parse;
        assert_eq!(parse("+55 (11) 9999-8888"), parse("551199998888"));
        assert_ne!(parse("551199998888"), parse("5511999988880"));
        assert_eq!(parse("sales").unwrap().reveal(), "sales");
        for wrong in ["", "+", " - ", "++1", "a@b", "..", &"1".repeat(65)] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
        assert_eq!(format!("{:?}", parse("5511")), "Some([redacted])");
    }
}
