//! What a shard's thread does, tick by tick.
//!
//! The clock is an absolute 2 ms grid. Mouths are told the grid's time, not the time of waking, so that their 20 ms slots fall on the grid and
//! a late wake-up never shifts the packets after it. What is due leaves before anything is read: packets that came can wait a millisecond, packets that
//! leave would be late by it. After a stall the slots that were missed have their turn at once, each once: nothing is made up
//! for in a burst.

use super::counters::{Counters, Stopwatch, Work};
use super::legs::{Legs, SLOTS};
use super::routes::{Route, Routes};
use super::shard::{Order, Rtp, Slot, Wire};
use super::socket::{Batch, Inbox, Socket};
use super::standstill::Standstill;
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};
use vg_media::DATAGRAM_MAX;
use vg_media::rtcp::COMPOUND_MAX;

pub(super) const TICK: Duration = Duration::from_millis(20 / SLOTS as u64);
/// Batches taken from the socket in one tick, so that a flood cannot hold up the Mouths: 4096 packets.
const BATCHES_PER_TICK: usize = 64;

/// See the module.
pub(super) struct Worker {
    socket: Socket,
    /// RTCP, one port above; none where that was taken.
    reports: Option<Socket>,
    inbox: Inbox,
    batch: Batch,
    orders: mpsc::Receiver<Order>,
    legs: Legs,
    routes: Routes,
    counters: Arc<Counters>,
    watch: Stopwatch,
    standstill: Standstill,
}

impl Worker {
    /// To be made in the thread that runs it: its buffers belong to that.
    pub(super) fn new(
        socket: Socket,
        reports: Option<Socket>,
        orders: mpsc::Receiver<Order>,
        counters: Arc<Counters>,
        standstill: Standstill,
    ) -> Self {
        let (inbox, batch, legs, routes) = (Inbox::new(), Batch::new(), Legs::default(), Routes::default());
        Self { socket, reports, inbox, batch, orders, legs, routes, counters, watch: Stopwatch::start(), standstill }
    }

    pub(super) fn run(mut self) {
        let (mut tick, mut number) = (Instant::now(), 0u64);
        loop {
            tick += TICK;
            number += 1;
            if self.obey_until(tick).is_break() {
                return;
            }
            let missed = Instant::now().saturating_duration_since(tick).as_millis() / TICK.as_millis();
            let missed = u64::try_from(missed).unwrap_or(u64::MAX);
            self.counters.ticks_missed.fetch_add(missed, Relaxed);
            // Each slot at most once, however long the stall was.
            let (first, last) = (number + missed.saturating_sub(SLOTS as u64 - 1), number + missed);
            let turns = (first..=last).map(|turn| (turn, tick + TICK * u32::try_from(turn - number).unwrap_or(0)));
            self.watch = Stopwatch::start();
            if self.standstill.may_send(tick + TICK * u32::try_from(missed).unwrap_or(0)) {
                turns.clone().for_each(|(turn, at)| self.speak(turn, at));
            }
            self.receive();
            turns.for_each(|(turn, at)| self.hear(turn, at));
            (tick, number) = (tick + TICK * u32::try_from(missed).unwrap_or(0), last);
            let unknown = self.routes.tidy(tick);
            self.counters.packets_unknown.fetch_add(unknown, Relaxed);
        }
    }

    /// Waiting for orders is how the thread waits for its next tick.
    fn obey_until(&mut self, tick: Instant) -> ControlFlow<()> {
        loop {
            let left = tick.saturating_duration_since(Instant::now());
            let order = match self.orders.recv_timeout(left) {
                Ok(order) => order,
                Err(mpsc::RecvTimeoutError::Timeout) => return ControlFlow::Continue(()),
                Err(mpsc::RecvTimeoutError::Disconnected) => return ControlFlow::Break(()),
            };
            match order {
                Order::Open(key, slot) => {
                    let remote = slot.wire.shared_remote();
                    self.legs.open(key, slot);
                    if let Some(remote) = remote {
                        self.announce(key, remote);
                    }
                }
                Order::Remote(key, remote) => {
                    let former = self.legs.get_mut(key).and_then(|slot| slot.wire.set_remote(remote));
                    if let Some(former) = former.filter(|former| *former != remote) {
                        self.routes.withdraw(former, key, Instant::now());
                    }
                    self.announce(key, remote);
                }
                Order::Stop => return ControlFlow::Break(()),
            }
        }
    }

