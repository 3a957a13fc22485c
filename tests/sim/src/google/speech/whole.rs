//! A short file at once: `Recognize` by gRPC and by REST.

use super::messages::{Alternative, Recognition, v1, v2};
use super::{Api, SERVICE};
use crate::google::call::{Call, Said, Shared, Span, Status, Talk, answer, refused};
use crate::google::credential::admit;
use crate::{Coding, Format, Heard, Sim, Vendor};
use axum::body::Bytes;
use axum::extract::{Path, Request, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use prost::Message;
use serde_json::{Value, json};
use std::sync::Arc;

pub(in crate::google) async fn recognize_v1(State(sim): Shared, request: Request) -> Response {
    recognize(Api::V1, sim, request).await
}

pub(in crate::google) async fn recognize_v2(State(sim): Shared, request: Request) -> Response {
    recognize(Api::V2, sim, request).await
}

async fn recognize(api: Api, sim: Arc<Sim>, request: Request) -> Response {
    let mut call = match Call::accept(sim, request, SERVICE).await {
        Ok(call) => call,
        Err(response) => return *response,
    };
    match recognized(api, &mut call).await {
        Ok(message) => answer(Whole { call, message: Some(message) }, SERVICE),
        Err(status) => status.into_response(),
    }
}

async fn recognized(api: Api, call: &mut Call) -> Result<Vec<u8>, Status> {
    let message = call.next().await?.ok_or_else(|| call.wrong("no request"))?;
    let whole = match api {
        Api::V1 => call.read::<v1::Whole>(&message)?.plan(),
        Api::V2 => call.read::<v2::Whole>(&message)?.plan(),
    };
    let (plan, content) = whole.map_err(|what| call.wrong(what))?;
    let results = results(&call.sim, plan.format, &plan.language, &content);
    let billed = Span::of_ms(plan.format.ms(content.len()).div_ceil(1000) * 1000);
    Ok(match api {
        Api::V1 => v1::WholeResponse { results, total_billed_time: Some(billed), request_id: 4_207_849_128 }.encode_to_vec(),
        Api::V2 => v2::WholeResponse { results }.encode_to_vec(),
    })
}

fn results(sim: &Sim, format: Format, language: &str, content: &[u8]) -> Vec<Recognition> {
    let mut ear = sim.ear(format, language);
    let heard = [ear.hear(content), ear.finalize()].concat();
    let result = |heard: &Heard| match heard {
        Heard::Final(said) => Some(Recognition {
            alternatives: vec![Alternative { transcript: said.text(), confidence: 0.96, words: vec![] }],
            end: Some(Span::of_ms(said.end_ms())),
            language_code: language.to_lowercase(),
            ..Recognition::default()
        }),
        _ => None,
    };
    heard.iter().filter_map(result).collect()
}

struct Whole {
    call: Call,
    message: Option<Vec<u8>>,
}

impl Talk for Whole {
    fn call(&self) -> &Call {
        &self.call
    }

    async fn next(&mut self) -> Said {
        self.message.take().map_or(Said::End(Status::OK), Said::Message)
    }

    fn is_fruit(_: &[u8]) -> bool {
        false
    }
}

pub(in crate::google) async fn rest_v1(State(sim): Shared, headers: HeaderMap, body: Bytes) -> Response {
    rest(Api::V1, &sim, &headers, &body).await
}

pub(in crate::google) async fn rest_v2(
    State(sim): Shared,
    Path((_, _, recognizer)): Path<(String, String, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    match recognizer.ends_with(":recognize") {
        true => rest(Api::V2, &sim, &headers, &body).await,
        false => Status::new(5, "Not found.").as_json(),
    }
}

async fn rest(api: Api, sim: &Sim, headers: &HeaderMap, body: &[u8]) -> Response {
    if let Some(code) = sim.trouble("google-status") {
        return Status::of_code(code, SERVICE).as_json();
    }
    if let Err(response) = refused(sim, SERVICE).await {
        return *response;
    }
    match told(api, sim, headers, body) {
        Ok(body) => axum::Json(body).into_response(),
        Err(status) => {
            sim.offence(Vendor::Google, format!("REST was refused with {}", status.code));
            status.as_json()
        }
    }
}

fn told(api: Api, sim: &Sim, headers: &HeaderMap, body: &[u8]) -> Result<Value, Status> {
    admit(headers, SERVICE)?;
    let request: Value = serde_json::from_slice(body).map_err(|_| Status::invalid("Invalid JSON payload received."))?;
    let config = &request["config"];
    let (decoding, language, content) = match api {
        Api::V1 => (config, &config["languageCode"], &request["audio"]["content"]),
        Api::V2 => (&config["explicitDecodingConfig"], &config["languageCodes"][0], &request["content"]),
    };
    let coding =
        coding(api, &decoding["encoding"]).ok_or_else(|| Status::invalid("Invalid recognition 'config': bad encoding."))?;
    let rate = decoding["sampleRateHertz"].as_u64().filter(|rate| (8000..=48_000).contains(rate));
    let rate_hz = rate.ok_or_else(|| Status::invalid("Invalid recognition 'config': bad sample rate hertz."))? as u32;
    let language = language.as_str().ok_or_else(|| Status::invalid("RecognitionConfig.language_code is required."))?;
    let content = content.as_str().and_then(|content| STANDARD.decode(content).ok());
    let content = content.ok_or_else(|| Status::invalid("RecognitionAudio not set."))?;
    let format = Format { coding, rate_hz };
    let end = if api == Api::V1 { "resultEndTime" } else { "resultEndOffset" };
    let shown = |result: &Recognition| {
        let seconds = format!("{:.3}s", result.end.map_or(0, Span::ms) as f64 / 1000.0);
        let best = &result.alternatives[0];
        json!({
            "alternatives": [{ "transcript": best.transcript, "confidence": best.confidence }], end: seconds,
            "languageCode": result.language_code,
        })
    };
    let results: Vec<Value> = results(sim, format, language, &content).iter().map(shown).collect();
    let billed = format!("{}s", format.ms(content.len()).div_ceil(1000));
    Ok(match api {
        Api::V1 => json!({ "results": results, "totalBilledTime": billed, "requestId": "4207849128" }),
        Api::V2 => json!({ "results": results, "metadata": { "totalBilledDuration": billed } }),
    })
}

/// By name or by number, which are others in each interface.
fn coding(api: Api, encoding: &Value) -> Option<Coding> {
    match (encoding.as_str(), encoding.as_u64(), api) {
        (Some("LINEAR16"), ..) | (_, Some(1), _) => Some(Coding::Pcm),
        (Some("MULAW"), ..) | (_, Some(3), Api::V1) | (_, Some(2), Api::V2) => Some(Coding::Mulaw),
        (Some("ALAW"), _, Api::V2) | (_, Some(3), Api::V2) => Some(Coding::Alaw),
        _ => None,
    }
}
