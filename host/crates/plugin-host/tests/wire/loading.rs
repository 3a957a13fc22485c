//! What is no plugin is refused with its own code; what was compiled once is not compiled again.

use crate::{built, rig, rig_with};
use std::fs;
use std::path::Path;
use vg_plugin_host::api::{Compute, Kind};
use vg_plugin_host::{HostConfig, PluginHost};

fn code_of(bytes: &[u8]) -> (&'static str, String) {
    let rig = rig();
    let file = rig.cache.path().join("file.wasm");
    fs::write(&file, bytes).unwrap();
    let error = rig.host.load(&file).err().unwrap();
    assert_eq!(rig.host.counts().compiled, 0, "refused before it is compiled");
    (error.code(), error.to_string())
}

/// The probe with every `from` in its names replaced; same length, so that the format stays whole.
fn renamed(from: &str, to: &str) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let mut bytes = fs::read(built("test/probe-stt")).unwrap();
    let mut replaced = 0;
    for at in 0..bytes.len() - from.len() {
        if bytes[at..].starts_with(from.as_bytes()) {
            bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
            replaced += 1;
        }
    }
    assert!(replaced > 0, "the probe does not name {from}");
    bytes
}

#[test]
fn a_missing_file_is_missing() {
    assert_eq!(rig().host.load(Path::new("nowhere.wasm")).err().unwrap().code(), "missing");
}

#[test]
fn a_file_of_another_kind_is_told_apart() {
    assert_eq!(code_of(b"RIFF\0\0\0\0WAVEfmt ").0, "not-wasm");
    assert_eq!(code_of(b"\0asm\x01\0\0\0").0, "core-module");
}

#[test]
fn a_truncated_component_is_truncated() {
    let whole = fs::read(built("test/probe-stt")).unwrap();
    assert_eq!(code_of(&whole[..whole.len() / 2]).0, "truncated");
    assert_eq!(code_of(&whole[..7]).0, "truncated");
}

#[test]
fn a_forbidden_import_is_refused_and_named() {
    let (code, text) = code_of(&renamed("serphona:speech/log@", "serphona:sneaky/tcp@"));
    assert_eq!(code, "forbidden-import");
    assert!(text.contains("serphona:sneaky/tcp@0.1.0"), "{text}");
}

#[test]
fn another_version_is_refused_and_both_are_named() {
    let (code, text) = code_of(&renamed("@0.1.0", "@0.9.0"));
    assert_eq!(code, "version");
    assert!(text.contains("0.9.0") && text.contains("0.1.0"), "{text}");
}

#[test]
fn a_plugin_says_what_it_is() {
    let rig = rig();
    let plugin = rig.load("test/probe-stt");
    assert_eq!(plugin.name(), "probe-stt");
    assert_eq!(plugin.digest().len(), 64);
    let descriptor = plugin.descriptor();
    assert_eq!((descriptor.kind, descriptor.compute), (Kind::Stt, Compute::Light));
    assert!(descriptor.features.interim && descriptor.features.finalize);
    assert!(plugin.instantiate_tts().err().is_some_and(|error| error.code() == "wrong-kind"));
}

#[test]
fn a_cached_component_is_not_compiled_again() {
    let first = rig();
    first.load("test/probe-stt");
    assert_eq!(first.host.counts().compiled, 1, "one file serves both engines");
    let again = PluginHost::new(HostConfig::new(first.cache.path())).unwrap();
    again.load(&built("test/probe-stt")).unwrap();
    let counts = again.counts();
    assert_eq!((counts.compiled, counts.cache_hits, counts.cache_refused), (0, 2, 0));
}

#[test]
fn a_corrupted_cache_is_compiled_again() {
    let first = rig();
    first.load("test/probe-stt");
    for entry in fs::read_dir(first.cache.path()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "cwasm") {
            let mut bytes = fs::read(&path).unwrap();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            fs::write(&path, bytes).unwrap();
        }
    }
    let again = rig_with(|config| config.cache_dir = first.cache.path().to_owned());
    let plugin = again.load("test/probe-stt");
    plugin.instantiate_stt().unwrap();
    let counts = again.host.counts();
    assert_eq!((counts.compiled, counts.cache_refused), (1, 1));
}
