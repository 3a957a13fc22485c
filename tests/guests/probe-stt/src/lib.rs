//! Test guest: a speech-to-text plugin whose behaviour, good or bad, is chosen by its options.
//!
//! Each chunk is answered by a partial `n bytes`, `finalize` by a final with the sum, a timer by a final `timer 7`, a link
//! that failed by a final `link failed: <kind>`, `end` by `done`. The options are those of [`probe_behaviour`].
//!
//! With feature `script` the component is [`CountingScript`]; with `constructor-loop` its constructor never returns, with
//! `constructor-trap` it traps; with `start-loop` the component does not even get as far as its first function.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic))]

use probe_behaviour::{self as behaviour, Ask, Behaviour, Settings};
use vg_plugin_sdk::{
    AudioFormat, Descriptor, Encoding, Fault, Features, Instant, Transcript, asset,
    link::{Authentication, AwsPayload, AwsSigv4, HttpOpen, HttpVersion, LinkEffect, LinkInput, RequestBody, WebsocketOpen},
    log, signing,
    stt::{AudioRoute, Effect, Input, Io, Scripted, SttPlugin, SttScript, Timer},
};

#[cfg(not(any(feature = "script", feature = "constructor-loop", feature = "constructor-trap")))]
vg_plugin_sdk::export_stt!(Probe);
#[cfg(feature = "script")]
vg_plugin_sdk::export_stt!(Scripted<CountingScript>);
#[cfg(any(feature = "constructor-loop", feature = "constructor-trap"))]
vg_plugin_sdk::export_stt!(Wedged);

/// The session that obeys its options.
#[derive(Debug)]
pub struct Probe {
    settings: Settings,
    chunks: u64,
    bytes: u64,
}

impl SttPlugin for Probe {
    fn descriptor() -> Descriptor {
        descriptor("probe-stt")
    }

    fn new() -> Self {
        Self { settings: Settings::default(), chunks: 0, bytes: 0 }
    }

    fn handle(&mut self, _now: Instant, input: Input) -> Vec<Effect> {
        match input {
            Input::Start(start) => match Settings::parse(&start.options) {
                Ok(settings) => {
                    self.settings = settings;
                    self.strike_at(0)
                }
                Err(fault) => vec![Effect::Fail(fault)],
            },
            Input::Audio(chunk) => {
                self.chunks += 1;
                self.bytes += chunk.len() as u64;
                let mut effects = vec![Effect::Partial(transcript(format!("{} bytes", chunk.len())))];
                effects.extend(self.strike_at(self.chunks));
                effects
            }
            Input::Finalize => vec![Effect::Final(transcript(format!("{} bytes", self.bytes))), Effect::Finalized],
            Input::End => vec![Effect::Done],
            Input::Timer(id) => vec![Effect::Final(transcript(format!("timer {id}")))],
            Input::Link(news) if matches!(self.settings.behaviour, Behaviour::Curious(_)) => {
                vec![Effect::Final(transcript(repeat(news)))]
            }
            Input::Link(LinkInput::Failed(failed)) => {
                vec![Effect::Final(transcript(format!("link failed: {:?}", failed.kind)))]
            }
            Input::Link(_) | Input::Edge(_) => vec![],
        }
    }
}

