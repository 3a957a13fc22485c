//! What to do: the pure decisions of a call.
//!
//! [`Call`](call::Call) is told what happened (`handle`) and says what to do (`poll_action`). It knows no clock, socket,
//! task, log, serialisation or vendor; time is handed in as [`std::time::Instant`].
//!
//! Modules stand in the order in which a call flows through them.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout))]

pub mod ids;
pub mod pii;
pub mod number;
pub mod parties;
pub mod outbound;
pub mod dialling;
pub mod fallback;
pub mod tenant;
pub mod mask;
pub mod transfer;
pub mod card;
pub mod keypad;
pub mod recording;
pub mod finish;
pub mod language;
pub mod likeness;
pub mod pause;
pub mod turn;
pub mod usage;
pub mod speech;
pub mod breaker;
pub mod event;
pub mod refusal;
pub mod outcome;
pub mod call;

#[cfg(test)]
mod dice;
