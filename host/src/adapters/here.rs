//! Who and what is this machine, as far as a connection or a header tells.

pub(super) use crate::config::leads_here;
use std::net::SocketAddr;

/// Whether a connection comes from this machine.
pub(super) fn is_here(peer: SocketAddr) -> bool {
    peer.ip().to_canonical().is_loopback()
}
