//! Test guest: a masker that hides every run of thirteen digits or more.
//!
//! A masker has no options, so its behaviour is its first language: `loop`, `trap`, `memory-bomb`, `constructor-loop`, or spans that
//! are none: `beyond`, `overlap`, `inside-character`.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic))]

use probe_behaviour as behaviour;
use vg_plugin_sdk::{
    Descriptor,
    mask::{MaskPlugin, Masked, Segment, Settings, Span, SpanKind},
};

vg_plugin_sdk::export_mask!(Probe);

/// The masker that obeys its first language.
#[derive(Debug)]
pub struct Probe {
    behave: String,
}

impl MaskPlugin for Probe {
    fn descriptor() -> Descriptor {
        Descriptor::mask("probe-mask", env!("CARGO_PKG_VERSION"))
    }

    fn new(settings: Settings) -> Self {
        let behave = settings.languages.into_iter().next().unwrap_or_default();
        if behave == "constructor-loop" {
            behaviour::spin();
        }
        Self { behave }
    }

    fn mask(&mut self, segment: Segment) -> Masked {
        let end = segment.text.len() as u32;
        let spans = match self.behave.as_str() {
            "loop" => behaviour::spin(),
            "trap" => behaviour::trap(),
            "memory-bomb" => behaviour::allocate_for_ever(),
            "beyond" => vec![span(0, end + 1)],
            "overlap" => vec![span(0, end), span(0, end)],
            "inside-character" => vec![span(0, 1)],
            _ => runs(&segment.text),
        };
        Masked::hiding(&segment, spans, |_| "#".to_owned())
    }
}

fn span(start: u32, end: u32) -> Span {
    Span { kind: SpanKind::CardNumber, start, end }
}

fn runs(text: &str) -> Vec<Span> {
    let mut spans = Vec::new();
    let mut start = None;
    for (at, byte) in text.bytes().chain([b' ']).enumerate() {
        match (byte.is_ascii_digit(), start) {
            (true, None) => start = Some(at),
            (false, Some(from)) => {
                if at - from >= 13 {
                    spans.push(span(from as u32, at as u32));
                }
                start = None;
            }
            _ => {}
        }
    }
    spans
}

#[cfg(test)]
mod tests {
    use super::*;
    use vg_plugin_sdk::mask::Source;

    #[test]
    fn long_runs_of_digits_are_hidden() {
        let mut probe = Probe::new(Settings { languages: vec![], kinds: vec![SpanKind::CardNumber], last_four: false });
        let text = "card 4111111111111111, room 12".to_owned();
        let masked = probe.mask(Segment { text, source: Source::Caller, partial: false });
        assert_eq!((masked.text.as_str(), masked.spans.len()), ("card #, room 12", 1));
    }
}
