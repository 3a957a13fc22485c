//! What passes over loopback, as a packet capture sees it: with the kernel's time of each packet, whoever sent it.

use anyhow::{Context, Result, ensure};
use nix::sys::socket::{
    AddressFamily, ControlMessageOwned, MsgFlags, SockFlag, SockProtocol, SockType, recvmsg, setsockopt, socket, sockopt,
};
use std::io::{IoSliceMut, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};
use vg_media::codec::g711;
use vg_media::rtp;

/// What waits for the thread; a second of everything that two busy cores send.
const BUFFER: usize = 16 << 20;
const UDP: u8 = 17;
const TCP: u8 = 6;
/// Louder than this (root mean square) is a voice; an idle line has a few units.
const VOICED_RMS: f64 = 150.0;

/// One packet.
#[derive(Clone, Debug)]
pub struct Passed {
    /// When it passed, by the machine's clock.
    pub at: SystemTime,
    /// Port of the sender.
    pub from: u16,
    /// Port of the receiver.
    pub to: u16,
    protocol: u8,
    ip: Vec<u8>,
    payload_at: usize,
}

impl Passed {
    fn read(at: SystemTime, ip: &[u8]) -> Option<Self> {
        let header = usize::from(ip.first()? & 0x0F) * 4;
        let ip = ip.get(..usize::from(u16::from_be_bytes([*ip.get(2)?, *ip.get(3)?])))?;
        let (protocol, inner) = (*ip.get(9)?, ip.get(header..)?);
        let payload_at = header
            + match protocol {
                UDP => 8,
                TCP => usize::from(inner.get(12)? >> 4) * 4,
                _ => return None,
            };
        let port = |at: usize| Some(u16::from_be_bytes([*inner.get(at)?, *inner.get(at + 1)?]));
        let (from, to) = (port(0)?, port(2)?);
        (payload_at <= ip.len()).then(|| Self { at, from, to, protocol, ip: ip.to_vec(), payload_at })
    }

    fn payload(&self) -> &[u8] {
        &self.ip[self.payload_at..]
    }

    /// Whether this is an RTP packet of PCMU in which somebody is to be heard; none where it is anything else.
    pub fn voiced(&self) -> Option<bool> {
        let (header, sound) = rtp::parse(self.payload()).ok().filter(|_| self.protocol == UDP)?;
        let mut samples = vec![0; sound.len()];
        g711::decode_ulaw(sound, &mut samples);
        (header.payload_type == 0).then(|| is_voiced(&samples))
    }
}

/// Whether somebody is to be heard in these samples.
pub fn is_voiced(samples: &[i16]) -> bool {
    super::rms(samples) > VOICED_RMS
}

/// A capture that goes on.
pub struct Wire {
    ports: Arc<Mutex<Vec<u16>>>,
    over: Arc<AtomicBool>,
    thread: JoinHandle<Result<Vec<Passed>>>,
}

impl Wire {
    /// Keeps what comes from or goes to these ports, from now on. Needs to be root.
    ///
    /// # Errors
    /// Where the system does not let this process capture.
    pub fn tap(ports: Vec<u16>) -> Result<Self> {
        let line = socket(AddressFamily::Packet, SockType::Datagram, SockFlag::SOCK_CLOEXEC, SockProtocol::EthIp)
            .context("failed to open a socket for captures: is this root?")?;
        setsockopt(&line, sockopt::ReceiveTimestampns, &true)?;
        setsockopt(&line, sockopt::RcvBufForce, &BUFFER)?;
        // Short enough to notice the end soon.
        let wait = nix::sys::time::TimeVal::new(0, 50_000);
        setsockopt(&line, sockopt::ReceiveTimeout, &wait)?;
        let over = Arc::new(AtomicBool::new(false));
        let ports = Arc::new(Mutex::new(ports));
        let (wanted, ends) = (Arc::clone(&ports), Arc::clone(&over));
        let thread = std::thread::Builder::new().name("lab-wire".into()).spawn(move || watch(&line, &wanted, &ends))?;
        Ok(Self { ports, over, thread })
    }

    /// This port's packets from now on, too.
    pub fn also(&self, port: u16) {
        self.ports.lock().unwrap_or_else(PoisonError::into_inner).push(port);
    }

    /// All of it, in order.
    ///
    /// # Errors
    /// Where the capture broke off.
    pub fn finish(self) -> Result<Vec<Passed>> {
        self.over.store(true, Ordering::Relaxed);
        self.thread.join().ok().context("the capture failed")?
    }
}

fn watch(line: &OwnedFd, ports: &Mutex<Vec<u16>>, over: &AtomicBool) -> Result<Vec<Passed>> {
    let (mut kept, mut packet) = (Vec::new(), vec![0; 70_000]);
    let mut control = nix::cmsg_space!(nix::sys::time::TimeSpec);
    while !over.load(Ordering::Relaxed) {
        let mut into = [IoSliceMut::new(&mut packet)];
        let (length, at) = match recvmsg::<()>(line.as_raw_fd(), &mut into, Some(&mut control), MsgFlags::empty()) {
            Ok(message) => {
                let stamp = message.cmsgs()?.find_map(|message| match message {
                    ControlMessageOwned::ScmTimestampns(stamp) => Some(Duration::from(stamp)),
                    _ => None,
                });
                (message.bytes, SystemTime::UNIX_EPOCH + stamp.context("the kernel gave no time")?)
            }
            Err(nix::errno::Errno::EAGAIN | nix::errno::Errno::EINTR) => continue,
            Err(error) => return Err(error).context("failed to capture"),
        };
        let passed = packet.get(..length).and_then(|ip| Passed::read(at, ip));
        let ports = ports.lock().unwrap_or_else(PoisonError::into_inner);
        kept.extend(passed.filter(|passed| ports.contains(&passed.from) || ports.contains(&passed.to)));
    }
    Ok(kept)
}

