//! Drives a plugin natively, in virtual time: an ordinary `#[test]` plays host and vendor.
//!
//! ```
//! use vg_plugin_sdk::{Descriptor, Fault, Instant, link, testing};
//! use vg_plugin_sdk::stt::{Effect, Input, SttPlugin, Timer};
//! # struct Plugin;
//! # impl SttPlugin for Plugin {
//! #     fn descriptor() -> Descriptor { Descriptor::stt("stt-example", "0.1.0") }
//! #     fn new() -> Self { Self }
//! #     fn handle(&mut self, _: Instant, input: Input) -> Vec<Effect> {
//! #         match input {
//! #             Input::Start(_) => vec![
//! #                 link::websocket(1, "wss://api.example.com").into(),
//! #                 Effect::Timer(Timer { id: 1, delay_ms: 5_000 }),
//! #             ],
//! #             Input::Timer(_) => vec![Effect::Fail(Fault::new(vg_plugin_sdk::FaultKind::Unavailable, "no answer"))],
//! #             _ => vec![],
//! #         }
//! #     }
//! # }
//!
//! // A vendor that never answers:
//! let mut session = testing::stt::<Plugin>();
//! let asked = session.start(testing::start("{}"));
//! assert!(matches!(asked[0], Effect::Link(link::LinkEffect::Websocket(_))));
//! let said = session.pass_ms(5_000);
//! assert!(matches!(said[..], [Effect::Fail(_)]) && session.is_over());
//! ```

use std::{cell::RefCell, collections::BTreeMap, fmt};

use crate::{
    AudioFormat, Encoding, Instant, SessionStart,
    link::{Failed, Finished, LinkBytes, LinkErrorKind, LinkId, LinkInput, LinkText, Opened, Trailers},
    log::Level,
    stt::{self, SttPlugin},
    tts::{self, TtsPlugin},
};

/// What `aws_chunk_signature` answers natively.
pub const SIGNATURE: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// A plugin that sets timers without end would hold a test for ever.
const WAKES_MAX: usize = 10_000;

thread_local! {
    pub(crate) static LOGGED: RefCell<Vec<(Level, String)>> = const { RefCell::new(Vec::new()) };
    pub(crate) static ASSETS: RefCell<BTreeMap<String, Vec<u8>>> = const { RefCell::new(BTreeMap::new()) };
}

/// What was logged on this thread since the last time this was asked.
pub fn logged() -> Vec<(Level, String)> {
    LOGGED.take()
}

/// Lays an asset out for plugins on this thread.
pub fn lay_out_asset(name: &str, data: impl Into<Vec<u8>>) {
    ASSETS.with_borrow_mut(|assets| assets.insert(name.to_owned(), data.into()));
}

/// A call in US English, 8 kHz mu-law, with these options.
pub fn start(options: &str) -> SessionStart {
    SessionStart {
        format: AudioFormat { encoding: Encoding::Mulaw, rate_hz: 8_000 },
        language: "en-US".to_owned(),
        options: options.to_owned(),
        seed: vec![7; 32],
    }
}

/// A session of a speech-to-text plugin, before its start.
pub fn stt<P: SttPlugin>() -> Session<stt::Input, stt::Effect> {
    let mut plugin = P::new();
    Session::new(move |now, input| plugin.handle(now, input))
}

/// A session of a text-to-speech plugin, before its start.
pub fn tts<P: TtsPlugin>() -> Session<tts::Input, tts::Effect> {
    let mut plugin = P::new();
    Session::new(move |now, input| plugin.handle(now, input))
}

/// Inputs that every session is told.
pub trait Told {
    /// The first input.
    fn start(start: SessionStart) -> Self;
    /// A timer ran out.
    fn timer(id: u32) -> Self;
    /// News of a link.
    fn link(news: LinkInput) -> Self;
}

/// What a driver has to understand of an effect.
pub trait Said {
    /// A timer's id and its delay in milliseconds.
    fn wish_to_wake(&self) -> Option<(u32, u32)>;
    /// Whether it is `done` or `fail`.
    fn is_last(&self) -> bool;
}

/// A plugin's session on a clock of its own, which stands still between calls.
///
/// Each method panics where the plugin breaks the contract (says something after `done` or `fail`) or the test does (tells
/// something to a session that is over).
pub struct Session<I, E> {
    handle: Box<dyn FnMut(Instant, I) -> Vec<E>>,
    now: Instant,
    /// Id and when, in microseconds of `now.mono_us`.
    timers: Vec<(u32, u64)>,
    over: bool,
}

impl<I: Told, E: Said> Session<I, E> {
    fn new(handle: impl FnMut(Instant, I) -> Vec<E> + 'static) -> Self {
        // Noon of a day in 2026, so that dates look like dates.
        let now = Instant { mono_us: 1_000_000, unix_ms: 1_782_820_800_000 };
        Self { handle: Box::new(handle), now, timers: Vec::new(), over: false }
    }

    /// The first input.
    pub fn start(&mut self, start: SessionStart) -> Vec<E> {
        self.tell(I::start(start))
    }

    /// Any input, now.
    pub fn tell(&mut self, input: I) -> Vec<E> {
        assert!(!self.over, "the session is over: a host tells it nothing more");
        let effects = (self.handle)(self.now, input);
        for (place, effect) in effects.iter().enumerate() {
            if let Some((id, delay_ms)) = effect.wish_to_wake() {
                self.timers.retain(|(other, _)| *other != id);
                self.timers.push((id, self.now.mono_us + 1_000 * u64::from(delay_ms)));
            }
            self.over = effect.is_last();
            assert!(!self.over || place + 1 == effects.len(), "`done` or `fail` must be a session's last effect");
        }
        effects
    }

