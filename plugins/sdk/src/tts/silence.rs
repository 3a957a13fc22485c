//! A vendor that owes sound and gives none.

use super::{Effect, Timer};

/// Nothing was heard for most of the patience.
const QUIET: u32 = u32::MAX - 2;
/// Told when the owner has room.
const ROOM: u32 = u32::MAX - 1;
/// What waited in the link would have come.
const GRACE: u32 = u32::MAX;
/// The longest that what waited has to come.
const GRACE_MS: u32 = 1_000;

/// Notices a vendor that fell silent, and is not misled by an owner that is slow to take what there is.
///
/// While events are owed to the owner the host reads no link, but timers run on. So the patience's last second is counted only
/// from when there is room: a timer of 0 ms is told then and not before. A vendor that is really silent is noticed when the patience is over.
///
/// The three highest timer ids are its own; a plugin uses others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Silence(State);

// States and not a flag: a timer that was set for an earlier suspicion may still ring.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// No sound is owed.
    #[default]
    Stopped,
    Quiet {
        grace_ms: u32,
    },
    Room {
        grace_ms: u32,
    },
    Grace,
}

/// What a timer means.
#[derive(Clone, Debug, PartialEq)]
pub enum Woken {
    /// The timer is the plugin's own.
    Other,
    /// To be waited on, with this effect if there is one.
    Wait(Option<Effect>),
    /// The vendor gave nothing for as long as was agreed.
    Silent,
}

impl Silence {
    /// Sound is expected in so many milliseconds: to be said when it is asked for, and again with every piece of it. News
    /// without sound lift no suspicion.
    #[must_use]
    pub fn within(&mut self, ms: u32) -> Effect {
        let grace_ms = (ms / 2).clamp(1, GRACE_MS);
        self.0 = State::Quiet { grace_ms };
        timer(QUIET, ms.saturating_sub(grace_ms).max(1))
    }

    /// No sound is owed any more.
    pub fn stop(&mut self) {
        self.0 = State::Stopped;
    }

    /// To be asked of every timer.
    #[must_use]
    pub fn woken(&mut self, id: u32) -> Woken {
        let (next, effect) = match (self.0, id) {
            (State::Quiet { grace_ms }, QUIET) => (State::Room { grace_ms }, timer(ROOM, 0)),
            (State::Room { grace_ms }, ROOM) => (State::Grace, timer(GRACE, grace_ms)),
            (State::Grace, GRACE) => {
                self.stop();
                return Woken::Silent;
            }
            (_, QUIET | ROOM | GRACE) => return Woken::Wait(None),
            _ => return Woken::Other,
        };
        self.0 = next;
        Woken::Wait(Some(effect))
    }
}

fn timer(id: u32, delay_ms: u32) -> Effect {
    Effect::Timer(Timer { id, delay_ms })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Descriptor, Fault, FaultKind, Instant, testing,
        tts::{Input, TtsPlugin},
    };

    /// Expects something at least every 5 s, from its start until a flush.
    #[derive(Default)]
    struct Listener(Silence);

    impl TtsPlugin for Listener {
        fn descriptor() -> Descriptor {
            Descriptor::tts("tts-listener", "0.1.0")
        }

        fn new() -> Self {
            Self::default()
        }

        fn handle(&mut self, _: Instant, input: Input) -> Vec<Effect> {
            match input {
                Input::Timer(id) => match self.0.woken(id) {
                    Woken::Silent => vec![Effect::Fail(Fault::new(FaultKind::Unavailable, "silent"))],
                    Woken::Wait(effect) => effect.into_iter().collect(),
                    Woken::Other => vec![Effect::Cancelled],
                },
                Input::Flush(_) => {
                    self.0.stop();
                    vec![]
                }
                _ => vec![self.0.within(5_000)],
            }
        }
    }

    fn listener() -> testing::Session<Input, Effect> {
        let mut session = testing::tts::<Listener>();
        session.start(testing::start("{}"));
        session
    }

    #[test]
    fn silence_is_noticed_to_the_millisecond() {
        let mut session = listener();
        session.pass_ms(4_000);
        session.tell(Input::Text("sound".to_owned()));
        session.pass_ms(4_999);
        assert!(!session.is_over());
        session.pass_ms(1);
        assert!(session.is_over());
    }

    #[test]
    fn an_owner_without_room_is_no_silence() {
        let mut silence = Silence::default();
        assert_eq!(silence.within(5_000), timer(QUIET, 4_000));
        assert_eq!(silence.woken(QUIET), Woken::Wait(Some(timer(ROOM, 0))));
        // However long the owner takes, and then sound that had waited.
        assert_eq!(silence.woken(ROOM), Woken::Wait(Some(timer(GRACE, 1_000))));
        assert_eq!(silence.within(5_000), timer(QUIET, 4_000));
        assert_eq!(silence.woken(GRACE), Woken::Wait(None));
    }

    #[test]
    fn a_timer_of_an_earlier_suspicion_does_not_count_for_the_next() {
        let mut silence = Silence::default();
        for _ in 0..2 {
            let _ = silence.within(5_000);
            assert_ne!(silence.woken(QUIET), Woken::Wait(None));
            assert_eq!(silence.woken(GRACE), Woken::Wait(None), "it is of the round before");
            assert_ne!(silence.woken(ROOM), Woken::Wait(None));
        }
        assert_eq!(silence.woken(GRACE), Woken::Silent);
    }

    #[test]
    fn nothing_is_missed_where_nothing_is_owed_and_other_timers_are_others() {
        let mut session = listener();
        session.pass_ms(4_500);
        session.tell(Input::Flush(1));
        assert_eq!(session.pass_ms(60_000), []);
        assert_eq!(session.tell(Input::Timer(7)), [Effect::Cancelled]);
        for ms in [0, 1, 2, 3] {
            let mut short = Silence::default();
            assert!(matches!(short.within(ms), Effect::Timer(Timer { delay_ms: 1.., .. })), "{ms}");
        }
    }
}
