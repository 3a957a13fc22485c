//! Numbers hidden in sound, so that whoever hears them knows when they were said: how long a gateway takes from a mouth to an ear.
//!
//! A mark is twelve bytes of mu-law, all so quiet that no detector takes them for speech. It comes through where a gateway hands G.711 on as it
//! is; sound that was resampled has lost it.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

const MAGIC: [u8; 4] = [0xF3, 0xFB, 0xF1, 0xF9];
/// Bytes of a mark.
pub const LEN: usize = MAGIC.len() + 8;
/// The sixteen quietest codes of one sign.
const QUIET: u8 = 0xF0;
/// Marks that nobody has heard yet; what is older is forgotten.
const SAID_MAX: usize = 10_000;

/// One way from mouths to ears.
#[derive(Debug, Default)]
pub struct Way(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    next: u32,
    said: HashMap<u32, Instant>,
    took: Vec<Duration>,
}

impl Way {
    /// Writes a new mark to the front of a silence, said in so long from now.
    pub fn say(&self, silence: &mut [u8], in_time: Duration) {
        let Some(place) = silence.first_chunk_mut::<LEN>() else { return };
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let number = inner.next;
        inner.next = inner.next.wrapping_add(1);
        if inner.said.len() >= SAID_MAX {
            inner.said.clear();
        }
        inner.said.insert(number, Instant::now() + in_time);
        *place = mark(number);
    }

    /// Looks for a mark in sound that came now.
    pub fn hear(&self, sound: &[u8]) {
        let Some(number) = find(sound) else { return };
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(said) = inner.said.remove(&number) {
            inner.took.push(said.elapsed());
        }
    }

    /// How long they took since this was asked last: half of them at most, and 99 of 100. None where none were heard.
    pub fn take(&self) -> Option<[Duration; 2]> {
        let mut took = std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner).took);
        took.sort_unstable();
        let at = |share: f64| took.get(((took.len() as f64 * share) as usize).min(took.len().saturating_sub(1))).copied();
        Some([at(0.5)?, at(0.99)?])
    }
}

fn mark(number: u32) -> [u8; LEN] {
    let mut mark = [0; LEN];
    let (magic, nibbles) = mark.split_at_mut(MAGIC.len());
    magic.copy_from_slice(&MAGIC);
    for (nth, byte) in nibbles.iter_mut().enumerate() {
        *byte = QUIET | (number >> (28 - 4 * nth)) as u8 & 0x0F;
    }
    mark
}

fn find(sound: &[u8]) -> Option<u32> {
    let at = sound.windows(LEN).find(|window| window.starts_with(&MAGIC))?;
    Some(at[MAGIC.len()..].iter().fold(0, |number, byte| number << 4 | u32::from(byte & 0x0F)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_found_where_it_was_hidden() {
        for number in [0, 1, 0x1234_ABCD, u32::MAX] {
            let mut sound = vec![0xFF; 160];
            sound[40..40 + LEN].copy_from_slice(&mark(number));
            assert_eq!(find(&sound), Some(number));
            assert!(sound.iter().all(|byte| *byte >= QUIET));
        }
        assert_eq!(find(&[0xFF; 160]), None);
        assert_eq!(find(&mark(7)[..LEN - 1]), None);
    }

    #[test]
    fn what_was_said_is_heard_once() {
        let (way, mut sound) = (Way::default(), [0xFF; 160]);
        way.say(&mut sound, Duration::ZERO);
        assert_eq!(way.take(), None);
        way.hear(&sound);
        way.hear(&sound);
        assert!(way.take().is_some());
        assert_eq!(way.take(), None);
        way.say(&mut sound[..LEN - 1], Duration::ZERO);
        way.hear(&sound);
        assert_eq!(way.take(), None);
    }
}
