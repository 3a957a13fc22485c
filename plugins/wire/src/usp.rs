//! Messages of Azure's speech services: header lines and a body in one WebSocket message
//! (<https://learn.microsoft.com/azure/ai-services/speech-service>; its open SDKs call it USP).

use crate::calendar::civil;

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

/// Milliseconds since 1970 as `X-Timestamp` has them: `2026-11-22T16:20:55.939Z`.
pub fn timestamp(unix_ms: u64) -> String {
    let (days, ms) = (unix_ms / 86_400_000, unix_ms % 86_400_000);
    let (year, month, day) = civil(days);
    let parts = [(year, 4, '-'), (month, 2, '-'), (day, 2, 'T'), (ms / 3_600_000, 2, ':'), (ms / 60_000 % 60, 2, ':')];
    let parts = parts.into_iter().chain([(ms / 1000 % 60, 2, '.'), (ms % 1000, 3, 'Z')]);
    // By hand: listeners write it ten times a second.
    let mut written = String::with_capacity(24);
    for (number, digits, behind) in parts {
        for place in (0..digits).rev() {
            written.push(char::from(b'0' + (number / 10u64.pow(place) % 10) as u8));
        }
        written.push(behind);
    }
    written
}

/// Ids of connections and turns: 32 lower-case hexadecimal digits, a different one each time, the same ones of the same seed
/// (xoshiro256++).
#[derive(Clone, Debug)]
pub struct Ids([u64; 4]);

impl Ids {
    /// `seed` is the session's: 32 bytes; what is missing of it is taken as zeros.
    pub fn new(seed: &[u8]) -> Self {
        let mut state = [0x9e37_79b9_7f4a_7c15; 4];
        for (word, bytes) in state.iter_mut().zip(seed.chunks(8)) {
            *word ^= bytes.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte));
        }
        // All zeros would stay so.
        state[0] |= u64::from(state == [0; 4]);
        Self(state)
    }

    /// The next one.
    pub fn next_id(&mut self) -> String {
        format!("{:016x}{:016x}", self.draw(), self.draw())
    }

    fn draw(&mut self) -> u64 {
        let [a, b, c, d] = &mut self.0;
        let drawn = a.wrapping_add(*d).rotate_left(23).wrapping_add(*a);
        let shifted = *b << 17;
        *c ^= *a;
        *d ^= *b;
        *b ^= *c;
        *a ^= *d;
        *c ^= shifted;
        *d = d.rotate_left(45);
        drawn
    }
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

    #[test]
    fn time_is_written_as_the_calendar_has_it() {
        let expected = [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_782_820_800_007, "2026-06-30T12:00:00.007Z"),
            (1_798_761_599_999, "2026-12-31T23:59:59.999Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
        ];
        for (unix_ms, text) in expected {
            assert_eq!(timestamp(unix_ms), text);
        }
    }

    #[test]
    fn ids_differ_and_come_again_of_the_same_seed() {
        let (mut ids, mut same, mut other) = (Ids::new(&[7; 32]), Ids::new(&[7; 32]), Ids::new(&[8; 32]));
        let some: Vec<String> = (0..50).map(|_| ids.next_id()).collect();
        assert!(some.iter().all(|id| id.len() == 32 && id.bytes().all(|digit| b"0123456789abcdef".contains(&digit))));
        assert!((1..50).all(|nth| !some[..nth].contains(&some[nth])));
        assert_eq!((some[0] == same.next_id(), some[0] == other.next_id()), (true, false));
        assert_ne!(Ids::new(&[0; 32]).next_id(), Ids::new(&[]).next_id()[..31]);
    }
}
