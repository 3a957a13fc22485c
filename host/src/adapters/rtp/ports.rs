//! Ports of calls that have sockets of their own.

use super::socket::Socket;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicU16, Ordering::Relaxed};

/// Where such sockets are opened. Ports of a range are given out in turn, so that one rests as long as can be before another call gets it: what
/// was on its way to the last call does not reach the next.
#[derive(Debug)]
pub(super) struct Ports {
    ip: IpAddr,
    /// None: any free port.
    range: Option<RangeInclusive<u16>>,
    turn: AtomicU16,
}

impl Ports {
    pub(super) fn new(ip: IpAddr, range: Option<RangeInclusive<u16>>) -> Self {
        Self { ip, range, turn: AtomicU16::new(0) }
    }

    /// A socket at the next port that is free.
    ///
    /// # Errors
    /// None of the range is free, or the system has no further socket.
    pub(super) fn open(&self) -> io::Result<Socket> {
        let Some(range) = &self.range else { return Socket::open_own(SocketAddr::new(self.ip, 0)) };
        for _ in range.clone() {
            match Socket::open_own(SocketAddr::new(self.ip, self.next(range))) {
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
                opened => return opened,
            }
        }
        Err(io::ErrorKind::AddrInUse.into())
    }

    fn next(&self, range: &RangeInclusive<u16>) -> u16 {
        let after = |turn: u16| Some(if turn < range.end() - range.start() { turn + 1 } else { 0 });
        let turn = self.turn.fetch_update(Relaxed, Relaxed, after).unwrap_or(0);
        range.start() + turn.min(range.end() - range.start())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn here() -> IpAddr {
        [127, 0, 0, 1].into()
    }

    /// Four ports in a row that nobody had a moment ago.
    fn free_range() -> RangeInclusive<u16> {
        let free = |start: u16| (start..=start + 3).all(|port| Socket::open_own(SocketAddr::new(here(), port)).is_ok());
        let start = (20_000..60_000).step_by(4).find(|start| free(*start)).unwrap();
        start..=start + 3
    }

    fn port(socket: &Socket) -> u16 {
        socket.local_addr().unwrap().port()
    }

    #[test]
    fn ports_of_a_range_are_given_out_in_turn_and_one_that_is_taken_is_passed_over() {
        let range = free_range();
        let ports = Ports::new(here(), Some(range.clone()));
        let kept: Vec<Socket> = (0..3).map(|_| ports.open().unwrap()).collect();
        assert_eq!(kept.iter().map(port).collect::<Vec<_>>(), range.clone().take(3).collect::<Vec<_>>());
        assert_eq!(port(&ports.open().unwrap()), *range.end(), "free again at once");
        assert_eq!(port(&ports.open().unwrap()), *range.end(), "the others are taken");
    }

    #[test]
    fn range_that_is_all_taken_is_told() {
        let range = free_range();
        let ports = Ports::new(here(), Some(range.clone()));
        let _kept: Vec<Socket> = range.map(|_| ports.open().unwrap()).collect();
        assert_eq!(ports.open().unwrap_err().kind(), io::ErrorKind::AddrInUse);
    }
}
