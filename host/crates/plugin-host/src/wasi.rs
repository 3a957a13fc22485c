//! WASI 0.2 for guests whose language needs it, without a world behind it.
//!
//! The clock stands at the `now` of the current call, random bytes follow from the session's seed, standard output is the
//! session's log; environment, arguments, folders and networks are empty. So a session that is told the same things says the
//! same things. What waits traps, since nothing could come. Everything else that an interface of [`INTERFACES`] has can be
//! linked and traps when it is called.
//!
//! Not `wasmtime-wasi`: its sleeping, files and sockets are real, and would have to be taken away one by one.

mod runtime;

pub(crate) use runtime::Runtime;

use crate::api::Now;
use crate::guest::{Guest, LogLevel};
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, ComponentType, Lift, Linker, LinkerInstance, Lower, Resource, ResourceType, Val};
use wasmtime::{Result, StoreContextMut, bail};

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

/// Gives `component` everything it imports of WASI.
pub(crate) fn link(linker: &mut Linker<Guest>, component: &Component) -> Result<()> {
    let engine = component.engine().clone();
    for (import, item) in component.component_type().imports(&engine) {
        let (Some(name), ComponentItem::ComponentInstance(exports)) = (interface(import), item.ty) else { continue };
        let mut instance = linker.instance(import)?;
        for (export, item) in exports.exports(&engine) {
            if let ComponentItem::Resource(_) = item.ty {
                instance.resource(export, resource(export), |_, _| Ok(()))?;
            }
        }
        define(&mut instance, name)?;
    }
    linker.define_unknown_imports_as_traps(component)
}

/// Standard input, output or error: its number is the resource's.
struct Stream;
/// Ready, or never: its number says which.
struct Pollable;
struct IoError;
struct Folder;
struct Network;
struct Terminal;

const STDIN: u32 = 0;
const STDOUT: u32 = 1;
const STDERR: u32 = 2;
const READY: u32 = 0;
const NEVER: u32 = 1;

fn resource(name: &str) -> ResourceType {
    match name {
        "input-stream" | "output-stream" => ResourceType::host::<Stream>(),
        "pollable" => ResourceType::host::<Pollable>(),
        "error" => ResourceType::host::<IoError>(),
        "descriptor" => ResourceType::host::<Folder>(),
        "network" => ResourceType::host::<Network>(),
        "terminal-input" | "terminal-output" => ResourceType::host::<Terminal>(),
        // Nobody ever holds one.
        _ => ResourceType::host::<()>(),
    }
}

/// `wasi:io/streams.stream-error`.
#[derive(ComponentType, Lift, Lower)]
#[component(variant)]
enum StreamError {
    #[component(name = "last-operation-failed")]
    LastOperationFailed(Resource<IoError>),
    #[component(name = "closed")]
    Closed,
}

/// `wasi:clocks/wall-clock.datetime`.
#[derive(Clone, Copy, ComponentType, Lift, Lower)]
#[component(record)]
struct Datetime {
    seconds: u64,
    nanoseconds: u32,
}

type Store<'a> = StoreContextMut<'a, Guest>;
type Io<T> = (Result<T, StreamError>,);

