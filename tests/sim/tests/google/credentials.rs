//! Keys, tokens and service accounts, of both plugins.

use super::*;
use vg_plugin_host::api::Remedy;
use vg_plugin_kit::run::Outcome;

const ACCOUNT: &str = include_str!("../../accounts/keys/google-account.json");
const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";

/// A service account whose token endpoint is that of the simulators, with one thing of its file changed.
fn account(rig: &mut Rig, mode: Value, (old, new): (&str, &str)) {
    let file = ACCOUNT.replace("http://127.0.0.1:8090", &rig.server.origin()).replace(old, new);
    let mut spec = mode;
    spec["kind"] = json!("google-service-account");
    spec["ref"] = json!(rig.file("account.json", &file).unwrap());
    rig.secret_spec("service_account", spec).unwrap();
}

const UNCHANGED: (&str, &str) = ("", "");

fn exchange() -> Value {
    json!({ "mode": "exchange", "scope": SCOPE })
}

fn by(auth: &str) -> Value {
    json!({ "auth": auth })
}

/// Code and remedy of a session that failed.
fn fault(outcome: &Outcome) -> (&'static str, Remedy) {
    match &outcome.end {
        Some(SessionEnd::Fault(fault)) => (outcome.code(), fault.remedy),
        end => panic!("{end:?}"),
    }
}

const REFUSED: (&str, Remedy) = ("auth", Remedy::Configuration);

#[tokio::test]
async fn a_listeners_credential_is_a_key_a_token_or_an_account() {
    let mut rig = listener().await;
    rig.secret("api_key", "ya29.FAKE").unwrap();
    let heard = hears(&rig, by("bearer"), MULAW, &recordings()[0]).await;
    assert_eq!(heard.outcome.code(), "done", "{:?}", heard.events);
    for mode in [json!({ "audience": "https://speech.googleapis.com/" }), json!({ "scope": SCOPE }), exchange()] {
        account(&mut rig, mode.clone(), UNCHANGED);
        for mut options in apis() {
            options["auth"] = json!("service_account");
            let heard = hears(&rig, options, MULAW, &recordings()[0]).await;
            assert_eq!(heard.outcome.code(), "done", "{mode}: {:?}", heard.events);
            assert_eq!(heard.words(), recordings()[0].texts().join(" "), "{mode}");
        }
    }
    assert_eq!(rig.sim.offences(), []);
    for auth in ["key", "bearer"] {
        rig.secret("api_key", "wrong").unwrap();
        let heard = hears(&rig, by(auth), MULAW, &recordings()[0]).await;
        assert_eq!(fault(&heard.outcome), REFUSED, "{auth}");
    }
    // For another service.
    account(&mut rig, json!({ "audience": "https://texttospeech.googleapis.com/" }), UNCHANGED);
    let heard = hears(&rig, by("service_account"), MULAW, &recordings()[0]).await;
    assert_eq!(fault(&heard.outcome), REFUSED, "{:?}", heard.events);
}

#[tokio::test]
async fn a_speakers_credential_is_a_key_a_token_or_an_account() {
    let mut rig = speaker().await;
    rig.secret("api_key", "ya29.FAKE").unwrap();
    let modes = [json!({ "audience": "https://texttospeech.googleapis.com/" }), json!({ "scope": SCOPE }), exchange()];
    for mut options in forms() {
        options["auth"] = json!("bearer");
        let spoken = speaks(&rig, options.clone(), MULAW).await;
        assert_eq!(spoken.outcome.code(), "done", "{options}: {:?}", spoken.events.last());
        options["auth"] = json!("service_account");
        for mode in &modes {
            account(&mut rig, mode.clone(), UNCHANGED);
            let spoken = speaks(&rig, options.clone(), MULAW).await;
            assert_eq!(spoken.outcome.code(), "done", "{options} {mode}: {:?}", spoken.events.last());
            assert!(spoken.outcome.sound == sound(&rig, MULAW), "{options} {mode}");
        }
    }
    assert_eq!(rig.sim.offences(), []);
    rig.secret("api_key", "wrong").unwrap();
    account(&mut rig, json!({ "audience": "https://speech.googleapis.com/" }), UNCHANGED);
    for (mut options, auth) in
        forms().into_iter().flat_map(|form| ["key", "bearer", "service_account"].map(|auth| (form.clone(), auth)))
    {
        options["auth"] = json!(auth);
        let spoken = speaks(&rig, options.clone(), MULAW).await;
        assert_eq!(fault(&spoken.outcome), REFUSED, "{options}: {:?}", spoken.events.last());
    }
}

