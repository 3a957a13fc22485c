//! How the world carries out what the call says: the agent, the listener, the voices and the telephony side.

use super::*;

const PIECES: &[&str] =
    &["Well, ", "it is ready. ", "You can have it ", "on Monday, ", "at three.", " Anything else? ", "1", "0 000 "];

impl World {
    /// Carries out what the call says.
    pub(in super::super) fn carry_out(&mut self, action: &CallAction) {
        match action {
            CallAction::OpenConversation => self.open_conversation(),
            CallAction::ConnectMedia => _ = self.act(CallInput::MediaConnected, CallInput::SetUpFailed { code: "gone" }),
            CallAction::Answer => _ = self.act(CallInput::Answered, CallInput::SetUpFailed { code: "gone" }),
            CallAction::StartHearing | CallAction::StartNextHearing => self.listen(),
            CallAction::ChangeLanguage(_) => {
                if self.listens {
                    self.listen();
                }
            }
            CallAction::GiveUpHearing => self.stop_listening(),
            CallAction::FinalizeHearing => self.finalize(),
            CallAction::Ask { turn, .. } | CallAction::AskCard { turn, .. } | CallAction::Speculate { turn, .. } => {
                self.answer(*turn)
            }
            CallAction::CancelAsk { .. } => self.asked += 1,
            CallAction::Say { utterance, text } => self.say(*utterance, text.as_str().chars().count() as u64),
            CallAction::EndUtterance { utterance } => self.end(*utterance),
            CallAction::Pause { .. } => self.paused = Some(self.now),
            CallAction::GoOn { .. } => self.go_on(),
            CallAction::Hush { utterance } => self.hush(*utterance),
            CallAction::GoOnWithAnotherVoice => self.speak_again(),
            CallAction::PlayEmergency { utterance } | CallAction::PlayTone { utterance } => self.play(*utterance),
            CallAction::SeekAdvice { .. } => self.advise(),
            CallAction::Transfer(_) => self.transfer(),
            CallAction::LeaveMedia => self.leave(),
            CallAction::Consult(handover) => self.consult(handover),
            CallAction::Meet => _ = self.act(CallInput::PersonMet, CallInput::HandoverFailed { code: "gone" }),
            CallAction::Join => _ = self.act(CallInput::PersonJoined, CallInput::HandoverFailed { code: "gone" }),
            CallAction::Resume => _ = self.act(CallInput::Resumed, CallInput::SetUpFailed { code: "gone" }),
            CallAction::Release => {
                self.ends = true;
                self.leave();
                self.asked += 1;
                self.act(CallInput::Released, CallInput::Released);
            }
            CallAction::HangUp { .. } => self.ends = true,
            CallAction::Ring | CallAction::PrepareSpeaking | CallAction::Emit(_) => {}
            CallAction::Record | CallAction::ForgetRecording => {}
            CallAction::Commit { .. } | CallAction::SpeculationJudged(_) => {}
            CallAction::EndJudged(_)
            | CallAction::OverlapJudged(_)
            | CallAction::MaskingBegins
            | CallAction::MaskingEnds
            | CallAction::Refused { .. } => {}
        }
    }

    /// Done, failed, or never heard of again. Whether it is done.
    fn act(&mut self, done: CallInput, failed: CallInput) -> bool {
        let fails = self.fails();
        if fails && self.one_in(4) {
            return false;
        }
        let input = if fails { failed } else { done };
        self.line_free = self.line_free.max(self.now) + self.ms(5, 1_200);
        let at = self.line_free;
        self.at(at, Soon::Input(input));
        !fails
    }

    pub(in super::super) fn ring_out(&mut self) {
        let by = if self.one_in(2) { AnsweredBy::Machine } else { AnsweredBy::CalledSide };
        let input = if self.fails() { CallInput::NotReached(DialFailure::Busy) } else { CallInput::Up(by) };
        self.within(0, 30_000, Soon::Input(input));
    }

    fn open_conversation(&mut self) {
        if self.fails() {
            self.within(5, 1_500, Soon::Input(CallInput::ConversationFailed { code: "unavailable" }));
            if self.one_in(2) {
                self.within(2_500, 30_000, Soon::Input(CallInput::ConversationOpened));
            }
        } else {
            self.within(5, 1_500, Soon::Input(CallInput::ConversationOpened));
        }
    }

