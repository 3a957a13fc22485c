//! Names of languages.

/// Bytes of a BCP 47 tag (RFC 5646, section 4.4.1).
const TAG_MAX: usize = 35;

/// Whether that can be a BCP 47 tag: by its shape, not by whether there is such a language.
pub fn is_tag(text: &str) -> bool {
    let sound = |part: &str| (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric());
    (2..=TAG_MAX).contains(&text.len()) && text.as_bytes()[0].is_ascii_alphabetic() && text.split('-').all(sound)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_known_by_its_shape() {
        let longest = "aaaaaaaa-aaaaaaaa-aaaaaaaa-aaaaaaaa";
        for tag in ["pt", "pt-BR", "zh-Hant-TW", "x-klingon", "de-1996", longest] {
            assert!(is_tag(tag), "{tag}");
        }
        let beyond = format!("{longest}a");
        for text in ["", "p", "pt_BR", "pt-", "-pt", "pt--BR", "1a", "português", "pt BR", "en-waytoolong", &beyond] {
            assert!(!is_tag(text), "{text}");
        }
    }
}
