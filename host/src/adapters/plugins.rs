//! Speech plugins as listeners and speakers of calls: the ports' words on one side, `vg-plugin-host`'s on the other.

use crate::application::ports::{
    Fall, Hearing, HearingEvent, HearingInput, HearingRequest, Listen, Speak, Speaking, SpeakingEvent, SpeakingInput,
    SpeakingRequest,
};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::sync::mpsc::error::TrySendError;
use vg_domain::ids::{CallId, PluginId, TenantId};
use vg_domain::mask::Heard;
use vg_plugin_host::api::{AudioFormat, Encoding, SessionStart, SessionTag, SpeechEdge, SttInput, TtsInput};
use vg_plugin_host::session::{SttEvent, SttSession, TtsEvent, TtsSession};
use vg_plugin_host::{LoadError, Plugin, PluginHost, SessionError};

/// The plugins of a folder, compiled and ready, each by its name.
pub struct Plugins {
    host: PluginHost,
    plugins: BTreeMap<PluginId, Result<Arc<Plugin>, LoadError>>,
}

impl Plugins {
    /// Loads every `<name>.wasm` of a folder. Blocks for seconds where something has to be compiled. A file that cannot be
    /// loaded keeps its place: a call that needs it learns why.
    ///
    /// # Errors
    /// Where the folder cannot be read.
    pub fn load(host: PluginHost, dir: &Path) -> io::Result<Self> {
        let mut plugins = BTreeMap::new();
        for path in components(dir)? {
            let name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
            let plugin = host.load(&path);
            match &plugin {
                Ok(plugin) => tracing::info!(plugin = %name, digest = plugin.digest(), "plugin is ready"),
                Err(error) => tracing::error!(plugin = %name, code = error.code(), %error, "plugin cannot be loaded"),
            }
            plugins.insert(PluginId::new(name), plugin);
        }
        Ok(Self { host, plugins })
    }

    /// `ready`, or the bounded code of why not.
    pub fn state(&self, id: &PluginId) -> &'static str {
        self.plugin(id).map_or_else(|fall| fall.code, |_| "ready")
    }

    /// The host that runs them.
    pub fn host(&self) -> &PluginHost {
        &self.host
    }

    fn plugin(&self, id: &PluginId) -> Result<&Arc<Plugin>, Fall> {
        let fall = |code| Fall { plugin: id.clone(), code };
        match self.plugins.get(id) {
            Some(Ok(plugin)) => Ok(plugin),
            Some(Err(error)) => Err(fall(error.code())),
            None => Err(fall("plugin-missing")),
        }
    }
}

impl Hearing for Plugins {
    fn open(&self, request: HearingRequest) -> Result<Box<dyn Listen>, Fall> {
        let id = request.provider.plugin;
        let plugin = self.plugin(&id)?;
        let format = AudioFormat { encoding: Encoding::PcmS16le, rate_hz: request.rate_hz };
        if !plugin.descriptor().formats.contains(&format) {
            return Err(Fall { plugin: id, code: "unsupported" });
        }
        let start = start(format, request.language, request.provider.options);
        let session = self.host.open_stt(plugin, start, tag(&request.tenant, &request.call));
        let session = session.map_err(|error| fell(&id, &error))?;
        Ok(Box::new(Listener { plugin: id, session }))
    }
}

impl Speaking for Plugins {
    fn open(&self, request: SpeakingRequest) -> Result<Box<dyn Speak>, Fall> {
        let id = request.provider.plugin;
        let plugin = self.plugin(&id)?;
        let linear = |format: &&AudioFormat| format.encoding == Encoding::PcmS16le;
        let formats = &plugin.descriptor().formats;
        // The leg's own rate where it is offered; else the plugin's best, and the Mouth resamples.
        let suits = formats.iter().filter(linear).find(|format| format.rate_hz == request.rate_hz);
        let Some(format) = suits.or_else(|| formats.iter().find(linear)).copied() else {
            return Err(Fall { plugin: id, code: "unsupported" });
        };
        let start = start(format, request.language, request.provider.options);
        let session = self.host.open_tts(plugin, start, tag(&request.tenant, &request.call));
        let session = session.map_err(|error| fell(&id, &error))?;
        Ok(Box::new(Speaker { plugin: id, rate_hz: format.rate_hz, session }))
    }
}

