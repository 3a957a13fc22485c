//! Plugins that come and go by the API. The folder is shared by all tenants, so it is the operator's act; see ARCHITECTURE.md.

use super::row;
use crate::adapters::http::Problem;
use crate::adapters::http::api::Api;
use crate::adapters::http::audit::On;
use crate::adapters::http::auth::{Admin, Caller, Permit, PluginsWrite};
use crate::adapters::http::input::{Ask, Named, unfit};
use crate::adapters::http::once::{Once, Turn};
use crate::adapters::http::openapi::ProblemDocument;
use crate::adapters::http::problem::FieldError;
use crate::adapters::plugins::{Absent, ChangeError};
use crate::adapters::settings::Settings;
use axum::Json;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http_body_util::BodyExt;
use serde::Deserialize;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;
use utoipa::{IntoParams, ToSchema};
use vg_domain::ids::PluginId;
use vg_plugin_host::LoadError;
use vg_plugin_store::{Digest, FolderError, NewPlugin, OpenError, PLUGIN_BYTES_MAX, PluginName, Signature};

/// From a request's head to the end of a component.
const COMPONENT: Duration = Duration::from_secs(300);
/// Bytes that are written to the disk at a time.
const PIECE: usize = 1 << 20;
/// Characters of a signature's header: four lines in base64.
const SIGNATURE_MAX: usize = 8 << 10;
const KINDS: [&str; 2] = ["application/wasm", "application/octet-stream"];

/// Under which name.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::adapters::http) struct Under {
    /// What tenants will write: lower-case letters, digits and `._-`.
    #[param(pattern = "^[a-z0-9][a-z0-9._-]{0,63}$")]
    id: String,
}

/// A component (WebAssembly).
#[derive(ToSchema)]
#[schema(value_type = String, format = Binary)]
#[expect(dead_code, reason = "only described: it is read piece by piece")]
pub(in crate::adapters::http) struct Component(Vec<u8>);

/// Whether it is a component that comes, which is read piece by piece and takes its time.
pub(in crate::adapters::http) fn comes_in_pieces(method: &Method, uri: &Uri) -> bool {
    *method == Method::POST && uri.path() == "/v1/plugins"
}

/// Puts a plugin into the folder, or another version of one that is there: checked, tried without a caller, and then taken over beside live calls,
/// whose sessions keep the version they have. The operator's policy has to vouch for these very bytes: by their digest, or by the key of their
/// signature. Where that is not so, or it does not work, nothing changes.
#[utoipa::path(post, path = "/v1/plugins", operation_id = "put_plugin", tag = "plugins",
    params(Under, ("plugin-signature" = Option<String>, Header, description = "Its signature: the `.minisig` file in base64")),
    request_body(description = "The component, at most 256 MiB", content((Component = "application/wasm"), (Component = "application/octet-stream"))),
    security(("token" = ["plugins:write", "admin"])),
    responses((status = 200, description = "It takes the place of the version before it, or was there already", body = Object, content_type = "application/json"),
        (status = 201, description = "It is there", body = Object, content_type = "application/json"),
        (status = 415, description = "The body is not said to be a component", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 501, description = "This gateway cannot change its folder", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 507, description = "The folder has no room left", body = ProblemDocument, content_type = "application/problem+json")))]
pub(in crate::adapters::http) async fn put(
    State(api): State<Arc<Api>>,
    _: Permit<PluginsWrite>,
    operator: Permit<Admin>,
    Ask(Under { id }): Ask<Under>,
    request: Request,
) -> Response {
    let plugin: PluginName = match id.parse() {
        Ok(plugin) => plugin,
        Err(error) => return unfit(vec![FieldError { path: "/id".to_owned(), message: format!("{error}") }]).into_response(),
    };
    let (mut response, on) = match taken_in(&api, &operator, plugin, request).await {
        Ok((response, digest)) => (response, format!("{id}@{}", digest.hex())),
        Err(problem) => (problem.into_response(), id),
    };
    response.extensions_mut().insert(On(on));
    response
}

