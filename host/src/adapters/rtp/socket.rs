//! UDP in batches: one system call for many packets each way. Everything is allocated once.

use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrStorage, recvmmsg, sendmmsg};
use std::io::{self, IoSlice, IoSliceMut};
use std::net::{IpAddr, SocketAddr, SocketAddrV4, SocketAddrV6, UdpSocket};
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

/// Packets of one system call. More would not be cheaper, fewer would.
const BATCH: usize = 64;
/// Longest packet that is looked at; 20 ms of any codec here is at most 640 bytes.
const PACKET_MAX: usize = 2048;
/// Holds 200 ms of stall at 1000 calls.
const RECEIVE_BUFFER: usize = 4 << 20;
/// Five seconds of a call.
const OWN_RECEIVE_BUFFER: usize = 256 << 10;
/// Expedited forwarding (RFC 3246), where routers heed it: code point 46 in the upper six bits.
const TOS_EXPEDITED: u32 = 46 << 2;

/// A socket of a shard or of a call.
#[derive(Debug)]
pub(super) struct Socket {
    udp: UdpSocket,
    /// Takes IPv4 in the clothes of IPv6, too.
    is_v6: bool,
}

impl Socket {
    /// For all calls of a thread.
    pub(super) fn open(bind: SocketAddr) -> io::Result<Self> {
        Self::with_room(bind, RECEIVE_BUFFER)
    }

    /// For one call.
    pub(super) fn open_own(bind: SocketAddr) -> io::Result<Self> {
        Self::with_room(bind, OWN_RECEIVE_BUFFER)
    }

    fn with_room(bind: SocketAddr, bytes: usize) -> io::Result<Self> {
        let (domain, is_v6) = (socket2::Domain::for_address(bind), bind.is_ipv6());
        let socket = socket2::Socket::new(domain, socket2::Type::DGRAM, Some(socket2::Protocol::UDP))?;
        if is_v6 {
            socket.set_only_v6(false)?;
            socket.set_tclass_v6(TOS_EXPEDITED)?;
            // What it sends in IPv4 has a mark of its own; a system without IPv4 has none.
            let _no_ipv4 = socket.set_tos_v4(TOS_EXPEDITED);
        } else {
            socket.set_tos_v4(TOS_EXPEDITED)?;
        }
        // The system caps this at its own limit without an error; `doctor` tells.
        socket.set_recv_buffer_size(bytes)?;
        socket.set_nonblocking(true)?;
        socket.bind(&bind.into())?;
        Ok(Self { udp: socket.into(), is_v6 })
    }

    pub(super) fn local_addr(&self) -> io::Result<SocketAddr> {
        self.udp.local_addr()
    }

    /// One packet, where there are never many.
    pub(super) fn send(&self, packet: &[u8], to: SocketAddr) -> bool {
        self.udp.send_to(packet, self.dressed(to)).is_ok()
    }

    /// An address as this socket wants it.
    fn dressed(&self, address: SocketAddr) -> SocketAddr {
        match address {
            SocketAddr::V4(v4) if self.is_v6 => SocketAddr::new(IpAddr::V6(v4.ip().to_ipv6_mapped()), v4.port()),
            other => other,
        }
    }
}

/// Where packets are received to.
pub(super) struct Inbox {
    headers: MultiHeaders<SockaddrStorage>,
    bytes: Box<[u8]>,
}

impl Inbox {
    pub(super) fn new() -> Self {
        Self { headers: MultiHeaders::preallocate(BATCH, None), bytes: vec![0; BATCH * PACKET_MAX].into() }
    }

    /// What has come, up to a batch, each with its sender's address. False where nothing is left for now.
    pub(super) fn receive(&mut self, socket: &Socket, mut take: impl FnMut(SocketAddr, &[u8])) -> bool {
        let mut places = self.bytes.chunks_exact_mut(PACKET_MAX);
        let mut slices: [_; BATCH] = std::array::from_fn(|_| [IoSliceMut::new(places.next().unwrap_or_default())]);
        let descriptor = socket.udp.as_raw_fd();
        // A pending error of an earlier packet (nobody listened there) is told once, in place of what came.
        let received = match recvmmsg(descriptor, &mut self.headers, slices.iter_mut(), MsgFlags::MSG_DONTWAIT, None) {
            Ok(received) => received,
            Err(Errno::ECONNREFUSED | Errno::EINTR) => return true,
            Err(_) => return false,
        };
        let mut count = 0;
        for message in received {
            count += 1;
            let packet = message.iovs().next().unwrap_or_default();
            if let Some(from) = message.address.as_ref().and_then(address) {
                take(from, packet);
            }
        }
        count == BATCH
    }
}

/// Packets that leave together.
pub(super) struct Batch {
    headers: MultiHeaders<SockaddrStorage>,
    bytes: Box<[u8]>,
    packets: Vec<Leaving>,
    addresses: Vec<Option<SockaddrStorage>>,
}

/// A packet that waits in a [`Batch`].
#[derive(Clone, Copy, Debug)]
struct Leaving {
    length: usize,
    due: Instant,
}

/// What became of a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Left {
    pub(super) sent: u64,
    pub(super) unsent: u64,
}

impl Batch {
    pub(super) fn new() -> Self {
        Self {
            headers: MultiHeaders::preallocate(BATCH, None),
            bytes: vec![0; BATCH * PACKET_MAX].into(),
            packets: Vec::with_capacity(BATCH),
            addresses: Vec::with_capacity(BATCH),
        }
    }

    /// Whether it must leave before another packet is put in.
    pub(super) fn is_full(&self) -> bool {
        self.packets.len() == BATCH
    }

