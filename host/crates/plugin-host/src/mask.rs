//! Maskers: text in, text out, at once and within 20 ms.

use crate::api::{MaskSettings, Masked, Segment};
use crate::guest::{Guest, allow};
use crate::instance::{SessionError, at_once};
use crate::limits::Budget;
use crate::v0_1::{Masker, Pre};
use wasmtime::Store;

/// A masker of one call. Dropping it frees everything it holds.
pub struct MaskInstance {
    live: Option<(Store<Guest>, Masker)>,
    budget: Budget,
}

impl MaskInstance {
    pub(crate) fn open(mut store: Store<Guest>, pre: &Pre, budget: Budget, settings: MaskSettings) -> Result<Self, SessionError> {
        allow(&mut store, budget.start);
        let masker = at_once(Masker::open(&mut store, pre, settings))?;
        Ok(Self { live: Some((store, masker)), budget })
    }

    /// Masks the next segment of the call. Holds the calling thread for at most 20 ms of CPU time, unless the
    /// operator said otherwise.
    ///
    /// What comes back was checked: its spans lie in order within the text that went in, each begins and ends between characters.
    /// Whether everything was found that should have been is the masker's own word.
    ///
    /// # Errors
    /// [`SessionError::Contract`] where the spans are no spans of the text; any trap or limit. Either ends the masker: later calls
    /// answer [`SessionError::Dead`], and nothing may be shown that was not masked by somebody else.
    pub fn mask(&mut self, segment: Segment) -> Result<Masked, SessionError> {
        let (store, masker) = self.live.as_mut().ok_or(SessionError::Dead)?;
        allow(store, self.budget.handle);
        let text = segment.text.clone();
        let masked = at_once(masker.mask(store, segment)).map_err(SessionError::from).and_then(|masked| check(&text, masked));
        if masked.is_err() {
            self.live = None;
        }
        masked
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
