//! The hand-written utterances: what must be masked is, and nothing else.

use crate::measure::{Call, Tally, fixtures, masker, play, sections};

#[test]
fn hand_written_utterances_are_masked_and_nothing_else_is() {
    let mut tally = Tally::default();
    for language in ["en", "pt-BR", "es"] {
        let calls = fixtures(language);
        assert!(calls.len() >= 200, "{language}: {}", calls.len());
        let quiet = calls.iter().filter(|call| !call.has_labels()).count();
        assert!(quiet * 2 >= calls.len(), "{language}: {quiet} of {} have nothing to mask", calls.len());
        let mut own = Tally::default();
        for call in &calls {
            let one = play(&mut masker(language), call);
            report(call, &one);
            own.add(&one);
        }
        println!("{language}: {own}");
        tally.add(&own);
    }
    println!("all: {tally}");
    tally.hold_to_the_thresholds();
}

fn report(call: &Call, one: &Tally) {
    for fault in &one.faults {
        println!("  {fault}: {}", call.line);
    }
}

/// Written after the masker was made, harder by choice: every number in it looks like the beginning of a card's. One false positive and one missed
/// date are known.
#[test]
fn the_second_set_shows_no_more_faults_than_are_known() {
    let mut tally = Tally::default();
    let mut faults = 0;
    for language in ["en", "pt-BR", "es"] {
        for call in &fixtures(&format!("second-{language}")) {
            let one = play(&mut masker(language), call);
            report(call, &one);
            faults += one.faults.len();
            tally.add(&one);
        }
    }
    println!("second: {tally}");
    assert!(faults <= 2, "{faults}");
    assert!(tally.written.part() >= 0.999 && tally.spoken.part() >= 0.99);
}

/// The forms of each maker's recogniser, written after its documentation: every number of a card is masked and nothing else.
#[test]
fn numbers_are_masked_as_each_vendor_writes_them_and_nothing_else_is() {
    const VENDORS: [&str; 4] = ["Google", "Azure", "Amazon", "Whisper"];
    let sections = sections("vendors");
    for (vendor, language) in VENDORS.iter().flat_map(|vendor| ["en", "pt-BR", "es"].map(|language| (vendor, language))) {
        let mut tally = Tally::default();
        let own = sections.iter().filter(|section| section.set.starts_with(vendor) && section.language == language);
        for call in own.flat_map(|section| &section.calls) {
            let one = play(&mut masker(language), call);
            report(call, &one);
            tally.faults.extend(one.faults.iter().map(|fault| format!("{fault}: {}", call.line)));
            tally.add(&one);
        }
        println!("{vendor}, {language}: {tally}");
        assert!(tally.written.1 > 0 && tally.false_calls.1 > 0, "{vendor}, {language}: nothing to judge");
        assert!(tally.faults.is_empty(), "{vendor}, {language}: {:?}", tally.faults);
    }
}