fn define(to: &mut LinkerInstance<'_, Guest>, interface: &str) -> Result<()> {
    match interface {
        "cli/environment" => {
            to.func_wrap("get-environment", |_: Store<'_>, ()| Ok((Vec::<(String, String)>::new(),)))?;
            to.func_wrap("get-arguments", |_: Store<'_>, ()| Ok((Vec::<String>::new(),)))?;
            to.func_wrap("initial-cwd", |_: Store<'_>, ()| Ok((None::<String>,)))
        }
        "cli/exit" => to.func_wrap("exit", |_: Store<'_>, _: (Result<(), ()>,)| -> Result<()> { bail!("plugin called exit") }),
        "cli/stdin" => to.func_wrap("get-stdin", |_: Store<'_>, ()| Ok((Resource::<Stream>::new_own(STDIN),))),
        "cli/stdout" => to.func_wrap("get-stdout", |_: Store<'_>, ()| Ok((Resource::<Stream>::new_own(STDOUT),))),
        "cli/stderr" => to.func_wrap("get-stderr", |_: Store<'_>, ()| Ok((Resource::<Stream>::new_own(STDERR),))),
        "cli/terminal-stdin" => to.func_wrap("get-terminal-stdin", |_: Store<'_>, ()| Ok((None::<Resource<Terminal>>,))),
        "cli/terminal-stdout" => to.func_wrap("get-terminal-stdout", |_: Store<'_>, ()| Ok((None::<Resource<Terminal>>,))),
        "cli/terminal-stderr" => to.func_wrap("get-terminal-stderr", |_: Store<'_>, ()| Ok((None::<Resource<Terminal>>,))),
        "clocks/monotonic-clock" => define_monotonic_clock(to),
        "clocks/wall-clock" => define_wall_clock(to),
        "filesystem/preopens" => {
            to.func_wrap("get-directories", |_: Store<'_>, ()| Ok((Vec::<(Resource<Folder>, String)>::new(),)))
        }
        "filesystem/types" => to.func_new("filesystem-error-code", |_, _, _, answers| {
            answers.fill(Val::Option(None));
            Ok(())
        }),
        "io/error" => to.func_wrap("[method]error.to-debug-string", |_: Store<'_>, _: (Resource<IoError>,)| Ok((String::new(),))),
        "io/poll" => define_poll(to),
        "io/streams" => {
            define_input(to)?;
            define_output(to)
        }
        "random/insecure" => define_random(to, "get-insecure-random-bytes", "get-insecure-random-u64"),
        "random/insecure-seed" => to.func_wrap("insecure-seed", |mut store: Store<'_>, ()| {
            Ok(((runtime_of(&mut store)?.random_u64(), runtime_of(&mut store)?.random_u64()),))
        }),
        "random/random" => define_random(to, "get-random-bytes", "get-random-u64"),
        "sockets/instance-network" => to.func_wrap("instance-network", |_: Store<'_>, ()| Ok((Resource::<Network>::new_own(0),))),
        "sockets/ip-name-lookup" => define_refusal(to, "resolve-addresses", "access-denied"),
        "sockets/tcp-create-socket" => define_refusal(to, "create-tcp-socket", "access-denied"),
        "sockets/udp-create-socket" => define_refusal(to, "create-udp-socket", "access-denied"),
        _ => Ok(()),
    }
}

fn runtime_of<'a>(store: &'a mut Store<'_>) -> Result<&'a mut Runtime> {
    match store.data_mut().runtime() {
        Some(runtime) => Ok(runtime),
        None => bail!("this guest was not linked with wasi"),
    }
}

fn define_monotonic_clock(to: &mut LinkerInstance<'_, Guest>) -> Result<()> {
    fn nanos(now: Now) -> u64 {
        now.mono_us.saturating_mul(1000)
    }
    fn due(ready: bool) -> (Resource<Pollable>,) {
        (Resource::new_own(if ready { READY } else { NEVER }),)
    }
    to.func_wrap("now", |store: Store<'_>, ()| Ok((nanos(store.data().now()),)))?;
    to.func_wrap("resolution", |_: Store<'_>, ()| Ok((1000u64,)))?;
    to.func_wrap("subscribe-instant", |store: Store<'_>, (when,): (u64,)| Ok(due(when <= nanos(store.data().now()))))?;
    to.func_wrap("subscribe-duration", |_: Store<'_>, (wait,): (u64,)| Ok(due(wait == 0)))
}

fn define_wall_clock(to: &mut LinkerInstance<'_, Guest>) -> Result<()> {
    to.func_wrap("now", |store: Store<'_>, ()| {
        let ms = store.data().now().unix_ms;
        Ok((Datetime { seconds: ms / 1000, nanoseconds: (ms % 1000) as u32 * 1_000_000 },))
    })?;
    to.func_wrap("resolution", |_: Store<'_>, ()| Ok((Datetime { seconds: 0, nanoseconds: 1_000_000 },)))
}

fn define_poll(to: &mut LinkerInstance<'_, Guest>) -> Result<()> {
    to.func_wrap("[method]pollable.ready", |_: Store<'_>, (what,): (Resource<Pollable>,)| Ok((what.rep() == READY,)))?;
    to.func_wrap("[method]pollable.block", |_: Store<'_>, (what,): (Resource<Pollable>,)| match what.rep() {
        READY => Ok(()),
        _ => bail!("plugin waited: it may set a timer instead"),
    })?;
    to.func_wrap("poll", |_: Store<'_>, (of,): (Vec<Resource<Pollable>>,)| {
        let ready: Vec<u32> = (0u32..).zip(&of).filter(|(_, what)| what.rep() == READY).map(|(nth, _)| nth).collect();
        if ready.is_empty() {
            bail!("plugin waited: it may set a timer instead");
        }
        Ok((ready,))
    })
}

/// Standard input is at its end.
fn define_input(to: &mut LinkerInstance<'_, Guest>) -> Result<()> {
    type Read = (Resource<Stream>, u64);
    for read in ["[method]input-stream.read", "[method]input-stream.blocking-read"] {
        to.func_wrap(read, |_: Store<'_>, _: Read| -> Result<Io<Vec<u8>>> { Ok((Err(StreamError::Closed),)) })?;
    }
    for skip in ["[method]input-stream.skip", "[method]input-stream.blocking-skip"] {
        to.func_wrap(skip, |_: Store<'_>, _: Read| -> Result<Io<u64>> { Ok((Err(StreamError::Closed),)) })?;
    }
    define_subscribe(to, "[method]input-stream.subscribe")
}

/// Standard output and error are lines of the log.
fn define_output(to: &mut LinkerInstance<'_, Guest>) -> Result<()> {
    const WRITABLE: u64 = 4096;
    to.func_wrap("[method]output-stream.check-write", |_: Store<'_>, _: (Resource<Stream>,)| -> Result<Io<u64>> {
        Ok((Ok(WRITABLE),))
    })?;
    for write in ["[method]output-stream.write", "[method]output-stream.blocking-write-and-flush"] {
        to.func_wrap(write, |mut store: Store<'_>, (to, bytes): (Resource<Stream>, Vec<u8>)| -> Result<Io<()>> {
            let level = if to.rep() == STDERR { LogLevel::Warn } else { LogLevel::Info };
            let lines = runtime_of(&mut store)?.lines(to.rep() == STDERR, &bytes);
            for line in lines {
                store.data_mut().log(level, line);
            }
            Ok((Ok(()),))
        })?;
    }
    for flush in ["[method]output-stream.flush", "[method]output-stream.blocking-flush"] {
        to.func_wrap(flush, |_: Store<'_>, _: (Resource<Stream>,)| -> Result<Io<()>> { Ok((Ok(()),)) })?;
    }
    define_subscribe(to, "[method]output-stream.subscribe")
}

fn define_subscribe(to: &mut LinkerInstance<'_, Guest>, name: &str) -> Result<()> {
    to.func_wrap(name, |_: Store<'_>, _: (Resource<Stream>,)| Ok((Resource::<Pollable>::new_own(READY),)))
}

fn define_random(to: &mut LinkerInstance<'_, Guest>, bytes: &str, number: &str) -> Result<()> {
    to.func_wrap(bytes, |mut store: Store<'_>, (len,): (u64,)| Ok((runtime_of(&mut store)?.random_bytes(len)?,)))?;
    to.func_wrap(number, |mut store: Store<'_>, ()| Ok((runtime_of(&mut store)?.random_u64(),)))
}

/// Answers with an error of the interface, whatever is asked.
fn define_refusal(to: &mut LinkerInstance<'_, Guest>, name: &str, error: &'static str) -> Result<()> {
    to.func_new(name, move |_, _, _, answers| {
        answers.fill(Val::Result(Err(Some(Box::new(Val::Enum(error.to_owned()))))));
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_released_interfaces_of_the_list_are_linked() {
        assert_eq!(interface("wasi:clocks/wall-clock@0.2.6"), Some("clocks/wall-clock"));
        assert_eq!(interface("wasi:clocks/wall-clock@0.2.12"), Some("clocks/wall-clock"));
        for other in ["wasi:clocks/wall-clock@0.3.0", "wasi:clocks/wall-clock@0.2.0-rc", "wasi:nn/graph@0.2.0", "wasi:cli/exit"] {
            assert_eq!(interface(other), None, "{other}");
        }
    }
}
