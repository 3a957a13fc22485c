//! What a session's store holds beside the guest: its budgets of time, memory and log, its assets.

use crate::api::{Now, SessionTag};
use crate::counters::Counters;
use crate::journal::{LogLevel, SharedJournal};
use crate::limits::{ASSET_READ_BYTES, Budget, HANDLES, OUTPUT_BYTES_PER_CALL, TABLE_ELEMENTS};
use crate::pace::{Calls, Pace};
use crate::signing::Signing;
use crate::wasi::World;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use wasmtime::{Engine, ResourceLimiter, Store};

/// Read-only data shipped beside a plugin, by name.
pub(crate) type Assets = BTreeMap<String, Vec<u8>>;

/// The guest's growth would pass its budget; travels through wasmtime as the cause of the trap.
#[derive(Debug, thiserror::Error)]
#[error("memory budget is used up")]
pub(crate) struct MemoryLimitHit;

/// State of one store.
pub(crate) struct Guest {
    pace: Pace,
    now: Now,
    seed: [u8; 32],
    /// What WASI's functions work on, from the first call of one.
    world: Option<Box<World>>,
    journal: SharedJournal,
    assets: Arc<Assets>,
    memory_bytes_left: usize,
    table_elements_left: usize,
    pub(crate) signing: Signing,
}

/// What all sessions of a plugin share with their stores.
#[derive(Clone)]
pub(crate) struct GuestHome {
    pub(crate) plugin: Arc<str>,
    pub(crate) assets: Arc<Assets>,
    pub(crate) counters: Arc<Counters>,
}

impl GuestHome {
    /// A store with every limit of `budget` in place. Its clock stands at zero until the first call.
    pub(crate) fn store(&self, engine: &Engine, budget: Budget, tag: SessionTag) -> Store<Guest> {
        let mut store = Store::new(
            engine,
            Guest {
                pace: Pace::new(budget.calls),
                now: Now { mono_us: 0, unix_ms: 0 },
                seed: [0; 32],
                world: None,
                journal: SharedJournal::new(Arc::clone(&self.plugin), tag, Arc::clone(&self.counters)),
                assets: Arc::clone(&self.assets),
                memory_bytes_left: budget.memory_bytes,
                table_elements_left: TABLE_ELEMENTS,
                signing: Signing::default(),
            },
        );
        store.limiter(|guest| guest);
        store.epoch_deadline_callback(|mut store| Ok(store.data_mut().pace.tick()));
        store.set_hostcall_fuel(OUTPUT_BYTES_PER_CALL);
        store.set_max_component_handles(HANDLES);
        store
    }
}

/// From now on the guest of this store may run for `limit`, once.
pub(crate) fn allow(store: &mut Store<Guest>, limit: Duration) {
    store.data_mut().pace.begin(limit);
    store.set_epoch_deadline(1);
}

/// The same, and by the wall's clock as well: somebody stands still meanwhile.
pub(crate) fn allow_by_the_clock(store: &mut Store<Guest>, limit: Duration) {
    allow(store, limit);
    store.data_mut().pace.end_by(Instant::now() + limit);
}

impl Guest {
    pub(crate) fn calls(&self) -> Calls {
        self.pace.calls()
    }

    /// Others ran while somebody waited for it.
    pub(crate) fn was_kept_waiting(&self) -> bool {
        self.pace.was_kept_waiting()
    }

    /// The only time the guest can know.
    pub(crate) fn now(&self) -> Now {
        self.now
    }

    pub(crate) fn set_now(&mut self, now: Now) {
        self.now = now;
    }

    /// From now on all chance follows from `seed`; before it, from zeros: the same for all.
    pub(crate) fn seed(&mut self, seed: [u8; 32]) {
        self.seed = seed;
        if let Some(world) = &mut self.world {
            world.seed(seed);
        }
    }

    /// What WASI's functions work on. Guests that import none of them never have it.
    pub(crate) fn world(&mut self) -> &mut World {
        self.world.get_or_insert_with(|| Box::new(World::new(&self.journal, self.seed)))
    }

    /// One line to the operator's log, within the session's budget.
    pub(crate) fn log(&mut self, level: LogLevel, message: String) {
        self.journal.write(level, message);
    }

    pub(crate) fn asset_size(&self, name: &str) -> Option<u64> {
        self.assets.get(name).map(|data| data.len() as u64)
    }

    pub(crate) fn asset_read(&self, name: &str, offset: u64, len: u32) -> Vec<u8> {
        let data = self.assets.get(name).map_or(&[][..], Vec::as_slice);
        let from = usize::try_from(offset).unwrap_or(usize::MAX).min(data.len());
        let len = (len as usize).min(ASSET_READ_BYTES).min(data.len() - from);
        data[from..from + len].to_vec()
    }
}

impl ResourceLimiter for Guest {
    fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        match self.memory_bytes_left.checked_sub(desired - current) {
            Some(left) => {
                self.memory_bytes_left = left;
                Ok(true)
            }
            // An answer of `false` would let a guest that ignores failure go on in a broken state.
            None => Err(MemoryLimitHit.into()),
        }
    }

    fn memory_grow_failed(&mut self, _: wasmtime::Error) -> wasmtime::Result<()> {
        Err(MemoryLimitHit.into())
    }

    fn table_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        match self.table_elements_left.checked_sub(desired - current) {
            Some(left) => {
                self.table_elements_left = left;
                Ok(true)
            }
            None => Err(MemoryLimitHit.into()),
        }
    }

    fn table_grow_failed(&mut self, _: wasmtime::Error) -> wasmtime::Result<()> {
        Err(MemoryLimitHit.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guest() -> Guest {
        let home = GuestHome {
            plugin: "probe".into(),
            assets: Arc::new(BTreeMap::from([("model".to_owned(), vec![1, 2, 3])])),
            counters: Arc::default(),
        };
        let budget = Budget { memory_bytes: 1 << 20, ..Budget::describe() };
        home.store(&Engine::default(), budget, SessionTag::default()).into_data()
    }

    #[test]
    fn assets_are_read_in_pieces_and_end_quietly() {
        let guest = guest();
        assert_eq!(guest.asset_size("model"), Some(3));
        assert_eq!(guest.asset_size("other"), None);
        assert_eq!(guest.asset_read("model", 1, 9), [2, 3]);
        assert!(guest.asset_read("model", u64::MAX, 9).is_empty());
        assert!(guest.asset_read("other", 0, 9).is_empty());
    }

    #[test]
    fn growth_is_summed_over_memories() {
        let mut guest = guest();
        assert!(guest.memory_growing(0, 1 << 19, None).unwrap());
        assert!(guest.memory_growing(0, 1 << 19, None).unwrap());
        assert!(guest.memory_growing(1 << 19, (1 << 19) + 65536, None).is_err());
    }
}
