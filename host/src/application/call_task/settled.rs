//! Who does a call's work, and what they have worked.

use super::CallTask;
use super::shadowed::settled;
use crate::application::ports::Observation;
use vg_domain::event::{Fact, Role, Worker};
use vg_domain::ids::PluginId;

/// Who had a part in the turn that the agent was asked last.
#[derive(Default)]
pub(super) struct Served {
    pub(super) hearing: Option<PluginId>,
    pub(super) speaking: Option<PluginId>,
}

impl CallTask {
    /// Whoever listens now has heard the turn that is asked.
    pub(super) fn turn_is_heard(&mut self) {
        self.keeper.presses();
        self.served = Served { hearing: Some(self.listener.plugin().clone()), speaking: None };
    }

    /// Who heard what the agent was asked last.
    pub(super) fn heard_by(&self) -> PluginId {
        self.served.hearing.as_ref().unwrap_or_else(|| self.listener.plugin()).clone()
    }

    /// Tells what everybody has worked.
    pub(super) async fn settle(&mut self) {
        let (hearing, speaking, beside) = tokio::join!(self.listener.settle(), self.speaker.settle(), settled(&mut self.shadow));
        let of = |who, sums: Vec<_>| sums.into_iter().map(move |(plugin, usage)| (who, plugin, usage));
        let all = of(Worker::Hearing, hearing).chain(of(Worker::Speaking, speaking)).chain(of(Worker::Shadow, beside));
        for (who, plugin, usage) in all {
            let tenant = self.settings.tenant.clone();
            self.services.observe.observe(&Observation::Used { tenant, who, plugin: plugin.clone(), usage });
            self.emit(Fact::Used { who, plugin, usage });
        }
    }

    pub(super) fn plugin_of(&self, role: Role) -> Option<PluginId> {
        match role {
            Role::Hearing => Some(self.listener.plugin().clone()),
            Role::Speaking => Some(self.speaker.plugin().clone()),
            Role::Masking => self.masked_by.clone(),
            Role::Thinking | Role::Vault => None,
        }
    }
}
