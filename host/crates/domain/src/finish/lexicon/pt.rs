//! Portuguese, as it is spoken in Brazil.

use super::Lexicon;

#[rustfmt::skip]
pub(super) static WORDS: Lexicon = Lexicon {
    fillers: &["hum", "hm", "hmm", "ahn", "ah", "eh", "é", "tipo", "ãh", "uhm"],
    leads: &["então", "bem", "olha", "e", "mas", "ok", "escuta", "aí", "agora", "desculpa", "desculpe"],
    backchannels: &["sim", "tá", "ta", "aham", "ahã", "uhum", "certo", "isso", "claro", "entendi", "beleza", "pois", "é", "bom", "ótimo", "legal", "joia"],
    greetings: &["oi", "olá", "alô", "bom", "boa", "dia", "tarde", "noite"],
    open: &[
        "o", "a", "os", "as", "um", "uma", "uns", "umas", "meu", "minha", "meus", "minhas", "seu", "sua", "seus", "suas", "nosso", "nossa", "nossos", "nossas",
        "cada", "algum", "alguma", "alguns", "algumas", "qualquer", "outra", "próximo", "próxima",
        "de", "do", "da", "dos", "das", "em", "no", "na", "nos", "nas", "num", "numa", "por", "pelo", "pela", "pelos", "pelas", "para", "pra", "pro", "com", "sem",
        "sobre", "entre", "até", "desde", "ao", "à", "aos", "às", "após",
        "e", "ou", "mas", "porém", "porque", "pois", "se", "que", "quando", "onde", "enquanto", "embora", "como", "qual", "quem", "cujo", "então",
        "eu", "ele", "ela", "eles", "elas", "nós", "me", "lhe",
        "é", "são", "está", "estão", "estou", "era", "eram", "estava", "estavam", "foi", "ser", "estar", "tem", "têm", "tinha", "ter", "tenho", "fui",
        "quero", "queria", "gostaria", "preciso", "precisava", "precisar", "posso", "pode", "poderia", "vou", "vai", "vamos", "vão", "ia", "acho", "quer", "dizer",
        "muito", "mais", "tão", "só", "ponto", "arroba", "traço", "hífen", "barra", "duplo",
    ],
    open_pairs: &[
        ("se", "vocês"), ("se", "você"), ("que", "você"), ("que", "vocês"), ("quando", "você"), ("porque", "você"), ("mas", "você"), ("seria", "possível"),
        ("é", "possível"), ("ou", "seja"), ("tipo", "assim"), ("na", "verdade"), ("por", "exemplo"), ("a", "gente"), ("além", "disso"),
    ],
    closed_pairs: &[
        ("sim", "quero"), ("ainda", "mais"), ("nunca", "mais"), ("não", "mais"), ("é", "só"), ("está", "bem"), ("não", "posso"),
        ("não", "quero"), ("não", "tem"), ("não", "tenho"), ("não", "pode"), ("não", "vou"), ("por", "que"), ("isso", "é"), ("pode", "ser"),
    ],
    asks: &["qual", "quais", "quanto", "quanta", "quantos", "quantas", "onde", "quando", "como", "quem", "cadê", "posso", "pode", "poderia", "podem"],
    ask_pairs: &[
        ("que", "horas"), ("que", "dia"), ("o", "que"), ("por", "que"), ("de", "onde"), ("com", "quem"), ("para", "onde"), ("pra", "onde"), ("a", "que"),
        ("vocês", "têm"), ("vocês", "tem"), ("vocês", "entregam"), ("vocês", "fazem"), ("vocês", "aceitam"), ("você", "pode"), ("você", "poderia"),
        ("você", "sabe"), ("você", "consegue"), ("tem", "alguém"), ("tem", "como"), ("tem", "alguma"), ("tem", "algum"), ("será", "que"), ("dá", "para"),
        ("dá", "pra"), ("em", "que"), ("até", "quando"), ("até", "que"), ("vem", "com"), ("ainda", "está"), ("ainda", "tem"),
        ("quando", "vai"), ("quando", "chega"), ("quando", "posso"), ("quando", "vence"), ("quando", "abre"), ("quando", "começa"),
    ],
    asks_short: &["cadê", "quem", "quanto"],
    ends_question: &["é", "são", "está", "foi", "era", "tem", "posso", "pode", "vai", "mais"],
    conditions: &["se", "quando", "porque", "enquanto", "como", "depois", "antes", "caso"],
    answers: &[
        "sim", "não", "claro", "certo", "isso", "exatamente", "exato", "tá", "bom", "ok", "okay", "beleza", "perfeito", "ótimo", "obrigado", "obrigada",
        "tchau", "certeza", "nada", "correto", "combinado", "valeu", "talvez", "nunca", "nenhum", "nenhuma", "uhum", "aham", "mesmo", "tudo",
    ],
    with_answers: &[
        "por", "favor", "é", "só", "com", "ainda", "mais", "pode", "ser", "acho", "que", "muito", "de", "jeito", "bem",
    ],
    reply_subjects: &[],
    reply_verbs: &[],
    polite: &["obrigado", "obrigada", "tchau", "valeu", "sim", "né", "tá"],
    close_pairs: &[("por", "favor"), ("só", "isso"), ("é", "isso"), ("tá", "bom"), ("de", "novo"), ("pode", "ser")],
    joins: &["e", "ou"],
    numbers: &[
        ("zero", 0), ("um", 1), ("uma", 1), ("dois", 2), ("duas", 2), ("três", 3), ("quatro", 4), ("cinco", 5), ("seis", 6), ("meia", 6), ("sete", 7), ("oito", 8),
        ("nove", 9), ("dez", 10), ("onze", 11), ("doze", 12), ("treze", 13), ("catorze", 14), ("quatorze", 14), ("quinze", 15), ("dezesseis", 16), ("dezessete", 17),
        ("dezoito", 18), ("dezenove", 19), ("vinte", 20), ("trinta", 30), ("quarenta", 40), ("cinquenta", 50), ("sessenta", 60), ("setenta", 70), ("oitenta", 80),
        ("noventa", 90),
    ],
    number_cues: &["número", "código", "telefone", "celular", "cep", "cpf", "senha", "ramal", "protocolo", "endereço", "pedido"],
};
