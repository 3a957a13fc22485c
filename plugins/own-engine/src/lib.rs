//! What listener and speaker of the protocol for a company's own engine share: formats, refusals, and where and how an engine is asked.
//! The protocol is `docs/own-engine.md`. Pure: it knows no session.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic))]

mod asking;
mod refusal;

pub use asking::{Asking, DEFAULT_ORIGIN};
pub use refusal::{BODY_MS, OptionRefusal, Refusal, Refused};

use serde::{Deserialize, Serialize};
use vg_plugin_sdk::{AudioFormat, Encoding};

/// The version of the protocol that is spoken.
pub const VERSION: u32 = 1;

/// A format in the protocol's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Format {
    /// `pcm-s16le`, `mulaw` or `alaw`.
    pub encoding: &'static str,
    /// Samples a second.
    pub rate_hz: u32,
}

impl From<AudioFormat> for Format {
    fn from(format: AudioFormat) -> Self {
        let encoding = match format.encoding {
            Encoding::PcmS16le => "pcm-s16le",
            Encoding::Mulaw => "mulaw",
            Encoding::Alaw => "alaw",
        };
        Self { encoding, rate_hz: format.rate_hz }
    }
}

/// The formats that an engine may be asked for; which of them it takes is its own matter. The telephone's come first.
pub fn formats() -> Vec<AudioFormat> {
    let pcm = [8_000, 16_000, 24_000, 48_000].map(|rate_hz| (Encoding::PcmS16le, rate_hz));
    let telephone = [(Encoding::Mulaw, 8_000), (Encoding::Alaw, 8_000)];
    telephone.into_iter().chain(pcm).map(|(encoding, rate_hz)| AudioFormat { encoding, rate_hz }).collect()
}

/// Milliseconds as an engine writes them: a number that is not negative. A fraction is dropped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "f64")]
pub struct Ms(pub u64);

impl TryFrom<f64> for Ms {
    type Error = &'static str;

    fn try_from(ms: f64) -> Result<Self, Self::Error> {
        if ms >= 0.0 { Ok(Self(ms as u64)) } else { Err("milliseconds below zero") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn milliseconds_may_have_a_fraction_but_no_sign() {
        let read = |text| serde_json::from_str::<Ms>(text).ok();
        assert_eq!((read("1200"), read("1200.9"), read("0")), (Some(Ms(1200)), Some(Ms(1200)), Some(Ms(0))));
        assert_eq!((read("-1"), read("\"1\""), read("null")), (None, None, None));
    }

    #[test]
    fn the_telephone_comes_first() {
        let words: Vec<Format> = formats().into_iter().map(Format::from).collect();
        assert_eq!(words[0], Format { encoding: "mulaw", rate_hz: 8_000 });
        assert_eq!(words[2], Format { encoding: "pcm-s16le", rate_hz: 8_000 });
    }
}
