//! The legs of a shard, and whose turn it is.
//!
//! A tick of 2 ms has one slot in ten. Each leg speaks in a slot of its own, so that a burst of a thousand packets never waits for its last one,
//! and is heard in the slot that follows soonest on its frames' time.

use super::shard::{Slot, Wire};
use std::collections::HashMap;

/// Ticks in 20 ms.
pub(super) const SLOTS: usize = 10;

/// Names a leg for as long as the shard lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct LegKey(pub(super) u64);

/// See the module.
#[derive(Default)]
pub(super) struct Legs {
    places: Vec<Option<Place>>,
    free: Vec<usize>,
    keys: HashMap<LegKey, usize>,
    hearing: [Vec<usize>; SLOTS],
    speaking: [Vec<usize>; SLOTS],
    /// Those that no socket brings packets for.
    streams: Vec<usize>,
}

struct Place {
    key: LegKey,
    slot: Box<Slot>,
}

impl Legs {
    /// A further leg, in the slot that has the fewest.
    pub(super) fn open(&mut self, key: LegKey, slot: Box<Slot>) {
        let index = self.free.pop().unwrap_or_else(|| {
            self.places.push(None);
            self.places.len() - 1
        });
        if let Wire::Raw { .. } = slot.wire {
            self.streams.push(index);
        }
        self.places[index] = Some(Place { key, slot });
        self.keys.insert(key, index);
        let quietest = (0..SLOTS).min_by_key(|slot| self.speaking[*slot].len()).unwrap_or(0);
        self.speaking[quietest].push(index);
        self.hearing[quietest].push(index);
    }

    pub(super) fn get_mut(&mut self, key: LegKey) -> Option<&mut Slot> {
        let index = *self.keys.get(&key)?;
        self.places[index].as_mut().map(|place| &mut *place.slot)
    }

    /// Each leg whose frames are carried by somebody else.
    pub(super) fn each_stream(&mut self, mut act: impl FnMut(&mut Slot)) {
        for index in &self.streams {
            if let Some(place) = &mut self.places[*index] {
                act(&mut place.slot);
            }
        }
    }

    /// Each leg that is heard in this slot; `hear` says in which slot it is to be heard from now on.
    pub(super) fn hear(&mut self, slot: usize, mut hear: impl FnMut(&mut Slot) -> usize) {
        let mut at = 0;
        while let Some(index) = self.hearing[slot].get(at).copied() {
            let next = self.places[index].as_mut().map_or(slot, |place| hear(&mut place.slot));
            if next == slot {
                at += 1;
            } else {
                self.hearing[slot].swap_remove(at);
                self.hearing[next % SLOTS].push(index);
            }
        }
    }

    /// Each leg that speaks in this slot. Where `speak` says that it is over it is handed out, and gone.
    pub(super) fn speak(
        &mut self,
        slot: usize,
        mut speak: impl FnMut(&mut Slot) -> bool,
        mut over: impl FnMut(LegKey, Box<Slot>),
    ) {
        let mut at = 0;
        while let Some(index) = self.speaking[slot].get(at).copied() {
            let goes_on = self.places[index].as_mut().is_some_and(|place| speak(&mut place.slot));
            if goes_on {
                at += 1;
                continue;
            }
            self.speaking[slot].swap_remove(at);
            self.streams.retain(|other| *other != index);
            self.hearing.iter_mut().for_each(|legs| legs.retain(|other| *other != index));
            if let Some(Place { key, slot }) = self.places[index].take() {
                self.keys.remove(&key);
                self.free.push(index);
                over(key, slot);
            }
        }
    }
}
