//! No caller waits for a connection: it is there before the first text, and what is spoken comes over it.

#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "a broken test stops; nobody reads its items")]

use std::time::Duration;
use tokio::time::{interval, timeout};
use vg_plugin_host::api::TtsInput;
use vg_plugin_host::session::{SessionEnd, TtsEvent};
use vg_sim::Rig;

const SPEAKERS: [&str; 6] = ["tts-azure", "tts-elevenlabs", "tts-google", "tts-http", "tts-openai", "tts-polly"];
const PATIENCE: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_is_there_before_the_text_and_carries_the_sound() {
    for name in SPEAKERS {
        let mut rig = Rig::new(name).await.unwrap();
        let options = rig.account().unwrap();
        let format = rig.plugin.descriptor().formats[0];
        let mut session = rig.open_tts(options, format, "en-US").unwrap();
        let connected = async {
            let mut look = interval(Duration::from_millis(5));
            while rig.server.connections() == 0 {
                look.tick().await;
            }
        };
        timeout(PATIENCE, connected).await.unwrap_or_else(|_| panic!("{name} waits for text before it connects"));

        for input in [TtsInput::Text("Good morning.".into()), TtsInput::Flush(1), TtsInput::End] {
            session.input.send(input).await.unwrap();
        }
        let mut bytes = 0;
        let end = loop {
            match timeout(PATIENCE, session.events.recv()).await.unwrap().unwrap() {
                TtsEvent::Audio(samples) => bytes += samples.len(),
                TtsEvent::Ended(end) => break *end,
                _ => {}
            }
        };
        assert_eq!(end, SessionEnd::Done, "{name}");
        assert!(bytes > 0, "{name} says nothing");
        assert_eq!(rig.server.connections(), 1, "{name} does not speak over the connection that it made");
    }
}