    /// Where the next packet is to be written to; [`Batch::push`] takes it. To be called where it is not full.
    pub(super) fn place(&mut self) -> &mut [u8] {
        let at = self.packets.len().min(BATCH - 1) * PACKET_MAX;
        &mut self.bytes[at..at + PACKET_MAX]
    }

    /// The packet in [`Batch::place`] is to leave.
    pub(super) fn push(&mut self, socket: &Socket, to: SocketAddr, length: usize, due: Instant) {
        self.packets.push(Leaving { length, due });
        self.addresses.push(Some(SockaddrStorage::from(socket.dressed(to))));
    }

    /// Sends all. A packet that cannot be sent is left out; how late each was is told.
    pub(super) fn leave(&mut self, socket: &Socket, mut late: impl FnMut(Duration)) -> Left {
        let mut left = Left::default();
        let mut from = 0;
        while from < self.packets.len() {
            let sent = self.send_from(socket, from);
            left.sent += sent as u64;
            let now = Instant::now();
            self.packets[from..from + sent].iter().for_each(|packet| late(now.saturating_duration_since(packet.due)));
            from += sent;
            if from < self.packets.len() && sent == 0 {
                // Nobody listens there any more, or the system has no room: the others' packets go on.
                left.unsent += 1;
                from += 1;
            }
        }
        self.packets.clear();
        self.addresses.clear();
        left
    }

    fn send_from(&mut self, socket: &Socket, from: usize) -> usize {
        let packets = self.bytes.chunks_exact(PACKET_MAX).zip(&self.packets).skip(from);
        let mut packets = packets.map(|(bytes, packet)| &bytes[..packet.length]);
        let slices: [_; BATCH] = std::array::from_fn(|_| [IoSlice::new(packets.next().unwrap_or_default())]);
        let count = self.packets.len() - from;
        let addresses = &self.addresses[from..];
        let flags = MsgFlags::MSG_DONTWAIT;
        match sendmmsg(socket.udp.as_raw_fd(), &mut self.headers, &slices[..count], addresses, [], flags) {
            Ok(sent) => sent.count(),
            Err(_) => 0,
        }
    }
}

/// As it is written: IPv4 is IPv4, whatever it wears.
fn address(storage: &SockaddrStorage) -> Option<SocketAddr> {
    if let Some(v4) = storage.as_sockaddr_in() {
        return Some(SocketAddrV4::new(v4.ip(), v4.port()).into());
    }
    let v6 = storage.as_sockaddr_in6()?;
    let plain = SocketAddrV6::new(v6.ip(), v6.port(), v6.flowinfo(), v6.scope_id());
    Some(match plain.ip().to_canonical() {
        IpAddr::V4(ip) => SocketAddr::new(ip.into(), plain.port()),
        IpAddr::V6(_) => plain.into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    fn received(socket: &Socket, wanted: usize) -> Vec<(SocketAddr, Vec<u8>)> {
        let (mut inbox, mut packets, until) = (Inbox::new(), Vec::new(), Instant::now() + Duration::from_secs(5));
        while packets.len() < wanted && Instant::now() < until {
            inbox.receive(socket, |from, packet| packets.push((from, packet.to_vec())));
        }
        packets
    }

    #[test]
    fn a_batch_leaves_whole_whatever_one_of_its_packets_meets() {
        let (here, there) =
            (Socket::open("127.0.0.1:0".parse().unwrap()).unwrap(), Socket::open("127.0.0.1:0".parse().unwrap()).unwrap());
        let to = there.local_addr().unwrap();
        let mut batch = Batch::new();
        let due = Instant::now();
        for n in 0..BATCH as u8 {
            assert!(!batch.is_full());
            batch.place()[..2].copy_from_slice(&[n, 7]);
            // No socket may send to address 0 of another family.
            let to = if n == 10 { "[::1]:9".parse().unwrap() } else { to };
            batch.push(&here, to, 2, due);
        }
        assert!(batch.is_full());
        let mut late = 0;
        let left = batch.leave(&here, |_| late += 1);
        assert_eq!((left, late), (Left { sent: 63, unsent: 1 }, 63));
        let packets = received(&there, 63);
        let numbers: Vec<u8> = packets.iter().map(|(_, packet)| packet[0]).collect();
        assert_eq!(numbers, (0..64).filter(|n| *n != 10).collect::<Vec<u8>>());
        assert!(packets.iter().all(|(from, _)| *from == here.local_addr().unwrap()));
        assert_eq!(batch.leave(&here, |_| panic!("it is empty")), Left::default());
    }

    #[test]
    fn a_socket_for_both_families_tells_and_takes_plain_addresses() {
        let Ok(both) = Socket::open("[::]:0".parse().unwrap()) else { return };
        let port = both.local_addr().unwrap().port();
        let v4 = Socket::open("127.0.0.1:0".parse().unwrap()).unwrap();
        assert!(v4.send(b"hello", SocketAddr::new([127, 0, 0, 1].into(), port)));
        let packets = received(&both, 1);
        assert_eq!(packets[0].0, v4.local_addr().unwrap());
        assert!(both.send(b"and back", packets[0].0));
        assert_eq!(received(&v4, 1)[0].1, b"and back");
    }

    #[test]
    fn packets_are_marked_for_expedited_forwarding() {
        let socket = Socket::open("127.0.0.1:0".parse().unwrap()).unwrap();
        assert_eq!(socket2::SockRef::from(&socket.udp).tos_v4().unwrap(), 0xB8);
    }
}