/// Writes a capture that every reader of pcap files knows.
///
/// # Errors
/// Where it cannot be written.
pub fn save(passed: &[Passed], file: &Path) -> Result<()> {
    let mut out = std::io::BufWriter::new(std::fs::File::create(file)?);
    // Nanoseconds; packets begin with their IP header.
    for word in [0xa1b2_3c4d_u32, 0x0004_0002, 0, 0, 70_000, 101] {
        out.write_all(&word.to_le_bytes())?;
    }
    for Passed { at, ip, .. } in passed {
        let at = at.duration_since(SystemTime::UNIX_EPOCH)?;
        let length = u32::try_from(ip.len())?;
        for word in [u32::try_from(at.as_secs())?, at.subsec_nanos(), length, length] {
            out.write_all(&word.to_le_bytes())?;
        }
        out.write_all(ip)?;
    }
    Ok(out.flush()?)
}

/// A message of a WebSocket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// JSON, mostly.
    Text(String),
    /// Sound.
    Binary(Vec<u8>),
    /// Pings and closes.
    Control,
}

/// Ports to which this one has opened a WebSocket.
pub fn sockets_of(passed: &[Passed], server: u16) -> Vec<u16> {
    let opens =
        |packet: &&Passed| packet.protocol == TCP && packet.from == server && packet.payload().starts_with(b"HTTP/1.1 101 ");
    passed.iter().filter(opens).map(|packet| packet.to).collect()
}

/// The messages from one port to another, with the time of the packet in which each ended.
///
/// # Errors
/// Where it is no WebSocket, or not from its beginning.
pub fn messages(passed: &[Passed], from: u16, to: u16) -> Result<Vec<(SystemTime, Message)>> {
    let mut stream: Vec<u8> = Vec::new();
    let mut ends = Vec::new();
    for packet in passed.iter().filter(|packet| packet.protocol == TCP && packet.from == from && packet.to == to) {
        stream.extend(packet.payload());
        ends.push((stream.len(), packet.at));
    }
    let handshake = stream.windows(4).position(|four| four == b"\r\n\r\n").context("no handshake was captured")?;
    let (mut at, mut messages) = (handshake + 4, Vec::new());
    while let Some((length, message)) = message(&stream[at..])? {
        at += length;
        let arrived = ends.iter().find(|(end, _)| *end >= at).context("a message ends with a packet")?.1;
        messages.push((arrived, message));
    }
    Ok(messages)
}

/// The first message of a stream, and its length with its header; none where it is not whole.
fn message(stream: &[u8]) -> Result<Option<(usize, Message)>> {
    let [first, second, ..] = stream else { return Ok(None) };
    ensure!(first & 0x80 != 0, "a message in pieces");
    let big_endian = |bytes: &[u8]| bytes.iter().fold(0, |sum: usize, byte| sum << 8 | usize::from(*byte));
    let (length, mut at) = match second & 0x7F {
        126 => (stream.get(2..4).map(big_endian), 4),
        127 => (stream.get(2..10).map(big_endian), 10),
        short => (Some(short.into()), 2),
    };
    let mut mask = [0; 4];
    if second & 0x80 != 0 {
        let Some(key) = stream.get(at..at + 4) else { return Ok(None) };
        mask.copy_from_slice(key);
        at += 4;
    }
    let Some(payload) = length.and_then(|length| stream.get(at..at + length)) else { return Ok(None) };
    let payload: Vec<u8> = payload.iter().zip(mask.iter().cycle()).map(|(byte, key)| byte ^ key).collect();
    let whole = at + payload.len();
    Ok(Some((
        whole,
        match first & 0x0F {
            1 => Message::Text(String::from_utf8(payload)?),
            2 => Message::Binary(payload),
            _ => Message::Control,
        },
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::UdpSocket;
    use std::time::Instant;

    #[test]
    fn messages_are_read_whole_and_without_their_mask() {
        let stream = [0x81, 2, b'h', b'i', 0x82, 0x83, 1, 2, 3, 4, 1 ^ 7, 2 ^ 8, 3 ^ 9, 0x89, 0, 0x82, 126, 1];
        let mut at = 0;
        let mut read = Vec::new();
        while let Some((length, message)) = message(&stream[at..]).unwrap() {
            at += length;
            read.push(message);
        }
        assert_eq!(read, [Message::Text("hi".into()), Message::Binary(vec![7, 8, 9]), Message::Control]);
    }

    #[test]
    fn what_passes_is_captured_once_with_its_time() {
        if !std::fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0) {
            return;
        }
        let (here, there) = (UdpSocket::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("127.0.0.1:0").unwrap());
        let port = |socket: &UdpSocket| socket.local_addr().unwrap().port();
        let wire = Wire::tap(vec![port(&there)]).unwrap();
        let before = SystemTime::now();
        here.send_to(b"hello", there.local_addr().unwrap()).unwrap();
        there.recv(&mut [0; 9]).unwrap();
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_millis(100) {
            std::thread::yield_now();
        }
        let passed = wire.finish().unwrap();
        assert_eq!(passed.len(), 1);
        assert_eq!((passed[0].from, passed[0].to, passed[0].payload()), (port(&here), port(&there), &b"hello"[..]));
        // The kernel stamps packets a moment after it was first asked to.
        assert!((before..before + Duration::from_secs(1)).contains(&passed[0].at) && passed[0].voiced().is_none());
    }
}
