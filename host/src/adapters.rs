//! Everything that speaks to the world.

pub mod agent;
pub mod facts;
pub mod http;
pub mod metrics;
pub mod plugins;
pub mod tenants;
