//! The airlock with real components: good ones, hostile ones, and files that are none.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    missing_docs,
    reason = "a broken test stops, a good one reports; nobody reads its items"
)]

mod curious;
mod driven;
mod hostile;
mod loading;
mod masks;
mod played;
mod recorded;
mod steps;
mod swapping;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::sync::Semaphore;
use vg_plugin_host::api::{AudioFormat, Encoding, Now, SessionStart, SessionTag};
use vg_plugin_host::links::Grant;
use vg_plugin_host::links::grant::{Budget, HostRule, Policy, Reach};
use vg_plugin_host::links::secrets::{LocalStore, SecretSpec, Secrets};
use vg_plugin_host::{HostConfig, Plugin, PluginHost};

const NOW: Now = Now { mono_us: 0, unix_ms: 0 };

/// Generous: the machine that tests may be busy.
const DEADLINE: Duration = Duration::from_secs(20);

/// A host with a cache of its own.
struct Rig {
    host: PluginHost,
    cache: TempDir,
}

fn rig() -> Rig {
    rig_with(|_| {})
}

fn rig_with(change: impl FnOnce(&mut HostConfig)) -> Rig {
    let cache = tempfile::tempdir().unwrap();
    let mut config = HostConfig::new(cache.path());
    config.light.sessions_max = 16;
    config.heavy.threads = 1;
    change(&mut config);
    Rig { host: PluginHost::new(config).unwrap(), cache }
}

impl Rig {
    fn load(&self, name: &str) -> Arc<Plugin> {
        self.host.load(&built(name)).unwrap()
    }
}

/// A component of this repository; `test/...` for a probe.
fn built(name: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../target/plugins").join(format!("{name}.wasm"));
    assert!(path.is_file(), "{name}.wasm is not built: run cargo xtask plugins");
    path
}

fn start(options: &str) -> SessionStart {
    let format = AudioFormat { encoding: Encoding::PcmS16le, rate_hz: 8000 };
    SessionStart { format, language: "en-US".into(), options: options.into(), seed: [7; 32] }
}

fn tag() -> SessionTag {
    SessionTag { tenant: "demo".into(), call: "call-1".into() }
}

/// Permission to reach these hosts of this machine, with one secret.
fn grant(hosts: Vec<HostRule>, secret: &str, spec: SecretSpec) -> Grant {
    Grant {
        tenant: "demo".into(),
        plugin: "probe-stt".into(),
        reach: Reach {
            wish: hosts.clone(),
            policy: Policy { hosts, networks: vec!["127.0.0.0/8".parse().unwrap()] },
            tenant: None,
        },
        secrets: Secrets::resolve(&BTreeMap::from([(secret.to_owned(), spec)]), Arc::new(LocalStore::default())).unwrap(),
        connections: Arc::new(Semaphore::new(8)),
        budget: Budget::default(),
    }
}

/// Waits until `holds`, at most until the deadline.
async fn until(what: &str, holds: impl Fn() -> bool) {
    let waited = tokio::time::timeout(DEADLINE, async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    });
    assert!(waited.await.is_ok(), "never: {what}");
}
