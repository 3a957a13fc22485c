//! The listener.

mod context;
mod turn;

use super::door::{Asked, redirection, refusal};
use super::usp::{Gone, Line, Told};
use crate::{Cut, Sim};
use axum::Extension;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use context::{Context, Mode};
use std::sync::Arc;
use turn::Turn;

type Upgrade = Result<WebSocketUpgrade, WebSocketUpgradeRejection>;

/// The family of paths that clients take which know a region: all that matters is in `speech.context`, for one client also in the query.
pub(super) async fn universal(
    State(sim): State<Arc<Sim>>,
    Extension(cut): Extension<Cut>,
    headers: HeaderMap,
    uri: Uri,
    upgrade: Upgrade,
) -> Response {
    come_in(sim, cut, Asked::new(headers, &uri), upgrade, None).await
}

/// The family of paths that clients take which know a host: mode and language are part of what is asked.
pub(super) async fn recognition(
    State(sim): State<Arc<Sim>>,
    Extension(cut): Extension<Cut>,
    Path(mode): Path<String>,
    headers: HeaderMap,
    uri: Uri,
    upgrade: Upgrade,
) -> Response {
    let asked = Asked::new(headers, &uri);
    match Mode::read(&mode) {
        None => refusal(404, 0),
        Some(_) if !asked.query.contains_key("language") => refusal(400, 0),
        Some(mode) => come_in(sim, cut, asked, upgrade, Some(mode)).await,
    }
}

async fn come_in(sim: Arc<Sim>, cut: Cut, asked: Asked, upgrade: Upgrade, mode: Option<Mode>) -> Response {
    if let Some(refused) = asked.refused(&sim).await {
        return refused;
    }
    if let Some(to) = asked.elsewhere(&sim) {
        return redirection(&to);
    }
    let Ok(upgrade) = upgrade else { return refusal(404, 0) };
    let connection = asked.connection_id(&sim);
    let asked = Context::asked(&asked.query, mode);
    upgrade.on_upgrade(async move |socket| {
        let Err(Gone) = listen(Line::new(sim, socket, cut), &connection, &asked).await;
    })
}

/// One turn after the other. What comes of a turn that is over is for nobody.
async fn listen(mut line: Line, connection: &str, asked: &Context) -> Result<std::convert::Infallible, Gone> {
    let mut turn: Option<Turn> = None;
    let mut over: Vec<String> = Vec::new();
    loop {
        let told = line.next().await?;
        if over.contains(&told.request_id) {
            continue;
        }
        match told.path.as_str() {
            "speech.context" if turn.is_some() => {
                return line.offended(1007, "a turn was begun before the last was over").await;
            }
            "speech.context" => match asked.told(&told.body) {
                Err(what) => return line.offended(1007, what).await,
                Ok(context) if context.previous_tag.as_ref().is_some_and(|tag| !turn::is_tag_of(tag, connection)) => {
                    return line.offended(1007, "the continued turn is of another connection").await;
                }
                Ok(context) => turn = Some(Turn::new(told.request_id, connection, context)),
            },
            "audio" => match &mut turn {
                Some(present) if present.request_id == told.request_id => {
                    if sound(&mut line, present, &told).await? {
                        over.push(told.request_id);
                        turn = None;
                    }
                }
                _ => return line.offended(1007, "sound without speech.context").await,
            },
            // Events of clients that a listener has no use for.
            _ => {}
        }
    }
}

/// Whether the turn is over.
async fn sound(line: &mut Line, turn: &mut Turn, told: &Told) -> Result<bool, Gone> {
    if turn.is_begun() {
        return if told.body.is_empty() { turn.end(line).await } else { turn.hear(line, &told.body).await };
    }
    if told.headers.get("Content-Type") != Some("audio/x-wav") {
        return line.offended(1007, "the first sound of a turn is no WAV header").await;
    }
    if let Some(code) = line.sim.trouble("close") {
        return line.close(code as u16, "simulated").await;
    }
    turn.begin(line, &told.body).await?;
    Ok(false)
}
