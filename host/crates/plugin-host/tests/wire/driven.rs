//! Sessions with a mailbox: words come back, ends are told, nobody waits for anybody else.

use crate::{DEADLINE, Rig, rig, rig_with, start, tag, until};
use tokio::sync::mpsc::Receiver;
use tokio::time::timeout;
use vg_plugin_host::SessionError;
use vg_plugin_host::api::{Compute, SttInput, TtsInput};
use vg_plugin_host::session::{SttEvent, SttSession, TtsEvent, TtsSession};

fn listener(rig: &Rig, options: &str) -> SttSession {
    rig.host.open_stt(&rig.load("test/probe-stt"), start(options), tag()).unwrap()
}

fn speaker(rig: &Rig, plugin: &str) -> TtsSession {
    rig.host.open_tts(&rig.load(plugin), start("{}"), tag()).unwrap()
}

async fn next<E>(events: &mut Receiver<E>) -> Option<E> {
    timeout(DEADLINE, events.recv()).await.expect("an event within the deadline")
}

/// An event in one word.
async fn heard(session: &mut SttSession) -> String {
    match next(&mut session.events).await {
        None => "closed".into(),
        Some(SttEvent::Partial(words)) => format!("partial {}", words.text),
        Some(SttEvent::Final(words)) => format!("final {}", words.text),
        Some(SttEvent::Finalized) => "finalized".into(),
        Some(SttEvent::Ended(end)) => format!("ended {}", end.code()),
        Some(_) => "other".into(),
    }
}

#[tokio::test]
async fn a_listener_is_told_and_answers_until_it_is_done() {
    let rig = rig();
    let mut session = listener(&rig, "{}");
    for input in [SttInput::Audio(vec![0; 320]), SttInput::Finalize, SttInput::End] {
        session.input.send(input).await.unwrap();
    }
    for expected in ["partial 320 bytes", "final 320 bytes", "finalized", "ended done", "closed"] {
        assert_eq!(heard(&mut session).await, expected);
    }
    until("the seat is given back", || rig.host.live_sessions() == 0).await;
}

#[tokio::test]
async fn the_straight_line_guest_answers_alike() {
    let rig = rig();
    let plugin = rig.load("test/probe-stt-script");
    let mut session = rig.host.open_stt(&plugin, start("{}"), tag()).unwrap();
    for input in [SttInput::Audio(vec![0; 320]), SttInput::Finalize, SttInput::End] {
        session.input.send(input).await.unwrap();
    }
    for expected in ["partial 320 bytes", "final 320 bytes", "finalized", "ended done", "closed"] {
        assert_eq!(heard(&mut session).await, expected);
    }
}

