//! Google Cloud Speech-to-Text v1 and v2 and Text-to-Speech v1: gRPC over HTTP/2, and the REST forms of what is no stream; and the endpoint that
//! gives out tokens.
//!
//! Troubles: `google-status` (its number is the code a call ends with before anything else), `google-mid` (the same after the first words or
//! sound), `google-http` (an HTTP status without gRPC), `google-hang` (no answer), `google-kill` (a reset after the first words or sound), `google-stall` (nothing more after
//! them), `google-no-trailers` (the end without a status), `google-half-message` (half a message, then a good status), `google-life-ms` (in place of
//! five minutes), `google-idle-ms` (in place of 10 s without audio, 5 s without text), `google-empty` (no sound); of the token endpoint
//! `google-token` (its status), `google-token-hang`, `google-token-life-s` (in place of an hour).

mod call;
mod credential;
mod speech;
mod tokens;
mod tts;

use crate::Sim;
use axum::Router;
use axum::routing::post;
use std::sync::Arc;

/// Its troubles.
pub const TROUBLES: &[&str] = &[
    "google-status",
    "google-mid",
    "google-http",
    "google-hang",
    "google-kill",
    "google-stall",
    "google-no-trailers",
    "google-half-message",
    "google-life-ms",
    "google-idle-ms",
    "google-empty",
    "google-token",
    "google-token-hang",
    "google-token-life-s",
];

/// Its paths.
pub fn routes() -> Router<Arc<Sim>> {
    Router::new()
        // Of oauth2.googleapis.com.
        .route("/token", post(tokens::exchange))
        .route("/google.cloud.speech.v1.Speech/StreamingRecognize", post(speech::streaming_v1))
        .route("/google.cloud.speech.v2.Speech/StreamingRecognize", post(speech::streaming_v2))
        .route("/google.cloud.texttospeech.v1.TextToSpeech/StreamingSynthesize", post(tts::streaming))
        .route("/google.cloud.texttospeech.v1.TextToSpeech/SynthesizeSpeech", post(tts::unary))
        .route("/google.cloud.speech.v1.Speech/Recognize", post(speech::recognize_v1))
        .route("/google.cloud.speech.v2.Speech/Recognize", post(speech::recognize_v2))
        .route("/v1/speech:recognize", post(speech::rest_v1))
        // With `:recognize` behind it.
        .route("/v2/projects/{project}/locations/{location}/recognizers/{recognizer}", post(speech::rest_v2))
        .route("/v1/text:synthesize", post(tts::rest))
}