#[tokio::test]
async fn a_token_that_is_not_given_is_a_matter_of_the_configuration_or_of_the_next_provider() {
    let (mut ear, mut mouth) = (listener().await, speaker().await);
    let elsewhere = ("unavailable", Remedy::NextProvider);
    for (status, end) in [(400, REFUSED), (401, REFUSED), (429, elsewhere), (503, elsewhere)] {
        for rig in [&mut ear, &mut mouth] {
            account(rig, exchange(), UNCHANGED);
            rig.sim.inject("google-token", status, None);
        }
        let heard = hears(&ear, by("service_account"), MULAW, &recordings()[0]).await;
        assert_eq!(fault(&heard.outcome), end, "{status}: {:?}", heard.events);
        for mut options in forms() {
            options["auth"] = json!("service_account");
            let spoken = speaks(&mouth, options.clone(), MULAW).await;
            assert_eq!(fault(&spoken.outcome), end, "{status} {options}: {:?}", spoken.events.last());
            assert!(spoken.outcome.sound.is_empty());
        }
        ear.sim.calm();
        mouth.sim.calm();
    }
}

#[tokio::test]
async fn an_account_that_the_endpoint_does_not_know_gets_no_token() {
    let mut rig = listener().await;
    let drive = json!({ "mode": "exchange", "scope": "https://www.googleapis.com/auth/drive" });
    let unknown = ("voice@simulated", "another@simulated");
    let mut wanted = 0;
    for (mode, change) in [(exchange(), unknown), (exchange(), ("fedcba9876543210", "0000000000000000")), (drive, UNCHANGED)] {
        account(&mut rig, mode.clone(), change);
        let heard = hears(&rig, by("service_account"), MULAW, &recordings()[0]).await;
        assert_eq!(fault(&heard.outcome), REFUSED, "{mode} {change:?}: {:?}", heard.events);
        wanted += 1;
        assert!(rig.sim.offences().len() >= wanted, "{mode} {change:?}: nobody saw it");
    }
    assert!(rig.sim.offences().iter().all(|offence| offence.what.starts_with("no token")), "{:?}", rig.sim.offences());
    // The operator permits this machine, and no place that an account's file may name.
    let origin = rig.server.origin();
    account(&mut rig, exchange(), (&origin, "http://127.0.0.1:9"));
    let heard = hears(&rig, by("service_account"), MULAW, &recordings()[0]).await;
    assert_eq!(fault(&heard.outcome), ("unavailable", Remedy::Configuration), "{:?}", heard.events);
}

#[tokio::test]
async fn a_token_that_ends_within_a_call_is_renewed_for_the_next_stream() {
    let (mut rig, whole) = (listener().await, recordings()[0].texts());
    account(&mut rig, exchange(), UNCHANGED);
    // In place of an hour; the host takes half of so short a life.
    rig.sim.inject("google-token-life-s", 2, None);
    let sound = recordings()[0].bytes(Format::MULAW).unwrap();
    let (first, rest) = sound.split_at(8 * 4_100);
    let mut session = rig.open_stt(by("service_account"), MULAW, "en-US").unwrap();
    for chunk in first.chunks(800) {
        session.input.send(SttInput::Audio(chunk.to_vec())).await.unwrap();
    }
    session.input.send(SttInput::Finalize).await.unwrap();
    while !matches!(session.events.recv().await.unwrap(), SttEvent::Finalized) {}
    tokio::time::sleep(Duration::from_millis(2_100)).await;
    for chunk in rest.chunks(800) {
        session.input.send(SttInput::Audio(chunk.to_vec())).await.unwrap();
    }
    session.input.send(SttInput::End).await.unwrap();
    assert_eq!(last_words(&mut session).await, (whole[1].clone(), SessionEnd::Done));
    assert_eq!(rig.sim.offences(), []);
}
