//! A session with a door, and the server it speaks to.

use bytes::Bytes;
use futures_util::StreamExt;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::{ServerConfig, crypto::ring::default_provider};
use tokio_rustls::server::TlsStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::{Error, Message};
use vg_links::grant::{Budget, Policy, Reach};
use vg_links::secrets::Secrets;
use vg_links::wire::{Authentication, LinkEffect, LinkErrorKind, LinkId, LinkInput, Payload, WebsocketOpen};
use vg_links::{Deadlines, Door, Grant, Links, LinksConfig};

/// Longer than anything here takes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);
/// The link of a session that has only one.
pub(crate) const LINK: LinkId = 7;

/// A session.
pub(crate) struct Guest {
    pub(crate) links: Arc<Links>,
    pub(crate) door: Door,
    pub(crate) grant: Arc<Grant>,
}

/// A server with its own authority.
pub(crate) struct Server {
    pub(crate) listener: TcpListener,
    tls: Option<TlsAcceptor>,
    authority: Vec<u8>,
}

/// What a session is, beside its server.
pub(crate) struct Terms {
    pub(crate) deadlines: Deadlines,
    pub(crate) budget: Budget,
    pub(crate) secrets: Secrets,
    pub(crate) connections: usize,
}

impl Default for Terms {
    fn default() -> Self {
        Self { deadlines: Deadlines::default(), budget: Budget::default(), secrets: Secrets::default(), connections: 512 }
    }
}

impl Server {
    pub(crate) async fn plain() -> Self {
        Self { listener: TcpListener::bind("127.0.0.1:0").await.unwrap(), tls: None, authority: Vec::new() }
    }

    /// Its sockets hold little: who does not read is soon full.
    pub(crate) fn narrow() -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(16 << 10).unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        Self { listener: socket.listen(64).unwrap(), tls: None, authority: Vec::new() }
    }

    pub(crate) async fn tls() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = params.self_signed(&key).unwrap();
        let issuer = Issuer::new(params, key);
        let leaf_key = KeyPair::generate().unwrap();
        let leaf = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap().signed_by(&leaf_key, &issuer).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![leaf.into()], PrivateKeyDer::try_from(leaf_key.serialize_der()).unwrap())
            .unwrap();
        let plain = Self::plain().await;
        Self { tls: Some(TlsAcceptor::from(Arc::new(config))), authority: authority.pem().into_bytes(), ..plain }
    }

    pub(crate) fn origin(&self) -> String {
        let scheme = if self.tls.is_some() { "wss" } else { "ws" };
        format!("{scheme}://{}", self.listener.local_addr().unwrap())
    }

    /// A session that may reach this server.
    pub(crate) fn guest(&self, terms: Terms) -> Guest {
        let rule = vec![self.origin().parse().unwrap()];
        let networks = vec!["127.0.0.0/8".parse().unwrap()];
        let grant = Arc::new(Grant {
            tenant: "tenant".into(),
            plugin: "stt-test".into(),
            reach: Reach { wish: rule.clone(), policy: Policy { hosts: rule, networks }, tenant: None },
            secrets: terms.secrets,
            connections: Arc::new(Semaphore::new(terms.connections)),
            budget: terms.budget,
        });
        let operator_cas = if self.authority.is_empty() { Vec::new() } else { vec![self.authority.clone()] };
        let links = Links::new(LinksConfig { operator_cas, deadlines: terms.deadlines, ..Default::default() }).unwrap();
        Guest { door: links.door(Arc::clone(&grant)), links, grant }
    }

    pub(crate) fn open(&self, id: LinkId) -> WebsocketOpen {
        WebsocketOpen {
            id,
            url: format!("{}/listen?lang=de", self.origin()),
            headers: Vec::new(),
            subprotocols: Vec::new(),
            auth: Authentication::Templates,
        }
    }

    /// Accepts a connection without reading from it.
    pub(crate) async fn accept(&self) -> TcpStream {
        let tcp = timeout(PATIENCE, self.listener.accept()).await.expect("a connection in time").unwrap().0;
        tcp.set_nodelay(true).unwrap();
        tcp
    }

    /// Accepts a connection and its request, and answers what `answer` makes of the accept key.
    pub(crate) async fn answer(&self, answer: impl FnOnce(&str) -> Vec<u8>) -> (String, TcpStream) {
        let mut tcp = self.accept().await;
        let request = request(&mut tcp).await;
        let key = header(&request, "sec-websocket-key").expect("a key");
        tcp.write_all(&answer(&derive_accept_key(key.as_bytes()))).await.unwrap();
        (request, tcp)
    }

    /// Accepts a connection and upgrades it; what follows are frames as they are written.
    pub(crate) async fn upgrade(&self) -> TcpStream {
        self.answer(switching).await.1
    }

    /// Accepts a WebSocket.
    pub(crate) async fn websocket(&self) -> WebSocketStream<TcpStream> {
        tokio_tungstenite::accept_async(self.accept().await).await.unwrap()
    }

    /// Accepts a WebSocket behind TLS.
    pub(crate) async fn websocket_tls(&self) -> WebSocketStream<TlsStream<TcpStream>> {
        let tls = self.tls.as_ref().unwrap().accept(self.accept().await).await.unwrap();
        tokio_tungstenite::accept_async(tls).await.unwrap()
    }

    /// A session and its open WebSocket.
    pub(crate) async fn pair(&self, terms: Terms) -> (Guest, WebSocketStream<TcpStream>) {
        let mut guest = self.guest(terms);
        guest.apply(LinkEffect::Websocket(self.open(LINK)));
        let peer = self.websocket().await;
        guest.opened().await;
        (guest, peer)
    }

    /// A session, and its server down to the byte.
    pub(crate) async fn raw_pair(&self, terms: Terms) -> (Guest, TcpStream) {
        let mut guest = self.guest(terms);
        guest.apply(LinkEffect::Websocket(self.open(LINK)));
        let peer = self.upgrade().await;
        guest.opened().await;
        (guest, peer)
    }
}

