//! Looks at a plugin as an operator would before letting it in: one row per thing that can be wrong.

use serde::Serialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use vg_plugin_host::api::{AudioFormat, Descriptor, Kind};
use vg_plugin_host::links::grant::HostRule;
use vg_plugin_host::links::secrets::LocalStore;
use vg_plugin_host::options::OptionsSchema;
use vg_plugin_host::policy::{Lacking, Policy, TenantWish};
use vg_plugin_host::{LoadError, Plugin, PluginHost};

/// Above this a component is slow to fetch and to compile; interpreters are that large.
const LARGE_BYTES: u64 = 20 << 20;
/// Sampling rates of the contract.
const RATES_HZ: [u32; 4] = [8_000, 16_000, 24_000, 48_000];

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Grade {
    /// As it should be.
    Ok,
    /// Works, but somebody should know.
    Warn,
    /// Has to be changed.
    Fault,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How bad it is.
    pub grade: Grade,
    /// Which thing.
    pub what: &'static str,
    /// What it is, or what to do.
    pub text: String,
}

/// Loads the component as the gateway would and judges what it says of itself. With a policy, wishes that it does not permit are
/// faults; without one they are only named. Blocks for as long as compiling takes.
pub fn check(host: &PluginHost, file: &Path, policy: Option<&Policy>) -> Vec<Finding> {
    let mut findings = Findings::default();
    if let Ok(about) = std::fs::metadata(file) {
        let grade = if about.len() > LARGE_BYTES { Grade::Warn } else { Grade::Ok };
        findings.add(grade, "size", format!("{:.2} MB", about.len() as f64 / 1e6));
    }
    match host.load(file) {
        Ok(plugin) => {
            findings.add(
                Grade::Ok,
                "component",
                format!("{} of serphona:speech@0.1.0, sha256:{}", world(&plugin), plugin.digest()),
            );
            findings.add(Grade::Ok, "imports", imports(&plugin));
            findings.descriptor(plugin.descriptor());
            findings.wishes(&plugin, policy);
        }
        Err(error) => findings.add(Grade::Fault, "component", format!("{}: {}", because(&error), next_step(&error))),
    }
    findings.0
}

/// What a plugin is and wishes, as JSON.
pub fn described(plugin: &Plugin) -> Value {
    let Descriptor { id, version, kind, formats, languages, features, options_schema, hosts, secrets, session_max_s, compute } =
        plugin.descriptor();
    let schema = serde_json::from_str(options_schema).unwrap_or_else(|_| json!(options_schema));
    json!({
        "name": plugin.name(),
        "digest": format!("sha256:{}", plugin.digest()),
        "world": world(plugin),
        "imports": plugin.imports(),
        "id": id,
        "version": version,
        "kind": kind.as_str(),
        "compute": format!("{compute:?}").to_lowercase(),
        "formats": formats.iter().map(|format| json!({ "encoding": format.encoding.as_str(), "rate_hz": format.rate_hz })).collect::<Vec<_>>(),
        "languages": languages,
        "features": {
            "interim": features.interim,
            "word-times": features.word_times,
            "finalize": features.finalize,
            "endpointing": features.endpointing,
            "incremental-text": features.incremental_text,
        },
        "hosts": hosts,
        "secrets": secrets.iter().map(|wish| json!({ "name": wish.name, "kind": wish.kind.as_str(), "why": wish.why })).collect::<Vec<_>>(),
        "session_max_s": session_max_s,
        "options_schema": schema,
    })
}

/// By package, each interface without its version where that is the same for all.
fn imports(plugin: &Plugin) -> String {
    let mut packages = BTreeMap::<String, Vec<&str>>::new();
    for import in plugin.imports() {
        let (path, version) = import.split_once('@').unwrap_or((import, ""));
        let (package, interface) = path.split_once('/').unwrap_or((path, ""));
        packages.entry(format!("{package}@{version}")).or_default().push(interface);
    }
    let named = |(package, interfaces): (String, Vec<&str>)| format!("{package}: {}", interfaces.join(", "));
    let named: Vec<String> = packages.into_iter().map(named).collect();
    if named.is_empty() { "none".to_owned() } else { named.join("; ") }
}

fn world(plugin: &Plugin) -> &'static str {
    match plugin.descriptor().kind {
        Kind::Stt => "stt-plugin",
        Kind::Tts => "tts-plugin",
        Kind::Mask => "mask-plugin",
    }
}

