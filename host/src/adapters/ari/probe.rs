//! Questions to an Asterisk without serving it: for `doctor`.

use super::http::{DialFault, Dialled, HttpWire};
use super::rest::{Rest, Wire, basic_authorization};
use super::{AriError, Mode, REQUEST_DEADLINE};
use crate::application::ports::TelephonyError;
use serde::de::{DeserializeOwned, IgnoredAny};
use std::sync::Arc;
use std::time::{Duration, Instant};
use vg_domain::pii::Pii;

/// Pings of one measurement, on one connection: the first pays for connecting.
const PINGS: usize = 6;

/// One Asterisk that this gateway dials.
pub struct Probe {
    dialled: Dialled,
    rest: Rest,
}

/// Why it does not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProbeError {
    /// Its certificate is not to be trusted: bounded reason, for example `expired`.
    #[error("its certificate is not to be trusted: {0}")]
    Certificate(&'static str),
    /// No TLS is spoken there.
    #[error("TLS is not spoken there, or in no version in common")]
    Tls,
    /// No connection, or no answer in time.
    #[error("nobody answers there: is Asterisk up, and is this the address of its http.conf?")]
    Unreachable,
    /// User or password.
    #[error("user or password is refused: they are those of a section of ari.conf")]
    Credentials,
    /// Another status than success.
    #[error("answers {0}: is ARI enabled (ari.conf, http.conf)?")]
    Refused(u16),
    /// It is no Asterisk.
    #[error("the answer is not that of an Asterisk")]
    Nonsense,
}

impl Probe {
    /// None where Asterisk connects by itself: there is nobody to ask.
    ///
    /// # Errors
    /// Where the credentials or the authorities cannot be used.
    pub fn new(mode: &Mode, user: &str, password: &Pii<String>) -> Result<Option<Self>, AriError> {
        let Mode::Dial { url, ca } = mode else { return Ok(None) };
        let authorization = basic_authorization(user, password.reveal()).ok_or(AriError::Credentials)?;
        let dialled = Dialled::new(url.clone(), ca.as_deref(), authorization, REQUEST_DEADLINE)?;
        let wire = Wire::Http(Box::new(HttpWire::new(dialled.clone())));
        Ok(Some(Self { dialled, rest: Rest::new(wire, None, REQUEST_DEADLINE, Arc::default()) }))
    }

    /// `GET /ari/asterisk/{what}`.
    ///
    /// # Errors
    /// Told apart as far as an operator can do something about them.
    pub async fn ask<T: DeserializeOwned>(&self, what: &str) -> Result<T, ProbeError> {
        match self.rest.get(what_for(what), &["asterisk", what], &[]).await {
            Ok(answer) => Ok(answer),
            Err(TelephonyError::Refused { status: 401, .. }) => Err(ProbeError::Credentials),
            Err(TelephonyError::Refused { status: 200, .. }) => Err(ProbeError::Nonsense),
            Err(TelephonyError::Refused { status, .. }) => Err(ProbeError::Refused(status)),
            Err(TelephonyError::Gone) => Err(ProbeError::Refused(404)),
            Err(_) => Err(match self.dialled.fault().await {
                Some(DialFault::Certificate(why)) => ProbeError::Certificate(why),
                Some(DialFault::Tls) => ProbeError::Tls,
                _ => ProbeError::Unreachable,
            }),
        }
    }

    /// How long Asterisk takes to answer, on a connection that is there: the median.
    ///
    /// # Errors
    /// As [`ask`](Self::ask).
    pub async fn round_trip(&self) -> Result<Duration, ProbeError> {
        let mut took = Vec::new();
        for _ in 0..PINGS {
            let asked = Instant::now();
            self.ask::<IgnoredAny>("ping").await?;
            took.push(asked.elapsed());
        }
        took.sort_unstable();
        Ok(took[took.len() / 2])
    }
}

fn what_for(what: &str) -> &'static str {
    match what {
        "info" => "info",
        "modules" => "list modules",
        "ping" => "ping",
        _ => "ask",
    }
}
