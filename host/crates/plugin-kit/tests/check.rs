//! What an operator is told of a component before it is let in.

#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "a broken test stops; nobody reads its items")]

use std::path::{Path, PathBuf};
use vg_plugin_host::policy::Policy;
use vg_plugin_host::{HostConfig, PluginHost};
use vg_plugin_kit::check::{Finding, Grade, check, described};

fn host(folder: &Path) -> PluginHost {
    let mut config = HostConfig::new(folder.join("cache"));
    config.light.sessions_max = 16;
    PluginHost::new(config).unwrap()
}

fn probe(name: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../target/plugins/test").join(format!("{name}.wasm"));
    assert!(path.is_file(), "{name}.wasm is not built: run cargo xtask plugins");
    path
}

fn row<'a>(findings: &'a [Finding], what: &str) -> &'a Finding {
    findings.iter().find(|finding| finding.what == what).unwrap_or_else(|| panic!("no {what} in {findings:#?}"))
}

#[test]
fn a_sound_plugin_is_shown_with_all_that_it_is_and_wishes() {
    let folder = tempfile::tempdir().unwrap();
    let host = host(folder.path());
    let findings = check(&host, &probe("probe-vendor-stt"), None);
    assert!(findings.iter().all(|finding| finding.grade < Grade::Fault), "{findings:#?}");
    for what in ["size", "component", "imports", "id", "version", "formats", "languages", "options", "secrets", "hosts"] {
        row(&findings, what);
    }
    assert!(row(&findings, "component").text.starts_with("stt-plugin of serphona:speech@0.1.0, sha256:"));
    let imports = &row(&findings, "imports").text;
    assert!(imports.starts_with("serphona:speech@0.1.0: ") && imports.contains("link"), "{imports}");
    let described = described(&host.load(&probe("probe-stt")).unwrap());
    let imports = described["imports"].as_array().unwrap();
    assert!(imports.iter().any(|import| import == "serphona:speech/signing@0.1.0"), "{imports:?}");
}

#[test]
fn a_wish_that_the_policy_does_not_permit_is_a_fault_with_the_line_to_add() {
    let folder = tempfile::tempdir().unwrap();
    let host = host(folder.path());
    let nothing = Policy::parse("").unwrap();
    let findings = check(&host, &probe("probe-vendor-stt"), Some(&nothing));
    let lines: Vec<_> = findings.iter().filter(|finding| finding.grade == Grade::Fault).collect();
    let line = r#"add to policy: [plugin."probe-vendor-stt"] hosts = ["wss://vendor.example"]"#;
    assert!(matches!(&lines[..], [fault] if fault.text.contains(line)), "{lines:#?}");
    let permitted = Policy::parse("[plugin.probe-vendor-stt]\nhosts = ['wss://vendor.example']\n").unwrap();
    let findings = check(&host, &probe("probe-vendor-stt"), Some(&permitted));
    assert!(findings.iter().all(|finding| finding.grade < Grade::Fault), "{findings:#?}");
}

#[test]
fn what_is_no_plugin_is_one_fault_that_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("stt-acme.wasm");
    for (bytes, says) in [(&b"RIFF"[..], "not webassembly"), (b"\0asm\x01\0\0\0", "core module")] {
        std::fs::write(&file, bytes).unwrap();
        let findings = check(&host(folder.path()), &file, None);
        let fault = row(&findings, "component");
        assert!(fault.grade == Grade::Fault && fault.text.contains(says), "{findings:#?}");
    }
    let findings = check(&host(folder.path()), Path::new("nowhere.wasm"), None);
    assert!(matches!(&findings[..], [Finding { grade: Grade::Fault, .. }]), "{findings:#?}");
}