    fn announce(&mut self, key: super::legs::LegKey, remote: SocketAddr) {
        let Self { legs, routes, counters, .. } = self;
        let Some(slot) = legs.get_mut(key).filter(|slot| slot.wire.shared_remote() == Some(remote)) else { return };
        routes.announce(remote, key, Instant::now(), |at, packet| {
            counters.packets_in.fetch_add(1, Relaxed);
            slot.packet(at, packet);
        });
    }

    fn receive(&mut self) {
        let Self { socket, reports, inbox, legs, routes, counters, watch, .. } = self;
        let now = Instant::now();
        legs.each_stream(|slot| slot.drain(now, counters));
        for _ in 0..BATCHES_PER_TICK {
            let now = Instant::now();
            let more = inbox.receive(socket, |from, packet| match routes.find(from) {
                Route::Leg(key) => {
                    counters.packets_in.fetch_add(1, Relaxed);
                    if let Some(slot) = legs.get_mut(key) {
                        slot.packet(now, packet);
                    }
                }
                Route::Rested => {
                    counters.packets_rested.fetch_add(1, Relaxed);
                }
                Route::Unknown => routes.hold(from, now, packet),
            });
            if !more {
                break;
            }
        }
        if let Some(reports) = reports {
            Self::receive_reports(reports, inbox, legs, routes);
        }
        watch.lap(Work::Receive, counters);
    }

    fn receive_reports(reports: &Socket, inbox: &mut Inbox, legs: &mut Legs, routes: &Routes) {
        let now = Instant::now();
        inbox.receive(reports, |from, report| {
            // RTCP comes from the port above that of RTP (RFC 3550, section 11).
            let beside = SocketAddr::new(from.ip(), from.port().wrapping_sub(1));
            if let Route::Leg(key) = routes.find(beside)
                && let Some(slot) = legs.get_mut(key)
            {
                slot.leg.handle_report(now, report);
            }
        });
    }

    fn speak(&mut self, number: u64, tick: Instant) {
        let Self { socket, reports, batch, legs, routes, counters, watch, .. } = self;
        let now = Instant::now();
        let mut out = Out { socket, reports: reports.as_ref(), batch, counters, watch };
        legs.speak(
            slot_of(number),
            |slot| {
                if slot.leg.is_over() {
                    return false;
                }
                slot.speak(now, tick, &mut out);
                true
            },
            |key, slot| {
                if let Some(remote) = slot.wire.shared_remote() {
                    routes.withdraw(remote, key, tick);
                }
                slot.leg.tell_quality();
            },
        );
        out.leave();
    }

    fn hear(&mut self, number: u64, tick: Instant) {
        let Self { inbox, legs, counters, watch, .. } = self;
        let (turn, now) = (slot_of(number), Instant::now());
        legs.hear(turn, |slot| {
            slot.hear(now, inbox, counters);
            slot.leg.due().map_or(turn, |due| turn + slots_until(tick, due)) % SLOTS
        });
        watch.lap(Work::Hear, counters);
    }
}

fn slot_of(number: u64) -> usize {
    (number % SLOTS as u64) as usize
}

/// How many ticks after this one the first one lies that is not before `due`: 1 to 10, of which 10 is this slot again.
fn slots_until(tick: Instant, due: Instant) -> usize {
    let ticks = due.saturating_duration_since(tick).as_nanos().div_ceil(TICK.as_nanos());
    // What lies further away is looked for again when its time comes.
    usize::try_from(ticks).unwrap_or(SLOTS).clamp(1, SLOTS)
}

/// The way out of a shard.
struct Out<'a> {
    socket: &'a Socket,
    reports: Option<&'a Socket>,
    batch: &'a mut Batch,
    counters: &'a Counters,
    watch: &'a mut Stopwatch,
}

impl Out<'_> {
    fn leave(&mut self) {
        self.watch.lap(Work::Speak, self.counters);
        let left = self.batch.leave(self.socket, |late| self.counters.lateness.record(late));
        self.counters.packets_out.fetch_add(left.sent, Relaxed);
        self.counters.packets_unsent.fetch_add(left.unsent, Relaxed);
        self.watch.lap(Work::Send, self.counters);
    }
}

impl Slot {
    /// A packet of this leg.
    fn packet(&mut self, now: Instant, packet: &[u8]) {
        self.leg.hear(now, packet);
        if let Wire::Rtp(rtp) = &mut self.wire {
            rtp.stillness.packet(now);
            rtp.flow.packet(now);
        }
    }