    fn listen(&mut self) {
        self.stop_listening();
        self.listens = true;
        self.hearing_free = self.now;
        if self.fails() && self.one_in(2) {
            let session = self.session;
            self.within(0, 800, Soon::Hearing { session, input: CallInput::HearingFell { code: "unreachable" } });
        }
    }

    fn finalize(&mut self) {
        if self.fails() && self.one_in(3) {
            return;
        }
        let longest = if self.fails() { 4_000 } else { 500 };
        self.final_words(10, longest);
        let (session, at) = (self.session, self.hearing_free);
        self.at(at, Soon::Hearing { session, input: CallInput::Finalized });
    }

    fn answer(&mut self, turn: TurnId) {
        self.asked += 1;
        let asked = self.asked;
        let mut at = self.now;
        if self.one_in(6) {
            at += self.ms(5, 700);
            let hint = Hint::Hold(self.ms(0, 30_000));
            self.at(at, Soon::Agent { asked, input: CallInput::AgentHints { turn, hint } });
        }
        for _ in 0..self.dice.below(6) {
            at += if self.fails() { self.ms(2_000, 12_000) } else { self.ms(5, 700) };
            let text = (*self.dice.pick(PIECES)).to_owned();
            self.at(at, Soon::Agent { asked, input: CallInput::AgentText { turn, text } });
        }
        for hint in [Hint::Uninterruptible, Hint::Language("pt".into()), Hint::Language("en".into())] {
            if self.one_in(10) {
                self.at(at, Soon::Agent { asked, input: CallInput::AgentHints { turn, hint } });
            }
        }
        if self.one_in(4) {
            self.at(at, Soon::Agent { asked, input: CallInput::AgentHints { turn, hint: Hint::Expect(Expect::YesNo) } });
        }
        if self.fails() && self.one_in(3) {
            return;
        }
        at += self.ms(5, 500);
        let input = if self.fails() {
            CallInput::AgentFell { turn, code: "unavailable" }
        } else {
            CallInput::AgentDone { turn, command: self.command() }
        };
        self.at(at, Soon::Agent { asked, input });
    }

    fn command(&mut self) -> Option<AgentCommand> {
        let mode = *self.dice.pick(&[TransferMode::Blind, TransferMode::Attended]);
        let summary = *self.dice.pick(&[None, Some("wants two pizzas")]);
        match self.dice.below(16) {
            0 => Some(AgentCommand::HangUp),
            1 => Some(AgentCommand::Human),
            2 => Some(AgentCommand::Menu),
            3 => Some(AgentCommand::Collect(keying::four())),
            5 => Some(AgentCommand::CollectCard(paying::some_card(self.one_in(2)))),
            4 => Some(AgentCommand::Transfer(Transfer { mode, ..handover::to_queue("sales", summary) })),
            _ => None,
        }
    }

    fn advise(&mut self) {
        if self.fails() {
            return self.within(5, 3_000, Soon::Input(CallInput::AdviceFailed { code: "unavailable" }));
        }
        let mode = *self.dice.pick(&[TransferMode::Blind, TransferMode::Attended]);
        let target = *self.dice.pick(&[None, Some("sales"), Some("not a name")]);
        let target = target.map(|name| TransferTarget::Queue(name.into()));
        let advice = HandoverAdvice { target, mode, summary: Some("wants a tent".into()) };
        self.within(5, 3_000, Soon::Input(CallInput::Advised(advice)));
    }

    fn say(&mut self, utterance: UtteranceId, chars: u64) {
        match &mut self.sound {
            Some(sound) if sound.utterance == utterance => {
                sound.chars += chars;
                if sound.audible.is_some() {
                    sound.stood += self.now.saturating_duration_since(sound.until);
                    sound.until = sound.until.max(self.now) + Duration::from_millis(chars * 1000 / 15);
                }
            }
            _ => {
                self.voice += 1;
                self.sound = Some(Sound::new(utterance, chars, self.now));
                self.speak(utterance);
            }
        }
    }

    /// A voice sounds, late, not at all, or until it falls.
    fn speak(&mut self, utterance: UtteranceId) {
        let voice = self.voice;
        let (fails, lasts) = (self.fails(), self.fails() && self.one_in(2));
        if fails && self.one_in(2) {
            return;
        }
        let longest = if fails { 8_000 } else { 700 };
        if !fails || self.one_in(2) {
            self.within(20, longest, Soon::Voice { voice, input: CallInput::SpeechAudio { utterance } });
        }
        if fails || lasts {
            self.within(100, longest, Soon::Voice { voice, input: CallInput::SpeakingFell { utterance, code: "trap" } });
        }
    }

