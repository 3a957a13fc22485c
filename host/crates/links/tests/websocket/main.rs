//! WebSockets against servers that keep the rules, and against some that do not.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod close;
mod handshake;
mod hostile;
mod life;
mod messages;
mod pressure;
mod rig;
