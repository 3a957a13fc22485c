//! One call: chooses the way to talk to ElevenLabs, and keeps count of the sound.

use crate::options::{Options, SCHEMA, Transport};
use crate::protocol::{self, Letter, News};
use crate::requests::Requests;
use crate::stream::Stream;
use vg_plugin_sdk::{
    AudioFormat, Descriptor, Encoding, Fault, FaultKind, Features, Instant, SecretKind, SecretWish, SessionStart, Word, audio,
    options,
    tts::{Effect, Input, TtsPlugin},
};

/// One call.
#[derive(Debug, Default)]
pub(crate) struct Session {
    talk: Option<Talk>,
}

#[derive(Debug)]
enum Talk {
    Stream(Box<Stream>),
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
    let places = if options.transport == Transport::Timestamps { Places::OfReply } else { Places::OfMessage };
    let sound = Sound::new(start.format, places);
    Ok(match options.transport {
        Transport::Websocket => {
            let (stream, effects) = Stream::open(url, &options, sound);
            (Talk::Stream(Box::new(stream)), effects)
        }
        Transport::Stream | Transport::Timestamps => {
            let (requests, effects) = Requests::open(url, options, start.language.clone(), sound);
            (Talk::Requests(Box::new(requests)), effects)
        }
    })
}

/// From where the places of letters are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Places {
    /// From the first sample of the message's own sound: a socket.
    OfMessage,
    /// From the first sample of the reply: an answer with timestamps. Where they go back they are of each line after all.
    OfReply,
}

/// The session's sound so far: places of words are counted from its first sample.
#[derive(Debug)]
pub(crate) struct Sound {
    format: AudioFormat,
    places: Places,
    whole: audio::Whole,
    bytes: u64,
    reply_ms: u64,
    words_end_ms: u64,
    /// A word that may go on in the next message.
    open: Option<Word>,
}

impl Sound {
    pub(crate) fn new(format: AudioFormat, places: Places) -> Self {
        Self { format, places, whole: audio::Whole::default(), bytes: 0, reply_ms: 0, words_end_ms: 0, open: None }
    }

    /// Words and whole samples, in this order.
    pub(crate) fn give(&mut self, news: News, effects: &mut Vec<Effect>) {
        self.place(news.letters, effects);
        self.bytes += news.audio.len() as u64;
        let samples = self.whole.samples(self.format.encoding, news.audio);
        if !samples.is_empty() {
            effects.push(Effect::Audio(samples));
        }
    }

    fn place(&mut self, letters: Vec<Letter>, effects: &mut Vec<Effect>) {
        let Some(first) = letters.first() else { return };
        if self.places == Places::OfReply && self.words_end_ms > self.reply_ms && self.reply_ms + first.end_ms < self.words_end_ms
        {
            self.places = Places::OfMessage;
        }
        let begins_ms = match self.places {
            Places::OfMessage => self.now_ms(),
            Places::OfReply => self.reply_ms,
        };
        for Letter { text, start_ms, end_ms } in letters {
            if text.trim().is_empty() {
                self.say(effects);
                continue;
            }
            let (start_ms, end_ms) = (begins_ms + start_ms, begins_ms + end_ms);
            self.words_end_ms = self.words_end_ms.max(end_ms);
            match &mut self.open {
                Some(word) => {
                    word.text.push_str(&text);
                    word.end_ms = word.end_ms.max(end_ms);
                }
                None => self.open = Some(Word { text, start_ms, end_ms, confidence: None }),
            }
        }
    }

    fn say(&mut self, effects: &mut Vec<Effect>) {
        effects.extend(self.open.take().map(Effect::Word));
    }

    fn now_ms(&self) -> u64 {
        let per_second = u64::from(self.format.rate_hz) * audio::sample_bytes(self.format.encoding) as u64;
        self.bytes * 1000 / per_second
    }

    /// All of a reply came. Whether it was cut: half a sample was left.
    pub(crate) fn end(&mut self, effects: &mut Vec<Effect>) -> bool {
        self.say(effects);
        self.reply_ms = self.now_ms();
        self.whole.is_cut()
    }

    /// What was being spoken is given up: half a sample or a word of it must not join the next.
    pub(crate) fn forget(&mut self) {
        self.whole = audio::Whole::default();
        self.open = None;
        self.reply_ms = self.now_ms();
    }
}
