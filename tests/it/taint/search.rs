//! Finds parts of a card's number in text, however they are written.

/// So many digits in a row are too many.
const TOO_MANY: usize = 7;

/// A place where seven digits or more of `pan` stand in a row: written in any grouping, or as words in English, Portuguese or Spanish. A longer number in
/// which they only happen to stand (a time, an id) is none, unless nearly the whole `pan` is in it; nor are the digits of a UUID (RFC 9562).
pub(crate) fn leak(text: &str, pan: &str) -> Option<String> {
    let text = &without_ids(text);
    let groups = groups(text);
    let shown = |from: usize, to: usize| {
        let begin = text.floor_char_boundary(from.saturating_sub(40));
        let end = text.ceil_char_boundary((to + 40).min(text.len()));
        Some(text[begin..end].to_owned())
    };
    for (at, group) in groups.iter().enumerate() {
        if group.digits.len() > pan.len() && (0..=pan.len() - 12).any(|from| group.digits.contains(&pan[from..from + 12])) {
            return shown(group.start, group.end);
        }
        let mut digits = String::new();
        for (further, next) in groups[at..].iter().enumerate() {
            if further > 0 && !next.joins {
                break;
            }
            digits += &next.digits;
            if digits.len() > pan.len() {
                break;
            }
            if digits.len() >= TOO_MANY && pan.contains(&digits) {
                return shown(group.start, next.end);
            }
        }
    }
    None
}

/// Any digits may be in an id, and its `e` is a word between digits in two languages.
fn without_ids(text: &str) -> String {
    const LENGTH: usize = 36;
    let is_id = |piece: &[u8]| {
        piece.iter().enumerate().all(|(at, c)| if matches!(at, 8 | 13 | 18 | 23) { *c == b'-' } else { c.is_ascii_hexdigit() })
    };
    let (mut left, mut from) = (String::new(), 0);
    let mut at = 0;
    while let Some(piece) = text.as_bytes().get(at..at + LENGTH) {
        if is_id(piece) {
            left += &text[from..at];
            left += "[id]";
            at += LENGTH;
            from = at;
        } else {
            at += 1;
        }
    }
    left + &text[from..]
}

struct Group {
    digits: String,
    start: usize,
    end: usize,
    /// Nothing but what people write inside numbers stands between it and the group before.
    joins: bool,
}

fn groups(text: &str) -> Vec<Group> {
    let kind = |c: char| {
        if c.is_ascii_digit() {
            1
        } else if c.is_alphabetic() {
            2
        } else {
            0
        }
    };
    let mut groups: Vec<Group> = Vec::new();
    let (mut at, mut end, mut joins, mut times) = (0, 0, false, 1);
    while let Some(found) = text[at..].find(|c| kind(c) > 0) {
        let start = at + found;
        let first = text[start..].chars().next().map_or(0, kind);
        at = text[start..].find(|c| kind(c) != first).map_or(text.len(), |length| start + length);
        joins &= start - end <= 3;
        let piece = &text[start..at];
        end = at;
        let digits = if first == 1 { piece.to_owned() } else { word(&piece.to_lowercase(), &mut times) };
        match digits.as_str() {
            "-" => {}
            "" => (joins, times) = (false, 1),
            digits => {
                groups.push(Group { digits: digits.to_owned(), start, end, joins });
                (joins, times) = (true, 1);
            }
        }
    }
    groups
}

/// Digits of a word; `-` for one that may stand between them.
fn word(word: &str, times: &mut usize) -> String {
    let digit = match word {
        "zero" | "oh" | "cero" => "0",
        "one" | "um" | "uma" | "uno" | "una" => "1",
        "two" | "dois" | "duas" | "dos" => "2",
        "three" | "três" | "tres" => "3",
        "four" | "quatro" | "cuatro" => "4",
        "five" | "cinco" => "5",
        "six" | "seis" | "meia" => "6",
        "seven" | "sete" | "siete" => "7",
        "eight" | "oito" | "ocho" => "8",
        "nine" | "nove" | "nueve" => "9",
        "double" | "triple" => {
            *times = if word == "double" { 2 } else { 3 };
            return "-".to_owned();
        }
        "and" | "then" | "uh" | "e" | "y" => return "-".to_owned(),
        _ => return String::new(),
    };
    digit.repeat(*times)
}

#[test]
fn what_is_looked_for_is_found() {
    let pan = "4012888888881881";
    for text in [
        "{\"text\":\"it is 4012 8888 8888 1881\"}",
        "4012888888881881",
        "x=0004012888888881881000",
        "401288 8",
        "four oh one two double eight eight",
        "quatro zero um dois oito oito oito",
        "4012-8888",
        "four 012, eight 88",
    ] {
        assert!(leak(text, pan).is_some(), "{text}");
    }
    let id = "01a22d69-9461-7422-9f91-22ac1288e888";
    assert_eq!(leak(&format!("é {id} {id}-é {id}"), pan), None);
    assert!(leak(&format!("{id} 4012 888 {id}"), pan).is_some());
    for text in ["401288", "it is 4012 and that is 8888 1", "1732906636401288", "[card]", "4012 a 888"] {
        assert_eq!(leak(text, pan), None, "{text}");
    }
}