impl Guest {
    /// Sends until the peer, which does not read, takes no more.
    pub(crate) async fn fill(&mut self, id: LinkId) {
        assert!(self.door.route(id, Vec::new()));
        let mut sent = u64::MAX;
        while sent != self.links.counts().bytes_out {
            sent = self.links.counts().bytes_out;
            assert!((0..20).all(|_| self.door.take_audio(&[0; 3200]).is_some()));
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub(crate) fn apply(&mut self, effect: LinkEffect) {
        self.door.apply(effect).unwrap();
    }

    pub(crate) fn send_text(&mut self, text: &str) {
        self.apply(LinkEffect::SendText(LINK, Payload(text.into())));
    }

    pub(crate) fn send_bytes(&mut self, data: Vec<u8>) {
        self.apply(LinkEffect::SendBytes(LINK, Payload(data)));
    }

    pub(crate) async fn next(&mut self) -> LinkInput {
        timeout(PATIENCE, self.door.next()).await.expect("news in time")
    }

    pub(crate) async fn opened(&mut self) {
        let input = self.next().await;
        assert!(matches!(input, LinkInput::Opened { status: 101, .. }), "{input:?}");
    }

    /// The link fails; why, in words.
    pub(crate) async fn failed(&mut self, expected: LinkErrorKind) -> String {
        match self.next().await {
            LinkInput::Failed { kind, detail, .. } if kind == expected => detail,
            other => panic!("{expected:?} was expected, not {other:?}"),
        }
    }
}

/// The next message of a well-behaved peer.
pub(crate) async fn received<S>(peer: &mut WebSocketStream<S>) -> Result<Message, Error>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    timeout(PATIENCE, peer.next()).await.expect("a message in time").expect("an open connection")
}

/// A frame of a server: `first` is FIN, RSV and opcode.
pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match payload.len() {
        len @ 0..126 => frame.push(len as u8),
        len @ 126..65_536 => frame.extend([&[126], &(len as u16).to_be_bytes()[..]].concat()),
        len => frame.extend([&[127], &(len as u64).to_be_bytes()[..]].concat()),
    }
    frame.extend(payload);
    frame
}

/// The next frame of a client, unmasked: its first byte and its payload. None where the connection ended.
pub(crate) async fn client_frame(peer: &mut TcpStream) -> Option<(u8, Vec<u8>)> {
    timeout(PATIENCE, async {
        let first = peer.read_u8().await.ok()?;
        let second = peer.read_u8().await.ok()?;
        assert_eq!(second & 0x80, 0x80, "a client masks");
        let len = match second & 0x7f {
            126 => u64::from(peer.read_u16().await.ok()?),
            127 => peer.read_u64().await.ok()?,
            len => u64::from(len),
        };
        let mask = peer.read_u32().await.ok()?.to_be_bytes();
        let mut payload = vec![0; len as usize];
        peer.read_exact(&mut payload).await.ok()?;
        payload.iter_mut().zip(mask.iter().cycle()).for_each(|(byte, mask)| *byte ^= mask);
        Some((first, payload))
    })
    .await
    .expect("a frame in time")
}

/// The close code that the client sends, after whatever else it sends.
pub(crate) async fn client_close(peer: &mut TcpStream) -> Option<u16> {
    while let Some((first, payload)) = client_frame(peer).await {
        if first & 0x0f == 8 {
            return Some(u16::from_be_bytes([payload[0], payload[1]]));
        }
    }
    None
}

/// A proper answer to the handshake.
pub(crate) fn switching(accept: &str) -> Vec<u8> {
    format!("HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: keep-alive, Upgrade\r\nsec-websocket-accept: {accept}\r\n\r\n")
        .into_bytes()
}

pub(crate) fn header<'a>(request: &'a str, name: &str) -> Option<&'a str> {
    let mut fields = request.lines().filter_map(|line| line.split_once(':'));
    fields.find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}

pub(crate) fn binary(data: impl Into<Bytes>) -> Message {
    Message::Binary(data.into())
}

pub(crate) async fn request(tcp: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(tcp.read_u8().await.unwrap());
    }
    String::from_utf8(head).unwrap()
}
