//! One attempt to deliver one event.

use super::POLICY_NAME;
use super::sign::Keys;
use crate::adapters::plugins::Plugins;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::time::timeout;
use vg_domain::ids::TenantId;
use vg_domain::tenant::Webhook;
use vg_plugin_host::links::secrets::{SecretRef, SecretStore};
use vg_plugin_host::links::wire::{Authentication, Fields, HttpOpen, HttpVersion, LinkEffect, LinkInput, RequestBody};

/// From the first byte that is sent to the end of the answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(15);
/// Bytes of an answer that are read, so that its connection can be used again. More: the connection is closed.
const ANSWER_MAX: usize = 64 << 10;
/// A sink may ask for no longer pause.
const PAUSE_MAX: Duration = Duration::from_secs(3_600);
/// The only link of its door.
const LINK: u32 = 1;

/// What came of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Attempt {
    /// It has it.
    Taken,
    /// It does not want it, whenever it is asked.
    Refused(u16),
    /// It wants nothing any more.
    Gone,
    /// It may want it later: bounded code, and the pause that it asked for.
    Later(&'static str, Option<Duration>),
}

/// Posts events to one sink.
pub(super) struct Post {
    pub(super) tenant: TenantId,
    pub(super) webhook: Webhook,
    pub(super) plugins: Arc<Plugins>,
}

impl Post {
    pub(super) async fn attempt(&self, id: &str, body: &[u8]) -> Attempt {
        match timeout(ANSWER_WITHIN, self.exchange(id, body)).await {
            Ok(attempt) => attempt,
            Err(_) => Attempt::Later("timeout", None),
        }
    }

    async fn exchange(&self, id: &str, body: &[u8]) -> Attempt {
        let keys = match self.keys().await {
            Ok(keys) => keys,
            Err(code) => return Attempt::Later(code, None),
        };
        // Asked for each time: the policy of this moment counts.
        let grant = self.plugins.outward(POLICY_NAME, &self.tenant, &self.webhook.url);
        let (Some(grant), Some(links)) = (grant, self.plugins.links()) else { return Attempt::Later("egress-denied", None) };
        let seconds = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        let headers: Fields = [
            ("content-type", "application/cloudevents+json".to_owned()),
            ("user-agent", concat!("voice-gateway/", env!("CARGO_PKG_VERSION")).to_owned()),
            ("webhook-id", id.to_owned()),
            ("webhook-timestamp", seconds.to_string()),
            ("webhook-signature", keys.sign(id, seconds, body)),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into();
        let mut door = links.door(grant);
        let open = HttpOpen {
            id: LINK,
            method: "POST".to_owned(),
            url: self.webhook.url.clone(),
            headers,
            body: RequestBody::Whole(body.to_vec()),
            version: HttpVersion::Http1,
            auth: Authentication::Templates,
        };
        if door.apply(LinkEffect::Http(open)).is_err() {
            return Attempt::Later("limit", None);
        }
        let (mut answered, mut bytes) = (None, 0);
        loop {
            match door.next().await {
                LinkInput::Opened { status, headers, .. } => answered = Some(judged(status, &headers)),
                LinkInput::Bytes(_, piece) => {
                    bytes += piece.0.len();
                    if bytes > ANSWER_MAX {
                        return answered.unwrap_or(Attempt::Later("protocol", None));
                    }
                }
                // Its answer stands once its head has come.
                LinkInput::Finished(..) => return answered.unwrap_or(Attempt::Later("protocol", None)),
                LinkInput::Failed { kind, .. } => return answered.unwrap_or(Attempt::Later(kind.code(), None)),
                _ => {}
            }
        }
    }

    async fn keys(&self) -> Result<Keys, &'static str> {
        let reference: SecretRef = self.webhook.secret.parse().map_err(|_| "secret-form")?;
        let text = self.plugins.secrets().read(&reference).await.map_err(|error| error.code())?;
        Keys::parse(&text).map_err(|_| "secret-form")
    }
}

/// What a status means (Standard Webhooks, "Delivery").
fn judged(status: u16, headers: &Fields) -> Attempt {
    match status {
        200..=299 => Attempt::Taken,
        410 => Attempt::Gone,
        408 | 425 | 429 | 500..=599 => {
            let asked = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("retry-after"));
            let pause = asked.and_then(|(_, value)| pause(value, SystemTime::now()));
            let code = match status {
                429 => "throttled",
                408 | 425 => "early",
                _ => "server",
            };
            Attempt::Later(code, pause)
        }
        // A redirect would lead elsewhere with what callers said.
        _ => Attempt::Refused(status),
    }
}

/// `Retry-After` (RFC 9110, section 10.2.3): seconds, or a moment; an hour at most.
fn pause(value: &str, now: SystemTime) -> Option<Duration> {
    let asked = match value.trim().parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let moment = jiff::fmt::rfc2822::parse(value.trim()).ok()?.timestamp();
            SystemTime::from(moment).duration_since(now).unwrap_or_default()
        }
    };
    Some(asked.min(PAUSE_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_sink_answers_says_whether_and_when_it_is_asked_again() {
        let no = Vec::new();
        let after = |value: &str| vec![("Retry-After".to_owned(), value.to_owned())];
        assert_eq!([200, 202, 204].map(|status| judged(status, &no)), [Attempt::Taken, Attempt::Taken, Attempt::Taken]);
        assert_eq!(judged(410, &after("1")), Attempt::Gone);
        assert_eq!([302, 400, 404].map(|status| judged(status, &no)), [302, 400, 404].map(Attempt::Refused));
        assert_eq!(judged(503, &no), Attempt::Later("server", None));
        assert_eq!(judged(429, &after("7")), Attempt::Later("throttled", Some(Duration::from_secs(7))));
        assert_eq!(judged(503, &after("999999")), Attempt::Later("server", Some(PAUSE_MAX)));
        assert_eq!(judged(503, &after("soon")), Attempt::Later("server", None));
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        assert_eq!(pause("Sun, 06 Nov 1994 08:49:47 GMT", now), Some(Duration::from_secs(10)));
    }
}
