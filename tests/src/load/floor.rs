//! The least that any gateway must do: take a packet of each call in, and send one out. All else is measured against it.

use anyhow::{Context, Result};
use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrStorage, recvmmsg, sendmmsg};
use std::collections::HashMap;
use std::io::{IoSlice, IoSliceMut, Write};
use std::net::SocketAddrV4;
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

const TICK: Duration = Duration::from_millis(5);
const SLOTS: usize = 4;
const BATCH: usize = 64;
const PACKET: usize = 172;
const PACKET_MAX: usize = 2048;

/// Runs for ever: prints its address, then answers everybody who sends with `out_share` of a packet each 20 ms. One thread, one socket, a grid of
/// 5 ms, `recvmmsg` and `sendmmsg`, no sound.
///
/// # Errors
/// Where the system refuses a socket.
pub fn run(out_share: f64) -> Result<()> {
    let socket = std::net::UdpSocket::bind("127.0.0.1:0")?;
    nix::sys::socket::setsockopt(&socket, nix::sys::socket::sockopt::RcvBuf, &(4 << 20)).context("set the receive buffer")?;
    socket.set_nonblocking(true)?;
    writeln!(std::io::stdout(), "{}", socket.local_addr()?)?;
    let mut known: HashMap<SocketAddrV4, ()> = HashMap::new();
    let mut callers: Vec<(SockaddrStorage, f64)> = Vec::new();
    let preallocate = || MultiHeaders::<SockaddrStorage>::preallocate(BATCH, None);
    let (mut incoming, mut outgoing) = (preallocate(), preallocate());
    let mut bytes = vec![0; BATCH * PACKET_MAX];
    let packet = [0x55; PACKET];
    let (mut tick, mut addresses) = (Instant::now(), Vec::with_capacity(BATCH));
    for number in 0usize.. {
        tick += TICK;
        #[expect(clippy::disallowed_methods, reason = "waiting for the next tick of the grid")]
        std::thread::sleep(tick.saturating_duration_since(Instant::now()));
        loop {
            let mut places = bytes.chunks_exact_mut(PACKET_MAX);
            let mut slices: [_; BATCH] = std::array::from_fn(|_| [IoSliceMut::new(places.next().unwrap_or_default())]);
            let Ok(received) = recvmmsg(socket.as_raw_fd(), &mut incoming, slices.iter_mut(), MsgFlags::MSG_DONTWAIT, None)
            else {
                break;
            };
            let mut count = 0;
            for message in received {
                count += 1;
                let Some(storage) = message.address else { continue };
                let Some(from) = storage.as_sockaddr_in().map(|from| SocketAddrV4::new(from.ip(), from.port())) else { continue };
                if known.insert(from, ()).is_none() {
                    callers.push((storage, 0.0));
                }
            }
            if count < BATCH {
                break;
            }
        }
        let mut due = callers.iter_mut().skip(number % SLOTS).step_by(SLOTS).filter_map(|(address, owed)| {
            *owed += out_share;
            (*owed >= 1.0).then(|| {
                *owed -= 1.0;
                Some(*address)
            })
        });
        loop {
            addresses.clear();
            addresses.extend(due.by_ref().take(BATCH));
            if addresses.is_empty() {
                break;
            }
            let slices: [_; BATCH] = std::array::from_fn(|_| [IoSlice::new(&packet)]);
            let _unsent =
                sendmmsg(socket.as_raw_fd(), &mut outgoing, &slices[..addresses.len()], &addresses, [], MsgFlags::MSG_DONTWAIT);
        }
    }
    Ok(())
}
