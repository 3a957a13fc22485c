//! How long sound should be held back: as long as all but one packet in a hundred needs, and no longer.
//!
//! Everything is measured against the fastest packets. What takes them is unknown and does not matter; how much later the others come is jitter,
//! how the fastest ones themselves move over minutes is the drift of the sender's clock against ours.

use std::time::{Duration, Instant};

/// Lateness is counted in steps of this, in nanoseconds.
const STEP_NS: i64 = 10_000_000;
/// Up to 240 ms; what is later counts as this late.
const STEPS: usize = 24;

/// Each packet makes those before it count for a little less: after ten seconds a third is left.
const FORGETTING: f32 = 0.998;
/// Where weights have grown so large all of them are scaled down.
const WEIGHT_MAX: f32 = 1e6;
/// Share of the packets that must not be late.
const IN_TIME: f32 = 0.99;
/// So many packets are heard before anything is concluded from them.
const ENOUGH: u32 = 50;
/// The target is worked out anew after so many packets.
const REVIEW: u32 = 16;

/// The fastest packet of the last two windows is the measure.
const WINDOW_NS: i64 = 2_000_000_000;

/// What to do in silence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    Keep,
    /// Hold sound back by another frame.
    Longer,
    /// Leave a frame out.
    Shorter,
}

/// The delay that packets need, and the one that they have.
#[derive(Debug)]
pub(crate) struct Delay {
    epoch: Instant,
    min_ns: i64,
    max_ns: i64,
    target_ns: i64,
    /// What the fastest packets have; `None` before the first one.
    actual_ns: Option<i64>,
    lateness: Lateness,
    fastest: Fastest,
    drift: Drift,
}

/// How late packets are, the latest ones weighing most.
#[derive(Debug)]
struct Lateness {
    weights: [f32; STEPS],
    total: f32,
    weight: f32,
    packets: u32,
}

/// The shortest transit of this window and the one before.
#[derive(Debug)]
struct Fastest {
    window: Option<i64>,
    now_ns: i64,
    before_ns: i64,
}

impl Delay {
    /// `start` holds until enough was heard.
    pub(crate) fn new(epoch: Instant, start: Duration, range: (Duration, Duration)) -> Self {
        Self {
            epoch,
            min_ns: nanos(range.0),
            max_ns: nanos(range.1),
            target_ns: nanos(start),
            actual_ns: None,
            lateness: Lateness { weights: [0.0; STEPS], total: 0.0, weight: 1.0, packets: 0 },
            fastest: Fastest::new(),
            drift: Drift::default(),
        }
    }

    /// The sender's time line began anew: what was known of transits is void, what was learnt of jitter is not.
    pub(crate) fn restart(&mut self) {
        self.actual_ns = None;
        self.fastest = Fastest::new();
        self.drift = Drift::default();
    }

    /// A packet that stands at `sent_ns` on the sender's time line came `now` and is due after `slack` (negative where it should have been played).
    pub(crate) fn note(&mut self, now: Instant, sent_ns: i64, slack_ns: i64) {
        let now_ns = nanos(now.saturating_duration_since(self.epoch));
        let transit_ns = now_ns.saturating_sub(sent_ns);
        let fastest_ns = self.fastest.note(now_ns, transit_ns);
        let late_ns = transit_ns - fastest_ns;
        self.actual_ns = Some(slack_ns + late_ns);
        self.drift.note(now_ns, transit_ns);
        self.lateness.note(late_ns);
        if self.lateness.packets >= ENOUGH && self.lateness.packets.is_multiple_of(REVIEW) {
            self.target_ns = self.lateness.needed_ns().clamp(self.min_ns, self.max_ns);
        }
    }

    /// Whether a frame more or less would bring the delay closer to what is needed.
    pub(crate) fn wish(&self, frame: Duration) -> Wish {
        match self.actual_ns {
            // Half a step of slack, so that it does not go to and fro.
            Some(actual) if actual + STEP_NS / 2 < self.target_ns => Wish::Longer,
            Some(actual) if actual >= self.target_ns + nanos(frame) => Wish::Shorter,
            _ => Wish::Keep,
        }
    }

