//! The words that count: numbers, what joins them, and what says which number comes.

/// Languages in which a word is meant, as bits.
pub(crate) type Langs = u8;
pub(crate) const EN: Langs = 1;
pub(crate) const PT: Langs = 2;
pub(crate) const ES: Langs = 4;
pub(crate) const ALL: Langs = EN | PT | ES;
const IB: Langs = PT | ES;

/// What is being talked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Topic {
    Card,
    /// A card's verification code.
    Code,
    Expiry,
    Cpf,
    Ssn,
    /// Some other number: a telephone's, an order's, an account's.
    Other,
}

/// What a word means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// 0 to 9.
    Digit(u8),
    /// 10 to 19, and in Spanish 21 to 29: nothing may follow within the number.
    Teen(u8),
    /// 20, 30 … 90.
    Tens(u8),
    /// 100, 200 … 900 in one word.
    Hundreds(u16),
    /// "hundred", after a digit.
    Hundred,
    Thousand,
    /// "ones", "zeros": said so often as the digit before says.
    Plural(u8),
    /// "double", "triple".
    Times(u8),
    /// "e", "y", "and": joins the parts of a number.
    And,
    /// Said between numbers, means nothing.
    Filler,
    /// What was said last is wrong.
    Correction,
    /// Names of months.
    Month,
    /// The caller asks for time: the number goes on later.
    Pause,
    /// What number comes.
    Cue(Topic),
    /// Makes of the card next to it another thing: "SIM card".
    NotACard,
    /// "ends", "last": four digits of a card that may be shown.
    Ending,
    /// "expires": about the card, where a card is the topic.
    Expires,
    /// "security", "code", "back": two of three make a cue.
    Security,
    Code,
    Back,
    /// What expires and is no card.
    Expirable,
    /// "number": of what, says the word before.
    Number,
    /// "número": of what, says the word after.
    NumberOf,
    /// Counted things and units: the number before is an amount.
    Unit,
}
use Meaning::*;

