//! Who and what is this machine, as far as a connection or a header tells.

use std::net::SocketAddr;
use url::{Host, Url};

/// Whether a connection comes from this machine.
pub(super) fn is_here(peer: SocketAddr) -> bool {
    peer.ip().to_canonical().is_loopback()
}

/// Whether a URL's host is this machine, by name or address.
pub(super) fn leads_here(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    }
}
