//! A TCP proxy before whatever a gateway speaks to: it can be slow, swallow everything, and be cut.
//!
//! It has a thread of its own: what else a story does, callers and vendors for fifty calls, makes nobody's Redis slow.

use anyhow::Result;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// What becomes of what is sent through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passage {
    /// It passes.
    Open,
    /// It passes so much later, each way.
    Slow(Duration),
    /// Connections are taken and stay, and nothing passes: what comes waits.
    Stuck,
    /// Every connection is broken, each new one at once.
    Cut,
}

/// Dropping it cuts everything.
#[derive(Debug)]
pub struct Proxy {
    local: SocketAddr,
    passage: watch::Sender<Passage>,
    far: Arc<AtomicU16>,
    connections: Arc<AtomicUsize>,
}

impl Proxy {
    /// Listens at a free port of loopback and passes everything to `port` of loopback.
    ///
    /// # Errors
    /// Where there is no port or no thread to be had.
    pub fn to(port: u16) -> Result<Self> {
        let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let local = listener.local_addr()?;
        let (passage, known) = watch::channel(Passage::Open);
        let (far, connections) = (Arc::new(AtomicU16::new(port)), Arc::<AtomicUsize>::default());
        let (led_to, count) = (Arc::clone(&far), Arc::clone(&connections));
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        thread::Builder::new().name("proxy".to_owned()).spawn(move || {
            runtime.block_on(async move {
                if let Ok(listener) = TcpListener::from_std(listener) {
                    serve(listener, led_to, known, count).await;
                }
            });
        })?;
        Ok(Self { local, passage, far, connections })
    }

    /// Where it listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// Its port of loopback.
    pub fn port(&self) -> u16 {
        self.local.port()
    }

    /// Connections so far that were let through.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    /// Connections that come from now on lead to another port of loopback.
    pub fn lead_to(&self, port: u16) {
        self.far.store(port, Ordering::Relaxed);
    }

    /// From now on, for connections that there are and those that come.
    pub fn set(&self, passage: Passage) {
        self.passage.send_replace(passage);
    }

    /// Breaks every connection, and each new one at once.
    pub fn cut(&self) {
        self.set(Passage::Cut);
    }

    /// Lets everything through again.
    pub fn mend(&self) {
        self.set(Passage::Open);
    }
}

/// Until the proxy is dropped.
async fn serve(listener: TcpListener, far: Arc<AtomicU16>, mut passage: watch::Receiver<Passage>, count: Arc<AtomicUsize>) {
    let mut connections = JoinSet::new();
    let each = passage.clone();
    loop {
        tokio::select! {
            Ok((near, _)) = listener.accept() => if *passage.borrow() != Passage::Cut {
                count.fetch_add(1, Ordering::Relaxed);
                connections.spawn(pass(near, far.load(Ordering::Relaxed), each.clone()));
            },
            changed = passage.changed() => match changed {
                Ok(()) if *passage.borrow_and_update() == Passage::Cut => connections.shutdown().await,
                Ok(()) => {}
                Err(_) => return,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Until both sides have said all they had to say, or one of them broke.
async fn pass(near: TcpStream, port: u16, passage: watch::Receiver<Passage>) {
    let Ok(far) = TcpStream::connect(("127.0.0.1", port)).await else { return };
    let _ = (near.set_nodelay(true), far.set_nodelay(true));
    let ((near_in, near_out), (far_in, far_out)) = (near.into_split(), far.into_split());
    let _ = tokio::try_join!(pump(near_in, far_out, passage.clone()), pump(far_in, near_out, passage));
}

async fn pump(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut passage: watch::Receiver<Passage>,
) -> std::io::Result<()> {
    let mut piece = vec![0; 65_536];
    loop {
        let read = from.read(&mut piece).await?;
        let passes = passage.wait_for(|passage| *passage != Passage::Stuck).await.map(|passage| *passage);
        if let Ok(Passage::Slow(by)) = passes {
            tokio::time::sleep(by).await;
        }
        if read == 0 {
            // The other direction may have more to say.
            return to.shutdown().await;
        }
        to.write_all(&piece[..read]).await?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::timeout;

    /// Answers what was said once all of it was.
    async fn echo(servers: &mut JoinSet<()>) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        servers.spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                let mut said = Vec::new();
                let _ = socket.read_to_end(&mut said).await;
                let _ = socket.write_all(&said).await;
            }
        });
        port
    }

    #[tokio::test]
    async fn what_passes_passes_half_closed_late_or_not_at_all() {
        let mut servers = JoinSet::new();
        let proxy = Proxy::to(echo(&mut servers).await).unwrap();
        let ask = async || {
            let mut socket = TcpStream::connect(proxy.local_addr()).await?;
            socket.write_all(b"hush").await?;
            socket.shutdown().await?;
            let mut heard = String::new();
            socket.read_to_string(&mut heard).await.map(|_| heard)
        };
        assert_eq!(ask().await.unwrap(), "hush", "the answer comes after the end of the question");
        proxy.set(Passage::Slow(Duration::from_millis(50)));
        let begun = tokio::time::Instant::now();
        assert_eq!(ask().await.unwrap(), "hush");
        assert!(begun.elapsed() >= Duration::from_millis(100), "each way");
        proxy.set(Passage::Stuck);
        {
            let mut waiting = std::pin::pin!(ask());
            assert!(timeout(Duration::from_millis(100), &mut waiting).await.is_err());
            proxy.mend();
            assert_eq!(waiting.await.unwrap(), "hush", "it waited");
        }
        assert_eq!(proxy.connections(), 3);
        proxy.cut();
        assert!(ask().await.is_err() || proxy.connections() == 3);
        assert_eq!(proxy.connections(), 3);
    }
}
