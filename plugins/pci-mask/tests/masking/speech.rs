//! Card numbers as they are said and written, in pieces that belong together.

use crate::dice::Dice;

/// What a language says.
pub(crate) struct Tongue {
    pub(crate) tag: &'static str,
    pub(crate) digits: [&'static str; 10],
    pub(crate) teens: [&'static str; 10],
    pub(crate) tens: [&'static str; 10],
    pub(crate) and: &'static str,
    pub(crate) twice: [&'static str; 2],
    pub(crate) fillers: &'static [&'static str],
    pub(crate) sorry: &'static [&'static str],
    /// Before a card number, with `@` for it.
    pub(crate) cards: &'static [&'static str],
    pub(crate) plain: &'static [&'static str],
    /// With nothing to mask; `#` is any digit.
    pub(crate) negatives: &'static [&'static str],
}

pub(crate) const TONGUES: [Tongue; 3] = [
    Tongue {
        tag: "en",
        digits: ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"],
        teens: ["ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"],
        tens: ["", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"],
        and: " ",
        twice: ["double", "triple"],
        fillers: &["uh", "um", "then", "and", "okay", "hmm"],
        sorry: &["no,", "sorry", "I mean", "no wait no,"],
        cards: &["my card number is @", "it's my visa @", "credit card @ please", "the card is @ okay"],
        plain: &["@", "it's @", "yes @", "so that is @, right?"],
        negatives: &[
            "my phone number is ###-###-####",
            "call me at (###) ###-####",
            "my cell is ##########",
            "order number #######",
            "order ########## please",
            "the tracking number is ############",
            "my account number is ########",
            "it was on 1#/0#/202#",
            "I was born on 0#/1#/19##",
            "I paid $#,###.##",
            "the total is ### dollars and ## cents",
            "I live at #### Main Street",
            "zip code #####-####",
            "confirmation number #### ####",
            "ticket ######",
            "at 1#:## on the 2#th",
            "reference number ##########",
            "room ### on floor ##",
            "it's +1 ### ### ####",
            "case number ########",
            "reservation ######### for # people",
            "I have # of them and # are broken",
            "invoice #### from 202#",
            "extension ####",
            "in 19## or 20##",
        ],
    },
    Tongue {
        tag: "pt-BR",
        digits: ["zero", "um", "dois", "três", "quatro", "cinco", "meia", "sete", "oito", "nove"],
        teens: ["dez", "onze", "doze", "treze", "quatorze", "quinze", "dezesseis", "dezessete", "dezoito", "dezenove"],
        tens: ["", "", "vinte", "trinta", "quarenta", "cinquenta", "sessenta", "setenta", "oitenta", "noventa"],
        and: " e ",
        twice: ["duplo", "triplo"],
        fillers: &["é", "hum", "depois", "tá", "ok", "então"],
        sorry: &["não,", "desculpa", "digo", "não, perdão,"],
        cards: &["meu cartão é @", "o número do cartão de crédito é @", "é o visa @", "o cartão é @ tá"],
        plain: &["@", "é @", "então, é @", "anota aí: @"],
        negatives: &[
            "meu telefone é (##) 9####-####",
            "pode ligar no ## 9#### ####",
            "meu celular é ##9########",
            "o protocolo é ##########",
            "pedido #######",
            "o código de rastreio é ############",
            "a conta é #####-#",
            "foi em 1#/0#/202#",
            "nasci em 0#/1#/19##",
            "deu R$ #.###,##",
            "são ### reais e ## centavos",
            "moro na rua das Flores ####",
            "o CEP é #####-###",
            "nota fiscal #########",
            "matrícula ########",
            "às 1#:## do dia 2#",
            "o chamado é ##########",
            "apartamento ### bloco ##",
            "é +55 ## 9####-####",
            "contrato número ########",
            "reserva ######### para # pessoas",
            "tenho # e # estão quebrados",
            "boleto #### de 202#",
            "ramal ####",
            "em 19## ou 20##",
        ],
    },
    Tongue {
        tag: "es",
        digits: ["cero", "uno", "dos", "tres", "cuatro", "cinco", "seis", "siete", "ocho", "nueve"],
        teens: ["diez", "once", "doce", "trece", "catorce", "quince", "dieciséis", "diecisiete", "dieciocho", "diecinueve"],
        tens: ["", "", "veinte", "treinta", "cuarenta", "cincuenta", "sesenta", "setenta", "ochenta", "noventa"],
        and: " y ",
        twice: ["doble", "triple"],
        fillers: &["eh", "este", "luego", "pues", "ok", "después"],
        sorry: &["no,", "perdón", "digo", "no, perdón,"],
        cards: &["mi tarjeta es @", "el número de la tarjeta de crédito es @", "es la visa @", "la tarjeta es @ vale"],
        plain: &["@", "es @", "pues es @", "apunte: @"],
        negatives: &[
            "mi teléfono es ### ### ###",
            "llame al #########",
            "mi celular es ## #### ####",
            "el folio es ##########",
            "pedido #######",
            "el código de seguimiento es ############",
            "mi cuenta es ##########",
            "fue el 1#/0#/202#",
            "nací el 0#/1#/19##",
            "son $#,###.##",
            "son ### euros con ## céntimos",
            "vivo en la calle Mayor ####",
            "el código postal es #####",
            "factura #########",
            "matrícula ########",
            "a las 1#:## del día 2#",
            "la incidencia es la ##########",
            "piso ## puerta #",
            "es +34 ### ### ###",
            "contrato número ########",
            "reserva ######### para # personas",
            "tengo # y # están rotos",
            "póliza #### de 202#",
            "la extensión es ####",
            "en 19## o 20##",
        ],
    },
];

/// How a number is put into text.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Style {
    Solid,
    Fours(&'static str),
    Pairs,
    Singles,
    Digits,
    TwoByTwo,
    Doubles,
    Mixed,
}

pub(crate) const WRITTEN: &[Style] =
    &[Style::Solid, Style::Fours(" "), Style::Fours("-"), Style::Fours(". "), Style::Fours(", "), Style::Pairs, Style::Singles];
pub(crate) const SPOKEN: &[Style] = &[Style::Digits, Style::TwoByTwo, Style::Doubles, Style::Mixed];

/// A piece of a number: how it is said, and its digits. What joins it to the piece before stands at its beginning.
pub(crate) type Piece = (String, String);

/// Whether in this style every piece of a number is said in full words or is one written group.
pub(crate) fn pieces(dice: &mut Dice, tongue: &Tongue, number: &str, style: Style) -> Vec<Piece> {
    let (mut pieces, mut rest) = (Vec::new(), number);
    while !rest.is_empty() {
        let (count, text) = next(dice, tongue, rest, style);
        let joint = match style {
            _ if pieces.is_empty() => "",
            Style::Solid => "",
            Style::Fours(joint) => joint,
            _ => " ",
        };
        pieces.push((format!("{joint}{text}"), rest[..count].to_owned()));
        rest = &rest[count..];
    }
    pieces
}

fn next(dice: &mut Dice, tongue: &Tongue, rest: &str, style: Style) -> (usize, String) {
    let at = |nth: usize| usize::from(rest.as_bytes()[nth] - b'0');
    let digit = || (1, tongue.digits[at(0)].to_owned());
    let written = |count: usize| (count.min(rest.len()), rest[..count.min(rest.len())].to_owned());
    match style {
        Style::Solid | Style::Singles => written(1),
        Style::Fours(_) => written(4),
        Style::Pairs => written(2),
        Style::Digits => digit(),
        Style::TwoByTwo if rest.len() >= 2 => match (at(0), at(1)) {
            (0, _) => digit(),
            (1, ones) => (2, tongue.teens[ones].to_owned()),
            (tens, 0) => (2, tongue.tens[tens].to_owned()),
            (tens, ones) if tongue.tag == "pt-BR" && ones == 6 => (2, format!("{}{}seis", tongue.tens[tens], tongue.and)),
            (tens, ones) => (2, format!("{}{}{}", tongue.tens[tens], tongue.and, tongue.digits[ones])),
        },
        Style::Doubles if rest.len() >= 3 && at(0) == at(1) && at(1) == at(2) => {
            (3, format!("{} {}", tongue.twice[1], tongue.digits[at(0)]))
        }
        Style::Doubles if rest.len() >= 2 && at(0) == at(1) => (2, format!("{} {}", tongue.twice[0], tongue.digits[at(0)])),
        Style::Mixed if dice.chance(50) => written(4),
        Style::Mixed | Style::Doubles | Style::TwoByTwo => digit(),
    }
}
