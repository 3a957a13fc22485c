//! An answer as it comes: sound as it is, or lines of JSON put together.

use crate::protocol::{Body, Line};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use vg_own_engine::Ms;
use vg_plugin_sdk::{
    Encoding, Fault, FaultKind,
    audio::{Whole, sample_bytes},
    tts::spoke_nothing,
};

/// Bytes of a line: a second of the widest sound as base64 is half of it.
const LINE_MAX: usize = 256 << 10;

/// What an answer holds, in its order.
#[derive(Debug, PartialEq)]
pub(crate) enum Part {
    /// Whole samples.
    Sound(Vec<u8>),
    /// Times since the answer's first sample.
    Word { text: String, start_ms: u64, end_ms: u64 },
}

/// One answer.
#[derive(Debug)]
pub(crate) struct Answer {
    encoding: Encoding,
    rate_hz: u32,
    whole: Whole,
    /// None where sound comes as it is.
    lines: Option<Lines>,
    bytes: u64,
}

#[derive(Debug, Default)]
struct Lines {
    waiting: Vec<u8>,
    /// So much of it was looked through and holds no end.
    looked_through: usize,
    done: bool,
}

impl Answer {
    pub(crate) fn new(body: Body, encoding: Encoding, rate_hz: u32) -> Self {
        let lines = (body == Body::Lines).then(Lines::default);
        Self { encoding, rate_hz, whole: Whole::default(), lines, bytes: 0 }
    }

    /// How much sound it has given.
    pub(crate) fn ms(&self) -> u64 {
        self.bytes * 1_000 / (u64::from(self.rate_hz) * sample_bytes(self.encoding) as u64)
    }

    /// More of the answer, cut anywhere. What came before a fault is among the parts, too.
    ///
    /// # Errors
    /// What the engine reports within a stream; `protocol` for what is no line.
    pub(crate) fn take(&mut self, bytes: Vec<u8>, parts: &mut Vec<Part>) -> Result<(), Fault> {
        let Some(mut lines) = self.lines.take() else {
            self.sound(bytes, parts);
            return Ok(());
        };
        lines.waiting.extend(bytes);
        let mut begin = 0;
        while let Some(end) = lines.end_after(begin) {
            let line = lines.waiting[begin..end].trim_ascii();
            if !line.is_empty() && !lines.done {
                lines.done = self.line(line, parts)?;
            }
            begin = end + 1;
            lines.looked_through = begin;
        }
        lines.waiting.drain(..begin);
        lines.looked_through = lines.waiting.len();
        if lines.waiting.len() > LINE_MAX {
            return Err(Fault::new(FaultKind::Protocol, "a line of the engine does not end"));
        }
        self.lines = Some(lines);
        Ok(())
    }

    /// The answer has ended; whether it may be believed.
    ///
    /// # Errors
    /// `unavailable` where it was cut, `empty-result` where there was no sound in it.
    pub(crate) fn end(self) -> Result<(), Fault> {
        if self.lines.as_ref().is_some_and(|lines| !lines.done) {
            return Err(Fault::new(FaultKind::Unavailable, "the engine's stream ended before `done`"));
        }
        if self.whole.is_cut() {
            return Err(Fault::new(FaultKind::Unavailable, "the engine's sound ended within a sample"));
        }
        if self.bytes == 0 {
            return Err(spoke_nothing("the engine spoke nothing"));
        }
        Ok(())
    }

    /// Whether nothing more is to come, though the link may still be open.
    pub(crate) fn is_done(&self) -> bool {
        self.lines.as_ref().is_some_and(|lines| lines.done)
    }

