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
const SEED_BOTH: u64 = 0x6b65_7973;

/// Who says the pieces of a number.
#[derive(Clone, Copy)]
enum Ways {
    /// One of voice and keys, from the first to the last piece.
    One,
    /// Each piece either of them.
    Both,
}

/// A piece as it is given: its text and digits, and whether by voice or by keys.
type Given = (Piece, Source);

/// What came out: finals one after the other, and what a reader has in between.
#[derive(Default)]
struct Seen {
    finals: String,
    /// Finals, each with the partial behind it; and where a final comes late, the finals in the order in which they were said.
    between: Vec<String>,
}

#[test]
fn the_judge_of_these_walks_sees_seven_digits() {
    let pieces: Vec<Piece> = ["four", " one", " one", " one", " one", " one", " one", " one"]
        .map(|word| (word.to_owned(), if word == "four" { "4" } else { "1" }.to_owned()))
        .to_vec();
    let shows = |text: &str| shows(text, &pieces, &["um", "and"]);
    assert!(shows("it is four, one one. One one one one") && !shows("four one one one one one [card]"));
    assert!(shows("four one um one one and one one one") && !shows("four one um one one and one one [card]"));
    assert!(shows("41 11 111") && shows("x [card ending 1111] 111") && !shows("4111 11 [card ending 1111]"));
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
    walk(SEED, Ways::One);
}

/// Begun by voice and finished by keys, the other way round, and to and fro; with finals that come after the keys that were pressed meanwhile.
#[test]
fn no_split_over_voice_and_keys_shows_seven_digits_of_a_card_number() {
    walk(SEED_BOTH, Ways::Both);
}

fn walk(seed: u64, ways: Ways) {
    for (nth, tongue) in TONGUES.iter().enumerate() {
        let mut dice = Dice::new(seed + nth as u64);
        for walk in 0..WALKS {
            let number = dice.card();
            let style = *if dice.chance(50) { dice.pick(WRITTEN) } else { dice.pick(SPOKEN) };
            let pieces = pieces(&mut dice, tongue, &number, style);
            let given = given(&mut dice, pieces, ways);
            let last_four = dice.chance(50);
            // Where no language is named, all are listened for.
            let languages = if dice.chance(25) { vec![] } else { vec![tongue.tag.to_owned()] };
            let mut masker = Masker::new(&Settings { languages, ..settings(tongue.tag, last_four) });
            let seen = say(&mut dice, tongue, &mut masker, &given);
            let said: Vec<Piece> = given.iter().map(|(piece, _)| piece.clone()).collect();
            for text in seen.between.iter().chain([&seen.finals]) {
                assert!(
                    !shows(text, &said, tongue.fillers),
                    "{} walk {walk}, {style:?}, last four {last_four}: {number} as {given:?} in {text:?}",
                    tongue.tag
                );
            }
        }
    }
}

/// Chooses voice or keys; what is keyed in is digits, however it would have been said.
fn given(dice: &mut Dice, pieces: Vec<Piece>, ways: Ways) -> Vec<Given> {
    let written = pieces.iter().all(|piece| piece.0.bytes().all(|byte| byte.is_ascii_digit()));
    let mut source = if written && dice.chance(50) { Source::Dtmf } else { Source::Caller };
    let mut choose = |(text, digits): Piece| {
        if matches!(ways, Ways::Both) && dice.chance(30) {
            source = *dice.pick(&[Source::Caller, Source::Dtmf]);
        }
        let text = if source == Source::Dtmf { digits.clone() } else { text };
        ((text, digits), source)
    };
    pieces.into_iter().map(&mut choose).collect()
}

