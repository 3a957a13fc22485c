//! `application/vnd.amazon.eventstream`: messages with typed headers and two checksums
//! (<https://docs.aws.amazon.com/transcribe/latest/dg/streaming-setting-up.html>), and how they are signed one after another.

use crate::calendar::civil;
use sha2::{Digest, Sha256};

/// Two lengths and the checksum of them.
const PRELUDE: usize = 12;
const CHECKSUM: usize = 4;

/// A header's value, of the kinds that the speech services use; others are passed over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Kind 7.
    Text(String),
    /// Kind 6.
    Bytes(Vec<u8>),
    /// Kind 8: milliseconds since 1970-01-01T00:00:00Z.
    Timestamp(i64),
}

/// One message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// In order.
    pub headers: Vec<(String, Value)>,
    /// Anything.
    pub payload: Vec<u8>,
}

/// Why bytes are no event stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EventStreamError {
    /// A checksum does not fit.
    #[error("checksum is wrong")]
    Checksum,
    /// Lengths contradict each other, or a header is not written as it must be.
    #[error("message is malformed")]
    Malformed,
    /// Longer than the reader allows.
    #[error("message of {0} bytes is too long")]
    TooLong(u32),
}

impl Message {
    /// An event as clients send it: `:message-type`, `:event-type`, `:content-type`, and a payload.
    pub fn event(kind: &str, content_type: &str, payload: impl Into<Vec<u8>>) -> Self {
        let text = |name: &str, value: &str| (name.to_owned(), Value::Text(value.to_owned()));
        Self {
            headers: vec![text(":message-type", "event"), text(":event-type", kind), text(":content-type", content_type)],
            payload: payload.into(),
        }
    }

    /// The text of a header; none where there is none, or it is no text.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| other == name).and_then(|(_, value)| match value {
            Value::Text(text) => Some(text.as_str()),
            Value::Bytes(_) | Value::Timestamp(_) => None,
        })
    }

    /// As bytes of the stream.
    pub fn encode(&self) -> Vec<u8> {
        encoded(&headers_encoded(&self.headers), &self.payload)
    }

    /// One whole message.
    ///
    /// # Errors
    /// See [`EventStreamError`]; also where bytes are missing or left over.
    pub fn decode(bytes: &[u8]) -> Result<Self, EventStreamError> {
        let Some((total, headers_length)) = prelude(bytes)? else { return Err(EventStreamError::Malformed) };
        if total as usize != bytes.len() {
            return Err(EventStreamError::Malformed);
        }
        let (body, checksum) = bytes.split_at(bytes.len() - CHECKSUM);
        if crc32fast::hash(body).to_be_bytes() != checksum {
            return Err(EventStreamError::Checksum);
        }
        let (headers, payload) = body[PRELUDE..].split_at(headers_length as usize);
        Ok(Self { headers: headers_decoded(headers)?, payload: payload.to_vec() })
    }
}

/// A message around another one, signed: `:date` and `:chunk-signature`, the payload is the inner message (empty: the end of the stream).
///
/// `sign` is given the message's date as `YYYYMMDDTHHMMSSZ` and the SHA-256 of its encoded `:date` header and of its payload, both in
/// lower-case hexadecimal, and gives the signature in lower-case hexadecimal. None where it gives none.
pub fn signed(payload: &[u8], unix_ms: u64, sign: impl FnOnce(&str, &str, &str) -> Option<String>) -> Option<Vec<u8>> {
    let date = headers_encoded(&[(":date".to_owned(), Value::Timestamp(unix_ms.cast_signed()))]);
    let signature = sign(&amz_date(unix_ms), &hex(&Sha256::digest(&date)), &hex(&Sha256::digest(payload)))?;
    let mut headers = date;
    headers.extend(headers_encoded(&[(":chunk-signature".to_owned(), Value::Bytes(unhex(&signature)?))]));
    Some(encoded(&headers, payload))
}

/// Signs message after message: each signature is part of what the next one signs.
#[derive(Clone, Debug)]
pub struct Chain {
    prior: String,
}

impl Chain {
    /// Begins with the signature of the request, lower-case hexadecimal.
    pub fn new(first: impl Into<String>) -> Self {
        Self { prior: first.into() }
    }

    /// The next message, see [`signed`]. `sign` is given the signature before as well. None where it gives none: the chain is broken then.
    pub fn message(
        &mut self,
        payload: &[u8],
        unix_ms: u64,
        sign: impl FnOnce(&str, &str, &str, &str) -> Option<String>,
    ) -> Option<Vec<u8>> {
        let mut next = None;
        let message = signed(payload, unix_ms, |date, header_hash, payload_hash| {
            next = sign(&self.prior, date, header_hash, payload_hash);
            next.clone()
        })?;
        self.prior = next?;
        Some(message)
    }
}

/// Puts messages together.
#[derive(Clone, Debug)]
pub struct Messages {
    waiting: Vec<u8>,
    longest: u32,
}

impl Messages {
    /// A reader of messages of at most `longest` bytes.
    pub fn new(longest: u32) -> Self {
        Self { waiting: Vec::new(), longest }
    }

