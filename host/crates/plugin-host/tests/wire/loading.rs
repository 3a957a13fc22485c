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

/// The probe with one more core module at its end, which has one memory with these flags and limits.
fn with_memory(limits: &[u8]) -> Vec<u8> {
    let mut module = b"\0asm\x01\0\0\0".to_vec();
    module.extend([5, limits.len() as u8 + 1, 1]);
    module.extend(limits);
    let mut bytes = fs::read(built("test/probe-stt")).unwrap();
    bytes.extend([1, module.len() as u8]);
    bytes.extend(module);
    bytes
}

#[test]
fn memories_that_no_budget_covers_are_refused() {
    let rig = rig();
    let file = rig.cache.path().join("file.wasm");
    let load = |bytes: Vec<u8>| {
        fs::write(&file, bytes).unwrap();
        rig.host.load(&file).map(drop)
    };
    load(with_memory(&[0x00, 1])).unwrap();
    for (what, limits) in [("64 bit", &[0x04, 1][..]), ("shared", &[0x03, 1, 1])] {
        assert_eq!(load(with_memory(limits)).unwrap_err().code(), "refused", "{what}");
    }
}

#[test]
fn a_file_of_200_megabytes_is_refused_before_it_is_read() {
    let rig = rig();
    let path = rig.cache.path().join("file.wasm");
    fs::File::create(&path).unwrap().set_len(200 << 20).unwrap();
    assert_eq!(rig.host.load(&path).err().unwrap().code(), "too-large");
}

/// Numbers that look random and are the same every time.
fn seeded(mut state: u64) -> impl FnMut() -> usize {
    move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize
    }
}

#[test]
fn a_corrupted_component_is_refused_or_works_and_never_takes_the_host_along() {
    const SEED: u64 = 3;
    let whole = fs::read(built("test/probe-mask")).unwrap();
    let rig = rig();
    let file = rig.cache.path().join("file.wasm");
    let mut random = seeded(SEED);
    for nth in 0..40 {
        let mut bytes = whole.clone();
        for _ in 0..=nth % 3 {
            // Most of a file is code; what surrounds it deserves as many hits.
            let place = if nth % 2 == 0 { bytes.len() } else { 1024 };
            bytes[random() % place] ^= 1 << (random() % 8);
        }
        fs::write(&file, bytes).unwrap();
        match rig.host.load(&file) {
            Err(error) => assert!(!error.code().is_empty(), "seed {SEED}, flip {nth}"),
            Ok(plugin) => {
                if let Ok(mut masker) = plugin.instantiate_mask(crate::masks::settings("")) {
                    let _ = masker.mask(crate::masks::segment("card 4111111111111111"));
                }
            }
        }
    }
    fs::write(&file, &whole).unwrap();
    rig.host.load(&file).unwrap().instantiate_mask(crate::masks::settings("")).unwrap();
}
