//! `/v1`: who asks is known, asks within bounds, and only then reaches a handler.

use super::auth::{Auth, Caller};
use super::events::Streams;
use super::once::{Once, Turn};
use super::rates::Rates;
use super::tickets::Tickets;
use super::{Problem, admin, audit, calls, events, latency, openapi, plugins};
use crate::adapters::audit::Trail;
use crate::adapters::latency::Latency;
use crate::adapters::notices::NoticeBoard;
use crate::adapters::plugins::Plugins;
use crate::adapters::settings::Settings;
use crate::application::desk::Desk;
use crate::application::ports::{Orders, Originator, Tenants};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tower_http::cors::{AllowOrigin, CorsLayer};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// Bytes of a body.
const BODY_MAX: usize = 64 << 10;
/// From a request's head to the end of its body.
const BODY: Duration = Duration::from_secs(10);
/// How long a browser remembers what it may.
const PREFLIGHT: Duration = Duration::from_secs(600);

/// What the API speaks for.
pub struct ApiParts {
    /// How callers are known.
    pub auth: Auth,
    /// What may be read.
    pub desk: Arc<Desk>,
    /// Where the time of turns went.
    pub latency: Arc<Latency>,
    /// Orders to live calls.
    pub orders: Arc<dyn Orders>,
    /// Who makes calls; none where nobody does.
    pub originator: Option<Arc<dyn Originator>>,
    /// Who knows tenants.
    pub tenants: Arc<dyn Tenants>,
    /// Policy, plugins and their folder; none for an empty list of them that nobody changes.
    pub settings: Option<Arc<Settings>>,
    /// Where the operator's part is served.
    pub operators: Operators,
    /// Tickets for `/media/ws`.
    pub tickets: Arc<Tickets>,
    /// Where acts are written down beside the log; none: nowhere.
    pub trail: Option<Arc<Trail>>,
    /// What befell this gateway as a whole.
    pub notices: Arc<NoticeBoard>,
    /// Cancelling it begins the drain.
    pub drain: CancellationToken,
    /// Cancelled when connections are to end.
    pub close: CancellationToken,
    /// Requests a second of a token; none: no limit.
    pub requests_per_s: Option<NonZeroU32>,
    /// Origins whose pages may ask; none: no page of another origin.
    pub cors_origins: Vec<HeaderValue>,
}

/// Where the operator's part of the API is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operators {
    /// Where everything is.
    Here,
    /// At an address of their own: changes to plugins are not even known at the public one.
    Apart,
}

pub(super) struct Api {
    pub(super) parts: ApiParts,
    pub(super) streams: Streams,
    /// Held by who changes plugins: one at a time, since a component may be large and takes a processor for seconds.
    pub(super) changing: Arc<Semaphore>,
    pub(super) once: Arc<Once>,
    rates: Rates,
}

impl Api {
    pub(super) fn plugins(&self) -> Option<&Arc<Plugins>> {
        self.parts.settings.as_ref().map(|settings| settings.plugins())
    }
}

/// The routes of the API: those for everybody, and those of the operator.
pub struct ApiRoutes {
    /// Calls, events, tenants, plugins, tickets; and the API's description.
    pub public: Router,
    /// `/v1/admin/…`, and changes to plugins where the operator's part is apart.
    pub admin: Router,
}

/// The routes, to be mounted. They have to be served with [`ConnectInfo`] of [`SocketAddr`].
pub fn api(parts: ApiParts) -> ApiRoutes {
    let cors = cors(&parts.cors_origins);
    let rates = Rates::new(parts.requests_per_s);
    let operators_apart = parts.operators == Operators::Apart;
    let changing = Arc::new(Semaphore::new(1));
    let api = Arc::new(Api { parts, streams: Streams::default(), changing, once: Arc::default(), rates });
    let guarded = |routes: Router<Arc<Api>>| {
        let routes = routes.method_not_allowed_fallback(super::method_not_allowed);
        routes.layer(middleware::from_fn_with_state(Arc::clone(&api), guard)).with_state(Arc::clone(&api))
    };
    let (mut everybodys, mut theirs) = (public().split_for_parts().0, operators().split_for_parts().0);
    let changes = changes().split_for_parts().0;
    if operators_apart {
        theirs = theirs.merge(changes)
    } else {
        everybodys = everybodys.merge(changes)
    }
    let mut public = guarded(everybodys).merge(openapi::pages());
    if let Some(cors) = cors {
        public = public.layer(cors);
    }
    ApiRoutes { public, admin: guarded(theirs) }
}