    /// A frame was held back or (negative) left out.
    pub(crate) fn moved(&mut self, by_ns: i64) {
        self.actual_ns = self.actual_ns.map(|actual| actual + by_ns);
    }

    /// What sound that begins now is held back by.
    pub(crate) fn target(&self) -> Duration {
        Duration::from_nanos(self.target_ns.unsigned_abs())
    }

    /// What the fastest packets are held back by now.
    pub(crate) fn actual(&self) -> Duration {
        Duration::from_nanos(u64::try_from(self.actual_ns.unwrap_or(self.target_ns)).unwrap_or(0))
    }

    /// By how many millionths the sender's clock is faster than ours; `None` before half a minute was heard.
    pub(crate) fn drift_ppm(&self) -> Option<f32> {
        self.drift.ppm()
    }
}

impl Lateness {
    fn note(&mut self, late_ns: i64) {
        let step = usize::try_from(late_ns / STEP_NS).unwrap_or(0).min(STEPS - 1);
        self.weights[step] += self.weight;
        self.total += self.weight;
        self.packets = self.packets.wrapping_add(1).max(1);
        self.weight /= FORGETTING;
        if self.weight > WEIGHT_MAX {
            self.weights.iter_mut().for_each(|weight| *weight /= self.weight);
            self.total /= self.weight;
            self.weight = 1.0;
        }
    }

    /// The upper end of the step below which packets come in time.
    fn needed_ns(&self) -> i64 {
        let mut late = self.total * (1.0 - IN_TIME);
        for (step, weight) in self.weights.iter().enumerate().rev() {
            late -= weight;
            if late < 0.0 {
                return (step as i64 + 1) * STEP_NS;
            }
        }
        STEP_NS
    }
}

impl Fastest {
    fn new() -> Self {
        Self { window: None, now_ns: i64::MAX, before_ns: i64::MAX }
    }

    fn note(&mut self, now_ns: i64, transit_ns: i64) -> i64 {
        let window = now_ns / WINDOW_NS;
        if self.window != Some(window) {
            // After a pause nothing of before is known to hold.
            self.before_ns = if self.window == Some(window - 1) { self.now_ns } else { i64::MAX };
            (self.window, self.now_ns) = (Some(window), i64::MAX);
        }
        self.now_ns = self.now_ns.min(transit_ns);
        self.now_ns.min(self.before_ns)
    }
}

/// The fastest transit of each window, and the line that fits them best.
#[derive(Debug, Default)]
struct Drift {
    window: i64,
    fastest_ns: Option<i64>,
    /// Sums over closed windows, in windows and nanoseconds from the first one on.
    origin: Option<(i64, i64)>,
    count: f64,
    sum_x: f64,
    sum_y: f64,
    sum_xx: f64,
    sum_xy: f64,
}

/// Three windows are a line.
const DRIFT_WINDOWS: f64 = 3.0;
const DRIFT_WINDOW_NS: i64 = 10_000_000_000;

impl Drift {
    fn note(&mut self, now_ns: i64, transit_ns: i64) {
        let window = now_ns / DRIFT_WINDOW_NS;
        if window != self.window {
            if let Some(fastest) = self.fastest_ns.take() {
                self.close(fastest);
            }
            self.window = window;
        }
        self.fastest_ns = Some(self.fastest_ns.map_or(transit_ns, |fastest| fastest.min(transit_ns)));
    }

    fn close(&mut self, fastest_ns: i64) {
        let (first, base) = *self.origin.get_or_insert((self.window, fastest_ns));
        let (x, y) = ((self.window - first) as f64, (fastest_ns - base) as f64);
        self.count += 1.0;
        self.sum_x += x;
        self.sum_y += y;
        self.sum_xx += x * x;
        self.sum_xy += x * y;
    }

