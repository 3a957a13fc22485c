//! Tokens that are got with a secret: asked for once at a time, kept while they are good.

use super::held::{Value, refused};
use crate::door::Links;
use crate::grant::{Grant, Refusal, Target};
use crate::http::{self, Fetch, FetchError};
use crate::limits::{TOKEN_AGAIN, TOKEN_FAILED, TOKEN_MARGIN};
use crate::wire::LinkErrorKind;
use serde::Deserialize;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Mutex;
use url::Url;
use zeroize::Zeroizing;

/// How long a token is taken to be good where its giver does not say.
const UNSAID: Duration = Duration::from_secs(300);

/// A token as it was given out.
pub(super) struct Fresh {
    pub(super) token: Zeroizing<String>,
    /// From now on.
    pub(super) good_for: Duration,
}

/// The token of one secret.
#[derive(Default)]
pub(super) struct TokenCell(Mutex<State>);

#[derive(Default)]
struct State {
    token: Option<Kept>,
    failed: Option<(Instant, [u8; 32], Refusal)>,
}

struct Kept {
    value: Value,
    made_of: [u8; 32],
    got: Instant,
    until: Instant,
}

impl TokenCell {
    /// The token made of the secret whose digest is `made_of`. Who comes while one is being got waits for that one; who comes just after
    /// a failure is told that failure.
    pub(super) async fn get(
        &self,
        now: Instant,
        made_of: [u8; 32],
        get: impl Future<Output = Result<Fresh, Refusal>>,
    ) -> Result<Value, Refusal> {
        let mut state = self.0.lock().await;
        if let Some(kept) = state.token.as_ref().filter(|kept| kept.made_of == made_of && now < kept.until) {
            return Ok(Arc::clone(&kept.value));
        }
        if let Some((_, _, refusal)) = state.failed.as_ref().filter(|(at, of, _)| *of == made_of && now < *at + TOKEN_FAILED) {
            return Err(refusal.clone());
        }
        let asked = Instant::now();
        let fresh = get.await;
        let waited = asked.elapsed();
        match fresh {
            Ok(Fresh { token, good_for }) => {
                let value = Arc::new(token);
                // A token of a life shorter than the margin is used for half of it.
                let used_for = good_for.saturating_sub(TOKEN_MARGIN).max(good_for / 2);
                let until = now.checked_add(used_for).unwrap_or(now);
                *state = State { token: Some(Kept { value: Arc::clone(&value), made_of, got: now, until }), failed: None };
                Ok(value)
            }
            Err(refusal) => {
                *state = State { token: None, failed: Some((now + waited, made_of, refusal.clone())) };
                Err(refusal)
            }
        }
    }

    /// Forgets `value`, which its host refused. One that was just got is kept: then the fault is not its age, and asking
    /// again and again would only be a flood.
    pub(super) fn invalidate(&self, now: Instant, value: &str) {
        // Where it is locked a new one is being got.
        let Ok(mut state) = self.0.try_lock() else { return };
        let stale = |kept: &Kept| kept.value.as_str() == value && now >= kept.got + TOKEN_AGAIN;
        if state.token.as_ref().is_some_and(stale) {
            state.token = None;
        }
    }
}

/// A place that gives out tokens.
pub(super) struct Endpoint<'a> {
    pub(super) links: &'a Arc<Links>,
    pub(super) grant: &'a Arc<Grant>,
    /// Of the secret, for refusals.
    pub(super) name: &'a str,
}

#[derive(Deserialize)]
struct Answer {
    access_token: Zeroizing<String>,
    expires_in: Option<u64>,
}

#[derive(Deserialize)]
struct Fault {
    error: String,
}

