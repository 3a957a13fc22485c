//! Who speaks, how it is written, and in which pieces.

use crate::options::{Engine, Options, Ssml};
use vg_plugin_sdk::{AudioFormat, Encoding, Fault, FaultKind, tts::Texts};

/// A language, the service's code for it, and a voice that speaks it with most engines.
pub(crate) const LANGUAGES: [(&str, &str, &str); 17] = [
    ("en-US", "en-US", "Joanna"),
    ("en-GB", "en-GB", "Amy"),
    ("en-AU", "en-AU", "Olivia"),
    ("en-IN", "en-IN", "Kajal"),
    ("pt-BR", "pt-BR", "Camila"),
    ("pt-PT", "pt-PT", "Ines"),
    ("es-ES", "es-ES", "Lucia"),
    ("es-US", "es-US", "Lupe"),
    ("es-MX", "es-MX", "Mia"),
    ("fr-FR", "fr-FR", "Lea"),
    ("fr-CA", "fr-CA", "Gabrielle"),
    ("de-DE", "de-DE", "Vicki"),
    ("it-IT", "it-IT", "Bianca"),
    ("nl-NL", "nl-NL", "Laura"),
    ("ja-JP", "ja-JP", "Takumi"),
    ("ko-KR", "ko-KR", "Seoyeon"),
    ("zh-CN", "cmn-CN", "Zhiyu"),
];

/// 3000 are billed at most; some room for what the service counts otherwise.
const CHARACTERS_MAX: usize = 2_800;

/// Everything that does not change from reply to reply.
#[derive(Clone, Debug)]
pub(crate) struct Voice {
    pub(crate) name: String,
    /// Empty where the voice's own is meant.
    pub(crate) language_code: String,
    pub(crate) engine: Engine,
    pub(crate) format: AudioFormat,
    pub(crate) lexicons: Vec<String>,
    ssml: Ssml,
}

/// A text as the service takes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Script {
    pub(crate) text: String,
    pub(crate) is_ssml: bool,
}

impl Voice {
    pub(crate) fn new(options: &Options, language: &str, format: AudioFormat) -> Result<Self, Fault> {
        match (format.encoding, format.rate_hz) {
            (_, 8_000) | (Encoding::PcmS16le, 16_000) => {}
            _ => return Err(Fault::new(FaultKind::Unsupported, "the service speaks at 8000 Hz, or linear samples at 16000 Hz")),
        }
        let (name, language_code) = match (options.voice.as_str(), options.engine) {
            ("", engine) => {
                let known = LANGUAGES.iter().find(|(tag, ..)| *tag == language).or_else(|| cousin(language));
                let Some((_, code, voice)) = known else {
                    return Err(Fault::new(
                        FaultKind::Unsupported,
                        "no voice is known for the language: name one by the option voice",
                    ));
                };
                let voice = match (*code, engine) {
                    ("en-US", Engine::Generative | Engine::LongForm) => "Ruth",
                    ("es-ES", Engine::LongForm) => "Alba",
                    _ => voice,
                };
                (voice.to_owned(), (*code).to_owned())
            }
            (voice, _) => (voice.to_owned(), options.language_code.clone()),
        };
        let (engine, lexicons, ssml) = (options.engine, options.lexicons.clone(), options.ssml);
        Ok(Self { name, language_code, engine, format, lexicons, ssml })
    }

    /// The service's word for the samples.
    pub(crate) fn output_format(&self) -> &'static str {
        match self.format.encoding {
            Encoding::Mulaw => "mulaw",
            Encoding::Alaw => "alaw",
            Encoding::PcmS16le => "pcm",
        }
    }

    /// What cuts a reply into requests.
    pub(crate) fn texts(&self) -> Texts {
        match self.ssml {
            Ssml::Auto => Texts::new(CHARACTERS_MAX),
            // A sentence may end within an element.
            Ssml::Always => Texts::whole(),
            Ssml::Never => Texts::plain(CHARACTERS_MAX),
        }
    }

    /// A text as it stands.
    pub(crate) fn script(&self, text: &str) -> Script {
        let is_whole = text.trim_start().starts_with("<speak");
        match self.ssml {
            Ssml::Always if !is_whole => Script { text: format!("<speak>{text}</speak>"), is_ssml: true },
            Ssml::Auto | Ssml::Always if is_whole => Script { text: text.trim().to_owned(), is_ssml: true },
            _ => Script { text: text.to_owned(), is_ssml: false },
        }
    }
}

