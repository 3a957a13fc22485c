//! What a gateway kept of a call's sound, sample by sample.

use serde_json::Value;
use std::collections::HashSet;
use std::fs;
use std::ops::Range;
use std::path::Path;
use vg_media::wav;
use vg_tests::house::recording;

/// Samples of a millisecond at the rate of the story's telephones.
const MS: usize = 16;
/// Samples of 20 ms: what a telephone sends at a time, and a recording is made of.
const FRAME: usize = 20 * MS;
/// What is softer is nobody's word.
const LOUD: u16 = 500;

/// A whole recording.
pub(crate) struct Kept {
    /// The caller's samples, and the gateway's.
    sides: [Vec<i16>; 2],
    /// Where silence stands in place of what was said, by its note: from one sample until before another.
    pauses: Vec<Range<usize>>,
}

impl Kept {
    /// What a gateway that has ended kept of a call.
    pub(crate) fn read(folder: &Path, tenant: &str, call: &str) -> Self {
        let file = |end: &str| fs::read(folder.join("calls").join(tenant).join(format!("{call}.{end}"))).unwrap();
        let note: Value = serde_json::from_slice(&file("json")).unwrap();
        let wav = wav::read(&file("wav")).unwrap();
        assert_eq!((wav.rate_hz, wav.channels, note["state"].as_str()), (16_000, 2, Some("complete")), "{note}");
        let pauses: Vec<[usize; 2]> = serde_json::from_value(note["pauses"].clone()).unwrap();
        let pauses = pauses.into_iter().map(|[from, until]| from * MS..until * MS).collect();
        let sides = [0, 1].map(|side| wav.samples.iter().skip(side).step_by(2).copied().collect());
        Self { sides, pauses }
    }

    /// Fails unless both sides are silent in each pause, to the sample, and can be heard before the first of them and behind the last.
    pub(crate) fn is_silent_in_its_pauses(&self) {
        let (Some(first), Some(last)) = (self.pauses.first(), self.pauses.last()) else { panic!("there is no pause") };
        for (who, side) in ["caller", "gateway"].into_iter().zip(&self.sides) {
            for pause in &self.pauses {
                assert!(side[pause.clone()].iter().all(|sample| *sample == 0), "the {who} is heard in {pause:?}");
            }
            let (before, behind) = (loud_frames(&side[..first.start]), loud_frames(&side[last.end..]));
            assert!(before > 10 && behind > 10, "{before} and {behind} frames of the {who} are around {:?}", self.pauses);
        }
    }

    /// How many frames of what the caller says each time (`time.wav`) can be heard; and how many it has.
    pub(crate) fn frames_said(&self) -> (usize, usize) {
        let sound = recording("time.wav").unwrap();
        // No two of them are the same.
        let words: HashSet<&[i16]> = sound.chunks_exact(FRAME).filter(|frame| is_loud(frame)).collect();
        let kept = self.sides[0].chunks_exact(FRAME).filter(|frame| words.contains(*frame)).count();
        (kept, words.len())
    }

    /// How many frames of the gateway can be heard.
    pub(crate) fn frames_answered(&self) -> usize {
        loud_frames(&self.sides[1])
    }
}

/// Frames of a track in which somebody can be heard.
pub(crate) fn loud_frames(track: &[i16]) -> usize {
    track.chunks_exact(FRAME).filter(|frame| is_loud(frame)).count()
}

fn is_loud(samples: &[i16]) -> bool {
    samples.iter().any(|sample| sample.unsigned_abs() > LOUD)
}
