//! Who may send: by the shared secret as a bearer token (what `CURL()` can), or by a signature that holds for one request.
//!
//! A bearer token can be sent again by whoever sees it, so it is taken only from a connection that nobody sees: TLS, or this machine. A signature can not:
//! `x-vg-signature: sha256=HEX` is HMAC-SHA256 (RFC 2104) over `TIMESTAMP.NONCE.BODY`, with `x-vg-timestamp` in Unix seconds and `x-vg-nonce`.

use super::Refusal;
use axum::http::{HeaderMap, StatusCode, header};
use ring::hmac;
use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use vg_domain::pii::Pii;

/// The wall clock.
pub type Clock = Arc<dyn Fn() -> SystemTime + Send + Sync>;

/// How far a timestamp may be from the gateway's clock, either way.
const WINDOW: Duration = Duration::from_secs(300);
/// Signed requests within a window. One more is refused: to forget one would be to let it in again.
const NONCES_MAX: usize = 65_536;
/// Characters of a nonce.
const NONCE: std::ops::RangeInclusive<usize> = 16..=64;
const BEARER: &str = "Bearer ";

const UNAUTHORIZED: Refusal = Refusal(StatusCode::UNAUTHORIZED, "unauthorized");
const EXPIRED: Refusal = Refusal(StatusCode::UNAUTHORIZED, "expired");
const REPLAYED: Refusal = Refusal(StatusCode::CONFLICT, "replayed");
/// The token was shown to whoever listens: said before it is compared, so that it tells nobody whether it is right.
const IN_THE_CLEAR: Refusal = Refusal(StatusCode::FORBIDDEN, "bearer_needs_tls");
const BUSY: Refusal = Refusal(StatusCode::SERVICE_UNAVAILABLE, "busy");

/// Who can read what comes on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Privacy {
    /// Only its two ends: TLS, or both are this machine.
    Closed,
    /// Whoever is on the way.
    Open,
}

/// What a request shows, as far as its head tells.
#[derive(Debug)]
pub(super) enum Proof {
    /// The secret itself, and it is right.
    Bearer,
    /// A signature, to be held against the body.
    Signed { at: SystemTime, signed: Vec<u8>, nonce: String, tag: Vec<u8> },
}

/// See the module.
pub(super) struct Door {
    secret: hmac::Key,
    /// Made at start: bearers are compared by their tags under it, which takes the same time for all.
    compare: hmac::Key,
    bearer: hmac::Tag,
    clock: Clock,
    seen: Mutex<Seen>,
}

/// Nonces within the window, oldest first.
#[derive(Default)]
struct Seen {
    known: HashSet<String>,
    order: VecDeque<(SystemTime, String)>,
}

impl Door {
    pub(super) fn new(secret: &Pii<String>, clock: Clock) -> Result<Self, getrandom::Error> {
        let mut random = [0; 32];
        getrandom::fill(&mut random)?;
        let compare = hmac::Key::new(hmac::HMAC_SHA256, &random);
        let bearer = hmac::sign(&compare, secret.reveal().as_bytes());
        let secret = hmac::Key::new(hmac::HMAC_SHA256, secret.reveal().as_bytes());
        Ok(Self { secret, compare, bearer, clock, seen: Mutex::default() })
    }

