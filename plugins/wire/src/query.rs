//! Queries of URLs (RFC 3986, 2.1 and 3.4).

/// `name=value&...`: names as they are, values percent-encoded but for the unreserved characters.
#[derive(Clone, Debug)]
pub struct Query {
    written: String,
    space: &'static str,
}

impl Query {
    /// None yet; a space is `%20`, as whatever signs a query wants it.
    pub fn new() -> Self {
        Self { written: String::new(), space: "%20" }
    }

    /// The same in the way of HTML forms: a space is `+`.
    pub fn form() -> Self {
        Self { space: "+", ..Self::new() }
    }

    /// One more; a name may come more than once.
    pub fn add(&mut self, name: &str, value: &str) {
        if !self.written.is_empty() {
            self.written.push('&');
        }
        self.written.push_str(name);
        self.written.push('=');
        let digit = |half: u8| char::from(b"0123456789ABCDEF"[usize::from(half)]);
        for byte in value.bytes() {
            match byte {
                b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => self.written.push(char::from(byte)),
                b' ' => self.written.push_str(self.space),
                _ => self.written.extend(['%', digit(byte >> 4), digit(byte & 15)]),
            }
        }
    }

    /// What stands behind the `?`.
    pub fn as_str(&self) -> &str {
        &self.written
    }
}

impl Default for Query {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_encoded_and_told_apart() {
        for (mut query, space) in [(Query::new(), "%20"), (Query::form(), "+")] {
            assert_eq!(query.as_str(), "");
            query.add("term", "a b&c=d");
            query.add("term", "Ol\u{e1}-_.~");
            assert_eq!(query.as_str(), format!("term=a{space}b%26c%3Dd&term=Ol%C3%A1-_.~"));
        }
    }
}
