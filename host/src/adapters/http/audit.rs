//! One line for each act of the API: who, what, on what, with which outcome. Target `audit`, so that it can be kept apart; and a line of the audit log,
//! where there is one.

use super::Problem;
use super::auth::Caller;
use super::edge::RequestId;
use crate::adapters::audit::{self, Trail};
use axum::extract::{FromRequestParts, MatchedPath, RawPathParams, Request};
use axum::http::StatusCode;
use axum::response::Response;
use std::sync::Arc;

/// What an act was done to, where its path does not say it: put into an answer's extensions. Letters, digits and `-_@.` only.
#[derive(Clone)]
pub(super) struct On(pub(super) String);

/// An act on its way. It is written down when this is dropped, whatever became of it.
pub(super) struct Act {
    who: Caller,
    what: String,
    on: Option<String>,
    request: String,
    outcome: Option<(StatusCode, Option<&'static str>)>,
    trail: Option<Arc<Trail>>,
}

impl Act {
    /// From a request that acts; gives the request back.
    pub(super) async fn of(request: Request, who: &Caller, trail: Option<Arc<Trail>>) -> (Request, Self) {
        let (mut parts, body) = request.into_parts();
        let path = parts.extensions.get::<MatchedPath>().map_or("unknown", MatchedPath::as_str);
        let what = format!("{} {path}", parts.method);
        let id = parts.extensions.get::<RequestId>().map(|id| id.0.clone()).unwrap_or_default();
        let names = RawPathParams::from_request_parts(&mut parts, &()).await.ok();
        let on = names.and_then(|names| names.iter().find(|(name, _)| *name == "id").map(|(_, id)| id.to_owned()));
        // What is no name of anything of ours may be anything.
        let on = on.filter(|on| on.len() <= 128 && on.chars().all(|c| c.is_ascii_alphanumeric() || "-_@.".contains(c)));
        (Request::from_parts(parts, body), Self { who: who.clone(), what, on, request: id, outcome: None, trail })
    }

    /// How it went.
    pub(super) fn ended(mut self, response: &Response) {
        let code = response.extensions().get::<Problem>().map(Problem::code);
        if let Some(On(what)) = response.extensions().get::<On>() {
            self.on = Some(what.clone());
        }
        self.outcome = Some((response.status(), code));
    }
}

impl Drop for Act {
    fn drop(&mut self) {
        let Self { who, what, on, request, outcome, trail } = self;
        let (status, outcome) = match outcome {
            Some((status, code)) => (status.as_u16(), code.unwrap_or("done")),
            // Whoever asked went away meanwhile, or it took too long.
            None => (0, "unknown"),
        };
        let (subject, tenant, on) = (who.subject.as_str(), who.tenant.as_str(), on.as_deref());
        tracing::info!(target: "audit", subject, tenant, act = what.as_str(), on, status, outcome, request_id = request.as_str());
        if let Some(trail) = trail {
            let (tenant, subject) = (who.tenant.clone(), who.subject.clone());
            let (act, on, request) = (std::mem::take(what), on.map(str::to_owned), std::mem::take(request));
            trail.acted(audit::Act { subject, tenant, act, on, status: Some(status), outcome, request });
        }
    }
}
