//! The load generator: callers with real speech, an Asterisk that is none, vendors by simulator, and what a gateway needs for them.
//!
//! One process holds all of it and runs on other processors than the gateway, so that the gateway's CPU is its own. `loadgen` is the program.

pub mod api;
pub mod asterisk;
pub mod beside;
pub mod callers;
pub mod fleet;
pub mod floor;
pub mod gateway;
pub mod marks;
pub mod outage;
pub mod report;
pub mod scene;
pub mod turns;
