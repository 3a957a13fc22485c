//! An authority of its own, a certificate for 127.0.0.1, and an HTTP server with or without them.

use crate::lab::Issued;
use axum::Router;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tonic::transport::Identity;

/// An authority that has issued one certificate, for 127.0.0.1.
pub struct Authority(Issued);

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}

impl Authority {
    /// A new one, with keys of its own.
    pub fn new() -> Self {
        Self(Issued::to("127.0.0.1").unwrap())
    }

    /// Its own certificate (PEM): who is to trust it is given this.
    pub fn pem(&self) -> &str {
        &self.0.authority
    }

    /// The certificate that it issued, for gRPC.
    pub fn identity(&self) -> Identity {
        Identity::from_pem(&self.0.certificate, &self.0.key)
    }

    /// The same for a server of HTTP.
    pub fn acceptor(&self) -> TlsAcceptor {
        let certificate = CertificateDer::from_pem_slice(self.0.certificate.as_bytes()).unwrap();
        let key = PrivateKeyDer::from_pem_slice(self.0.key.as_bytes()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        TlsAcceptor::from(Arc::new(builder.with_no_client_auth().with_single_cert(vec![certificate], key).unwrap()))
    }
}

/// Serves for ever; by TLS where there is an `acceptor`. Counts `connections`, also those whose client does not like the certificate.
pub async fn serve(listener: TcpListener, router: Router, acceptor: Option<TlsAcceptor>, connections: Arc<AtomicUsize>) {
    match acceptor {
        None => axum::serve(Counted { listener, connections }, router).await.unwrap(),
        Some(acceptor) => axum::serve(Tls { acceptor, inner: Counted { listener, connections } }, router).await.unwrap(),
    }
}

struct Counted {
    listener: TcpListener,
    connections: Arc<AtomicUsize>,
}

impl axum::serve::Listener for Counted {
    type Io = TcpStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (TcpStream, SocketAddr) {
        let accepted = axum::serve::Listener::accept(&mut self.listener).await;
        self.connections.fetch_add(1, Ordering::Relaxed);
        accepted
    }

    fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

struct Tls {
    acceptor: TlsAcceptor,
    inner: Counted,
}

impl axum::serve::Listener for Tls {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, SocketAddr) {
        loop {
            let (tcp, addr) = self.inner.accept().await;
            // Whoever does not like the certificate is gone.
            if let Ok(tls) = self.acceptor.accept(tcp).await {
                return (tls, addr);
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.inner.listener.local_addr()
    }
}
