//! Handing the caller over: to a person, a queue, an extension or a number outside, and what becomes of a caller who comes back.

use super::listening::HearingFalls;
use super::phase::{HandoverStep, Progress};
use super::{Call, CallAction, CallReason, Next, Phase, SetUp, Verdict};
use crate::event::Fact;
use crate::outcome::EndCause;
use crate::transfer::{Handover, HandoverReason, Place, Returned, Transfer, TransferMode, TransferRefusal, Way};
use std::time::{Duration, Instant};

/// A leg that has not parted in this time will not; and a media leg that is not there again in this time will not be.
pub(super) const STEP_MAX: Duration = Duration::from_secs(15);
/// A caller who has been gone for so long does not come back: no dialplan keeps one longer.
pub(super) const AWAY_MAX: Duration = Duration::from_secs(4 * 3600);

impl Call {
    /// Hands the caller to a person, if the tenant has one. No `reason`: the agent wants it.
    pub(super) fn hand_over(&mut self, now: Instant, reason: Option<HandoverReason>, mode: TransferMode, summary: Option<&str>) {
        let human = self.settings.human.clone();
        match human.as_deref().and_then(Place::parse).zip(human.clone()) {
            Some((place, target)) => {
                let ring = self.settings.transfer.ring;
                let (way, summary) = (Way::to(place), summary.map(|summary| self.mask.mask_agent(summary)));
                self.begin_handover(now, Handover { kind: "human", way, mode, summary, ring });
                self.emit(Fact::Escalated { target, reason: reason.map_or("agent", HandoverReason::code) });
            }
            None => self.do_without_a_person(now),
        }
    }

    /// Hands the caller to somebody in particular, if the tenant's settings allow it.
    pub(super) fn transfer(&mut self, now: Instant, wish: &Transfer) {
        match self.resolve(wish) {
            Ok(handover) => self.begin_handover(now, handover),
            Err(refusal) => {
                self.emit(Fact::TransferFailed { kind: wish.target.kind(), mode: wish.mode, code: refusal.code() });
                self.say_that_nobody_is_reached(now);
            }
        }
    }

    pub(super) fn resolve(&mut self, wish: &Transfer) -> Result<Handover, TransferRefusal> {
        let summary = wish.summary.as_deref().map(|summary| self.mask.mask_agent(summary));
        self.settings.transfer.resolve(wish, summary)
    }

    pub(super) fn transfer_ordered(&mut self, now: Instant, wish: Transfer) -> Verdict {
        if !self.can_be_handed_over() {
            return Verdict::Refused;
        }
        self.clear_floor();
        self.seek_advice(now, HandoverReason::Operator, Some(wish));
        Verdict::Taken
    }

    /// Whether the caller is in a conversation that a hand-over may end.
    pub fn can_be_handed_over(&self) -> bool {
        match &self.phase {
            Phase::Greeting { .. } | Phase::Listening { .. } | Phase::Keying { .. } | Phase::Thinking { .. } => true,
            Phase::Speaking { next, .. } => matches!(next, Next::Listen | Next::HangUp(_) | Next::Menu | Next::Keypad(_)),
            Phase::Offered
            | Phase::Dialing { .. }
            | Phase::Answering { .. }
            | Phase::Advising { .. }
            | Phase::Handover { .. }
            | Phase::Ending { .. }
            | Phase::Ended(_) => false,
        }
    }

    pub(super) fn begin_handover(&mut self, now: Instant, handover: Handover) {
        self.emit(Fact::Transferring { kind: handover.kind, mode: handover.mode });
        match handover.mode {
            TransferMode::Blind => {
                self.push(CallAction::Transfer(handover.clone()));
                self.enter(Phase::Handover { handover, step: HandoverStep::Asked });
                self.timers.arm(CallReason::EndDeadline, now + STEP_MAX);
            }
            TransferMode::Attended => self.consult(now, handover),
        }
    }

    /// Nobody is left to listen or to speak.
    pub(super) fn give_up(&mut self, now: Instant) {
        self.given_up = true;
        self.clear_floor();
        self.seek_advice(now, HandoverReason::Trouble, None);
    }

    fn do_without_a_person(&mut self, now: Instant) {
        self.go_on_alone(now, self.settings.prompts.agent_unavailable.clone());
    }

    pub(super) fn say_that_nobody_is_reached(&mut self, now: Instant) {
        self.go_on_alone(now, self.settings.prompts.transfer_failed.clone());
    }