/// The routes with their description; see [`openapi`].
pub(super) fn public() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new()
        .routes(routes!(calls::list, calls::originate))
        .routes(routes!(calls::show, calls::hang_up))
        .routes(routes!(calls::transcript))
        .routes(routes!(calls::explain))
        .routes(routes!(calls::transfer, calls::call_off_transfer))
        .routes(routes!(calls::dtmf))
        .routes(routes!(calls::say))
        .routes(routes!(calls::recording))
        .routes(routes!(events::events))
        .routes(routes!(latency::latency))
        .routes(routes!(admin::settings))
        .routes(routes!(admin::media_ticket))
        .routes(routes!(plugins::list))
        .routes(routes!(plugins::check))
}

/// The same of the operator's.
pub(super) fn operators() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new().routes(routes!(admin::drain)).routes(routes!(admin::events))
}

/// Changes to what all tenants share.
pub(super) fn changes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new().routes(routes!(plugins::changes::put)).routes(routes!(plugins::changes::take_away))
}

async fn guard(
    State(api): State<Arc<Api>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    mut request: Request,
    next: Next,
) -> Response {
    let caller = match api.parts.auth.caller(peer, request.headers()).await {
        Ok(caller) => caller,
        Err(error) => {
            tracing::debug!(code = error.code(), "request refused");
            return Problem::from(error).into_response();
        }
    };
    if let Err(problem) = api.rates.take(&caller.tenant, &caller.subject) {
        return problem.into_response();
    }
    request.extensions_mut().insert(caller.clone());
    if *request.method() == Method::GET || *request.method() == Method::HEAD {
        return next.run(request).await;
    }
    let (request, act) = audit::Act::of(request, &caller, api.parts.trail.clone()).await;
    let response = if plugins::comes_in_pieces(request.method(), request.uri()) {
        // Reads its body itself, and knows itself whether it was done before.
        next.run(request).await
    } else {
        acted(&api, &caller, request, next).await
    };
    act.ended(&response);
    response
}

async fn acted(api: &Api, caller: &Caller, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let body = match whole(body).await {
        Ok(body) => body,
        Err(problem) => return problem.into_response(),
    };
    let key = if parts.method == Method::POST { Once::key(&parts.headers) } else { Ok(None) };
    let turn = match key {
        Ok(None) => return next.run(Request::from_parts(parts, Body::from(body))).await,
        Ok(Some(key)) => {
            api.once.sweep();
            let what = [parts.method.as_str().as_bytes(), parts.uri.path().as_bytes(), caller.subject.as_bytes(), &body];
            api.once.begin(&caller.tenant, key, &what)
        }
        Err(problem) => Err(problem),
    };
    match turn {
        Ok(Turn::Do(doing)) => doing.answered(next.run(Request::from_parts(parts, Body::from(body))).await).await,
        Ok(Turn::Again(response)) => response,
        Err(problem) => problem.into_response(),
    }
}

/// A body that comes in time and is not too large.
pub(super) async fn whole(body: Body) -> Result<Bytes, Problem> {
    let read = timeout(BODY, Limited::new(body, BODY_MAX).collect()).await;
    match read {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            let problem = Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large");
            Err(problem.detail(format!("a body has at most {BODY_MAX} bytes")))
        }
        Ok(Err(_)) => Err(Problem::new(StatusCode::BAD_REQUEST, "body_cut_short")),
        Err(_) => Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "body_too_slow")),
    }
}

fn cors(origins: &[HeaderValue]) -> Option<CorsLayer> {
    const ASKED: [HeaderName; 5] = [
        header::AUTHORIZATION,
        header::CONTENT_TYPE,
        HeaderName::from_static("idempotency-key"),
        HeaderName::from_static("last-event-id"),
        HeaderName::from_static("x-request-id"),
    ];
    const TOLD: [HeaderName; 3] = [header::LOCATION, header::RETRY_AFTER, HeaderName::from_static("x-request-id")];
    (!origins.is_empty()).then(|| {
        CorsLayer::new()
            .allow_origin(AllowOrigin::list(origins.iter().cloned()))
            .allow_methods([Method::GET, Method::POST, Method::DELETE])
            .allow_headers(ASKED)
            .expose_headers(TOLD)
            .max_age(PREFLIGHT)
    })
}
