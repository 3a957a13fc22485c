//! The vendors' official SDKs against the simulators: an application sees what it was recorded to see of the vendor, in success and in trouble.
//!
//! `tests/judges` holds a program for each SDK, and in `expected/` what it has to see; `cargo xtask judges` installs the SDKs.

#[path = "judges/expected.rs"]
mod expected;
#[path = "judges/seen.rs"]
mod seen;

use anyhow::{Context, ensure};
use expected::{Case, Table};
use futures_util::StreamExt;
use seen::Seen;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::process::Command;
use vg_sim::{Identity, Server, Sim};

/// Programs at a time: they mostly wait, for their own pace and for the simulators.
const AT_ONCE: usize = 4;
/// To start a program and to stop it, on a machine that is busy.
const AROUND: Duration = Duration::from_secs(60);
/// A proxy would stand between the judge and the judged.
const PROXIES: [&str; 7] = ["http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "grpc_proxy"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// What every case needs besides its own simulators.
struct Court {
    identity: Identity,
    authority: PathBuf,
    folder: TempDir,
}

impl Court {
    fn open() -> anyhow::Result<Self> {
        let identity = Identity::new()?;
        let folder = tempfile::tempdir()?;
        expected::write_sounds(folder.path())?;
        Ok(Self { authority: identity.write_authority(folder.path())?, identity, folder })
    }

    /// Runs a case; answers why it is not as recorded, if it is not.
    async fn judge(&self, table: &Table, name: &str, case: &Case) -> Option<String> {
        let sim = Arc::new(Sim::default());
        case.troubles().for_each(|(trouble, with, times)| sim.inject(trouble, with, times));
        let seen = match self.hear(table, case, &sim).await {
            Ok(seen) => seen,
            Err(fault) => return Some(format!("{name}: {fault:#}")),
        };
        let faults = case.faults(table, &seen, &sim);
        (!faults.is_empty()).then(|| format!("{name}:\n    {}\n    saw {seen}", faults.join("\n    ")))
    }

    async fn hear(&self, table: &Table, case: &Case, sim: &Arc<Sim>) -> anyhow::Result<Seen> {
        let tls = case.tls.unwrap_or(table.tls);
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let server = Server::start(Arc::clone(sim), any, tls.then_some(&self.identity)).await?;
        // The certificate is also for the address, but not every SDK looks for one of those.
        let at = if tls { server.origin().replace("127.0.0.1", "localhost") } else { server.origin() };
        let mut program = self.program(table, case)?;
        program.args(["--at", &at]).args(case.arguments(table, self.folder.path()));
        let running = program.kill_on_drop(true).stdin(Stdio::null()).output();
        let output = tokio::time::timeout(case.patience() + AROUND, running).await.context("the driver does not end")??;
        let said = String::from_utf8(output.stdout)?;
        let complaint = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "the driver ended with {}: {said}{complaint}", output.status);
        said.parse().with_context(|| format!("{said}{complaint}"))
    }

    /// The driver in the kit that was made for it; it trusts the simulator's authority, whichever way its SDK asks.
    fn program(&self, table: &Table, case: &Case) -> anyhow::Result<Command> {
        let kits = root().join("target/judges");
        let (kit, interpreter) = case.kit(table);
        let kit = kits.join(kit);
        ensure!(kit.is_dir(), "{} is missing: run cargo xtask judges", kit.display());
        let mut program = Command::new(kit.join(interpreter));
        if interpreter == "bin/node" {
            // Before Node.js 22 there is a WebSocket only for who asks; one SDK needs it.
            program.arg("--experimental-websocket");
        }
        program.arg(root().join("tests/judges").join(&table.driver));
        for name in PROXIES {
            program.env_remove(name);
        }
        for name in
            ["SSL_CERT_FILE", "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH", "AWS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS", "REQUESTS_CA_BUNDLE"]
        {
            program.env(name, &self.authority);
        }
        program
            .env("JUDGES_NODE", kits.join("node"))
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("AWS_EC2_METADATA_DISABLED", "true");
        Ok(program)
    }
}

/// All cases of a driver; `VG_JUDGE` picks those with that word in their name.
async fn judge(driver: &str) -> anyhow::Result<()> {
    let table = Table::read(&root().join("tests/judges/expected").join(format!("{driver}.json")))?;
    let court = Court::open()?;
    let only = std::env::var("VG_JUDGE").unwrap_or_default();
    let cases: Vec<_> = table.cases.iter().filter(|(name, _)| name.contains(&only)).collect();
    let faults: Vec<String> = futures_util::stream::iter(&cases)
        .map(|(name, case)| court.judge(&table, name, case))
        .buffer_unordered(AT_ONCE)
        .filter_map(std::future::ready)
        .collect()
        .await;
    assert!(faults.is_empty(), "{} of {} cases are not as recorded\n  {}", faults.len(), cases.len(), faults.join("\n  "));
    Ok(())
}

/// One story for each driver, so that one vendor's can be run alone.
macro_rules! stories {
    ($($story:ident: $driver:literal;)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $story() -> anyhow::Result<()> {
                judge($driver).await
            }
        )*

        #[test]
        fn every_driver_has_its_story() -> anyhow::Result<()> {
            let mut told = vec![$($driver.to_owned()),*];
            let mut there = Vec::new();
            for entry in std::fs::read_dir(root().join("tests/judges/expected"))? {
                there.push(entry?.path().file_stem().unwrap_or_default().to_string_lossy().into_owned());
            }
            told.sort();
            there.sort();
            assert_eq!(told, there);
            Ok(())
        }
    };
}

stories! {
    the_python_sdk_of_amazon_hears_by_the_simulator: "aws_stt";
    the_javascript_sdk_of_amazon_hears_by_the_simulator: "aws_stt_js";
    the_python_sdk_of_amazon_speaks_by_the_simulator: "aws_tts";
    the_javascript_sdk_of_amazon_speaks_by_the_simulator: "aws_tts_js";
    the_native_sdk_of_azure_hears_by_the_simulator: "azure_stt";
    the_javascript_sdk_of_azure_hears_by_the_simulator: "azure_stt_js";
    the_native_sdk_of_azure_speaks_by_the_simulator: "azure_tts";
    the_javascript_sdk_of_azure_speaks_by_the_simulator: "azure_tts_js";
    the_sdk_of_deepgram_hears_by_the_simulator: "deepgram_stt";
    the_sdk_of_elevenlabs_speaks_by_the_simulator: "elevenlabs_tts";
    the_sdk_of_google_hears_by_the_simulator: "google_stt";
    the_sdk_of_google_speaks_by_the_simulator: "google_tts";
    the_sdk_of_openai_hears_by_the_simulator: "openai_stt";
    the_sdk_of_openai_speaks_by_the_simulator: "openai_tts";
}
