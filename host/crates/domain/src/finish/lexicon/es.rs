//! Spanish.

use super::Lexicon;

#[rustfmt::skip]
pub(super) static WORDS: Lexicon = Lexicon {
    fillers: &["eh", "em", "este", "mmm", "mm", "hm", "hmm", "ah", "pues", "digamos"],
    leads: &["bueno", "entonces", "y", "pero", "mire", "mira", "oiga", "oye", "perdón", "perdone", "disculpe", "ahora", "ok"],
    backchannels: &["sí", "si", "ajá", "vale", "claro", "ya", "bueno", "entiendo", "perfecto", "dale", "eso", "exacto"],
    greetings: &["hola", "buenos", "buenas", "buen", "días", "día", "tardes", "noches", "aló", "diga", "dígame"],
    open: &[
        "el", "la", "los", "las", "un", "una", "unos", "unas", "mi", "mis", "tu", "tus", "su", "sus", "nuestro", "nuestra", "nuestros", "nuestras", "lo",
        "cada", "algún", "alguna", "algunos", "algunas", "ningún", "cualquier", "otra", "próximo", "próxima",
        "de", "del", "a", "al", "en", "por", "para", "con", "sin", "sobre", "entre", "hasta", "desde", "hacia", "según", "durante", "ante",
        "y", "e", "o", "u", "pero", "porque", "si", "que", "cuando", "donde", "mientras", "aunque", "como", "quien", "cual", "cuyo", "pues", "entonces",
        "qué", "cuándo", "dónde", "cómo", "cuál", "quién",
        "yo", "ellos", "ellas", "nosotros", "me", "te", "se", "le", "les", "nos",
        "es", "son", "está", "están", "estoy", "era", "eran", "estaba", "estaban", "fue", "ser", "estar", "he", "ha", "han", "había", "hay", "tiene", "tienen",
        "tengo", "tenía", "tener", "quiero", "quería", "quisiera", "gustaría", "necesito", "necesitaba", "necesitar", "puedo", "puede", "podría", "voy", "va",
        "vamos", "iba", "creo", "decir",
        "muy", "más", "tan", "tampoco", "punto", "arroba", "guion", "guión", "barra", "doble",
    ],
    open_pairs: &[
        ("si", "ustedes"), ("si", "usted"), ("que", "ustedes"), ("que", "usted"), ("cuando", "usted"), ("porque", "usted"), ("pero", "usted"),
        ("sería", "posible"), ("es", "posible"), ("o", "sea"), ("en", "realidad"), ("por", "ejemplo"), ("la", "calle"), ("es", "decir"),
    ],
    closed_pairs: &[
        ("sí", "quiero"), ("no", "más"), ("nunca", "más"), ("nada", "más"), ("no", "puedo"), ("no", "quiero"), ("no", "hay"), ("no", "tengo"), ("no", "va"),
        ("por", "qué"), ("para", "qué"), ("sé", "qué"), ("yo", "también"), ("yo", "tampoco"), ("no", "es"), ("eso", "es"), ("así", "es"),
        ("sé", "cómo"), ("o", "qué"), ("ya", "está"), ("ni", "yo"),
    ],
    asks: &[
        "cuál", "cuáles", "cuánto", "cuánta", "cuántos", "cuántas", "dónde", "cuándo", "cómo", "quién", "quiénes", "qué", "puedo", "puede", "podría", "pueden",
        "tienen", "hay", "hacen", "venden", "aceptan", "sabe",
    ],
    ask_pairs: &[
        ("me", "puede"), ("me", "puedes"), ("me", "podría"), ("a", "qué"), ("de", "dónde"), ("con", "quién"), ("por", "qué"), ("para", "qué"), ("en", "qué"),
        ("hasta", "cuándo"), ("hasta", "qué"), ("desde", "cuándo"), ("viene", "con"), ("se", "puede"), ("todavía", "está"), ("todavía", "tienen"),
        ("le", "puedo"), ("ustedes", "tienen"), ("es", "posible"), ("está", "abierto"),
    ],
    asks_short: &["qué", "cuánto", "quién", "dónde", "cuál"],
    ends_question: &["es", "son", "está", "están", "fue", "era", "hay", "tiene", "tienen", "va", "puedo", "puede", "más"],
    conditions: &["si", "cuando", "porque", "mientras", "como", "después", "antes", "aunque"],
    answers: &[
        "sí", "no", "claro", "correcto", "exacto", "exactamente", "vale", "perfecto", "genial", "gracias", "adiós", "supuesto", "nada", "acuerdo", "tampoco",
        "quizás", "quizá", "nunca", "ninguno", "ninguna", "luego", "cierto", "amable", "bien", "ok", "okay",
    ],
    with_answers: &[
        "que", "así", "es", "eso", "de", "muchas", "hasta", "por", "favor", "todo", "más", "todavía", "aún", "muy", "ya", "está", "creo", "bueno",
    ],
    reply_subjects: &[],
    reply_verbs: &[],
    polite: &["gracias", "adiós", "chao", "chau", "verdad", "sí"],
    close_pairs: &[("por", "favor"), ("es", "todo"), ("nada", "más"), ("de", "acuerdo"), ("hasta", "luego"), ("otra", "vez"), ("así", "es"), ("eso", "es"), ("ya", "está")],
    joins: &["y", "e", "o", "u", "ni"],
    numbers: &[
        ("cero", 0), ("uno", 1), ("una", 1), ("dos", 2), ("tres", 3), ("cuatro", 4), ("cinco", 5), ("seis", 6), ("siete", 7), ("ocho", 8), ("nueve", 9), ("diez", 10),
        ("once", 11), ("doce", 12), ("trece", 13), ("catorce", 14), ("quince", 15), ("dieciséis", 16), ("diecisiete", 17), ("dieciocho", 18), ("diecinueve", 19),
        ("veinte", 20), ("veintiuno", 21), ("veintidós", 22), ("veintitrés", 23), ("veinticuatro", 24), ("veinticinco", 25), ("treinta", 30), ("cuarenta", 40),
        ("cincuenta", 50), ("sesenta", 60), ("setenta", 70), ("ochenta", 80), ("noventa", 90),
    ],
    number_cues: &["número", "código", "teléfono", "móvil", "celular", "clave", "dni", "extensión", "referencia"],
};
