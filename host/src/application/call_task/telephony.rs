//! What happens to the caller's leg, as the call has it.

use super::CallTask;
use crate::application::clock::now;
use crate::application::ports::TelephonyEvent;
use crate::application::setup_clock::SetUpClock;
use vg_domain::call::CallInput;

impl CallTask {
    pub(super) fn on_telephony(&mut self, event: Option<TelephonyEvent>) {
        match event {
            Some(TelephonyEvent::CallerGone) => self.tell(CallInput::CallerGone),
            Some(TelephonyEvent::Up(by)) => {
                self.set_up = SetUpClock::start(now());
                self.tell(CallInput::Up(by));
            }
            Some(TelephonyEvent::NotReached(failure)) => self.tell(CallInput::NotReached(failure)),
            Some(TelephonyEvent::Digit(digit)) => self.tell(CallInput::Digit(digit)),
            Some(TelephonyEvent::KeysMissed) => self.tell(CallInput::KeysMissed),
            Some(TelephonyEvent::Progress(progress)) => self.tell(CallInput::HandoverProgress(progress)),
            Some(TelephonyEvent::Returned(how)) => self.tell(CallInput::HandoverReturned(how)),
            Some(TelephonyEvent::PersonAnswered) => self.tell(CallInput::PersonAnswered),
            Some(TelephonyEvent::PersonGone(how)) => self.tell(CallInput::PersonGone(how)),
            Some(TelephonyEvent::Taken) => self.taken = true,
            Some(TelephonyEvent::Lost) => self.tell(CallInput::AsteriskLost),
            None => {
                self.telephony_events = None;
                self.tell(CallInput::CallerGone);
            }
        }
    }
}