async fn taken_in(api: &Arc<Api>, caller: &Caller, plugin: PluginName, request: Request) -> Result<(Response, Digest), Problem> {
    let (parts, body) = request.into_parts();
    if plugin.version().is_some() {
        let message = "a plugin of the folder has no version in its name".to_owned();
        return Err(unfit(vec![FieldError { path: "/id".to_owned(), message }]));
    }
    let kind = parts.headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if !KINDS.contains(&kind.split(';').next().unwrap_or_default().trim()) {
        let problem = Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "no_component");
        return Err(problem.detail("expected Content-Type: application/wasm"));
    }
    let length = parts.headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if length.is_some_and(|length| length > PLUGIN_BYTES_MAX) {
        return Err(refused(FolderError::TooLarge { bytes_max: PLUGIN_BYTES_MAX }.into()));
    }
    let signature = signature(&parts.headers)?;
    let key = Once::key(&parts.headers)?;
    let settings = settings(api)?;
    // Goes along to wherever the work is done: whoever asked may go away meanwhile.
    let alone = Arc::clone(&api.changing).try_acquire_owned().map_err(|_| busy())?;
    let plugins = Arc::clone(settings.plugins());
    let name = plugin.name().to_owned();
    let coming = blocking(move || plugins.begin(&plugin)).await?.map_err(refused)?;
    let received = timeout(COMPONENT, received(body, coming)).await;
    let mut coming = received.map_err(|_| Problem::new(StatusCode::REQUEST_TIMEOUT, "body_too_slow"))??;
    let digest = coming.digest();
    let turn = match key {
        None => None,
        Some(key) => {
            api.once.sweep();
            let (digest, signed) = (digest.hex(), signature.as_ref().map_or("", Signature::text));
            let what = ["POST", parts.uri.path(), &caller.subject, &name, &digest, signed].map(str::as_bytes);
            Some(api.once.begin(&caller.tenant, key, &what)?)
        }
    };
    let doing = match turn {
        Some(Turn::Again(response)) => return Ok((response, digest)),
        Some(Turn::Do(doing)) => Some(doing),
        None => None,
    };
    let done = blocking(move || {
        let _alone = alone;
        let id = PluginId::new(coming.plugin().name());
        let known = settings.plugins().one(&id).is_some_and(|listed| listed.holds.is_ok());
        if let Some(signature) = &signature {
            coming.sign(signature)?;
        }
        settings.put(coming)?;
        Ok::<_, ChangeError>((known, settings.plugins().one(&id)))
    });
    let response = match done.await? {
        Ok((known, listed)) => {
            let status = if known { StatusCode::OK } else { StatusCode::CREATED };
            (status, Json(listed.map(row))).into_response()
        }
        Err(error) => refused(error).into_response(),
    };
    let response = match doing {
        Some(doing) => doing.answered(response).await,
        None => response,
    };
    Ok((response, digest))
}

/// Takes a plugin out of the folder. Sessions that have it keep it; the next one does not get it. Refused while the settings of a tenant name it.
#[utoipa::path(delete, path = "/v1/plugins/{id}", operation_id = "remove_plugin", tag = "plugins", params(("id" = String, Path, description = "The plugin")),
    security(("token" = ["plugins:write", "admin"])),
    responses((status = 204, description = "It is gone"),
        (status = 501, description = "This gateway cannot change its folder", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 507, description = "The folder has no room left", body = ProblemDocument, content_type = "application/problem+json")))]
pub(in crate::adapters::http) async fn take_away(
    State(api): State<Arc<Api>>,
    _: Permit<PluginsWrite>,
    _: Permit<Admin>,
    Named(id): Named,
) -> Result<StatusCode, Problem> {
    let unknown = || Problem::new(StatusCode::NOT_FOUND, "plugin_not_found");
    let plugin: PluginName = id.parse().map_err(|_| unknown())?;
    if plugin.version().is_some() {
        return Err(unknown());
    }
    let settings = settings(&api)?;
    let alone = Arc::clone(&api.changing).try_acquire_owned().map_err(|_| busy())?;
    let done = blocking(move || {
        let _alone = alone;
        settings.take_away(&plugin)
    });
    done.await?.map(|()| StatusCode::NO_CONTENT).map_err(refused)
}

fn settings(api: &Api) -> Result<Arc<Settings>, Problem> {
    let absent = || Problem::new(StatusCode::NOT_IMPLEMENTED, "not_configured").detail("this gateway has no folder of plugins");
    api.parts.settings.clone().ok_or_else(absent)
}

