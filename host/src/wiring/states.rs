//! Where calls are kept beyond this gateway.

use crate::adapters::state::{About, RedisStates};
use crate::application::ports::{CallStates, Facts, Notices};
use crate::config::Config;
use anyhow::{Context, Result};
use std::sync::Arc;

/// Nothing is connected yet.
pub(super) fn states(config: &Config, notices: Arc<dyn Notices>, facts: Arc<dyn Facts>) -> Result<Option<Arc<RedisStates>>> {
    let Some(state) = &config.state else { return Ok(None) };
    let apps = config.asterisk.iter().map(|asterisk| asterisk.app.clone()).collect();
    let about = About { instance: config.instance.clone(), apps, version: env!("CARGO_PKG_VERSION").to_owned() };
    RedisStates::new(state, about, notices, facts).context("failed to prepare the store of call states").map(Some)
}

/// As calls have it.
pub(super) fn port(states: Option<&Arc<RedisStates>>) -> Option<Arc<dyn CallStates>> {
    states.map(|states| Arc::clone(states) as _)
}
