//! The socket side: one origin, HTTP/1.1 and HTTP/2, plain or TLS, and connections that can be cut in the middle of a word.

use crate::Sim;
use axum::{Extension, Router};
use futures_util::task::AtomicWaker;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

/// A certificate for this machine, signed by an authority made for this run.
#[derive(Debug)]
pub struct Identity {
    acceptor: Arc<rustls::ServerConfig>,
    /// The authority's certificate, PEM.
    pub authority: String,
}

impl Identity {
    /// For `localhost` and 127.0.0.1.
    ///
    /// # Errors
    /// Where no key can be made.
    pub fn new() -> anyhow::Result<Self> {
        let mut authority = rcgen::CertificateParams::new(vec![])?;
        authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        authority.distinguished_name.push(rcgen::DnType::CommonName, "vendors on this machine");
        let authority_key = rcgen::KeyPair::generate()?;
        let authority_certificate = authority.self_signed(&authority_key)?;
        let issuer = rcgen::Issuer::new(authority, authority_key);
        let own = rcgen::CertificateParams::new(vec!["localhost".to_owned(), "127.0.0.1".to_owned()])?;
        let key = rcgen::KeyPair::generate()?;
        let certificate = own.signed_by(&key, &issuer)?;
        let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], private)?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self { acceptor: Arc::new(config), authority: authority_certificate.pem() })
    }

    /// Writes the authority where clients can be pointed at it.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn write_authority(&self, folder: &Path) -> io::Result<PathBuf> {
        let file = folder.join("vendors-ca.pem");
        std::fs::write(&file, &self.authority)?;
        Ok(file)
    }
}

/// All simulators on one address, until dropped.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    tls: bool,
    connections: Arc<AtomicU32>,
    cuts: Arc<Mutex<Vec<Weak<CutState>>>>,
    serving: JoinSet<()>,
}

impl Server {
    /// Listens; port 0 takes any. With an identity it speaks TLS and nothing else.
    ///
    /// # Errors
    /// Where the address is taken.
    pub async fn start(sim: Arc<Sim>, bind: SocketAddr, identity: Option<&Identity>) -> io::Result<Self> {
        // To learn them takes seconds where nothing is optimised: not while the first caller speaks.
        let _known = crate::recordings();
        Self::serving(router(&sim), bind, identity).await
    }

    async fn serving(router: Router, bind: SocketAddr, identity: Option<&Identity>) -> io::Result<Self> {
        let listener = TcpListener::bind(bind).await?;
        let address = listener.local_addr()?;
        let acceptor = identity.map(|identity| TlsAcceptor::from(Arc::clone(&identity.acceptor)));
        let tls = acceptor.is_some();
        let mut serving = JoinSet::new();
        let (connections, cuts) = (Arc::<AtomicU32>::default(), Arc::default());
        serving.spawn(accept(listener, acceptor, router, Arc::clone(&connections), Arc::clone(&cuts)));
        Ok(Self { address, tls, connections, cuts, serving })
    }

    /// As a process that is killed: nobody listens any more, and whatever was being said on a connection breaks off. Another may be started at its address.
    pub async fn kill(mut self) {
        // First the door: nobody comes in who would not be cut.
        self.serving.shutdown().await;
        let cuts = std::mem::take(&mut *self.cuts.lock().unwrap_or_else(PoisonError::into_inner));
        cuts.iter().filter_map(Weak::upgrade).for_each(|cut| Cut(cut).now());
    }

    /// `http://127.0.0.1:PORT`, or `https`.
    pub fn origin(&self) -> String {
        format!("{}://{}", if self.tls { "https" } else { "http" }, self.address)
    }

    /// Connections that it has accepted.
    pub fn connections(&self) -> u32 {
        self.connections.load(Ordering::Relaxed)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

fn router(sim: &Arc<Sim>) -> Router {
    let vendors = [
        crate::aws::routes(),
        crate::azure::routes(),
        crate::deepgram::routes(),
        crate::elevenlabs::routes(),
        crate::google::routes(),
        crate::openai::routes(),
        crate::own::routes(),
    ];
    vendors.into_iter().fold(Router::new(), Router::merge).with_state(Arc::clone(sim))
}

async fn accept(
    listener: TcpListener,
    acceptor: Option<TlsAcceptor>,
    router: Router,
    connections: Arc<AtomicU32>,
    cuts: Arc<Mutex<Vec<Weak<CutState>>>>,
) {
    let mut lines = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.fetch_add(1, Ordering::Relaxed);
                    let cut = Cut::default();
                    let mut cuts = cuts.lock().unwrap_or_else(PoisonError::into_inner);
                    cuts.retain(|cut| cut.strong_count() > 0);
                    cuts.push(Arc::downgrade(&cut.0));
                    drop(cuts);
                    lines.spawn(serve(stream, cut, acceptor.clone(), router.clone()));
                }
                // Out of files: others will be closed.
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            },
            Some(_ended) = lines.join_next() => {}
        }
    }
}

async fn serve(stream: TcpStream, cut: Cut, acceptor: Option<TlsAcceptor>, router: Router) {
    // Small messages go out as they are said.
    let _unsupported = stream.set_nodelay(true);
    let line = Line { stream, cut: cut.clone() };
    let service = TowerToHyperService::new(router.layer(Extension(cut)));
    let mut builder = auto::Builder::new(TokioExecutor::new());
    // As large as the vendors' own: an upload of 25 MB must not crawl.
    builder.http2().initial_stream_window_size(1 << 20).initial_connection_window_size(4 << 20).max_frame_size(1 << 20);
    // A client may hang up at any time; that is its right.
    let _hung_up = match acceptor {
        None => builder.serve_connection_with_upgrades(TokioIo::new(line), service).await,
        Some(acceptor) => match acceptor.accept(line).await {
            Ok(line) => builder.serve_connection_with_upgrades(TokioIo::new(line), service).await,
            Err(_refused) => return,
        },
    };
}