fn busy() -> Problem {
    let problem = Problem::new(StatusCode::CONFLICT, "plugins_are_changing").retry_after(5);
    problem.detail("one plugin at a time: another one is coming or going")
}

fn signature(headers: &HeaderMap) -> Result<Option<Signature>, Problem> {
    let mut values = headers.get_all("plugin-signature").iter();
    let Some(value) = values.next() else { return Ok(None) };
    let text = values.next().is_none().then_some(value.as_bytes()).filter(|value| value.len() <= SIGNATURE_MAX);
    let text = text.and_then(|value| STANDARD.decode(value).ok()).and_then(|bytes| String::from_utf8(bytes).ok());
    let wrong = || {
        let problem = Problem::new(StatusCode::FORBIDDEN, "not-a-signature");
        problem.detail("expected plugin-signature: the four lines of a .minisig file in base64, in one line")
    };
    Ok(Some(text.and_then(|text| text.parse().ok()).ok_or_else(wrong)?))
}

/// Writes what comes, as it comes.
async fn received(mut body: Body, mut coming: NewPlugin) -> Result<NewPlugin, Problem> {
    let mut piece = Vec::with_capacity(PIECE);
    loop {
        let frame = body.frame().await;
        let ended = frame.is_none();
        if let Some(frame) = frame {
            let frame = frame.map_err(|_| Problem::new(StatusCode::BAD_REQUEST, "body_cut_short"))?;
            piece.extend_from_slice(frame.data_ref().map_or(&[], |data| data));
        }
        if piece.len() >= PIECE || (ended && !piece.is_empty()) {
            let next = std::mem::replace(&mut piece, Vec::with_capacity(PIECE));
            let written = blocking(move || coming.write(&next).map(|()| coming)).await?;
            coming = written.map_err(|error| refused(error.into()))?;
        }
        if ended {
            return Ok(coming);
        }
    }
}

/// Off the workers that carry calls.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Problem> {
    tokio::task::spawn_blocking(work).await.map_err(|_| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "defect"))
}

fn refused(error: ChangeError) -> Problem {
    let status = match &error {
        ChangeError::InUse | ChangeError::OfTheStore => StatusCode::CONFLICT,
        ChangeError::Folder(FolderError::Missing) => StatusCode::NOT_FOUND,
        ChangeError::Folder(FolderError::TooLarge { .. }) => StatusCode::PAYLOAD_TOO_LARGE,
        ChangeError::Folder(FolderError::ReadOnly(_)) => StatusCode::NOT_IMPLEMENTED,
        ChangeError::Folder(FolderError::Full(_)) => StatusCode::INSUFFICIENT_STORAGE,
        ChangeError::Folder(FolderError::Io(_)) => StatusCode::INTERNAL_SERVER_ERROR,
        ChangeError::Absent(absent) => why_not(absent),
    };
    if status.is_server_error() {
        tracing::error!(code = error.code(), error = &error as &dyn std::error::Error, "a plugin is not changed");
    }
    Problem::new(status, error.code()).detail(error.to_string())
}

/// Forbidden is what the policy forbids; what is wrong with the component itself makes no sense.
fn why_not(absent: &Absent) -> StatusCode {
    match absent {
        Absent::Refused(OpenError::Trust(_)) | Absent::Pinned { .. } | Absent::Untrusted { .. } | Absent::Heavy | Absent::Key => {
            StatusCode::FORBIDDEN
        }
        Absent::Load(LoadError::Missing | LoadError::Io(_)) => StatusCode::INTERNAL_SERVER_ERROR,
        Absent::Refused(OpenError::TooLarge { .. }) => StatusCode::PAYLOAD_TOO_LARGE,
        Absent::Refused(OpenError::NoName { .. } | OpenError::Io { .. } | OpenError::Store(_)) => {
            StatusCode::INTERNAL_SERVER_ERROR
        }
        Absent::Tried(_) | Absent::OtherKind { .. } | Absent::Changed | Absent::Missing | Absent::Ambiguous => {
            StatusCode::CONFLICT
        }
        Absent::Load(_) | Absent::Schema(_) | Absent::Probe(_) | Absent::Name(_) => StatusCode::UNPROCESSABLE_ENTITY,
    }
}
