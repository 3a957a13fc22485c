//! What was given to Kafka and is not yet known to be there, in the order of the spool.

use std::collections::VecDeque;

/// Events on their way. The spool may forget an event only when it and all before it are settled: reports come from several partitions, and so in any
/// order.
///
/// *Invariant:* places grow from front to back, and the front is on its way: a settled front is taken off.
#[derive(Debug)]
pub(super) struct Window<P> {
    events: VecDeque<Event<P>>,
    bytes: usize,
}

#[derive(Debug)]
struct Event<P> {
    place: P,
    bytes: usize,
    settled: bool,
}

impl<P: Copy + Ord> Window<P> {
    pub(super) fn new() -> Self {
        Self { events: VecDeque::new(), bytes: 0 }
    }

    /// Notes an event that goes now. Places only grow.
    pub(super) fn sent(&mut self, place: P, bytes: usize) {
        debug_assert!(self.events.back().is_none_or(|last| last.place < place), "events go in the order of the spool");
        self.bytes += bytes;
        self.events.push_back(Event { place, bytes, settled: false });
    }

    /// Notes that an event needs nothing more: it is there, or was set aside. Gives the last place before which nothing is on its way, where that
    /// has moved.
    pub(super) fn settled(&mut self, place: P) -> Option<P> {
        let index = self.events.binary_search_by(|event| event.place.cmp(&place)).ok()?;
        self.events[index].settled = true;
        let mut moved = None;
        while self.events.front().is_some_and(|event| event.settled) {
            let event = self.events.pop_front()?;
            self.bytes -= event.bytes;
            moved = Some(event.place);
        }
        moved
    }

    /// Forgets what is on its way: it will be sent again. Gives the last of it.
    pub(super) fn forget(&mut self) -> Option<P> {
        let last = self.events.back().map(|event| event.place);
        self.events.clear();
        self.bytes = 0;
        last
    }

    /// Events on their way, and those behind them that are settled.
    pub(super) fn len(&self) -> usize {
        self.events.len()
    }

    /// Bytes of those.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_passed_only_when_all_before_it_are_settled() {
        let mut window = Window::new();
        (1..=4).for_each(|place| window.sent(place, 10));
        assert_eq!(window.settled(2), None);
        assert_eq!(window.settled(4), None);
        assert_eq!(window.settled(1), Some(2), "the second was waiting for the first");
        assert_eq!((window.len(), window.bytes()), (2, 20));
        assert_eq!(window.settled(3), Some(4));
        assert_eq!((window.len(), window.bytes()), (0, 0));
    }

    #[test]
    fn a_report_of_what_was_forgotten_changes_nothing() {
        let mut window = Window::new();
        (1..=3).for_each(|place| window.sent(place, 1));
        assert_eq!(window.settled(1), Some(1));
        assert_eq!(window.forget(), Some(3));
        assert_eq!(window.settled(2), None);
        window.sent(2, 1);
        assert_eq!(window.settled(2), Some(2));
        assert_eq!(window.settled(2), None, "told twice");
    }
}
