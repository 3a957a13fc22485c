//! A session with a door, and servers for it.

use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use vg_links::grant::{Budget, Policy, Reach};
use vg_links::secrets::Secrets;
use vg_links::wire::{
    Authentication, Fields, HttpOpen, HttpVersion, LinkEffect, LinkErrorKind, LinkId, LinkInput, Payload, RequestBody,
};
use vg_links::{Deadlines, Door, Grant, Links, LinksConfig};

/// Longer than anything here takes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// What a session is given.
pub(crate) struct Terms {
    pub(crate) deadlines: Deadlines,
    pub(crate) budget: Budget,
    pub(crate) secrets: Secrets,
    pub(crate) connections: usize,
    pub(crate) operator_cas: Vec<Vec<u8>>,
}

impl Default for Terms {
    fn default() -> Self {
        Self {
            deadlines: Deadlines::default(),
            budget: Budget::default(),
            secrets: Secrets::default(),
            connections: 512,
            operator_cas: Vec::new(),
        }
    }
}

/// A session.
pub(crate) struct Guest {
    pub(crate) links: Arc<Links>,
    pub(crate) grant: Arc<Grant>,
    pub(crate) door: Door,
}

/// A whole answer.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Fields,
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: Fields,
}

impl Guest {
    /// May reach `origins`, all on this machine.
    pub(crate) fn new(origins: &[&str], terms: Terms) -> Self {
        let config = LinksConfig { operator_cas: terms.operator_cas, deadlines: terms.deadlines, ..Default::default() };
        let links = Links::new(config).unwrap();
        let rules: Vec<_> = origins.iter().map(|origin| origin.parse().unwrap()).collect();
        let networks = vec!["127.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()];
        let grant = Arc::new(Grant {
            tenant: "tenant".into(),
            plugin: "stt-test".into(),
            reach: Reach { wish: rules.clone(), policy: Policy { hosts: rules, networks }, tenant: None },
            secrets: terms.secrets,
            connections: Arc::new(Semaphore::new(terms.connections)),
            budget: terms.budget,
        });
        Self { door: links.door(Arc::clone(&grant)), links, grant }
    }

    pub(crate) fn open(&mut self, open: HttpOpen) {
        self.door.apply(LinkEffect::Http(open)).unwrap();
    }

    pub(crate) fn send(&mut self, id: LinkId, piece: &[u8]) {
        self.door.apply(LinkEffect::SendBytes(id, Payload(piece.to_vec()))).unwrap();
    }

    pub(crate) fn finish(&mut self, id: LinkId) {
        self.door.apply(LinkEffect::Finish(id)).unwrap();
    }

    pub(crate) fn close(&mut self, id: LinkId) {
        self.door.apply(LinkEffect::Close(id)).unwrap();
    }

    pub(crate) async fn next(&mut self) -> LinkInput {
        timeout(PATIENCE, self.door.next()).await.expect("news in time")
    }

    /// The next news must be the head of an answer.
    pub(crate) async fn opened(&mut self) -> u16 {
        match self.next().await {
            LinkInput::Opened { status, .. } => status,
            other => panic!("{other:?}"),
        }
    }

    /// The next news must be bytes.
    pub(crate) async fn bytes(&mut self) -> Vec<u8> {
        match self.next().await {
            LinkInput::Bytes(_, Payload(data)) => data,
            other => panic!("{other:?}"),
        }
    }

    /// All that is still told of the only link, which must end well.
    pub(crate) async fn answer(&mut self) -> Answer {
        let mut answer = Answer::default();
        loop {
            match self.next().await {
                LinkInput::Opened { status, headers, .. } => (answer.status, answer.headers) = (status, headers),
                LinkInput::Bytes(_, Payload(data)) => answer.body.extend(data),
                LinkInput::Trailers(_, fields) => answer.trailers = fields,
                LinkInput::Finished(_, None) => return answer,
                LinkInput::Full(_) | LinkInput::Writable(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// How the only link fails, and the status if there was one.
    pub(crate) async fn failure(&mut self) -> (LinkErrorKind, Option<u16>) {
        let mut opened = None;
        loop {
            match self.next().await {
                LinkInput::Failed { kind, .. } => return (kind, opened),
                LinkInput::Opened { status, .. } => opened = Some(status),
                LinkInput::Finished(..) => panic!("ended well"),
                _ => {}
            }
        }
    }
}

pub(crate) fn request(id: LinkId, version: HttpVersion, method: &str, url: String, body: RequestBody) -> HttpOpen {
    HttpOpen { id, method: method.into(), url, headers: vec![], body, version, auth: Authentication::Templates }
}

pub(crate) fn get(url: &str) -> HttpOpen {
    request(1, HttpVersion::Http1, "GET", url.to_owned(), RequestBody::None)
}

pub(crate) fn post(url: &str, body: &[u8]) -> HttpOpen {
    request(1, HttpVersion::Http1, "POST", url.to_owned(), RequestBody::Whole(body.to_vec()))
}

/// A gRPC-like call.
pub(crate) fn call(id: LinkId, url: &str) -> HttpOpen {
    let open = request(id, HttpVersion::Http2, "POST", format!("{url}/speech/Stream"), RequestBody::Streaming);
    HttpOpen { headers: vec![("te".into(), "trailers".into()), ("content-type".into(), "application/grpc".into())], ..open }
}

pub(crate) fn fields(fields: &[(&str, &str)]) -> Fields {
    fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// A port of this machine, and its origin.
pub(crate) async fn listener() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    (listener, origin)
}

pub(crate) async fn accept(listener: &TcpListener) -> TcpStream {
    let (tcp, _) = timeout(PATIENCE, listener.accept()).await.expect("a connection in time").unwrap();
    tcp.set_nodelay(true).unwrap();
    tcp
}

/// Reads up to and with `end`.
pub(crate) async fn read_until(stream: &mut (impl AsyncRead + Unpin), end: &str) -> String {
    let mut read = Vec::new();
    while !read.ends_with(end.as_bytes()) {
        let byte = timeout(PATIENCE, stream.read_u8()).await.expect("bytes in time").expect("a byte");
        read.push(byte);
    }
    String::from_utf8(read).unwrap()
}

/// Reads a request's head.
pub(crate) async fn head(stream: &mut (impl AsyncRead + Unpin)) -> String {
    read_until(stream, "\r\n\r\n").await
}

/// Whatever the other side ends with: an orderly end or a reset.
pub(crate) async fn ended(tcp: &mut TcpStream) -> Vec<u8> {
    let mut rest = Vec::new();
    let _ = timeout(PATIENCE, tcp.read_to_end(&mut rest)).await.expect("an end in time");
    rest
}

/// Answers each request of a connection, whose bodies have a `content-length`, with what `respond` makes of its head.
pub(crate) async fn serve(mut tcp: TcpStream, respond: impl Fn(&str) -> String) {
    let mut next = Vec::new();
    while let Ok(byte) = tcp.read_u8().await {
        next.push(byte);
        if !next.ends_with(b"\r\n\r\n") {
            continue;
        }
        let head = String::from_utf8(std::mem::take(&mut next)).unwrap();
        let length = header(&head, "content-length").map_or(0, |length| length.parse().unwrap());
        tcp.read_exact(&mut vec![0; length]).await.unwrap();
        tcp.write_all(respond(&head).as_bytes()).await.unwrap();
    }
}

/// A header of a request.
pub(crate) fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| line.split_once(": ").filter(|(key, _)| *key == name)).map(|(_, value)| value)
}

pub(crate) const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// The server's side of an HTTP/2 connection, which is driven as long as streams are accepted.
pub(crate) async fn http2(listener: &TcpListener) -> h2::server::Connection<TcpStream, Bytes> {
    h2::server::handshake(accept(listener).await).await.unwrap()
}

/// Waits for what comes true.
pub(crate) async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let end = tokio::time::Instant::now() + PATIENCE;
    while !holds() {
        assert!(tokio::time::Instant::now() < end, "{what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
