//! Bytes between a WebSocket's codec and its socket, TLS between them where it is spoken. Never waits.

use rustls::ClientConnection;
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::sync::Arc;
use tokio::net::TcpStream;

/// Bytes read before others have their turn: a peer that floods with tiny frames holds a worker no longer than these take.
const TURN_BYTES: usize = 16 << 10;

/// A connected socket. Where it would have to wait it says `WouldBlock`.
pub(super) struct Transport {
    tcp: Arc<TcpStream>,
    tls: Option<Box<ClientConnection>>,
    full: bool,
    received: usize,
    turn: usize,
}

impl Transport {
    pub(super) fn new(tcp: Arc<TcpStream>, tls: Option<ClientConnection>) -> Self {
        Self { tcp, tls: tls.map(Box::new), full: false, received: 0, turn: 0 }
    }

    /// Whether something waits for the socket to take more.
    pub(super) fn is_full(&self) -> bool {
        self.full
    }

    /// Bytes read since the last call, as the peer sent them inside TLS.
    pub(super) fn take_received(&mut self) -> usize {
        std::mem::take(&mut self.received)
    }

    /// Whether reading stopped although there may be more; the next turn begins.
    pub(super) fn take_turn_over(&mut self) -> bool {
        let over = self.turn >= TURN_BYTES;
        self.turn = 0;
        over
    }

    /// Says that nothing follows, where TLS has a word for it.
    pub(super) fn end(&mut self) {
        if let Some(tls) = &mut self.tls {
            tls.send_close_notify();
            // A peer that takes no more will see the connection's end instead.
            let _ = self.flush();
        }
    }

    fn encrypt_out(&mut self) -> io::Result<()> {
        let Some(tls) = &mut self.tls else { return Ok(()) };
        while tls.wants_write() {
            if let Err(error) = tls.write_tls(&mut Socket(&self.tcp)) {
                self.full = error.kind() == ErrorKind::WouldBlock;
                return Err(error);
            }
        }
        self.full = false;
        Ok(())
    }
}

impl Read for Transport {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = match &mut self.tls {
                None if self.turn >= TURN_BYTES => return Err(ErrorKind::WouldBlock.into()),
                None => self.tcp.try_read(buffer)?,
                Some(tls) => match tls.reader().read(buffer) {
                    Ok(read) => read,
                    // RFC 6455 has an end of its own; without it a connection that just stops is lost either way.
                    Err(error) if error.kind() == ErrorKind::UnexpectedEof => 0,
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {
                        self.receive_records()?;
                        continue;
                    }
                    Err(error) => return Err(error),
                },
            };
            self.received += read;
            self.turn += read;
            return Ok(read);
        }
    }
}

impl Transport {
    /// Takes encrypted bytes from the socket.
    fn receive_records(&mut self) -> io::Result<()> {
        let Some(tls) = &mut self.tls else { return Ok(()) };
        if self.turn >= TURN_BYTES {
            return Err(ErrorKind::WouldBlock.into());
        }
        let read = tls.read_tls(&mut Socket(&self.tcp))?;
        // Records that carry nothing are work, too.
        self.turn += read.min(TURN_BYTES / 64);
        let processed = tls.process_new_packets().map_err(|error| io::Error::new(ErrorKind::InvalidData, error));
        // Alerts and answers to key updates; what does not go out now goes with the next message.
        if let Err(error) = self.encrypt_out()
            && error.kind() != ErrorKind::WouldBlock
        {
            processed?;
            return Err(error);
        }
        processed.map(drop)
    }
}

impl Write for Transport {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        if self.tls.is_some() {
            // Only into an empty buffer: what TLS holds is bounded by its own limit and never refused half-way.
            self.encrypt_out()?;
        }
        match &mut self.tls {
            Some(tls) => tls.writer().write(data),
            None => {
                let written = self.tcp.try_write(data);
                self.full = written.as_ref().is_err_and(|error| error.kind() == ErrorKind::WouldBlock);
                written
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.encrypt_out()
    }
}

/// The plain socket, for TLS.
struct Socket<'a>(&'a TcpStream);

impl Read for Socket<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.try_read(buffer)
    }
}

impl Write for Socket<'_> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.0.try_write(data)
    }

    fn write_vectored(&mut self, data: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.try_write_vectored(data)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
