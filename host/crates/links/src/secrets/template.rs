//! `{secret:NAME}` in what a guest wrote. Filled once: what a secret holds is never read as a template.

use crate::grant::Refusal;

/// A stretch of what the guest wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part<'a> {
    Text(&'a str),
    Secret(&'a str),
}

const FORM: Refusal = Refusal::Invalid("a template is not of the form {secret:NAME}");

/// 1 to 64 letters, digits, dots, dashes and underscores.
pub(super) fn is_name(name: &str) -> bool {
    (1..=64).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

/// The parts of `text`; in a URL braces and colon may stand percent-encoded, as parsers write them.
///
/// # Errors
/// [`Refusal::Invalid`] where a template begins and is none: it would be sent as it is, and the plugin's author would wonder.
pub(super) fn parts(text: &str) -> Result<Vec<Part<'_>>, Refusal> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some((at, name_at)) = opening(rest) {
        let name = &rest[name_at..];
        let length = name.find(|c: char| !(c.is_ascii_alphanumeric() || "._-".contains(c))).ok_or(FORM)?;
        let end = token(&name[length..], "}", "%7d").ok_or(FORM)?;
        if !is_name(&name[..length]) {
            return Err(FORM);
        }
        if at > 0 {
            parts.push(Part::Text(&rest[..at]));
        }
        parts.push(Part::Secret(&name[..length]));
        rest = &name[length + end..];
    }
    if !rest.is_empty() {
        parts.push(Part::Text(rest));
    }
    Ok(parts)
}

/// Whether a template stands in `text`.
pub(super) fn has(text: &str) -> bool {
    opening(text).is_some()
}

/// Where the first template begins, and where its name does.
fn opening(text: &str) -> Option<(usize, usize)> {
    text.bytes().enumerate().filter(|(_, byte)| matches!(byte, b'{' | b'%')).find_map(|(at, _)| {
        let word = at + token(&text[at..], "{", "%7b")?;
        let colon = word + "secret".len();
        (text.get(word..colon)? == "secret").then_some(())?;
        Some((at, colon + token(&text[colon..], ":", "%3a")?))
    })
}

/// How long the character is that `text` begins with, as it is or percent-encoded.
fn token(text: &str, plain: &str, encoded: &str) -> Option<usize> {
    if text.starts_with(plain) {
        return Some(plain.len());
    }
    text.get(..encoded.len())?.eq_ignore_ascii_case(encoded).then_some(encoded.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_are_found_plain_and_percent_encoded() {
        use Part::{Secret, Text};
        assert_eq!(parts("Bearer {secret:api-key}"), Ok(vec![Text("Bearer "), Secret("api-key")]));
        assert_eq!(parts("{secret:a}{secret:b}!"), Ok(vec![Secret("a"), Secret("b"), Text("!")]));
        assert_eq!(parts("/v1/%7Bsecret:a%7d/x"), Ok(vec![Text("/v1/"), Secret("a"), Text("/x")]));
        assert_eq!(parts("key=%7Bsecret%3Aa%7D"), Ok(vec![Text("key="), Secret("a")]));
        for plain in ["", "{secrets}", "%", "%7", "{", "100%", "{sécret:a}", "{secret", "é{é"] {
            assert!(!has(plain) && parts(plain).is_ok_and(|parts| parts.len() <= 1), "{plain}");
        }
    }

    #[test]
    fn a_template_that_is_begun_and_not_ended_is_refused() {
        for text in
            ["{secret:", "{secret:a", "{secret:a b}", "{secret:}", "{secret:{secret:a}}", "{secret:a|basic}", "{secret:é}"]
        {
            assert_eq!(parts(text), Err(FORM), "{text}");
        }
        assert_eq!(parts(&format!("{{secret:{}}}", "a".repeat(65))), Err(FORM));
    }
}