impl Probe {
    fn strike_at(&self, chunk: u64) -> Vec<Effect> {
        if chunk != self.settings.at {
            return vec![];
        }
        match &self.settings.behaviour {
            Behaviour::Echo => vec![],
            Behaviour::Trap => behaviour::trap(),
            Behaviour::Loop => behaviour::spin(),
            Behaviour::MemoryBomb => behaviour::allocate_for_ever(),
            Behaviour::Recurse => vec![Effect::SpeechStarted(behaviour::recurse(1))],
            Behaviour::EffectFlood => (0..1_000_000).map(Effect::SpeechStarted).collect(),
            Behaviour::OutputFlood => vec![Effect::Partial(transcript("x".repeat(8 << 20)))],
            Behaviour::LogFlood => {
                let line = "x".repeat(1024);
                (0..10_000).for_each(|_| log::log(log::Level::Info, &line));
                vec![]
            }
            Behaviour::Timer => vec![Effect::Timer(Timer { id: 7, delay_ms: 20 })],
            Behaviour::TimerFlood => (0..10_000).map(|id| Effect::Timer(Timer { id, delay_ms: 60_000 })).collect(),
            Behaviour::Timers => (0..17).map(|id| Effect::Timer(Timer { id, delay_ms: 60_000 })).collect(),
            Behaviour::LinkFlood => (0..65).map(|_| open_link()).collect(),
            Behaviour::Handles => hold_handles(),
            Behaviour::BadUtf8 => vec![Effect::Partial(transcript(behaviour::not_utf8()))],
            Behaviour::AbsurdLength => vec![Effect::RouteAudio(AudioRoute { link: 1, prefix: behaviour::beyond_memory() })],
            Behaviour::TrapAtEnd => vec![],
            Behaviour::OpenLink => vec![open_link()],
            Behaviour::RouteAudio => vec![Effect::RouteAudio(AudioRoute { link: 9, prefix: vec![] })],
            Behaviour::Curious(asks) => asks.iter().zip(1..).map(|(ask, id)| post(id, ask)).collect(),
            Behaviour::Asset => {
                let size = asset::size("model").map_or("none".to_owned(), |bytes| bytes.to_string());
                vec![Effect::Final(transcript(format!("asset: {size}")))]
            }
            Behaviour::Fail(fault) => vec![Effect::Fail(fault.clone())],
        }
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        if matches!(self.settings.behaviour, Behaviour::TrapAtEnd) {
            behaviour::trap();
        }
    }
}

fn post(id: u32, ask: &Ask) -> Effect {
    Effect::Link(LinkEffect::Http(HttpOpen {
        id,
        method: "POST".to_owned(),
        url: ask.url.clone(),
        headers: ask.headers.clone(),
        // An event stream is one of HTTP/2, and goes on.
        body: if ask.signed_by.is_some() { RequestBody::Streaming } else { RequestBody::Whole(ask.body.clone().into_bytes()) },
        version: if ask.signed_by.is_some() { HttpVersion::Http2 } else { HttpVersion::Http1 },
        auth: match &ask.signed_by {
            None => Authentication::Templates,
            Some(secret) => Authentication::AwsSigv4(AwsSigv4 {
                secret: secret.clone(),
                region: "eu-central-1".to_owned(),
                service: "transcribe".to_owned(),
                payload: AwsPayload::EventStream,
            }),
        },
    }))
}

/// Everything a guest is told of a link, in words.
fn repeat(news: LinkInput) -> String {
    match news {
        LinkInput::Signed(signed) => {
            let hash = "0".repeat(64);
            let next = signing::aws_chunk_signature(signed.id, &signed.signature, &signed.amz_date, &hash, &hash);
            format!("signed {}", next.unwrap_or_default())
        }
        LinkInput::Bytes(piece) => format!("{} bytes {}", piece.id, String::from_utf8_lossy(&piece.data)),
        other => format!("{other:?}"),
    }
}

fn open_link() -> Effect {
    Effect::Link(LinkEffect::Websocket(WebsocketOpen {
        id: 1,
        url: "wss://example.invalid/".to_owned(),
        headers: vec![],
        subprotocols: vec![],
        auth: Authentication::Templates,
    }))
}

#[cfg(target_arch = "wasm32")]
fn hold_handles() -> Vec<Effect> {
    #[link(wasm_import_module = "[export]serphona:speech/stt@0.1.0")]
    unsafe extern "C" {
        #[link_name = "[resource-new]session"]
        fn resource_new(session: *mut u8) -> i32;
    }
    for _ in 0..100_000 {
        // SAFETY: a handle of a component's own resource may stand for anything that the component never follows.
        unsafe { resource_new(std::ptr::null_mut()) };
    }
    vec![]
}

/// Only a component has handles.
#[cfg(not(target_arch = "wasm32"))]
fn hold_handles() -> Vec<Effect> {
    vec![]
}

