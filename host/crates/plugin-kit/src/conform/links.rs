//! Links that are refused, fail, or answer with nothing: no good session is needed for these.

use super::judge::{carries_retry_after, does_not_claim_success, failed_as, manners, not_to_be_retried};
use super::{Judged, Material};
use crate::stage::{Line, Part, Trace};
use vg_plugin_host::api::{Fields, LinkErrorKind, LinkInput, Payload};

/// As long as the host waits for the head of an answer.
const FIRST_BYTE_MS: u64 = 15_000;

pub(super) fn unauthorized(material: &Material<'_>) -> Judged {
    let trace = answered(material, 401, vec![]);
    Ok(manners(&trace).and_then(|()| not_to_be_retried(&failed_as(&trace, &["auth"])?)))
}

pub(super) fn forbidden(material: &Material<'_>) -> Judged {
    let trace = answered(material, 403, vec![]);
    Ok(manners(&trace).and_then(|()| not_to_be_retried(&failed_as(&trace, &["auth"])?)))
}

pub(super) fn rate_limited(material: &Material<'_>) -> Judged {
    let trace = answered(material, 429, vec![("retry-after".to_owned(), "7".to_owned())]);
    Ok(manners(&trace).and_then(|()| carries_retry_after(&failed_as(&trace, &["quota"])?, 7_000)))
}

pub(super) fn server_error(material: &Material<'_>) -> Judged {
    let trace = answered(material, 500, vec![]);
    Ok(manners(&trace).and_then(|()| failed_as(&trace, &["unavailable"]).map(drop)))
}

pub(super) fn connection_refused(material: &Material<'_>) -> Judged {
    let trace = always(material, vec![Line::now(failed(LinkErrorKind::Connect, "connection refused"))]);
    Ok(manners(&trace).and_then(|()| failed_as(&trace, &["unavailable"]).map(drop)))
}

pub(super) fn tls_failure(material: &Material<'_>) -> Judged {
    let trace = always(material, vec![Line::now(failed(LinkErrorKind::Tls, "certificate is not trusted"))]);
    Ok(manners(&trace).and_then(|()| failed_as(&trace, &["unavailable"]).map(drop)))
}

pub(super) fn first_byte_never(material: &Material<'_>) -> Judged {
    let trace = always(material, vec![Line::after(FIRST_BYTE_MS, failed(LinkErrorKind::Timeout, "no answer"))]);
    Ok(manners(&trace).and_then(|()| failed_as(&trace, &["unavailable"]).map(drop)))
}

pub(super) fn empty_200(material: &Material<'_>) -> Judged {
    let head = material.good.script.first().and_then(|script| script.lines.first()).map(|line| line.news.clone());
    let (status, headers) = match head {
        Some(LinkInput::Opened { status, headers, .. }) => (status, headers),
        _ if material.opens_websocket() => (101, vec![]),
        _ => (200, vec![]),
    };
    let code = (status == 101).then_some(1000);
    let head = Line::now(LinkInput::Opened { id: 0, status, headers });
    let trace = always(material, vec![head, Line::now(LinkInput::Finished(0, code))]);
    Ok(manners(&trace)
        .and_then(|()| does_not_claim_success(&trace))
        .and_then(|()| failed_as(&trace, &["empty-result", "unavailable", "protocol"]).map(drop)))
}

/// Every link is answered with a status, a body that explains nothing, and its end.
fn answered(material: &Material<'_>, status: u16, headers: Fields) -> Trace {
    let body = LinkInput::Bytes(0, Payload(br#"{"error":"refused"}"#.to_vec()));
    always(material, vec![opened(status, headers), Line::now(body), Line::now(LinkInput::Finished(0, None))])
}

fn always(material: &Material<'_>, part: Part) -> Trace {
    let mut score = material.good.clone();
    score.script.clear();
    score.then = part;
    score.perform()
}

fn opened(status: u16, mut headers: Fields) -> Line {
    headers.push(("content-type".to_owned(), "application/json".to_owned()));
    Line::now(LinkInput::Opened { id: 0, status, headers })
}

pub(super) fn failed(kind: LinkErrorKind, detail: &str) -> LinkInput {
    LinkInput::Failed { id: 0, kind, detail: detail.to_owned() }
}