    /// The call goes on without the person that was wanted, or ends where there is no one else either.
    fn go_on_alone(&mut self, now: Instant, line: String) {
        if self.given_up {
            self.say_emergency(now, Next::Quit(EndCause::ProvidersExhausted));
        } else if self.draining {
            self.say_line(now, self.settings.prompts.farewell.clone(), Next::Quit(EndCause::Drained));
        } else if self.is_listener_lost() {
            self.do_without_listener(now);
        } else {
            self.say_line(now, line, Next::Listen);
        }
    }

    pub(super) fn handover_parted(&mut self, now: Instant) -> Verdict {
        let Phase::Handover { step, .. } = &self.phase else { return self.out_of_step() };
        match step {
            HandoverStep::Asked => self.part(now),
            // What came of it was told before.
            HandoverStep::Away(_) | HandoverStep::Back => {}
            HandoverStep::Calling
            | HandoverStep::Meeting
            | HandoverStep::Telling(_)
            | HandoverStep::Joining
            | HandoverStep::Together
            | HandoverStep::Resuming => return self.out_of_step(),
        }
        Verdict::Taken
    }

    /// The caller is in the dialplan from now on. Nothing where no leg was asked to go there.
    fn part(&mut self, now: Instant) {
        let Phase::Handover { step: step @ HandoverStep::Asked, .. } = &mut self.phase else { return };
        *step = HandoverStep::Away(Progress::Unknown);
        // What was said into the old leg is nobody's any more.
        self.caller_speaks = false;
        self.nothing_is_owed();
        self.interrupted.clear();
        self.push(CallAction::LeaveMedia);
        self.timers.arm(CallReason::EndDeadline, now + AWAY_MAX);
    }

    pub(super) fn handover_progress(&mut self, now: Instant, news: Progress) -> Verdict {
        // A dialplan may be quicker than the word that the caller has gone there.
        self.part(now);
        let Phase::Handover { handover, step: HandoverStep::Away(progress) } = &mut self.phase else {
            return self.late();
        };
        let (kind, mode) = (handover.kind, handover.mode);
        match (*progress, news) {
            // A queue calls one member after the other; whoever has answered stays so.
            (Progress::Answered, _) | (_, Progress::Unknown) => {}
            (_, Progress::Dialled) => *progress = Progress::Dialled,
            (_, Progress::Answered) => {
                *progress = Progress::Answered;
                self.emit(Fact::Transferred { kind, mode });
            }
        }
        Verdict::Taken
    }

    pub(super) fn handover_returned(&mut self, now: Instant, how: Returned) -> Verdict {
        self.part(now);
        let Phase::Handover { handover, step: step @ HandoverStep::Away(_) } = &mut self.phase else {
            return self.late();
        };
        *step = HandoverStep::Back;
        let (kind, mode) = (handover.kind, handover.mode);
        self.emit(Fact::TransferFailed { kind, mode, code: how.code() });
        self.push(CallAction::ConnectMedia);
        self.timers.arm(CallReason::EndDeadline, now + STEP_MAX);
        Verdict::Taken
    }

    /// The media leg of a caller who came back is there: the conversation goes on.
    pub(super) fn rejoined(&mut self, now: Instant) -> Verdict {
        if !matches!(self.phase, Phase::Handover { step: HandoverStep::Back, .. }) {
            return Verdict::Refused;
        }
        self.go_on_without_them(now);
        Verdict::Taken
    }

    pub(super) fn go_on_without_them(&mut self, now: Instant) {
        // A listener may have been found meanwhile; what it heard of others is not the caller's.
        (self.deaf, self.hearing_falls, self.caller_speaks) = (false, HearingFalls::default(), false);
        self.nothing_is_owed();
        self.push(CallAction::StartHearing);
        self.say_that_nobody_is_reached(now);
    }

    /// Whether the caller has come back and waits for a media leg.
    pub fn is_rejoining(&self) -> bool {
        matches!(
            self.phase,
            Phase::Handover { step: HandoverStep::Back | HandoverStep::Resuming, .. }
                | Phase::Answering { step: SetUp::Adopting }
        )
    }

