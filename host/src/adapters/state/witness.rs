//! Who has died: judged from what was seen of leases. Knows no clock and no Redis.
//!
//! A lease that is gone is no proof. It is gone for everybody after a flush, in another store, and when a store comes back that was away for longer than
//! a lease lasts. So a holder is taken for dead only where its lease was seen alive in this very generation of the store, and where this gateway has seen
//! the store without a gap for long enough that a living one would have shown itself.

use crate::application::ports::Holder;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// After a gap everybody has so long to renew a lease. Longer than a living gateway takes to connect anew.
pub(super) const SETTLED: Duration = Duration::from_secs(3);
/// No look for so long is a gap: leases may have lapsed that nobody could renew.
const GAP: Duration = Duration::from_millis(700);

/// The store at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct View {
    /// Which store it is; none where it does not say yet.
    pub(super) generation: Option<Arc<str>>,
    /// Everybody who may have calls, with what they say of themselves.
    pub(super) holders: BTreeMap<Holder, Arc<str>>,
    /// Those of them whose lease is there.
    pub(super) alive: BTreeSet<Holder>,
}

/// What was seen so far.
pub(super) struct Witness {
    own: Holder,
    /// A lease must be gone for so long: nothing where one look sees everything at the same moment.
    gone_for: Duration,
    generation: Option<Arc<str>>,
    since: Option<Instant>,
    last: Option<Instant>,
    /// Others that were seen alive in this generation, and since when they are not.
    seen: BTreeMap<Holder, Option<Instant>>,
    /// Earlier runs of this very gateway: they are over, for it has their lease.
    predecessors: BTreeSet<Holder>,
}

impl Witness {
    pub(super) fn new(own: Holder, gone_for: Duration) -> Self {
        let (generation, since, last) = (None, None, None);
        Self { own, gone_for, generation, since, last, seen: BTreeMap::new(), predecessors: BTreeSet::new() }
    }

    /// The store was away.
    pub(super) fn blind(&mut self) {
        self.since = None;
        self.last = None;
        self.all_again();
    }

    /// One look. `held`: this gateway has its own lease. Gives those that are dead, with what they said of themselves.
    pub(super) fn look(&mut self, now: Instant, held: bool, view: &View) -> Vec<(Holder, Arc<str>)> {
        if self.last.is_some_and(|last| now.saturating_duration_since(last) > GAP) {
            self.blind();
        }
        if self.generation != view.generation || view.generation.is_none() {
            self.generation.clone_from(&view.generation);
            self.seen.clear();
            self.predecessors.clear();
            self.since = None;
        }
        self.last = Some(now);
        let since = *self.since.get_or_insert(now);
        for holder in view.holders.keys().filter(|holder| **holder != self.own) {
            if view.alive.contains(holder) {
                self.seen.insert(holder.clone(), None);
            } else if let Some(gone) = self.seen.get_mut(holder) {
                gone.get_or_insert(now);
            } else if held && holder.instance == self.own.instance {
                self.predecessors.insert(holder.clone());
            }
        }
        self.seen.retain(|holder, _| view.holders.contains_key(holder));
        self.predecessors.retain(|holder| view.holders.contains_key(holder));
        let settled = now.saturating_duration_since(since) >= SETTLED;
        let dead = self
            .seen
            .iter()
            .filter(|(_, gone)| settled && gone.is_some_and(|gone| now.saturating_duration_since(gone) >= self.gone_for));
        let dead = dead.map(|(holder, _)| holder).chain(&self.predecessors);
        dead.filter_map(|holder| Some((holder.clone(), Arc::clone(view.holders.get(holder)?)))).collect()
    }