#[tokio::test]
async fn a_trap_ends_its_session_once_while_another_goes_on() {
    let rig = rig();
    let (mut bad, mut good) = (listener(&rig, r#"{"behave":"trap","at":1}"#), listener(&rig, "{}"));
    bad.input.send(SttInput::Audio(vec![0; 2])).await.unwrap();
    // What the guest said in the call in which it trapped is lost with it.
    assert_eq!(heard(&mut bad).await, "ended trap");
    assert_eq!(heard(&mut bad).await, "closed");
    good.input.send(SttInput::Audio(vec![0; 2])).await.unwrap();
    assert_eq!(heard(&mut good).await, "partial 2 bytes");
}

#[tokio::test]
async fn a_constructor_that_loops_is_the_first_event() {
    let rig = rig();
    let plugin = rig.load("test/probe-stt-constructor-loop");
    let mut session = rig.host.open_stt(&plugin, start("{}"), tag()).unwrap();
    assert_eq!(heard(&mut session).await, "ended cpu-limit");
}

#[tokio::test]
async fn a_fault_of_the_plugin_carries_its_code() {
    let rig = rig();
    let mut session = listener(&rig, r#"{"behave":"fail","fault":"auth","at":0}"#);
    assert_eq!(heard(&mut session).await, "ended auth");
    let mut session = listener(&rig, r#"{"behave":"nonsense"}"#);
    assert_eq!(heard(&mut session).await, "ended invalid-options");
}

#[tokio::test]
async fn a_timer_wakes_the_session() {
    let mut session = listener(&rig(), r#"{"behave":"timer","at":0}"#);
    assert_eq!(heard(&mut session).await, "final timer 7");
}

#[tokio::test]
async fn a_link_is_denied_and_counted_and_a_route_without_a_link_ignored() {
    let rig = rig();
    let mut session = listener(&rig, r#"{"behave":"open-link","at":0}"#);
    assert!(heard(&mut session).await.to_lowercase().contains("egress"));
    let mut session = listener(&rig, r#"{"behave":"route-audio","at":0}"#);
    session.input.send(SttInput::End).await.unwrap();
    assert_eq!(heard(&mut session).await, "ended done");
    let counts = rig.host.counts();
    assert_eq!((counts.egress_denied, counts.routes_ignored), (1, 1));
}

#[tokio::test]
async fn one_timer_or_link_too_many_ends_the_session() {
    let rig = rig();
    for (behave, code) in [("timers", "timer-limit"), ("link-flood", "link-limit")] {
        let mut session = listener(&rig, &format!(r#"{{"behave":"{behave}","at":0}}"#));
        let mut last = heard(&mut session).await;
        while !last.starts_with("ended") {
            last = heard(&mut session).await;
        }
        assert_eq!(last, format!("ended {code}"));
    }
}

#[tokio::test]
async fn sessions_are_counted_by_their_ends() {
    let rig = rig();
    let plugin = rig.load("test/probe-stt");
    let open = |options: &str| rig.host.open_stt(&plugin, start(options), tag()).unwrap();
    let (mut done, mut fell, live, dropped) = (open("{}"), open(r#"{"behave":"trap","at":0}"#), open("{}"), open("{}"));
    done.input.send(SttInput::End).await.unwrap();
    assert_eq!(heard(&mut done).await, "ended done");
    assert_eq!(heard(&mut fell).await, "ended trap");
    drop(dropped);
    until("three have ended", || plugin.census().live == 1).await;
    let census = plugin.census();
    assert_eq!(census.started, 4);
    assert_eq!(census.ended, [("done", 1), ("dropped", 1), ("trap", 1)].into());
    drop(live);
}

#[tokio::test(flavor = "current_thread")]
async fn a_guest_that_loops_lets_the_others_run() {
    let rig = rig();
    let mut bad = listener(&rig, r#"{"behave":"loop","at":1}"#);
    let mut good = listener(&rig, "{}");
    bad.input.send(SttInput::Audio(vec![0; 2])).await.unwrap();
    // All on one thread: whatever is answered before the bad one has ended was answered while it looped.
    let mut answered = 0;
    loop {
        good.input.send(SttInput::Audio(vec![0; 2])).await.unwrap();
        assert_eq!(heard(&mut good).await, "partial 2 bytes");
        match bad.events.try_recv() {
            Ok(SttEvent::Ended(end)) => break assert_eq!(end.code(), "cpu-limit"),
            _ => answered += 1,
        }
    }
    assert!(answered >= 10, "only {answered} answers in 50 ms");
}

#[tokio::test]
async fn a_dropped_session_is_ended() {
    let rig = rig();
    let (light, heavy) = (listener(&rig, "{}"), speaker(&rig, "tts-local"));
    assert_eq!(rig.host.live_sessions(), 2);
    drop((light, heavy));
    until("both seats are given back", || rig.host.live_sessions() == 0).await;
}

#[tokio::test]
async fn an_owner_who_drops_only_the_input_gets_the_end() {
    let rig = rig();
    let SttSession { input, mut events, .. } = listener(&rig, "{}");
    drop(input);
    assert!(matches!(next(&mut events).await, Some(SttEvent::Ended(end)) if end.code() == "done"));
}

#[tokio::test]
async fn a_session_whose_events_are_not_taken_is_told_nothing_more() {
    let rig = rig();
    let mut session = speaker(&rig, "test/probe-tts");
    let mut sent = 0u32;
    // Each text is answered by one event: at some point nothing more goes in, and what went in is bounded.
    while timeout(DEADLINE / 40, session.input.send(TtsInput::Text("x".into()))).await.is_ok() {
        sent += 1;
        assert!(sent < 1000, "never pushed back");
    }
    let mut got = 0;
    while got < sent {
        assert!(matches!(next(&mut session.events).await, Some(TtsEvent::Audio(_))));
        got += 1;
    }
    session.input.send(TtsInput::End).await.unwrap();
    assert!(matches!(next(&mut session.events).await, Some(TtsEvent::Ended(end)) if end.code() == "done"));
}

#[tokio::test]
async fn a_heavy_session_whose_events_are_not_taken_does_not_stop_its_neighbour() {
    let rig = rig();
    let stuck = speaker(&rig, "tts-local");
    let mut free = speaker(&rig, "tts-local");
    let long = "This sentence goes on, and on, and it will be spoken. ".repeat(8);
    for _ in 0..20 {
        stuck.input.send(TtsInput::Text(long.clone())).await.unwrap();
    }
    free.input.send(TtsInput::Text("Good morning.".into())).await.unwrap();
    free.input.send(TtsInput::Flush(1)).await.unwrap();
    let mut bytes = 0;
    loop {
        match next(&mut free.events).await.unwrap() {
            TtsEvent::Audio(samples) => bytes += samples.len(),
            TtsEvent::Flushed(1) => break,
            _ => {}
        }
    }
    assert!(bytes > 8000, "half a second at 8 kHz is 8000 bytes, got {bytes}");
}

#[tokio::test]
async fn cancel_reaches_a_speaker_whose_events_are_not_taken() {
    let rig = rig();
    let mut session = speaker(&rig, "tts-local");
    session.input.send(TtsInput::Text("A sentence that is quite long, as sentences go. ".repeat(200))).await.unwrap();
    session.input.send(TtsInput::Cancel).await.unwrap();
    let mut pieces = 0;
    while !matches!(next(&mut session.events).await.unwrap(), TtsEvent::Cancelled) {
        pieces += 1;
        assert!(pieces < 200, "the whole text was spoken before the cancel");
    }
}

#[tokio::test]
async fn seats_of_heavy_plugins_are_limited_and_come_back() {
    let rig = rig_with(|config| config.heavy.sessions_max_per_thread = 1);
    let plugin = rig.load("tts-local");
    assert_eq!(plugin.descriptor().compute, Compute::Heavy);
    let first = rig.host.open_tts(&plugin, start("{}"), tag()).unwrap();
    assert_eq!(rig.host.open_tts(&plugin, start("{}"), tag()).err(), Some(SessionError::SessionLimit));
    drop(first);
    until("the seat is given back", || rig.host.live_sessions() == 0).await;
    rig.host.open_tts(&plugin, start("{}"), tag()).unwrap();
}

#[tokio::test]
async fn a_host_that_is_dropped_takes_its_heavy_sessions_along() {
    let rig = rig();
    let mut session = speaker(&rig, "tts-local");
    drop(rig);
    assert!(next(&mut session.events).await.is_none());
}