    pub(super) fn handover_failed(&mut self, now: Instant, code: &'static str) -> Verdict {
        if self.consulting_failed(now, code) == Verdict::Taken {
            return Verdict::Taken;
        }
        let Phase::Handover { handover, step } = &self.phase else { return self.out_of_step() };
        match step {
            HandoverStep::Asked => {}
            // Of a step that was under way when the person was let go.
            HandoverStep::Resuming => return Verdict::Taken,
            HandoverStep::Away(_)
            | HandoverStep::Back
            | HandoverStep::Calling
            | HandoverStep::Meeting
            | HandoverStep::Telling(_)
            | HandoverStep::Joining
            | HandoverStep::Together => return self.out_of_step(),
        }
        let (kind, mode) = (handover.kind, handover.mode);
        self.emit(Fact::TransferFailed { kind, mode, code });
        self.say_that_nobody_is_reached(now);
        Verdict::Taken
    }

    pub(super) fn handover_deadline(&mut self, now: Instant) {
        match &self.phase {
            Phase::Handover { step: HandoverStep::Asked, .. } => {
                let _ = self.handover_failed(now, "deadline");
            }
            Phase::Handover { step: HandoverStep::Away(_), .. } => {
                let cause = self.end_handover(EndCause::Transferred);
                self.release(now, cause);
            }
            Phase::Handover { step: HandoverStep::Back | HandoverStep::Resuming, .. } => self.hang_up(now, EndCause::SetUpFailed),
            Phase::Handover { .. } => self.consulting_deadline(now),
            Phase::Offered
            | Phase::Dialing { .. }
            | Phase::Answering { .. }
            | Phase::Greeting { .. }
            | Phase::Listening { .. }
            | Phase::Keying { .. }
            | Phase::Thinking { .. }
            | Phase::Speaking { .. }
            | Phase::Advising { .. }
            | Phase::Ending { .. }
            | Phase::Ended(_) => {}
        }
    }

    /// The gateway stops: a caller who has left stays where it is, whoever is about to leave is let go.
    pub(super) fn drain_handover(&mut self, now: Instant) -> Verdict {
        if !matches!(self.phase, Phase::Handover { step: HandoverStep::Away(_), .. }) {
            return Verdict::Refused;
        }
        let cause = self.end_handover(EndCause::Transferred);
        self.release(now, cause);
        Verdict::Taken
    }

    /// The leg of a caller who was handed over has ended, or is no longer watched: says what came of it, and how the call ended.
    pub(super) fn end_handover(&mut self, cause: EndCause) -> EndCause {
        let Phase::Handover { handover, step } = &self.phase else { return cause };
        let (kind, mode) = (handover.kind, handover.mode);
        let progress = match step {
            HandoverStep::Away(progress) => *progress,
            HandoverStep::Together => Progress::Answered,
            HandoverStep::Calling | HandoverStep::Meeting | HandoverStep::Telling(_) | HandoverStep::Joining => Progress::Dialled,
            HandoverStep::Asked | HandoverStep::Back | HandoverStep::Resuming => return cause,
        };
        match (cause, progress) {
            (EndCause::AsteriskLost, _) => EndCause::AsteriskLost,
            (_, Progress::Answered) => EndCause::Transferred,
            // Who was referred elsewhere has gone there: whether anybody answers is not known.
            (_, Progress::Unknown) if handover.place().is_none() => {
                self.emit(Fact::Referred { kind });
                EndCause::Transferred
            }
            // Left on its way; or nobody was called, and the place itself was the target.
            (EndCause::Transferred, _) | (_, Progress::Unknown) => {
                self.emit(Fact::Transferred { kind, mode });
                EndCause::Transferred
            }
            (cause, Progress::Dialled) => {
                self.emit(Fact::TransferFailed { kind, mode, code: "abandoned" });
                cause
            }
        }
    }

    /// The call is ended by force while the caller is being handed over.
    pub(super) fn cancel_handover(&mut self) {
        let Phase::Handover { handover, step } = &self.phase else { return };
        let open = match step {
            HandoverStep::Away(progress) => *progress != Progress::Answered,
            HandoverStep::Together | HandoverStep::Back | HandoverStep::Resuming => false,
            HandoverStep::Asked
            | HandoverStep::Calling
            | HandoverStep::Meeting
            | HandoverStep::Telling(_)
            | HandoverStep::Joining => true,
        };
        if open {
            let (kind, mode) = (handover.kind, handover.mode);
            self.emit(Fact::TransferFailed { kind, mode, code: "cancelled" });
        }
    }
}
