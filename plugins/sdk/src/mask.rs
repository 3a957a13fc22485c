//! Maskers of payment card data.

use std::{cell::RefCell, marker::PhantomData};

use crate::{
    Descriptor,
    bindings::{describe::exports::serphona::speech::describe, mask::exports::serphona::speech::mask},
};

pub use crate::bindings::mask::exports::serphona::speech::mask::{Masked, Segment, Settings, Source, Span, SpanKind};

/// A masker: one value per call, so that a number cut in two is still found. Exported by
/// [`export_mask!`](crate::export_mask).
pub trait MaskPlugin: 'static {
    /// What the plugin is; the same at every call.
    fn descriptor() -> Descriptor;
    /// A call begins.
    fn new(settings: Settings) -> Self;
    /// Masks the next segment. Offsets of the spans are bytes of the segment's text, in order, on the bounds of characters.
    fn mask(&mut self, segment: Segment) -> Masked;
}

impl Masked {
    /// The segment as it is: nothing to mask in it.
    pub fn clear(segment: Segment) -> Self {
        Self { text: segment.text, spans: vec![], hold: false }
    }

    /// The segment with each of these spans shown as `shown` says.
    ///
    /// *Invariant:* the spans are in order, do not overlap, and begin and end on the bounds of characters.
    pub fn hiding(segment: &Segment, spans: Vec<Span>, shown: impl Fn(&Span) -> String) -> Self {
        let (mut text, mut rest) = (String::with_capacity(segment.text.len()), 0);
        for span in &spans {
            text.push_str(segment.text.get(rest..span.start as usize).unwrap_or_default());
            text.push_str(&shown(span));
            rest = span.end as usize;
        }
        text.push_str(segment.text.get(rest..).unwrap_or_default());
        Self { text, spans, hold: false }
    }
}

/// Makes a [`MaskPlugin`] what this component exports. Once per component; exports nothing outside WebAssembly.
#[macro_export]
macro_rules! export_mask {
    ($plugin:ty) => {
        // Checked where nothing is exported, too.
        const _: () = {
            const fn exportable<P: $crate::mask::MaskPlugin>() {}
            exportable::<$plugin>();
        };
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            type Exported = $crate::mask::Component<$plugin>;
    $crate::bindings::describe::export_describe!(Exported with_types_in $crate::bindings::describe);
    $crate::bindings::mask::export_mask!(Exported with_types_in $crate::bindings::mask);
        };
    };
}

/// What the macro exports; not named by authors.
#[doc(hidden)]
#[derive(Debug)]
pub struct Component<P>(PhantomData<P>);

impl<P: MaskPlugin> describe::Guest for Component<P> {
    fn describe() -> Descriptor {
        P::descriptor()
    }
}

impl<P: MaskPlugin> mask::Guest for Component<P> {
    type Masker = Masker<P>;
}

/// What the macro exports; not named by authors. The contract calls a masker by shared reference, one call at a time.
#[doc(hidden)]
#[derive(Debug)]
pub struct Masker<P>(RefCell<P>);

impl<P: MaskPlugin> mask::GuestMasker for Masker<P> {
    fn new(settings: Settings) -> Self {
        Self(RefCell::new(P::new(settings)))
    }

    fn mask(&self, segment: Segment) -> Masked {
        self.0.borrow_mut().mask(segment)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hiding_keeps_what_stands_around_the_spans() {
        let segment = Segment { text: "é 123 und 45!".to_owned(), source: Source::Caller, partial: false };
        let span = |start, end| Span { kind: SpanKind::CardNumber, start, end };
        let masked =
            Masked::hiding(&segment, vec![span(3, 6), span(11, 13)], |span| "#".repeat((span.end - span.start) as usize));
        assert_eq!(masked.text, "é ### und ##!");
        assert_eq!(masked.spans.len(), 2);
        assert_eq!(Masked::clear(segment).text, "é 123 und 45!");
    }
}
