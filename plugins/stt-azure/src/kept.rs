//! The caller's sound as far as it may be needed again: everything behind the last final, so that a lost connection loses no word.

use vg_plugin_sdk::AudioFormat;
use vg_plugin_sdk::audio::sample_bytes;

/// Sound without a final for so long is silence: what is older is forgotten. A minute is 480 KB in mu-law.
const KEPT_MS: u64 = 60_000;
const FORGOTTEN_MS: u64 = 5_000;
/// The vendor counts in units of 100 ns.
const TICKS_PER_MS: u64 = 10_000;

/// Bytes of the session's sound; places count from its first byte.
#[derive(Debug)]
pub(crate) struct Kept {
    bytes: Vec<u8>,
    /// Place of the first byte that is kept.
    base: u64,
    /// Place up to which it was sent on the present connection.
    sent: u64,
    per_ms: u64,
    sample: u64,
}

impl Kept {
    pub(crate) fn new(format: AudioFormat) -> Self {
        let sample = sample_bytes(format.encoding) as u64;
        Self { bytes: Vec::new(), base: 0, sent: 0, per_ms: sample * u64::from(format.rate_hz) / 1000, sample }
    }

    /// More of it; chunks have any length. Whether something that was not final had to be forgotten.
    pub(crate) fn push(&mut self, chunk: &[u8]) -> bool {
        self.bytes.extend_from_slice(chunk);
        let over = (self.bytes.len() as u64).saturating_sub(KEPT_MS * self.per_ms);
        let forgotten = over > 0;
        if forgotten {
            // Some seconds at a time, so that not each chunk moves the rest.
            self.forget(self.base + over + FORGOTTEN_MS * self.per_ms);
        }
        forgotten
    }

    /// Place behind the last whole sample.
    pub(crate) fn end(&self) -> u64 {
        let end = self.base + self.bytes.len() as u64;
        end - end % self.sample
    }

    /// Place of the first byte that is kept: where a new turn begins.
    pub(crate) fn base(&self) -> u64 {
        self.base
    }

    /// Place up to which it was sent.
    pub(crate) fn sent(&self) -> u64 {
        self.sent
    }

    /// What was sent is to be sent again.
    pub(crate) fn rewind(&mut self) {
        self.sent = self.base;
    }

    /// The next samples to be sent, at most so many bytes and not beyond `until`; they count as sent.
    pub(crate) fn take(&mut self, bytes_max: usize, until: u64) -> &[u8] {
        let from = self.sent;
        let to = until.min(self.end()).min(from + bytes_max as u64).max(from);
        self.sent = to - (to - from) % self.sample;
        let at = |place: u64| (place - self.base) as usize;
        self.bytes.get(at(from)..at(self.sent)).unwrap_or_default()
    }

    /// Everything before that place is final.
    pub(crate) fn forget(&mut self, until: u64) {
        let until = until.min(self.end());
        if until > self.base {
            self.bytes.drain(..(until - self.base) as usize);
            self.base = until;
            self.sent = self.sent.max(until);
        }
    }

    /// A place as the vendor's ticks since the session's first sample.
    pub(crate) fn ticks(&self, place: u64) -> u64 {
        (place / self.sample) * TICKS_PER_MS / (self.per_ms / self.sample)
    }

    /// The other way round, on a whole sample.
    pub(crate) fn place(&self, ticks: u64) -> u64 {
        ticks / TICKS_PER_MS * self.per_ms + (ticks % TICKS_PER_MS) * (self.per_ms / self.sample) / TICKS_PER_MS * self.sample
    }

    /// Milliseconds as bytes.
    pub(crate) fn bytes(&self, ms: u64) -> usize {
        (ms * self.per_ms) as usize
    }

    /// Bytes as milliseconds.
    pub(crate) fn ms(&self, bytes: u64) -> u64 {
        bytes / self.per_ms
    }
}

/// The vendor's time as ours.
pub(crate) fn ms_of_ticks(ticks: u64) -> u64 {
    ticks / TICKS_PER_MS
}

#[cfg(test)]
mod tests {
    use super::*;
    use vg_plugin_sdk::Encoding;

    fn pcm() -> Kept {
        Kept::new(AudioFormat { encoding: Encoding::PcmS16le, rate_hz: 8_000 })
    }

    #[test]
    fn samples_are_sent_whole_once_and_again_after_a_loss() {
        let mut kept = pcm();
        assert!(!kept.push(&[1, 2, 3]));
        assert_eq!(kept.take(100, u64::MAX), [1, 2]);
        assert_eq!(kept.end(), 2);
        kept.push(&[4, 5, 6]);
        assert_eq!(kept.take(3, u64::MAX), [3, 4]);
        assert_eq!(kept.take(100, 5), [] as [u8; 0]);
        kept.forget(2);
        kept.rewind();
        assert_eq!(kept.base(), 2);
        assert_eq!(kept.take(100, u64::MAX), [3, 4, 5, 6]);
        kept.forget(99);
        assert_eq!((kept.base(), kept.sent(), kept.take(9, u64::MAX).len()), (6, 6, 0));
    }

    #[test]
    fn places_are_the_vendors_ticks_and_back() {
        let kept = pcm();
        assert_eq!((kept.ticks(16_000), kept.place(10_000_000), kept.ms(1600)), (10_000_000, 16_000, 100));
        assert_eq!((kept.ticks(2), kept.place(1_250), kept.place(1_251), kept.place(1_249)), (1_250, 2, 2, 0));
        assert_eq!(ms_of_ticks(41_009_999), 4_100);
    }

    #[test]
    fn a_minute_without_a_final_is_all_that_is_kept() {
        let mut kept = Kept::new(AudioFormat { encoding: Encoding::Mulaw, rate_hz: 8_000 });
        assert!(!kept.push(&vec![0; 480_000]));
        assert!(kept.push(&[0; 800]));
        assert_eq!((kept.base(), kept.end()), (40_800, 480_800));
    }
}
