//! plugin-name: speech-to-text over a WebSocket.
//!
//! The vendor of this template takes binary messages of audio and answers with JSON:
//! `{"type":"partial"|"final","text","start_ms","end_ms"}`, `{"type":"finalized"}` after our `{"type":"finalize"}`, and
//! `{"type":"error","code","retry_after_ms"?}`. Put your vendor's words into [`Session::told`] and [`vendor_fault`].

use vg_plugin_sdk::{
    AudioFormat, Descriptor, Encoding, Fault, FaultKind, Features, Instant, SecretKind, SecretWish, SessionStart, Transcript, Usage,
    json::Value,
    link::{self, LinkInput},
    options,
    stt::{AudioRoute, Effect, Input, SttPlugin, Timer},
};

vg_plugin_sdk::export_stt!(Session);

const URL: &str = "wss://api.example.com/v1/listen";
const SCHEMA: &str = r#"{"type":"object","additionalProperties":false,"properties":{
    "model":{"type":"string","default":"general","pattern":"^[a-z0-9-]+$"},
    "endpoint":{"type":"string","description":"scheme://host[:port] in place of the vendor's"}}}"#;

const VENDOR: link::LinkId = 1;
const FIRST_ANSWER: Timer = Timer { id: 1, delay_ms: 5_000 };
const FINALIZED: Timer = Timer { id: 2, delay_ms: 3_000 };
const END: Timer = Timer { id: 3, delay_ms: 3_000 };

/// One call.
#[derive(Debug, Default)]
pub struct Session {
    began_us: u64,
    opened: bool,
    /// Answers to `finalize` that are owed.
    finalizing: u32,
    ending: bool,
    /// Where the last final ended: a vendor that says one twice is heard once.
    finals_end_ms: u64,
}

impl SttPlugin for Session {
    fn descriptor() -> Descriptor {
        let format = |encoding, rate_hz| AudioFormat { encoding, rate_hz };
        Descriptor {
            formats: vec![
                format(Encoding::PcmS16le, 16_000),
                format(Encoding::PcmS16le, 8_000),
                format(Encoding::Mulaw, 8_000),
            ],
            languages: vec!["en-US".to_owned()],
            features: Features::INTERIM | Features::FINALIZE,
            options_schema: SCHEMA.to_owned(),
            hosts: vec!["wss://api.example.com".to_owned()],
            secrets: vec![SecretWish {
                name: "api_key".to_owned(),
                kind: SecretKind::Fixed,
                why: "the vendor's key".to_owned(),
            }],
            ..Descriptor::stt("plugin-name", env!("CARGO_PKG_VERSION"))
        }
    }

    fn new() -> Self {
        Self::default()
    }

    fn handle(&mut self, now: Instant, input: Input) -> Vec<Effect> {
        self.react(now, input).unwrap_or_else(|fault| vec![Effect::Fail(fault)])
    }
}

