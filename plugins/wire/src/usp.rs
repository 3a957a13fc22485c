//! Messages of Azure's speech services: header lines and a body in one WebSocket message
//! (<https://learn.microsoft.com/azure/ai-services/speech-service>; its open SDKs call it USP).

/// Why a message cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UspError {
    /// No empty line ends the headers, or their length does not fit.
    #[error("message has no end of headers")]
    Headers,
    /// Headers that are no text.
    #[error("headers are no text")]
    Text,
}

/// Headers in order, names as they came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headers(Vec<(String, String)>);

impl Headers {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// One more.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.0.push((name.to_owned(), value.into()));
        self
    }

    /// The value of a header, whose name is compared without regard to case.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// What the message is: the header `Path`, in lower case.
    pub fn path(&self) -> String {
        self.get("Path").unwrap_or_default().to_ascii_lowercase()
    }

    fn read(lines: &str) -> Self {
        let header = |line: &str| line.split_once(':').map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned()));
        Self(lines.split("\r\n").filter_map(header).collect())
    }

    fn written(&self) -> String {
        self.0.iter().map(|(name, value)| format!("{name}:{value}\r\n")).collect()
    }
}

/// A text message.
pub fn text(headers: &Headers, body: &str) -> String {
    format!("{}\r\n{body}", headers.written())
}

/// A binary message: the length of the headers, the headers, the body.
pub fn binary(headers: &Headers, body: &[u8]) -> Vec<u8> {
    let lines = headers.written();
    let mut message = Vec::with_capacity(2 + lines.len() + body.len());
    message.extend((lines.len() as u16).to_be_bytes());
    message.extend(lines.bytes());
    message.extend(body);
    message
}

/// Headers and body of a text message.
///
/// # Errors
/// Where no empty line ends the headers.
pub fn read_text(message: &str) -> Result<(Headers, &str), UspError> {
    let (lines, body) = message.split_once("\r\n\r\n").ok_or(UspError::Headers)?;
    Ok((Headers::read(lines), body))
}

/// Headers and body of a binary message.
///
/// # Errors
/// See [`UspError`].
pub fn read_binary(message: &[u8]) -> Result<(Headers, &[u8]), UspError> {
    let (length, rest) = message.split_first_chunk::<2>().ok_or(UspError::Headers)?;
    let (lines, body) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length))).ok_or(UspError::Headers)?;
    Ok((Headers::read(std::str::from_utf8(lines).map_err(|_| UspError::Text)?), body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_back() {
        let headers = Headers::new().with("Path", "audio").with("X-RequestId", "0af1");
        let message = binary(&headers, &[1, 2]);
        assert_eq!(read_binary(&message).unwrap(), (headers.clone(), &[1, 2][..]));
        assert_eq!(read_text(&text(&headers, "{}")).unwrap(), (headers, "{}"));
    }

    #[test]
    fn names_and_spaces_are_taken_as_peers_write_them() {
        let (headers, body) = read_text("path: Turn.Start\r\nX-RequestID:1\r\n\r\n{}\r\n\r\n").unwrap();
        assert_eq!((headers.path().as_str(), headers.get("x-requestid"), body), ("turn.start", Some("1"), "{}\r\n\r\n"));
    }

    #[test]
    fn what_is_cut_is_refused() {
        assert_eq!(read_text("Path:x\r\n"), Err(UspError::Headers));
        assert_eq!(read_binary(&[0]), Err(UspError::Headers));
        assert_eq!(read_binary(&[0, 3, b'a']), Err(UspError::Headers));
        assert_eq!(read_binary(&[0, 1, 0xff]), Err(UspError::Text));
    }
}
