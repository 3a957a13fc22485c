//! Serphona Voice Gateway: telephone callers talk to AI agents.
//!
//! `application` owns time and tasks, `adapters` speak to the world, `wiring` is the only place that names both.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic))]

pub mod adapters;
pub mod application;
pub mod config;
pub mod wiring;
