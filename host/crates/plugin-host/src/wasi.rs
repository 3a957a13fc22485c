//! WASI 0.2 for guests whose language needs it, without a world behind it.
//!
//! The functions are those of `wasmtime-wasi`, on an empty context: no environment, arguments, folders or networks, standard
//! input at its end, standard output the session's log. Time, waiting and chance are answered here instead: the clock stands
//! at the `now` of the current call, what would wait traps, since nothing could come, and random bytes follow from the
//! session's seed. So a session that is told the same things says the same things.
//!
//! Some of those functions are asynchronous: a guest that imports WASI is always called on a stack of its own.

mod paper;
mod senses;
mod world;

pub(crate) use world::World;

use crate::guest::Guest;
use wasmtime::Result;
use wasmtime::component::{HasSelf, Linker};
use wasmtime_wasi::p2::add_to_linker_async;
use wasmtime_wasi::p2::bindings::{clocks, io, random};

/// What may be imported, of any 0.2.x.
const INTERFACES: [&str; 27] = [
    "cli/environment",
    "cli/exit",
    "cli/stdin",
    "cli/stdout",
    "cli/stderr",
    "cli/terminal-input",
    "cli/terminal-output",
    "cli/terminal-stdin",
    "cli/terminal-stdout",
    "cli/terminal-stderr",
    "clocks/monotonic-clock",
    "clocks/wall-clock",
    "filesystem/preopens",
    "filesystem/types",
    "io/error",
    "io/poll",
    "io/streams",
    "random/insecure",
    "random/insecure-seed",
    "random/random",
    "sockets/instance-network",
    "sockets/ip-name-lookup",
    "sockets/network",
    "sockets/tcp",
    "sockets/tcp-create-socket",
    "sockets/udp",
    "sockets/udp-create-socket",
];

/// The interface that `import` names, where it is one of those that are linked.
pub(crate) fn interface(import: &str) -> Option<&'static str> {
    let (name, version) = import.strip_prefix("wasi:")?.split_once('@')?;
    let patch = version.strip_prefix("0.2.")?;
    let released = !patch.is_empty() && patch.bytes().all(|digit| digit.is_ascii_digit());
    INTERFACES.into_iter().find(|interface| released && *interface == name)
}

/// Gives guests all of [`INTERFACES`].
pub(crate) fn link(linker: &mut Linker<Guest>) -> Result<()> {
    add_to_linker_async(linker)?;
    linker.allow_shadowing(true);
    io::poll::add_to_linker::<_, HasSelf<_>>(linker, |guest: &mut Guest| guest)?;
    clocks::monotonic_clock::add_to_linker::<_, HasSelf<_>>(linker, |guest: &mut Guest| guest)?;
    clocks::wall_clock::add_to_linker::<_, HasSelf<_>>(linker, |guest: &mut Guest| guest)?;
    random::random::add_to_linker::<_, HasSelf<_>>(linker, |guest: &mut Guest| guest)?;
    random::insecure::add_to_linker::<_, HasSelf<_>>(linker, |guest: &mut Guest| guest)?;
    random::insecure_seed::add_to_linker::<_, HasSelf<_>>(linker, |guest: &mut Guest| guest)?;
    linker.allow_shadowing(false);
    Ok(())
}

#[cfg(test)]
mod tests;
