//! `/v1/plugins`: what plugins are and wish, whether options satisfy their schema, and how they come and go.

pub(super) mod changes;

pub(super) use changes::comes_in_pieces;

use super::Problem;
use super::api::Api;
use super::auth::{Permit, PluginsWrite};
use super::input::{Named, no_json};
use super::problem::FieldError;
use crate::adapters::plugins::{Absent, Held, Listed};
use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::StatusCode;
use serde_json::{Value, json};
use std::sync::Arc;
use vg_domain::ids::PluginId;
use vg_plugin_host::policy::Shortfall;
use vg_plugin_host::slot::{Role, VersionState};

/// Plugins of this gateway: what they are, what they wish, how they stand.
#[utoipa::path(get, path = "/v1/plugins", operation_id = "list_plugins", tag = "plugins", security(("token" = ["plugins:write"])),
    responses((status = 200, description = "`plugins`, a list", body = Object, content_type = "application/json")))]
pub(super) async fn list(State(api): State<Arc<Api>>, _: Permit<PluginsWrite>) -> Json<Value> {
    let all = api.plugins().map(|plugins| plugins.all()).unwrap_or_default();
    Json(json!({ "plugins": all.into_iter().map(row).collect::<Vec<_>>() }))
}

fn row(Listed { id, holds, shortfalls }: Listed) -> Value {
    match holds {
        Ok(held) => held_row(&id, &held, &shortfalls),
        Err(absent) => absent_row(&id, &absent),
    }
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

/// Whether options satisfy a plugin's schema; nothing is changed.
#[utoipa::path(post, path = "/v1/plugins/{id}/check", operation_id = "check_plugin_options", tag = "plugins", params(("id" = String, Path, description = "The plugin")),
    request_body(content = Object, description = "Options", content_type = "application/json"),
    security(("token" = ["plugins:write"])),
    responses((status = 200, description = "They do: `valid` is true", body = Object, content_type = "application/json")))]
pub(super) async fn check(
    State(api): State<Arc<Api>>,
    _: Permit<PluginsWrite>,
    Named(id): Named,
    options: Result<Json<Value>, JsonRejection>,
) -> Result<Json<Value>, Problem> {
    let Json(options) = options.map_err(no_json)?;
    match api.plugins().and_then(|plugins| plugins.check_options(&PluginId::new(id), &options)) {
        None => Err(Problem::new(StatusCode::NOT_FOUND, "plugin_not_found")),
        Some(faults) if faults.is_empty() => Ok(Json(json!({ "valid": true }))),
        Some(faults) => {
            let errors = faults.into_iter().map(|fault| FieldError { path: fault.path, message: fault.message }).collect();
            Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_options").errors(errors))
        }
    }
}
