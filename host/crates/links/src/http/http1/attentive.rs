//! A connection that is read to its end although the peer has stopped reading.

use crate::dial::Stream;
use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A peer that refuses a request answers and hangs up, though most of the body is still to come. To `hyper` a write that fails is the
/// end of the connection; here it is not (RFC 9112, section 9.5): what cannot be sent is dropped, and what was answered is read.
pub(super) struct Attentive {
    stream: Stream,
    unheard: bool,
}

impl Attentive {
    pub(super) fn new(stream: Stream) -> Self {
        Self { stream, unheard: false }
    }

    /// What came of sending, where `all` is what is said to be sent when nobody listens.
    fn sent<T>(&mut self, sent: io::Result<T>, all: T) -> Poll<io::Result<T>> {
        match sent {
            Err(error) if matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset) => {
                self.unheard = true;
                Poll::Ready(Ok(all))
            }
            sent => Poll::Ready(sent),
        }
    }
}

impl AsyncRead for Attentive {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Attentive {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        if self.unheard {
            return Poll::Ready(Ok(data.len()));
        }
        let sent = ready!(Pin::new(&mut self.stream).poll_write(cx, data));
        self.sent(sent, data.len())
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let all = data.iter().map(|slice| slice.len()).sum();
        if self.unheard {
            return Poll::Ready(Ok(all));
        }
        let sent = ready!(Pin::new(&mut self.stream).poll_write_vectored(cx, data));
        self.sent(sent, all)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.unheard {
            return Poll::Ready(Ok(()));
        }
        let sent = ready!(Pin::new(&mut self.stream).poll_flush(cx));
        self.sent(sent, ())
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.unheard {
            return Poll::Ready(Ok(()));
        }
        let sent = ready!(Pin::new(&mut self.stream).poll_shutdown(cx));
        self.sent(sent, ())
    }
}
