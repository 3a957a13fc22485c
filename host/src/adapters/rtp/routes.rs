//! Whose packet it is, by the address it came from. Only announced addresses are believed: who sends first says nothing.

use super::legs::LegKey;
use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Packets of a call that ended keep coming for a moment; they are not strangers.
const REST: Duration = Duration::from_secs(2);
/// Asterisk sends as soon as it has a channel, and tells its address with the answer to the request: the first packets may come before it.
const HELD: Duration = Duration::from_millis(100);
const HELD_MAX: usize = 64;

/// See the module.
#[derive(Default)]
pub(super) struct Routes {
    legs: HashMap<SocketAddr, LegKey>,
    resting: VecDeque<(SocketAddr, Instant)>,
    held: VecDeque<Held>,
    /// Buffers of packets that are held no more.
    spare: Vec<Vec<u8>>,
    /// Packets that nobody wanted, since they were asked for.
    unknown: u64,
}

/// A packet of somebody who is not known yet.
struct Held {
    from: SocketAddr,
    at: Instant,
    packet: Vec<u8>,
}

/// Where a packet belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route {
    Leg(LegKey),
    /// Its call has just ended.
    Rested,
    Unknown,
}

impl Routes {
    pub(super) fn find(&self, from: SocketAddr) -> Route {
        match self.legs.get(&from) {
            Some(key) => Route::Leg(*key),
            None if self.resting.iter().any(|(address, _)| *address == from) => Route::Rested,
            None => Route::Unknown,
        }
    }

    /// Packets from there are this leg's from now on; those of the last moment are given to it, in order.
    pub(super) fn announce(&mut self, from: SocketAddr, key: LegKey, now: Instant, mut hear: impl FnMut(Instant, &[u8])) {
        self.legs.insert(from, key);
        for _ in 0..self.held.len() {
            let Some(held) = self.held.pop_front() else { return };
            if held.from != from {
                self.held.push_back(held);
                continue;
            }
            if now.saturating_duration_since(held.at) <= HELD {
                hear(held.at, &held.packet);
            } else {
                self.unknown += 1;
            }
            self.spare.push(held.packet);
        }
    }

    /// The leg is over, or moved elsewhere.
    pub(super) fn withdraw(&mut self, from: SocketAddr, key: LegKey, now: Instant) {
        // Another leg may have announced the address since.
        if self.legs.get(&from) == Some(&key) {
            self.legs.remove(&from);
            self.resting.push_back((from, now + REST));
        }
    }

    /// Keeps a stranger's packet for a moment.
    pub(super) fn hold(&mut self, from: SocketAddr, now: Instant, packet: &[u8]) {
        if self.held.len() == HELD_MAX
            && let Some(oldest) = self.held.pop_front()
        {
            self.unknown += 1;
            self.spare.push(oldest.packet);
        }
        let mut kept = self.spare.pop().unwrap_or_default();
        kept.clear();
        kept.extend_from_slice(packet);
        self.held.push_back(Held { from, at: now, packet: kept });
    }

    /// Forgets what is too old; how many packets of strangers were given up since the last time.
    pub(super) fn tidy(&mut self, now: Instant) -> u64 {
        while self.resting.pop_front_if(|(_, until)| *until <= now).is_some() {}
        while let Some(held) = self.held.pop_front_if(|held| now.saturating_duration_since(held.at) > HELD) {
            self.unknown += 1;
            self.spare.push(held.packet);
        }
        std::mem::take(&mut self.unknown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: LegKey = LegKey(1);
    const B: LegKey = LegKey(2);
    const MS: Duration = Duration::from_millis(1);

    fn at(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    #[test]
    fn packets_before_the_announcement_are_the_legs_if_they_are_fresh() {
        let (begin, mut routes, mut heard) = (Instant::now(), Routes::default(), Vec::new());
        for (ms, port, byte) in [(0, 1, 1), (10, 1, 2), (50, 2, 3), (60, 1, 4)] {
            routes.hold(at(port), begin + MS * ms, &[byte]);
        }
        routes.announce(at(1), A, begin + 105 * MS, |_, packet| heard.push(packet[0]));
        assert_eq!(heard, [2, 4], "the first was held for too long");
        assert_eq!((routes.find(at(1)), routes.find(at(2))), (Route::Leg(A), Route::Unknown));
        heard.clear();
        routes.announce(at(1), B, begin + 105 * MS, |_, packet| heard.push(packet[0]));
        assert_eq!(heard, [0; 0], "each is given once");
    }

    #[test]
    fn strangers_take_a_bounded_room() {
        let (begin, mut routes, mut heard) = (Instant::now(), Routes::default(), Vec::new());
        (0..200u8).for_each(|n| routes.hold(at(1), begin, &[n]));
        routes.announce(at(1), A, begin, |_, packet| heard.push(packet[0]));
        assert_eq!(heard, (136..200).collect::<Vec<u8>>());
        assert_eq!((routes.tidy(begin), routes.tidy(begin)), (136, 0));
    }

    #[test]
    fn address_of_an_ended_leg_rests_unless_another_has_it() {
        let (begin, mut routes) = (Instant::now(), Routes::default());
        routes.announce(at(1), A, begin, |_, _| {});
        routes.withdraw(at(1), A, begin);
        assert_eq!(routes.find(at(1)), Route::Rested);
        routes.tidy(begin + 1_999 * MS);
        assert_eq!(routes.find(at(1)), Route::Rested);
        routes.tidy(begin + 2_000 * MS);
        assert_eq!(routes.find(at(1)), Route::Unknown);
        routes.announce(at(1), A, begin, |_, _| {});
        routes.announce(at(1), B, begin, |_, _| {});
        routes.withdraw(at(1), A, begin);
        assert_eq!(routes.find(at(1)), Route::Leg(B));
    }
}