    fn speak_again(&mut self) {
        self.voice += 1;
        if let Some(sound) = &mut self.sound {
            sound.before = sound.heard(self.now);
            (sound.audible, sound.until, sound.stood) = (None, self.now, Duration::ZERO);
            let utterance = sound.utterance;
            self.speak(utterance);
        }
    }

    fn end(&mut self, utterance: UtteranceId) {
        if let Some(sound) = self.sound.as_mut().filter(|sound| sound.utterance == utterance) {
            sound.complete = true;
            if sound.audible.is_some() {
                self.plan_end();
            }
        }
    }

    /// What stood still is heard so much later.
    fn go_on(&mut self) {
        let Some(since) = self.paused.take() else { return };
        let now = self.now;
        if let Some(sound) = &mut self.sound
            && let Some(audible) = sound.audible
        {
            sound.until += now - since;
            sound.stood += now.saturating_duration_since(audible.max(since));
            if sound.complete {
                self.plan_end();
            }
        }
    }

    fn hush(&mut self, utterance: UtteranceId) {
        let now = self.paused.take().unwrap_or(self.now);
        self.hushed.insert(utterance, HeardOf::default());
        let Some(sound) = self.sound.take() else { return };
        self.voice += 1;
        let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap();
        let (spoken_ms, idle) = (ms(sound.heard(now)), sound.stood + self.now.saturating_duration_since(now.min(sound.until)));
        self.hushed.insert(utterance, HeardOf { ms: spoken_ms, idle_ms: ms(idle) + 1 });
        if sound.audible.is_some() {
            let voice = self.voice;
            self.within(5, 60, Soon::Voice { voice, input: CallInput::Hushed { utterance, spoken_ms } });
        }
    }

    fn play(&mut self, utterance: UtteranceId) {
        self.voice += 1;
        let (audible, until) = (Some(self.now), self.now + Duration::from_secs(3));
        let of_it = self.sound.take().filter(|sound| sound.utterance == utterance);
        let before = of_it.map_or(Duration::ZERO, |sound| sound.heard(self.now));
        self.sound = Some(Sound { complete: true, audible, until, before, ..Sound::new(utterance, 45, self.now) });
        let voice = self.voice;
        self.at(until, Soon::Voice { voice, input: CallInput::UtteranceEnded { utterance } });
        if self.one_in(4) {
            // It had fallen when the call lost patience with it.
            self.at(self.now, Soon::Input(CallInput::SpeakingFell { utterance, code: "trap" }));
        }
    }

    fn transfer(&mut self) {
        if !self.act(CallInput::HandoverParted, CallInput::HandoverFailed { code: "gone" }) {
            return;
        }
        let at = self.line_free;
        let (mut answered, mut back) = (None, None);
        match self.dice.below(4) {
            0 => answered = Some(at + self.ms(0, 20_000)),
            1 | 2 => {
                // A dialplan that finds nobody may be quicker than the word that the caller has gone there.
                let quick = self.one_in(6);
                let after = if quick { Duration::ZERO } else { self.ms(1, 30_000) };
                let before = if quick { Duration::from_millis(1) } else { Duration::ZERO };
                back = Some((at + after - before).max(self.now));
            }
            _ => {}
        }
        if self.one_in(3) {
            let dialled = at + self.ms(0, 4_000);
            // Asterisk tells of a channel in order: whom it called for it before that it came back.
            let dialled = back.map_or(dialled, |back| dialled.min(back));
            self.at(dialled, Soon::Input(CallInput::HandoverProgress(Progress::Dialled)));
        }
        if let Some(at) = answered {
            self.at(at, Soon::Input(CallInput::HandoverProgress(Progress::Answered)));
        }
        if let Some(at) = back {
            self.at(at, Soon::Input(CallInput::HandoverReturned(Returned::Busy)));
        }
    }

    fn consult(&mut self, handover: &Handover) {
        self.stop_listening();
        self.voiced = None;
        let rings = u64::try_from(handover.ring.as_millis()).unwrap();
        match self.dice.below(6) {
            0 => {
                self.line_free = self.line_free.max(self.now) + self.ms(5, 1_000);
                let at = self.line_free;
                self.at(at, Soon::Input(CallInput::HandoverFailed { code: "gone" }));
            }
            1 => self.within(5, rings, Soon::Input(CallInput::PersonGone(Returned::Busy))),
            2 => {}
            _ => self.within(5, rings, Soon::Input(CallInput::PersonAnswered)),
        }
    }
}
