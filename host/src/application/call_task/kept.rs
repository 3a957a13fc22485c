//! What is kept of the call beyond this gateway.

use super::CallTask;
use crate::application::keeping::Doing;
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
        let doing =
            Doing { hearing: self.listener.plugin(), speaking: self.speaker.plugin(), conversation: self.thinker.conversation() };
        self.keeper.note(fact, doing);
    }

    /// Something is to be kept of which there is no fact.
    pub(super) fn keep(&mut self) {
        let doing =
            Doing { hearing: self.listener.plugin(), speaking: self.speaker.plugin(), conversation: self.thinker.conversation() };
        self.keeper.keep(doing);
    }
}