impl Session {
    fn react(&mut self, now: Instant, input: Input) -> Result<Vec<Effect>, Fault> {
        match input {
            Input::Start(start) => {
                self.began_us = now.mono_us;
                open(&start)
            }
            Input::Finalize => {
                self.finalizing += 1;
                Ok(vec![link::send_text(VENDOR, r#"{"type":"finalize"}"#).into(), Effect::Timer(FINALIZED)])
            }
            Input::End => {
                self.ending = true;
                Ok(vec![
                    link::send_text(VENDOR, r#"{"type":"end"}"#).into(),
                    link::finish(VENDOR).into(),
                    Effect::Timer(END),
                ])
            }
            Input::Link(news) => self.heard(now, news),
            Input::Timer(id) => self.woken(now, id),
            // Audio goes to the vendor by itself; the vendor finds the edges.
            Input::Audio(_) | Input::Edge(_) => Ok(vec![]),
        }
    }

    fn heard(&mut self, now: Instant, news: LinkInput) -> Result<Vec<Effect>, Fault> {
        match news {
            LinkInput::Opened(head) => match Fault::of_status(head.status, &head.headers) {
                Some(fault) => Err(fault),
                None if head.status == 101 => {
                    self.opened = true;
                    Ok(vec![])
                }
                None => Err(Fault::new(FaultKind::Protocol, format!("status {} instead of a WebSocket", head.status))),
            },
            LinkInput::Text(message) => self.told(&message.data),
            LinkInput::Finished(_) if self.ending => Ok(self.done(now)),
            LinkInput::Finished(end) => Err(Fault::new(FaultKind::Unavailable, format!("the vendor hung up: {:?}", end.code))),
            LinkInput::Failed(failed) => Err(Fault::of_link(&failed)),
            _ => Ok(vec![]),
        }
    }

    fn told(&mut self, message: &str) -> Result<Vec<Effect>, Fault> {
        let broken = |_| Fault::new(FaultKind::Protocol, "a message of the vendor is no JSON");
        let message: Value = vg_plugin_sdk::json::from_str(message).map_err(broken)?;
        match message["type"].as_str() {
            Some("partial") => {
                let heard = transcript(&message, None);
                // One that comes after its final is stale.
                Ok(if heard.end_ms <= self.finals_end_ms { vec![] } else { vec![Effect::Partial(heard)] })
            }
            Some("final") => {
                let said = transcript(&message, Some(1.0));
                let again = said.end_ms <= self.finals_end_ms;
                self.finals_end_ms = self.finals_end_ms.max(said.end_ms);
                Ok(if again { vec![] } else { vec![Effect::Final(said)] })
            }
            Some("finalized") if self.finalizing > 0 => {
                self.finalizing -= 1;
                Ok(vec![Effect::Finalized])
            }
            Some("error") => Err(vendor_fault(&message)),
            // What a vendor adds later is not for this version.
            Some(_) => Ok(vec![]),
            None => Err(Fault::new(FaultKind::Protocol, "a message of the vendor has no type")),
        }
    }

    fn woken(&mut self, now: Instant, id: u32) -> Result<Vec<Effect>, Fault> {
        let late = |what: &str| Err(Fault::new(FaultKind::Unavailable, format!("the vendor did not {what} in time")));
        match id {
            _ if id == FIRST_ANSWER.id && !self.opened => late("answer"),
            _ if id == FINALIZED.id && self.finalizing > 0 => late("finalize"),
            _ if id == END.id && self.ending => Ok([vec![link::close(VENDOR).into()], self.done(now)].concat()),
            _ => Ok(vec![]),
        }
    }

    fn done(&mut self, now: Instant) -> Vec<Effect> {
        let audio_ms = (now.mono_us - self.began_us) / 1_000;
        // The vendor has hung up: what was to be finalized is final.
        let mut effects = vec![Effect::Finalized; std::mem::take(&mut self.finalizing) as usize];
        effects.extend([Effect::Usage(Usage { audio_ms, characters: 0, requests: 1 }), Effect::Done]);
        effects
    }
}

fn open(start: &SessionStart) -> Result<Vec<Effect>, Fault> {
    let encoding = match start.format.encoding {
        Encoding::PcmS16le => "pcm",
        Encoding::Mulaw => "mulaw",
        Encoding::Alaw => return Err(Fault::new(FaultKind::Unsupported, "A-law is not offered")),
    };
    let options = options::object(&start.options)?;
    let model = options.get("model").and_then(Value::as_str).unwrap_or("general");
    let url = options::endpoint(&start.options, URL)?;
    let url = format!("{url}?model={model}&encoding={encoding}&rate={}&language={}", start.format.rate_hz, start.language);
    Ok(vec![
        link::websocket(VENDOR, url).header("authorization", "Bearer {secret:api_key}").into(),
        // The host forwards each chunk without calling this plugin, also while the link is being opened.
        Effect::RouteAudio(AudioRoute { link: VENDOR, prefix: vec![] }),
        Effect::Timer(FIRST_ANSWER),
    ])
}

fn transcript(message: &Value, stability: Option<f32>) -> Transcript {
    let ms = |name: &str| message[name].as_u64().unwrap_or_default();
    Transcript {
        text: message["text"].as_str().unwrap_or_default().to_owned(),
        language: None,
        confidence: message["confidence"].as_f64().map(|confidence| confidence as f32),
        stability,
        start_ms: ms("start_ms"),
        end_ms: ms("end_ms"),
        words: vec![],
    }
}

fn vendor_fault(message: &Value) -> Fault {
    let kind = match message["code"].as_str() {
        Some("unauthorized") => FaultKind::Auth,
        Some("rate_limited") => FaultKind::Quota(message["retry_after_ms"].as_u64()),
        Some("bad_audio") => FaultKind::BadAudio,
        _ => FaultKind::Unavailable,
    };
    Fault::new(kind, "the vendor reported an error")
}

#[cfg(test)]
mod tests {
    use super::*;
    use vg_plugin_sdk::{link::LinkErrorKind, testing};

    fn fault(effects: &[Effect]) -> &FaultKind {
        match effects {
            [Effect::Fail(fault)] => &fault.kind,
            other => panic!("no fault but {other:?}"),
        }
    }

    #[test]
    fn words_come_as_the_vendor_says_them_each_once() {
        let mut session = testing::stt::<Session>();
        assert_eq!(session.start(testing::start(r#"{"endpoint":"http://127.0.0.1:8080"}"#)).len(), 3);
        session.opened(VENDOR, 101);
        let last = r#"{"type":"final","text":"hello","start_ms":0,"end_ms":500}"#;
        assert!(matches!(&session.text(VENDOR, last)[..], [Effect::Final(said)] if said.text == "hello"));
        assert_eq!(session.text(VENDOR, last), []);
        assert_eq!(session.text(VENDOR, r#"{"type":"partial","text":"hell","start_ms":0,"end_ms":400}"#), []);
        session.tell(Input::Finalize);
        assert_eq!(session.text(VENDOR, r#"{"type":"finalized"}"#), [Effect::Finalized]);
        session.tell(Input::End);
        assert_eq!(session.finished(VENDOR, Some(1000)).last(), Some(&Effect::Done));
    }

    #[test]
    fn every_bad_day_ends_in_a_fault() {
        let opened = || {
            let mut session = testing::stt::<Session>();
            session.start(testing::start("{}"));
            session
        };
        assert_eq!(fault(&opened().opened(VENDOR, 401)), &FaultKind::Auth);
        assert_eq!(fault(&opened().opened_with(VENDOR, 429, &[("retry-after", "2")])), &FaultKind::Quota(Some(2_000)));
        assert_eq!(fault(&opened().failed(VENDOR, LinkErrorKind::Connect)), &FaultKind::Unavailable);
        assert_eq!(fault(&opened().pass_ms(5_000)), &FaultKind::Unavailable);
        assert_eq!(fault(&opened().text(VENDOR, "{")), &FaultKind::Protocol);
        let mut silent = opened();
        silent.opened(VENDOR, 101);
        silent.tell(Input::Finalize);
        assert_eq!(fault(&silent.pass_ms(5_000)), &FaultKind::Unavailable);
    }
}
