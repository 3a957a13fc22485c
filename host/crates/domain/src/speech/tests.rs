use super::*;

/// All clauses of a text that comes in pieces of `size` characters.
fn clauses(text: &str, size: usize) -> Vec<String> {
    let mut splitter = ClauseSplitter::new();
    let chars: Vec<char> = text.chars().collect();
    let mut clauses: Vec<String> =
        chars.chunks(size).flat_map(|piece| splitter.push(&piece.iter().collect::<String>())).collect();
    clauses.extend(splitter.finish());
    clauses
}

#[test]
fn the_first_piece_ends_at_a_clause_and_the_others_at_sentences() {
    let text = "Sure, your order has shipped, and it arrives on Monday. Is there anything else, madam? Goodbye.";
    let expected = ["Sure,", "your order has shipped, and it arrives on Monday.", "Is there anything else, madam?", "Goodbye."];
    for size in [1, 3, 7, 200] {
        assert_eq!(clauses(text, size), expected, "in pieces of {size}");
    }
}

#[test]
fn the_first_piece_is_cut_at_a_word_when_no_clause_ends_in_time() {
    let text = "Your order number five two seven has been shipped today";
    assert_eq!(clauses(text, 1), ["Your order number five two", "seven has been shipped today"]);
    assert_eq!(clauses("I can help you with thatx", 1), ["I can help you with thatx"]);
}

#[test]
fn numbers_are_never_cut() {
    for text in ["The price has risen from 10 000 to 3.5", "It is 10,000 or 3.5 or 12:30"] {
        for size in 1..9 {
            let clauses = clauses(text, size);
            assert!(clauses.iter().all(|clause| !clause.ends_with("10") && !clause.starts_with("000")), "{clauses:?}");
            assert_eq!(clauses.join(" "), text);
        }
    }
}

#[test]
fn markup_is_never_cut() {
    let text = "Please hold on <break time=\"1s\"\nstrength=\"weak\"/> for a moment. Your <say-as interpret-as=\"date, short. Y\">1 2</say-as > is here.";
    for size in 1..9 {
        let clauses = clauses(text, size);
        assert!(clauses.len() > 1, "in pieces of {size}: {clauses:?}");
        for clause in &clauses {
            assert_eq!(clause.matches('<').count(), clause.matches('>').count(), "in pieces of {size}: {clauses:?}");
        }
        assert_eq!(clauses.join(" "), text);
    }
}

#[test]
fn what_is_no_markup_holds_nothing_back() {
    for text in ["It is 3 < 4 and so it is less. Good.", "We <3 you all, as you may know. Good."] {
        for size in 1..9 {
            assert_eq!(clauses(text, size).last().unwrap(), "Good.", "in pieces of {size}");
        }
    }
    let never_closed = format!("It is <{}", "word. ".repeat(100));
    let mut splitter = ClauseSplitter::new();
    assert!(splitter.push(&never_closed).len() > 1, "longer than any markup");
}

#[test]
fn abbreviations_and_initials_end_no_sentence() {
    let text = "Yes. Dr. J. Smith is here, e.g. at 5 p.m. on Monday. Good.";
    assert_eq!(clauses(text, 1), ["Yes.", "Dr. J. Smith is here, e.g. at 5 p.m. on Monday.", "Good."]);
}

#[test]
fn line_ends_end_sentences_and_nothing_empty_is_given() {
    assert_eq!(clauses("First\n\n second\nthird", 1), ["First", "second", "third"]);
    assert_eq!(clauses("  \n \n", 1), Vec::<String>::new());
    assert_eq!(clauses("", 1), Vec::<String>::new());
}

#[test]
fn quotes_and_brackets_stay_with_their_sentence() {
    assert_eq!(clauses("Well, he said \"no.\" She left.", 2), ["Well,", "he said \"no.\"", "She left."]);
}

#[test]
fn a_clause_is_bounded() {
    let text = format!("Yes, {}", "word, word ".repeat(200));
    for size in [1, 5000] {
        let clauses = clauses(&text, size);
        assert!(clauses.iter().all(|clause| clause.chars().count() <= CLAUSE_CHARS_MAX));
        assert_eq!(clauses.join(" "), text.trim_end());
    }
    let endless = "é".repeat(1000);
    assert_eq!(clauses(&endless, 7), [endless]);
}

#[test]
fn a_finished_splitter_starts_afresh() {
    let mut splitter = ClauseSplitter::new();
    splitter.push("Good morning, sir. How");
    assert_eq!(splitter.finish(), ["How"]);
    assert_eq!(splitter.push("Well, then"), ["Well,"]);
}

#[test]
fn what_breaks_off_is_said_up_to_its_last_clause() {
    for (text, said) in [
        ("It comes at noon.", &["It comes at noon."][..]),
        ("Sure. You can pick it up, or ask", &["Sure.", "You can pick it up,"]),
        ("Sure. You can pick", &["Sure."]),
        ("You can", &[]),
        ("It costs 3.", &["It costs 3."]),
        ("", &[]),
    ] {
        let mut splitter = ClauseSplitter::new();
        let mut clauses = splitter.push(text);
        clauses.extend(splitter.break_off());
        assert_eq!(clauses, said, "{text}");
        assert_eq!(splitter.finish(), [""; 0], "nothing is left of it");
    }
}
