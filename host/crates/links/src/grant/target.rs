//! Where a URL leads, in a form that cannot be written in two ways.

use super::Refusal;
use std::fmt;
use std::net::IpAddr;
use url::{Host, Url};

/// How a host is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scheme {
    /// HTTP over TLS.
    Https,
    /// HTTP in the clear.
    Http,
    /// WebSocket over TLS.
    Wss,
    /// WebSocket in the clear.
    Ws,
}

/// Which schemes may stand in a URL at this place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Schemes {
    /// `https` and `http`.
    Http,
    /// `wss` and `ws`.
    Websocket,
}

/// Scheme, host and port. The host is lower-case ASCII (punycode) without a final dot, or an address.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Target {
    scheme: Scheme,
    host: Host<String>,
    port: u16,
}

impl Scheme {
    /// As it stands before `://`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Https => "https",
            Self::Http => "http",
            Self::Wss => "wss",
            Self::Ws => "ws",
        }
    }

    /// Whether TLS is spoken.
    pub fn tls(self) -> bool {
        matches!(self, Self::Https | Self::Wss)
    }

    /// The port where none is written.
    pub fn default_port(self) -> u16 {
        if self.tls() { 443 } else { 80 }
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        [Self::Https, Self::Http, Self::Wss, Self::Ws].into_iter().find(|scheme| scheme.as_str() == text)
    }
}

impl Target {
    /// Parses what a guest wrote. The URL that comes with the target has neither user information nor a fragment.
    ///
    /// # Errors
    /// [`Refusal::Invalid`].
    pub fn parse(url: &str, schemes: Schemes) -> Result<(Self, Url), Refusal> {
        let url = Url::parse(url).map_err(|_| Refusal::Invalid("the URL cannot be read"))?;
        Ok((Self::of(&url, schemes)?, url))
    }

    /// Where `url` leads.
    ///
    /// # Errors
    /// [`Refusal::Invalid`] where the URL has another scheme, user information, a fragment, or a host that is neither an address nor a name by RFC 1123.
    pub fn of(url: &Url, schemes: Schemes) -> Result<Self, Refusal> {
        let scheme = match (Scheme::parse(url.scheme()), schemes) {
            (Some(scheme @ (Scheme::Https | Scheme::Http)), Schemes::Http) => scheme,
            (Some(scheme @ (Scheme::Wss | Scheme::Ws)), Schemes::Websocket) => scheme,
            _ => return Err(Refusal::Invalid("the URL has a scheme that does not belong here")),
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Refusal::Invalid("the URL has user information"));
        }
        if url.fragment().is_some() {
            return Err(Refusal::Invalid("the URL has a fragment"));
        }
        let host = match url.host() {
            Some(Host::Domain(name)) if is_name(name) => Host::Domain(name.to_owned()),
            Some(Host::Ipv4(address)) => Host::Ipv4(address),
            Some(Host::Ipv6(address)) => Host::Ipv6(address),
            _ => return Err(Refusal::Invalid("the URL has no proper host")),
        };
        let port = url.port().unwrap_or_else(|| scheme.default_port());
        if port == 0 {
            return Err(Refusal::Invalid("the URL has port 0"));
        }
        Ok(Self { scheme, host, port })
    }

    /// How it is spoken to.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Whether TLS is spoken.
    pub fn tls(&self) -> bool {
        self.scheme.tls()
    }

    /// Name or address.
    pub fn host(&self) -> &Host<String> {
        &self.host
    }

    /// TCP port, never 0.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The address where the URL names one itself.
    pub fn literal(&self) -> Option<IpAddr> {
        match self.host {
            Host::Ipv4(address) => Some(address.into()),
            Host::Ipv6(address) => Some(address.into()),
            Host::Domain(_) => None,
        }
    }

    /// What stands in `Host` or `:authority`: the port only where it is not the scheme's own.
    pub fn authority(&self) -> String {
        if self.port == self.scheme.default_port() { self.host.to_string() } else { format!("{}:{}", self.host, self.port) }
    }

    /// `scheme://host[:port]`, as a policy writes it.
    pub fn origin(&self) -> String {
        format!("{}://{}", self.scheme.as_str(), self.authority())
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.origin())
    }
}

/// A name by RFC 1123 (and with underscores, which vendors use), in lower case, without a final dot: one name, one spelling.
pub(super) fn is_name(name: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_')
    };
    name.len() <= 253 && name.split('.').all(label)
}
