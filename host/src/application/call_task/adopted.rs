//! Calls that another gateway held, and calls that another one takes.

use super::{CallTask, Services, conversation};
use crate::application::call_leg::CallLeg;
use crate::application::clock::now;
use crate::application::keeping::Keeper;
use crate::application::line::Act;
use crate::application::masking::mask;
use crate::application::orders::Ordered;
use crate::application::ports::{CallSnapshot, Observation, Sound};
use crate::application::resume::{self, Memory, Remembered};
use crate::application::shadow::Shadow;
use std::sync::Arc;
use tokio::sync::mpsc;
use vg_domain::call::{Call, Gap, Resume};
use vg_domain::event::Fact;
use vg_domain::mask::{MaskedText, Source};
use vg_domain::tenant::TenantSettings;

/// Where another gateway stopped.
#[derive(Debug)]
pub struct Stopped {
    /// The call, as it is kept; its epoch is this gateway's.
    pub snapshot: CallSnapshot,
    /// Where it stood.
    pub resume: Resume,
    /// What it remembers.
    pub memory: Memory,
    /// What its caller did not hear.
    pub gap: Gap,
    /// What its caller said last and nobody has understood, where that was kept.
    pub sound: Option<Sound>,
}

/// What was said, masked, in its order: a mask knows by it what is talked about.
fn spoken_of(memory: &Memory) -> Vec<(MaskedText, Source)> {
    let past = memory.past.iter().flat_map(|past| [(past.before.clone(), Source::Agent), (past.words.clone(), Source::Caller)]);
    past.chain(memory.said.iter().map(|said| (said.text.clone(), Source::Agent))).collect()
}

impl CallTask {
    /// Goes on with a call whose leg is up, where another gateway stopped.
    pub fn adopted(
        services: Services,
        leg: CallLeg,
        settings: Arc<TenantSettings>,
        orders: mpsc::Receiver<Ordered>,
        stopped: Stopped,
    ) -> Self {
        let Stopped { snapshot, resume, memory, gap, sound } = stopped;
        let mut task = Self::new(services, leg, Arc::clone(&settings), orders);
        task.begun = true;
        task.kept_sound.recalled = sound;
        task.sequence.epoch = snapshot.epoch;
        task.set_up.forget();
        task.recorded.memory = memory.recording.clone();
        if let Some(other) = settings.in_language(&resume.language) {
            task.language.clone_from(&other.language);
            task.speaker.change_to(other);
            // Nobody listens yet, so that nothing can fall.
            let _ = task.listener.change_to(other);
        }
        let mask = mask(task.services.masks.as_ref(), &settings).mask;
        let mask = if memory.digits_open || resume.leaves_keys_open() { mask.after_a_gap() } else { mask };
        let recalled = spoken_of(&memory);
        task.conversation = None;
        let request = conversation(&task.id, &settings, &task.parties);
        task.thinker.go_on(request, snapshot.conversation.clone(), memory);
        if let Some(states) = task.services.states.clone() {
            task.keeper = Keeper::claimed(states, snapshot);
        }
        let call = Call::adopt(&settings, Arc::clone(&task.parties), resume, gap, now()).masked_by(mask);
        task.call = call.with_vault(task.services.vault.is_some());
        recalled.iter().for_each(|(text, source)| task.call.recall(text, *source));
        // Whoever held it is told by that that it does not any more.
        task.keep();
        task
    }

    /// What another gateway would need has changed, and is to be kept now.
    pub(super) fn keep_resume(&mut self) {
        if self.keeper.due().is_none_or(|due| due > now()) {
            return;
        }
        let point = self.call.resume_point(now()).map(|point| {
            let (past, said, told) = self.thinker.memory();
            let (digits_open, recording) = (self.call.leaves_digits_open(), &self.recorded.memory);
            let memory = Remembered { past, said, told, digits_open, recording };
            resume::encode(&point, &memory, &mut self.past_written)
        });
        self.keeper.resume(point);
        self.keep();
    }

    /// Another gateway holds the call: nothing of it is touched any more, in Asterisk or elsewhere.
    pub(super) async fn let_go(&mut self) {
        self.leave_leg();
        self.shadow(Shadow::stop);
        self.speaker.part();
        self.line.act(Act::Forsake).await;
        self.settle().await;
        self.emit(Fact::TakenOver);
        self.services.observe.observe(&Observation::CallTakenOver);
    }
}