    /// Who is gone is looked at anew.
    fn all_again(&mut self) {
        self.seen.values_mut().for_each(|gone| *gone = None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn holder(instance: &str, boot: &str) -> Holder {
        Holder { instance: instance.into(), boot: boot.into() }
    }

    fn view(generation: &str, holders: &[&Holder], alive: &[&Holder]) -> View {
        View {
            generation: Some(generation.into()),
            holders: holders.iter().map(|holder| ((*holder).clone(), "said".into())).collect(),
            alive: alive.iter().map(|holder| (*holder).clone()).collect(),
        }
    }

    struct Looks {
        witness: Witness,
        now: Instant,
    }

    impl Looks {
        fn new(gone_for: Duration) -> Self {
            Self { witness: Witness::new(holder("a", "1"), gone_for), now: Instant::now() }
        }

        /// Looks each 100 ms for so long; gives the last answer's names.
        fn look(&mut self, ms: u32, view: &View) -> Vec<String> {
            let mut dead = Vec::new();
            for _ in 0..ms / 100 {
                self.now += 100 * MS;
                dead = self.witness.look(self.now, true, view);
            }
            dead.into_iter().map(|(holder, _)| format!("{} {}", holder.instance, holder.boot)).collect()
        }
    }

    #[test]
    fn one_that_lived_here_and_does_no_more_is_dead_at_once() {
        let (a, b) = (holder("a", "1"), holder("b", "1"));
        let mut looks = Looks::new(Duration::ZERO);
        assert!(looks.look(4_000, &view("g", &[&a, &b], &[&a, &b])).is_empty());
        assert_eq!(looks.look(100, &view("g", &[&a, &b], &[&a])), ["b 1"]);
        assert!(looks.look(100, &view("g", &[&a, &b], &[&a, &b])).is_empty(), "it was late");
        assert!(looks.look(100, &view("g", &[&a], &[&a])).is_empty(), "nothing is left of it");
    }

    #[test]
    fn where_a_look_takes_more_than_a_moment_it_must_be_gone_for_longer() {
        let (a, b) = (holder("a", "1"), holder("b", "1"));
        let mut looks = Looks::new(300 * MS);
        looks.look(4_000, &view("g", &[&a, &b], &[&a, &b]));
        assert!(looks.look(300, &view("g", &[&a, &b], &[&a])).is_empty());
        assert_eq!(looks.look(100, &view("g", &[&a, &b], &[&a])), ["b 1"]);
    }

    #[test]
    fn one_that_was_never_seen_alive_is_not_taken_for_dead() {
        let (a, b) = (holder("a", "1"), holder("b", "1"));
        assert!(Looks::new(Duration::ZERO).look(10_000, &view("g", &[&a, &b], &[&a])).is_empty());
    }

    #[test]
    fn a_flush_kills_nobody() {
        let (a, b) = (holder("a", "1"), holder("b", "1"));
        let mut looks = Looks::new(Duration::ZERO);
        looks.look(4_000, &view("g", &[&a, &b], &[&a, &b]));
        assert!(looks.look(100, &View::default()).is_empty());
        assert!(looks.look(5_000, &view("h", &[&a, &b], &[&a])).is_empty(), "its last sign was another store's");
        looks.look(100, &view("h", &[&a, &b], &[&a, &b]));
        assert_eq!(looks.look(100, &view("h", &[&a, &b], &[&a])), ["b 1"], "this one is the new store's");
    }

    #[test]
    fn a_store_that_was_away_for_everybody_kills_nobody() {
        let (a, b) = (holder("a", "1"), holder("b", "1"));
        let mut looks = Looks::new(Duration::ZERO);
        looks.look(4_000, &view("g", &[&a, &b], &[&a, &b]));
        looks.witness.blind();
        assert!(looks.look(2_900, &view("g", &[&a, &b], &[&a])).is_empty(), "it may not have connected yet");
        assert!(looks.look(2_000, &view("g", &[&a, &b], &[&a, &b])).is_empty());
    }

    #[test]
    fn one_that_died_while_the_store_was_away_is_found_when_all_others_are_back() {
        let (a, b) = (holder("a", "1"), holder("b", "1"));
        let mut looks = Looks::new(Duration::ZERO);
        looks.look(4_000, &view("g", &[&a, &b], &[&a, &b]));
        looks.witness.blind();
        assert_eq!(looks.look(3_100, &view("g", &[&a, &b], &[&a])), ["b 1"]);
    }

    #[test]
    fn a_gateway_that_stood_still_itself_judges_nobody_at_once() {
        let (a, b) = (holder("a", "1"), holder("b", "1"));
        let mut looks = Looks::new(Duration::ZERO);
        looks.look(4_000, &view("g", &[&a, &b], &[&a, &b]));
        looks.now += Duration::from_secs(10);
        assert!(looks.look(2_900, &view("g", &[&a, &b], &[&a])).is_empty());
    }

    #[test]
    fn an_earlier_run_of_this_gateway_is_over_once_its_lease_is_had() {
        let (own, earlier) = (holder("a", "1"), holder("a", "0"));
        let now = Instant::now();
        let mut witness = Witness::new(own.clone(), Duration::ZERO);
        let view = view("g", &[&earlier], &[]);
        assert!(witness.look(now, false, &view).is_empty(), "another may have the lease");
        assert_eq!(witness.look(now + 100 * MS, true, &view), [(earlier, "said".into())]);
    }

    #[test]
    fn another_that_was_started_anew_is_dead_as_it_was() {
        let (a, before, after) = (holder("a", "1"), holder("b", "1"), holder("b", "2"));
        let mut looks = Looks::new(Duration::ZERO);
        looks.look(4_000, &view("g", &[&a, &before], &[&a, &before]));
        assert_eq!(looks.look(100, &view("g", &[&a, &before, &after], &[&a, &after])), ["b 1"]);
    }
}
