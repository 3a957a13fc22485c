//! `cargo xtask demo --stt google --tts elevenlabs`: the same conversation through vendors' plugins, against the simulators.
//!
//! What a tenant of that vendor writes lies in `tests/sim/accounts/<plugin>/`.

use crate::context::{Context, run, write_whole};
use anyhow::{Context as _, Result, bail};
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

const ACCOUNTS: &str = "tests/sim/accounts";
/// Where the accounts look for the simulators.
const DOCUMENTED: &str = "http://127.0.0.1:8090";

/// Which vendors the demo goes through; none: the plugins of this machine.
#[derive(Debug, Default)]
pub struct Chosen {
    stt: Option<String>,
    tts: Option<String>,
}

impl Chosen {
    /// Takes `--stt VENDOR` and `--tts VENDOR` out of the words.
    pub fn of<'a>(words: &[&'a str]) -> Result<(Self, Vec<&'a str>)> {
        let mut chosen = Self::default();
        let mut others = Vec::new();
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let place = match *word {
                "--stt" => &mut chosen.stt,
                "--tts" => &mut chosen.tts,
                other => {
                    others.push(other);
                    continue;
                }
            };
            let vendor = words.next().with_context(|| format!("{word} names a vendor"))?;
            *place = Some(format!("{}-{}", &word[2..], vendor.trim_start_matches("stt-").trim_start_matches("tts-")));
        }
        Ok((chosen, others))
    }

    /// The components that they need.
    pub fn plugins(&self) -> impl Iterator<Item = &str> {
        [&self.stt, &self.tts].into_iter().flatten().map(String::as_str)
    }

    /// Whether any was named.
    pub fn is_any(&self) -> bool {
        self.stt.is_some() || self.tts.is_some()
    }
}

/// The simulators, until dropped.
pub struct Simulators {
    process: Child,
    folder: PathBuf,
}

impl Simulators {
    /// Builds and starts them, and writes the tenant whose plugins they serve.
    pub fn start(ctx: &Context, chosen: &Chosen) -> Result<Self> {
        let tenant = Tenant { ctx, chosen }.parts()?;
        ctx.step("build the simulators", || {
            run(ctx.cargo().args(["build", "--quiet", "--package", "vg-sim", "--bin", "speech-sim"]))
        })?;
        let mut command = Command::new(ctx.target.join("debug/speech-sim"));
        command.current_dir(&ctx.repo).args(["--bind", "127.0.0.1:0", "--wait", "--plugins", "target/plugins"]);
        let mut process =
            command.args(["--grammar", "host/demo/demo.jsgf"]).stdout(Stdio::piped()).spawn().context("start the simulators")?;
        let folder = ctx.repo.join("target/demo/tenants");
        let written = origin(ctx, &mut process).and_then(|origin| {
            write_whole(&folder.join("demo.toml"), tenant.replace(DOCUMENTED, &origin).as_bytes())?;
            let grammar = fs::read(ctx.repo.join("host/demo/demo.jsgf")).context("read the demo's grammar")?;
            write_whole(&folder.join("demo.jsgf"), &grammar)?;
            Ok(())
        });
        let simulators = Self { process, folder };
        written.map(|()| simulators)
    }

    /// Tells the gateway of them.
    pub fn tell(&self, gateway: &mut Command) {
        gateway.arg("--tenants").arg(&self.folder).env("VG__PLUGINS__POLICY", format!("{ACCOUNTS}/policy.toml"));
    }
}

impl Drop for Simulators {
    fn drop(&mut self) {
        // It has nothing to lose.
        let _gone = self.process.kill().and_then(|()| self.process.wait());
    }
}

/// Shows what the simulators say until they say where they are.
fn origin(ctx: &Context, process: &mut Child) -> Result<String> {
    let out = process.stdout.take().context("the simulators have no output")?;
    for line in BufReader::new(out).lines() {
        let line = line.context("read what the simulators say")?;
        ctx.say(&line);
        if let Some(origin) = line.strip_prefix("vendors on ") {
            return Ok(origin.split_whitespace().next().unwrap_or(origin).to_owned());
        }
    }
    bail!("the simulators ended before they listened")
}

/// The demo's tenant with other ladders.
struct Tenant<'a> {
    ctx: &'a Context,
    chosen: &'a Chosen,
}

impl Tenant<'_> {
    fn parts(&self) -> Result<String> {
        let built_in = self.ctx.repo.join("host/demo/tenants/demo.toml");
        let mut tenant = fs::read_to_string(&built_in).with_context(|| format!("read {}", built_in.display()))?;
        for (section, plugin) in [("hearing", &self.chosen.stt), ("speaking", &self.chosen.tts)] {
            if let Some(plugin) = plugin {
                let account = self.ctx.repo.join(ACCOUNTS).join(plugin);
                tenant = without(&tenant, section) + &ladder(&account, section, plugin)?;
            }
        }
        Ok(tenant)
    }
}

/// The account's files as tables below the ladder's section.
fn ladder(account: &Path, section: &str, plugin: &str) -> Result<String> {
    let below = |file: &str, table: &str| {
        let file = account.join(file);
        let text =
            fs::read_to_string(&file).with_context(|| format!("there is no account with {plugin}: read {}", file.display()))?;
        let line = |line: &str| match line.strip_prefix('[') {
            Some(inner) => format!("[{section}.{table}.{inner}\n"),
            None => format!("{line}\n"),
        };
        anyhow::Ok(format!("[{section}.{table}]\n{}", text.lines().map(line).collect::<String>()))
    };
    let secrets = if account.join("secrets.toml").is_file() { below("secrets.toml", "secrets")? } else { String::new() };
    Ok(format!("\n[{section}]\nplugin = \"{plugin}\"\n{}{secrets}", below("options.toml", "options")?))
}

/// The text without a section and those below it.
fn without(text: &str, section: &str) -> String {
    let mut inside = false;
    let keep = |line: &&str| {
        if let Some(table) = line.trim_start().strip_prefix('[') {
            let name = table.trim_start_matches('[').split([']', '.']).next().unwrap_or_default();
            inside = name == section;
        }
        !inside
    };
    text.lines().filter(keep).map(|line| format!("{line}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vendors_are_taken_out_of_the_words() {
        let (chosen, others) = Chosen::of(&["--json", "--stt", "google", "--tts", "tts-polly"]).unwrap();
        assert_eq!((chosen.stt.as_deref(), chosen.tts.as_deref()), (Some("stt-google"), Some("tts-polly")));
        assert_eq!(others, ["--json"]);
        assert!(Chosen::of(&["--stt"]).is_err());
    }

    #[test]
    fn a_section_goes_with_all_below_it() {
        let text = "a = 1\n[hearing]\nplugin = \"x\"\n[hearing.options]\ny = 1\n[speaking]\nz = 1\n";
        assert_eq!(without(text, "hearing"), "a = 1\n[speaking]\nz = 1\n");
    }
}
