//! `multipart/form-data`, its parts in any order.

use axum::http::{HeaderMap, header};

/// One part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) name: String,
    pub(super) file_name: Option<String>,
    pub(super) data: Vec<u8>,
}

/// All parts; none where it is no such body.
pub(super) fn parts(headers: &HeaderMap, body: &[u8]) -> Option<Vec<Part>> {
    let kind = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    let (media, boundary) = kind.split_once(';')?;
    if media.trim() != "multipart/form-data" {
        return None;
    }
    let boundary = boundary.trim().strip_prefix("boundary=")?.trim_matches('"');
    let open = format!("--{boundary}\r\n").into_bytes();
    let between = format!("\r\n--{boundary}").into_bytes();
    let mut rest = body.strip_prefix(&open[..])?;
    let mut parts = Vec::new();
    loop {
        let end = find(rest, &between)?;
        parts.push(part(&rest[..end])?);
        rest = &rest[end + between.len()..];
        match rest {
            b"--\r\n" | b"--" => return Some(parts),
            _ => rest = rest.strip_prefix(b"\r\n")?,
        }
    }
}

fn part(bytes: &[u8]) -> Option<Part> {
    let end = find(bytes, b"\r\n\r\n")?;
    let head = std::str::from_utf8(&bytes[..end]).ok()?;
    let disposition = head.lines().find(|line| line.to_ascii_lowercase().starts_with("content-disposition: form-data;"))?;
    let parameter = |name: &str| {
        let of = |piece: &str| Some(piece.trim().strip_prefix(name)?.strip_prefix("=\"")?.strip_suffix('"')?.to_owned());
        disposition.split(';').find_map(of)
    };
    Some(Part { name: parameter("name")?, file_name: parameter("filename"), data: bytes[end + 4..].to_vec() })
}

fn find(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    // A whole file lies between: its first byte is looked for before all of it is compared.
    let first = *needle.first()?;
    let mut from = 0;
    loop {
        let at = from + bytes.get(from..)?.iter().position(|byte| *byte == first)?;
        if bytes[at..].starts_with(needle) {
            return Some(at);
        }
        from = at + 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_come_in_any_order_and_hold_any_bytes() {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, "multipart/form-data; boundary=b0".parse().unwrap());
        let body = b"--b0\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.wav\"\r\nContent-Type: audio/wav\r\n\r\n\r\n--b\0\r\n\
            --b0\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nwhisper-1\r\n--b0--\r\n";
        let parts = parts(&headers, body).unwrap();
        assert_eq!((parts[0].file_name.as_deref(), &parts[0].data[..]), (Some("a.wav"), &b"\r\n--b\0"[..]));
        assert_eq!((parts[1].name.as_str(), &parts[1].data[..]), ("model", &b"whisper-1"[..]));
        for cut in [0, 3, 60, body.len() - 6] {
            assert_eq!(super::parts(&headers, &body[..cut]), None, "{cut}");
        }
        headers.insert(header::CONTENT_TYPE, "application/json".parse().unwrap());
        assert_eq!(super::parts(&headers, body), None);
    }
}
