//! What becomes of a call's recording: it begins with the media leg where the caller has nothing against it, an order may silence or end it, and it is
//! silent while a card is said or keyed in.

use super::CallTask;
use crate::application::clock::now;
use crate::application::ports::{Epoch, MouthCommand, Observation, OrderError, RecordingOrder};
use crate::application::recording::{
    PartsOf, Recording, RecordingError, RecordingGrip, RecordingMemory, RecordingRequest, RecordingWish,
};
use std::time::{Duration, Instant, SystemTime};
use vg_domain::event::Fact;
use vg_domain::mask::MaskedText;
use vg_domain::recording::{Consent, DeletionReason, PauseReason, RecordingFact, RecordingPolicy};

/// So long before its first voiced sample speech may have begun, and frames may lie aside of their time.
const MARGIN: Duration = Duration::from_millis(200);
/// Words whose voice nobody noticed are not older.
const UNNOTICED: Duration = Duration::from_secs(10);

/// What was ordered, what is to be heard, and the grip on the recording that it concerns.
#[derive(Default)]
pub(super) struct Recorded {
    /// Outlives the leg: a caller who comes back is recorded as it was ordered before.
    pub(super) memory: RecordingMemory,
    grip: Option<RecordingGrip>,
    cover: Cover,
    /// Both sides are silent.
    silent: bool,
}

/// What is not to be heard, whatever was ordered.
#[derive(Debug, Default)]
struct Cover {
    /// Words that may be a card's have begun, and are not over.
    words: bool,
    /// Digits are keyed in.
    keys: bool,
    /// When the voice began whose last words are not known yet.
    unsettled: Option<Instant>,
    /// When the caller's voice began, while it lasts.
    voice: Option<Instant>,
}

/// What a mask has found in words.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    /// Something was hidden, or held back.
    hidden: bool,
    /// What comes next may be more of it.
    open: bool,
    /// The words will not change.
    settled: bool,
}

impl CallTask {
    /// A recording that cannot begin costs the recording, never the call.
    pub(super) fn record(&mut self) {
        self.recorded.grip = None;
        let memory = &self.recorded.memory;
        let wanted = self.settings.recording.policy != RecordingPolicy::Off && self.call.consent() == Consent::Given;
        if !wanted || memory.wish == RecordingWish::Stopped {
            return;
        }
        let began = SystemTime::now();
        let first_began = memory.first_began.unwrap_or(began);
        let part = memory.parts + 1;
        let (call, tenant) = (self.id.clone(), self.settings.tenant.clone());
        let person = self.parties.person().clone();
        let (keep_days, format) = (self.settings.recording.keep_days, self.settings.recording.format);
        let request = RecordingRequest { call, tenant, person, part, began, first_began, keep_days, format };
        let begun = self.services.recorder.as_ref().map_or(Err(RecordingError::NoFolder), |recorder| recorder.start(request));
        match begun {
            Ok(Recording { tap, grip }) => {
                let memory = &mut self.recorded.memory;
                (memory.parts, memory.first_began) = (part, Some(first_began));
                // What another gateway, or the leg before, left open is open.
                self.recorded.cover.words = self.call.leaves_digits_open();
                self.recorded.silent = self.recorded.is_to_be_silent();
                if self.recorded.silent {
                    grip.pause();
                }
                self.speaker.order(MouthCommand::Record(Box::new(tap)));
                self.recorded.grip = Some(grip);
                let after = began.duration_since(first_began).unwrap_or_default();
                self.recording_is(RecordingFact::Began { part, after });
            }
            Err(error) => self.services.observe.observe(&Observation::NotRecorded(error.code())),
        }
    }

    pub(super) fn on_recording_order(&mut self, order: RecordingOrder) -> Result<(), OrderError> {
        if order == RecordingOrder::Delete {
            if self.recorded.memory.parts == 0 {
                return Err(OrderError::NotNow);
            }
            self.forget_recording(DeletionReason::Ordered);
            return Ok(());
        }
        if self.recorded.grip.is_none() {
            return Err(OrderError::NotNow);
        }
        match order {
            RecordingOrder::Pause => self.recorded.memory.wish = RecordingWish::Paused,
            RecordingOrder::Resume => self.recorded.memory.wish = RecordingWish::Kept,
            RecordingOrder::Stop | RecordingOrder::Delete => self.stop_recording(),
        }
        self.cover_recording(PauseReason::Ordered);
        Ok(())
    }

