//! What authors of plugins are given: a check, one live session, replay, the conformance kit and a bench.
//!
//! Everything here drives a plugin the way the gateway does, through `vg-plugin-host`, and judges it as an author would want to
//! be judged: by sentences that say what to change. It promises to need no network but what a live session asks for.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic))]

pub mod bench;
pub mod check;
pub mod conform;
pub mod run;
mod score;
mod stage;
