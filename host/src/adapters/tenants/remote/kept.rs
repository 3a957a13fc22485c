//! Answers that are kept: each is good for a time, is asked for once by however many, and serves on while the service is away.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

/// What holds for answers of one kind.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms {
    /// How long one is good for.
    pub(super) ttl: Duration,
    /// How long a "there is none" is good for.
    pub(super) ttl_absent: Duration,
    /// How long one that was good is not asked for again after the service failed.
    pub(super) rest: Duration,
    /// How long is waited for a new one where an old one is known.
    pub(super) patience: Duration,
    /// How many are kept. One more, and "there is none" goes first, then what was not used for longest.
    pub(super) entries_max: usize,
}

/// What the service said.
#[derive(Debug)]
pub(super) enum Answer<V> {
    /// This, and by which tag it knows it again.
    New(V, Option<String>),
    /// The same as by the tag.
    Unchanged,
    /// There is none.
    Absent,
    /// Nothing that is of use.
    Failed,
}

/// What was found.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found<V> {
    Known(Arc<V>),
    Absent,
    Unavailable,
}

/// Lookups by what they came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Lookups {
    /// Answered at once by what is good.
    pub(super) fresh: u64,
    /// Answered by the service.
    pub(super) asked: u64,
    /// Answered by what was good once.
    pub(super) last_known_good: u64,
    /// There is none.
    pub(super) absent: u64,
    /// Not answered.
    pub(super) unavailable: u64,
}

/// See the module. Dropping it stops asking.
pub(super) struct Kept<K, V> {
    terms: Terms,
    state: Arc<Mutex<State<K, V>>>,
    /// Questions on their way: they go on where who asked gives up, since others may wait for them.
    asking: Mutex<JoinSet<()>>,
}

struct State<K, V> {
    entries: HashMap<K, Entry<V>>,
    /// What is being asked for. A closed channel without a word is a question that came to nothing.
    asked: HashMap<K, watch::Receiver<Option<Found<V>>>>,
    /// Counts uses.
    uses: u64,
    lookups: Lookups,
}

struct Entry<V> {
    says: Says<V>,
    confirmed: Instant,
    /// When the service last failed to confirm it; none since it did.
    failed: Option<Instant>,
    used: u64,
}

enum Says<V> {
    Known { value: Arc<V>, etag: Option<String> },
    Absent,
}

impl<V> Clone for Found<V> {
    fn clone(&self) -> Self {
        match self {
            Self::Known(value) => Self::Known(Arc::clone(value)),
            Self::Absent => Self::Absent,
            Self::Unavailable => Self::Unavailable,
        }
    }
}

impl<V> Entry<V> {
    fn found(&self) -> Found<V> {
        match &self.says {
            Says::Known { value, .. } => Found::Known(Arc::clone(value)),
            Says::Absent => Found::Absent,
        }
    }

    fn is_good(&self, now: Instant, terms: &Terms) -> bool {
        let ttl = match self.says {
            Says::Known { .. } => terms.ttl,
            Says::Absent => terms.ttl_absent,
        };
        now.saturating_duration_since(self.confirmed) < ttl
    }

    fn rests(&self, now: Instant, terms: &Terms) -> bool {
        let known = matches!(self.says, Says::Known { .. });
        known && self.failed.is_some_and(|failed| now.saturating_duration_since(failed) < terms.rest)
    }
}

