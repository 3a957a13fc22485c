//! What is heard while the answer does not come: who hears nothing takes the call for dead. First a line, then a tone now and then.

use super::phase::{Utterance, Voice};
use super::{Call, CallAction, CallReason, Phase};
use crate::event::Fact;
use crate::ids::{TurnId, UtteranceId};
use std::time::{Duration, Instant};

/// The tone is short; what has not ended by then will not.
const TONE_MAX: Duration = Duration::from_secs(5);
/// So often it is heard where the tenant has none, and the agent takes longer than its deadline.
const HELD: Duration = Duration::from_secs(2);

impl Call {
    /// Since when the caller waits for the answer to that turn, and what is being said meanwhile, where the agent is asked again with it.
    pub(super) fn take_wait(&mut self, turn: TurnId) -> Option<(Instant, Option<Utterance>)> {
        let Phase::Thinking { turn: asked, asked_at, filler, .. } = &mut self.phase else { return None };
        (asked.id == turn).then(|| (*asked_at, filler.take()))
    }

    /// From `since` on an answer is waited for.
    pub(super) fn await_answer(&mut self, now: Instant, since: Instant) {
        let Phase::Thinking { turn, filler, .. } = &self.phase else { return };
        let timing = &self.settings.timing;
        let line = timing.filler.filter(|_| !self.settings.prompts.fillers.is_empty());
        let tone = if self.is_held() { timing.hold.or(Some(HELD)) } else { timing.hold.filter(|_| line.is_some()) };
        let due = match (line.filter(|_| !turn.is_filled), filler, tone) {
            (Some(wait), ..) => Some((since + wait).max(now)),
            (None, None, Some(tone)) if turn.is_filled => Some(now + tone),
            (None, None, Some(tone)) => Some((since + tone).max(now)),
            (None, Some(_), _) | (None, None, None) => None,
        };
        if let Some(due) = due {
            self.timers.arm(CallReason::Filler, due);
        }
    }

    /// No clause of the answer has come. What is said now stands before it in the speaker's queue: the answer follows without a gap.
    pub(super) fn filler_due(&mut self, now: Instant) {
        let Phase::Thinking { turn, filler: None, .. } = &self.phase else { return };
        // Who keys digits may speak beside it.
        if self.caller_speaks {
            if self.is_held() {
                self.await_answer(now, now);
            }
            return;
        }
        let fillers = &self.settings.prompts.fillers;
        let has_line = self.settings.timing.filler.is_some() && !fillers.is_empty();
        if has_line && !turn.is_filled {
            let line = fillers[self.fillers % fillers.len()].clone();
            self.fillers += 1;
            self.fill(now, &line);
        } else if has_line || self.is_held() {
            self.play_tone(now);
        }
    }

    /// Says something until the answer begins.
    pub(super) fn fill(&mut self, now: Instant, line: &str) {
        let Phase::Thinking { turn, filler: None, .. } = &mut self.phase else { return };
        if line.trim().is_empty() {
            return;
        }
        turn.is_filled = true;
        let (turn, text) = (turn.id, self.mask.mask_agent(line));
        let utterance = self.begin_filler(Voice::Speaker);
        self.push(CallAction::Say { utterance, text: text.clone() });
        self.emit(Fact::Filler { turn, utterance, text });
        self.push(CallAction::EndUtterance { utterance });
        self.timers.arm(CallReason::SpeechDeadline, now + self.settings.timing.speech_deadline);
    }

    fn play_tone(&mut self, now: Instant) {
        let utterance = self.begin_filler(Voice::Tone);
        self.push(CallAction::PlayTone { utterance });
        self.timers.arm(CallReason::EndDeadline, now + TONE_MAX);
    }

    fn begin_filler(&mut self, voice: Voice) -> UtteranceId {
        self.last_utterance = UtteranceId(self.last_utterance.0 + 1);
        if let Phase::Thinking { filler, .. } = &mut self.phase {
            *filler = Some(Utterance { complete: true, voice, ..Utterance::new(self.last_utterance) });
        }
        self.last_utterance
    }

    /// It has been heard, or is lost; the answer is still waited for.
    pub(super) fn filler_over(&mut self, now: Instant) {
        self.end_filler();
        self.await_answer(now, now);
    }

    fn end_filler(&mut self) {
        if let Phase::Thinking { filler, .. } = &mut self.phase {
            *filler = None;
            self.timers.cancel(CallReason::SpeechDeadline);
            self.timers.cancel(CallReason::EndDeadline);
        }
    }

    /// Nothing that is being said stands before an answer any more.
    pub(super) fn hush_filler(&mut self) {
        let Phase::Thinking { filler: Some(Utterance { id, .. }), .. } = self.phase else { return };
        self.push(CallAction::Hush { utterance: id });
        self.end_filler();
    }

    /// A line is let finish before what follows it; a tone is not.
    pub(super) fn hush_tone(&mut self) {
        if matches!(&self.phase, Phase::Thinking { filler: Some(filler), .. } if filler.voice == Voice::Tone) {
            self.hush_filler();
        }
    }
}
