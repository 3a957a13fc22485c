//! Tenants from the tenant-manager: `GET /api/v1/tenants/{id}/telephony/settings`, `…/trunks/{trunk_id}` and `…/dids/{did}`, with the same content
//! as a tenant's file.
//!
//! Each answer is kept and serves while the service is away. A tenant that is not known at all is asked for while its call waits.

mod ask;
mod kept;

pub use ask::ServiceError;

use super::choice::Choice;
use super::lines::{Confirmed, DID_KEYS, Did, RawDid, RawTrunk, TRUNK_KEYS, Trunk};
use super::{Rung, Tenant, TenantDraft, json, raw};
use crate::application::ports::{Admission, Arrival, DialledNumber, TenantError, Tenants};
use crate::config::{self, Faults, TenantManager};
use ask::{Reply, Service};
use futures_util::future::{BoxFuture, join};
use kept::{Answer, Found, Kept, Lookups, Terms};
use serde::de::DeserializeOwned;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use toml::Table;
use vg_domain::ids::{PluginId, TenantId};
use vg_domain::tenant::TenantSettings;

/// What is kept, of each kind. When full: "there is none" goes first, then what was not used for longest.
const TENANTS_MAX: usize = 4_096;
const LINES_MAX: usize = 16_384;
/// A number that was not there may be there soon.
const ABSENT: Duration = Duration::from_secs(10);
/// The service is left alone for so long where it failed and an old answer serves.
const REST: Duration = Duration::from_secs(5);
/// A call with old settings waits for new ones no longer than this.
const PATIENCE: Duration = Duration::from_millis(500);
/// Tenants whose faults were told; one more, and all are told again.
const TOLD_MAX: usize = 256;
/// Characters of a tenant's or trunk's name.
const NAME_MAX: usize = 128;

/// Knows plugins: looks at a tenant's providers before it is served with them. May block for seconds, where a plugin has to be compiled.
pub trait Review: Send + Sync {
    /// What is wrong with them, each fault with its path.
    fn review(&self, rungs: &[Rung]) -> Faults;
}

