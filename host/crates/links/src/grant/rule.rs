//! `scheme://host[:port]`: one line of a wish, a policy or a tenant's cut.

use super::target::{Scheme, Target, is_name};
use std::fmt;
use std::str::FromStr;
use url::{Host, Url};

/// What a rule permits: one host, or all names below a suffix. The scheme and the port are exact.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct HostRule {
    scheme: Scheme,
    hosts: Hosts,
    port: u16,
}

#[derive(Clone, PartialEq, Eq, Hash)]
enum Hosts {
    One(Host<String>),
    /// Without `*`, with its first dot.
    Below(String),
}

/// Why a text is no rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RuleFault {
    /// Something else stands before `://`, or nothing.
    #[error("a rule begins with https://, http://, wss:// or ws://")]
    Scheme,
    /// The host has no proper form.
    #[error("the host is no name and no address")]
    Host,
    /// A star stands where none may.
    #[error("a star stands only for the first labels of a name, as in *.example.com")]
    Star,
    /// The port has no proper form.
    #[error("the port is no number between 1 and 65535")]
    Port,
    /// A path, query, fragment or user information follows.
    #[error("a rule ends with the host or the port")]
    Rest,
}

impl RuleFault {
    /// Bounded label.
    pub fn code(self) -> &'static str {
        match self {
            Self::Scheme => "rule-scheme",
            Self::Host => "rule-host",
            Self::Star => "rule-star",
            Self::Port => "rule-port",
            Self::Rest => "rule-rest",
        }
    }
}

impl HostRule {
    /// Whether `target` falls under it.
    pub fn permits(&self, target: &Target) -> bool {
        self.scheme == target.scheme()
            && self.port == target.port()
            && match (&self.hosts, target.host()) {
                (Hosts::One(host), asked) => host == asked,
                (Hosts::Below(suffix), Host::Domain(name)) => is_below(name, suffix),
                (Hosts::Below(_), _) => false,
            }
    }

    /// Whether it lets something go in the clear to another machine than this, for whoever is on the way to read.
    pub fn is_plain(&self) -> bool {
        let here = match &self.hosts {
            Hosts::One(Host::Domain(name)) => name == "localhost",
            Hosts::One(Host::Ipv4(address)) => address.is_loopback(),
            Hosts::One(Host::Ipv6(address)) => address.to_canonical().is_loopback(),
            Hosts::Below(_) => false,
        };
        !self.scheme.tls() && !here
    }

    /// Whether all that `other` permits is permitted by this one, too: a wish held against a policy.
    pub fn covers(&self, other: &Self) -> bool {
        self.scheme == other.scheme
            && self.port == other.port
            && match (&self.hosts, &other.hosts) {
                (Hosts::One(host), Hosts::One(asked)) => host == asked,
                (Hosts::Below(suffix), Hosts::One(Host::Domain(name))) => is_below(name, suffix),
                (Hosts::Below(suffix), Hosts::Below(asked)) => asked == suffix || is_below(asked, suffix),
                (Hosts::Below(_), Hosts::One(_)) | (Hosts::One(_), Hosts::Below(_)) => false,
            }
    }
}

/// One label at least must stand before the dot of `suffix`: the bare suffix is another name.
fn is_below(name: &str, suffix: &str) -> bool {
    name.len() > suffix.len() && name.ends_with(suffix)
}

impl FromStr for HostRule {
    type Err = RuleFault;

    fn from_str(text: &str) -> Result<Self, RuleFault> {
        let (scheme, rest) = text.split_once("://").ok_or(RuleFault::Scheme)?;
        let scheme = Scheme::parse(scheme).ok_or(RuleFault::Scheme)?;
        if rest.contains(['/', '?', '#', '@', '\\']) {
            return Err(RuleFault::Rest);
        }
        // The colons of an address in brackets do not begin a port.
        let (host, port) = match rest.rfind(':').filter(|at| !rest[*at..].contains(']')) {
            Some(at) => (&rest[..at], port(&rest[at + 1..])?),
            None => (rest, scheme.default_port()),
        };
        let hosts = match host.strip_prefix('*') {
            Some(suffix) => Hosts::Below(below(suffix)?),
            None if host.contains('*') => return Err(RuleFault::Star),
            None => Hosts::One(one(host)?),
        };
        Ok(Self { scheme, hosts, port })
    }
}

fn port(text: &str) -> Result<u16, RuleFault> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|port| digits && *port != 0).ok_or(RuleFault::Port)
}

fn below(suffix: &str) -> Result<String, RuleFault> {
    let name = suffix.strip_prefix('.').filter(|name| !name.contains('*')).ok_or(RuleFault::Star)?;
    match one(name)? {
        Host::Domain(name) => Ok(format!(".{name}")),
        _ => Err(RuleFault::Star),
    }
}

/// By the same parser that reads a guest's URL, so that both spell a host alike.
fn one(host: &str) -> Result<Host<String>, RuleFault> {
    let url = Url::parse(&format!("https://{host}/")).map_err(|_| RuleFault::Host)?;
    match url.host().map(|host| host.to_owned()) {
        Some(Host::Domain(name)) if !is_name(&name) => Err(RuleFault::Host),
        Some(host) => Ok(host),
        None => Err(RuleFault::Host),
    }
}

impl fmt::Display for HostRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://", self.scheme.as_str())?;
        match &self.hosts {
            Hosts::One(host) => write!(f, "{host}")?,
            Hosts::Below(suffix) => write!(f, "*{suffix}")?,
        }
        if self.port == self.scheme.default_port() { Ok(()) } else { write!(f, ":{}", self.port) }
    }
}

impl fmt::Debug for HostRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
