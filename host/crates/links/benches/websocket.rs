//! CPU for a message of 3200 bytes on each of 400 WebSockets every 100 ms, paced in real time on one worker: through a door, and by a
//! task with a timer for each connection as is usual. Loopback: the kernel's work for the receiver is counted to the sender, and `late`
//! has the receiver's own queue in it. The rows through doors and by writes alone contain the pacing.
//!
//! `cargo bench -p vg-links --bench websocket [-- SECONDS]`

#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs, reason = "a program that prints a table")]

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, accept_async, client_async};
use vg_links::grant::{Budget, Policy, Reach};
use vg_links::secrets::Secrets;
use vg_links::wire::{Authentication, LinkEffect, LinkInput, WebsocketOpen};
use vg_links::{Door, Grant, Links, LinksConfig};

const CONNECTIONS: usize = 400;
const CHUNK: usize = 3_200;
const PERIOD: Duration = Duration::from_millis(100);
/// As the media clock: a slot's sessions get their chunk together.
const SLOT: Duration = Duration::from_millis(5);
const SLOTS: usize = 20;

fn main() {
    // `cargo bench` adds `--bench`.
    let seconds = std::env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(4);
    let life = Duration::from_secs(seconds);
    let pacing = paced(life, |chunk| drop(std::hint::black_box(chunk.to_vec())));
    println!("pacing alone: {pacing:.2} us per message");
    println!("{:<28}{:>12}{:>14}{:>14}{:>10}", "", "us/message", "late p50 us", "late p99 us", "messages");
    let server = Server::start(false);
    report("write alone, plain", &server, || by_writes(&server, life));
    for tls in [false, true] {
        let encryption = if tls { "TLS" } else { "plain" };
        let server = Server::start(tls);
        report(&format!("door, {encryption}"), &server, || through_doors(&server, life));
        let server = Server::start(tls);
        report(&format!("task per link, {encryption}"), &server, || by_tasks(&server, life));
    }
}

fn report(name: &str, server: &Server, run: impl FnOnce() -> Duration) {
    let cpu = run();
    server.stop.store(true, Relaxed);
    let mut late = server.late_us.lock().unwrap().clone();
    late.sort_unstable();
    let at = |percent: usize| late[(late.len() - 1) * percent / 100];
    let each = cpu.as_secs_f64() * 1e6 / late.len() as f64;
    println!("{name:<28}{each:>12.2}{:>14}{:>14}{:>10}", at(50), at(99), late.len());
}

/// The table's time base, in every chunk's first bytes.
fn stamp(chunk: &mut [u8], began: Instant) {
    chunk[..8].copy_from_slice(&(began.elapsed().as_micros() as u64).to_le_bytes());
}

/// CPU that a thread has used.
fn thread_cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(stat.split_whitespace().next().unwrap().parse().unwrap())
}

fn worker() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// What the loop around costs by itself.
fn paced(life: Duration, mut take: impl FnMut(&[u8])) -> f64 {
    let mut chunk = vec![0; CHUNK];
    let began = Instant::now();
    let before = thread_cpu();
    let mut messages = 0;
    worker().block_on(async {
        let mut clock = tokio::time::interval(SLOT);
        while began.elapsed() < life {
            clock.tick().await;
            for _ in 0..CONNECTIONS / SLOTS {
                stamp(&mut chunk, began);
                take(&chunk);
                messages += 1;
            }
        }
    });
    (thread_cpu() - before).as_secs_f64() * 1e6 / f64::from(messages)
}

/// The kernel's part: a frame that lies ready is written to each socket, and nothing else.
fn by_writes(server: &Server, life: Duration) -> Duration {
    worker().block_on(async {
        let mut sockets = Vec::new();
        for _ in 0..CONNECTIONS {
            let tcp = TcpStream::connect(&server.address).await.unwrap();
            tcp.set_nodelay(true).unwrap();
            sockets.push(client_async("ws://127.0.0.1/", tcp).await.unwrap().0.into_inner());
        }
        // Binary, final, masked with zeroes.
        let mut frame = [&[0x82, 0xfe][..], &(CHUNK as u16).to_be_bytes(), &[0; 4 + CHUNK]].concat();
        let before = thread_cpu();
        let began = Instant::now();
        let mut clock = tokio::time::interval(SLOT);
        for slot in (0..SLOTS).cycle() {
            clock.tick().await;
            if began.elapsed() >= life {
                break;
            }
            for tcp in sockets.iter().skip(slot).step_by(SLOTS) {
                stamp(&mut frame[8..], server.began);
                assert_eq!(tcp.try_write(&frame).unwrap(), frame.len());
            }
        }
        thread_cpu() - before
    })
}

fn through_doors(server: &Server, life: Duration) -> Duration {
    worker().block_on(async {
        let rule = vec![server.origin.parse().unwrap()];
        let networks = vec!["127.0.0.0/8".parse().unwrap()];
        let grant = Arc::new(Grant {
            tenant: "bench".into(),
            plugin: "bench".into(),
            reach: Reach { wish: rule.clone(), policy: Policy { hosts: rule, networks }, tenant: None },
            secrets: Secrets::default(),
            connections: Arc::new(Semaphore::new(CONNECTIONS)),
            budget: Budget::default(),
        });
        let links = Links::new(LinksConfig { operator_cas: server.authorities(), ..Default::default() }).unwrap();
        let mut doors = Vec::new();
        for _ in 0..CONNECTIONS {
            doors.push(open(&links, &grant, &server.origin).await);
        }
        let mut chunk = vec![0; CHUNK];
        let before = thread_cpu();
        let began = Instant::now();
        let mut clock = tokio::time::interval(SLOT);
        for slot in (0..SLOTS).cycle() {
            clock.tick().await;
            if began.elapsed() >= life {
                break;
            }
            for door in doors.iter_mut().skip(slot).step_by(SLOTS) {
                stamp(&mut chunk, server.began);
                assert!(door.take_audio(&chunk).is_some());
            }
        }
        thread_cpu() - before
    })
}