/// Sorted, without accents, in lower case.
#[rustfmt::skip]
const WORDS: &[(&str, Langs, Meaning)] = &[
    ("abril", IB, Month), ("account", EN, Cue(Topic::Other)), ("accounts", EN, Cue(Topic::Other)), ("acho", PT, Filler),
    ("actually", EN, Correction), ("afiliado", IB, Cue(Topic::Other)), ("after", EN, Filler),
    ("agencia", IB, Cue(Topic::Other)), ("agosto", IB, Month), ("ah", ALL, Filler), ("aha", ALL, Filler), ("ahi", ES, Filler),
    ("ai", PT, Filler), ("aja", ES, Filler), ("amex", ALL, Cue(Topic::Card)), ("and", EN, And),
    ("aniversario", PT, Cue(Topic::Other)), ("apolice", PT, Cue(Topic::Other)), ("april", EN, Month),
    ("area", EN, Cue(Topic::Other)), ("atras", IB, Back), ("august", EN, Month), ("back", EN, Back),
    ("badge", EN, Cue(Topic::Other)), ("balance", EN, Cue(Topic::Other)), ("barras", IB, Cue(Topic::Other)),
    ("beleza", PT, Filler), ("bem", PT, Filler), ("birth", EN, Cue(Topic::Other)), ("birthday", EN, Cue(Topic::Other)),
    ("boleto", IB, Cue(Topic::Other)), ("booking", EN, Cue(Topic::Other)), ("born", EN, Cue(Topic::Other)),
    ("box", EN, Cue(Topic::Other)), ("bueno", ES, Filler), ("caduca", ES, Expires), ("caducidad", ES, Cue(Topic::Expiry)),
    ("call", EN, Cue(Topic::Other)), ("card", EN, Cue(Topic::Card)), ("cards", EN, Cue(Topic::Card)),
    ("cartao", PT, Cue(Topic::Card)), ("carteirinha", PT, Cue(Topic::Other)), ("cartoes", PT, Cue(Topic::Card)),
    ("case", EN, Cue(Topic::Other)), ("catorce", ES, Teen(14)), ("catorze", PT, Teen(14)), ("cel", IB, Cue(Topic::Other)),
    ("cell", EN, Cue(Topic::Other)), ("celular", IB, Cue(Topic::Other)), ("cem", PT, Hundreds(100)), ("centavos", IB, Unit),
    ("cento", PT, Hundreds(100)), ("cents", EN, Unit), ("cep", PT, Cue(Topic::Other)), ("cero", ES, Digit(0)),
    ("ceros", ES, Plural(0)), ("chamado", PT, Cue(Topic::Other)), ("cheque", ALL, Cue(Topic::Other)),
    ("cien", ES, Hundreds(100)), ("ciento", ES, Hundreds(100)), ("cinco", IB, Digit(5)), ("cincos", IB, Plural(5)),
    ("cincuenta", ES, Tens(50)), ("cinquenta", PT, Tens(50)), ("clabe", ES, Cue(Topic::Other)),
    ("claim", EN, Cue(Topic::Other)), ("cnpj", PT, Cue(Topic::Other)), ("code", EN, Code), ("codigo", IB, Code),
    ("confirmation", EN, Cue(Topic::Other)), ("conta", PT, Cue(Topic::Other)), ("contact", EN, Cue(Topic::Other)),
    ("contacto", ES, Cue(Topic::Other)), ("contato", PT, Cue(Topic::Other)), ("conte", ES, Cue(Topic::Other)),
    ("contei", PT, Cue(Topic::Other)), ("contract", EN, Expirable), ("contrato", IB, Expirable), ("correccion", ES, Correction),
    ("correction", EN, Correction), ("counted", EN, Cue(Topic::Other)), ("cp", ES, Cue(Topic::Other)),
    ("cpf", ALL, Cue(Topic::Cpf)), ("cracha", PT, Cue(Topic::Other)), ("credit", EN, Cue(Topic::Card)),
    ("credito", IB, Cue(Topic::Card)), ("cuarenta", ES, Tens(40)), ("cuatro", ES, Digit(4)),
    ("cuatrocientos", ES, Hundreds(400)), ("cuatros", ES, Plural(4)), ("cuenta", ES, Cue(Topic::Other)),
    ("cumpleanos", ES, Cue(Topic::Other)), ("cvc", ALL, Cue(Topic::Code)), ("cvc2", ALL, Cue(Topic::Code)),
    ("cvv", ALL, Cue(Topic::Code)), ("cvv2", ALL, Cue(Topic::Code)), ("dash", EN, Filler), ("ddd", PT, Cue(Topic::Other)),
    ("debit", EN, Cue(Topic::Card)), ("debito", IB, Cue(Topic::Card)), ("december", EN, Month), ("decir", ES, Correction),
    ("deixa", PT, Pause), ("dejeme", ES, Pause), ("depois", PT, Filler), ("desculpa", PT, Correction),
    ("desculpe", PT, Correction), ("despues", ES, Filler), ("detras", ES, Back), ("dez", PT, Teen(10)), ("dezembro", PT, Month),
    ("dezenove", PT, Teen(19)), ("dezesseis", PT, Teen(16)), ("dezessete", PT, Teen(17)), ("dezoito", PT, Teen(18)),
    ("diciembre", ES, Month), ("diecinueve", ES, Teen(19)), ("dieciocho", ES, Teen(18)), ("dieciseis", ES, Teen(16)),
    ("diecisiete", ES, Teen(17)), ("diez", ES, Teen(10)), ("digo", IB, Correction), ("diners", ALL, Cue(Topic::Card)),
    ("discover", EN, Cue(Topic::Card)), ("dizer", PT, Correction), ("dni", ES, Cue(Topic::Other)), ("doble", ES, Times(2)),
    ("doce", ES, Teen(12)), ("dois", PT, Digit(2)), ("dollars", EN, Unit), ("dos", ES, Digit(2)),
    ("doscientos", ES, Hundreds(200)), ("doses", ES, Plural(2)), ("double", EN, Times(2)), ("doze", PT, Teen(12)),
    ("duas", PT, Digit(2)), ("duplo", PT, Times(2)), ("duzentos", PT, Hundreds(200)), ("e", PT, And), ("eh", ALL, Filler),
    ("eight", EN, Digit(8)), ("eighteen", EN, Teen(18)), ("eights", EN, Plural(8)), ("eighty", EN, Tens(80)),
    ("el", ES, Filler), ("eleitor", PT, Cue(Topic::Other)), ("eleven", EN, Teen(11)), ("elo", PT, Cue(Topic::Card)), ("em", EN, Filler),
    ("employee", EN, Cue(Topic::Other)), ("ending", EN, Ending), ("ends", EN, Ending), ("enero", ES, Month),
    ("entao", PT, Filler), ("entonces", ES, Filler), ("er", EN, Filler), ("errei", PT, Correction), ("espera", IB, Pause),
    ("espere", IB, Pause), ("este", ES, Filler), ("euros", ALL, Unit), ("expediente", ES, Cue(Topic::Other)),
    ("expiration", EN, Cue(Topic::Expiry)), ("expire", EN, Expires), ("expires", EN, Expires),
    ("expiry", EN, Cue(Topic::Expiry)), ("extension", EN | ES, Cue(Topic::Other)), ("factura", ES, Expirable),
    ("fatura", PT, Expirable), ("fax", ALL, Cue(Topic::Other)), ("febrero", ES, Month), ("february", EN, Month),
    ("fevereiro", PT, Month), ("fidelidad", ES, NotACard), ("fidelidade", PT, NotACard), ("fifteen", EN, Teen(15)),
    ("fifty", EN, Tens(50)), ("fijo", ES, Cue(Topic::Other)), ("fim", PT, Filler), ("finais", PT, Ending),
    ("final", IB, Ending), ("finally", EN, Filler), ("five", EN, Digit(5)), ("fives", EN, Plural(5)),
    ("fixo", PT, Cue(Topic::Other)), ("flight", EN, Cue(Topic::Other)), ("folio", ES, Cue(Topic::Other)),
    ("fone", PT, Cue(Topic::Other)), ("for", EN, Digit(4)), ("forty", EN, Tens(40)), ("four", EN, Digit(4)),
    ("fours", EN, Plural(4)), ("fourteen", EN, Teen(14)), ("guia", IB, Cue(Topic::Other)), ("hm", ALL, Filler),
    ("hmm", ALL, Filler), ("hold", EN, Pause), ("hum", PT, Filler), ("hundred", EN, Hundred), ("hyphen", EN, Filler),
    ("i", EN, Filler), ("iban", ALL, Cue(Topic::Other)), ("id", EN, Cue(Topic::Other)), ("imei", ALL, Cue(Topic::Other)),
    ("incidencia", ES, Cue(Topic::Other)), ("invoice", EN, Cue(Topic::Other)), ("janeiro", PT, Month), ("january", EN, Month),
    ("jcb", ALL, Cue(Topic::Card)), ("julho", PT, Month), ("julio", ES, Month), ("july", EN, Month), ("june", EN, Month),
    ("junho", PT, Month), ("junio", ES, Month), ("last", EN, Ending), ("library", EN, NotACard),
    ("liga", PT, Cue(Topic::Other)), ("ligar", PT, Cue(Topic::Other)), ("ligue", PT, Cue(Topic::Other)),
    ("llamar", ES, Cue(Topic::Other)), ("llame", ES, Cue(Topic::Other)), ("llameme", ES, Cue(Topic::Other)),
    ("localizador", IB, Cue(Topic::Other)), ("los", ES, Filler), ("lot", EN, Cue(Topic::Other)),
    ("lote", IB, Cue(Topic::Other)), ("loyalty", EN, NotACard), ("luego", ES, Filler), ("maestro", ALL, Cue(Topic::Card)),
    ("maio", PT, Month), ("march", EN, Month), ("marco", PT, Month), ("marzo", ES, Month),
    ("mastercard", ALL, Cue(Topic::Card)), ("matricula", IB, Cue(Topic::Other)), ("may", EN, Month), ("mayo", ES, Month),
    ("mean", EN, Correction), ("meia", PT, Digit(6)), ("member", EN, Cue(Topic::Other)), ("meter", EN, Cue(Topic::Other)),
    ("mhm", ALL, Filler), ("mil", IB, Thousand), ("minto", PT, Correction), ("minute", EN, Pause), ("minuto", IB, Pause),
    ("mm", ALL, Filler), ("mobile", EN, Cue(Topic::Other)), ("moment", EN, Pause), ("momento", IB, Pause),
    ("movil", ES, Cue(Topic::Other)), ("naci", ES, Cue(Topic::Other)), ("nacimiento", ES, Cue(Topic::Other)),
    ("nao", PT, Correction), ("nasci", PT, Cue(Topic::Other)), ("nascimento", PT, Cue(Topic::Other)), ("next", EN, Filler),
    ("nine", EN, Digit(9)), ("nines", EN, Plural(9)), ("nineteen", EN, Teen(19)), ("ninety", EN, Tens(90)),
    ("no", EN | ES, Correction), ("nota", PT, Cue(Topic::Other)), ("nove", PT, Digit(9)), ("novecentos", PT, Hundreds(900)),
    ("novecientos", ES, Hundreds(900)), ("november", EN, Month), ("novembro", PT, Month), ("noventa", IB, Tens(90)),
    ("noves", PT, Plural(9)), ("noviembre", ES, Month), ("nueve", ES, Digit(9)), ("nueves", ES, Plural(9)),
    ("number", EN, Number), ("numero", IB, NumberOf), ("o", EN, Digit(0)), ("ochenta", ES, Tens(80)), ("ocho", ES, Digit(8)),
    ("ochocientos", ES, Hundreds(800)), ("ochos", ES, Plural(8)), ("october", EN, Month), ("octubre", ES, Month),
    ("oh", EN, Digit(0)), ("oitenta", PT, Tens(80)), ("oito", PT, Digit(8)), ("oitocentos", PT, Hundreds(800)),
    ("oitos", PT, Plural(8)), ("ok", ALL, Filler), ("okay", ALL, Filler), ("once", ES, Teen(11)), ("one", EN, Digit(1)),
    ("ones", EN, Plural(1)), ("onze", PT, Teen(11)), ("ordem", PT, Cue(Topic::Other)), ("orden", ES, Cue(Topic::Other)),
    ("order", EN, Cue(Topic::Other)), ("orders", EN, Cue(Topic::Other)), ("os", PT, Filler), ("ou", PT, Filler),
    ("outubro", PT, Month), ("pan", EN, Cue(Topic::Card)), ("pasaporte", ES, Expirable), ("passaporte", PT, Expirable),
    ("passport", EN, Expirable), ("pedido", IB, Cue(Topic::Other)), ("pedidos", IB, Cue(Topic::Other)), ("perai", PT, Pause),
    ("percent", EN, Cue(Topic::Other)), ("perdao", PT, Correction), ("perdon", ES, Correction), ("pesos", ES, Unit),
    ("phone", EN, Cue(Topic::Other)), ("placa", IB, Cue(Topic::Other)), ("policy", EN, Expirable), ("poliza", ES, Expirable),
    ("por", IB, Filler), ("post", EN, Cue(Topic::Other)), ("postal", IB, Cue(Topic::Other)),
    ("postcode", EN, Cue(Topic::Other)), ("pounds", EN, Unit), ("prefijo", ES, Cue(Topic::Other)),
    ("protocolo", IB, Cue(Topic::Other)), ("proximos", PT, Filler), ("pues", ES, Filler), ("quadruple", EN, Times(4)),
    ("quarenta", PT, Tens(40)), ("quatorze", PT, Teen(14)), ("quatro", PT, Digit(4)), ("quatrocentos", PT, Hundreds(400)),
    ("quatros", PT, Plural(4)), ("quer", PT, Filler), ("quiero", ES, Filler), ("quince", ES, Teen(15)),
    ("quinhentos", PT, Hundreds(500)), ("quinientos", ES, Hundreds(500)), ("quinze", PT, Teen(15)),
    ("ramal", PT, Cue(Topic::Other)), ("rastreamento", PT, Cue(Topic::Other)), ("rastreio", PT, Cue(Topic::Other)),
    ("reach", EN, Cue(Topic::Other)), ("reais", PT, Unit), ("reference", EN, Cue(Topic::Other)),
    ("referencia", IB, Cue(Topic::Other)), ("reserva", IB, Cue(Topic::Other)), ("reservation", EN, Cue(Topic::Other)),
    ("reverso", IB, Back), ("rg", PT, Cue(Topic::Other)), ("right", EN, Filler), ("room", EN, Cue(Topic::Other)),
    ("routing", EN, Cue(Topic::Other)), ("second", EN, Pause), ("security", EN, Security),
    ("seguimiento", ES, Cue(Topic::Other)), ("segundo", IB, Pause), ("seguranca", PT, Security), ("seguridad", ES, Security),
    ("seis", IB, Digit(6)), ("seiscentos", PT, Hundreds(600)), ("seiscientos", ES, Hundreds(600)), ("seises", ES, Plural(6)),
    ("september", EN, Month), ("septiembre", ES, Month), ("serial", EN, Cue(Topic::Other)), ("serie", IB, Cue(Topic::Other)),
    ("sesenta", ES, Tens(60)), ("sessenta", PT, Tens(60)), ("sete", PT, Digit(7)), ("setecentos", PT, Hundreds(700)),
    ("setecientos", ES, Hundreds(700)), ("setembro", PT, Month), ("setenta", IB, Tens(70)), ("setes", PT, Plural(7)),
    ("seven", EN, Digit(7)), ("sevens", EN, Plural(7)), ("seventeen", EN, Teen(17)), ("seventy", EN, Tens(70)),
    ("siete", ES, Digit(7)), ("sietes", ES, Plural(7)), ("siguientes", ES, Filler), ("sim", EN | ES, NotACard),
    ("siniestro", ES, Cue(Topic::Other)), ("sinistro", PT, Cue(Topic::Other)), ("six", EN, Digit(6)), ("sixes", EN, Plural(6)),
    ("sixteen", EN, Teen(16)), ("sixty", EN, Tens(60)), ("so", EN, Filler), ("social", EN, Cue(Topic::Ssn)),
    ("socio", ES, Cue(Topic::Other)), ("sorry", EN, Correction), ("space", EN, Filler), ("ssn", ALL, Cue(Topic::Ssn)),
    ("subscription", EN, Expirable), ("sus", PT, NotACard), ("ta", PT, Filler), ("tarjeta", ES, Cue(Topic::Card)),
    ("tarjetas", ES, Cue(Topic::Card)), ("telefone", PT, Cue(Topic::Other)), ("telefono", ES, Cue(Topic::Other)),
    ("telephone", EN, Cue(Topic::Other)), ("ten", EN, Teen(10)), ("termina", IB, Ending), ("terminada", ES, Ending),
    ("text", EN, Cue(Topic::Other)), ("then", EN, Filler), ("thirteen", EN, Teen(13)), ("thirty", EN, Tens(30)),
    ("thousand", EN, Thousand), ("three", EN, Digit(3)), ("threes", EN, Plural(3)), ("through", EN, Filler),
    ("ticket", EN, Cue(Topic::Other)), ("to", EN, Digit(2)), ("too", EN, Digit(2)), ("tracking", EN, Cue(Topic::Other)),
    ("traco", PT, Filler), ("tras", PT, Back), ("trece", ES, Teen(13)), ("treinta", ES, Tens(30)), ("tres", IB, Digit(3)),
    ("trescientos", ES, Hundreds(300)), ("treses", ES, Plural(3)), ("treze", PT, Teen(13)), ("trezentos", PT, Hundreds(300)),
    ("trinta", PT, Tens(30)), ("triple", EN | ES, Times(3)), ("triplo", PT, Times(3)), ("twelve", EN, Teen(12)),
    ("twenty", EN, Tens(20)), ("two", EN, Digit(2)), ("twos", EN, Plural(2)), ("uh", EN, Filler), ("ultimo", IB, Filler),
    ("ultimos", IB, Ending), ("um", ALL, Digit(1)), ("uma", PT, Digit(1)), ("un", ES, Digit(1)), ("una", ES, Digit(1)),
    ("uno", ES, Digit(1)), ("unos", ES, Plural(1)), ("uns", PT, Plural(1)), ("vale", ES, Filler), ("valid", EN, Expires),
    ("valida", IB, Expires), ("validade", PT, Cue(Topic::Expiry)), ("validez", ES, Expires), ("valido", IB, Expires),
    ("veinte", ES, Tens(20)), ("veinticinco", ES, Teen(25)), ("veinticuatro", ES, Teen(24)), ("veintidos", ES, Teen(22)),
    ("veintinueve", ES, Teen(29)), ("veintiocho", ES, Teen(28)), ("veintiseis", ES, Teen(26)), ("veintisiete", ES, Teen(27)),
    ("veintitres", ES, Teen(23)), ("veintiuno", ES, Teen(21)), ("vence", IB, Expires), ("vencimento", PT, Expires),
    ("vencimiento", ES, Expires), ("verso", PT, Back), ("vinte", PT, Tens(20)), ("visa", ALL, Cue(Topic::Card)),
    ("wait", EN, Pause), ("whatsapp", ALL, Cue(Topic::Other)), ("y", ES, And), ("yes", EN, Filler),
    ("zap", PT, Cue(Topic::Other)), ("zero", EN | PT, Digit(0)), ("zeroes", EN, Plural(0)), ("zeros", EN | PT, Plural(0)),
    ("zip", EN, Cue(Topic::Other)), ("zipcode", EN, Cue(Topic::Other)),
];