    /// Whether it was the last line.
    fn line(&mut self, line: &[u8], parts: &mut Vec<Part>) -> Result<bool, Fault> {
        match Line::read(line)? {
            Line::Audio { data } => {
                let no_base64 = |_| Fault::new(FaultKind::Protocol, "sound of the engine is no base64");
                let bytes = BASE64_STANDARD.decode(data.as_bytes()).map_err(no_base64)?;
                self.sound(bytes, parts);
            }
            Line::Word { text, start_ms: Ms(start_ms), end_ms: Ms(end_ms) } => parts.push(Part::Word { text, start_ms, end_ms }),
            Line::Error(refusal) => return Err(refusal.fault()),
            Line::Done => return Ok(true),
            Line::Other => {}
        }
        Ok(false)
    }

    fn sound(&mut self, bytes: Vec<u8>, parts: &mut Vec<Part>) {
        let samples = self.whole.samples(self.encoding, bytes);
        self.bytes += samples.len() as u64;
        if !samples.is_empty() {
            parts.push(Part::Sound(samples));
        }
    }
}

impl Lines {
    fn end_after(&self, begin: usize) -> Option<usize> {
        let from = self.looked_through.max(begin);
        self.waiting[from..].iter().position(|byte| *byte == b'\n').map(|at| from + at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(body: Body) -> Answer {
        Answer::new(body, Encoding::PcmS16le, 8_000)
    }

    fn sound(parts: &[Part]) -> Vec<u8> {
        let samples = |part: &Part| if let Part::Sound(samples) = part { samples.clone() } else { vec![] };
        parts.iter().flat_map(samples).collect()
    }

    #[test]
    fn lines_say_the_same_however_they_are_cut() {
        let stream =
            b"{\"type\":\"audio\",\"data\":\"AQID\"}\r\n\n{\"type\":\"word\",\"text\":\"a\",\"start_ms\":0,\"end_ms\":1}\n\
            {\"type\":\"audio\",\"data\":\"BA==\"}\n{\"type\":\"done\"}\n";
        for size in [1, 3, 40, stream.len()] {
            let mut answer = answer(Body::Lines);
            let mut parts = Vec::new();
            stream.chunks(size).for_each(|piece| answer.take(piece.to_vec(), &mut parts).unwrap());
            assert_eq!(sound(&parts), [1, 2, 3, 4], "in pieces of {size}");
            assert_eq!(parts[1], Part::Word { text: "a".to_owned(), start_ms: 0, end_ms: 1 });
            assert!(answer.is_done());
            assert_eq!(answer.end(), Ok(()));
        }
    }

    #[test]
    fn what_is_cut_or_empty_is_no_success() {
        let kind = |body, bytes: &[u8]| {
            let mut answer = answer(body);
            answer.take(bytes.to_vec(), &mut Vec::new()).and_then(|()| answer.end()).map_err(|fault| fault.kind)
        };
        assert_eq!(kind(Body::Sound, &[1, 2]), Ok(()));
        assert_eq!(kind(Body::Sound, &[1, 2, 3]), Err(FaultKind::Unavailable));
        assert_eq!(kind(Body::Sound, &[]), Err(FaultKind::EmptyResult));
        assert_eq!(kind(Body::Lines, b"{\"type\":\"audio\",\"data\":\"AQI=\"}\n"), Err(FaultKind::Unavailable));
        assert_eq!(kind(Body::Lines, b"{\"type\":\"done\"}\n"), Err(FaultKind::EmptyResult));
        assert_eq!(kind(Body::Lines, b"{\"type\":\"error\",\"code\":\"busy\"}\n"), Err(FaultKind::SessionLimit));
        assert_eq!(kind(Body::Lines, b"{\"type\":\"audio\",\"data\":\"?\"}\n"), Err(FaultKind::Protocol));
        assert_eq!(kind(Body::Lines, &[b'x'; LINE_MAX + 1]), Err(FaultKind::Protocol));
    }

    #[test]
    fn time_is_counted_in_samples() {
        let mut answer = answer(Body::Sound);
        answer.take(vec![0; 1_601], &mut Vec::new()).unwrap();
        assert_eq!(answer.ms(), 100);
    }
}
