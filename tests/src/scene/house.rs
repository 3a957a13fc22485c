//! The virtual house as a scenario furnishes it.

use super::agent::Answerer;
use super::listener::Listeners;
use super::log::Log;
use super::script::Scenario;
use super::vault::Keeper;
use super::voice::Voices;
use crate::rig::{Parts, Rig};
use futures_util::future::BoxFuture;
use std::sync::{Arc, Mutex};
use tokio::task::JoinSet;
use vg_domain::ids::TenantId;
use vg_domain::tenant::TenantSettings;
use voice_gateway::application::ports::{Admission, Arrival, TenantError, Tenants};

/// A gateway for one tenant, with everybody it needs.
pub(super) struct House {
    pub(super) rig: Rig,
    pub(super) listeners: Listeners,
    pub(super) voices: Voices,
    pub(super) agent: Arc<Answerer>,
}

impl House {
    pub(super) fn of(scenario: &Scenario, log: &Log) -> Self {
        let listeners = Listeners { manners: Arc::new(Mutex::new(scenario.listener.clone())), log: log.clone() };
        let (names, manners) = (scenario.voices(), Arc::new(Mutex::new(scenario.voice.clone())));
        let voices = Voices { names, manners, log: log.clone() };
        let agent = Arc::new(Answerer {
            log: log.clone(),
            answers: Mutex::new(scenario.answers.clone()),
            manner: Mutex::new(scenario.agent),
            told: Mutex::default(),
            answering: Mutex::new(JoinSet::new()),
        });
        let parts = Parts {
            hearing: Arc::new(listeners.clone()),
            speaking: Arc::new(voices.clone()),
            agent: Arc::clone(&agent) as _,
            tenants: Arc::new(One(Arc::new(scenario.settings()))),
            vault: scenario.vault.clone().map(|manner| Arc::new(Keeper { log: log.clone(), manner }) as _),
        };
        Self { rig: Rig::of(parts), listeners, voices, agent }
    }
}

/// The only tenant.
struct One(Arc<TenantSettings>);

impl Tenants for One {
    fn settings<'a>(&'a self, _: &'a Arrival) -> BoxFuture<'a, Result<Admission, TenantError>> {
        Box::pin(async { Ok(Admission::unconfirmed(Arc::clone(&self.0))) })
    }

    fn named<'a>(&'a self, _: &'a TenantId) -> BoxFuture<'a, Result<Arc<TenantSettings>, TenantError>> {
        Box::pin(async { Ok(Arc::clone(&self.0)) })
    }
}