/// Runs when the component is instantiated.
#[cfg(all(target_arch = "wasm32", feature = "start-loop"))]
#[unsafe(no_mangle)]
extern "C" fn _initialize() {
    behaviour::spin()
}

/// The straight-line form: counts bytes from chunk to chunk, says the sum at `finalize`, ends at `end`.
#[derive(Debug)]
pub struct CountingScript;

impl SttScript for CountingScript {
    fn descriptor() -> Descriptor {
        descriptor("probe-stt-script")
    }

    async fn run(io: Io) -> Result<(), Fault> {
        let Input::Start(start) = io.next().await else {
            return Err(Fault::new(vg_plugin_sdk::FaultKind::Internal, "the first input is not start"));
        };
        Settings::parse(&start.options)?;
        let mut bytes = 0;
        loop {
            match io.next().await {
                Input::Audio(chunk) => {
                    bytes += chunk.len();
                    io.emit(Effect::Partial(transcript(format!("{} bytes", chunk.len()))));
                }
                Input::Finalize => {
                    io.emit(Effect::Final(transcript(format!("{bytes} bytes"))));
                    io.emit(Effect::Finalized);
                }
                Input::End => return Ok(()),
                _ => {}
            }
        }
    }
}

/// Never gets as far as a session.
#[derive(Debug)]
pub struct Wedged;

impl SttPlugin for Wedged {
    fn descriptor() -> Descriptor {
        descriptor("probe-stt-constructor-loop")
    }

    fn new() -> Self {
        if cfg!(feature = "constructor-trap") { behaviour::trap() } else { behaviour::spin() }
    }

    fn handle(&mut self, _now: Instant, _input: Input) -> Vec<Effect> {
        vec![]
    }
}

// Which of them is exported is chosen by feature; all are checked.
const _: fn(Io) = |io| drop(CountingScript::run(io));
const _: Option<Scripted<CountingScript>> = None;

fn descriptor(id: &str) -> Descriptor {
    let format = |encoding, rate_hz| AudioFormat { encoding, rate_hz };
    Descriptor {
        formats: vec![format(Encoding::PcmS16le, 16_000), format(Encoding::PcmS16le, 8_000), format(Encoding::Mulaw, 8_000)],
        features: Features::INTERIM | Features::FINALIZE,
        options_schema: behaviour::SCHEMA.to_owned(),
        hosts: vec!["wss://example.invalid".to_owned()],
        ..Descriptor::stt(id, env!("CARGO_PKG_VERSION"))
    }
}

fn transcript(text: String) -> Transcript {
    Transcript { text, language: None, confidence: None, stability: None, start_ms: 0, end_ms: 0, words: vec![] }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vg_plugin_sdk::SessionStart;

    const NOW: Instant = Instant { mono_us: 0, unix_ms: 0 };

    fn start(options: &str) -> Input {
        let format = AudioFormat { encoding: Encoding::PcmS16le, rate_hz: 8_000 };
        Input::Start(SessionStart { format, language: "en-US".into(), options: options.into(), seed: vec![0; 32] })
    }

    fn answers(plugin: &mut impl SttPlugin) -> Vec<Effect> {
        let inputs = [start("{}"), Input::Audio(vec![0; 3]), Input::Audio(vec![0; 4]), Input::Finalize, Input::End];
        inputs.into_iter().flat_map(|input| plugin.handle(NOW, input)).collect()
    }

    #[test]
    fn script_and_state_machine_answer_alike() {
        let answered = answers(&mut Probe::new());
        assert_eq!(answered.len(), 5);
        assert_eq!(answered, answers(&mut Scripted::<CountingScript>::new()));
    }

    #[test]
    fn behaviour_strikes_at_the_chunk_it_is_asked_for() {
        let mut probe = Probe::new();
        assert_eq!(probe.handle(NOW, start(r#"{"behave":"timer","at":2}"#)), []);
        assert_eq!(probe.handle(NOW, Input::Audio(vec![])).len(), 1);
        assert_eq!(probe.handle(NOW, Input::Audio(vec![])).len(), 2);
    }
}
