//! plugin-name: text-to-speech over HTTP.
//!
//! The vendor of this template takes `POST /v1/speak` with a JSON body and answers with raw samples as they are made. Put your
//! vendor's request into [`Session::next`].

use vg_plugin_sdk::{
    AudioFormat, Descriptor, Encoding, Fault, FaultKind, Instant, SecretKind, SecretWish, SessionStart, Usage, audio,
    json::{Value, json},
    link::{self, LinkId, LinkInput},
    options,
    tts::{self, Effect, Input, Silence, Texts, TtsPlugin, Woken},
};

vg_plugin_sdk::export_tts!(Session);

const URL: &str = "https://api.example.com/v1/speak";
const SCHEMA: &str = r#"{"type":"object","additionalProperties":false,"properties":{
    "voice":{"type":"string","default":"anna"},
    "endpoint":{"type":"string","description":"scheme://host[:port] in place of the vendor's"}}}"#;

/// No sound of the vendor for so long while it owes some.
const SILENCE_MS: u32 = 5_000;

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
    texts: Texts,
    speaking: Option<Speaking>,
    /// Minds that an owner may be slow to take sound: the vendor is not silent then.
    silence: Silence,
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
            Input::Text(text) => self.texts.add(&text),
            Input::Flush(mark) => self.texts.flush(mark),
            Input::Cancel => {
                self.texts.clear();
                self.silence.stop();
                let close = self.speaking.take().map(|speaking| link::close(speaking.link).into());
                return Ok(close.into_iter().chain([Effect::Cancelled]).collect());
            }
            Input::End => {
                self.ending = true;
                self.texts.end();
            }
            Input::Link(news) => return self.heard(news),
            Input::Timer(id) => {
                return match self.silence.woken(id) {
                    Woken::Silent => Err(Fault::new(FaultKind::Unavailable, "the vendor fell silent")),
                    Woken::Wait(effect) => Ok(effect.into_iter().collect()),
                    // There is no timer of its own yet.
                    Woken::Other => Ok(vec![]),
                };
            }
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

    /// Where nothing is being spoken: the next whole sentences, or the end.
    fn next(&mut self, effects: &mut Vec<Effect>) {
        while self.speaking.is_none() && !matches!(effects.last(), Some(Effect::Fail(_) | Effect::Done)) {
            let Some(piece) = self.texts.take() else {
                return if self.ending { effects.push(Effect::Done) };
            };
            if !piece.is_speech() {
                effects.extend(piece.mark.map(Effect::Flushed));
                continue;
            }
            self.links += 1;
            self.speaking = Some(Speaking { link: self.links, mark: piece.mark, rest: vec![], anything: false });
            effects.push(self.request(&piece.text));
            effects.push(self.silence.within(SILENCE_MS));
            effects.push(Effect::Usage(Usage { audio_ms: 0, characters: piece.text.chars().count() as u64, requests: 1 }));
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
                Ok(audio.into_iter().chain([self.silence.within(SILENCE_MS)]).collect())
            }
            LinkInput::Finished(end) if end.id == speaking.link => {
                if !speaking.anything {
                    return Err(tts::spoke_nothing("the vendor spoke nothing"));
                }
                self.silence.stop();
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
    fn the_first_sentence_is_asked_for_while_the_second_is_still_written() {
        let mut session = testing::tts::<Session>();
        session.start(testing::start("{}"));
        let asked = session.tell(Input::Text("Good morning. How ".to_owned()));
        assert!(matches!(asked[0], Effect::Link(LinkEffect::Http(_))));
    }

    #[test]
    fn sound_that_waits_for_room_is_not_silence() {
        let mut session = asked();
        session.opened(1, 200);
        let effects = session.bytes(1, &[1, 2]);
        let [_, Effect::Timer(quiet)] = &effects[..] else { panic!("{effects:?}") };
        // While the owner has no room the host reads no link and tells no timer of 0 ms, but others.
        let effects = session.tell(Input::Timer(quiet.id));
        assert!(matches!(&effects[..], [Effect::Timer(room)] if room.delay_ms == 0), "{effects:?}");
        assert_eq!(session.bytes(1, &[3, 4])[0], Effect::Audio(vec![3, 4]));
        assert_eq!(session.finished(1, None), [Effect::Flushed(7)]);
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
        assert!(matches!(asked().pass_ms(5_000).last(), Some(Effect::Fail(fault)) if fault.kind == FaultKind::Unavailable));
    }
}
