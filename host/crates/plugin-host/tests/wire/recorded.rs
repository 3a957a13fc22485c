//! A session that the host signed for, recorded and run again where there is no key.

use crate::{DEADLINE, grant, rig, start, tag};
use serde_json::json;
use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;
use tokio::time::timeout;
use vg_plugin_host::api::SttInput;
use vg_plugin_host::links::secrets::SecretSpec;
use vg_plugin_host::links::{Links, LinksConfig};
use vg_plugin_host::recording::{Recorder, Recording, Replay, Words, replay};
use vg_plugin_host::session::{Opening, SttEvent};

const KEY: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

#[derive(Clone, Default)]
struct Paper(Arc<Mutex<Vec<u8>>>);

impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_signed_session_runs_again_without_its_key() {
    let rig = rig();
    // Takes the connection and says nothing that HTTP/2 would understand.
    let vendor = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", vendor.local_addr().unwrap());
    let key = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(key.path(), json!({ "access_key_id": "AKIDEXAMPLE", "secret_access_key": KEY }).to_string()).unwrap();
    let spec = SecretSpec::AwsCredentials {
        reference: format!("file:{}", key.path().display()),
        profile: None,
        hosts: Some(vec![origin.clone()]),
        regions: vec!["eu-central-1".into()],
        service: "transcribe".into(),
    };
    let grant = grant(vec![origin.parse().unwrap()], "aws", spec);
    let plugin = rig.load("test/probe-stt");
    let paper = Paper::default();
    let opening = Opening {
        door: Some(Box::new(Links::new(LinksConfig::default()).unwrap().door(Arc::new(grant)))),
        recorder: Some(Recorder::new(&plugin, Words::Hashed, Box::new(paper.clone()))),
        ..Opening::from(tag())
    };
    let asks = json!([{ "url": format!("{origin}/stream"), "signed_by": "aws" }]);
    let options = json!({ "behave": "curious", "at": 1, "asks": asks }).to_string();
    let mut session = rig.host.open_stt(&plugin, start(&options), opening).unwrap();
    session.input.send(SttInput::Audio(vec![0; 320])).await.unwrap();
    let signature = loop {
        match timeout(DEADLINE, session.events.recv()).await.unwrap().unwrap() {
            SttEvent::Final(said) => break said.text.strip_prefix("signed ").expect(&said.text).to_owned(),
            SttEvent::Partial(_) => {}
            other => panic!("{other:?}"),
        }
    };
    assert!(signature.len() == 64 && signature.bytes().all(|byte| byte.is_ascii_hexdigit()), "{signature}");
    session.input.send(SttInput::End).await.unwrap();
    while timeout(DEADLINE, session.events.recv()).await.unwrap().is_some() {}

    let text = String::from_utf8(paper.0.lock().unwrap().clone()).unwrap();
    assert!(text.contains(&signature) && !text.contains(KEY));
    let recording = Recording::read(text.as_bytes()).unwrap();
    let turns = recording.turns.len();
    assert_eq!(replay(&plugin, &recording).unwrap(), Replay::Same { turns });
    // Another answer is another session: what is compared is really what was signed.
    let forged =
        text.replacen(&format!(r#""signatures":["{signature}"]"#), &format!(r#""signatures":["{}"]"#, "0".repeat(64)), 1);
    assert_ne!(forged, text);
    let forged = Recording::read(forged.as_bytes()).unwrap();
    assert!(matches!(replay(&plugin, &forged).unwrap(), Replay::Differs(_)));
}
