//! A network between a Mouth and an Ear, for tests: seeded loss, jitter, reordering and duplication.

use std::time::{Duration, Instant};

/// SplitMix64: small, seeded, the same everywhere.
pub(crate) struct Rng(u64);

impl Rng {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// From 0 to just below 1.
    pub(crate) fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    #[cfg(test)]
    pub(crate) fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.next() as u8).collect()
    }
}

/// How bad the network is. Probabilities are per packet.
#[derive(Clone, Copy, Debug, Default)]
pub struct Weather {
    /// Packets lost of all.
    pub loss: f64,
    /// Packets that are lost in a row, in the mean (Gilbert's model); 0 and 1 lose each for itself.
    pub burst: f64,
    /// Packets that come twice.
    pub duplicate: f64,
    /// Every packet is delayed by up to this. Packets overtake each other only where `reorder` is set.
    pub jitter_max: Duration,
    /// Whether a packet may come before one that was sent earlier.
    pub reorder: bool,
}

/// The network: what goes in comes out later, or never. The same seed gives the same fate.
pub struct Link {
    rng: Rng,
    weather: Weather,
    /// Packets under way, the earliest first.
    flying: Vec<(Instant, Vec<u8>)>,
    losing: bool,
    /// Packets lost so far.
    pub lost: u64,
    /// Packets doubled so far.
    pub duplicated: u64,
}

impl Link {
    /// A network with nothing under way.
    pub fn new(seed: u64, weather: Weather) -> Self {
        Self { rng: Rng::new(seed), weather, flying: Vec::new(), losing: false, lost: 0, duplicated: 0 }
    }

    /// A packet goes in.
    pub fn send(&mut self, now: Instant, datagram: &[u8]) {
        if self.loses() {
            self.lost += 1;
            return;
        }
        let copies = if self.rng.unit() < self.weather.duplicate { 2 } else { 1 };
        self.duplicated += copies - 1;
        for _ in 0..copies {
            let mut arrival = now + self.weather.jitter_max.mul_f64(self.rng.unit());
            if !self.weather.reorder {
                arrival = self.flying.last().map_or(arrival, |(last, _)| arrival.max(*last));
            }
            let place = self.flying.partition_point(|(other, _)| *other <= arrival);
            self.flying.insert(place, (arrival, datagram.to_vec()));
        }
    }

    fn loses(&mut self) -> bool {
        let Weather { loss, burst, .. } = self.weather;
        let again = 1.0 - 1.0 / burst.max(1.0);
        // What is lost at all is `loss`, whatever the bursts: rarer ones are longer.
        let first = loss * (1.0 - again) / (1.0 - loss);
        let chance = match self.losing {
            true if burst > 1.0 => again,
            _ if burst > 1.0 => first,
            _ => loss,
        };
        self.losing = self.rng.unit() < chance;
        self.losing
    }

    /// What arrives up to now, with the time it does.
    pub fn deliver(&mut self, now: Instant) -> Vec<(Instant, Vec<u8>)> {
        let count = self.flying.partition_point(|(arrival, _)| *arrival <= now);
        self.flying.drain(..count).collect()
    }
}
