//! Whether what is configured stays on this machine.

use std::net::IpAddr;
use url::Url;

/// Whether a name or address is this machine's; an address of IPv6 may stand in brackets.
pub(super) fn is_here(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.to_canonical().is_loopback())
}

/// Whether a URL's host is this machine, by name or address.
pub(crate) fn leads_here(url: &Url) -> bool {
    url.host_str().is_some_and(is_here)
}

/// Whether nobody on the way can read what goes to a URL of the web.
pub(super) fn is_trustworthy(url: &Url) -> bool {
    url.has_host() && (url.scheme() == "https" || (url.scheme() == "http" && leads_here(url)))
}

/// Of `host:port`.
pub(super) fn host_of(address: &str) -> &str {
    address.rsplit_once(':').map_or(address, |(host, _)| host)
}
