//! A TCP proxy that can be slow, swallow everything, and be cut.

use anyhow::Result;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

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
pub struct TcpProxy {
    local: SocketAddr,
    passage: watch::Sender<Passage>,
    task: JoinHandle<()>,
}

impl TcpProxy {
    /// Listens at a free port of loopback and passes everything to `port` of loopback.
    ///
    /// # Errors
    /// Where there is no free port.
    #[expect(clippy::disallowed_methods, reason = "ended when the proxy is dropped")]
    pub async fn to(port: u16) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let local = listener.local_addr()?;
        let (passage, known) = watch::channel(Passage::Open);
        let task = tokio::spawn(serve(listener, port, known));
        Ok(Self { local, passage, task })
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.local.port()
    }

    /// From now on.
    pub fn set(&self, passage: Passage) {
        self.passage.send_replace(passage);
    }
}

impl Drop for TcpProxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(listener: TcpListener, port: u16, mut passage: watch::Receiver<Passage>) {
    let mut connections = JoinSet::new();
    let each = passage.clone();
    loop {
        tokio::select! {
            Ok((near, _)) = listener.accept() => if *passage.borrow() != Passage::Cut {
                connections.spawn(pass(near, port, each.clone()));
            },
            Ok(()) = passage.changed() => if *passage.borrow() == Passage::Cut {
                connections.shutdown().await;
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn pass(near: TcpStream, port: u16, passage: watch::Receiver<Passage>) {
    let Ok(far) = TcpStream::connect(("127.0.0.1", port)).await else { return };
    let _ = (near.set_nodelay(true), far.set_nodelay(true));
    let ((near_in, near_out), (far_in, far_out)) = (near.into_split(), far.into_split());
    tokio::select! {
        _ = pump(near_in, far_out, passage.clone()) => {}
        _ = pump(far_in, near_out, passage) => {}
    }
}

async fn pump(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut passage: watch::Receiver<Passage>,
) -> std::io::Result<()> {
    let mut piece = vec![0; 65_536];
    loop {
        let read = from.read(&mut piece).await?;
        if read == 0 {
            return Ok(());
        }
        let passes = passage.wait_for(|passage| *passage != Passage::Stuck).await.map(|passage| *passage);
        if let Ok(Passage::Slow(by)) = passes {
            tokio::time::sleep(by).await;
        }
        to.write_all(&piece[..read]).await?;
    }
}
