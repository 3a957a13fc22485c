//! The head of a request: what a guest may say in it and what the host says itself.

use super::Body;
use super::end::End;
use crate::grant::{Schemes, Target};
use crate::limits::HEADER_BYTES;
use crate::secrets::Head;
use crate::wire::{Fields, HttpVersion};
use http::header::{CONTENT_LENGTH, HOST, HeaderName, HeaderValue};
use http::{Method, Request, Uri, Version};
use url::Position;

/// Fields that say where one connection ends or how a message is framed (RFC 9110, section 7.6.1): the host's alone.
const OF_THE_CONNECTION: [&str; 7] =
    ["connection", "content-length", "host", "http2-settings", "keep-alive", "transfer-encoding", "upgrade"];

/// Checks what the guest gave, before any secret is filled in.
pub(super) fn parse(method: String, url: &str, headers: Fields) -> Result<(Head, Target), End> {
    // CONNECT makes a tunnel to anywhere, TRACE echoes the request with its secrets.
    let forbidden = ["CONNECT", "TRACE"].iter().any(|forbidden| method.eq_ignore_ascii_case(forbidden));
    if forbidden || Method::from_bytes(method.as_bytes()).is_err() {
        return Err(End::protocol("no such method"));
    }
    let (target, url) = Target::parse(url, Schemes::Http)?;
    for (name, value) in &headers {
        let name = name.to_ascii_lowercase();
        let trailers = name == "te" && value != "trailers";
        if OF_THE_CONNECTION.contains(&name.as_str()) || name.starts_with("proxy-") || trailers {
            return Err(End::protocol("a header belongs to the connection"));
        }
    }
    let head = Head { method, url, headers };
    if bytes(&head) > HEADER_BYTES { Err(End::protocol("the headers are too long")) } else { Ok((head, target)) }
}

/// Bytes of the head, roughly as they are sent.
pub(super) fn bytes(head: &Head) -> usize {
    head.url.as_str().len() + head.headers.iter().map(|(name, value)| name.len() + value.len() + 4).sum::<usize>()
}

/// The request as it is sent. `given` are the headers before secrets were filled in: what differs is marked as not to be printed or
/// indexed (RFC 7541, section 7.1.3).
pub(super) fn request(
    head: &Head,
    given: &Fields,
    target: &Target,
    version: HttpVersion,
    body: &Body,
) -> Result<Request<()>, End> {
    let mut request = Request::new(());
    *request.method_mut() = Method::from_bytes(head.method.as_bytes()).map_err(|_| End::protocol("no such method"))?;
    let path = &head.url[Position::BeforePath..Position::AfterQuery];
    let headers = request.headers_mut();
    for (at, (name, value)) in head.headers.iter().enumerate() {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| End::protocol("a header's name is none"))?;
        let mut field =
            HeaderValue::from_bytes(value.as_bytes()).map_err(|_| End::protocol("a header's value cannot be sent"))?;
        field.set_sensitive(given.get(at).is_none_or(|(_, given)| given != value));
        headers.append(name, field);
    }
    let whole = body.known().map(<[u8]>::len).filter(|length| *length > 0 || may_have_body(&head.method));
    if let Some(length) = whole {
        headers.insert(CONTENT_LENGTH, length.into());
    }
    let uri = match version {
        HttpVersion::Http1 => {
            let host = HeaderValue::try_from(target.authority()).map_err(|_| End::protocol("the URL cannot be sent"))?;
            headers.insert(HOST, host);
            Uri::try_from(path)
        }
        HttpVersion::Http2 => {
            *request.version_mut() = Version::HTTP_2;
            Uri::try_from(format!("{}{path}", target.origin()))
        }
    };
    *request.uri_mut() = uri.map_err(|_| End::protocol("the URL cannot be sent"))?;
    Ok(request)
}

/// Methods whose empty body is said to be empty (RFC 9110, section 8.6).
fn may_have_body(method: &str) -> bool {
    matches!(method, "POST" | "PUT" | "PATCH")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(method: &str, headers: &[(&str, &str)]) -> bool {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        parse(method.to_owned(), "https://vendor.example/", headers).is_err()
    }

    #[test]
    fn what_belongs_to_the_connection_is_not_the_guests() {
        for name in ["Host", "connection", "Transfer-Encoding", "content-length", "Proxy-Authorization", "upgrade"] {
            assert!(refused("GET", &[(name, "x")]), "{name}");
        }
        assert!(refused("GET", &[("te", "gzip")]));
        assert!(!refused("POST", &[("te", "trailers"), ("authorization", "Bearer {secret:k}")]));
    }

    #[test]
    fn neither_tunnels_nor_echoes_nor_nonsense_are_methods() {
        for method in ["CONNECT", "TRACE", "trace", "", "GET /", "G\r\n"] {
            assert!(refused(method, &[]), "{method:?}");
        }
        assert!(refused("GET", &[("x", &"y".repeat(HEADER_BYTES))]));
    }

    #[test]
    fn a_value_that_would_split_the_head_is_not_sent() {
        let (mut head, target) = parse("GET".into(), "http://vendor.example/a?b=c", vec![("x".into(), "y".into())]).unwrap();
        let given = head.headers.clone();
        let body = Body::Whole(bytes::Bytes::new());
        let sent = request(&head, &given, &target, HttpVersion::Http1, &body).unwrap();
        assert_eq!(sent.uri(), "/a?b=c");
        assert_eq!(sent.headers()["host"], "vendor.example");
        head.headers[0].1 = "y\r\nhost: elsewhere".into();
        assert!(request(&head, &given, &target, HttpVersion::Http1, &body).is_err());
    }

    #[test]
    fn what_was_filled_in_is_not_printed() {
        let (mut head, target) =
            parse("GET".into(), "http://vendor.example/", vec![("a".into(), "{secret:k}".into()), ("b".into(), "1".into())])
                .unwrap();
        let given = head.headers.clone();
        head.headers[0].1 = "hunter2".into();
        head.headers.push(("c".into(), "signed".into()));
        let sent = request(&head, &given, &target, HttpVersion::Http2, &Body::Streaming).unwrap();
        let sensitive = ["a", "b", "c"].map(|name| sent.headers()[name].is_sensitive());
        assert_eq!(sensitive, [true, false, true]);
    }
}
