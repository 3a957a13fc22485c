//! `[tenants]`: where tenants come from, and whose calls those are that name none.

use super::{Faults, Tenants, raw, secret};
use crate::application::ports::{DialledNumber, Endpoint};
use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;
use vg_domain::ids::TenantId;
use vg_domain::pii::Pii;

/// Seconds that an answer of the tenant-manager is good for.
const TTL_S: usize = 60;

/// The service that knows the tenants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenantManager {
    /// Its base: `/api/v1/tenants` lies below it.
    pub url: url::Url,
    /// What it is shown as a bearer token; none: nothing.
    pub token: Option<Pii<String>>,
    /// How long an answer is good for. Over: it is asked again, and the old answer serves where it does not answer.
    pub ttl: Duration,
}

/// Whose calls those are that come by certain numbers and lines.
pub type TenantMap = BTreeMap<Line, TenantId>;

/// What a call can be told by where it names no tenant.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Line {
    /// The number that was dialled.
    Did(DialledNumber),
    /// The line of Asterisk by which it came.
    Endpoint(Endpoint),
}

impl Line {
    /// A number begins with a digit or `+`; everything else is an endpoint, for example `PJSIP/trunk-a`.
    pub fn parse(text: &str) -> Option<Self> {
        match text.trim() {
            number if number.starts_with(|c: char| c == '+' || c.is_ascii_digit()) && !number.contains('/') => {
                DialledNumber::parse(number).map(Self::Did)
            }
            endpoint => Endpoint::parse(endpoint).map(Self::Endpoint),
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawTenants {
    source: Option<String>,
    dir: Option<PathBuf>,
    url: Option<String>,
    token: Option<String>,
    #[serde(deserialize_with = "raw::number")]
    ttl_s: Option<usize>,
    default: Option<String>,
    #[serde(deserialize_with = "pairs")]
    map: Vec<(String, String)>,
}

/// A table, or a text that holds it as `KEY=VALUE, KEY=VALUE`: the environment has nothing else.
pub(super) fn pairs<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<(String, String)>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "expected a section of texts, or KEY=VALUE with commas between")]
    enum Written {
        Table(BTreeMap<String, String>),
        Text(String),
    }
    Ok(match Written::deserialize(deserializer)? {
        Written::Table(table) => table.into_iter().collect(),
        Written::Text(text) => {
            let entries = text.split(',').map(str::trim).filter(|entry| !entry.is_empty());
            let pair = |entry: &str| {
                let (key, value) = entry.split_once('=').unwrap_or((entry, ""));
                (key.trim().to_owned(), value.trim().to_owned())
            };
            entries.map(pair).collect()
        }
    })
}

impl RawTenants {
    pub(super) fn resolve(self, tenants: &mut Tenants, environment: &[(String, String)], faults: &mut Faults) {
        let from_manager = match self.source.as_deref() {
            None | Some("folder") => false,
            Some("manager") => true,
            Some(_) => {
                faults.add("tenants.source", "expected folder or manager");
                false
            }
        };
        tenants.dir = self.dir.filter(|dir| !dir.as_os_str().is_empty());
        // What is written is checked, also where the other source is chosen: it may be chosen tomorrow.
        let url = self.url.filter(|url| !url.is_empty()).and_then(|text| match text.parse::<url::Url>() {
            Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => Some(url),
            _ => {
                faults.add("tenants.url", "expected a URL such as https://tenants.example.com");
                None
            }
        });
        if from_manager && url.is_none() {
            faults.add("tenants.url", "is needed where tenants.source is manager");
        }
        let token = self.token.filter(|token| !token.is_empty()).filter(|_| from_manager).and_then(|reference| {
            secret::resolve(&reference, environment).map_err(|what| faults.add("tenants.token", what)).ok()
        });
        let ttl_s = self.ttl_s.unwrap_or(TTL_S);
        if ttl_s == 0 {
            faults.add("tenants.ttl_s", "must be at least 1");
        }
        let manager = url.map(|url| TenantManager { url, token, ttl: Duration::from_secs(ttl_s as u64) });
        tenants.manager = manager.filter(|_| from_manager);
        if let Some(default) = self.default {
            tenants.default = (!default.is_empty()).then(|| TenantId::new(default));
        }
        for (key, tenant) in self.map {
            match Line::parse(&key) {
                Some(line) if !tenant.is_empty() => drop(tenants.map.insert(line, TenantId::new(tenant))),
                Some(_) => faults.add(format_args!("tenants.map.{key}"), "names no tenant"),
                None => {
                    faults.add(format_args!("tenants.map.{key}"), "is neither a number nor an endpoint such as PJSIP/trunk-a")
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Config, Machine};
    use super::*;

    fn tenants(text: &str, environment: &[(&str, &str)]) -> Result<Tenants, Vec<String>> {
        let machine = Machine { name: "m".into(), cores: 1, program_dir: "/p".into(), cache_home: None };
        let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let config = Config::parse(text, environment, &machine).map(|config| config.tenants);
        config.map_err(|faults| faults.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn the_map_says_the_same_as_a_section_and_as_a_text() {
        let section = tenants("[tenants.map]\n'+55 11' = 'a'\n'PJSIP/x-y' = 'b'\nz = 'c'", &[]).unwrap();
        let text = tenants("", &[("VG__TENANTS__MAP", "+5511=a, PJSIP/x-y=b, PJSIP/z=c,")]).unwrap();
        assert_eq!(section.map, text.map);
        assert_eq!(section.map.len(), 3);
        assert_eq!(section.map.get(&Line::parse("5511").unwrap()), Some(&TenantId::new("a")));
    }

    #[test]
    fn a_manager_is_named_by_url_and_token() {
        let text = "[tenants]\nsource = 'manager'\nurl = 'https://t.example.com/x'\ntoken = 'env:T'\nttl_s = 5";
        let manager = tenants(text, &[("T", "secret")]).unwrap().manager.unwrap();
        assert_eq!((manager.url.as_str(), manager.ttl), ("https://t.example.com/x", Duration::from_secs(5)));
        assert_eq!(manager.token.as_ref().unwrap().reveal(), "secret");
        assert!(!format!("{manager:?}").contains("secret"));
        // Written for another day.
        assert_eq!(tenants(&text.replace("manager", "folder"), &[]).unwrap().manager, None);
    }

    #[test]
    fn faults_come_with_their_paths_and_without_the_secret() {
        let text = "[tenants]\nsource = 'manager'\ntoken = 'hunter2'\nttl_s = 0\n[tenants.map]\n'a b' = 'x'\n'+1' = ''";
        let faults = tenants(text, &[]).unwrap_err();
        assert_eq!(
            faults,
            [
                "tenants.url: is needed where tenants.source is manager",
                "tenants.token: is not a reference: write env:NAME or file:PATH, never the secret itself",
                "tenants.ttl_s: must be at least 1",
                "tenants.map.+1: names no tenant",
                "tenants.map.a b: is neither a number nor an endpoint such as PJSIP/trunk-a",
            ]
        );
        assert_eq!(tenants("[tenants]\nurl = 'ftp://x'\nsource = 'moon'", &[]).unwrap_err().len(), 2);
    }
}
