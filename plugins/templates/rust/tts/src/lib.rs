//! plugin-name: text-to-speech over HTTP.
//!
//! The vendor of this template takes `POST /v1/speak` with a JSON body and answers with raw samples as they are made. Put your
//! vendor's request into [`Session::next`].

use std::collections::VecDeque;
use vg_plugin_sdk::{
    AudioFormat, Descriptor, Encoding, Fault, FaultKind, Instant, SecretKind, SecretWish, SessionStart, Usage, audio,
    json::{Value, json},
    link::{self, LinkId, LinkInput},
    options,
    tts::{Effect, Input, Timer, TtsPlugin},
};

vg_plugin_sdk::export_tts!(Session);

const URL: &str = "https://api.example.com/v1/speak";
const SCHEMA: &str = r#"{"type":"object","additionalProperties":false,"properties":{
    "voice":{"type":"string","default":"anna"},
    "endpoint":{"type":"string","description":"scheme://host[:port] in place of the vendor's"}}}"#;

/// No news of the vendor for so long while it owes audio.
const SILENCE: Timer = Timer { id: 1, delay_ms: 5_000 };

/// A text that is to be spoken, and the mark to give after its last sample.
#[derive(Debug)]
struct Order {
    text: String,
    mark: Option<u32>,
}

/// What the vendor is speaking.
#[derive(Debug)]
struct Speaking {
    link: LinkId,
    mark: Option<u32>,
    /// Bytes of a sample that is not whole yet.
    rest: Vec<u8>,
    anything: bool,
}

/// One reply, or several one after another.
#[derive(Debug, Default)]
pub struct Session {
    url: String,
    voice: String,
    language: String,
    format: Option<AudioFormat>,
    text: String,
    orders: VecDeque<Order>,
    speaking: Option<Speaking>,
    links: LinkId,
    ending: bool,
}

impl TtsPlugin for Session {
    fn descriptor() -> Descriptor {
        let format = |encoding, rate_hz| AudioFormat { encoding, rate_hz };
        Descriptor {
            formats: vec![
                format(Encoding::PcmS16le, 16_000),
                format(Encoding::PcmS16le, 8_000),
                format(Encoding::Mulaw, 8_000),
            ],
            languages: vec!["en-US".to_owned()],
            options_schema: SCHEMA.to_owned(),
            hosts: vec!["https://api.example.com".to_owned()],
            secrets: vec![SecretWish {
                name: "api_key".to_owned(),
                kind: SecretKind::Fixed,
                why: "the vendor's key".to_owned(),
            }],
            ..Descriptor::tts("plugin-name", env!("CARGO_PKG_VERSION"))
        }
    }

    fn new() -> Self {
        Self::default()
    }

    fn handle(&mut self, _now: Instant, input: Input) -> Vec<Effect> {
        let done = self.react(input);
        done.map_or_else(|fault| vec![Effect::Fail(fault)], |mut effects| {
            self.next(&mut effects);
            effects
        })
    }
}

impl Session {
    fn react(&mut self, input: Input) -> Result<Vec<Effect>, Fault> {
        match input {
            Input::Start(start) => self.prepare(&start)?,
            Input::Text(text) => self.text.push_str(&text),
            Input::Flush(mark) => self.order(Some(mark)),
            Input::Cancel => {
                self.text.clear();
                self.orders.clear();
                let close = self.speaking.take().map(|speaking| link::close(speaking.link).into());
                return Ok(close.into_iter().chain([Effect::Cancelled]).collect());
            }
            Input::End => {
                self.ending = true;
                self.order(None);
            }
            Input::Link(news) => return self.heard(news),
            Input::Timer(_) if self.speaking.is_some() => {
                return Err(Fault::new(FaultKind::Unavailable, "the vendor fell silent"));
            }
            Input::Timer(_) => {}
        }
        Ok(vec![])
    }

    fn prepare(&mut self, start: &SessionStart) -> Result<(), Fault> {
        if start.format.encoding == Encoding::Alaw {
            return Err(Fault::new(FaultKind::Unsupported, "A-law is not offered"));
        }
        let options = options::object(&start.options)?;
        self.voice = options.get("voice").and_then(Value::as_str).unwrap_or("anna").to_owned();
        self.url = options::endpoint(&start.options, URL)?;
        self.language.clone_from(&start.language);
        self.format = Some(start.format);
        Ok(())
    }

    fn order(&mut self, mark: Option<u32>) {
        self.orders.push_back(Order { text: std::mem::take(&mut self.text), mark });
    }

    /// Where nothing is being spoken: the next order, or the end.
    fn next(&mut self, effects: &mut Vec<Effect>) {
        while self.speaking.is_none() && !matches!(effects.last(), Some(Effect::Fail(_) | Effect::Done)) {
            let Some(Order { text, mark }) = self.orders.pop_front() else {
                return if self.ending { effects.push(Effect::Done) };
            };
            if text.trim().is_empty() {
                effects.extend(mark.map(Effect::Flushed));
                continue;
            }
            self.links += 1;
            self.speaking = Some(Speaking { link: self.links, mark, rest: vec![], anything: false });
            effects.push(self.request(&text));
            effects.push(Effect::Timer(SILENCE));
            effects.push(Effect::Usage(Usage { audio_ms: 0, characters: text.chars().count() as u64, requests: 1 }));
        }
    }

