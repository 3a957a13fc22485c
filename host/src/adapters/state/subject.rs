//! Calls of one caller in Redis: found by the number, or by their ids; and erased where that is asked for.

use super::leases::{one, read};
use super::link::{Fault, Linker, Wire};
use super::{keys, record};
use crate::application::ports::{CallState, Epoch};
use crate::config::State;
use redis::cmd;
use std::time::Duration;
use vg_domain::ids::{CallId, TenantId};
use vg_domain::pii::Pii;

const WITHIN: Duration = Duration::from_secs(5);

/// A Redis that is asked about callers.
pub struct Subjects(Wire);

/// What is kept of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The call.
    pub call: CallId,
    /// A gateway holds it.
    pub lives: bool,
    /// The number of the person.
    pub person: Pii<String>,
    /// The document, as it is kept; it has numbers.
    pub document: Pii<String>,
}

impl Subjects {
    /// Connects.
    ///
    /// # Errors
    /// A bounded code of why it is of no use, or what is wrong with the configuration.
    pub async fn connect(state: &State) -> Result<Self, String> {
        let linker = Linker::new(state).map_err(|error| format!("{error:#}"))?;
        linker.connect().await.map(Self).map_err(code)
    }

    /// A tenant's calls that live, and those that are over and still there.
    ///
    /// # Errors
    /// A bounded code.
    pub async fn listed(&self, tenant: &TenantId) -> Result<Vec<CallId>, String> {
        let mut listed = Vec::new();
        for key in [keys::live(tenant), keys::ended(tenant)] {
            let mut range = cmd("ZRANGE");
            range.arg(key).arg(0).arg(-1);
            let calls: Vec<String> = read(self.0.ask(range, WITHIN).await.map_err(code)?).map_err(code)?;
            listed.extend(calls.into_iter().map(CallId::new));
        }
        Ok(listed)
    }

    /// What is kept of a tenant's call; none where nothing is, or it is another tenant's.
    ///
    /// # Errors
    /// A bounded code; `malformed` where the document is none that this version knows.
    pub async fn kept(&self, tenant: &TenantId, call: &CallId) -> Result<Option<Kept>, String> {
        let answer = self.0.ask(one("GET", keys::state(call)), WITHIN).await.map_err(code)?;
        let Some(document) = read::<Option<Vec<u8>>>(answer).map_err(code)? else { return Ok(None) };
        let snapshot = record::read(&document, Epoch::FIRST, None).map_err(|_| "malformed".to_owned())?;
        if snapshot.tenant != *tenant {
            return Ok(None);
        }
        let person = snapshot.person().clone();
        let lives = !matches!(snapshot.state, CallState::Ended | CallState::Transferred);
        let document = Pii::new(String::from_utf8_lossy(&document).into_owned());
        Ok(Some(Kept { call: call.clone(), lives, person, document }))
    }

    /// Erases what is kept of a call that is over.
    ///
    /// # Errors
    /// A bounded code.
    pub async fn erase(&self, call: &CallId) -> Result<(), String> {
        let mut delete = cmd("DEL");
        delete.arg(keys::state(call)).arg(keys::resume(call)).arg(keys::owner(call)).arg(keys::audio(call));
        self.0.ask(delete, WITHIN).await.map(drop).map_err(code)
    }
}

fn code(fault: Fault) -> String {
    fault.code().to_owned()
}
