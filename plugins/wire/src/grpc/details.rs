//! `google.rpc.Status` with the details that a caller acts on, read without the schema of the rest
//! (<https://github.com/googleapis/googleapis/blob/master/google/rpc/error_details.proto>).

use super::Status;

const ERROR_INFO: &[u8] = b"google.rpc.ErrorInfo";
const RETRY_INFO: &[u8] = b"google.rpc.RetryInfo";

impl Status {
    /// `ErrorInfo.reason`, such as `API_KEY_INVALID`: capitals, digits and underscores, so that it can be logged.
    pub fn reason(&self) -> Option<&str> {
        let reason = field(self.detail(ERROR_INFO)?, 1)?.bytes()?;
        let is_name = |byte: &u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || *byte == b'_';
        let told = !reason.is_empty() && reason.len() <= 63 && reason.iter().all(is_name);
        std::str::from_utf8(reason).ok().filter(|_| told)
    }

    /// `RetryInfo.retry_delay`.
    pub fn retry_after_ms(&self) -> Option<u64> {
        let delay = field(self.detail(RETRY_INFO)?, 1)?.bytes()?;
        let number = |wanted| field(delay, wanted).and_then(Value::number).unwrap_or(0);
        number(1).checked_mul(1000)?.checked_add(number(2) / 1_000_000)
    }

    /// The value of the first detail of this type.
    fn detail(&self, of: &[u8]) -> Option<&[u8]> {
        fields(&self.details)
            .filter(|(number, _)| *number == 3)
            .filter_map(|(_, value)| value.bytes())
            .find(|any| field(any, 1).and_then(Value::bytes).is_some_and(|url| url.ends_with(of)))
            .and_then(|any| field(any, 2)?.bytes())
    }
}

#[derive(Clone, Copy)]
enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

impl<'a> Value<'a> {
    fn bytes(self) -> Option<&'a [u8]> {
        if let Self::Bytes(bytes) = self { Some(bytes) } else { None }
    }

    fn number(self) -> Option<u64> {
        if let Self::Number(number) = self { Some(number) } else { None }
    }
}

fn field(message: &[u8], wanted: u64) -> Option<Value<'_>> {
    fields(message).find(|(number, _)| *number == wanted).map(|(_, value)| value)
}

/// The fields of a protobuf message, as far as it is well-formed.
fn fields(mut rest: &[u8]) -> impl Iterator<Item = (u64, Value<'_>)> {
    std::iter::from_fn(move || {
        let key = varint(&mut rest)?;
        let value = match key & 7 {
            0 => Value::Number(varint(&mut rest)?),
            1 => Value::Bytes(take(&mut rest, 8)?),
            2 => {
                let length = varint(&mut rest)?;
                Value::Bytes(take(&mut rest, usize::try_from(length).ok()?)?)
            }
            5 => Value::Bytes(take(&mut rest, 4)?),
            _ => return None,
        };
        Some((key >> 3, value))
    })
}

fn varint(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for nth in 0..10 {
        let (&byte, after) = rest.split_first()?;
        *rest = after;
        value |= u64::from(byte & 0x7f) << (7 * nth);
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, after) = rest.split_at_checked(length)?;
    *rest = after;
    Some(taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(number: u8, value: &[u8]) -> Vec<u8> {
        [&[number << 3 | 2, value.len() as u8], value].concat()
    }

    fn status(details: &[(&str, Vec<u8>)]) -> Status {
        let any = |(kind, value): &(&str, Vec<u8>)| {
            let url = format!("type.googleapis.com/google.rpc.{kind}");
            bytes(3, &[bytes(1, url.as_bytes()), bytes(2, value)].concat())
        };
        let head = [vec![8, 8], bytes(2, b"Quota exceeded")].concat();
        Status { code: 8, message: String::new(), details: [head, details.iter().flat_map(any).collect()].concat() }
    }

    #[test]
    fn reason_and_delay_are_read_among_other_details() {
        let info = [bytes(1, b"RATE_LIMIT_EXCEEDED"), bytes(2, b"googleapis.com")].concat();
        let status = status(&[
            ("QuotaFailure", vec![]),
            ("ErrorInfo", info),
            ("RetryInfo", bytes(1, &[8, 7, 16, 0x80, 0xca, 0xb5, 0xee, 1])),
        ]);
        assert_eq!(status.reason(), Some("RATE_LIMIT_EXCEEDED"));
        assert_eq!(status.retry_after_ms(), Some(7_500));
    }

    #[test]
    fn what_is_no_name_or_cut_is_not_there() {
        let info = bytes(1, b"what the caller said");
        assert_eq!(status(&[("ErrorInfo", info.clone())]).reason(), None);
        let whole = status(&[("ErrorInfo", bytes(1, b"A"))]);
        for length in 0..whole.details.len() {
            let cut = Status { details: whole.details[..length].to_vec(), ..whole.clone() };
            assert_eq!((cut.reason(), cut.retry_after_ms()), (None, None), "{length}");
        }
        assert_eq!(whole.reason(), Some("A"));
    }
}
