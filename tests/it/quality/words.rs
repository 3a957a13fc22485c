//! What the recogniser that ships with the gateway understands of a call.

use crate::call::{Heard, call};
use std::path::Path;
use std::sync::Arc;
use vg_media::codec::g711;
use vg_media::link::Weather;
use vg_media::{Codec, Edge};
use vg_plugin_host::api::{AudioFormat, Encoding, Now, SessionStart, SpeechEdge, SttEffect, SttInput};
use vg_plugin_host::{HostConfig, Plugin, PluginHost};

const NOW: Now = Now { mono_us: 0, unix_ms: 0 };
/// Room tone before the words, in samples at 8 kHz.
const LEAD: usize = 8_000;

/// The component `stt-local`.
pub(crate) struct Recogniser {
    _host: PluginHost,
    plugin: Arc<Plugin>,
}

impl Recogniser {
    pub(crate) fn load() -> Self {
        let repo = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let component = repo.join("target/plugins/stt-local.wasm");
        assert!(component.is_file(), "{} is missing: run cargo xtask plugins", component.display());
        let host = PluginHost::new(HostConfig::new(repo.join("target/tmp/stt-local-cache"))).unwrap();
        let plugin = host.load(&component).unwrap();
        Self { _host: host, plugin }
    }

    /// What it makes of speech at 8 kHz that goes through mu-law, the network, the jitter buffer and concealment.
    pub(crate) fn understands(&self, said: &[i16], options: &str, weather: Weather, seed: u64) -> (String, Heard) {
        let heard = call(Codec::Pcmu, &[&[0; LEAD][..], said].concat(), weather, seed);
        let mut session = self.plugin.instantiate_stt().unwrap();
        let format = AudioFormat { encoding: Encoding::Mulaw, rate_hz: 8_000 };
        let start = SessionStart { format, language: "en-US".into(), options: options.into(), seed: [0; 32] };
        let refused = session.handle(NOW, SttInput::Start(Box::new(start))).unwrap();
        assert!(refused.is_empty(), "{refused:?}");
        let mut text = String::new();
        let mut take = |effects: Vec<SttEffect>| {
            for effect in effects {
                if let SttEffect::Final(transcript) = effect {
                    text = format!("{text} {}", transcript.text).trim().to_owned();
                }
            }
        };
        // A turn of the caller: from the first word to the pause after the last.
        let started = heard.edges.iter().find(|(_, edge)| matches!(edge, Edge::SpeechStarted { .. }));
        let ended = heard.edges.iter().rfind(|(_, edge)| matches!(edge, Edge::SpeechEnded { .. }));
        for (index, frame) in heard.line.chunks(160).enumerate() {
            let mut wire = vec![0; frame.len()];
            g711::encode_ulaw(frame, &mut wire);
            take(session.handle(NOW, SttInput::Audio(wire)).unwrap());
            for (_, edge) in [started, ended].into_iter().flatten().filter(|(samples, _)| *samples == (index + 1) * 160) {
                let edge = match *edge {
                    Edge::SpeechStarted { position_ms, .. } => SpeechEdge::Started(position_ms),
                    Edge::SpeechEnded { position_ms, .. } => SpeechEdge::Ended(position_ms),
                };
                take(session.handle(NOW, SttInput::Edge(edge)).unwrap());
            }
        }
        take(session.handle(NOW, SttInput::Finalize).unwrap());
        (text, heard)
    }
}
