//! `pci-mask`: card numbers, their codes and dates, and holders' documents, out of what is said, written or typed in a call.
//!
//! Numbers come in any spacing, as words in English, Portuguese and Spanish, and in pieces. At most six digits of what may become a card
//! number are shown; everything beyond is withheld until it is known to be another number. See README.md.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic))]

mod lexicon;
mod reader;
mod issuer;
mod document;
mod run;
mod masker;

pub use masker::Masker;
use vg_plugin_sdk::{
    Descriptor,
    mask::{MaskPlugin, Masked, Segment, Settings},
};

vg_plugin_sdk::export_mask!(Masker);

impl MaskPlugin for Masker {
    fn descriptor() -> Descriptor {
        let languages = ["en", "pt-BR", "es"].map(str::to_owned).to_vec();
        Descriptor { languages, ..Descriptor::mask("pci-mask", env!("CARGO_PKG_VERSION")) }
    }

    fn new(settings: Settings) -> Self {
        Self::new(&settings)
    }

    fn mask(&mut self, segment: Segment) -> Masked {
        Self::mask(self, &segment)
    }
}
