//! The caller's newest sound, for whoever goes on with the call where this gateway dies: a second at a time, while its words are not known.

use super::limits;
use super::ports::{CallStates, Epoch, Sound};
use std::sync::Arc;
use vg_domain::ids::CallId;

/// What a call gives to be kept; does nothing where no sound is.
#[derive(Default)]
pub(super) struct KeptSound {
    states: Option<Arc<dyn CallStates>>,
    rate_hz: u32,
    /// What was said last and is not given yet.
    newest: Vec<i16>,
    /// Something was given that may be there still.
    given: bool,
    /// Cards may be said or keyed in: nothing is kept.
    covered: bool,
    /// Something of the caller's is masked or held back.
    pub(super) masking: bool,
    /// What the caller said to a gateway that is gone, until somebody listens.
    pub(super) recalled: Option<Sound>,
}

impl KeptSound {
    /// Of a call whose words may be kept. `strict`: they may not, nor may its sound.
    pub(super) fn new(states: Option<&Arc<dyn CallStates>>, strict: bool) -> Self {
        let states = states.filter(|states| states.keeps_sound() && !strict);
        Self { states: states.cloned(), ..Self::default() }
    }

    /// Another leg's sound comes.
    pub(super) fn begin_anew(&mut self, rate_hz: u32, call: &CallId) {
        self.known(call);
        self.rate_hz = rate_hz;
    }

    /// More sound; `spoken`: it belongs to speech whose words are not final.
    pub(super) fn audio(&mut self, pcm: &[i16], spoken: bool, call: &CallId, epoch: Epoch) {
        let Some(states) = self.states.as_ref().filter(|_| !self.covered) else { return };
        self.newest.extend_from_slice(pcm);
        if spoken {
            if self.newest.len() >= self.rate_hz as usize {
                let pcm = std::mem::take(&mut self.newest);
                states.keep_sound(call, epoch, Sound { rate_hz: self.rate_hz, pcm });
                self.given = true;
            }
        } else {
            // Speech is noticed a little after it began.
            let before = (limits::HEARING_PREROLL_MS * u64::from(self.rate_hz) / 1_000) as usize;
            self.newest.drain(..self.newest.len().saturating_sub(before));
        }
    }

    /// The words of what was said are known, or will never be.
    pub(super) fn known(&mut self, call: &CallId) {
        self.newest.clear();
        if let Some(states) = self.states.as_ref().filter(|_| std::mem::take(&mut self.given)) {
            states.forget_sound(call);
        }
    }

    /// Whether cards may be said or keyed in from now on.
    pub(super) fn cover(&mut self, covered: bool, call: &CallId) {
        if covered && !self.covered {
            self.known(call);
        }
        self.covered = covered;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::application::ports::CallSnapshot;
    use std::sync::Mutex;
    use tokio_util::sync::CancellationToken;

    #[derive(Default)]
    struct Store(Mutex<Vec<Option<usize>>>);

    impl CallStates for Store {
        fn keep(&self, _: CallSnapshot) {}
        fn lost(&self, _: &CallId) -> CancellationToken {
            CancellationToken::new()
        }
        fn let_go(&self, _: &CallId) {}
        fn keeps_sound(&self) -> bool {
            true
        }
        fn keep_sound(&self, _: &CallId, _: Epoch, sound: Sound) {
            self.0.lock().unwrap().push(Some(sound.pcm.len()));
        }
        fn forget_sound(&self, _: &CallId) {
            self.0.lock().unwrap().push(None);
        }
    }

    fn seconds(kept: &mut KeptSound, tenths: usize, spoken: bool) {
        (0..tenths).for_each(|_| kept.audio(&[1; 800], spoken, &CallId::new("c"), Epoch::FIRST));
    }

    fn told(strict: bool, act: impl FnOnce(&mut KeptSound, &CallId)) -> Vec<Option<usize>> {
        let (store, call) = (Arc::new(Store::default()), CallId::new("c"));
        let states: Arc<dyn CallStates> = store.clone();
        let mut kept = KeptSound::new(Some(&states), strict);
        kept.begin_anew(8_000, &call);
        act(&mut kept, &call);
        store.0.lock().unwrap().clone()
    }

    #[test]
    fn what_is_said_is_kept_by_the_second_until_its_words_are_known() {
        let told = told(false, |kept, call| {
            seconds(kept, 30, false);
            seconds(kept, 25, true);
            kept.known(call);
            kept.known(call);
            seconds(kept, 9, true);
        });
        let before = (limits::HEARING_PREROLL_MS * 8) as usize;
        assert_eq!(told.len(), 3, "two whole seconds, forgotten once: {told:?}");
        assert!(told[0].is_some_and(|samples| (8_000..8_800 + before).contains(&samples)) && told[2].is_none());
    }

    #[test]
    fn nothing_is_kept_while_a_card_may_be_said_and_what_was_is_forgotten() {
        let told = told(false, |kept, call| {
            seconds(kept, 11, true);
            kept.cover(true, call);
            seconds(kept, 30, true);
            kept.cover(true, call);
            kept.cover(false, call);
            seconds(kept, 10, true);
        });
        assert!(matches!(told[..], [Some(_), None, Some(8_000)]), "{told:?}");
    }

    #[test]
    fn where_masking_is_strict_no_sound_is_kept() {
        assert_eq!(told(true, |kept, _| seconds(kept, 50, true)), []);
    }
}