    /// More of the stream.
    pub fn push(&mut self, bytes: &[u8]) {
        self.waiting.extend(bytes);
    }

    /// The next whole message; none where more has to come.
    ///
    /// # Errors
    /// See [`EventStreamError`]; the stream cannot be read any further.
    pub fn poll(&mut self) -> Result<Option<Message>, EventStreamError> {
        let Some((total, _)) = prelude(&self.waiting)? else { return Ok(None) };
        if total > self.longest {
            return Err(EventStreamError::TooLong(total));
        }
        if self.waiting.len() < total as usize {
            return Ok(None);
        }
        let rest = self.waiting.split_off(total as usize);
        Message::decode(&std::mem::replace(&mut self.waiting, rest)).map(Some)
    }

    /// Whether the stream ended within a message.
    pub fn is_cut(&self) -> bool {
        !self.waiting.is_empty()
    }
}

/// A time as Signature Version 4 writes it: `YYYYMMDDTHHMMSSZ`.
pub fn amz_date(unix_ms: u64) -> String {
    let seconds = unix_ms / 1000;
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = civil(days);
    format!("{year:04}{month:02}{day:02}T{:02}{:02}{:02}Z", second / 3600, second / 60 % 60, second % 60)
}

/// Bytes in lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: [u8; 16] = *b"0123456789abcdef";
    bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]).map(|digit| char::from(DIGITS[usize::from(digit)])).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |letter: u8| char::from(letter).to_digit(16).map(|digit| digit as u8);
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else { return None };
    pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect()
}

/// Total length and that of the headers; none where too little is there to know.
fn prelude(bytes: &[u8]) -> Result<Option<(u32, u32)>, EventStreamError> {
    let Some((&[a, b, c, d, e, f, g, h, checksum @ ..], _)) = bytes.split_first_chunk::<PRELUDE>() else { return Ok(None) };
    if crc32fast::hash(&bytes[..8]).to_be_bytes() != checksum {
        return Err(EventStreamError::Checksum);
    }
    let (total, headers) = (u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([e, f, g, h]));
    match u64::from(total) >= u64::from(headers) + (PRELUDE + CHECKSUM) as u64 {
        true => Ok(Some((total, headers))),
        false => Err(EventStreamError::Malformed),
    }
}

fn encoded(headers: &[u8], payload: &[u8]) -> Vec<u8> {
    let total = PRELUDE + headers.len() + payload.len() + CHECKSUM;
    let mut bytes = Vec::with_capacity(total);
    bytes.extend((total as u32).to_be_bytes());
    bytes.extend((headers.len() as u32).to_be_bytes());
    bytes.extend(crc32fast::hash(&bytes).to_be_bytes());
    bytes.extend(headers);
    bytes.extend(payload);
    bytes.extend(crc32fast::hash(&bytes).to_be_bytes());
    bytes
}

fn headers_encoded(headers: &[(String, Value)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, value) in headers {
        bytes.push(name.len() as u8);
        bytes.extend(name.bytes());
        let (kind, data) = match value {
            Value::Bytes(data) => (6, data.as_slice()),
            Value::Text(text) => (7, text.as_bytes()),
            Value::Timestamp(ms) => {
                bytes.push(8);
                bytes.extend(ms.to_be_bytes());
                continue;
            }
        };
        bytes.push(kind);
        bytes.extend((data.len() as u16).to_be_bytes());
        bytes.extend(data);
    }
    bytes
}

fn headers_decoded(bytes: &[u8]) -> Result<Vec<(String, Value)>, EventStreamError> {
    let mut rest = bytes;
    let mut headers = Vec::new();
    while !rest.is_empty() {
        let length = take(&mut rest, 1)?[0];
        let name = text(take(&mut rest, usize::from(length))?)?;
        let value = match take(&mut rest, 1)?[0] {
            6 => Value::Bytes(counted(&mut rest)?.to_vec()),
            7 => Value::Text(text(counted(&mut rest)?)?),
            8 => {
                let ms = take(&mut rest, 8)?.try_into().map_err(|_| EventStreamError::Malformed)?;
                Value::Timestamp(i64::from_be_bytes(ms))
            }
            // true, false, byte, short, int, long, uuid: nobody here needs them.
            other => {
                let length = match other {
                    0 | 1 => 0,
                    2 => 1,
                    3 => 2,
                    4 => 4,
                    5 => 8,
                    9 => 16,
                    _ => return Err(EventStreamError::Malformed),
                };
                take(&mut rest, length)?;
                continue;
            }
        };
        headers.push((name, value));
    }
    Ok(headers)
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> Result<&'a [u8], EventStreamError> {
    let (taken, left) = rest.split_at_checked(length).ok_or(EventStreamError::Malformed)?;
    *rest = left;
    Ok(taken)
}

fn counted<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8], EventStreamError> {
    let length = take(rest, 2)?;
    take(rest, usize::from(u16::from_be_bytes([length[0], length[1]])))
}

fn text(bytes: &[u8]) -> Result<String, EventStreamError> {
    String::from_utf8(bytes.to_vec()).map_err(|_| EventStreamError::Malformed)
}

#[cfg(test)]
mod tests;
