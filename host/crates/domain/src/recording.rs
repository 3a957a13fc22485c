//! Recordings of calls: whether a tenant's calls are recorded, what their callers are told of that, and what they may say to it.

use crate::tenant::primary_language;
use std::num::NonZeroU32;
use std::time::Duration;

/// Whether a tenant's calls are recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RecordingPolicy {
    /// They are not.
    #[default]
    Off,
    /// They are, unless the caller objects.
    On,
    /// They are where the caller agrees.
    Consent,
}

impl RecordingPolicy {
    /// As it is written in settings.
    pub fn code(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::On => "on",
            Self::Consent => "consent",
        }
    }

    /// The policy of that name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Off, Self::On, Self::Consent].into_iter().find(|known| known.code() == name)
    }
}

/// What a whole recording is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RecordingFormat {
    /// 16-bit linear, as it was on the wire.
    #[default]
    Wav,
    /// Ogg Opus.
    Opus,
}

impl RecordingFormat {
    /// As it is written in settings, and what the file's name ends with.
    pub fn code(self) -> &'static str {
        match self {
            Self::Wav => "wav",
            Self::Opus => "opus",
        }
    }

    /// The format of that name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Wav, Self::Opus].into_iter().find(|known| known.code() == name)
    }
}

/// How a tenant's calls are recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordingRules {
    /// Whether they are.
    pub policy: RecordingPolicy,
    /// Where no consent is asked for: the caller is told before anything else is said.
    pub announced: bool,
    /// Says yes where consent is asked for.
    pub agree_key: char,
    /// Says no where consent is asked for, and at any time that nothing is to be kept.
    pub opt_out_key: char,
    /// Further phrases that say yes, beside those of the language.
    pub agree: Vec<String>,
    /// Further phrases that say that nothing is to be kept.
    pub opt_out: Vec<String>,
    /// So long an answer is waited for; none is no.
    pub wait: Duration,
    /// Recordings are deleted after so many days; none for the gateway's own time.
    pub keep_days: Option<NonZeroU32>,
    /// What recordings are when they are whole; none for the gateway's own format.
    pub format: Option<RecordingFormat>,
}

impl Default for RecordingRules {
    fn default() -> Self {
        Self {
            policy: RecordingPolicy::Off,
            announced: true,
            agree_key: '1',
            opt_out_key: '*',
            agree: Vec::new(),
            opt_out: Vec::new(),
            wait: Duration::from_secs(6),
            keep_days: None,
            format: None,
        }
    }
}

/// What a caller has said to being recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consent {
    /// It is to be asked for, and nothing is recorded before it is given.
    Unasked,
    /// It was given, or is not asked for.
    Given,
    /// It was not given.
    Withheld,
    /// Nothing is to be kept any more, of what was said before either.
    Withdrawn,
}

impl Consent {
    const ALL: [Self; 4] = [Self::Unasked, Self::Given, Self::Withheld, Self::Withdrawn];

    /// Of a caller who has said nothing yet.
    pub fn before(policy: RecordingPolicy) -> Self {
        match policy {
            RecordingPolicy::Off => Self::Withheld,
            RecordingPolicy::On => Self::Given,
            RecordingPolicy::Consent => Self::Unasked,
        }
    }

    /// Bounded label.
    pub fn code(self) -> &'static str {
        match self {
            Self::Unasked => "unasked",
            Self::Given => "given",
            Self::Withheld => "withheld",
            Self::Withdrawn => "withdrawn",
        }
    }

    /// What has that label.
    pub fn parse(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.code() == code)
    }
}

/// How a caller answers, or objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnsweredWith {
    /// By a key.
    Key,
    /// By words.
    Phrase,
    /// Not at all.
    Nothing,
}

impl AnsweredWith {
    /// Bounded label.
    pub fn code(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Phrase => "phrase",
            Self::Nothing => "nothing",
        }
    }
}

/// Why both sides are silent in a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PauseReason {
    /// Somebody beside the call wants it.
    Ordered,
    /// Digits that may be a card's are said or keyed in.
    Card,
}

impl PauseReason {
    /// Bounded label.
    pub fn code(self) -> &'static str {
        match self {
            Self::Ordered => "ordered",
            Self::Card => "card",
        }
    }
}

/// Why a recording is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeletionReason {
    /// Its caller objected.
    OptedOut,
    /// Somebody beside the call wants it.
    Ordered,
    /// It was kept as long as it was to be.
    Expired,
}

impl DeletionReason {
    /// Every one.
    pub const ALL: [Self; 3] = [Self::OptedOut, Self::Ordered, Self::Expired];

    /// Bounded label.
    pub fn code(self) -> &'static str {
        match self {
            Self::OptedOut => "opted_out",
            Self::Ordered => "ordered",
            Self::Expired => "expired",
        }
    }

    /// What has that label.
    pub fn parse(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.code() == code)
    }
}

