//! gRPC over HTTP/2: length-prefixed messages and what trailers mean
//! (<https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>).

mod details;

/// A flag byte and a length.
const PREFIX: usize = 5;

/// Why bytes are no gRPC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GrpcError {
    /// No compression was offered, so none may come.
    #[error("message is compressed")]
    Compressed,
    /// Longer than the reader allows.
    #[error("message of {0} bytes is too long")]
    TooLong(u32),
}

/// One message with its prefix, uncompressed.
pub fn frame(message: &[u8]) -> Vec<u8> {
    let mut framed = Vec::with_capacity(PREFIX + message.len());
    framed.push(0);
    framed.extend((message.len() as u32).to_be_bytes());
    framed.extend(message);
    framed
}

/// Puts messages together.
#[derive(Clone, Debug)]
pub struct Frames {
    waiting: Vec<u8>,
    longest: u32,
}

impl Frames {
    /// A reader of messages of at most `longest` bytes.
    pub fn new(longest: u32) -> Self {
        Self { waiting: Vec::new(), longest }
    }

    /// More of the body.
    pub fn push(&mut self, bytes: &[u8]) {
        self.waiting.extend(bytes);
    }

    /// The next whole message; none where more has to come.
    ///
    /// # Errors
    /// See [`GrpcError`]; the stream cannot be read any further.
    pub fn poll(&mut self) -> Result<Option<Vec<u8>>, GrpcError> {
        let Some((&[flag, a, b, c, d], _)) = self.waiting.split_first_chunk::<PREFIX>() else { return Ok(None) };
        let length = u32::from_be_bytes([a, b, c, d]);
        if flag != 0 {
            return Err(GrpcError::Compressed);
        }
        if length > self.longest {
            return Err(GrpcError::TooLong(length));
        }
        let end = PREFIX + length as usize;
        if self.waiting.len() < end {
            return Ok(None);
        }
        let rest = self.waiting.split_off(end);
        let mut message = std::mem::replace(&mut self.waiting, rest);
        message.drain(..PREFIX);
        Ok(Some(message))
    }

    /// Whether the stream ended within a message.
    pub fn is_cut(&self) -> bool {
        !self.waiting.is_empty()
    }
}

/// How a call ended, from its trailers (or its head, where there is only that).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// 0 is well; the codes are those of `google.rpc.Code`.
    pub code: u32,
    /// Percent-decoded; never to be logged unread, since it may repeat what was said.
    pub message: String,
    /// `grpc-status-details-bin`, decoded: a `google.rpc.Status`.
    pub details: Vec<u8>,
}

impl Status {
    /// None where the fields hold no `grpc-status`.
    pub fn of(fields: &[(String, String)]) -> Option<Self> {
        let field = |name: &str| fields.iter().find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim());
        Some(Self {
            code: field("grpc-status")?.parse().ok()?,
            message: percent_decoded(field("grpc-message").unwrap_or_default()),
            details: field("grpc-status-details-bin").and_then(base64_decoded).unwrap_or_default(),
        })
    }
}

fn percent_decoded(text: &str) -> String {
    let mut rest = text.as_bytes();
    let mut decoded = Vec::with_capacity(rest.len());
    while let Some((&byte, after)) = rest.split_first() {
        let hex = (byte == b'%').then(|| after.get(..2)).flatten();
        let value = hex.and_then(|hex| std::str::from_utf8(hex).ok()).and_then(|hex| u8::from_str_radix(hex, 16).ok());
        rest = if value.is_some() { &after[2..] } else { after };
        decoded.push(value.unwrap_or(byte));
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

/// Standard alphabet, with or without padding: peers send both.
fn base64_decoded(text: &str) -> Option<Vec<u8>> {
    let mut decoded = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut held) = (0u32, 0);
    for letter in text.trim_end_matches('=').bytes() {
        let value = match letter {
            b'A'..=b'Z' => letter - b'A',
            b'a'..=b'z' => letter - b'a' + 26,
            b'0'..=b'9' => letter - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        held += 6;
        if held >= 8 {
            held -= 8;
            decoded.push((bits >> held) as u8);
        }
    }
    Some(decoded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_come_whole_however_they_are_cut() {
        let stream = [frame(b"one"), frame(b""), frame(&[7; 300])].concat();
        for size in [1, 2, 5, 7, stream.len()] {
            let mut frames = Frames::new(300);
            let mut messages = Vec::new();
            for piece in stream.chunks(size) {
                frames.push(piece);
                while let Some(message) = frames.poll().unwrap() {
                    messages.push(message);
                }
            }
            assert_eq!(messages, [b"one".to_vec(), vec![], vec![7; 300]], "in pieces of {size}");
            assert!(!frames.is_cut());
        }
    }

    #[test]
    fn what_is_compressed_or_endless_is_refused() {
        let mut frames = Frames::new(10);
        frames.push(&[1, 0, 0, 0, 1, 0]);
        assert_eq!(frames.poll(), Err(GrpcError::Compressed));
        let mut frames = Frames::new(10);
        frames.push(&[0, 0, 0, 0, 11]);
        assert_eq!(frames.poll(), Err(GrpcError::TooLong(11)));
        let mut frames = Frames::new(10);
        frames.push(&[0, 0, 0, 0, 10, 1]);
        assert_eq!(frames.poll(), Ok(None));
        assert!(frames.is_cut());
    }

    #[test]
    fn trailers_say_how_it_ended() {
        let fields = |list: &[(&str, &str)]| list.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect::<Vec<_>>();
        let status = Status::of(&fields(&[
            ("grpc-status", "8"),
            ("grpc-message", "too %C3%A1 fast 100%"),
            ("grpc-status-details-bin", "CAgSAWE"),
        ]));
        let status = status.unwrap();
        assert_eq!((status.code, status.message.as_str()), (8, "too \u{e1} fast 100%"));
        assert_eq!(status.details, [8, 8, 18, 1, b'a']);
        assert_eq!(Status::of(&fields(&[("x", "1")])), None);
    }
}
