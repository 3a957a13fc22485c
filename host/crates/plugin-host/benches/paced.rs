//! What live sessions cost as in life: a thousand of them, each given 100 ms of sound every 100 ms, their phases spread.
//!
//! Flooded benches keep caches warm and wake nobody; they hide a threefold gap. Sessions run on a runtime of one worker; this
//! program's own thread paces them and takes their events. CPU is the whole process's less that thread's. `cargo xtask bench plugins`.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, missing_docs, reason = "a bench stops where it breaks")]

#[path = "paced/figures.rs"]
mod figures;
#[path = "paced/rows.rs"]
mod rows;
#[path = "paced/vendor.rs"]
mod vendor;

use figures::Table;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use std::path::PathBuf;
use std::process::ExitCode;
use vg_plugin_host::{HostConfig, PluginHost};

/// Live sessions of the paced rows.
const SESSIONS: usize = 1000;

/// Fails where a goal of the product is missed; other bars are for whoever reads the table.
fn main() -> ExitCode {
    // `cargo test --benches` asks every bench whether it still starts.
    let trial = std::env::args().any(|argument| argument == "--test");
    let size = if trial { rows::Size { sessions: 20, seconds: 1 } } else { rows::Size { sessions: SESSIONS, seconds: 10 } };
    // Both ends of a thousand WebSockets; the usual limit is lower than what the system would allow.
    let (_, files_max) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, files_max, files_max).unwrap();
    let cache = tempfile::tempdir().unwrap();
    let mut table = Table::default();
    let config = || {
        let mut config = HostConfig::new(cache.path());
        config.light.sessions_max = SESSIONS as u32 + 100;
        config
    };
    // The first start compiles; what is measured is the second.
    drop(PluginHost::new(config()).map(|host| host.load(&probe("probe-stt"))));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let _inside = runtime.enter();
    let host = PluginHost::new(config()).unwrap();
    rows::load(&host, &mut table);
    rows::start(&host, &mut table);
    let goal = rows::mask(&host, &mut table);
    rows::paced(&host, size, &mut table);
    rows::with_vendor(&host, size, &mut table);
    rows::fall(&host, size, &mut table);
    rows::lateness(&host, size, &mut table);
    println!("{table}");
    match goal {
        rows::Goal::Kept => ExitCode::SUCCESS,
        rows::Goal::NotMeasurable(why) => {
            println!("no goal counts as missed, not measurable here: {why}");
            ExitCode::SUCCESS
        }
        rows::Goal::Missed(what) => {
            println!("missed: {what}");
            // A trial is not optimised.
            if trial { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
    }
}

fn probe(name: &str) -> PathBuf {
    built(&format!("test/{name}"))
}

fn built(name: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("../../../target/plugins/{name}.wasm"));
    assert!(path.is_file(), "{name}.wasm is not built: run cargo xtask plugins");
    path
}