async fn open(links: &Arc<Links>, grant: &Arc<Grant>, origin: &str) -> Door {
    let mut door = links.door(Arc::clone(grant));
    let open = WebsocketOpen {
        id: 1,
        url: format!("{origin}/"),
        headers: Vec::new(),
        subprotocols: Vec::new(),
        auth: Authentication::Templates,
    };
    door.apply(LinkEffect::Websocket(open)).unwrap();
    let told = door.next().await;
    assert!(matches!(told, LinkInput::Opened { status: 101, .. }), "{told:?}");
    assert!(door.route(1, Vec::new()));
    door
}

fn by_tasks(server: &Server, life: Duration) -> Duration {
    worker().block_on(async {
        let mut plain = Vec::new();
        let mut encrypted = Vec::new();
        for _ in 0..CONNECTIONS {
            let tcp = TcpStream::connect(&server.address).await.unwrap();
            tcp.set_nodelay(true).unwrap();
            match server.client() {
                None => plain.push(client_async("ws://127.0.0.1/", tcp).await.unwrap().0),
                Some(connector) => {
                    let tls = connector.connect(ServerName::try_from("127.0.0.1").unwrap(), tcp).await.unwrap();
                    encrypted.push(client_async("wss://127.0.0.1/", tls).await.unwrap().0);
                }
            }
        }
        let before = thread_cpu();
        let mut tasks = JoinSet::new();
        let began = tokio::time::Instant::now() + SLOT;
        let phase = |nth: usize| began + SLOT * (nth % SLOTS) as u32;
        for (nth, websocket) in plain.into_iter().enumerate() {
            tasks.spawn(send(websocket, phase(nth), began + life, server.began));
        }
        for (nth, websocket) in encrypted.into_iter().enumerate() {
            tasks.spawn(send(websocket, phase(nth), began + life, server.began));
        }
        while tasks.join_next().await.is_some() {}
        thread_cpu() - before
    })
}

async fn send<S>(mut websocket: WebSocketStream<S>, first: tokio::time::Instant, until: tokio::time::Instant, stamps: Instant)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut clock = tokio::time::interval_at(first, PERIOD);
    loop {
        tokio::select! {
            at = clock.tick() => {
                if at >= until {
                    return;
                }
                let mut chunk = vec![0; CHUNK];
                stamp(&mut chunk, stamps);
                websocket.send(Message::Binary(Bytes::from(chunk))).await.unwrap();
            }
            read = websocket.next() => drop(read.unwrap()),
        }
    }
}

/// Takes all that comes, on a thread of its own.
struct Server {
    origin: String,
    address: String,
    authority: Option<String>,
    began: Instant,
    late_us: Arc<Mutex<Vec<u64>>>,
    stop: Arc<AtomicBool>,
}

impl Server {
    fn start(tls: bool) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (authority, acceptor) = if tls { certified() } else { (None, None) };
        let (late_us, stop) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let began = Instant::now();
        let (late, stopped) = (Arc::clone(&late_us), Arc::clone(&stop));
        let serving = move || worker().block_on(serve(listener, acceptor, began, late, stopped));
        thread::Builder::new().name("server".to_owned()).spawn(serving).unwrap();
        let scheme = if tls { "wss" } else { "ws" };
        Self { origin: format!("{scheme}://{address}"), address, authority, began, late_us, stop }
    }

    fn authorities(&self) -> Vec<Vec<u8>> {
        self.authority.iter().map(|pem| pem.clone().into_bytes()).collect()
    }

    fn client(&self) -> Option<TlsConnector> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.authority.as_ref()?.as_bytes()).unwrap()).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        Some(TlsConnector::from(Arc::new(config)))
    }
}

async fn serve(
    listener: std::net::TcpListener,
    acceptor: Option<TlsAcceptor>,
    began: Instant,
    late: Arc<Mutex<Vec<u64>>>,
    stop: Arc<AtomicBool>,
) {
    let listener = TcpListener::from_std(listener).unwrap();
    let mut tasks = JoinSet::new();
    while !stop.load(Relaxed) {
        let Ok(accepted) = tokio::time::timeout(PERIOD, listener.accept()).await else { continue };
        let (tcp, late, acceptor) = (accepted.unwrap().0, Arc::clone(&late), acceptor.clone());
        tasks.spawn(async move {
            match acceptor {
                None => read(accept_async(tcp).await.unwrap(), began, late).await,
                Some(acceptor) => {
                    let tls = acceptor.accept(tcp).await.unwrap();
                    read(accept_async(tls).await.unwrap(), began, late).await;
                }
            }
        });
    }
}

async fn read<S: AsyncRead + AsyncWrite + Unpin>(mut peer: WebSocketStream<S>, began: Instant, late: Arc<Mutex<Vec<u64>>>) {
    while let Some(Ok(message)) = peer.next().await {
        if let Message::Binary(chunk) = message {
            let sent = u64::from_le_bytes(chunk[..8].try_into().unwrap());
            late.lock().unwrap().push((began.elapsed().as_micros() as u64).saturating_sub(sent));
        }
    }
}

fn certified() -> (Option<String>, Option<TlsAcceptor>) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = params.self_signed(&key).unwrap();
    let leaf_key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    let leaf = leaf.signed_by(&leaf_key, &Issuer::new(params, key)).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![leaf.into()], PrivateKeyDer::try_from(leaf_key.serialize_der()).unwrap())
        .unwrap();
    (Some(authority.pem()), Some(TlsAcceptor::from(Arc::new(config))))
}