/// Longest word of the table, and so the longest that is looked up.
const WORD_MAX: usize = 16;

/// The word without accents in lower case, looked up.
pub(crate) fn meaning(word: &str, langs: Langs) -> Option<Meaning> {
    let (mut folded, mut length) = ([0; WORD_MAX], 0);
    for char in word.chars() {
        *folded.get_mut(length)? = fold(char)?;
        length += 1;
    }
    let found = WORDS.binary_search_by(|(known, ..)| known.as_bytes().cmp(&folded[..length])).ok()?;
    let (_, spoken, meaning) = WORDS[found];
    match &folded[..length] {
        b"um" if langs & PT == 0 => Some(Meaning::Filler),
        _ => (spoken & langs != 0).then_some(meaning),
    }
}

/// Portuguese for one, that may be an English hesitation as well.
pub(crate) fn may_hesitate(word: &str, langs: Langs) -> bool {
    langs & (EN | PT) == EN | PT && word.eq_ignore_ascii_case("um")
}

fn fold(char: char) -> Option<u8> {
    Some(match char {
        'a'..='z' | '0'..='9' => char as u8,
        'A'..='Z' => char.to_ascii_lowercase() as u8,
        'á' | 'à' | 'â' | 'ã' | 'Á' | 'À' | 'Â' | 'Ã' => b'a',
        'é' | 'ê' | 'É' | 'Ê' => b'e',
        'í' | 'Í' => b'i',
        'ó' | 'ô' | 'õ' | 'Ó' | 'Ô' | 'Õ' => b'o',
        'ú' | 'ü' | 'Ú' | 'Ü' => b'u',
        'ç' | 'Ç' => b'c',
        'ñ' | 'Ñ' => b'n',
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_stand_in_order_and_fit() {
        assert!(WORDS.is_sorted_by(|one, next| one.0 < next.0));
        assert!(WORDS.iter().all(|(word, ..)| word.len() <= WORD_MAX));
    }

    #[test]
    fn a_word_is_found_with_accents_and_in_capitals_in_its_language() {
        assert_eq!(meaning("TRÊS", PT), Some(Meaning::Digit(3)));
        assert_eq!(meaning("once", EN), None);
        assert_eq!(meaning("once", ES), Some(Meaning::Teen(11)));
        assert_eq!((meaning("um", EN), meaning("um", PT)), (Some(Meaning::Filler), Some(Meaning::Digit(1))));
        assert_eq!([EN, PT, EN | PT, ALL].map(|langs| may_hesitate("Um", langs)), [false, false, true, true]);
        assert!(!may_hesitate("uma", ALL));
    }
}
