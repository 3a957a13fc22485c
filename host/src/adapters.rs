//! Everything that speaks to the world.

pub mod agent;
pub mod ami;
pub mod ari;
pub mod events;
pub mod audit;
pub mod facts;
mod folder;
mod here;
#[cfg(test)]
mod killed;
pub mod http;
pub mod latency;
pub mod media_ws;
pub mod metrics;
pub mod notices;
pub mod otlp;
pub mod plugins;
pub mod prompts;
pub mod pseudonyms;
pub mod recording;
pub mod rtp;
pub mod settings;
pub mod state;
pub mod sinks;
mod spread;
pub mod tally;
pub mod tenants;
pub mod trust;
pub mod vault;
pub mod webhook;
pub mod cli;