/// What becomes of a call's recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecordingFact {
    /// The caller was asked.
    Consent {
        /// What came of it.
        given: bool,
        /// How it was said.
        by: AnsweredWith,
    },
    /// The caller wants nothing to be kept: it ends here, and what there is of it is deleted.
    OptedOut {
        /// How it was said.
        by: AnsweredWith,
    },
    /// A part of it begins.
    Began {
        /// Which one, from 1 on.
        part: u32,
        /// So long after the first part did.
        after: Duration,
    },
    /// Both sides are silent in it from now on.
    Paused {
        /// In which part.
        part: u32,
        /// Why.
        why: PauseReason,
    },
    /// Both sides are heard in it again.
    Resumed {
        /// In which part.
        part: u32,
    },
    /// It was ended before the call.
    Stopped {
        /// The last part.
        part: u32,
    },
    /// A part of it is whole, and kept.
    Kept {
        /// Which one.
        part: u32,
        /// How much sound it holds.
        length: Duration,
        /// SHA-256 of the file, in hex.
        sha256: String,
    },
    /// A part of it is in the store of recordings, with its note.
    Stored {
        /// Which one.
        part: u32,
        /// Where: `s3://BUCKET/KEY`.
        object: String,
    },
    /// A part of it did not reach the store, or was not deleted there: it is tried again until it is.
    NotStored {
        /// Which one.
        part: u32,
        /// It is to be deleted there.
        deletes: bool,
        /// Why not: bounded.
        code: &'static str,
    },
    /// Parts of it were deleted.
    Deleted {
        /// How many.
        parts: u32,
        /// Why.
        why: DeletionReason,
    },
}

impl RecordingFact {
    /// Bounded label.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Consent { given: true, .. } => "agreed",
            Self::Consent { given: false, .. } => "not_agreed",
            Self::OptedOut { .. } => "opted_out",
            Self::Began { .. } => "started",
            Self::Paused { .. } => "paused",
            Self::Resumed { .. } => "resumed",
            Self::Stopped { .. } => "stopped",
            Self::Kept { .. } => "kept",
            Self::Stored { .. } => "stored",
            Self::NotStored { .. } => "not_stored",
            Self::Deleted { .. } => "deleted",
        }
    }
}

/// What says yes, by language. Only as a whole or as its beginning.
const YES: [(&str, &[&str]); 3] = [
    ("en", &["yes", "yeah", "yep", "sure", "okay", "ok", "i agree", "agreed", "i do", "of course", "that's fine", "go ahead"]),
    ("pt", &["sim", "claro", "concordo", "aceito", "autorizo", "pode", "pode gravar", "tudo bem", "está bem", "ok"]),
    (
        "es",
        &["sí", "si", "claro", "de acuerdo", "acepto", "estoy de acuerdo", "autorizo", "vale", "está bien", "por supuesto", "ok"],
    ),
];

/// What says no where one is asked, by language. Wherever it stands.
const NO: [(&str, &[&str]); 3] = [
    ("en", &["no", "nope", "not", "don't", "do not", "i refuse", "i disagree"]),
    ("pt", &["não", "nao", "recuso", "nem"]),
    ("es", &["no", "tampoco", "me niego"]),
];

/// What objects to a recording at any time, by language. Wherever it stands.
const OPT_OUT: [(&str, &[&str]); 3] = [
    (
        "en",
        &[
            "stop recording",
            "stop the recording",
            "don't record",
            "do not record",
            "delete the recording",
            "delete my recording",
            "delete this recording",
            "i do not consent to being recorded",
            "i don't consent to being recorded",
            "i don't want to be recorded",
            "i do not want to be recorded",
            "i don't want this call recorded",
        ],
    ),
    (
        "pt",
        &[
            "pare de gravar",
            "parem de gravar",
            "pare a gravação",
            "não grave",
            "não gravem",
            "apague a gravação",
            "apaga a gravação",
            "não quero ser gravado",
            "não quero ser gravada",
            "não autorizo a gravação",
            "não quero que grave",
        ],
    ),
    (
        "es",
        &[
            "deje de grabar",
            "dejen de grabar",
            "deja de grabar",
            "pare la grabación",
            "no grabe",
            "no graben",
            "no me grabe",
            "no me graben",
            "borre la grabación",
            "borren la grabación",
            "no quiero ser grabado",
            "no quiero ser grabada",
            "no quiero que me graben",
            "no autorizo la grabación",
        ],
    ),
];