/// Cuts a connection as a failing network does: a TCP reset, at once. Each request carries its connection's as an axum `Extension`.
#[derive(Clone, Debug, Default)]
pub struct Cut(Arc<CutState>);

#[derive(Debug, Default)]
struct CutState {
    cut: AtomicBool,
    said: AtomicU32,
    reader: AtomicWaker,
    writer: AtomicWaker,
}

impl Cut {
    /// Now.
    pub fn now(&self) {
        self.0.cut.store(true, Ordering::Release);
        self.0.reader.wake();
        self.0.writer.wake();
    }

    /// Counts a message that was said on this connection: the first is 1.
    pub(crate) fn count(&self) -> u32 {
        self.0.said.fetch_add(1, Ordering::Relaxed) + 1
    }

    fn is_cut(&self) -> bool {
        self.0.cut.load(Ordering::Acquire)
    }
}

/// A TCP connection that obeys its [`Cut`].
struct Line {
    stream: TcpStream,
    cut: Cut,
}

impl Line {
    fn reset(&self) -> io::Error {
        // Zero seconds of lingering make the close a reset.
        let _gone = socket2::SockRef::from(&self.stream).set_linger(Some(Duration::ZERO));
        io::ErrorKind::ConnectionReset.into()
    }
}

impl AsyncRead for Line {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.cut.0.reader.register(cx.waker());
        if self.cut.is_cut() {
            return Poll::Ready(Err(self.reset()));
        }
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Line {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.cut.0.writer.register(cx.waker());
        if self.cut.is_cut() {
            return Poll::Ready(Err(self.reset()));
        }
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.cut.is_cut() {
            return Poll::Ready(Err(self.reset()));
        }
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;
    use axum::routing::get;
    use bytes::Bytes;
    use futures_util::StreamExt;
    use rustls::pki_types::pem::PemObject;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    const ANY: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);
    const ASK: &[u8] = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n";

    /// Says one piece, then cuts.
    fn cutting() -> Router {
        let answer = |Extension(cut): Extension<Cut>| async move {
            let piece = futures_util::stream::iter([Ok::<_, io::Error>(Bytes::from_static(b"one piece"))]);
            let never = futures_util::stream::once(async move {
                tokio::time::sleep(Duration::from_millis(50)).await;
                cut.now();
                std::future::pending::<io::Result<Bytes>>().await
            });
            Body::from_stream(piece.chain(never))
        };
        Router::new().route("/", get(answer))
    }

    async fn answer(mut line: impl AsyncRead + AsyncWrite + Unpin) -> (String, io::ErrorKind) {
        line.write_all(ASK).await.unwrap();
        let mut heard = Vec::new();
        let mut piece = [0; 1000];
        loop {
            match line.read(&mut piece).await {
                Ok(0) => return (String::from_utf8(heard).unwrap(), io::ErrorKind::UnexpectedEof),
                Ok(length) => heard.extend_from_slice(&piece[..length]),
                Err(error) => return (String::from_utf8(heard).unwrap(), error.kind()),
            }
        }
    }

    #[tokio::test]
    async fn a_cut_is_a_reset_in_the_middle_of_an_answer() {
        let server = Server::serving(cutting(), ANY, None).await.unwrap();
        let (heard, end) = answer(TcpStream::connect(server.address()).await.unwrap()).await;
        assert!(heard.contains("one piece") && !heard.ends_with("0\r\n\r\n"), "{heard}");
        assert_eq!(end, io::ErrorKind::ConnectionReset);
    }

    #[tokio::test]
    async fn a_kill_breaks_off_what_is_being_said_and_leaves_the_address_to_the_next() {
        let silent = Router::new().route("/", get(async || std::future::pending::<()>().await));
        let server = Server::serving(silent, ANY, None).await.unwrap();
        let address = server.address();
        let mut line = TcpStream::connect(address).await.unwrap();
        line.write_all(ASK).await.unwrap();
        while server.connections() == 0 {
            tokio::task::yield_now().await;
        }
        server.kill().await;
        assert!(!matches!(line.read(&mut [0; 9]).await, Ok(1..)), "nothing was said");
        assert_eq!(TcpStream::connect(address).await.unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
        let next = Server::serving(cutting(), address, None).await.unwrap();
        assert!(answer(TcpStream::connect(next.address()).await.unwrap()).await.0.contains("one piece"));
    }

    #[tokio::test]
    async fn with_an_identity_it_speaks_tls_to_who_trusts_its_authority() {
        let identity = Identity::new().unwrap();
        let server = Server::serving(cutting(), ANY, Some(&identity)).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let file = std::fs::read(identity.write_authority(folder.path()).unwrap()).unwrap();
        let mut roots = rustls::RootCertStore::empty();
        roots.add(rustls::pki_types::CertificateDer::from_pem_slice(&file).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let connector = tokio_rustls::TlsConnector::from(Arc::new(config.with_root_certificates(roots).with_no_client_auth()));
        let stream = TcpStream::connect(server.address()).await.unwrap();
        let line = connector.connect("localhost".try_into().unwrap(), stream).await.unwrap();
        let (heard, end) = answer(line).await;
        assert!(heard.contains("one piece"), "{heard}");
        assert_eq!(end, io::ErrorKind::ConnectionReset);
        assert!(server.origin().starts_with("https://127.0.0.1:"));
    }
}
