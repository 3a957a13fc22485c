//! A policy as it is written, and its way to [`Policy`].

use super::{Policy, Rules};
use std::fmt;
use std::str::FromStr;
use toml::{Table, Value};

/// Most memory that a plugin may be given by name: a session of the heavy engine.
const MEMORY_MIB_MAX: u32 = 256;
/// Longest `handle` that a plugin may be given by name.
const HANDLE_MS_MAX: u32 = 500;

/// One thing that is wrong with a policy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {what}")]
pub struct PolicyFault {
    /// Where, for example `plugin.stt-x.hosts[0]`.
    pub path: String,
    /// What.
    pub what: String,
}

/// All that is wrong with a policy, in the order of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PolicyFaults(Vec<PolicyFault>);

impl PolicyFaults {
    /// Every fault.
    pub fn iter(&self) -> impl Iterator<Item = &PolicyFault> {
        self.0.iter()
    }

    fn add(&mut self, path: impl Into<String>, what: impl fmt::Display) {
        self.0.push(PolicyFault { path: path.into(), what: what.to_string() });
    }
}

impl fmt::Display for PolicyFaults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<String> = self.0.iter().map(PolicyFault::to_string).collect();
        f.write_str(&lines.join("\n"))
    }
}

impl std::error::Error for PolicyFaults {}

pub(super) fn policy(text: &str) -> Result<Policy, PolicyFaults> {
    let mut faults = PolicyFaults::default();
    let mut policy = Policy::default();
    match text.parse::<Table>() {
        Err(error) => faults.add("toml", error.to_string().trim()),
        Ok(table) => {
            for (key, value) in table {
                match (key.as_str(), value) {
                    ("defaults", value) => policy.defaults = Section::read("defaults", value, Whose::All, &mut faults),
                    ("plugin", Value::Table(plugins)) => {
                        for (name, value) in plugins {
                            let path = format!("plugin.{name}");
                            let rules = Section::read(&path, value, Whose::One, &mut faults);
                            policy.plugins.insert(name, rules);
                        }
                    }
                    ("plugin", _) => faults.add("plugin", "expected a section per plugin, as [plugin.\"stt-x\"]"),
                    _ => faults.add(key, "unknown section, expected defaults or plugin.NAME"),
                }
            }
        }
    }
    if faults.0.is_empty() { Ok(policy) } else { Err(faults) }
}

/// Whose section it is: what holds for all may only tighten, and trust is given by name.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Whose {
    All,
    One,
}

struct Section<'a> {
    path: &'a str,
    faults: &'a mut PolicyFaults,
}

impl Section<'_> {
    fn read(path: &str, value: Value, whose: Whose, faults: &mut PolicyFaults) -> Rules {
        let mut rules = Rules::default();
        let Value::Table(table) = value else {
            faults.add(path, "expected a section");
            return rules;
        };
        let before = faults.0.len();
        let mut section = Section { path, faults };
        for (key, value) in table {
            section.take(&mut rules, &key, value, whose);
        }
        if rules.first_party == Some(true) && rules.digests.is_empty() && faults.0.len() == before {
            faults.add(format!("{path}.first_party"), "needs digests: only that very component is ours");
        }
        rules
    }

    fn take(&mut self, rules: &mut Rules, key: &str, value: Value, whose: Whose) {
        let by_name = whose == Whose::One;
        match key {
            "hosts" => rules.hosts = self.list(key, value, |text| text.parse()),
            "networks" => rules.networks = self.list(key, value, network),
            "keys" => rules.keys = self.list(key, value, key_text).into_iter().collect(),
            "digests" if by_name => rules.digests = self.list(key, value, digest).into_iter().collect(),
            "first_party" if by_name => rules.first_party = self.flag(key, &value),
            "digests" | "first_party" => self.fault(key, "is said of a plugin by name"),
            "require_signature" => rules.require_signature = self.flag(key, &value),
            "heavy" => rules.heavy = self.flag(key, &value),
            "connections_max" => rules.connections_max = self.number(key, &value, 1, u32::MAX),
            "bytes_out_max" => rules.bytes_out_max = self.number(key, &value, 1, u64::MAX),
            "bytes_in_max" => rules.bytes_in_max = self.number(key, &value, 1, u64::MAX),
            "memory_mib_max" => rules.memory_mib_max = self.number(key, &value, 1, MEMORY_MIB_MAX),
            "handle_ms_max" => rules.handle_ms_max = self.number(key, &value, 1, HANDLE_MS_MAX),
            _ => self.fault(
                key,
                "unknown, expected one of hosts, networks, connections_max, bytes_out_max, bytes_in_max, heavy, memory_mib_max, \
                 handle_ms_max, require_signature, keys, digests, first_party",
            ),
        }
    }

    fn list<T, E: fmt::Display>(&mut self, key: &str, value: Value, parse: impl Fn(&str) -> Result<T, E>) -> Vec<T> {
        let Value::Array(entries) = value else {
            self.fault(key, "expected a list of texts");
            return Vec::new();
        };
        let mut parsed = Vec::new();
        for (at, entry) in entries.iter().enumerate() {
            match entry.as_str().map(&parse) {
                Some(Ok(entry)) => parsed.push(entry),
                Some(Err(what)) => self.fault(&format!("{key}[{at}]"), what),
                None => self.fault(&format!("{key}[{at}]"), "expected a text"),
            }
        }
        parsed
    }

    fn flag(&mut self, key: &str, value: &Value) -> Option<bool> {
        let flag = value.as_bool();
        if flag.is_none() {
            self.fault(key, "expected true or false");
        }
        flag
    }

    fn number<T: TryFrom<i64> + PartialOrd + fmt::Display>(&mut self, key: &str, value: &Value, least: T, most: T) -> Option<T> {
        let number = value.as_integer().and_then(|number| T::try_from(number).ok());
        let number = number.filter(|number| (&least..=&most).contains(&number));
        if number.is_none() {
            self.fault(key, format_args!("expected a whole number between {least} and {most}"));
        }
        number
    }

    fn fault(&mut self, key: &str, what: impl fmt::Display) {
        self.faults.add(format!("{}.{key}", self.path), what);
    }
}

/// Reads a network, or one address, which is a network of its own.
///
/// # Errors
/// What would have been right.
pub fn network(text: &str) -> Result<ipnet::IpNet, &'static str> {
    let address = || std::net::IpAddr::from_str(text).map(ipnet::IpNet::from);
    let network: ipnet::IpNet =
        text.parse().or_else(|_| address()).map_err(|_| "expected a network as 10.0.0.0/8, or an address")?;
    if network.addr() == network.network() {
        Ok(network)
    } else {
        Err("has bits behind the prefix: a network begins at its first address")
    }
}

fn digest(text: &str) -> Result<String, &'static str> {
    let hex = text.strip_prefix("sha256:").unwrap_or(text);
    let fits = hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
    if fits { Ok(hex.to_owned()) } else { Err("expected a SHA-256 of 64 digits 0-9 and a-f") }
}

/// Only the form: whoever verifies reads the key itself.
fn key_text(text: &str) -> Result<String, &'static str> {
    let base64 = |byte: u8| byte.is_ascii_alphanumeric() || b"+/".contains(&byte);
    let fits = text.len() == 56 && text.starts_with("RW") && text.bytes().all(base64);
    if fits { Ok(text.to_owned()) } else { Err("expected a public key of minisign: 56 characters that begin with RW") }
}