#[derive(Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn add(&mut self, grade: Grade, what: &'static str, text: impl Into<String>) {
        self.0.push(Finding { grade, what, text: text.into() });
    }

    /// Fine where there is nothing to say against it.
    fn judge(&mut self, what: &'static str, fine: impl Into<String>, faults: Vec<String>) {
        if faults.is_empty() {
            self.add(Grade::Ok, what, fine);
        }
        faults.into_iter().for_each(|fault| self.add(Grade::Fault, what, fault));
    }

    fn descriptor(&mut self, descriptor: &Descriptor) {
        let prefix = format!("{}-", descriptor.kind.as_str());
        let plain = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-';
        let named = descriptor.kind == Kind::Mask || descriptor.id.starts_with(&prefix) || descriptor.id.starts_with("probe-");
        match (descriptor.id.chars().all(plain) && !descriptor.id.is_empty(), named) {
            (false, _) => {
                self.add(Grade::Fault, "id", format!("{:?}: lower-case letters, digits and hyphens only", descriptor.id))
            }
            (true, false) => self.add(Grade::Warn, "id", format!("{}: names usually begin with {prefix}", descriptor.id)),
            (true, true) => self.add(Grade::Ok, "id", descriptor.id.clone()),
        }
        let version = &descriptor.version;
        let fault = (!is_semver(version)).then(|| format!("{version:?} is no semantic version: write for example 1.0.0"));
        self.judge("version", version.clone(), fault.into_iter().collect());
        if descriptor.kind != Kind::Mask {
            self.judge("formats", list(descriptor.formats.iter().map(format_name)), format_faults(&descriptor.formats));
        }
        let odd = descriptor.languages.iter().filter(|tag| !is_language(tag));
        let odd = odd.map(|tag| format!("{tag:?} is no BCP 47 tag: write for example en-US")).collect();
        let languages =
            if descriptor.languages.is_empty() { "as the options say".to_owned() } else { list(descriptor.languages.iter()) };
        self.judge("languages", languages, odd);
        match OptionsSchema::of(descriptor) {
            Ok(_) => self.add(Grade::Ok, "options", "JSON Schema 2020-12"),
            Err(error) => self.add(Grade::Fault, "options", error.to_string()),
        }
        self.secrets(descriptor);
    }

    fn secrets(&mut self, descriptor: &Descriptor) {
        let mut names = BTreeSet::new();
        let mut faults = Vec::new();
        for wish in &descriptor.secrets {
            if !names.insert(&wish.name) {
                faults.push(format!("{} is wished for twice", wish.name));
            }
            if wish.name.is_empty() || !wish.name.chars().all(|letter| letter.is_ascii_alphanumeric() || "_-".contains(letter)) {
                faults.push(format!("{:?}: letters, digits, `_` and `-` only, since it stands in {{secret:NAME}}", wish.name));
            }
            if wish.why.trim().is_empty() {
                faults.push(format!("{}: say why, the tenant who has to provide it is shown that", wish.name));
            }
        }
        let wishes = descriptor.secrets.iter().map(|wish| format!("{} ({})", wish.name, wish.kind.as_str()));
        self.judge("secrets", if descriptor.secrets.is_empty() { "none".to_owned() } else { list(wishes) }, faults);
    }

    fn wishes(&mut self, plugin: &Plugin, policy: Option<&Policy>) {
        let descriptor = plugin.descriptor();
        let broken = |host: &String| Some(format!("{host:?}: {}", host.parse::<HostRule>().err()?));
        let broken: Vec<String> = descriptor.hosts.iter().filter_map(broken).collect();
        let none = descriptor.hosts.is_empty();
        self.judge("hosts", if none { "none".to_owned() } else { list(descriptor.hosts.iter()) }, broken);
        let secrets = BTreeMap::new();
        let tenant = TenantWish {
            tenant: "check".into(),
            hosts: None,
            endpoint: None,
            secrets: &secrets,
            store: Arc::new(LocalStore::default()),
            connections: None,
        };
        let nothing = Policy::default();
        let granted = match policy.unwrap_or(&nothing).grant(plugin.name(), descriptor, tenant) {
            Ok(granted) => granted,
            Err(faults) => return faults.iter().for_each(|fault| self.add(Grade::Fault, "policy", fault.to_string())),
        };
        if granted.shortfalls.is_empty() {
            self.add(Grade::Ok, "policy", "permits everything that is wished for");
        }
        for shortfall in granted.shortfalls {
            // A secret is the tenant's to give, whatever the operator permits.
            let grade = match (&shortfall.lacking, policy) {
                (Lacking::Secret(_), _) | (_, None) => Grade::Warn,
                _ => Grade::Fault,
            };
            self.add(grade, "policy", shortfall.to_string());
        }
    }
}

