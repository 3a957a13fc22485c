//! What a segment costs, natively. `cargo bench -p pci-mask`; the budget is 20 us.

#![allow(missing_docs, reason = "nobody reads a bench's items")]

use divan::{Bencher, black_box};
use pci_mask::Masker;
use vg_plugin_sdk::mask::{Segment, Settings, Source, SpanKind};

fn main() {
    divan::main();
}

const TEXTS: [&str; 4] = [
    "I would like to change the delivery address of my last order, please, since I have moved to another town",
    "my card is 4111 1111 1111 1111, it expires 12/27 and the security code is 123",
    "it's four one one one uh one one one one um one one one one and then one one one one",
    "my phone number is 415-555-0134 and the order number is 4400912345, from the 12/05/2024",
];

fn masker() -> Masker {
    let kinds = vec![SpanKind::CardNumber, SpanKind::SecurityCode, SpanKind::ExpiryDate, SpanKind::DocumentNumber];
    Masker::new(&Settings { languages: vec![], kinds, last_four: false })
}

#[divan::bench(args = TEXTS)]
fn segment(bencher: Bencher<'_, '_>, text: &str) {
    let mut masker = masker();
    let segment = Segment { text: text.to_owned(), source: Source::Caller, partial: false };
    bencher.bench_local(|| black_box(masker.mask(black_box(&segment))));
}

/// Behind a key that may have begun a number: words are read with it, and alone.
#[divan::bench(args = TEXTS)]
fn segment_behind_a_key(bencher: Bencher<'_, '_>, text: &str) {
    let key = Segment { text: "4".to_owned(), source: Source::Dtmf, partial: false };
    let segment = Segment { text: text.to_owned(), source: Source::Caller, partial: false };
    let keyed = || {
        let mut masker = masker();
        masker.mask(&key);
        masker
    };
    bencher.with_inputs(keyed).bench_local_refs(|masker| black_box(masker.mask(black_box(&segment))));
}
