//! What is kept of the call beyond this gateway.

use super::CallTask;
use crate::application::keeping::{Doing, Keeper};
use crate::application::ports::Subject;
use vg_domain::event::Fact;

impl CallTask {
    /// Tells the world.
    pub(super) fn publish(&mut self, fact: &Fact) {
        self.sequence.n += u64::from(fact.is_event());
        let subject = Subject {
            call: &self.id,
            tenant: &self.settings.tenant,
            conversation: self.thinker.conversation(),
            sequence: self.sequence,
        };
        self.services.facts.publish(subject, fact);
    }

    pub(super) fn keep_fact(&mut self, fact: &Fact) {
        let (keeper, doing) = self.keeping();
        keeper.note(fact, doing);
    }

    /// Something is to be kept of which there is no fact.
    pub(super) fn keep(&mut self) {
        let (keeper, doing) = self.keeping();
        keeper.keep(doing);
    }

    fn keeping(&mut self) -> (&mut Keeper, Doing<'_>) {
        let Self { keeper, listener, speaker, thinker, .. } = self;
        (keeper, Doing { hearing: listener.plugin(), speaking: speaker.plugin(), conversation: thinker.conversation() })
    }
}