    fn ppm(&self) -> Option<f32> {
        let spread = self.count * self.sum_xx - self.sum_x * self.sum_x;
        if self.count < DRIFT_WINDOWS || spread <= 0.0 {
            return None;
        }
        let slope_ns = (self.count * self.sum_xy - self.sum_x * self.sum_y) / spread;
        // Transits that grow are those of a clock that counts too slowly.
        Some((-slope_ns / DRIFT_WINDOW_NS as f64 * 1e6) as f32)
    }
}

fn nanos(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::Rng;

    const FRAME: Duration = Duration::from_millis(20);
    const RANGE: (Duration, Duration) = (FRAME, Duration::from_millis(200));

    /// Packets each 20 ms whose lateness a function gives; the sender's clock is this much too fast.
    fn heard(seconds: u32, ppm: f64, mut late: impl FnMut(u32) -> Duration) -> Delay {
        let epoch = Instant::now();
        let mut delay = Delay::new(epoch, Duration::from_millis(40), RANGE);
        for n in 0..50 * seconds {
            let sent = FRAME * n;
            let now = epoch + sent.div_f64(1.0 + ppm / 1e6) + late(n);
            delay.note(now, nanos(sent), 40_000_000 - nanos(late(n)));
        }
        delay
    }

    #[test]
    fn quiet_line_needs_the_least_delay() {
        assert_eq!(heard(10, 0.0, |_| Duration::ZERO).target(), RANGE.0);
    }

    #[test]
    fn delay_covers_all_but_one_packet_in_a_hundred() {
        let target_ms = |max_ms: u64| {
            let mut rng = Rng::new(max_ms);
            let mut last = (0, Duration::ZERO);
            let delay = heard(60, 0.0, |n| {
                if last.0 != n + 1 {
                    last = (n + 1, Duration::from_millis(max_ms).mul_f64(rng.unit()));
                }
                last.1
            });
            delay.target().as_millis()
        };
        assert_eq!(target_ms(60), 60);
        assert!((90..=100).contains(&target_ms(100)));
        assert_eq!(target_ms(400), 200, "never more than is allowed");
    }

    #[test]
    fn lone_outlier_is_not_waited_for_and_one_in_fifty_is() {
        let every = |n: u32| heard(60, 0.0, |at| Duration::from_millis(if at % n == n - 1 { 150 } else { 0 })).target();
        assert_eq!((every(200), every(50)), (RANGE.0, Duration::from_millis(160)));
    }

    #[test]
    fn what_was_needed_long_ago_is_forgotten() {
        let delay = heard(60, 0.0, |n| Duration::from_millis(if n < 500 && n % 2 == 0 { 100 } else { 0 }));
        assert_eq!(delay.target(), RANGE.0);
    }

    #[test]
    fn wish_is_a_frame_at_a_time_and_does_not_go_to_and_fro() {
        let mut delay = heard(10, 0.0, |_| Duration::ZERO);
        assert_eq!((delay.actual(), delay.wish(FRAME)), (2 * FRAME, Wish::Shorter));
        delay.moved(-20_000_000);
        assert_eq!((delay.actual(), delay.wish(FRAME)), (FRAME, Wish::Keep));
        delay.moved(-6_000_000);
        assert_eq!(delay.wish(FRAME), Wish::Longer);
        delay.moved(20_000_000);
        assert_eq!(delay.wish(FRAME), Wish::Keep);
    }

    #[test]
    fn drift_of_the_senders_clock_is_measured_through_jitter() {
        for ppm in [-100.0, 0.0, 100.0] {
            let mut rng = Rng::new(7);
            let mut last = (0, Duration::ZERO);
            let delay = heard(120, ppm, |n| {
                if last.0 != n + 1 {
                    last = (n + 1, Duration::from_millis(30).mul_f64(rng.unit()));
                }
                last.1
            });
            let found = f64::from(delay.drift_ppm().unwrap());
            assert!((found - ppm).abs() < 10.0, "{found} for {ppm}");
        }
        assert_eq!(heard(25, 0.0, |_| Duration::ZERO).drift_ppm(), None);
    }
}
