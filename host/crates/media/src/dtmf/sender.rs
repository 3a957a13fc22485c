use super::{Digit, SEGMENT_TICKS};
use std::time::{Duration, Instant};

/// How often the packet with the end is sent (RFC 4733, section 2.5.1.4).
const ENDS: u32 = 3;

/// A press to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SendDigit {
    /// The key.
    pub digit: Digit,
    /// How long it is pressed.
    pub duration: Duration,
    /// Its level below 0 dBm0 in dB: 0 to 63.
    pub attenuation_db: u8,
    /// The clock of the timestamps.
    pub rate_hz: u32,
    /// Between two packets: that of the sound, at most 50 ms.
    pub interval: Duration,
}

impl SendDigit {
    /// 160 ms at 8 kHz, -10 dBm0, in packets of 20 ms.
    pub fn new(digit: Digit) -> Self {
        let (duration, interval) = (Duration::from_millis(160), Duration::from_millis(20));
        Self { digit, duration, attenuation_db: 10, rate_hz: 8_000, interval }
    }
}

/// What goes into one packet; the rest of its header is the stream's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DigitPacket {
    /// The first packet of the press.
    pub marker: bool,
    /// What to add to the timestamp at which the press began: 0, but in later segments of a long press.
    pub timestamp_offset: u32,
    /// The event.
    pub payload: [u8; 4],
}

/// Makes the packets of one press (RFC 4733, section 2.5.1): one in every interval instead of the sound, the one with the
/// end three times.
#[derive(Debug)]
pub struct DigitSender {
    press: SendDigit,
    begin: Instant,
    /// Packets sent, those that only close a segment not counted.
    slots: u32,
    ends: u32,
    /// Where the present segment begins.
    segment: u32,
    marker: bool,
}

impl DigitSender {
    /// The key is pressed now.
    pub fn new(now: Instant, press: SendDigit) -> Self {
        let press = SendDigit { interval: press.interval.max(Duration::from_millis(1)), ..press };
        Self { press, begin: now, slots: 0, ends: 0, segment: 0, marker: true }
    }

    /// The next packet, if one is due. Ask until there is none.
    pub fn poll(&mut self, now: Instant) -> Option<DigitPacket> {
        let due = self.poll_timeout()?;
        if now < due {
            return None;
        }
        let total = self.ticks(self.press.duration);
        let pressed = self.ticks(self.press.interval * (self.slots + 1)).min(total);
        if pressed - self.segment > SEGMENT_TICKS {
            let packet = self.packet(false, SEGMENT_TICKS);
            self.segment += SEGMENT_TICKS;
            return Some(packet);
        }
        let end = pressed == total;
        self.slots += 1;
        self.ends += u32::from(end);
        Some(self.packet(end, pressed - self.segment))
    }

    /// When the next packet is due; `None` when all were sent.
    pub fn poll_timeout(&self) -> Option<Instant> {
        (self.ends < ENDS).then(|| self.begin + self.press.interval * self.slots)
    }

    fn packet(&mut self, end: bool, duration: u32) -> DigitPacket {
        let level = self.press.attenuation_db.min(63);
        let [high, low] = (duration as u16).to_be_bytes();
        let payload = [self.press.digit.event(), u8::from(end) << 7 | level, high, low];
        DigitPacket { marker: std::mem::take(&mut self.marker), timestamp_offset: self.segment, payload }
    }

    fn ticks(&self, passed: Duration) -> u32 {
        u32::try_from(passed.as_nanos() * u128::from(self.press.rate_hz) / 1_000_000_000).unwrap_or(u32::MAX)
    }
}
