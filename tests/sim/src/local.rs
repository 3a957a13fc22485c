//! The gateway's own recogniser and voice in a simulator: what a caller really said, and speech that can be understood.

use crate::ear::{Heard, Utterance, Word};
use crate::{Format, Speech};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use vg_media::resample::Resampler;
use vg_plugin_host::api::{AudioFormat, Encoding, Now, SessionStart, Transcript};
use vg_plugin_host::recording::{AnyInstance, Said, Told};
use vg_plugin_host::{HostConfig, HostError, LoadError, Plugin, PluginHost};

/// What the speaker gives, and the listener is given of anything but the telephone's rate: it judges narrow sound by other measures.
const RATE_HZ: u32 = 16_000;
const NARROW_HZ: u32 = 8_000;
/// A voice that asks to be called again for ever would hold the simulator.
const CALLS_MAX: usize = 10_000;

/// Why the plugins cannot serve.
#[derive(Debug, thiserror::Error)]
pub enum LocalError {
    /// No host could be made for them.
    #[error("plugin host cannot be started")]
    Host(#[from] HostError),
    /// One of them cannot be loaded.
    #[error("plugin cannot be loaded")]
    Load(#[from] LoadError),
    /// The listener does not start with this grammar.
    #[error("stt-local does not start: is that a grammar of words that it knows?")]
    Grammar,
}

/// Both plugins, loaded.
#[derive(Clone)]
pub struct Local {
    listener: Arc<Plugin>,
    speaker: Arc<Plugin>,
    /// The listener's.
    options: String,
    _host: Arc<PluginHost>,
}

impl Local {
    /// Loads `stt-local.wasm` and `tts-local.wasm` of a folder. `grammar` (JSGF) is what may be said.
    ///
    /// # Errors
    /// See [`LocalError`].
    pub fn load(plugins: &Path, cache: &Path, grammar: &str) -> Result<Self, LocalError> {
        // A vendor finds the pauses itself, and always says something.
        let options = serde_json::json!({ "grammar": grammar, "endpointing": "guest", "reject_below": 0.0 }).to_string();
        let host = PluginHost::new(HostConfig::new(cache))?;
        let local = Self {
            listener: host.load(&plugins.join("stt-local.wasm"))?,
            speaker: host.load(&plugins.join("tts-local.wasm"))?,
            options,
            _host: Arc::new(host),
        };
        match Session::open(&local.listener, RATE_HZ, &local.options).instance {
            Some(_) => Ok(local),
            None => Err(LocalError::Grammar),
        }
    }

    pub(crate) fn ear(&self, format: Format) -> LocalEar {
        let rate_hz = if format.rate_hz == NARROW_HZ { NARROW_HZ } else { RATE_HZ };
        let mut ear = LocalEar {
            session: Session::open(&self.listener, rate_hz, &self.options),
            format,
            resampler: (format.rate_hz != rate_hz).then(|| Resampler::new(format.rate_hz, rate_hz).ok()).flatten(),
            samples: Vec::new(),
            bytes: 0,
            odd: Vec::new(),
        };
        // Silence first: what is loaded at the first sound is loaded before it.
        ear.session.tell(Told::Audio(vec![0; 640]));
        ear
    }

    pub(crate) fn voice(&self, format: Format) -> LocalVoice {
        LocalVoice { speaker: Arc::clone(&self.speaker), format, lock: Arc::default() }
    }
}

/// One session of a plugin that opens no links, driven at once.
struct Session {
    instance: Option<AnyInstance>,
    mono_us: u64,
}

impl Session {
    fn open(plugin: &Plugin, rate_hz: u32, options: &str) -> Self {
        let format = AudioFormat { encoding: Encoding::PcmS16le, rate_hz };
        let mut session = Self { instance: AnyInstance::open(plugin).ok(), mono_us: 0 };
        let start = SessionStart { format, language: "en-US".to_owned(), options: options.to_owned(), seed: [7; 32] };
        session.tell(Told::Start(start));
        session
    }

    /// Everything that is said to this, timers of 0 ms included. A session that fell hears and says nothing more.
    fn tell(&mut self, told: Told) -> Vec<Said> {
        let mut said = Vec::new();
        let mut next = Some(told);
        for _ in 0..CALLS_MAX {
            let (Some(told), Some(instance)) = (next.take(), &mut self.instance) else { break };
            self.mono_us += 1000;
            let now = Now { mono_us: self.mono_us, unix_ms: 1_700_000_000_000 + self.mono_us / 1000 };
            let effects = match instance.handle(now, told) {
                Ok(effects) => effects,
                Err(_fell) => {
                    self.instance = None;
                    break;
                }
            };
            for effect in effects {
                match effect {
                    Said::Timer(timer) if timer.delay_ms == 0 => next = Some(Told::Timer(timer.id)),
                    Said::Done | Said::Fail(_) => self.instance = None,
                    other => said.push(other),
                }
            }
        }
        said
    }
}

/// A recogniser for one stream.
pub struct LocalEar {
    session: Session,
    format: Format,
    resampler: Option<Resampler>,
    samples: Vec<i16>,
    bytes: usize,
    odd: Vec<u8>,
}

impl std::fmt::Debug for LocalEar {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LocalEar").field("format", &self.format).field("bytes", &self.bytes).finish_non_exhaustive()
    }
}

impl LocalEar {
    pub(crate) fn hear(&mut self, bytes: &[u8]) -> Vec<Heard> {
        self.bytes += bytes.len();
        self.odd.extend_from_slice(bytes);
        let whole = self.odd.len() - self.odd.len() % self.format.sample_bytes();
        self.samples.extend(self.format.read(&self.odd[..whole]));
        self.odd.drain(..whole);
        let mut wide = Vec::new();
        match &mut self.resampler {
            None => wide.append(&mut self.samples),
            Some(resampler) => {
                let block = resampler.input_samples();
                let mut out = vec![0; resampler.output_samples()];
                let whole = self.samples.len() - self.samples.len() % block;
                for samples in self.samples[..whole].chunks_exact(block) {
                    resampler.process(samples, &mut out);
                    wide.extend_from_slice(&out);
                }
                self.samples.drain(..whole);
            }
        }
        let pcm = wide.iter().flat_map(|sample| sample.to_le_bytes()).collect();
        heard(self.session.tell(Told::Audio(pcm)))
    }

