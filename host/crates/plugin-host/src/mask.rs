//! Maskers: text in, text out, at once and within 20 ms.

use crate::api::{MaskSettings, Masked, Segment};
use crate::guest::{Guest, allow_by_the_clock};
use crate::instance::{SessionError, at_once};
use crate::limits::Budget;
use crate::v0_1::{Masker, Pre};
use wasmtime::Store;

/// What may stand in place of something that was masked is no longer than this, in bytes.
const SHOWN_BYTES: usize = 64;

/// A masker of one call. Dropping it frees everything it holds.
pub struct MaskInstance {
    live: Option<(Store<Guest>, Masker)>,
    budget: Budget,
}

impl MaskInstance {
    pub(crate) fn open(mut store: Store<Guest>, pre: &Pre, budget: Budget, settings: MaskSettings) -> Result<Self, SessionError> {
        allow_by_the_clock(&mut store, budget.start);
        match at_once(Masker::open(&mut store, pre, settings)) {
            Ok(masker) => Ok(Self { live: Some((store, masker)), budget }),
            Err(error) => Err(fell(error, &store)),
        }
    }

    /// Masks the next segment of the call. Holds the calling thread for at most 20 ms, of its CPU and by the clock, unless the operator said
    /// otherwise.
    ///
    /// What comes back was checked: its spans lie in order within the text that went in, each begins and ends between characters, and the masked text
    /// is no longer than they explain. Whether everything was found that should have been is the masker's own word.
    ///
    /// # Errors
    /// [`SessionError::Contract`] where the spans are no spans of the text; any trap or limit. Either ends the masker: later calls
    /// answer [`SessionError::Dead`], and nothing may be shown that was not masked by somebody else.
    pub fn mask(&mut self, segment: Segment) -> Result<Masked, SessionError> {
        let (store, masker) = self.live.as_mut().ok_or(SessionError::Dead)?;
        allow_by_the_clock(store, self.budget.handle);
        let text = segment.text.clone();
        let masked = match at_once(masker.mask(store, segment)) {
            Ok(masked) => check(&text, masked),
            Err(error) => Err(fell(error.into(), store)),
        };
        if masked.is_err() {
            self.live = None;
        }
        masked
    }
}

/// Who was stopped by the clock while others ran has not used up its time.
fn fell(error: SessionError, store: &Store<Guest>) -> SessionError {
    match error {
        SessionError::CpuLimit if store.data().was_kept_waiting() => SessionError::Slow,
        error => error,
    }
}

fn check(text: &str, masked: Masked) -> Result<Masked, SessionError> {
    let broken = |reason: &str| Err(SessionError::Contract { reason: reason.to_owned() });
    let mut before = 0;
    for span in &masked.spans {
        let (start, end) = (span.start as usize, span.end as usize);
        if start < before || end <= start {
            return broken("spans are empty or out of order");
        }
        // Also false for what lies beyond the end.
        if !text.is_char_boundary(start) || !text.is_char_boundary(end) {
            return broken("a span begins or ends outside the text or inside a character");
        }
        before = end;
    }
    if masked.text.len() > text.len() + SHOWN_BYTES * masked.spans.len() {
        return broken("the masked text is longer than its spans explain");
    }
    Ok(masked)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{MaskSpan, SpanKind};

    fn checked(text: &str, spans: &[(u32, u32)]) -> Result<Masked, SessionError> {
        let span = |&(start, end)| MaskSpan { kind: SpanKind::CardNumber, start, end };
        check(text, Masked { text: String::new(), spans: spans.iter().map(span).collect(), hold: false })
    }

    #[test]
    fn spans_of_the_text_pass() {
        for spans in [&[][..], &[(0, 1)], &[(0, 1), (1, 3)], &[(0, 4)]] {
            assert!(checked("aéb", spans).is_ok(), "{spans:?}");
        }
    }

    #[test]
    fn a_text_that_is_not_of_the_one_that_went_in_breaks_the_contract() {
        let masked = |text: &str| check("ab", Masked { text: text.to_owned(), spans: Vec::new(), hold: false });
        assert!(masked("ab").is_ok());
        assert_eq!(masked("what somebody else said").unwrap_err().code(), "contract");
    }

    #[test]
    fn spans_that_are_none_break_the_contract() {
        for spans in [
            &[(0, 5)][..],
            &[(0, 2)],
            &[(2, 3)],
            &[(1, 1)],
            &[(3, 1)],
            &[(0, 3), (1, 4)],
            &[(3, 4), (0, 1)],
            &[(u32::MAX, u32::MAX)],
        ] {
            assert_eq!(checked("aéb", spans).unwrap_err().code(), "contract", "{spans:?}");
        }
    }
}