    /// What the head of a request shows. A signature counts wherever there is one: a wrong one is not made good by a token.
    ///
    /// # Errors
    /// Where it shows nothing that could be right.
    pub(super) fn proof(&self, headers: &HeaderMap, privacy: Privacy) -> Result<Proof, Refusal> {
        let mut tags = headers.get_all("x-vg-signature").iter();
        match (tags.next(), tags.next()) {
            (None, _) => self.bearer(headers, privacy),
            (Some(tag), None) => {
                let tag = tag.to_str().ok().and_then(|tag| hex(tag.strip_prefix("sha256=")?)).ok_or(UNAUTHORIZED)?;
                let timestamp = only(headers, "x-vg-timestamp").ok_or(UNAUTHORIZED)?;
                let nonce = only(headers, "x-vg-nonce").ok_or(UNAUTHORIZED)?;
                let digits = !timestamp.is_empty() && timestamp.bytes().all(|byte| byte.is_ascii_digit());
                let seconds = timestamp.parse::<u64>().ok().filter(|_| digits).ok_or(UNAUTHORIZED)?;
                // No dot: or the border between nonce and body would not be fixed.
                if !NONCE.contains(&nonce.len())
                    || !nonce.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
                {
                    return Err(UNAUTHORIZED);
                }
                let at = UNIX_EPOCH.checked_add(Duration::from_secs(seconds)).ok_or(EXPIRED)?;
                let now = (self.clock)();
                let apart = now.duration_since(at).unwrap_or_else(|ahead| ahead.duration());
                if apart > WINDOW {
                    return Err(EXPIRED);
                }
                let signed = format!("{timestamp}.{nonce}.").into_bytes();
                Ok(Proof::Signed { at, signed, nonce: nonce.to_owned(), tag })
            }
            (Some(_), Some(_)) => Err(UNAUTHORIZED),
        }
    }

    /// Holds what was shown against the body; a signature is good once.
    ///
    /// # Errors
    /// Where the signature is wrong, or was seen before.
    pub(super) fn admit(&self, proof: Proof, body: &[u8]) -> Result<(), Refusal> {
        let Proof::Signed { at, mut signed, nonce, tag } = proof else { return Ok(()) };
        signed.extend_from_slice(body);
        hmac::verify(&self.secret, &signed, &tag).map_err(|_| UNAUTHORIZED)?;
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.take(nonce, at, (self.clock)())
    }

    fn bearer(&self, headers: &HeaderMap, privacy: Privacy) -> Result<Proof, Refusal> {
        let shown = only(headers, header::AUTHORIZATION.as_str()).and_then(|value| {
            let (scheme, token) = value.split_at_checked(BEARER.len())?;
            scheme.eq_ignore_ascii_case(BEARER).then_some(token)
        });
        let shown = shown.ok_or(UNAUTHORIZED)?;
        if privacy == Privacy::Open {
            return Err(IN_THE_CLEAR);
        }
        hmac::verify(&self.compare, shown.as_bytes(), self.bearer.as_ref()).map(|()| Proof::Bearer).map_err(|_| UNAUTHORIZED)
    }
}

impl Seen {
    /// Every request of the window is remembered as long as its timestamp could pass.
    fn take(&mut self, nonce: String, at: SystemTime, now: SystemTime) -> Result<(), Refusal> {
        while let Some((until, _)) = self.order.front()
            && *until < now
        {
            let gone = self.order.pop_front();
            gone.map(|(_, nonce)| self.known.remove(&nonce));
        }
        if self.known.contains(&nonce) {
            return Err(REPLAYED);
        }
        if self.known.len() >= NONCES_MAX {
            return Err(BUSY);
        }
        self.known.insert(nonce.clone());
        // In order of coming, not of timestamps: the longest that any of them can pass.
        let until = at.max(now) + WINDOW;
        self.order.push_back((until, nonce));
        Ok(())
    }
}

/// The value of a header that is there once.
fn only<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok(),
        _ => None,
    }
}

fn hex(text: &str) -> Option<Vec<u8>> {
    // A tag of SHA-256.
    if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    (0..32).map(|at| u8::from_str_radix(&text[at * 2..at * 2 + 2], 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_nonces_are_kept_as_there_is_room_for_and_then_none_is_forgotten() {
        let mut seen = Seen::default();
        let now = UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        for nonce in 0..NONCES_MAX {
            assert_eq!(seen.take(nonce.to_string(), now, now), Ok(()));
        }
        assert_eq!(seen.take("one more".into(), now, now), Err(BUSY));
        assert_eq!(seen.take("0".into(), now, now), Err(REPLAYED));
        // When none of them can pass any more, there is room.
        let later = now + WINDOW + Duration::from_secs(1);
        assert_eq!(seen.take("one more".into(), later, later), Ok(()));
        assert_eq!((seen.known.len(), seen.order.len()), (1, 1));
    }
}