    pub(crate) fn finalize(&mut self) -> Vec<Heard> {
        heard(self.session.tell(Told::Finalize))
    }

    pub(crate) fn position_ms(&self) -> u64 {
        self.format.ms(self.bytes)
    }
}

fn heard(said: Vec<Said>) -> Vec<Heard> {
    let news = |said| match said {
        Said::SpeechStarted(ms) => Some(Heard::Started(ms)),
        Said::SpeechEnded(ms) => Some(Heard::Ended(ms)),
        Said::Partial(transcript) => utterance(&transcript).map(Heard::Partial),
        Said::Final(transcript) => utterance(&transcript).map(Heard::Final),
        _ => None,
    };
    said.into_iter().filter_map(news).collect()
}

fn utterance(transcript: &Transcript) -> Option<Utterance> {
    let texts: Vec<&str> = transcript.text.split_whitespace().collect();
    // Where the engine gives no places, the words share the utterance evenly.
    let at = |nth: usize| {
        let length = transcript.end_ms.saturating_sub(transcript.start_ms);
        transcript.start_ms + length * nth as u64 / texts.len().max(1) as u64
    };
    let word = |(nth, text): (usize, &&str)| Word { text: (*text).to_owned(), start_ms: at(nth), end_ms: at(nth + 1) };
    let words: Vec<Word> = texts.iter().enumerate().map(word).collect();
    (!words.is_empty()).then_some(Utterance { words })
}

/// A synthesiser.
#[derive(Clone)]
pub struct LocalVoice {
    speaker: Arc<Plugin>,
    format: Format,
    /// One text at a time: a voice is work for a core.
    lock: Arc<Mutex<()>>,
}

impl LocalVoice {
    pub(crate) fn speak(&self, text: &str) -> Speech {
        if text.trim().is_empty() {
            return Speech::default();
        }
        let _alone = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        let mut session = Session::open(&self.speaker, RATE_HZ, "{}");
        let mut said = session.tell(Told::Text(text.to_owned()));
        said.extend(session.tell(Told::Flush(1)));
        let mut pcm = Vec::new();
        let mut words = Vec::new();
        for said in said {
            match said {
                Said::Audio(samples) => pcm.extend(samples),
                Said::Word(word) => words.push(Word { text: word.text, start_ms: word.start_ms, end_ms: word.end_ms }),
                _ => {}
            }
        }
        Speech { samples: self.format.write(&Format::pcm(RATE_HZ).read(&pcm), RATE_HZ), words }
    }
}

impl std::fmt::Debug for Local {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Local").field("options", &self.options).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for LocalVoice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LocalVoice").field("format", &self.format).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gateways_own_ears_understand_the_demos_caller() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let cache = tempfile::tempdir().unwrap();
        let grammar = std::fs::read_to_string(root.join("host/demo/demo.jsgf")).unwrap();
        let local = Local::load(&root.join("target/plugins"), cache.path(), &grammar).unwrap();
        let question = std::fs::read(root.join("host/demo/hours.wav")).unwrap();
        let (format, samples) = Format::of_wav(&question).unwrap();
        let silence = vec![0; 16_000];
        for told in [Format::MULAW, Format::pcm(16_000)] {
            let wire = told.write(&[silence.clone(), format.read(samples), silence.clone()].concat(), format.rate_hz);
            let mut ear = local.ear(told);
            let mut heard: Vec<Heard> = wire.chunks(told.bytes(100)).flat_map(|piece| ear.hear(piece)).collect();
            heard.extend(ear.finalize());
            let finals: Vec<String> =
                heard.iter().filter_map(|h| if let Heard::Final(said) = h { Some(said.text()) } else { None }).collect();
            assert_eq!(finals, ["what are your opening hours tomorrow"], "{told:?}: {heard:?}");
        }
    }
}
