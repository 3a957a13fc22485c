//! Makes calls: rules first, then seats, then the dialling. What is not allowed is never dialled.

use super::admission::{Admission, Seat, TenantSeat};
use super::call_leg::CallLeg;
use super::limits;
use super::orders::{Directory, Listed, Ordered};
use super::ports::{
    DialError, DialOrder, Dialler, Facts, Observation, Observe, Originate, OriginateError, Originator, TenantError, Tenants,
};
use futures_util::future::BoxFuture;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use uuid::Uuid;
use vg_domain::ids::CallId;
use vg_domain::outbound::{MachineDetection, Route};
use vg_domain::parties::{Direction, Parties};
use vg_domain::pii::Pii;
use vg_domain::tenant::TenantSettings;

/// The gateway's way to make calls.
pub struct Originating {
    pub(super) tenants: Arc<dyn Tenants>,
    pub(super) admission: Arc<Admission>,
    pub(super) directory: Arc<Directory>,
    pub(super) facts: Arc<dyn Facts>,
    pub(super) observe: Arc<dyn Observe>,
    pub(super) dialler: Arc<dyn Dialler>,
    pub(super) outgoing: mpsc::Sender<Outgoing>,
}

/// A call that was dialled and waits for its task.
pub(super) struct Outgoing {
    pub(super) leg: CallLeg,
    pub(super) settings: Arc<TenantSettings>,
    pub(super) seats: (Seat, TenantSeat),
    pub(super) listed: Listed,
    pub(super) orders: mpsc::Receiver<Ordered>,
}

impl Originating {
    async fn make(&self, order: Originate) -> Result<CallId, OriginateError> {
        let named = tokio::time::timeout(limits::SETTINGS_BUDGET, self.tenants.named(&order.tenant)).await;
        let settings = named.unwrap_or(Err(TenantError::Unavailable)).map_err(unsettled)?;
        let (route, detect_machines) = route(&settings, &order)?;
        if !self.facts.has_room() {
            return Err(OriginateError::OverLimit);
        }
        let seat = self.admission.seat().map_err(|_| OriginateError::OverLimit)?;
        let tenant_seat = self.admission.seat_of(&settings).map_err(|_| OriginateError::OverLimit)?;
        // A place with the gateway before anybody's telephone rings.
        let place = self.outgoing.reserve().await.map_err(|_| OriginateError::Draining)?;

        let call = CallId::new(Uuid::now_v7().to_string());
        let dial = DialOrder {
            call: call.clone(),
            tenant: settings.tenant.clone(),
            endpoint: route.endpoint.clone(),
            caller_id: route.from.to_pii(),
            ring: order.timeout.clamp(Duration::from_secs(1), limits::RING_MAX),
            detect_machines,
        };
        let leg = self.dialler.dial(dial).await.map_err(|error| match error {
            DialError::Unreachable => OriginateError::Unreachable,
            DialError::Refused => OriginateError::Refused,
        })?;
        tracing::info!(%call, tenant = %settings.tenant, channel = leg.channel, "call dialled");
        let parties = Arc::new(Parties {
            direction: Direction::Outbound,
            from: route.from.to_pii(),
            to: route.to.to_pii(),
            agent: order.agent,
            metadata: Pii::new(order.metadata),
            did: None,
            trunk: None,
        });
        let (listed, orders) = self.directory.list(settings.tenant.clone(), call.clone());
        let leg = CallLeg::dialled(call.clone(), parties, leg);
        place.send(Outgoing { leg, settings, seats: (seat, tenant_seat), listed, orders });
        Ok(call)
    }
}

impl Originator for Originating {
    fn originate(&self, order: Originate) -> BoxFuture<'_, Result<CallId, OriginateError>> {
        Box::pin(async move {
            let made = self.make(order).await;
            if let Err(error) = &made {
                self.observe.observe(&Observation::CallRefused(error.code()));
            }
            made
        })
    }
}

fn route(settings: &TenantSettings, order: &Originate) -> Result<(Route, bool), OriginateError> {
    let rules = settings.outbound.as_ref().ok_or(OriginateError::Forbidden)?;
    let from = order.from.as_ref().map(|from| from.reveal().as_str());
    let route = rules.route(order.to.reveal(), from).map_err(|error| {
        tracing::warn!(tenant = %settings.tenant, code = error.code(), "outbound call is not allowed");
        OriginateError::Forbidden
    })?;
    Ok((route, matches!(rules.machines, MachineDetection::On(_))))
}

fn unsettled(error: TenantError) -> OriginateError {
    match error {
        TenantError::Unknown => OriginateError::UnknownTenant,
        TenantError::Unavailable => OriginateError::TenantUnavailable,
        // Only of calls that came by a trunk.
        TenantError::DidUnknown | TenantError::TrunkMismatch => OriginateError::Forbidden,
    }
}
