//! Standard output and error: whole lines of the session's log.

use crate::journal::{LogLevel, SharedJournal};
use crate::limits::LOG_LINE_BYTES;
use bytes::Bytes;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use tokio::io::AsyncWrite;
use wasmtime_wasi::async_trait;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

/// Bytes that may be written at a time; a longer `blocking-write-and-flush` is against WASI.
const WRITABLE: usize = 4096;

/// One of the two; all its streams write the same lines.
#[derive(Clone)]
pub(super) struct Paper {
    journal: SharedJournal,
    level: LogLevel,
    unfinished: Arc<Mutex<Vec<u8>>>,
}

impl Paper {
    pub(super) fn new(journal: &SharedJournal, level: LogLevel) -> Self {
        Self { journal: journal.clone(), level, unfinished: Arc::default() }
    }

    fn put(&self, bytes: &[u8]) {
        let mut unfinished = self.unfinished.lock().unwrap_or_else(PoisonError::into_inner);
        for line in lines(&mut unfinished, bytes) {
            self.journal.write(self.level, line);
        }
    }
}

/// The lines that these bytes end; what is left waits for its end, or for being as long as a line can be.
fn lines(unfinished: &mut Vec<u8>, bytes: &[u8]) -> Vec<String> {
    let mut lines = Vec::new();
    for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
        // What is cut from a long line is not kept for later.
        let room = LOG_LINE_BYTES.saturating_sub(unfinished.len());
        unfinished.extend(&piece[..piece.len().min(room)]);
        if piece.ends_with(b"\n") || unfinished.len() >= LOG_LINE_BYTES {
            let line = String::from_utf8_lossy(unfinished).trim_end().to_owned();
            unfinished.clear();
            if !line.is_empty() {
                lines.push(line);
            }
        }
    }
    lines
}

impl IsTerminal for Paper {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Paper {
    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }

    // WASI 0.3's way.
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }
}

#[async_trait]
impl Pollable for Paper {
    async fn ready(&mut self) {}
}

impl OutputStream for Paper {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.put(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(WRITABLE)
    }
}

impl AsyncWrite for Paper {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.put(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_becomes_whole_lines_of_bounded_length() {
        let mut unfinished = Vec::new();
        assert!(lines(&mut unfinished, b"one, ").is_empty());
        assert_eq!(lines(&mut unfinished, b"two\n\nthree\nfo"), ["one, two", "three"]);
        assert_eq!(lines(&mut unfinished, b"ur\n"), ["four"]);
        let long = lines(&mut unfinished, &vec![b'x'; 3 * LOG_LINE_BYTES]);
        assert_eq!((long.len(), long[0].len()), (1, LOG_LINE_BYTES));
    }
}
