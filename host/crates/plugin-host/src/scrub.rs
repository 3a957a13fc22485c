//! Foreign text on its way to the log: a plugin, or the vendor behind it, may repeat in it what a caller said.

use std::borrow::Cow;
use std::ops::Range;

/// So many digits in a row may be a part of a card's number that says too much.
const DIGITS: usize = 7;
/// What stands for them.
const HIDDEN: &str = "[digits]";

/// The text without long numbers, written or said in English, Portuguese or Spanish. Dates with their time, and numbers of requests, go with them: the
/// log has its own.
pub(crate) fn scrub(text: &str) -> Cow<'_, str> {
    let long = long_numbers(text);
    if long.is_empty() {
        return Cow::Borrowed(text);
    }
    let (mut scrubbed, mut done) = (String::with_capacity(text.len()), 0);
    for span in long {
        scrubbed.push_str(&text[done..span.start]);
        scrubbed.push_str(HIDDEN);
        done = span.end;
    }
    scrubbed.push_str(&text[done..]);
    Cow::Owned(scrubbed)
}

/// What a piece of a text says of a number.
#[derive(Clone, Copy)]
enum Piece {
    /// So many digits, written.
    Written(usize),
    /// A word for so many digits, at least.
    Said(usize),
    /// A word within numbers, as in "forty and two".
    Joint,
    Other,
}

fn long_numbers(text: &str) -> Vec<Range<usize>> {
    let mut long = Vec::new();
    let (mut span, mut digits, mut last) = (0..0, 0, Piece::Other);
    let mut close = |span: &Range<usize>, digits: usize| {
        if digits >= DIGITS {
            long.push(span.clone());
        }
    };
    for (start, piece) in pieces(text) {
        let now = match read(piece) {
            Piece::Joint if !matches!(last, Piece::Said(_)) => Piece::Other,
            now => now,
        };
        // "503 and 2000", or "one and 2000", are two numbers.
        if matches!((last, now), (_, Piece::Other) | (Piece::Joint, Piece::Written(_))) {
            close(&span, digits);
            digits = 0;
        }
        if let Piece::Written(more) | Piece::Said(more) = now {
            span = (if digits == 0 { start } else { span.start })..start + piece.len();
            digits += more;
        }
        last = now;
    }
    close(&span, digits);
    long
}

/// Stretches of digits or of letters.
fn pieces(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let kind = |c: char| {
        if c.is_ascii_digit() {
            1
        } else if c.is_alphabetic() {
            2
        } else {
            0
        }
    };
    let mut rest = 0;
    std::iter::from_fn(move || {
        let start = rest + text[rest..].find(|c| kind(c) > 0)?;
        let first = kind(text[start..].chars().next()?);
        let end = text[start..].find(|c| kind(c) != first).map_or(text.len(), |length| start + length);
        rest = end;
        Some((start, &text[start..end]))
    })
}

/// Coarse: "twenty one" counts three and "four thousand" two. What is as long as a card's number comes to seven in either way of saying it.
fn read(piece: &str) -> Piece {
    const ONE: &str = "zero oh one two three four five six seven eight nine double hundred thousand \
        um uma dois duas três quatro cinco seis meia sete oito nove duplo cem cento mil \
        cero uno un una dos tres cuatro siete ocho nueve doble cien ciento";
    const TWO: &str = "ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen \
        twenty thirty forty fifty sixty seventy eighty ninety triple triplo \
        dez onze doze treze catorze quatorze quinze dezesseis dezasseis dezessete dezassete dezoito dezenove dezanove \
        vinte trinta quarenta cinquenta sessenta setenta oitenta noventa \
        duzentos trezentos quatrocentos quinhentos seiscentos setecentos oitocentos novecentos \
        diez once doce trece catorce quince dieciséis dieciseis diecisiete dieciocho diecinueve \
        veinte veintiuno veintiún veintidós veintidos veintitrés veintitres veinticuatro veinticinco veintiséis veintiseis \
        veintisiete veintiocho veintinueve treinta cuarenta cincuenta sesenta ochenta \
        doscientos trescientos cuatrocientos quinientos seiscientos setecientos ochocientos novecientos";
    const JOINTS: &str = "and e y";
    if piece.starts_with(|c: char| c.is_ascii_digit()) {
        return Piece::Written(piece.len());
    }
    let word = piece.to_lowercase();
    let among = |words: &str| words.split(' ').any(|known| known == word);
    if among(ONE) {
        Piece::Said(1)
    } else if among(TWO) {
        Piece::Said(2)
    } else if among(JOINTS) {
        Piece::Joint
    } else {
        Piece::Other
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_numbers_are_hidden_however_they_are_written() {
        for (text, shown) in [
            ("cannot parse \"my card is 4111 1111 1111 1111\"", "cannot parse \"my card is [digits]\""),
            ("4111-1111-1111-1111;x=5", "[digits];x=5"),
            ("heard four one one one one one one, twice", "heard [digits], twice"),
            ("ouvi quatro um um um um um um", "ouvi [digits]"),
            ("é 41111111111111é", "é [digits]é"),
            ("heard forty two forty two Forty-Two, twice", "heard [digits], twice"),
            ("four thousand one hundred and eleven, four thousand one hundred and eleven.", "[digits]."),
            ("oí \"cuatro mil ciento once cuatro mil ciento once\"", "oí \"[digits]\""),
            ("treinta y ocho, cuarenta y cinco, doce", "[digits]"),
            ("ouvi quarenta e um, onze e onze, tá", "ouvi [digits], tá"),
            ("quatro mil cento e onze 1111", "[digits]"),
        ] {
            assert_eq!(scrub(text), shown);
        }
    }

    #[test]
    fn short_numbers_stay() {
        for text in [
            "status 503 after 2000 ms",
            "one of two",
            "",
            "é",
            "code 123456",
            "12 a 34 b 56 c 78",
            "between 503 and 2000 ms",
            "one and 200000 more",
            "tried forty two times and gave up",
            "once, and twenty one times more",
            "one hundred and five of two thousand",
            "cuarenta y dos intentos, y ocho más",
            "duzentos e um e nada mais",
        ] {
            assert!(matches!(scrub(text), Cow::Borrowed(same) if same == text), "{text}");
        }
    }
}
