//! Not there yet.

use crate::Sim;
use axum::Router;
use std::sync::Arc;

/// No paths yet.
pub fn routes() -> Router<Arc<Sim>> {
    Router::new()
}
