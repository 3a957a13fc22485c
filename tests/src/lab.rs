//! The laboratory: a real Asterisk in a chroot, and callers who really speak.
//!
//! ```no_run
//! # use vg_tests::lab::{Asterisk, SipCaller};
//! # use std::time::Duration;
//! # async fn story(question: &[i16]) -> anyhow::Result<()> {
//! let asterisk = Asterisk::start().await?; // its own ports; killed when dropped
//! let ari = asterisk.ari(); // url, user, password, app: what a gateway is configured with
//! let mut caller = SipCaller::dial(&asterisk, "100").await?; // answered when this returns
//! let greeted = caller.hears_speech(caller.answered_at(), Duration::from_secs(3)).await?;
//! caller.hears_quiet(Duration::from_millis(600), Duration::from_secs(10)).await?;
//! let asked = caller.say(question).await?; // real time; the moment its last sample left
//! let answered = caller.hears_speech(asked, Duration::from_secs(5)).await?;
//! let call = caller.hang_up().await?; // or until_hung_up, when the other side ends the call
//! println!("answer after {:?}, spacing p99 {:?}", answered - asked, call.pacing.error_p99);
//! std::fs::write("call.wav", vg_media::wav::write_stereo(call.rate_hz, &call.said, &call.heard))?;
//! # let _ = (ari, greeted);
//! # Ok(())
//! # }
//! ```
//!
//! SIPp does the signalling of a caller, [`SipCaller`] its sound: 20 ms frames on an absolute schedule, both directions
//! recorded on one timeline. A missing chroot or SIPp is an error that names the way out (`cargo xtask setup`); nothing is skipped.
//!
//! Extensions of the laboratory: `120` and `121` the agent by chan_websocket in linear samples of 16 kHz and in Opus; `100` the agent (application `vg-test`, argument `tenant=demo`), `110` to `119` the same for the applications
//! `vg-test-0` to `vg-test-9`, `200` echo, `201` a tone of 1004 Hz, `202` rings for ever, `203` busy. A transfer goes to `people,human`, which
//! answers with the tone; a caller whom no gateway takes hears an announcement.
//!
//! [`Kafka`] and [`Redis`] are real ones as well, with ports and folders of their own, to be killed, stopped and started again; a [`Proxy`] before any of
//! them is slow, stuck or cut.

mod asterisk;
mod callee;
mod calm;
mod caller;
mod issued;
mod kafka;
mod ledger;
mod listen;
mod operator;
pub mod prompts;
mod proxy;
mod redis;
mod service;
mod sound;
mod voice;
pub mod wire;

pub use self::redis::{Cluster, Login, Redis, Sentinels};
pub use asterisk::{Ari, Asterisk, Connections};
pub use callee::SipCallee;
pub use caller::{CallRecord, EndedBy, Ringing, SipCaller, SipLine};
pub use calm::{Calm, fairly};
pub use issued::Issued;
pub use kafka::{Kafka, Record, consume};
pub use ledger::{Ledger, Told};
pub use listen::{Likeness, Sameness, compare, likeness, rms, tone_share};
pub use operator::{Line, Operator};
pub use proxy::{Passage, Proxy};
pub use sound::Pacing;
pub use voice::Voice;

/// Where the configuration, the scenarios and the scripts are.
fn folder() -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("lab")
}
