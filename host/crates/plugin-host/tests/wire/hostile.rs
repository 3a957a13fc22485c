//! A guest that takes too much loses its session, and only that.

use crate::{NOW, built, rig, start};
use vg_plugin_host::api::{SttEffect, SttInput};
use vg_plugin_host::{LoadError, Plugin, SessionError, SttInstance, Trust};

fn told(instance: &mut SttInstance, chunks: usize) -> Result<usize, SessionError> {
    let mut said = 0;
    for _ in 0..chunks {
        said += instance.handle(NOW, SttInput::Audio(vec![0; 320]))?.len();
    }
    Ok(said)
}

/// Runs into `behave` at the third chunk while a neighbour goes on, as our own plugin and as anybody's; answers the codes.
fn third_chunk(behave: &str) -> [&'static str; 2] {
    let rig = rig();
    [Trust::FirstParty, Trust::Unknown].map(|trust| {
        let plugin = rig.host.load_as(&built("test/probe-stt"), trust).unwrap();
        struck_at_the_third_chunk(&plugin, behave)
    })
}

/// Anybody's hits the wall of that code; ours may have used up its shorter time before.
fn stopped_by(behave: &str, code: &str) {
    let [ours, anybodys] = third_chunk(behave);
    assert_eq!(anybodys, code);
    assert!([code, "cpu-limit"].contains(&ours), "{ours}");
}

