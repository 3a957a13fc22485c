//! What becomes of a call's recording: it begins with the media leg, and an order may silence or end it.

use super::CallTask;
use crate::application::ports::{MouthCommand, Observation, OrderError, RecordingOrder};
use crate::application::recording::{Recording, RecordingError, RecordingGrip, RecordingRequest};

/// What was ordered, and the grip on the recording that it concerns.
#[derive(Default)]
pub(super) struct Recorded {
    wish: Wish,
    grip: Option<RecordingGrip>,
}

/// Outlives the leg: a caller who comes back is recorded as it was ordered before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Wish {
    #[default]
    Kept,
    Paused,
    Stopped,
}

impl CallTask {
    /// A recording that cannot begin costs the recording, never the call.
    pub(super) fn record(&mut self) {
        self.recorded.grip = None;
        if self.recorded.wish == Wish::Stopped {
            return;
        }
        let request = RecordingRequest { call: self.id.clone(), tenant: self.settings.tenant.clone() };
        let begun = self.services.recorder.as_ref().map_or(Err(RecordingError::NoFolder), |recorder| recorder.start(request));
        match begun {
            Ok(Recording { tap, grip }) => {
                if self.recorded.wish == Wish::Paused {
                    grip.pause();
                }
                self.speaker.order(MouthCommand::Record(Box::new(tap)));
                self.recorded.grip = Some(grip);
            }
            Err(error) => self.services.observe.observe(&Observation::NotRecorded(error.code())),
        }
    }

    pub(super) fn on_recording_order(&mut self, order: RecordingOrder) -> Result<(), OrderError> {
        let grip = self.recorded.grip.as_ref().ok_or(OrderError::NotNow)?;
        self.recorded.wish = match order {
            RecordingOrder::Pause => {
                grip.pause();
                Wish::Paused
            }
            RecordingOrder::Resume => {
                grip.resume();
                Wish::Kept
            }
            RecordingOrder::Stop => {
                self.recorded.grip = None;
                self.speaker.order(MouthCommand::StopRecording);
                Wish::Stopped
            }
        };
        Ok(())
    }
}