impl RecordingRules {
    /// Whether these words say yes or no to being asked; none where they say neither. What says both says no.
    pub fn answer(&self, words: &str, language: &str) -> Option<bool> {
        let words = Words::of(words);
        let objects = |phrase: &str| words.have(phrase);
        if of(&NO, language).chain(of(&OPT_OUT, language)).any(objects) || self.opt_out.iter().any(|own| words.have(own)) {
            return Some(false);
        }
        let agrees = of(&YES, language).any(|phrase| words.begin_with(phrase)) || self.agree.iter().any(|own| words.have(own));
        agrees.then_some(true)
    }

    /// Whether these words say that nothing is to be kept.
    pub fn objects(&self, words: &str, language: &str) -> bool {
        let words = Words::of(words);
        of(&OPT_OUT, language).any(|phrase| words.have(phrase)) || self.opt_out.iter().any(|own| words.have(own))
    }
}

fn of(all: &'static [(&str, &'static [&'static str]); 3], language: &str) -> impl Iterator<Item = &'static str> {
    let language = primary_language(language).to_ascii_lowercase();
    all.iter().filter(move |(known, _)| *known == language).flat_map(|(_, phrases)| *phrases).copied()
}

/// Words with a space before and behind each, without case and punctuation.
struct Words(String);

impl Words {
    fn of(text: &str) -> Self {
        let mut plain = String::from(" ");
        for word in text.split(|c: char| !c.is_alphanumeric() && !"'’".contains(c)).filter(|word| !word.is_empty()) {
            plain.extend(word.chars().flat_map(char::to_lowercase).map(|c| if c == '’' { '\'' } else { c }));
            plain.push(' ');
        }
        Self(plain)
    }

    fn have(&self, phrase: &str) -> bool {
        let phrase = Self::of(phrase);
        phrase.0.len() > 1 && self.0.contains(&phrase.0)
    }

    fn begin_with(&self, phrase: &str) -> bool {
        self.0.starts_with(&Self::of(phrase).0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yes_and_no_are_understood_in_three_languages_and_what_says_neither_is_neither() {
        let rules = RecordingRules::default();
        let answer = |language: &str, words: &str| rules.answer(words, language);
        for (language, words) in [
            ("en-US", "Yes."),
            ("en-GB", "Yeah, that's fine."),
            ("en", "I agree"),
            ("pt-BR", "Sim, pode gravar"),
            ("pt", "Concordo."),
            ("es-MX", "Sí, de acuerdo"),
            ("es", "claro"),
        ] {
            assert_eq!(answer(language, words), Some(true), "{language}: {words}");
        }
        for (language, words) in [
            ("en-US", "No."),
            ("en-US", "Yes, no, I don't want that"),
            ("en-US", "I don’t agree"),
            ("en-US", "please do not record this"),
            ("pt-BR", "Não, obrigado."),
            ("pt-BR", "Sim, mas não grave"),
            ("es", "No, gracias"),
        ] {
            assert_eq!(answer(language, words), Some(false), "{language}: {words}");
        }
        for (language, words) in
            [("en-US", "yesterday I called"), ("en-US", "what time is it"), ("en-US", ""), ("fi", "kyllä"), ("pt-BR", "simples")]
        {
            assert_eq!(answer(language, words), None, "{language}: {words}");
        }
    }

    #[test]
    fn who_objects_is_understood_and_who_speaks_of_records_does_not_object() {
        let rules = RecordingRules { opt_out: vec!["Älä tallenna".into(), " ".into()], ..RecordingRules::default() };
        for (language, words) in [
            ("en-US", "Sorry, could you stop recording, please?"),
            ("en-US", "I don't want to be recorded!"),
            ("pt-BR", "Por favor, pare de gravar."),
            ("es-ES", "No quiero que me graben"),
            ("fi-FI", "älä tallenna tätä"),
        ] {
            assert!(rules.objects(words, language), "{language}: {words}");
        }
        for (language, words) in [
            ("en-US", "no"),
            ("en-US", "my record has a scratch"),
            ("en-US", "did you record my address"),
            ("es", "no, gracias"),
            ("pt", ""),
        ] {
            assert!(!rules.objects(words, language), "{language}: {words}");
        }
    }

    #[test]
    fn names_lead_back_to_what_they_name() {
        for policy in [RecordingPolicy::Off, RecordingPolicy::On, RecordingPolicy::Consent] {
            assert_eq!(RecordingPolicy::parse(policy.code()), Some(policy));
        }
        for consent in Consent::ALL {
            assert_eq!(Consent::parse(consent.code()), Some(consent));
        }
        for format in [RecordingFormat::Wav, RecordingFormat::Opus] {
            assert_eq!(RecordingFormat::parse(format.code()), Some(format));
        }
        for reason in DeletionReason::ALL {
            assert_eq!(DeletionReason::parse(reason.code()), Some(reason));
        }
        assert_eq!((RecordingPolicy::parse("perhaps"), Consent::parse("perhaps")), (None, None));
        assert_eq!((RecordingFormat::parse("mp3"), DeletionReason::parse("perhaps")), (None, None));
    }
}