struct Listener {
    plugin: PluginId,
    session: SttSession,
}

impl Listen for Listener {
    fn try_tell(&mut self, input: HearingInput) -> Result<(), HearingInput> {
        let room = match self.session.input.try_reserve() {
            Ok(room) => room,
            Err(TrySendError::Full(())) => return Err(input),
            // The session has ended: its last event says why, and what it is told no longer matters.
            Err(TrySendError::Closed(())) => return Ok(()),
        };
        room.send(match input {
            HearingInput::Audio(pcm) => SttInput::Audio(bytes(&pcm)),
            HearingInput::SpeechStarted(ms) => SttInput::Edge(SpeechEdge::Started(ms)),
            HearingInput::SpeechEnded(ms) => SttInput::Edge(SpeechEdge::Ended(ms)),
            HearingInput::Finalize => SttInput::Finalize,
        });
        Ok(())
    }

    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Option<HearingEvent>> {
        loop {
            let Some(event) = std::task::ready!(self.session.events.poll_recv(cx)) else { return Poll::Ready(None) };
            let event = match event {
                SttEvent::Partial(transcript) => HearingEvent::Partial(Heard::new(transcript.text)),
                SttEvent::Final(transcript) => HearingEvent::Final(Heard::new(transcript.text)),
                SttEvent::Finalized => HearingEvent::Finalized,
                SttEvent::Ended(end) => HearingEvent::Fell(Fall { plugin: self.plugin.clone(), code: end.code() }),
                // Turns are cut by our own edges; usage is accounted by a later issue of the house.
                SttEvent::SpeechStarted(_) | SttEvent::SpeechEnded(_) | SttEvent::Usage(_) => continue,
            };
            return Poll::Ready(Some(event));
        }
    }
}

struct Speaker {
    plugin: PluginId,
    rate_hz: u32,
    session: TtsSession,
}

impl Speak for Speaker {
    fn try_tell(&mut self, input: SpeakingInput) -> Result<(), SpeakingInput> {
        let room = match self.session.input.try_reserve() {
            Ok(room) => room,
            Err(TrySendError::Full(())) => return Err(input),
            Err(TrySendError::Closed(())) => return Ok(()),
        };
        room.send(match input {
            SpeakingInput::Text(text) => TtsInput::Text(text),
            SpeakingInput::Flush(mark) => TtsInput::Flush(mark),
            SpeakingInput::Cancel => TtsInput::Cancel,
        });
        Ok(())
    }

    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Option<SpeakingEvent>> {
        loop {
            let Some(event) = std::task::ready!(self.session.events.poll_recv(cx)) else { return Poll::Ready(None) };
            let event = match event {
                TtsEvent::Audio(bytes) => SpeakingEvent::Audio { rate_hz: self.rate_hz, pcm: samples(&bytes) },
                TtsEvent::Flushed(mark) => SpeakingEvent::Flushed(mark),
                TtsEvent::Cancelled => SpeakingEvent::Cancelled,
                TtsEvent::Ended(end) => SpeakingEvent::Fell(Fall { plugin: self.plugin.clone(), code: end.code() }),
                TtsEvent::Word(_) | TtsEvent::Usage(_) => continue,
            };
            return Poll::Ready(Some(event));
        }
    }
}

/// Every `*.wasm` of a folder, by name.
fn components(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths = std::fs::read_dir(dir)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "wasm"));
    paths.sort();
    Ok(paths)
}

fn start(format: AudioFormat, language: String, options: String) -> SessionStart {
    let mut seed = [0; 32];
    // Without the system's randomness the session still runs; nothing of ours depends on its seed being secret.
    let _ = getrandom::fill(&mut seed);
    SessionStart { format, language, options, seed }
}

fn tag(tenant: &TenantId, call: &CallId) -> SessionTag {
    SessionTag { tenant: tenant.to_string(), call: call.to_string() }
}

fn fell(plugin: &PluginId, error: &SessionError) -> Fall {
    Fall { plugin: plugin.clone(), code: error.code() }
}

fn bytes(pcm: &[i16]) -> Vec<u8> {
    pcm.iter().flat_map(|sample| sample.to_le_bytes()).collect()
}

fn samples(bytes: &[u8]) -> Vec<i16> {
    bytes.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect()
}