fn struck_at_the_third_chunk(plugin: &Plugin, behave: &str) -> &'static str {
    let mut good = plugin.instantiate_stt().unwrap();
    good.handle(NOW, SttInput::Start(Box::new(start("{}")))).unwrap();
    let mut bad = plugin.instantiate_stt().unwrap();
    bad.handle(NOW, SttInput::Start(Box::new(start(&format!(r#"{{"behave":"{behave}","at":3}}"#))))).unwrap();

    assert_eq!(told(&mut bad, 2), Ok(2));
    let error = told(&mut bad, 1).unwrap_err();
    assert_eq!(told(&mut bad, 1), Err(SessionError::Dead), "its store is never used again");
    assert_eq!(told(&mut good, 50), Ok(50), "the neighbour goes on");
    plugin.instantiate_stt().unwrap();
    error.code()
}

#[test]
fn a_guest_that_traps_on_the_third_chunk_loses_only_its_session() {
    assert_eq!(third_chunk("trap"), ["trap"; 2]);
}

#[test]
fn a_guest_that_loops_for_ever_is_stopped() {
    assert_eq!(third_chunk("loop"), ["cpu-limit"; 2]);
}

#[test]
fn a_guest_that_takes_all_memory_is_stopped() {
    stopped_by("memory-bomb", "memory-limit");
}

#[test]
fn a_guest_that_overflows_its_stack_is_stopped() {
    assert_eq!(third_chunk("recurse"), ["trap"; 2]);
}

#[test]
fn a_guest_that_says_a_megabyte_at_once_is_stopped() {
    stopped_by("output-flood", "output-limit");
}

#[test]
fn a_guest_that_says_ten_thousand_things_at_once_is_stopped() {
    stopped_by("timer-flood", "output-limit");
}

#[test]
fn a_guest_that_hoards_handles_is_stopped() {
    assert_eq!(third_chunk("handles"), ["handle-limit"; 2]);
}

#[test]
fn a_text_that_is_none_never_reaches_the_house() {
    assert_eq!(third_chunk("bad-utf8"), ["trap"; 2]);
}

#[test]
fn a_list_that_reaches_beyond_the_guests_memory_is_not_read() {
    assert_eq!(third_chunk("absurd-length"), ["trap"; 2]);
}

#[test]
fn a_guest_is_not_asked_when_it_is_dropped() {
    let rig = rig();
    let plugin = rig.load("test/probe-stt");
    let mut guest = plugin.instantiate_stt().unwrap();
    guest.handle(NOW, SttInput::Start(Box::new(start(r#"{"behave":"trap-at-end"}"#)))).unwrap();
    drop(guest);
    plugin.instantiate_stt().unwrap();
}

#[test]
fn giant_inputs_fit_into_the_guests_memory_or_end_it() {
    let rig = rig();
    let plugin = rig.load("test/probe-stt");
    let mut guest = plugin.instantiate_stt().unwrap();
    let options = format!(r#"{{"note":"{}"}}"#, "x".repeat(1 << 20));
    assert_eq!(guest.handle(NOW, SttInput::Start(Box::new(start(&options)))).unwrap().len(), 0);
    let error = guest.handle(NOW, SttInput::Audio(vec![0; 64 << 20])).unwrap_err();
    assert!(["memory-limit", "trap"].contains(&error.code()), "{error}");
}

#[test]
fn a_guest_that_loops_is_stopped_after_the_time_of_its_class() {
    let rig = rig();
    for (trust, most) in [(Trust::FirstParty, 8), (Trust::Unknown, 50)] {
        let plugin = rig.host.load_as(&built("test/probe-stt"), trust).unwrap();
        let stopped_after = || {
            let mut guest = plugin.instantiate_stt().unwrap();
            guest.handle(NOW, SttInput::Start(Box::new(start(r#"{"behave":"loop"}"#)))).unwrap();
            let before = cpu_ms();
            assert_eq!(told(&mut guest, 1), Err(SessionError::CpuLimit));
            cpu_ms() - before
        };
        // The machine may keep a thread from running. For the guest's own that is not counted; for that of the epoch's clock it makes the
        // guest run longer: it is the best of some tries that shows the limit.
        let took = (0..5).map(|_| stopped_after()).min().unwrap();
        assert!(took >= most / 3 && took <= most + 6, "{trust:?}: {took} ms");
    }
}

fn cpu_ms() -> i64 {
    let now = nix::time::clock_gettime(nix::time::ClockId::CLOCK_THREAD_CPUTIME_ID).unwrap();
    now.tv_sec() * 1000 + now.tv_nsec() / 1_000_000
}

#[test]
fn a_million_effects_hit_one_wall_or_another() {
    for code in third_chunk("effect-flood") {
        assert!(["cpu-limit", "memory-limit", "output-limit"].contains(&code), "{code}");
    }
}

#[test]
fn a_constructor_that_loops_for_ever_is_stopped() {
    let rig = rig();
    for trust in [Trust::FirstParty, Trust::Unknown] {
        let plugin = rig.host.load_as(&built("test/probe-stt-constructor-loop"), trust).unwrap();
        assert_eq!(plugin.instantiate_stt().err(), Some(SessionError::CpuLimit));
    }
}

#[test]
fn a_constructor_that_traps_is_told() {
    let rig = rig();
    let error = rig.load("test/probe-stt-constructor-trap").instantiate_stt().err().unwrap();
    assert_eq!(error.code(), "trap");
}

#[test]
fn a_component_that_loops_before_its_first_function_is_refused() {
    let rig = rig();
    let error = rig.host.load(&built("test/probe-stt-start-loop")).err().unwrap();
    assert!(matches!(error, LoadError::Describe(SessionError::CpuLimit)), "{error:?}");
}

#[test]
fn a_guest_that_floods_the_log_goes_on_and_what_was_dropped_is_counted() {
    let rig = rig();
    let mut guest = rig.load("test/probe-stt").instantiate_stt().unwrap();
    guest.handle(NOW, SttInput::Start(Box::new(start(r#"{"behave":"log-flood","at":1}"#)))).unwrap();
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
        let effects = guest.handle(NOW, SttInput::Start(Box::new(start(r#"{"behave":"asset","at":0}"#)))).unwrap();
        assert!(matches!(&effects[..], [SttEffect::Final(words)] if words.text == expected), "{expected}");
    };
    asked("asset: none");
    std::fs::create_dir(folder.path().join("probe.assets")).unwrap();
    std::fs::write(folder.path().join("probe.assets/model"), [0; 5]).unwrap();
    asked("asset: 5");
}
