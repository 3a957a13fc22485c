//! Card numbers in every split: seven of their digits in a row never leave the masker.

use crate::{
    dice::Dice,
    measure::settings,
    speech::{Piece, SPOKEN, TONGUES, Tongue, WRITTEN, pieces},
};
use pci_mask::Masker;
use vg_plugin_sdk::mask::{Segment, Settings, Source};

const WALKS: usize = 6_000;
const SEED: u64 = 0x7761_6c6b;

/// What came out: finals one after the other, and each partial behind the finals before it, as a reader has them.
#[derive(Default)]
struct Seen {
    finals: String,
    /// With the finals before each.
    partials: Vec<(String, String)>,
}

#[test]
fn the_judge_of_these_walks_sees_seven_digits() {
    let pieces: Vec<Piece> = ["four", " one", " one", " one", " one", " one", " one", " one"]
        .map(|word| (word.to_owned(), if word == "four" { "4" } else { "1" }.to_owned()))
        .to_vec();
    assert!(shows("it is four, one one. One one one one", &pieces) && !shows("four one one one one one [card]", &pieces));
    assert!(
        shows("41 11 111", &pieces)
            && shows("x [card ending 1111] 111", &pieces)
            && !shows("4111 11 [card ending 1111]", &pieces)
    );
}

/// Of lengths that no number of the walks has; made with their check digit, in ranges of Maestro and UnionPay.
#[test]
fn whole_numbers_of_rare_lengths_are_masked_with_a_cue_and_without() {
    for number in ["675964982127", "501871234560", "62000000000000018", "620550000000001239"] {
        let fours: Vec<&str> = (0..number.len()).step_by(4).map(|at| &number[at..number.len().min(at + 4)]).collect();
        for said in [number.to_owned(), fours.join(" ")] {
            for before in ["my card is", "it is"] {
                let text = format!("{before} {said}");
                let masked = Masker::new(&settings("en", false)).mask(&Segment { text, source: Source::Caller, partial: false });
                assert_eq!(masked.text, format!("{before} [card]"), "{said}");
            }
        }
    }
}

#[test]
fn no_split_shows_seven_digits_of_a_card_number() {
    for (nth, tongue) in TONGUES.iter().enumerate() {
        let mut dice = Dice::new(SEED + nth as u64);
        for walk in 0..WALKS {
            let number = dice.card();
            let style = *if dice.chance(50) { dice.pick(WRITTEN) } else { dice.pick(SPOKEN) };
            let pieces = pieces(&mut dice, tongue, &number, style);
            let last_four = dice.chance(50);
            // Where no language is named, all are listened for.
            let languages = if dice.chance(25) { vec![] } else { vec![tongue.tag.to_owned()] };
            let mut masker = Masker::new(&Settings { languages, ..settings(tongue.tag, last_four) });
            let seen = say(&mut dice, tongue, &mut masker, &pieces);
            let behind = seen.partials.iter().map(|(finals, partial)| format!("{finals} {partial}"));
            for text in &behind.chain([seen.finals.clone()]).collect::<Vec<_>>() {
                assert!(
                    !shows(text, &pieces),
                    "{} walk {walk}, {style:?}, last four {last_four}: {number} in {text:?}",
                    tongue.tag
                );
            }
        }
    }
}

/// Says the number in random splits, with partials before finals, fillers, and an agent who says go on.
fn say(dice: &mut Dice, tongue: &Tongue, masker: &mut Masker, pieces: &[Piece]) -> Seen {
    let mut seen = Seen::default();
    let source = if pieces.iter().all(|piece| piece.0.bytes().all(|byte| byte.is_ascii_digit())) && dice.chance(50) {
        Source::Dtmf
    } else {
        Source::Caller
    };
    if dice.chance(30) && source == Source::Caller {
        let cue = dice.pick(tongue.cards).split('@').next().unwrap_or_default().to_owned();
        show(masker, cue, Source::Caller, false, &mut seen);
    }
    // Other digits just before, which are no part of the number.
    if dice.chance(20) {
        let before = dice.form("ok ###");
        masker.mask(&Segment { text: before, source, partial: false });
    }
    let mut rest = pieces;
    while !rest.is_empty() {
        let count = 1 + dice.below(rest.len());
        let (now, later) = rest.split_at(count);
        let mut text = String::new();
        for (text_now, _) in now {
            if source == Source::Caller && text_now.starts_with(' ') && dice.chance(5) {
                text.push_str(&format!(" {}", dice.pick(tongue.fillers)));
            }
            text.push_str(text_now);
            if dice.chance(40) {
                show(masker, text.trim_start().to_owned(), source, true, &mut seen);
            }
        }
        show(masker, text.trim_start().to_owned(), source, false, &mut seen);
        if dice.chance(30) {
            show(masker, "ok".to_owned(), Source::Agent, false, &mut seen);
        }
        rest = later;
    }
    seen
}

fn show(masker: &mut Masker, text: String, source: Source, partial: bool, seen: &mut Seen) {
    let masked = masker.mask(&Segment { text, source, partial });
    if partial {
        seen.partials.push((seen.finals.clone(), masked.text));
    } else {
        seen.finals.push(' ');
        seen.finals.push_str(&masked.text);
    }
}

/// Whether pieces that follow each other and have seven digits or more stand in the text, whatever stands between them.
fn shows(text: &str, pieces: &[Piece]) -> bool {
    // What is masked stands between what is shown before it and after it.
    let text = text
        .to_lowercase()
        .replace("[card ending ", "|")
        .replace("[card]", "|")
        .replace("[digits]", "|")
        .replace("[cvv]", "|")
        .replace("[expiry]", "|");
    let plain = |text: &str| text.chars().filter(|&char| char.is_alphanumeric() || char == '|').collect::<String>();
    let digits: String = text.chars().filter(|&char| char.is_ascii_digit() || char == '|').collect();
    let number: String = pieces.iter().map(|piece| piece.1.as_str()).collect();
    if (0..number.len() - 6).any(|at| digits.contains(&number[at..at + 7])) {
        return true;
    }
    let text = plain(&text);
    (0..pieces.len()).any(|from| {
        let (mut said, mut count) = (String::new(), 0);
        for (words, digits) in &pieces[from..] {
            said.push_str(&plain(words));
            count += digits.len();
            if count >= 7 {
                return text.contains(&said);
            }
        }
        false
    })
}