/// A dialect of the same language: a caller from Peru is better served by a Mexican than by nobody.
fn cousin(language: &str) -> Option<&'static (&'static str, &'static str, &'static str)> {
    let (family, _) = language.split_once('-').unwrap_or((language, ""));
    let nearest = if family == "es" { "es-US" } else { family };
    LANGUAGES.iter().find(|(tag, ..)| tag.starts_with(nearest))
}

/// Whether there is anything to speak.
pub(crate) fn is_speech(text: &str) -> bool {
    text.chars().any(char::is_alphanumeric)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn voice(options: &str, language: &str) -> Result<Voice, Fault> {
        let format = AudioFormat { encoding: Encoding::Mulaw, rate_hz: 8_000 };
        Voice::new(&Options::parse(options).unwrap(), language, format)
    }

    #[test]
    fn a_voice_speaks_the_calls_language() {
        for (options, language, name, code) in [
            ("{}", "en-US", "Joanna", "en-US"),
            ("{}", "pt-BR", "Camila", "pt-BR"),
            ("{}", "es-PE", "Lupe", "es-US"),
            ("{}", "zh-CN", "Zhiyu", "cmn-CN"),
            (r#"{"engine":"generative"}"#, "en-US", "Ruth", "en-US"),
            (r#"{"voice":"Kajal","language_code":"hi-IN"}"#, "en-US", "Kajal", "hi-IN"),
            (r#"{"voice":"Matthew"}"#, "en-US", "Matthew", ""),
        ] {
            let voice = voice(options, language).unwrap();
            assert_eq!((voice.name.as_str(), voice.language_code.as_str()), (name, code), "{options} {language}");
        }
        assert_eq!(voice("{}", "xx-XX").unwrap_err().kind, FaultKind::Unsupported);
    }

    #[test]
    fn what_begins_as_ssml_is_ssml_unless_nothing_is() {
        let script = |options: &str, text: &str| {
            let Script { text, is_ssml } = voice(options, "en-US").unwrap().script(text);
            (text, is_ssml)
        };
        assert_eq!(script("{}", " <speak>a</speak>"), ("<speak>a</speak>".to_owned(), true));
        assert_eq!(script("{}", "a < b"), ("a < b".to_owned(), false));
        assert_eq!(script(r#"{"ssml":"always"}"#, "a<break/>"), ("<speak>a<break/></speak>".to_owned(), true));
        assert_eq!(script(r#"{"ssml":"never"}"#, "<speak>a"), ("<speak>a".to_owned(), false));
    }

    #[test]
    fn a_long_reply_is_cut_behind_a_sentence() {
        let long = "Não é isso. ".repeat(500);
        for (text, pieces) in [(long.as_str(), 3), (&"á".repeat(CHARACTERS_MAX + 1), 2), ("Hi.", 1)] {
            let mut texts = voice("{}", "pt-BR").unwrap().texts();
            texts.add(text);
            texts.end();
            let cut: Vec<String> = std::iter::from_fn(|| texts.take()).map(|piece| piece.text).collect();
            assert_eq!((cut.concat().as_str(), cut.len()), (text, pieces));
            assert!(cut.iter().all(|text| text.chars().count() <= CHARACTERS_MAX));
            assert!(pieces < 3 || cut[0].ends_with("isso. "), "{cut:?}");
        }
    }

    #[test]
    fn where_nothing_is_ssml_what_looks_like_it_is_cut_like_any_text() {
        let long = format!("<speak>{}", "It is so. ".repeat(600));
        let mut texts = voice(r#"{"ssml":"never"}"#, "en-US").unwrap().texts();
        texts.add("<speak>It is so, is it not? Yes");
        assert_eq!(texts.take().map(|piece| piece.text).as_deref(), Some("<speak>It is so, is it not? "));
        texts.clear();
        texts.add(&long);
        texts.flush(1);
        let cut: Vec<_> = std::iter::from_fn(|| texts.take()).collect();
        assert_eq!(cut.iter().map(|piece| piece.text.as_str()).collect::<String>(), long);
        assert!(cut.len() == 3 && cut.iter().all(|piece| piece.text.chars().count() <= CHARACTERS_MAX), "{}", cut.len());
        assert_eq!(cut.iter().filter_map(|piece| piece.mark).collect::<Vec<_>>(), [1]);
    }

    #[test]
    fn ssml_is_never_cut() {
        let mut texts = voice(r#"{"ssml":"always"}"#, "en-US").unwrap().texts();
        texts.add("It is <emphasis>so. Is it not? ");
        assert_eq!(texts.take(), None);
        texts.add("</emphasis>");
        texts.flush(1);
        assert_eq!(texts.take().map(|piece| piece.mark), Some(Some(1)));
    }
}
