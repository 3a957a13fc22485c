//! Whom a connection trusts, and what it asks the peer to speak.

use crate::rig::*;
use bytes::Bytes;
use http::Response;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use std::sync::Arc;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::server::TlsStream;
use vg_links::wire::{HttpVersion, LinkErrorKind, LinkInput, RequestBody};
use vg_links::{Links, LinksConfig};

struct Server {
    listener: TcpListener,
    acceptor: TlsAcceptor,
    authority: Vec<u8>,
}

impl Server {
    /// With a certificate for `name` by an authority of its own.
    async fn new(name: &str, speaks: &[&[u8]]) -> (Self, String) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = params.self_signed(&key).unwrap().pem().into_bytes();
        let leaf_key = KeyPair::generate().unwrap();
        let leaf = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let leaf = leaf.signed_by(&leaf_key, &Issuer::new(params, key)).unwrap();
        let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![leaf.into()], PrivateKeyDer::try_from(leaf_key.serialize_der()).unwrap())
            .unwrap();
        config.alpn_protocols = speaks.iter().map(|protocol| protocol.to_vec()).collect();
        let (listener, origin) = listener().await;
        (Self { listener, acceptor: TlsAcceptor::from(Arc::new(config)), authority }, origin.replace("http:", "https:"))
    }

    fn terms(&self) -> Terms {
        Terms { operator_cas: vec![self.authority.clone()], ..Terms::default() }
    }

    async fn accept(&self) -> std::io::Result<TlsStream<tokio::net::TcpStream>> {
        self.acceptor.accept(accept(&self.listener).await).await
    }
}

fn ask(origin: &str, version: HttpVersion) -> vg_links::wire::HttpOpen {
    request(1, version, "GET", origin.to_owned(), RequestBody::None)
}

#[tokio::test]
async fn an_operators_authority_is_trusted_for_both_versions() {
    let (server, origin) = Server::new("127.0.0.1", &[b"h2", b"http/1.1"]).await;
    let mut guest = Guest::new(&[&origin], server.terms());
    guest.open(ask(&origin, HttpVersion::Http1));
    let mut tls = server.accept().await.unwrap();
    assert_eq!(tls.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
    head(&mut tls).await;
    tls.write_all(OK.as_bytes()).await.unwrap();
    assert_eq!(guest.answer().await.body, b"ok");
    guest.open(ask(&origin, HttpVersion::Http2));
    let tls = server.accept().await.unwrap();
    assert_eq!(tls.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let mut connection = h2::server::handshake(tls).await.unwrap();
    let (_, mut respond) = connection.accept().await.unwrap().unwrap();
    respond.send_response(Response::new(()), false).unwrap().send_data(Bytes::from_static(b"ok"), true).unwrap();
    tokio::spawn(async move { connection.accept().await.is_none() });
    assert_eq!(guest.answer().await.body, b"ok");
}

#[tokio::test]
async fn a_name_is_asked_for_and_its_addresses_are_tried() {
    let (server, origin) = Server::new("localhost", &[]).await;
    let origin = origin.replace("127.0.0.1", "localhost");
    let mut guest = Guest::new(&[&origin], server.terms());
    guest.open(ask(&origin, HttpVersion::Http1));
    let mut tls = server.accept().await.unwrap();
    assert_eq!(tls.get_ref().1.server_name(), Some("localhost"));
    head(&mut tls).await;
    tls.write_all(OK.as_bytes()).await.unwrap();
    assert_eq!(guest.answer().await.status, 200);
}

/// How a request over TLS fails.
async fn failure(server: &Server, origin: &str, terms: Terms, version: HttpVersion) -> (LinkErrorKind, String) {
    let mut guest = Guest::new(&[origin], terms);
    guest.open(ask(origin, version));
    let (_, told) = tokio::join!(server.accept(), guest.next());
    match told {
        LinkInput::Failed { kind, detail, .. } => (kind, detail),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn whoever_cannot_be_trusted_is_not_spoken_to() {
    use HttpVersion::{Http1, Http2};
    use LinkErrorKind::{Protocol, Tls};
    let (server, origin) = Server::new("127.0.0.1", &[]).await;
    let unknown = failure(&server, &origin, Terms::default(), Http1).await;
    assert_eq!(unknown, (Tls, "the certificate is of an unknown issuer".into()));
    let no_http2 = failure(&server, &origin, server.terms(), Http2).await;
    assert_eq!(no_http2, (Protocol, "the peer does not speak HTTP/2".into()));
    let (server, origin) = Server::new("other.example", &[]).await;
    let wrong_name = failure(&server, &origin, server.terms(), Http1).await;
    assert_eq!(wrong_name, (Tls, "the certificate is for another name".into()));
    let (server, origin) = Server::new("127.0.0.1", &[b"spdy"]).await;
    assert_eq!(failure(&server, &origin, server.terms(), Http2).await.0, Protocol);
}

#[tokio::test]
async fn a_peer_in_the_clear_fails_the_handshake() {
    let (listener, origin) = listener().await;
    let origin = origin.replace("http:", "https:");
    let mut guest = Guest::new(&[&origin], Terms::default());
    guest.open(ask(&origin, HttpVersion::Http1));
    let mut tcp = accept(&listener).await;
    tcp.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
    assert_eq!(guest.failure().await, (LinkErrorKind::Tls, None));
}

#[tokio::test]
async fn an_unreadable_authority_is_a_fault_of_the_configuration() {
    for pem in ["", "no certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        let config = LinksConfig { operator_cas: vec![pem.into()], ..LinksConfig::default() };
        assert_eq!(Links::new(config).err().unwrap().code(), "operator-ca", "{pem}");
    }
}
