//! Audio on its way: linear samples that wait for the link, and what was sent before the service answered.

use std::collections::VecDeque;
use vg_plugin_sdk::{
    AudioFormat, Encoding, Fault, FaultKind,
    audio::{self, Whole},
};

/// The service takes at most a second at a time.
const PIECE_MS: u64 = 500;
/// A service that does not take so much of what waits is not there.
const WAITING_MS_MAX: u64 = 30_000;

/// See the module.
#[derive(Debug)]
pub(crate) struct Uplink {
    format: AudioFormat,
    whole: Whole,
    waiting: VecDeque<Vec<u8>>,
    waiting_bytes: usize,
    /// What was sent while no answer has come: it may have to be sent again.
    unanswered: Option<Vec<Vec<u8>>>,
    caller_bytes: u64,
    sent_bytes: u64,
    billed_bytes: u64,
}

impl Uplink {
    pub(crate) fn new(format: AudioFormat) -> Self {
        Self {
            format,
            whole: Whole::default(),
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            unanswered: Some(Vec::new()),
            caller_bytes: 0,
            sent_bytes: 0,
            billed_bytes: 0,
        }
    }

    /// The caller's sound in the call's format.
    pub(crate) fn push(&mut self, chunk: Vec<u8>) -> Result<(), Fault> {
        let linear = self.linear(chunk);
        self.caller_bytes += linear.len() as u64;
        if linear.len() <= self.bytes(PIECE_MS) {
            self.wait(linear);
        } else {
            linear.chunks(self.bytes(PIECE_MS)).for_each(|piece| self.wait(piece.to_vec()));
        }
        if self.waiting_bytes > self.bytes(WAITING_MS_MAX) {
            return Err(Fault::new(FaultKind::Unavailable, "the service does not take the sound"));
        }
        Ok(())
    }

    /// Silence of ours, sent at once: where it lies in the service's time, and the samples.
    pub(crate) fn silence(&mut self, length_ms: u64) -> (u64, Vec<u8>) {
        let (at_ms, silence) = (self.sent_ms(), vec![0; self.bytes(length_ms)]);
        self.count(&silence);
        (at_ms, silence)
    }

    /// The next piece to send.
    pub(crate) fn pop(&mut self) -> Option<Vec<u8>> {
        let piece = self.waiting.pop_front()?;
        self.waiting_bytes -= piece.len();
        self.count(&piece);
        if let Some(unanswered) = &mut self.unanswered {
            unanswered.push(piece.clone());
        }
        Some(piece)
    }

    /// The service listens: what was sent has arrived.
    pub(crate) fn answered(&mut self) {
        self.unanswered = None;
    }

    /// All of it goes over another link.
    pub(crate) fn rewind(&mut self) {
        for piece in self.unanswered.replace(Vec::new()).into_iter().flatten().rev() {
            self.waiting_bytes += piece.len();
            self.waiting.push_front(piece);
        }
        self.sent_bytes = 0;
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// How much the caller has given.
    pub(crate) fn caller_ms(&self) -> u64 {
        self.ms(self.caller_bytes)
    }

    /// How much was sent over all links, silence of ours too.
    pub(crate) fn billed_ms(&self) -> u64 {
        self.ms(self.billed_bytes)
    }

    fn sent_ms(&self) -> u64 {
        self.ms(self.sent_bytes)
    }

    fn count(&mut self, piece: &[u8]) {
        self.sent_bytes += piece.len() as u64;
        self.billed_bytes += piece.len() as u64;
    }

    fn wait(&mut self, piece: Vec<u8>) {
        if !piece.is_empty() {
            self.waiting_bytes += piece.len();
            self.waiting.push_back(piece);
        }
    }

    fn linear(&mut self, chunk: Vec<u8>) -> Vec<u8> {
        let encoding = self.format.encoding;
        if encoding == Encoding::PcmS16le {
            return self.whole.samples(encoding, chunk);
        }
        let mut samples = Vec::with_capacity(chunk.len());
        audio::decode(encoding, &chunk, &mut samples);
        let mut linear = Vec::with_capacity(2 * samples.len());
        audio::encode(Encoding::PcmS16le, &samples, &mut linear);
        linear
    }

    fn bytes(&self, ms: u64) -> usize {
        2 * (ms * u64::from(self.format.rate_hz) / 1000) as usize
    }

    fn ms(&self, bytes: u64) -> u64 {
        bytes * 1000 / (2 * u64::from(self.format.rate_hz.max(1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uplink(encoding: Encoding) -> Uplink {
        Uplink::new(AudioFormat { encoding, rate_hz: 8_000 })
    }

    #[test]
    fn logarithmic_samples_become_linear_ones() {
        for (encoding, silence, linear) in [(Encoding::Mulaw, 0xff, 0i16), (Encoding::Alaw, 0xd5, 8)] {
            let mut uplink = uplink(encoding);
            uplink.push(vec![silence; 800]).unwrap();
            assert_eq!(uplink.pop().unwrap(), linear.to_le_bytes().repeat(800));
            assert_eq!((uplink.caller_ms(), uplink.sent_ms()), (100, 100));
        }
    }

    #[test]
    fn half_a_sample_waits_for_the_other_half() {
        let mut uplink = uplink(Encoding::PcmS16le);
        uplink.push(vec![1, 2, 3]).unwrap();
        uplink.push(vec![4, 5, 6]).unwrap();
        assert_eq!((uplink.pop(), uplink.pop(), uplink.pop()), (Some(vec![1, 2]), Some(vec![3, 4, 5, 6]), None));
    }

    #[test]
    fn nothing_is_longer_than_the_service_takes_and_it_must_take_it() {
        let mut uplink = uplink(Encoding::PcmS16le);
        uplink.push(vec![0; 16_000 * 2]).unwrap();
        assert_eq!(uplink.waiting.iter().map(Vec::len).max(), Some(8_000));
        assert_eq!(uplink.push(vec![0; 16_000 * 29]).unwrap_err().kind, FaultKind::Unavailable);
    }

    #[test]
    fn what_had_no_answer_is_sent_again() {
        let mut uplink = uplink(Encoding::PcmS16le);
        uplink.push(vec![1; 320]).unwrap();
        uplink.push(vec![2; 320]).unwrap();
        uplink.pop();
        uplink.rewind();
        assert_eq!((uplink.pop(), uplink.pop(), uplink.pop()), (Some(vec![1; 320]), Some(vec![2; 320]), None));
        uplink.answered();
        uplink.rewind();
        assert_eq!((uplink.pop(), uplink.billed_ms()), (None, 60));
    }
}
