//! One call: chooses the way to talk to ElevenLabs, and keeps count of the sound.

use crate::options::{Options, SCHEMA, Transport};
use crate::protocol::{self, News};
use crate::requests::Requests;
use crate::stream::Stream;
use vg_plugin_sdk::{
    AudioFormat, Descriptor, Encoding, Fault, FaultKind, Features, Instant, SecretKind, SecretWish, SessionStart, audio, options,
    tts::{Effect, Input, TtsPlugin},
};

/// One call.
#[derive(Debug, Default)]
pub(crate) struct Session {
    talk: Option<Talk>,
}

#[derive(Debug)]
enum Talk {
    Stream(Stream),
    Requests(Box<Requests>),
}

impl TtsPlugin for Session {
    fn descriptor() -> Descriptor {
        let format = |encoding, rate_hz| AudioFormat { encoding, rate_hz };
        let languages = ["en-US", "en-GB", "pt-BR", "es-ES", "es-MX", "es-US", "fr-FR", "de-DE", "it-IT"];
        let regions = ["api", "api.us", "api.eu.residency", "api.in.residency", "api.sg.residency"];
        let hosts = regions.iter().flat_map(|region| ["wss", "https"].map(|scheme| format!("{scheme}://{region}.elevenlabs.io")));
        Descriptor {
            formats: vec![
                format(Encoding::Mulaw, 8_000),
                format(Encoding::Alaw, 8_000),
                format(Encoding::PcmS16le, 16_000),
                format(Encoding::PcmS16le, 8_000),
                format(Encoding::PcmS16le, 24_000),
                format(Encoding::PcmS16le, 48_000),
            ],
            languages: languages.map(str::to_owned).to_vec(),
            features: Features::WORD_TIMES | Features::INCREMENTAL_TEXT,
            options_schema: SCHEMA.to_owned(),
            hosts: hosts.collect(),
            secrets: vec![SecretWish {
                name: "api_key".to_owned(),
                kind: SecretKind::Fixed,
                why: "an ElevenLabs API key (xi-api-key)".to_owned(),
            }],
            ..Descriptor::tts("tts-elevenlabs", env!("CARGO_PKG_VERSION"))
        }
    }

    fn new() -> Self {
        Self::default()
    }

    fn handle(&mut self, _now: Instant, input: Input) -> Vec<Effect> {
        self.react(input).unwrap_or_else(|fault| vec![Effect::Fail(fault)])
    }
}

impl Session {
    fn react(&mut self, input: Input) -> Result<Vec<Effect>, Fault> {
        match (&mut self.talk, input) {
            (None, Input::Start(start)) => {
                let (talk, effects) = open(&start)?;
                self.talk = Some(talk);
                Ok(effects)
            }
            (Some(Talk::Stream(stream)), input) => stream.react(input),
            (Some(Talk::Requests(requests)), input) => requests.react(input),
            (None, _) => Err(Fault::new(FaultKind::Internal, "told something before its start")),
        }
    }
}

fn open(start: &SessionStart) -> Result<(Talk, Vec<Effect>), Fault> {
    let options = Options::read(&start.options)?;
    let name = protocol::output_format(start.format)
        .ok_or_else(|| Fault::new(FaultKind::Unsupported, format!("{} Hz is not offered", start.format.rate_hz)))?;
    let url = protocol::url(&options, name, &start.language);
    let url = if options.endpoint.is_some() { options::endpoint(&start.options, &url)? } else { url };
    let sound = Sound { format: start.format, whole: audio::Whole::default(), bytes: 0 };
    Ok(match options.transport {
        Transport::Websocket => {
            let (stream, effects) = Stream::open(url, &options, sound);
            (Talk::Stream(stream), effects)
        }
        Transport::Stream | Transport::Timestamps => {
            let (requests, effects) = Requests::open(url, options, start.language.clone(), sound);
            (Talk::Requests(Box::new(requests)), effects)
        }
    })
}

/// The session's sound so far: places of words are counted from its first sample.
#[derive(Debug)]
pub(crate) struct Sound {
    format: AudioFormat,
    whole: audio::Whole,
    bytes: u64,
}

impl Sound {
    /// Words and whole samples, in this order.
    pub(crate) fn give(&mut self, news: News, effects: &mut Vec<Effect>) {
        let per_second = u64::from(self.format.rate_hz) * audio::sample_bytes(self.format.encoding) as u64;
        let begins_ms = self.bytes * 1000 / per_second;
        effects.extend(news.words.into_iter().map(|mut word| {
            word.start_ms += begins_ms;
            word.end_ms += begins_ms;
            Effect::Word(word)
        }));
        self.bytes += news.audio.len() as u64;
        let samples = self.whole.samples(self.format.encoding, news.audio);
        if !samples.is_empty() {
            effects.push(Effect::Audio(samples));
        }
    }

    /// Half a sample was left at the end of what was to be spoken.
    pub(crate) fn is_cut(&self) -> bool {
        self.whole.is_cut()
    }

    /// What was being spoken is given up: half a sample of it must not join the next.
    pub(crate) fn forget(&mut self) {
        self.whole = audio::Whole::default();
    }
}