/// Says the number in random splits, with partials before finals, fillers, and an agent who says go on.
fn say(dice: &mut Dice, tongue: &Tongue, masker: &mut Masker, given: &[Given]) -> Seen {
    let mut seen = Seen::default();
    let first = given[0].1;
    if dice.chance(30) && first == Source::Caller {
        let cue = dice.pick(tongue.cards).split('@').next().unwrap_or_default().to_owned();
        show(masker, cue, Source::Caller, false, &mut seen);
    }
    // Other digits just before, which are no part of the number.
    if dice.chance(20) {
        let before = dice.form("ok ###");
        let source = if dice.chance(80) { first } else { *dice.pick(&[Source::Caller, Source::Dtmf]) };
        masker.mask(&Segment { text: before, source, partial: false });
    }
    let mut rest = given;
    while !rest.is_empty() {
        let (now, later) = part(dice, rest);
        let text = grow(dice, tongue, masker, now, &mut seen);
        rest = later;
        // Keys that are pressed before the recogniser is done with what was said.
        let late = now[0].1 == Source::Caller && rest.first().is_some_and(|next| next.1 == Source::Dtmf) && dice.chance(40);
        if late {
            rest = show_late(dice, masker, text, rest, &mut seen);
        } else {
            show(masker, text, now[0].1, false, &mut seen);
        }
        if dice.chance(30) {
            masker.mask(&Segment { text: "ok".to_owned(), source: Source::Agent, partial: false });
        }
    }
    seen
}

/// Some of the next pieces, all by voice or all by keys.
fn part<'a>(dice: &mut Dice, rest: &'a [Given]) -> (&'a [Given], &'a [Given]) {
    let same = rest.iter().take_while(|(_, source)| *source == rest[0].1).count();
    rest.split_at(1 + dice.below(same))
}

/// Shows partials of these pieces: they grow, and those of a voice also shrink and are rewritten. Gives the final text.
fn grow(dice: &mut Dice, tongue: &Tongue, masker: &mut Masker, now: &[Given], seen: &mut Seen) -> String {
    let source = now[0].1;
    let mut text = String::new();
    for ((piece, _), _) in now {
        let before = text.clone();
        if source == Source::Caller && piece.starts_with(' ') && dice.chance(5) {
            text.push_str(&format!(" {}", dice.pick(tongue.fillers)));
        }
        text.push_str(piece);
        if dice.chance(40) {
            show(masker, text.trim_start().to_owned(), source, true, seen);
        }
        if source == Source::Caller && dice.chance(15) {
            let other = if dice.chance(50) { format!("{before} {}", dice.pick(&tongue.digits)) } else { before };
            show(masker, other.trim_start().to_owned(), source, true, seen);
        }
    }
    text.trim_start().to_owned()
}

/// The words are heard, keys are pressed, and only then the words are final. Gives the pieces after those.
fn show_late<'a>(dice: &mut Dice, masker: &mut Masker, text: String, rest: &'a [Given], seen: &mut Seen) -> &'a [Given] {
    let partial = masker.mask(&Segment { text: text.clone(), source: Source::Caller, partial: true }).text;
    seen.between.push(format!("{} {partial}", seen.finals));
    let before = seen.finals.clone();
    let (mut keyed, mut rest) = (String::new(), rest);
    while rest.first().is_some_and(|next| next.1 == Source::Dtmf) && (keyed.is_empty() || dice.chance(60)) {
        let (now, later) = part(dice, rest);
        let keys = now.iter().map(|((text, _), _)| text.as_str()).collect();
        let masked = masker.mask(&Segment { text: keys, source: Source::Dtmf, partial: false }).text;
        keyed.push_str(&format!(" {masked}"));
        seen.between.push(format!("{before} {partial} {keyed}"));
        rest = later;
    }
    let masked = masker.mask(&Segment { text, source: Source::Caller, partial: false }).text;
    seen.between.push(format!("{before} {keyed} {masked}"));
    seen.finals = format!("{before} {masked} {keyed}");
    rest
}

fn show(masker: &mut Masker, text: String, source: Source, partial: bool, seen: &mut Seen) {
    let masked = masker.mask(&Segment { text, source, partial }).text;
    if partial {
        seen.between.push(format!("{} {masked}", seen.finals));
    } else {
        seen.finals.push(' ');
        seen.finals.push_str(&masked);
    }
}

/// Whether pieces that follow each other and have seven digits or more stand in the text, whatever stands between them.
fn shows(text: &str, pieces: &[Piece], fillers: &[&str]) -> bool {
    // What is masked stands between what is shown before it and after it.
    let text = text
        .to_lowercase()
        .replace("[card ending ", "|")
        .replace("[card]", "|")
        .replace("[digits]", "|")
        .replace("[cvv]", "|")
        .replace("[expiry]", "|");
    let plain = |text: &str| {
        let kept = |char: char| char.is_alphanumeric() || char == '|';
        text.split(|char| !kept(char)).filter(|word| !fillers.contains(word)).collect::<String>()
    };
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