impl Endpoint<'_> {
    /// Posts a form and reads the answer of RFC 6749 5.1.
    pub(super) async fn post(
        &self,
        (target, url): (&Target, &Url),
        authorization: Option<&str>,
        form: Zeroizing<Vec<u8>>,
    ) -> Result<Fresh, Refusal> {
        self.grant.permit_errand(target).map_err(|refusal| {
            refusal.observe(self.links, self.grant);
            let advice = refusal.advice().map(str::to_owned);
            refused(self.name, refusal.kind(), "its token endpoint is not permitted", advice)
        })?;
        let field = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let mut headers = vec![field("accept", "application/json"), field("content-type", "application/x-www-form-urlencoded")];
        headers.extend(authorization.map(|value| field("authorization", value)));
        let request = Fetch { method: "POST", target, url, headers, body: &form };
        let answer = http::fetch(self.links, self.grant, request).await.map_err(|error| self.unreached(target, error))?;
        let (status, body) = (answer.status, Zeroizing::new(answer.body));
        if status != 200 {
            return Err(self.declined(target, status, &body));
        }
        let answer = serde_json::from_slice::<Answer>(&body).ok().filter(|answer| !answer.access_token.is_empty());
        let Answer { access_token, expires_in } = answer.ok_or_else(|| {
            let advice = format!("{} answered 200 without an access_token", target.origin());
            refused(self.name, LinkErrorKind::Protocol, "its token endpoint gave no token", Some(advice))
        })?;
        Ok(Fresh { token: access_token, good_for: expires_in.map_or(UNSAID, Duration::from_secs) })
    }

    fn unreached(&self, target: &Target, error: FetchError) -> Refusal {
        let advice = error.advice.unwrap_or_else(|| format!("{}: {}", target.origin(), error.detail));
        refused(self.name, error.kind, "its token endpoint cannot be reached", Some(advice))
    }

    fn declined(&self, target: &Target, status: u16, body: &[u8]) -> Refusal {
        // Only the words of RFC 6749 5.2 and 7523: an endpoint that says more may repeat what it was sent.
        const KNOWN: [&str; 6] = [
            "invalid_request",
            "invalid_client",
            "invalid_grant",
            "unauthorized_client",
            "unsupported_grant_type",
            "invalid_scope",
        ];
        let fault = serde_json::from_slice::<Fault>(body).ok();
        let word = KNOWN.iter().find(|known| fault.as_ref().is_some_and(|fault| fault.error == **known)).unwrap_or(&"no reason");
        let kind = if status >= 500 || status == 429 { LinkErrorKind::Connect } else { LinkErrorKind::Protocol };
        let advice = format!("{} answered {status}, {word}", target.origin());
        refused(self.name, kind, "its token endpoint gave no token", Some(advice))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

    async fn fresh(token: &str, seconds: u64) -> Result<Fresh, Refusal> {
        Ok(Fresh { token: Zeroizing::new(token.to_owned()), good_for: Duration::from_secs(seconds) })
    }

    async fn got(cell: &TokenCell, now: Instant, new: &str) -> String {
        cell.get(now, [0; 32], fresh(new, 3600)).await.unwrap().to_string()
    }

    #[tokio::test]
    async fn a_token_is_kept_until_a_minute_before_its_end() {
        let (cell, start) = (TokenCell::default(), Instant::now());
        assert_eq!(got(&cell, start, "first").await, "first");
        assert_eq!(got(&cell, start + Duration::from_secs(3539), "second").await, "first");
        assert_eq!(got(&cell, start + Duration::from_secs(3540), "second").await, "second");
    }

    #[tokio::test]
    async fn a_token_of_a_changed_secret_is_got_anew() {
        let (cell, now) = (TokenCell::default(), Instant::now());
        assert_eq!(got(&cell, now, "first").await, "first");
        assert_eq!(*cell.get(now, [1; 32], fresh("second", 3600)).await.unwrap().as_str(), *"second");
    }

    #[tokio::test]
    async fn a_hundred_who_come_at_once_cost_one_token() {
        let (cell, asked) = (TokenCell::default(), AtomicU32::new(0));
        let one = || {
            cell.get(Instant::now(), [0; 32], async {
                asked.fetch_add(1, Relaxed);
                tokio::task::yield_now().await;
                fresh("token", 3600).await
            })
        };
        let all = futures_util::future::join_all((0..100).map(|_| one())).await;
        assert!(all.iter().all(|token| token.as_ref().is_ok_and(|token| token.as_str() == "token")));
        assert_eq!(asked.load(Relaxed), 1);
    }

    #[tokio::test]
    async fn a_failure_is_told_to_all_who_come_at_once_and_then_tried_again() {
        let (cell, now) = (TokenCell::default(), Instant::now());
        let failing = || async { Err(Refusal::Dns) };
        assert_eq!(cell.get(now, [0; 32], failing()).await, Err(Refusal::Dns));
        assert_eq!(cell.get(now, [0; 32], fresh("token", 60)).await, Err(Refusal::Dns));
        assert!(cell.get(now, [1; 32], fresh("token", 60)).await.is_ok(), "another secret is another matter");
        assert_eq!(cell.get(now, [0; 32], failing()).await, Err(Refusal::Dns));
        assert_eq!(got(&cell, now + TOKEN_FAILED + Duration::from_secs(1), "token").await, "token");
    }

    #[tokio::test]
    async fn a_refused_token_is_got_anew_unless_it_was_just_got() {
        let (cell, now) = (TokenCell::default(), Instant::now());
        got(&cell, now, "first").await;
        cell.invalidate(now, "first");
        assert_eq!(got(&cell, now, "second").await, "first");
        let later = now + TOKEN_AGAIN;
        cell.invalidate(later, "older");
        assert_eq!(got(&cell, later, "second").await, "first");
        cell.invalidate(later, "first");
        assert_eq!(got(&cell, later, "second").await, "second");
    }
}
