//! `/v1/plugins`: what plugins are and wish, and whether options satisfy their schema. Unauthenticated so far: served to this machine alone, and only
//! where `http.api` is set.

use super::Problem;
use crate::adapters::plugins::{Absent, Held, Listed, Plugins};
use axum::extract::rejection::JsonRejection;
use axum::extract::{ConnectInfo, Path, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::Arc;
use vg_domain::ids::PluginId;
use vg_plugin_host::policy::Shortfall;
use vg_plugin_host::slot::{Role, VersionState};

/// `GET /v1/plugins` and `POST /v1/plugins/{id}/check`, to be mounted.
pub fn plugins(plugins: Arc<Plugins>) -> Router {
    Router::new()
        .route("/v1/plugins", get(list))
        .route("/v1/plugins/{id}/check", post(check))
        .with_state(plugins)
        .layer(middleware::from_fn(this_machine))
}

async fn this_machine(ConnectInfo(peer): ConnectInfo<SocketAddr>, request: Request, next: Next) -> Response {
    if peer.ip().to_canonical().is_loopback() {
        next.run(request).await
    } else {
        Problem::new(StatusCode::FORBIDDEN, "not_this_machine").into_response()
    }
}

async fn list(State(plugins): State<Arc<Plugins>>) -> Json<Value> {
    let rows = plugins.all().into_iter().map(|Listed { id, holds, shortfalls }| match holds {
        Ok(held) => held_row(&id, &held, &shortfalls),
        Err(absent) => absent_row(&id, &absent),
    });
    Json(json!({ "plugins": rows.collect::<Vec<_>>() }))
}

fn held_row(id: &PluginId, held: &Held, shortfalls: &[Shortfall]) -> Value {
    let standing = held.serving();
    let descriptor = standing.plugin.descriptor();
    let shortfall = |shortfall: &Shortfall| json!({ "code": shortfall.lacking.code(), "detail": shortfall.to_string() });
    let secret =
        |wish: &vg_plugin_host::api::SecretWish| json!({ "name": wish.name, "kind": wish.kind.as_str(), "why": wish.why });
    json!({
        "id": id.as_str(),
        "state": if standing.schema.is_ok() { "ready" } else { "schema-refused" },
        "version": descriptor.version,
        "kind": descriptor.kind.as_str(),
        "digest": format!("sha256:{}", standing.plugin.digest()),
        "signed_by": standing.signer,
        "versions": held.versions().iter().map(version_row).collect::<Vec<_>>(),
        "languages": descriptor.languages,
        "options_schema": serde_json::from_str::<Value>(&descriptor.options_schema).unwrap_or_default(),
        "wishes": { "hosts": descriptor.hosts, "secrets": descriptor.secrets.iter().map(secret).collect::<Vec<_>>() },
        "shortfalls": shortfalls.iter().map(shortfall).collect::<Vec<_>>(),
    })
}

fn version_row(version: &VersionState) -> Value {
    let (role, good) = match version.role {
        Role::Serving => ("serving", None),
        Role::Tried { good, .. } => ("tried", Some(good)),
        Role::Leaving => ("leaving", None),
    };
    let digest = format!("sha256:{}", version.digest);
    json!({ "digest": digest, "version": version.version, "role": role, "sessions": version.live, "ended_well": good })
}

fn absent_row(id: &PluginId, absent: &Absent) -> Value {
    json!({ "id": id.as_str(), "state": absent.code(), "detail": absent.to_string() })
}

async fn check(
    State(plugins): State<Arc<Plugins>>,
    Path(id): Path<String>,
    options: Result<Json<Value>, JsonRejection>,
) -> Response {
    let Ok(Json(options)) = options else {
        return Problem::new(StatusCode::BAD_REQUEST, "no_json")
            .detail("the body is one JSON object: the options")
            .into_response();
    };
    match plugins.check_options(&PluginId::new(id), &options) {
        None => Problem::new(StatusCode::NOT_FOUND, "plugin_not_found").into_response(),
        Some(faults) if faults.is_empty() => Json(json!({ "valid": true })).into_response(),
        Some(faults) => {
            let faults: Vec<Value> = faults.iter().map(|fault| json!({ "path": fault.path, "message": fault.message })).collect();
            let status = StatusCode::UNPROCESSABLE_ENTITY;
            let body = json!({
                "title": "Unprocessable Content", "status": status.as_u16(), "code": "invalid_options", "errors": faults,
            });
            (status, [(header::CONTENT_TYPE, "application/problem+json")], body.to_string()).into_response()
        }
    }
}