/// Counts since the start, and how old what serves is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RemoteStats {
    /// Questions by outcome; bounded.
    pub requests: Vec<(&'static str, u64)>,
    /// Lookups by what answered them; bounded.
    pub lookups: Vec<(&'static str, u64)>,
    /// How long ago the oldest answer was confirmed that serves while the service is away; zero where it is not.
    pub age_max: Duration,
}

/// See the module.
pub struct RemoteTenants {
    choice: Choice,
    reader: Arc<Reader>,
    tenants: Kept<TenantId, Tenant>,
    dids: Kept<(TenantId, DialledNumber), Did>,
    trunks: Kept<(TenantId, String), Trunk>,
}

/// Asks, and makes sense of answers.
struct Reader {
    service: Service,
    review: Arc<dyn Review>,
    told: Mutex<BTreeMap<String, Faults>>,
    /// Whether the last question came to nothing.
    away: AtomicBool,
}

impl RemoteTenants {
    /// Nothing is asked yet. Blocks for a moment: on the system's certificates.
    ///
    /// # Errors
    /// Where an authority of the operator cannot be read, or the token is no text of a header.
    pub fn new(
        manager: &TenantManager,
        operator_cas: &[Vec<u8>],
        tenants: &config::Tenants,
        review: Arc<dyn Review>,
    ) -> Result<Self, ServiceError> {
        let service = Service::new(manager, operator_cas)?;
        let terms = |entries_max| Terms {
            ttl: manager.ttl,
            ttl_absent: ABSENT.min(manager.ttl),
            rest: REST,
            patience: PATIENCE,
            entries_max,
        };
        Ok(Self {
            choice: Choice::new(tenants.map.clone(), tenants.default.clone()),
            reader: Arc::new(Reader { service, review, told: Mutex::default(), away: AtomicBool::new(false) }),
            tenants: Kept::new(terms(TENANTS_MAX)),
            dids: Kept::new(terms(LINES_MAX)),
            trunks: Kept::new(terms(LINES_MAX)),
        })
    }

    /// Whether the service answers.
    ///
    /// # Errors
    /// Why it does not, in words.
    pub async fn reach(manager: &TenantManager, operator_cas: &[Vec<u8>]) -> Result<(), String> {
        let service = Service::new(manager, operator_cas).map_err(|error| error.to_string())?;
        service.reach().await.map_err(|error| error.to_string())
    }

    /// Every plugin that a tenant names which is kept.
    pub fn plugins(&self) -> BTreeSet<PluginId> {
        let tenants = self.tenants.values();
        let ladders = tenants.iter().flat_map(|tenant| [&tenant.settings.hearing, &tenant.settings.speaking]);
        ladders.flat_map(|ladder| ladder.rungs()).map(|provider| provider.plugin.clone()).collect()
    }

    /// Policy or plugins have changed: every tenant is looked at again before it is served next.
    pub fn review_again(&self) {
        self.tenants.doubt();
    }

    /// Counts since the start.
    pub fn stats(&self) -> RemoteStats {
        let mut sum = Lookups::default();
        for Lookups { fresh, asked, last_known_good, absent, unavailable } in
            [self.tenants.lookups(), self.dids.lookups(), self.trunks.lookups()]
        {
            sum.fresh += fresh;
            sum.asked += asked;
            sum.last_known_good += last_known_good;
            sum.absent += absent;
            sum.unavailable += unavailable;
        }
        RemoteStats {
            requests: self.reader.service.counts(),
            lookups: vec![
                ("fresh", sum.fresh),
                ("asked", sum.asked),
                ("last_known_good", sum.last_known_good),
                ("absent", sum.absent),
                ("unavailable", sum.unavailable),
            ],
            age_max: self.tenants.age_max().max(self.dids.age_max()).max(self.trunks.age_max()),
        }
    }

    async fn tenant(&self, tenant: &TenantId) -> Result<Arc<Tenant>, TenantError> {
        if !is_name(tenant.as_str()) {
            return Err(TenantError::Unknown);
        }
        let (reader, of) = (Arc::clone(&self.reader), tenant.clone());
        let found = self.tenants.get(tenant, |etag| async move { reader.tenant(of, etag).await });
        known(found.await, TenantError::Unknown)
    }

    async fn did(&self, tenant: &TenantId, number: Option<DialledNumber>) -> Result<Arc<Did>, TenantError> {
        let Some(number) = number.filter(|_| is_name(tenant.as_str())) else { return Err(TenantError::DidUnknown) };
        let key = (tenant.clone(), number);
        let (reader, of) = (Arc::clone(&self.reader), key.clone());
        let found = self.dids.get(&key, |etag| async move { reader.did(of, etag).await });
        known(found.await, TenantError::DidUnknown)
    }

    async fn trunk(&self, tenant: &TenantId, id: &str) -> Result<Arc<Trunk>, TenantError> {
        if !is_name(id) {
            return Err(TenantError::TrunkMismatch);
        }
        let key = (tenant.clone(), id.to_owned());
        let (reader, of) = (Arc::clone(&self.reader), key.clone());
        let found = self.trunks.get(&key, |etag| async move { reader.trunk(of, etag).await });
        known(found.await, TenantError::TrunkMismatch)
    }

    async fn admit(&self, arrival: &Arrival) -> Result<Admission, TenantError> {
        let id = self.choice.tenant(arrival).ok_or(TenantError::Unknown)?;
        let Some(endpoint) = &arrival.endpoint else { return Ok(self.tenant(id).await?.admit(Confirmed::default())) };
        // Both at once: the number is asked for in vain only where the settings list numbers themselves.
        let number = DialledNumber::parse(arrival.dialled.reveal());
        let (tenant, did) = join(self.tenant(id), self.did(id, number)).await;
        let tenant = tenant?;
        if !tenant.lines.is_empty() {
            return Ok(tenant.admit(tenant.lines.confirm(arrival)?));
        }
        let did = did?;
        let trunk_id = match &did.trunk {
            None => None,
            Some(id) => {
                let trunk = self.trunk(&tenant.settings.tenant, id).await?;
                if trunk.endpoint != *endpoint {
                    return Err(TenantError::TrunkMismatch);
                }
                Some(trunk.id.clone())
            }
        };
        Ok(tenant.admit(Confirmed { did_id: Some(did.id.clone()), trunk_id }))
    }
}

impl Tenants for RemoteTenants {
    fn settings<'a>(&'a self, arrival: &'a Arrival) -> BoxFuture<'a, Result<Admission, TenantError>> {
        Box::pin(self.admit(arrival))
    }

    fn named<'a>(&'a self, tenant: &'a TenantId) -> BoxFuture<'a, Result<Arc<TenantSettings>, TenantError>> {
        Box::pin(async move { Ok(Arc::clone(&self.tenant(tenant).await?.settings)) })
    }
}

impl Reader {
    async fn tenant(self: Arc<Self>, tenant: TenantId, etag: Option<String>) -> Answer<Tenant> {
        let (reader, of) = (Arc::clone(&self), tenant.clone());
        let read = |body: bytes::Bytes| async move {
            // Reviewing may compile a plugin: no worker waits for that.
            let read = tokio::task::spawn_blocking(move || reader.reviewed(of, &body));
            read.await.unwrap_or_else(|_| Err(Faults::one("settings", "cannot be looked at: a defect of the gateway")))
        };
        self.ask((tenant.as_str(), &["settings"]), etag, read).await
    }

    async fn did(self: Arc<Self>, (tenant, number): (TenantId, DialledNumber), etag: Option<String>) -> Answer<Did> {
        let asked_for = number.clone();
        let path = ["dids", asked_for.reveal()];
        let read = |body: bytes::Bytes| async move {
            let (raw, mut faults) = record::<RawDid>(&body, &DID_KEYS)?;
            let did = raw.resolve("", &mut faults);
            match did {
                Some(did) if did.number != number => Err(Faults::one("number", "is another than was asked for")),
                Some(did) => faults.or(did),
                None => Err(faults),
            }
        };
        self.ask((tenant.as_str(), &path), etag, read).await
    }

    async fn trunk(self: Arc<Self>, (tenant, id): (TenantId, String), etag: Option<String>) -> Answer<Trunk> {
        let path = ["trunks", id.as_str()];
        let read = |body: bytes::Bytes| async move {
            let (raw, mut faults) = record::<RawTrunk>(&body, &TRUNK_KEYS)?;
            let trunk = raw.resolve("", &mut faults);
            match trunk {
                Some(trunk) => faults.or(trunk),
                None => Err(faults),
            }
        };
        self.ask((tenant.as_str(), &path), etag, read).await
    }

    async fn ask<V, F>(
        &self,
        (tenant, path): (&str, &[&str]),
        etag: Option<String>,
        read: impl FnOnce(bytes::Bytes) -> F,
    ) -> Answer<V>
    where
        F: Future<Output = Result<V, Faults>>,
    {
        let kind = path.first().copied().unwrap_or_default();
        let reply = match self.service.get(tenant, path, etag.as_deref()).await {
            Ok(reply) => reply,
            Err(error) => {
                // Told once: while it is away every call would say the same.
                if !self.away.swap(true, Relaxed) {
                    tracing::warn!(tenant, kind, code = error.code(), "{error}: what is known serves on");
                }
                return Answer::Failed;
            }
        };
        if self.away.swap(false, Relaxed) {
            tracing::info!("tenant-manager answers again");
        }
        match reply {
            Reply::Unchanged => Answer::Unchanged,
            Reply::Absent => Answer::Absent,
            Reply::Body { body, etag } => match read(body).await {
                Ok(value) => {
                    self.is_told(tenant, kind, None);
                    Answer::New(value, etag)
                }
                Err(faults) => {
                    self.service.count("faulty");
                    if !self.is_told(tenant, kind, Some(&faults)) {
                        for fault in faults.iter() {
                            tracing::error!(
                                tenant,
                                kind,
                                path = fault.path,
                                fault = fault.what,
                                "tenant-manager's answer is faulty: not used"
                            );
                        }
                    }
                    Answer::Failed
                }
            },
        }
    }

    fn reviewed(&self, tenant: TenantId, body: &[u8]) -> Result<Tenant, Faults> {
        let TenantDraft { settings, lines, rungs } = parse(tenant, body)?;
        self.review.review(&rungs).or(Tenant { settings: Arc::new(settings), lines: Arc::new(lines) })
    }

    /// Whether just these faults were told before; from now on they are.
    fn is_told(&self, tenant: &str, kind: &str, faults: Option<&Faults>) -> bool {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let key = format!("{tenant} {kind}");
        match faults {
            None => told.remove(&key).is_some(),
            Some(faults) => {
                if told.len() >= TOLD_MAX {
                    told.clear();
                }
                told.insert(key, faults.clone()).as_ref() == Some(faults)
            }
        }
    }
}

/// A tenant's file as JSON. What a file may read beside itself does not exist here.
fn parse(tenant: TenantId, body: &[u8]) -> Result<TenantDraft, Faults> {
    let (raw, mut faults) = config::read_table::<raw::RawTenant>(json::table(body)?, Faults::default())?;
    let no_file = |_: &str| Err("a tenant of the tenant-manager has no files: write the text itself".to_owned());
    match raw.resolve(tenant, &no_file, &mut faults) {
        Some(draft) => faults.or(draft),
        None => Err(faults),
    }
}

/// A record of the service, of which these keys are read: it may know more of it than the gateway needs.
fn record<T: DeserializeOwned>(body: &[u8], keys: &[&str]) -> Result<(T, Faults), Faults> {
    let mut table: Table = json::table(body)?;
    table.retain(|key, _| keys.contains(&key));
    config::read_table(table, Faults::default())
}

fn known<V>(found: Found<V>, absent: TenantError) -> Result<Arc<V>, TenantError> {
    match found {
        Found::Known(value) => Ok(value),
        Found::Absent => Err(absent),
        Found::Unavailable => Err(TenantError::Unavailable),
    }
}

/// What can stand in a path and means itself there.
fn is_name(text: &str) -> bool {
    let word = text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    word && (1..=NAME_MAX).contains(&text.len()) && !text.starts_with('.')
}

#[cfg(test)]
mod tests;
