//! What stories are told with: the virtual house, the laboratory, simulators.
//!
//! Three kinds of tests, never mixed: pure ones stand beside the code; the virtual house ([`rig`]) runs the real application
//! with fake ports on a paused clock; wire stories use sockets, real components and real Asterisk, in real time.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a broken story stops")]

pub mod house;
pub mod lab;
pub mod rig;
