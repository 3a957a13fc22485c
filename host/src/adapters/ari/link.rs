//! REST over the event socket: requests find their answers by their ids.
//!
//! Pure but for its lock: the socket's task takes what [`Link::attach`] gives to the wire, and hands answers to [`Link::answered`].

use super::rest::{Answer, Ask};
use super::wire::{QueryString, RestAnswer, RestRequest};
use crate::application::ports::TelephonyError;
use bytes::Bytes;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::{mpsc, oneshot};

/// Requests that the socket has not sent yet. Full: the next one fails as `unreachable`; a call has at most a few.
const REQUESTS_MAX: usize = 1024;

/// See the module.
#[derive(Default)]
pub(super) struct Link {
    state: Mutex<State>,
    last_id: AtomicU64,
    late: AtomicU64,
}

#[derive(Default)]
struct State {
    /// The socket that is connected, by the order of its coming.
    socket: Option<(u64, mpsc::Sender<String>)>,
    sockets: u64,
    waiting: HashMap<String, oneshot::Sender<Answer>>,
}

/// A socket's side of the link. Dropping it fails what waits for an answer, unless another socket has come.
pub(super) struct Attached<'a> {
    link: &'a Link,
    number: u64,
    pub(super) requests: mpsc::Receiver<String>,
}

impl Link {
    /// A socket is there. The one before is no longer used.
    pub(super) fn attach(&self) -> Attached<'_> {
        let (sender, requests) = mpsc::channel(REQUESTS_MAX);
        let mut state = self.lock();
        state.sockets += 1;
        let number = state.sockets;
        state.socket = Some((number, sender));
        // Answers come on the socket of their request.
        state.waiting.clear();
        Attached { link: self, number, requests }
    }

    /// Waits for the answer; the caller sets the deadline.
    pub(super) async fn exchange(&self, ask: &Ask<'_>) -> Result<Answer, TelephonyError> {
        let id = format!("vg-{}", self.last_id.fetch_add(1, Relaxed) + 1);
        let body = ask.body.as_deref();
        let request = RestRequest {
            kind: "RESTRequest",
            request_id: &id,
            method: ask.method.as_str(),
            uri: &ask.path(),
            query_strings: ask.query.iter().map(|(name, value)| QueryString { name, value }).collect(),
            content_type: body.map(|_| "application/json"),
            message_body: body,
        };
        let text = serde_json::to_string(&request).map_err(|_| TelephonyError::Unsupported { act: ask.act })?;
        let (answer, answered) = oneshot::channel();
        {
            let mut state = self.lock();
            let Some((_, socket)) = &state.socket else { return Err(TelephonyError::Unreachable) };
            socket.try_send(text).map_err(|_| TelephonyError::Unreachable)?;
            state.waiting.insert(id.clone(), answer);
        }
        let _forget = Forget { link: self, id: &id };
        answered.await.map_err(|_| TelephonyError::Unreachable)
    }

    /// An answer came. One that nobody waits for any more is counted.
    pub(super) fn answered(&self, answer: RestAnswer) {
        let waiting = self.lock().waiting.remove(&answer.request_id);
        let answer = Answer { status: answer.status_code, body: Bytes::from(answer.message_body) };
        if waiting.is_none_or(|waiting| waiting.send(answer).is_err()) {
            self.late.fetch_add(1, Relaxed);
        }
    }

    /// Whether no answer is waited for.
    pub(super) fn is_idle(&self) -> bool {
        self.lock().waiting.is_empty()
    }

    /// Answers that came after their deadline, or to no request, since the start.
    pub(super) fn late(&self) -> u64 {
        self.late.load(Relaxed)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Attached<'_> {
    fn drop(&mut self) {
        let mut state = self.link.lock();
        if state.socket.as_ref().is_some_and(|(number, _)| *number == self.number) {
            state.socket = None;
            state.waiting.clear();
        }
    }
}

/// Nobody waits any more: answered, or over its deadline.
struct Forget<'a> {
    link: &'a Link,
    id: &'a str,
}

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        self.link.lock().waiting.remove(self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;
    use hyper::Method;
    use serde_json::{Value, json};

    fn ask<'a>() -> Ask<'a> {
        Ask { act: "test", method: Method::POST, path: &["channels", "a/b", "answer"], query: &[("x", "1 2")], body: None }
    }

    fn answer(id: &Value, status: u16) -> RestAnswer {
        serde_json::from_value(json!({"request_id": id, "status_code": status, "message_body": "{}"})).unwrap()
    }

    fn sent(attached: &mut Attached<'_>) -> Value {
        serde_json::from_str(&attached.requests.try_recv().unwrap()).unwrap()
    }

    #[test]
    fn answers_find_their_requests_in_any_order() {
        let link = Link::default();
        let mut attached = link.attach();
        let (ask, mut other_ask) = (ask(), ask());
        other_ask.body = Some("{\"a\":1}".into());
        let (mut one, mut two) = (Box::pin(link.exchange(&ask)), Box::pin(link.exchange(&other_ask)));
        assert!((&mut one).now_or_never().is_none() && (&mut two).now_or_never().is_none());
        let (first, second) = (sent(&mut attached), sent(&mut attached));
        assert_eq!((&first["type"], &first["method"]), (&json!("RESTRequest"), &json!("POST")));
        assert_eq!(first["uri"], "channels/a%2Fb/answer");
        assert_eq!(first["query_strings"], json!([{"name": "x", "value": "1 2"}]));
        assert_eq!((&second["content_type"], &second["message_body"]), (&json!("application/json"), &json!("{\"a\":1}")));
        link.answered(answer(&second["request_id"], 404));
        link.answered(answer(&first["request_id"], 204));
        assert_eq!(one.now_or_never().unwrap().unwrap().status, 204);
        assert_eq!(two.now_or_never().unwrap().unwrap().status, 404);
        assert_eq!(link.late(), 0);
    }

    #[test]
    fn an_answer_that_comes_too_late_is_dropped_and_counted() {
        let link = Link::default();
        let mut attached = link.attach();
        assert!(link.exchange(&ask()).now_or_never().is_none(), "given up at once");
        let request = sent(&mut attached);
        link.answered(answer(&request["request_id"], 204));
        link.answered(answer(&json!(""), 400));
        assert_eq!(link.late(), 2);
    }

    #[test]
    fn a_socket_that_goes_fails_what_waits_and_no_other_sockets_requests() {
        let link = Link::default();
        assert_eq!(link.exchange(&ask()).now_or_never().unwrap().unwrap_err(), TelephonyError::Unreachable);
        let old = link.attach();
        let ask = ask();
        let mut waits = Box::pin(link.exchange(&ask));
        assert!((&mut waits).now_or_never().is_none());
        let mut new = link.attach();
        assert_eq!(waits.now_or_never().unwrap().unwrap_err(), TelephonyError::Unreachable);
        let mut waits = Box::pin(link.exchange(&ask));
        assert!((&mut waits).now_or_never().is_none());
        drop(old);
        link.answered(answer(&sent(&mut new)["request_id"], 204));
        assert_eq!(waits.now_or_never().unwrap().unwrap().status, 204);
        let mut waits = Box::pin(link.exchange(&ask));
        assert!((&mut waits).now_or_never().is_none());
        drop(new);
        assert_eq!(waits.now_or_never().unwrap().unwrap_err(), TelephonyError::Unreachable);
    }
}