    /// Lets time pass; the timers that run out are told in their order, also those that are set meanwhile.
    pub fn pass_ms(&mut self, ms: u64) -> Vec<E> {
        let until = self.now.mono_us + 1_000 * ms;
        let mut effects = Vec::new();
        for wake in 0.. {
            assert!(wake < WAKES_MAX, "the plugin sets timers without end");
            let next = self.timers.iter().copied().filter(|(_, at)| *at <= until && !self.over).min_by_key(|(_, at)| *at);
            let Some((id, at)) = next else { break };
            self.timers.retain(|timer| *timer != (id, at));
            self.go_to(at);
            effects.extend(self.tell(I::timer(id)));
        }
        self.go_to(until);
        effects
    }

    /// The vendor's head: an HTTP status, 101 for a WebSocket.
    pub fn opened(&mut self, id: LinkId, status: u16) -> Vec<E> {
        self.opened_with(id, status, &[])
    }

    /// The vendor's head with header fields.
    pub fn opened_with(&mut self, id: LinkId, status: u16, headers: &[(&str, &str)]) -> Vec<E> {
        self.tell(I::link(LinkInput::Opened(Opened { id, status, headers: owned(headers) })))
    }

    /// A text message of the vendor.
    pub fn text(&mut self, id: LinkId, text: &str) -> Vec<E> {
        self.tell(I::link(LinkInput::Text(LinkText { id, data: text.to_owned() })))
    }

    /// Bytes of the vendor.
    pub fn bytes(&mut self, id: LinkId, data: &[u8]) -> Vec<E> {
        self.tell(I::link(LinkInput::Bytes(LinkBytes { id, data: data.to_vec() })))
    }

    /// What follows the vendor's body.
    pub fn trailers(&mut self, id: LinkId, fields: &[(&str, &str)]) -> Vec<E> {
        self.tell(I::link(LinkInput::Trailers(Trailers { id, fields: owned(fields) })))
    }

    /// The vendor ended well, a WebSocket with a close code.
    pub fn finished(&mut self, id: LinkId, code: Option<u16>) -> Vec<E> {
        self.tell(I::link(LinkInput::Finished(Finished { id, code })))
    }

    /// The link could not be opened or broke.
    pub fn failed(&mut self, id: LinkId, kind: LinkErrorKind) -> Vec<E> {
        self.tell(I::link(LinkInput::Failed(Failed { id, kind, detail: format!("{kind:?}") })))
    }

    /// Whether the session said `done` or `fail`.
    pub fn is_over(&self) -> bool {
        self.over
    }

    fn go_to(&mut self, mono_us: u64) {
        self.now.unix_ms += (mono_us - self.now.mono_us) / 1_000;
        self.now.mono_us = mono_us;
    }
}

fn owned(fields: &[(&str, &str)]) -> Vec<(String, String)> {
    fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

impl<I, E> fmt::Debug for Session<I, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("timers", &self.timers).field("over", &self.over).finish_non_exhaustive()
    }
}

macro_rules! driven {
    ($($kind:ident)*) => {$(
        impl Told for $kind::Input {
            fn start(start: SessionStart) -> Self {
                Self::Start(start)
            }

            fn timer(id: u32) -> Self {
                Self::Timer(id)
            }

            fn link(news: LinkInput) -> Self {
                Self::Link(news)
            }
        }

        impl Said for $kind::Effect {
            fn wish_to_wake(&self) -> Option<(u32, u32)> {
                match self {
                    Self::Timer(timer) => Some((timer.id, timer.delay_ms)),
                    _ => None,
                }
            }

            fn is_last(&self) -> bool {
                matches!(self, Self::Done | Self::Fail(_))
            }
        }
    )*};
}

driven!(stt tts);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Descriptor, asset, log};

    /// Sets a timer to ring every 30 ms, counts, and is done at the third.
    struct Clock(u32);

    impl SttPlugin for Clock {
        fn descriptor() -> Descriptor {
            Descriptor::stt("stt-clock", "0.1.0")
        }

        fn new() -> Self {
            Self(0)
        }

        fn handle(&mut self, now: Instant, input: stt::Input) -> Vec<stt::Effect> {
            log::info(&format!("{} ms", now.mono_us / 1_000));
            match input {
                stt::Input::Timer(_) if self.0 == 2 => vec![stt::Effect::Done],
                stt::Input::Timer(_) | stt::Input::Start(_) => {
                    self.0 += u32::from(matches!(input, stt::Input::Timer(_)));
                    vec![stt::Effect::Timer(stt::Timer { id: 1, delay_ms: 30 })]
                }
                _ => vec![stt::Effect::Done, stt::Effect::Finalized],
            }
        }
    }

    #[test]
    fn timers_run_out_in_virtual_time_also_those_set_meanwhile() {
        let mut session = stt::<Clock>();
        session.start(start("{}"));
        logged();
        assert_eq!(session.pass_ms(29), []);
        assert_eq!(session.pass_ms(200).last(), Some(&stt::Effect::Done));
        assert!(session.is_over());
        let lines: Vec<String> = logged().into_iter().map(|(_, line)| line).collect();
        assert_eq!(lines, ["1030 ms", "1060 ms", "1090 ms"]);
    }

    #[test]
    #[should_panic(expected = "last effect")]
    fn plugin_that_goes_on_after_its_end_is_found_out() {
        let mut session = stt::<Clock>();
        session.tell(stt::Input::Finalize);
    }

    #[test]
    fn assets_are_read_in_pieces() {
        lay_out_asset("model", *b"abcdef");
        assert_eq!((asset::size("model"), asset::size("other")), (Some(6), None));
        assert_eq!((asset::read("model", 4, 9), asset::read("model", 9, 1)), (b"ef".to_vec(), vec![]));
    }
}
