//! The API's description (OpenAPI 3.1), made of the handlers themselves, and a page to read it. The page loads nothing from anywhere else.

use super::api;
use super::problem::FieldError;
use axum::http::{HeaderName, StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use serde::Serialize;
use std::sync::LazyLock;
use utoipa::openapi::schema::AdditionalProperties;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{Content, OpenApi, Ref, RefOr, Response, ResponseBuilder, Schema};
use utoipa::{OpenApi as _, ToSchema};

const PAGE: &str = include_str!("openapi/page.html");
const SCRIPT: &str = include_str!("openapi/page.js");
const STYLE: &str = include_str!("openapi/page.css");
/// The page may run its own script and ask its own origin, nothing else.
const POLICY: &str =
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'";

static DOCUMENT: LazyLock<OpenApi> = LazyLock::new(document);

/// An error as RFC 9457 has it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ProblemDocument {
    /// What its status means.
    title: String,
    /// The HTTP status.
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// Which error it is: one of a fixed set, to be compared.
    code: String,
    /// For the person who reads it.
    #[schema(nullable = false)]
    detail: Option<String>,
    /// What is wrong, value by value.
    #[schema(nullable = false)]
    errors: Option<Vec<FieldError>>,
    /// The request that it answers, as `x-request-id` says.
    #[schema(nullable = false)]
    request_id: Option<String>,
}

#[derive(utoipa::OpenApi)]
#[openapi(
    info(title = "Serphona Voice Gateway", version = "1", license(name = "Apache-2.0", identifier = "Apache-2.0"),
        description = "Calls, their events and what a tenant may do with them. Every request is answered for the tenant of its token; \
            another tenant's call is not there. A POST with an `Idempotency-Key` that is sent again within fifteen minutes is answered again \
            and not done again. Errors are problem documents (RFC 9457) whose `code` is one of a fixed set."),
    components(schemas(ProblemDocument)),
    tags((name = "calls"), (name = "events"), (name = "tenants"), (name = "plugins"), (name = "admin")),
)]
struct Description;

/// The document.
pub fn openapi() -> &'static OpenApi {
    &DOCUMENT
}

fn document() -> OpenApi {
    let mut document = Description::openapi();
    document.merge(api::public().into_openapi());
    document.merge(api::operators().into_openapi());
    document.merge(api::changes().into_openapi());
    let token = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .bearer_format("JWT")
        .description(Some("RS256, ES256 or EdDSA, with the claims iss, aud, exp, sub, tenant_id and scope"))
        .build();
    document.components.get_or_insert_default().add_security_scheme("token", SecurityScheme::Http(token));
    close_variants(&mut document, "TransferWish");
    for item in document.paths.paths.values_mut() {
        let acts = [(&mut item.get, false), (&mut item.post, true), (&mut item.delete, true)];
        for (operation, acts) in acts {
            let Some(operation) = operation else { continue };
            let with_body = operation.request_body.is_some();
            for (status, what, holds) in usual(acts, with_body) {
                if holds {
                    let responses = &mut operation.responses.responses;
                    responses.entry(status.as_str().to_owned()).or_insert_with(|| RefOr::T(problem(what)));
                }
            }
        }
    }
    // Has its own proofs and answers.
    document.merge(crate::adapters::webhook::description());
    document
}

/// Of an enum of bodies nothing says that each has no further names; the handlers take none.
fn close_variants(document: &mut OpenApi, name: &str) {
    let schema = document.components.as_mut().and_then(|components| components.schemas.get_mut(name));
    let Some(RefOr::T(Schema::OneOf(variants))) = schema else { return };
    for variant in &mut variants.items {
        if let RefOr::T(Schema::Object(object)) = variant {
            object.additional_properties = Some(Box::new(AdditionalProperties::FreeForm(false)));
        }
    }
}

/// What any request may be answered.
fn usual(acts: bool, with_body: bool) -> [(StatusCode, &'static str, bool); 12] {
    [
        (StatusCode::BAD_REQUEST, "The request makes no sense", true),
        (StatusCode::UNAUTHORIZED, "The token is missing or not good", true),
        (StatusCode::FORBIDDEN, "The token is not for that, or the tenant may not", true),
        (StatusCode::NOT_FOUND, "The token's tenant has none of that name", true),
        (StatusCode::REQUEST_TIMEOUT, "The body did not come in time", acts),
        (StatusCode::CONFLICT, "Not in its present state, or the idempotency key is in use", acts),
        (StatusCode::PAYLOAD_TOO_LARGE, "The body is too large", acts),
        (StatusCode::UNSUPPORTED_MEDIA_TYPE, "The body is not said to be JSON", with_body),
        (StatusCode::UNPROCESSABLE_ENTITY, "The values make no sense, or the idempotency key was used otherwise", acts),
        (StatusCode::TOO_MANY_REQUESTS, "Too many requests of this token, or too many of that", true),
        (StatusCode::GATEWAY_TIMEOUT, "It took too long", true),
        (StatusCode::SERVICE_UNAVAILABLE, "The issuer's keys cannot be had yet", true),
    ]
}

/// A problem document, and what it is told for.
pub(in crate::adapters) fn problem(what: &str) -> Response {
    let content = Content::new(Some(Ref::from_schema_name("ProblemDocument")));
    ResponseBuilder::new().description(what).content("application/problem+json", content).build()
}

/// `/v1/openapi.json`, and `/v1/docs` to read it. Without a token: they hold nobody's data.
pub(super) fn pages<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new()
        .route("/v1/openapi.json", get(async || Json(openapi())))
        .route("/v1/docs", get(async || page("text/html; charset=utf-8", PAGE)))
        .route("/v1/docs/page.js", get(async || page("text/javascript; charset=utf-8", SCRIPT)))
        .route("/v1/docs/page.css", get(async || page("text/css; charset=utf-8", STYLE)))
}

fn page(kind: &'static str, text: &'static str) -> impl IntoResponse {
    let headers: [(HeaderName, &'static str); 2] = [(header::CONTENT_TYPE, kind), (header::CONTENT_SECURITY_POLICY, POLICY)];
    (headers, text)
}