fn format_faults(formats: &[AudioFormat]) -> Vec<String> {
    if formats.is_empty() {
        return vec!["none is offered: name at least one, best first".to_owned()];
    }
    let odd = formats.iter().filter(|format| !RATES_HZ.contains(&format.rate_hz));
    odd.map(|format| format!("{}: rates are 8000, 16000, 24000 and 48000", format_name(format))).collect()
}

fn format_name(format: &AudioFormat) -> String {
    format!("{} {} Hz", format.encoding.as_str(), format.rate_hz)
}

fn list(items: impl Iterator<Item = impl fmt::Display>) -> String {
    items.map(|item| item.to_string()).collect::<Vec<_>>().join(", ")
}

/// <https://semver.org>: three numbers without leading zeros, then perhaps `-` and `+` with words of letters, digits and hyphens.
fn is_semver(version: &str) -> bool {
    let (version, build) = version.split_once('+').map_or((version, None), |(version, build)| (version, Some(build)));
    let (core, pre) = version.split_once('-').map_or((version, None), |(core, pre)| (core, Some(pre)));
    let number = |part: &str| part.parse::<u64>().is_ok_and(|number| number.to_string() == part);
    let word = |part: &str| !part.is_empty() && part.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '-');
    let words = |part: Option<&str>| part.is_none_or(|part| part.split('.').all(word));
    core.split('.').count() == 3 && core.split('.').all(number) && words(pre) && words(build)
}

/// Language, then script, region and variants, by their lengths (BCP 47 2.1).
fn is_language(tag: &str) -> bool {
    let mut parts = tag.split('-');
    let letters = |part: &str| part.chars().all(|letter| letter.is_ascii_alphabetic());
    let first = parts.next().is_some_and(|language| (2..=3).contains(&language.len()) && letters(language));
    first && parts.all(|part| (2..=8).contains(&part.len()) && part.chars().all(|letter| letter.is_ascii_alphanumeric()))
}

fn because(error: &LoadError) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

fn next_step(error: &LoadError) -> &'static str {
    match error.code() {
        "missing" | "io" => "name the .wasm file that your build wrote",
        "core-module" => "link it as a component, for example with wasm-component-ld or `wasm-tools component new`",
        "not-wasm" | "truncated" | "malformed" => "build it again; the file was damaged on its way",
        "too-large" => "a component may have 256 MB: ship models as assets beside it",
        "forbidden-import" => "a plugin reaches nothing by itself: ask with link effects, and take the time from `now`",
        "version" => "build it against the WIT of this gateway",
        "missing-export" | "kind-mismatch" => {
            "export `describe` and one of `stt`, `tts`, `mask`, and describe the one that is exported"
        }
        "describe" => "`describe` has to answer at once, without any input",
        _ => "see plugins/README.md",
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let grade = match self.grade {
            Grade::Ok => "ok   ",
            Grade::Warn => "warn ",
            Grade::Fault => "FAULT",
        };
        write!(f, "{grade} {:<10} {}", self.what, self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_semantic_or_not() {
        for good in ["0.1.0", "1.20.300", "1.0.0-rc.1", "1.0.0+build.5", "1.0.0-a-b+c"] {
            assert!(is_semver(good), "{good}");
        }
        for bad in ["1.0", "v1.0.0", "1.0.0.0", "01.0.0", "1.0.0-", "1.0.0+", "1..0", "", "1.0.x"] {
            assert!(!is_semver(bad), "{bad}");
        }
    }

    #[test]
    fn languages_are_tags_or_not() {
        for good in ["en", "pt-BR", "zh-Hans-CN", "es-419", "fil"] {
            assert!(is_language(good), "{good}");
        }
        for bad in ["", "english", "e", "en_US", "en-", "12"] {
            assert!(!is_language(bad), "{bad}");
        }
    }
}
