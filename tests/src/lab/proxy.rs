//! A TCP proxy between gateway and Asterisk that can be cut and mended.

use anyhow::Result;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// Dropping it cuts everything.
#[derive(Debug)]
pub struct Proxy {
    local: SocketAddr,
    open: watch::Sender<bool>,
    connections: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Proxy {
    /// Listens at a free port of loopback and passes everything to `port` of loopback.
    #[expect(clippy::disallowed_methods, reason = "ended when the proxy is dropped")]
    pub async fn to(port: u16) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let local = listener.local_addr()?;
        let (open, opened) = watch::channel(true);
        let connections = Arc::<AtomicUsize>::default();
        let task = tokio::spawn(pass(listener, port, opened, Arc::clone(&connections)));
        Ok(Self { local, open, connections, task })
    }

    /// Where it listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// Connections so far that were let through.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    /// Breaks every connection, and each new one at once.
    pub fn cut(&self) {
        self.open.send_replace(false);
    }

    /// Lets new connections through again.
    pub fn mend(&self) {
        self.open.send_replace(true);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn pass(listener: TcpListener, port: u16, mut opened: watch::Receiver<bool>, count: Arc<AtomicUsize>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            Ok((mut near, _)) = listener.accept() => if *opened.borrow() {
                count.fetch_add(1, Ordering::Relaxed);
                connections.spawn(async move {
                    if let Ok(mut far) = TcpStream::connect(("127.0.0.1", port)).await {
                        let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
                    }
                });
            },
            Ok(()) = opened.changed() => if !*opened.borrow() {
                connections.shutdown().await;
            },
            Some(_) = connections.join_next() => {}
        }
    }
}
