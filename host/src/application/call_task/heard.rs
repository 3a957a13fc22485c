//! What the listener says, as the call has it.

use super::CallTask;
use super::recorded::Found;
use crate::application::clock::now;
use crate::application::hearing::Listened;
use crate::application::ports::{Fall, HearingEvent, Observation};
use crate::application::shadow::Shadow;
use vg_domain::call::CallInput;
use vg_domain::event::Role;

impl CallTask {
    pub(super) fn on_listened(&mut self, listened: Listened) {
        match listened {
            Listened::Says(event) => self.on_hearing(event),
            Listened::PassedOver(fall) => self.passed_over(Role::Hearing, fall),
        }
    }

    pub(super) fn on_hearing(&mut self, event: HearingEvent) {
        if let HearingEvent::Partial { .. } | HearingEvent::Final(_) = &event
            && let Some(after) = self.first_words.words(now())
        {
            let (tenant, plugin) = (self.settings.tenant.clone(), self.listener.plugin().clone());
            self.services.observe.observe(&Observation::FirstWords { tenant, plugin, after });
        }
        if self.takes_for_card(&event) {
            return;
        }
        match event {
            HearingEvent::Partial { words, stability } => {
                let text = self.call.mask_partial(words);
                self.mask_has_seen(Found::growing(&text, self.call.leaves_digits_open()));
                self.tell(CallInput::Partial { text, stability });
            }
            HearingEvent::Final(words) => {
                let text = self.call.mask_final(words);
                self.mask_has_seen(Found::settled(&text, self.call.leaves_digits_open()));
                self.shadow(|shadow| shadow.understood(&text));
                self.keeper.presses();
                self.sound_is_known();
                self.tell(CallInput::Final(text));
            }
            HearingEvent::Finalized => {
                self.shadow(Shadow::finalized);
                self.sound_is_known();
                self.tell(CallInput::Finalized);
            }
            // The listener adds it up.
            HearingEvent::Usage(_) => {}
            HearingEvent::Fell(fall) => self.hearing_fell(fall.code),
        }
    }

    pub(super) fn on_listener(&mut self, started: Result<(), Fall>) {
        if let Err(fall) = started {
            self.hearing_fell(fall.code);
        }
    }

    fn hearing_fell(&mut self, code: &'static str) {
        self.tell(CallInput::HearingFell { code });
    }
}