    /// Nothing of the call is kept: neither what comes nor what there is here.
    pub(super) fn forget_recording(&mut self, why: DeletionReason) {
        self.stop_recording();
        if let Some(recorder) = &self.services.recorder {
            let parts = if self.sequence.epoch == Epoch::FIRST { PartsOf::ThisGateway } else { PartsOf::AnyGateway };
            recorder.forget(&self.settings.tenant, &self.id, why, parts);
        }
    }

    fn stop_recording(&mut self) {
        self.recorded.memory.wish = RecordingWish::Stopped;
        self.hide_what_is_owed();
        if self.recorded.grip.take().is_some() {
            self.speaker.order(MouthCommand::StopRecording);
            let part = self.recorded.memory.parts;
            self.recording_is(RecordingFact::Stopped { part });
        }
    }

    /// The leg goes, and with it the part of the recording: nothing of what was said over it can be silenced later, nor lies in the next part.
    pub(super) fn leave_recording(&mut self) {
        self.hide_what_is_owed();
        let cover = &mut self.recorded.cover;
        (cover.unsettled, cover.voice) = (None, None);
    }

    /// What the caller says, or has said, and nobody has understood yet may be digits: it is silent to the part's end, which is now.
    fn hide_what_is_owed(&self) {
        let owed = self.recorded.cover.unsettled.filter(|_| self.listener.is_owed());
        if let (Some(grip), Some(since)) = (&self.recorded.grip, owed) {
            // The leg may have some frames more before it knows.
            grip.hide(since.checked_sub(MARGIN).unwrap_or(since), now() + MARGIN);
        }
    }

    /// The caller's voice has begun, or ended: what is found in its words is to be silent from its beginning.
    pub(super) fn voice_of_recording(&mut self, began: Option<Instant>) {
        let cover = &mut self.recorded.cover;
        cover.voice = began;
        cover.unsettled = cover.unsettled.or(began);
    }

    /// Where a mask has found something in the caller's words they are silent in the recording, on both sides, and so is all that follows until it is
    /// known to be none of a card's. To be called with all that a mask has seen, before anything comes of it.
    pub(super) fn mask_has_seen(&mut self, found: Found) {
        let now = now();
        let cover = &mut self.recorded.cover;
        let since = cover.unsettled.unwrap_or_else(|| now.checked_sub(UNNOTICED).unwrap_or(now));
        if found.settled {
            cover.unsettled = cover.voice;
        }
        if (found.hidden || found.open) && !std::mem::replace(&mut self.recorded.cover.words, true) {
            // Whatever has silenced it meanwhile: their beginning may have been heard before that.
            if let Some(grip) = &self.recorded.grip {
                grip.hide(since.checked_sub(MARGIN).unwrap_or(since), now);
            }
            self.cover_recording(PauseReason::Card);
        }
        self.recorded.cover.words = found.open;
        self.cover_recording(PauseReason::Card);
        self.cover_sound();
    }

    /// Keys may be a card's as well.
    pub(super) fn watch_keys(&mut self) {
        let keys = self.call.collects_digits() || self.keeps_card_secret();
        if std::mem::replace(&mut self.recorded.cover.keys, keys) != keys {
            self.cover_recording(PauseReason::Card);
            self.cover_sound();
        }
    }

    /// Makes the recording as silent as it is to be.
    fn cover_recording(&mut self, why: PauseReason) {
        let silent = self.recorded.is_to_be_silent();
        if std::mem::replace(&mut self.recorded.silent, silent) == silent {
            return;
        }
        let part = self.recorded.memory.parts;
        match (&self.recorded.grip, silent) {
            (None, _) => {}
            (Some(grip), true) => {
                grip.pause();
                self.recording_is(RecordingFact::Paused { part, why });
            }
            (Some(grip), false) => {
                grip.resume();
                self.recording_is(RecordingFact::Resumed { part });
            }
        }
    }

    fn recording_is(&mut self, fact: RecordingFact) {
        self.emit(Fact::Recording(fact));
    }
}

impl Recorded {
    fn is_to_be_silent(&self) -> bool {
        self.memory.wish == RecordingWish::Paused || self.cover.words || self.cover.keys
    }
}

impl Found {
    /// In words that may change; `open`: what was said before them may still go on.
    pub(super) fn growing(text: &MaskedText, open: bool) -> Self {
        let hidden = text.hides();
        Self { hidden, open: hidden || open, settled: false }
    }

    /// In words that will not; `open`: what comes next may be more of it.
    pub(super) fn settled(text: &MaskedText, open: bool) -> Self {
        Self { hidden: text.hides(), open, settled: true }
    }
}