    /// What a stream has brought: in every tick, for its arrival tells how long sound is to be held back.
    fn drain(&mut self, now: Instant, counters: &Counters) {
        let Wire::Raw { from_peer, .. } = &mut self.wire else { return };
        while let Ok(frame) = from_peer.try_recv() {
            counters.packets_in.fetch_add(1, Relaxed);
            self.leg.hear(now, &frame);
        }
    }

    fn hear(&mut self, now: Instant, inbox: &mut Inbox, counters: &Counters) {
        if let Wire::Rtp(Rtp { own: Some(_), .. }) = &self.wire {
            self.hear_own(now, inbox, counters);
        }
        self.leg.poll_ear(now);
        if let Wire::Rtp(rtp) = &mut self.wire
            && rtp.stillness.begins(now)
        {
            self.leg.report_inactive();
        }
    }

    /// A socket of the call's own: whoever has the announced address is believed, at the port it really sends from.
    fn hear_own(&mut self, now: Instant, inbox: &mut Inbox, counters: &Counters) {
        let Self { leg, wire: Wire::Rtp(rtp), .. } = self else { return };
        // Before Asterisk's address is known they wait in the socket.
        let Some(socket) = rtp.own.as_ref().filter(|_| rtp.remote.is_some()) else { return };
        let (remote, stillness, flow) = (&mut rtp.remote, &mut rtp.stillness, &rtp.flow);
        inbox.receive(socket, |from, packet| {
            let is_rtp = vg_media::rtp::parse(packet).is_ok();
            let latches = |remote: &SocketAddr| remote.ip() == from.ip() && !flow.began() && is_rtp;
            let Some(remote) = remote.as_mut().filter(|remote| **remote == from || latches(remote)) else {
                counters.packets_unknown.fetch_add(1, Relaxed);
                return;
            };
            *remote = from;
            counters.packets_in.fetch_add(1, Relaxed);
            leg.hear(now, packet);
            if is_rtp {
                stillness.packet(now);
                flow.packet(now);
            }
        });
    }

    fn speak(&mut self, now: Instant, tick: Instant, out: &mut Out<'_>) {
        let hushed = self.leg.take_orders(tick);
        if let (true, Wire::Raw { to_peer, .. }) = (hushed, &self.wire) {
            // A full queue is forgotten by the peer in a second at most; there is nothing better to do with a peer that does not read.
            let _ = to_peer.try_send(super::shard::RawOut::Flush);
        }
        match &mut self.wire {
            Wire::Raw { to_peer, pool, .. } => {
                let mut frame = [0; DATAGRAM_MAX];
                while let Some((length, due)) = self.leg.transmit(tick, &mut frame) {
                    // The pool's memory is used again when the peer has sent the frame.
                    pool.extend_from_slice(&frame[..length]);
                    let sent = to_peer.try_send(super::shard::RawOut::Frame(pool.split().freeze())).is_ok();
                    if sent {
                        self.leg.left(now);
                    }
                    out.counters.left(sent, due);
                }
            }
            Wire::Rtp(rtp) => {
                // Without an address yet its time passes all the same.
                while let Some((length, due)) = self.leg.transmit(tick, out.batch.place()) {
                    match (rtp.remote, &rtp.own) {
                        (Some(remote), None) => {
                            self.leg.left(now);
                            out.batch.push(out.socket, remote, length, due);
                            if out.batch.is_full() {
                                out.leave();
                            }
                        }
                        (Some(remote), Some(own)) => {
                            let sent = own.send(&out.batch.place()[..length], remote);
                            if sent {
                                self.leg.left(now);
                            }
                            out.counters.left(sent, due);
                        }
                        (None, _) => {}
                    }
                }
                let mut report = [0; COMPOUND_MAX];
                if let (Some(remote), Some(reports)) = (rtp.remote, out.reports)
                    && let Some(length) = self.leg.transmit_report(now, &mut report)
                {
                    reports.send(&report[..length], SocketAddr::new(remote.ip(), remote.port().wrapping_add(1)));
                    out.counters.reports_out.fetch_add(1, Relaxed);
                }
            }
        }
        self.leg.report();
        if let Some(counts) = self.leg.take_counts() {
            out.counters.add(&counts);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leg_is_heard_in_the_tick_that_follows_its_frames() {
        let tick = Instant::now();
        let at = |us: u64| slots_until(tick, tick + Duration::from_micros(us));
        assert_eq!([0, 1, 2_000, 2_001, 4_000, 18_001, 20_000, 90_000].map(at), [1, 1, 1, 2, 2, 10, 10, 10]);
    }
}
