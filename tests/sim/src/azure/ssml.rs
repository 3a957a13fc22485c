//! SSML as far as a speaker has to read it: whether it is well-formed, which voices it names, and what is to be said.

/// What a document asks for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Document {
    /// Values of `<voice name>`.
    pub(super) voices: Vec<String>,
    pub(super) text: String,
}

/// Bytes of a document that are taken.
const BYTES_MAX: usize = 64 << 10;

/// Reads a document.
///
/// # Errors
/// What is wrong with it.
pub(super) fn read(document: &str) -> Result<Document, &'static str> {
    if document.len() > BYTES_MAX {
        return Err("SSML is longer than 64 KB");
    }
    let mut read = Document::default();
    let mut open: Vec<&str> = Vec::new();
    let mut rest = document.trim();
    let mut root = None;
    while let Some(at) = rest.find('<') {
        text(&rest[..at], open.is_empty(), &mut read.text)?;
        let end = rest[at..].find('>').ok_or("a tag of the SSML does not end")?;
        let tag = &rest[at + 1..at + end];
        rest = &rest[at + end + 1..];
        if let Some(name) = tag.strip_prefix('/') {
            if open.pop() != Some(name.trim()) {
                return Err("tags of the SSML are not paired");
            }
            continue;
        }
        if tag.starts_with(['?', '!']) {
            continue;
        }
        let (tag, alone) = tag.strip_suffix('/').map_or((tag, false), |tag| (tag, true));
        let name = tag.split_whitespace().next().ok_or("a tag of the SSML has no name")?;
        let attributes = attributes(&tag[name.len()..])?;
        let of = |name: &str| attributes.iter().find(|(other, _)| *other == name).map(|(_, value)| value.as_str());
        match name {
            "voice" => read.voices.push(of("name").ok_or("a voice of the SSML has no name")?.to_owned()),
            "speak" if of("version") != Some("1.0") || of("xml:lang").is_none() => {
                return Err("speak needs a version and a language");
            }
            "mstts:express-as" if of("style").is_none_or(str::is_empty) => return Err("express-as needs a style"),
            _ => {}
        }
        root = root.or(Some(name));
        if !alone {
            open.push(name);
        }
    }
    text(rest, open.is_empty(), &mut read.text)?;
    match (open.is_empty(), root, read.voices.is_empty()) {
        (false, ..) => Err("tags of the SSML are not closed"),
        (_, Some("speak"), false) => Ok(read),
        (_, Some("speak"), true) => Err("SSML names no voice"),
        _ => Err("SSML begins with speak"),
    }
}

fn text(raw: &str, outside: bool, said: &mut String) -> Result<(), &'static str> {
    if outside && !raw.trim().is_empty() {
        return Err("text of the SSML stands outside");
    }
    said.push_str(&plain(raw)?);
    Ok(())
}

fn attributes(mut rest: &str) -> Result<Vec<(&str, String)>, &'static str> {
    let mut attributes = Vec::new();
    loop {
        rest = rest.trim_start();
        if rest.is_empty() {
            return Ok(attributes);
        }
        let (name, after) = rest.split_once('=').ok_or("an attribute of the SSML has no value")?;
        let quote = after.chars().next().filter(|quote| matches!(quote, '\'' | '"')).ok_or("an attribute is not quoted")?;
        let (value, after) = after[1..].split_once(quote).ok_or("an attribute does not end")?;
        attributes.push((name.trim(), plain(value)?));
        rest = after;
    }
}

/// Entities as their characters; what XML does not hold is an error.
fn plain(raw: &str) -> Result<String, &'static str> {
    if raw.contains(|char: char| char < ' ' && !matches!(char, '\t' | '\n' | '\r')) {
        return Err("the SSML has a character that XML does not hold");
    }
    let mut parts = raw.split('&');
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (entity, after) = part.split_once(';').ok_or("an entity of the SSML does not end")?;
        plain.push(match entity {
            "amp" => '&',
            "lt" => '<',
            "gt" => '>',
            "quot" => '"',
            "apos" => '\'',
            _ => return Err("an entity of the SSML is not known"),
        });
        plain.push_str(after);
    }
    Ok(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_official_clients_write_is_read() {
        let document = "<speak version='1.0' xmlns='http://www.w3.org/2001/10/synthesis' xml:lang='en-US'><voice name='en-US-JennyNeural'>\
            Tom &amp; Jerry <prosody rate='+10%'>say <bookmark mark='b1'/>hi</prosody> 2 &gt; 1</voice></speak>";
        let read = read(document).unwrap();
        assert_eq!((read.text.as_str(), &read.voices[..]), ("Tom & Jerry say hi 2 > 1", &["en-US-JennyNeural".to_owned()][..]));
    }

    #[test]
    fn what_is_broken_is_refused() {
        let with = |inner: &str| format!("<speak version='1.0' xml:lang='en-US'>{inner}</speak>");
        for broken in [
            "<speak><voice>oops".to_owned(),
            "hello".to_owned(),
            String::new(),
            with("no voice"),
            with("<voice name='x'>a & b</voice>"),
            with("<voice name='x'>a</voice></voice>"),
            with("<voice name='x'>a\u{1}</voice>"),
            with("<voice name=x>a</voice>"),
            format!("{}more", with("<voice name='x'>a</voice>")),
            with(&format!("<voice name='x'>{}</voice>", "a".repeat(70_000))),
        ] {
            assert!(read(&broken).is_err(), "{broken}");
        }
    }
}
