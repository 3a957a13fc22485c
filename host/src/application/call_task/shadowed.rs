//! The second listener of a call, where its tenant has one: whatever becomes of it, the call goes on as without it.

use super::{CallTask, Services};
use crate::application::masking::mask;
use crate::application::ports::{HearingRequest, Observation};
use crate::application::shadow::Shadow;
use std::sync::Arc;
use vg_domain::event::{Fact, ShadowTurn};
use vg_domain::ids::PluginId;
use vg_domain::tenant::TenantSettings;
use vg_domain::usage::Usage;

pub(super) fn shadow(services: &Services, settings: &TenantSettings, request: &HearingRequest) -> Option<Box<Shadow>> {
    let (hearing, breakers) = (Arc::clone(&services.hearing), Arc::clone(&services.breakers));
    let shadow = Shadow::of(settings.shadow.as_ref()?, hearing, breakers, Arc::clone(&services.observe), request.clone())?;
    // The same kind of mask, or what both heard would differ by how it is masked.
    Some(Box::new(shadow.masked_by(mask(services.masks.as_ref(), settings).mask)))
}

/// The next turn that it was compared in; pending where there is none.
pub(super) async fn compared(shadow: &mut Option<Box<Shadow>>) -> ShadowTurn {
    match shadow {
        Some(shadow) => shadow.next().await,
        None => std::future::pending().await,
    }
}

/// What it has worked.
pub(super) async fn settled(shadow: &mut Option<Box<Shadow>>) -> Vec<(PluginId, Usage)> {
    match shadow {
        Some(shadow) => shadow.settle().await,
        None => Vec::new(),
    }
}

impl CallTask {
    /// Does something with the second listener, where there is one.
    pub(super) fn shadow(&mut self, act: impl FnOnce(&mut Shadow)) {
        if let Some(shadow) = &mut self.shadow {
            act(shadow);
        }
    }

    pub(super) fn on_compared(&mut self, turn: ShadowTurn) {
        let tenant = self.settings.tenant.clone();
        self.services.observe.observe(&Observation::ShadowCompared { tenant, turn: turn.clone() });
        self.emit(Fact::Shadowed(turn));
    }
}
