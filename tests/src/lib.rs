//! What stories are told with: the virtual house, the laboratory, simulators.
//!
//! Three kinds of tests, never mixed: pure ones stand beside the code; the virtual house ([`rig`]) runs the real application
//! with fake ports on a paused clock; wire stories use sockets, real components and real Asterisk, in real time.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a broken story stops")]

pub mod agent;
pub mod folders;
pub mod house;
pub mod lab;
pub mod load;
pub mod program;
pub mod rig;
pub mod s3;
pub mod scene;
pub mod tls;
pub mod vault;
pub mod words;

/// How much of a long proof is run: `VG_TEST_SIZE` of `cargo xtask test [--full]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// Enough to notice that something broke.
    Ci,
    /// Enough to believe it; before an issue is closed.
    Full,
}

impl Size {
    /// The size asked for; CI where nothing is said.
    pub fn asked() -> Self {
        match std::env::var("VG_TEST_SIZE").as_deref() {
            Ok("full") => Self::Full,
            _ => Self::Ci,
        }
    }
}
