//! A media leg that was built anew in a call that is up.

use super::{Call, CallAction, Next, Phase, SetUp, Verdict};
use crate::keypad::Keypad;
use std::time::Instant;

impl Call {
    /// The old leg took with it what was being said, and what it had heard.
    pub(super) fn media_rebuilt(&mut self, now: Instant) -> Verdict {
        match self.phase {
            Phase::Answering { step: SetUp::Quiet } => {
                self.machine_speaks(Some(now));
                return Verdict::Taken;
            }
            Phase::Offered | Phase::Dialing { .. } | Phase::Answering { .. } | Phase::Ended(_) => return Verdict::Refused,
            Phase::Handover { .. } | Phase::Ending { .. } => return Verdict::Taken,
            Phase::Greeting { .. }
            | Phase::Listening { .. }
            | Phase::Keying { .. }
            | Phase::Thinking { .. }
            | Phase::Speaking { .. }
            | Phase::Advising { .. } => {}
        }
        self.caller_speaks = false;
        self.nothing_is_owed();
        self.hush_utterance();
        self.push(CallAction::StartHearing);
        match &self.phase {
            // Perhaps nobody has heard a word of it.
            Phase::Greeting { .. } => self.greet(now),
            Phase::Speaking { next: Next::Greet | Next::Keypad(Keypad::Consent), .. } => self.open(now),
            Phase::Speaking { reply: None, next: Next::Keypad(Keypad::Card(ask)), .. } => {
                let ask = *ask;
                self.ask_for_card(now, ask, None);
            }
            Phase::Listening { .. } => self.listen(now),
            Phase::Speaking { reply, .. } => {
                if let Some(turn) = reply.as_ref().filter(|reply| reply.streaming).map(|reply| reply.turn.id) {
                    self.push(CallAction::CancelAsk { turn });
                }
                self.utterance_over(now);
            }
            Phase::Thinking { .. } => self.filler_over(now),
            Phase::Offered
            | Phase::Dialing { .. }
            | Phase::Answering { .. }
            | Phase::Keying { .. }
            | Phase::Advising { .. }
            | Phase::Handover { .. }
            | Phase::Ending { .. }
            | Phase::Ended(_) => {}
        }
        Verdict::Taken
    }
}
