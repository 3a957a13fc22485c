//! How long a call may last.

use super::{Call, CallReason, Next, Phase, SetUp};
use crate::outcome::EndCause;
use std::time::{Duration, Instant};

/// So long before the end the caller is told of it.
const NOTICE: Duration = Duration::from_secs(60);
/// Who is on the way to somebody else, or leaves anyhow, is looked after again so much later.
const AGAIN: Duration = Duration::from_secs(10);

impl Call {
    /// The call has been answered.
    pub(super) fn limit_call(&mut self, now: Instant) {
        if let Some(max) = self.settings.call_max {
            self.timers.arm(CallReason::TimeNearlyUp, now + max.saturating_sub(NOTICE));
            self.timers.arm(CallReason::TimeUp, now + max);
        }
    }

    pub(super) fn time_is_nearly_up(&mut self, now: Instant) {
        let line = self.settings.prompts.time_is_nearly_up.clone();
        if !line.trim().is_empty() {
            // Who is with somebody else is not told.
            let _ = self.say_ordered(now, line);
        }
    }

    pub(super) fn time_is_up(&mut self, now: Instant) {
        match self.phase {
            // A person's time is not ours to end; who comes back has had the agent's. Who hears nothing would not hear the goodbye.
            Phase::Answering { step: SetUp::Adopting }
            | Phase::Advising { .. }
            | Phase::Handover { .. }
            | Phase::Speaking { next: Next::Human(_) | Next::Transfer(_) | Next::HangUp(_), .. } => {
                self.timers.arm(CallReason::TimeUp, now + AGAIN);
            }
            Phase::Greeting { .. }
            | Phase::Listening { .. }
            | Phase::Keying { .. }
            | Phase::Thinking { .. }
            | Phase::Speaking { next: Next::Listen | Next::Greet | Next::Menu | Next::Keypad(_), .. } => {
                self.clear_floor();
                self.say_line(now, self.settings.prompts.farewell.clone(), Next::Quit(EndCause::TimeUp));
            }
            Phase::Speaking { next: Next::Quit(_), .. }
            | Phase::Offered
            | Phase::Dialing { .. }
            | Phase::Answering { .. }
            | Phase::Ending { .. }
            | Phase::Ended(_) => {}
        }
    }
}
