//! A vendor that takes what it is sent and says nothing, on a thread of its own.

use crate::figures::own_cpu;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use tempfile::NamedTempFile;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_tungstenite::accept_async;
use vg_plugin_host::links::Grant;
use vg_plugin_host::links::grant::{Budget, HostRule, Policy, Reach};
use vg_plugin_host::links::secrets::{LocalStore, SecretSpec, Secrets};

/// Lives as long as the program.
pub(crate) struct Vendor {
    pub(crate) address: SocketAddr,
    told: Arc<Told>,
    // The file has to be there when the key is used.
    key: NamedTempFile,
}

#[derive(Default)]
struct Told {
    bytes: AtomicU64,
    cpu_us: AtomicU64,
    connections: AtomicU64,
}

impl Vendor {
    pub(crate) fn start() -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let told = Arc::<Told>::default();
        let tell = Arc::clone(&told);
        std::thread::spawn(move || Builder::new_current_thread().enable_io().build().unwrap().block_on(serve(listener, tell)));
        let key = NamedTempFile::new().unwrap();
        std::fs::write(&key, "a key").unwrap();
        Self { address, told, key }
    }

    /// May be reached by `connections` at a time.
    pub(crate) fn grant(&self, connections: usize) -> Grant {
        let hosts: Vec<HostRule> = vec![format!("ws://{}", self.address).parse().unwrap()];
        let spec = SecretSpec::Static { reference: format!("file:{}", self.key.path().display()), hosts: None };
        Grant {
            tenant: "bench".into(),
            plugin: "bench".into(),
            reach: Reach {
                wish: hosts.clone(),
                policy: Policy { hosts, networks: vec!["127.0.0.0/8".parse().unwrap()] },
                tenant: None,
            },
            secrets: Secrets::resolve(&BTreeMap::from([("api_key".to_owned(), spec)]), Arc::new(LocalStore::default())).unwrap(),
            connections: Arc::new(Semaphore::new(connections)),
            budget: Budget::default(),
        }
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.told.bytes.load(Relaxed)
    }

    /// CPU of its thread, up to what it took last.
    pub(crate) fn cpu(&self) -> Duration {
        Duration::from_micros(self.told.cpu_us.load(Relaxed))
    }

    pub(crate) fn connections(&self) -> u64 {
        self.told.connections.load(Relaxed)
    }
}

async fn serve(listener: std::net::TcpListener, told: Arc<Told>) {
    let listener = TcpListener::from_std(listener).unwrap();
    let mut connections = JoinSet::new();
    loop {
        let (tcp, _) = listener.accept().await.unwrap();
        connections.spawn(swallow(tcp, Arc::clone(&told)));
    }
}

/// Frames need not be understood to be swallowed.
async fn swallow(tcp: TcpStream, told: Arc<Told>) {
    let Ok(socket) = accept_async(tcp).await else { return };
    let mut tcp = socket.into_inner();
    told.connections.fetch_add(1, Relaxed);
    let mut bytes = vec![0; 16 << 10];
    while let Ok(read @ 1..) = tcp.read(&mut bytes).await {
        told.bytes.fetch_add(read as u64, Relaxed);
        told.cpu_us.store(own_cpu().as_micros() as u64, Relaxed);
    }
}