impl<K, V> Kept<K, V>
where
    K: Clone + Eq + Hash + Send + 'static,
    V: PartialEq + Send + Sync + 'static,
{
    pub(super) fn new(terms: Terms) -> Self {
        let state = State { entries: HashMap::new(), asked: HashMap::new(), uses: 0, lookups: Lookups::default() };
        Self { terms, state: Arc::new(Mutex::new(state)), asking: Mutex::default() }
    }

    /// What is good, else what `ask` finds (given the tag of what is known), else what was good once.
    pub(super) async fn get<F>(&self, key: &K, ask: impl FnOnce(Option<String>) -> F) -> Found<V>
    where
        F: Future<Output = Answer<V>> + Send + 'static,
    {
        let (known, asked) = {
            let now = Instant::now();
            let mut state = lock(&self.state);
            state.uses += 1;
            let (uses, terms) = (state.uses, self.terms);
            let entry = state.entries.get_mut(key);
            let known = match entry {
                Some(entry) => {
                    entry.used = uses;
                    let (found, good) = (entry.found(), entry.is_good(now, &terms));
                    if good || entry.rests(now, &terms) {
                        state.count(&found, if good { How::Fresh } else { How::Once });
                        return found;
                    }
                    Some(found)
                }
                None => None,
            };
            (known.filter(|known| matches!(known, Found::Known(_))), self.asked(&mut state, key, ask))
        };
        let answer = match &known {
            Some(_) => timeout(self.terms.patience, told(asked)).await.unwrap_or(Found::Unavailable),
            None => told(asked).await,
        };
        let mut state = lock(&self.state);
        match (answer, known) {
            (Found::Unavailable, Some(known)) => {
                state.count(&known, How::Once);
                known
            }
            (answer, _) => {
                state.count(&answer, How::Asked);
                answer
            }
        }
    }

    /// Everything that is kept and not absent.
    pub(super) fn values(&self) -> Vec<Arc<V>> {
        let state = lock(&self.state);
        let known = |entry: &Entry<V>| match entry.found() {
            Found::Known(value) => Some(value),
            Found::Absent | Found::Unavailable => None,
        };
        state.entries.values().filter_map(known).collect()
    }

    /// From now on nothing is good, and no tag is known: everything is asked for, and looked at anew.
    pub(super) fn doubt(&self) {
        for entry in lock(&self.state).entries.values_mut() {
            entry.confirmed = entry.confirmed.checked_sub(self.terms.ttl.max(self.terms.ttl_absent)).unwrap_or(entry.confirmed);
            if let Says::Known { etag, .. } = &mut entry.says {
                *etag = None;
            }
        }
    }

    pub(super) fn lookups(&self) -> Lookups {
        lock(&self.state).lookups
    }

    /// How long ago the oldest one was confirmed that the service fails to confirm again; zero where there is none.
    pub(super) fn age_max(&self) -> Duration {
        let now = Instant::now();
        let state = lock(&self.state);
        let doubtful = state.entries.values().filter(|entry| entry.failed.is_some() && matches!(entry.says, Says::Known { .. }));
        doubtful.map(|entry| now.saturating_duration_since(entry.confirmed)).max().unwrap_or_default()
    }

    /// The question that is on its way already, or a new one.
    fn asked<F>(
        &self,
        state: &mut State<K, V>,
        key: &K,
        ask: impl FnOnce(Option<String>) -> F,
    ) -> watch::Receiver<Option<Found<V>>>
    where
        F: Future<Output = Answer<V>> + Send + 'static,
    {
        if let Some(asked) = state.asked.get(key)
            && asked.has_changed().is_ok()
        {
            return asked.clone();
        }
        let etag = match state.entries.get(key).map(|entry| &entry.says) {
            Some(Says::Known { etag, .. }) => etag.clone(),
            _ => None,
        };
        let (tell, asked) = watch::channel(None);
        state.asked.insert(key.clone(), asked.clone());
        let (question, shared, terms, key) = (ask(etag), Arc::clone(&self.state), self.terms, key.clone());
        let mut asking = self.asking.lock().unwrap_or_else(PoisonError::into_inner);
        while asking.try_join_next().is_some() {}
        asking.spawn(async move {
            let answer = question.await;
            let mut state = lock(&shared);
            state.asked.remove(&key);
            let found = state.take(key, answer, &terms);
            // Who waited may have gone.
            let _ = tell.send(Some(found));
        });
        asked
    }
}

/// How a lookup was answered.
enum How {
    Fresh,
    Asked,
    Once,
}

impl<K: Clone + Eq + Hash, V: PartialEq> State<K, V> {
    fn count(&mut self, found: &Found<V>, how: How) {
        let lookups = &mut self.lookups;
        let count = match (found, how) {
            (Found::Unavailable, _) => &mut lookups.unavailable,
            (Found::Absent, _) => &mut lookups.absent,
            (Found::Known(_), How::Fresh) => &mut lookups.fresh,
            (Found::Known(_), How::Asked) => &mut lookups.asked,
            (Found::Known(_), How::Once) => &mut lookups.last_known_good,
        };
        *count += 1;
    }

    fn take(&mut self, key: K, answer: Answer<V>, terms: &Terms) -> Found<V> {
        let now = Instant::now();
        let entry = self.entries.get_mut(&key);
        let says = match (answer, entry) {
            (Answer::New(value, etag), Some(Entry { says: Says::Known { value: old, .. }, .. })) if **old == value => {
                // What did not change keeps its identity.
                Says::Known { value: Arc::clone(old), etag }
            }
            (Answer::New(value, etag), _) => Says::Known { value: Arc::new(value), etag },
            (Answer::Unchanged, Some(entry)) => {
                entry.confirmed = now;
                entry.failed = None;
                return entry.found();
            }
            (Answer::Absent, _) => Says::Absent,
            (Answer::Failed | Answer::Unchanged, entry) => {
                if let Some(entry) = entry {
                    entry.failed = Some(now);
                }
                return Found::Unavailable;
            }
        };
        let entry = Entry { says, confirmed: now, failed: None, used: self.uses };
        let found = entry.found();
        self.entries.insert(key, entry);
        if self.entries.len() > terms.entries_max {
            let order = |entry: &Entry<V>| (matches!(entry.says, Says::Known { .. }), entry.used);
            let least = self.entries.iter().min_by_key(|(_, entry)| order(entry)).map(|(key, _)| key.clone());
            least.map(|key| self.entries.remove(&key));
        }
        found
    }
}

async fn told<V>(mut asked: watch::Receiver<Option<Found<V>>>) -> Found<V> {
    match asked.wait_for(Option::is_some).await {
        Ok(told) => told.clone().unwrap_or(Found::Unavailable),
        // Who asked has died: a defect, told by its panic.
        Err(_) => Found::Unavailable,
    }
}

fn lock<K, V>(state: &Mutex<State<K, V>>) -> MutexGuard<'_, State<K, V>> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
