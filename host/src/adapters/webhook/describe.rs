//! The webhook in the API's description.

use super::Coming;
use crate::adapters::http::problem_response as problem;
use utoipa::OpenApi;
use utoipa::openapi::RefOr;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};

/// What a sender is told whose call is not made ready.
const PROBLEMS: [(&str, &str); 9] = [
    ("401", "The secret or the signature is not good (`unauthorized`), or its time has passed (`expired`)"),
    ("403", "The secret itself came over plain HTTP from another machine (`bearer_needs_tls`): sign, or use TLS"),
    ("404", "`http.webhook_secret` is not set: nobody announces calls here"),
    ("408", "The body did not come in time"),
    ("409", "The nonce was used before"),
    ("413", "The body is too large"),
    ("415", "The body is neither a form nor JSON"),
    ("422", "The values make no sense"),
    ("503", "Enough calls are being made ready"),
];

#[derive(OpenApi)]
#[openapi(paths(announce), components(schemas(Coming)), tags((name = "webhooks")))]
struct Description;

/// What is to be added to the description: the route, and how senders prove themselves.
pub(in crate::adapters) fn description() -> utoipa::openapi::OpenApi {
    let mut document = Description::openapi();
    for operation in document.paths.paths.values_mut().filter_map(|item| item.post.as_mut()) {
        operation.responses.responses.extend(PROBLEMS.map(|(status, what)| (status.to_owned(), RefOr::T(problem(what)))));
    }
    let secret = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some("`http.webhook_secret` itself: over TLS, or from the gateway's own machine"))
        .build();
    let signature = ApiKeyValue::with_description(
        "x-vg-signature",
        "`sha256=HEX`: HMAC-SHA256 under `http.webhook_secret` over `TIMESTAMP.NONCE.BODY`",
    );
    let components = document.components.get_or_insert_default();
    components.add_security_scheme("webhook_secret", SecurityScheme::Http(secret));
    components.add_security_scheme("webhook_signature", SecurityScheme::ApiKey(ApiKey::Header(signature)));
    document
}

/// A call is on its way: its tenant's settings and connections are made ready. There only where `http.webhook_secret` is set.
#[utoipa::path(post, path = "/v1/webhooks/asterisk", operation_id = "announce_call", tag = "webhooks",
    security(("webhook_secret" = []), ("webhook_signature" = [])),
    params(
        ("x-vg-timestamp" = Option<u64>, Header, description = "With a signature: Unix seconds, within 300 s of the gateway's clock"),
        ("x-vg-nonce" = Option<String>, Header, description = "With a signature: good once", min_length = 16, max_length = 64,
            pattern = r"^[A-Za-z0-9_-]{16,64}$"),
    ),
    request_body(content((Coming = "application/x-www-form-urlencoded"), (Coming = "application/json"))),
    responses((status = 202, description = "It is begun; nobody waits for it")))]
#[expect(dead_code, reason = "the description's path; the route itself takes any body and reads it late")]
fn announce() {}
