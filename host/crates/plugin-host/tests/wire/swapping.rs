//! A new version takes over while sessions run, or does not.

use crate::{DEADLINE, Rig, built, rig_with, start, tag, until};
use std::sync::Arc;
use tokio::time::timeout;
use vg_plugin_host::Plugin;
use vg_plugin_host::api::SttInput;
use vg_plugin_host::session::{Opening, SttEvent, SttSession};
use vg_plugin_host::slot::{Lease, PROBES, Role, Slot, SwapError, Swapped, probe};

/// A slot with a version, and another one: the same code under another digest.
fn two_versions(rig: &Rig) -> (Slot, Arc<Plugin>) {
    let file = rig.cache.path().join("probe-stt.wasm");
    let mut bytes = std::fs::read(built("test/probe-stt")).unwrap();
    // A custom section: a name of one letter, nothing in it.
    bytes.extend([0, 2, 1, b'v']);
    std::fs::write(&file, bytes).unwrap();
    (Slot::new(rig.load("test/probe-stt")), rig.host.load(&file).unwrap())
}

fn open(rig: &Rig, slot: &Slot, options: &str) -> (Arc<Plugin>, SttSession) {
    let Lease { plugin, report } = slot.for_session();
    let opening = Opening { tag: tag(), on_end: Some(report.on_end()), ..Opening::default() };
    let session = rig.host.open_stt(&plugin, start(options), opening).unwrap();
    (plugin, session)
}

async fn end(session: &mut SttSession) -> String {
    session.input.send(SttInput::End).await.unwrap();
    loop {
        match timeout(DEADLINE, session.events.recv()).await.unwrap() {
            Some(SttEvent::Ended(end)) => return end.code().to_owned(),
            Some(_) => {}
            None => panic!("closed without an end"),
        }
    }
}

async fn answers(session: &mut SttSession) {
    session.input.send(SttInput::Audio(vec![0; 320])).await.unwrap();
    assert!(matches!(timeout(DEADLINE, session.events.recv()).await.unwrap(), Some(SttEvent::Partial(_))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_version_takes_over_from_another_under_fifty_sessions_and_none_is_lost() {
    let rig = rig_with(|config| config.light.sessions_max = 128);
    let (slot, new) = two_versions(&rig);
    let old = slot.plugin();
    let mut before: Vec<_> = (0..50).map(|_| open(&rig, &slot, "{}").1).collect();
    for session in &mut before {
        answers(session).await;
    }
    assert_eq!(slot.swap(Arc::clone(&new), PROBES), Ok(Swapped::OnTrial));
    let mut tried: Vec<_> = (0..10).map(|_| open(&rig, &slot, "{}")).collect();
    let on_trial = tried.iter().filter(|(plugin, _)| plugin.digest() == new.digest()).count();
    assert_eq!(on_trial, PROBES as usize, "the others get the version that serves");
    for (_, session) in &mut tried {
        answers(session).await;
        assert_eq!(end(session).await, "done");
    }
    until("the new version serves", || slot.plugin().digest() == new.digest()).await;
    for session in &mut before {
        answers(session).await;
        assert_eq!(end(session).await, "done", "sessions end with the version they began with");
    }
    until("the old version is gone", || slot.versions().len() == 1).await;
    let ended = |plugin: &Plugin| plugin.census().ended.get("done").copied().unwrap_or_default();
    until("all are counted", || ended(&old) == 57 && ended(&new) == 3).await;
    drop(tried);
    until("nobody else holds the old version", || Arc::strong_count(&old) == 1).await;
}

#[tokio::test]
async fn a_version_that_falls_is_rolled_back_and_remembered() {
    let rig = rig_with(|_| {});
    let (slot, new) = two_versions(&rig);
    slot.swap(Arc::clone(&new), PROBES).unwrap();
    let (plugin, mut session) = open(&rig, &slot, r#"{"behave":"trap","at":0}"#);
    assert_eq!(plugin.digest(), new.digest());
    assert!(matches!(timeout(DEADLINE, session.events.recv()).await.unwrap(), Some(SttEvent::Ended(_))));
    until("it is rolled back", || slot.refused() == [new.digest()]).await;
    assert_eq!(slot.versions().iter().map(|version| version.role).collect::<Vec<_>>(), [Role::Serving]);
    let (plugin, _session) = open(&rig, &slot, "{}");
    assert_ne!(plugin.digest(), new.digest());
    assert!(matches!(slot.swap(new, PROBES), Err(SwapError::Refused { .. })));
}

#[test]
fn a_probe_tells_a_version_that_works_from_one_that_falls() {
    let rig = rig_with(|_| {});
    for good in ["test/probe-stt", "test/probe-stt-script", "test/probe-tts", "test/probe-mask", "tts-local"] {
        assert_eq!(probe(&rig.load(good)), Ok(()), "{good}");
    }
    for (bad, code) in [("test/probe-stt-constructor-loop", "cpu-limit"), ("test/probe-stt-constructor-trap", "trap")] {
        assert_eq!(probe(&rig.load(bad)).unwrap_err().code(), code);
    }
}