    fn request(&self, text: &str) -> Effect {
        let (encoding, rate_hz) = match self.format {
            Some(AudioFormat { encoding: Encoding::Mulaw, rate_hz }) => ("mulaw", rate_hz),
            Some(AudioFormat { rate_hz, .. }) => ("pcm", rate_hz),
            None => ("pcm", 16_000),
        };
        let body = json!({ "text": text, "voice": self.voice, "language": self.language, "encoding": encoding, "rate": rate_hz });
        link::http(self.links, "POST", self.url.clone())
            .header("authorization", "Bearer {secret:api_key}")
            .header("content-type", "application/json")
            .body(body.to_string())
            .into()
    }

    fn heard(&mut self, news: LinkInput) -> Result<Vec<Effect>, Fault> {
        let sample_bytes = self.format.map_or(1, |format| audio::sample_bytes(format.encoding));
        // News of a link that was cancelled is for nobody.
        let Some(speaking) = self.speaking.as_mut() else { return Ok(vec![]) };
        match news {
            LinkInput::Opened(head) if head.id == speaking.link => match Fault::of_status(head.status, &head.headers) {
                Some(fault) => Err(fault),
                None if head.status == 200 => match link::field(&head.headers, "content-type") {
                    // A page for a person, of a proxy perhaps, is not to be spoken.
                    Some(kind) if !(kind.starts_with("audio/") || kind.starts_with("application/octet-stream")) => {
                        Err(Fault::new(FaultKind::Protocol, "the vendor answered with something that is no sound"))
                    }
                    _ => Ok(vec![]),
                },
                None => Err(Fault::new(FaultKind::Protocol, format!("status {}", head.status))),
            },
            LinkInput::Bytes(piece) if piece.id == speaking.link => {
                speaking.anything |= !piece.data.is_empty();
                let mut samples = std::mem::take(&mut speaking.rest);
                samples.extend(piece.data);
                speaking.rest = samples.split_off(samples.len() - samples.len() % sample_bytes);
                let audio = (!samples.is_empty()).then_some(Effect::Audio(samples));
                Ok(audio.into_iter().chain([Effect::Timer(SILENCE)]).collect())
            }
            LinkInput::Finished(end) if end.id == speaking.link => {
                if !speaking.anything {
                    return Err(Fault::new(FaultKind::EmptyResult, "the vendor spoke nothing"));
                }
                let mark = speaking.mark;
                self.speaking = None;
                Ok(mark.map(Effect::Flushed).into_iter().collect())
            }
            LinkInput::Failed(failed) if failed.id == speaking.link => Err(Fault::of_link(&failed)),
            _ => Ok(vec![]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vg_plugin_sdk::{link::LinkEffect, testing};

    fn asked() -> testing::Session<Input, Effect> {
        let mut session = testing::tts::<Session>();
        let format = AudioFormat { encoding: Encoding::PcmS16le, rate_hz: 16_000 };
        assert_eq!(session.start(SessionStart { format, ..testing::start("{}") }), []);
        session.tell(Input::Text("Good morning.".to_owned()));
        assert!(matches!(session.tell(Input::Flush(7))[0], Effect::Link(LinkEffect::Http(_))));
        session
    }

    #[test]
    fn samples_stay_whole_and_the_mark_comes_last() {
        let mut session = asked();
        session.opened(1, 200);
        assert_eq!(session.bytes(1, &[1, 2, 3])[0], Effect::Audio(vec![1, 2]));
        assert_eq!(session.bytes(1, &[4])[0], Effect::Audio(vec![3, 4]));
        assert_eq!(session.finished(1, None), [Effect::Flushed(7)]);
        assert_eq!(session.tell(Input::End), [Effect::Done]);
    }

    #[test]
    fn nothing_is_heard_of_what_was_cancelled() {
        let mut session = asked();
        assert_eq!(session.tell(Input::Cancel), [link::close(1).into(), Effect::Cancelled]);
        assert_eq!(session.bytes(1, &[1, 2]), []);
        assert_eq!(session.pass_ms(10_000), []);
    }

    #[test]
    fn every_bad_day_ends_in_a_fault() {
        assert!(matches!(&asked().opened(1, 403)[..], [Effect::Fail(fault)] if fault.kind == FaultKind::Auth));
        let page = asked().opened_with(1, 200, &[("content-type", "text/html")]);
        assert!(matches!(&page[..], [Effect::Fail(fault)] if fault.kind == FaultKind::Protocol));
        assert!(matches!(&asked().finished(1, None)[..], [Effect::Fail(fault)] if fault.kind == FaultKind::EmptyResult));
        assert!(matches!(&asked().pass_ms(5_000)[..], [Effect::Fail(fault)] if fault.kind == FaultKind::Unavailable));
    }
}
