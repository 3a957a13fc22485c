//! Azure AI Speech: both families of listening paths, both speaking sockets, their REST form, the list of voices and tokens.
//!
//! Troubles: `http-STATUS` (its number: seconds of `Retry-After`), `hang` (the handshake is never answered), `redirect`, `close` (its
//! number: the code; when a turn is asked for), `stall` (its number: messages of a connection after which nothing more is said),
//! `garbage` (a message of no form), `cut-after`; for listeners `status-STATUS` (a phrase of that status), `no-turn-start`,
//! `no-turn-end`, `turn-end-early` (after the first final), `end-detected-early`; for speakers `no-turn-end`, `empty-audio`,
//! `strange-turn` (another `X-RequestId`), `half-sample`, `no-turn-start`.

mod door;
mod ssml;
mod stt;
mod tts;
mod usp;

use crate::Sim;
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use std::sync::Arc;

/// The key that opens; tokens are what `issueToken` gave, or anything of a token's form.
pub const KEY: &str = "0123456789abcdef0123456789abcdef";

/// Its troubles.
pub const TROUBLES: &[&str] = &[
    "http-400",
    "http-401",
    "http-403",
    "http-404",
    "http-408",
    "http-415",
    "http-429",
    "http-500",
    "http-502",
    "http-503",
    "http-504",
    "hang",
    "redirect",
    "close",
    "stall",
    "garbage",
    "status-TooManyRequests",
    "status-BadRequest",
    "status-Forbidden",
    "status-ServiceUnavailable",
    "status-Error",
    "status-NoMatch",
    "no-turn-start",
    "no-turn-end",
    "turn-end-early",
    "end-detected-early",
    "empty-audio",
    "strange-turn",
    "half-sample",
];

/// All paths; some clients put the speaker's below `/tts`.
pub fn routes() -> Router<Arc<Sim>> {
    Router::new()
        .route("/stt/speech/universal/v2", get(stt::universal))
        .route("/redirected/stt/speech/universal/v2", get(stt::universal))
        .route("/speech/recognition/{mode}/cognitiveservices/v1", get(stt::recognition))
        .route("/redirected/speech/recognition/{mode}/cognitiveservices/v1", get(stt::recognition))
        .route("/cognitiveservices/websocket/{version}", get(tts::socket))
        .route("/tts/cognitiveservices/websocket/{version}", get(tts::socket))
        .route("/redirected/cognitiveservices/websocket/{version}", get(tts::socket))
        .route("/redirected/tts/cognitiveservices/websocket/{version}", get(tts::socket))
        .route("/cognitiveservices/v1", post(tts::request))
        .route("/tts/cognitiveservices/v1", post(tts::request))
        .route("/cognitiveservices/voices/list", get(tts::voices))
        .route("/tts/cognitiveservices/voices/list", get(tts::voices))
        .route("/sts/v1.0/issueToken", post(token))
}

/// A token for a key; it is not remembered.
async fn token(State(sim): State<Arc<Sim>>, headers: HeaderMap) -> Response {
    match door::keyed(&headers, None) {
        true => "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJzaW0ifQ.c2ltdWxhdGVk".into_response(),
        false => {
            sim.offence(crate::Vendor::Azure, "a token was asked for without the key");
            StatusCode::UNAUTHORIZED.into_response()
        }
    }
}
