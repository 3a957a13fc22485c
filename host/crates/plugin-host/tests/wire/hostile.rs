//! A guest that takes too much loses its session, and only that.

use crate::{NOW, built, rig, start};
use vg_plugin_host::api::{SttEffect, SttInput};
use vg_plugin_host::{SessionError, SttInstance};

fn told(instance: &mut SttInstance, chunks: usize) -> Result<usize, SessionError> {
    let mut said = 0;
    for _ in 0..chunks {
        said += instance.handle(NOW, SttInput::Audio(vec![0; 320]))?.len();
    }
    Ok(said)
}

/// Runs into `behave` at the third chunk while a neighbour goes on; answers the code.
fn third_chunk(behave: &str) -> &'static str {
    let rig = rig();
    let plugin = rig.load("test/probe-stt");
    let mut good = plugin.instantiate_stt().unwrap();
    good.handle(NOW, SttInput::Start(start("{}"))).unwrap();
    let mut bad = plugin.instantiate_stt().unwrap();
    bad.handle(NOW, SttInput::Start(start(&format!(r#"{{"behave":"{behave}","at":3}}"#)))).unwrap();

    assert_eq!(told(&mut bad, 2), Ok(2));
    let error = told(&mut bad, 1).unwrap_err();
    assert_eq!(told(&mut bad, 1), Err(SessionError::Dead), "its store is never used again");
    assert_eq!(told(&mut good, 50), Ok(50), "the neighbour goes on");
    plugin.instantiate_stt().unwrap();
    error.code()
}

#[test]
fn a_guest_that_traps_on_the_third_chunk_loses_only_its_session() {
    assert_eq!(third_chunk("trap"), "trap");
}

#[test]
fn a_guest_that_loops_for_ever_is_stopped() {
    assert_eq!(third_chunk("loop"), "cpu-limit");
}

#[test]
fn a_guest_that_takes_all_memory_is_stopped() {
    assert_eq!(third_chunk("memory-bomb"), "memory-limit");
}

#[test]
fn a_guest_that_overflows_its_stack_is_stopped() {
    assert_eq!(third_chunk("recurse"), "trap");
}

#[test]
fn a_guest_that_says_a_megabyte_at_once_is_stopped() {
    assert_eq!(third_chunk("output-flood"), "output-limit");
}

#[test]
fn a_guest_that_says_ten_thousand_things_at_once_is_stopped() {
    assert_eq!(third_chunk("timer-flood"), "output-limit");
}

#[test]
fn a_million_effects_hit_one_of_two_walls() {
    let code = third_chunk("effect-flood");
    assert!(["memory-limit", "output-limit"].contains(&code), "{code}");
}

#[test]
fn a_constructor_that_loops_for_ever_is_stopped() {
    let rig = rig();
    let plugin = rig.load("test/probe-stt-constructor-loop");
    assert_eq!(plugin.instantiate_stt().err(), Some(SessionError::CpuLimit));
}

#[test]
fn a_guest_that_floods_the_log_goes_on_and_what_was_dropped_is_counted() {
    let rig = rig();
    let mut guest = rig.load("test/probe-stt").instantiate_stt().unwrap();
    guest.handle(NOW, SttInput::Start(start(r#"{"behave":"log-flood","at":1}"#))).unwrap();
    assert_eq!(told(&mut guest, 2), Ok(2));
    assert!(rig.host.counts().log_lines_dropped > 9_000);
}

#[test]
fn the_pool_has_as_many_places_as_it_says() {
    let rig = rig();
    let plugin = rig.load("test/probe-stt");
    let mut held = Vec::new();
    let error = loop {
        match plugin.instantiate_stt() {
            Ok(instance) => held.push(instance),
            Err(error) => break error,
        }
    };
    assert_eq!(error, SessionError::SessionLimit);
    assert_eq!(held.len(), 16);
    held.pop();
    plugin.instantiate_stt().unwrap();
}

#[test]
fn a_guest_without_assets_finds_none_and_with_a_folder_beside_it_finds_them() {
    let rig = rig();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("probe.wasm");
    std::fs::copy(built("test/probe-stt"), &path).unwrap();
    let asked = |expected: &str| {
        let mut guest = rig.host.load(&path).unwrap().instantiate_stt().unwrap();
        let effects = guest.handle(NOW, SttInput::Start(start(r#"{"behave":"asset","at":0}"#))).unwrap();
        assert!(matches!(&effects[..], [SttEffect::Final(words)] if words.text == expected), "{expected}");
    };
    asked("asset: none");
    std::fs::create_dir(folder.path().join("probe.assets")).unwrap();
    std::fs::write(folder.path().join("probe.assets/model"), [0; 5]).unwrap();
    asked("asset: 5");
}
