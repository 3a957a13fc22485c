//! Two wasmtime engines and the clock that ends guests which run too long.

use crate::limits::{EPOCH_TICK, HOST_STACK_BYTES, RUNTIME_MEMORY_BYTES, STACK_BYTES, TABLE_ELEMENTS};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use wasmtime::{Config, Engine, InstanceAllocationStrategy, PoolingAllocationConfig};

/// Slots below which a smaller pool is no longer tried.
const POOL_MIN: u32 = 16;
/// A component of ours has its own core module and the shims of its imports.
const CORE_INSTANCES_PER_SESSION: u32 = 8;
const TABLES_PER_SESSION: u32 = 4;
/// Pages of a freed slot that are zeroed instead of given back: cheaper to start the next session with.
const KEPT_RESIDENT_BYTES: usize = 64 << 10;

/// The engines. Pool: a session starts in microseconds. On demand: for plugins that fit no place of the pool, and for those with
/// a model, whose baked memory is mapped copy-on-write from the cached file.
///
/// Both are compiled for alike, so one cached file serves both.
pub(crate) struct Engines {
    pub(crate) pool: Engine,
    pub(crate) on_demand: Engine,
    /// Sessions the pool holds: as asked, or fewer where address space is short.
    pub(crate) pool_sessions_max: usize,
    // Lives as long as any plugin or session: without it a guest could run for ever.
    _ticker: Ticker,
}

impl Engines {
    pub(crate) fn new(pool_sessions_max: u32) -> Result<Self, wasmtime::Error> {
        let on_demand = Engine::new(&base())?;
        let (pool, sessions) = pooled(pool_sessions_max)?;
        let ticker = Ticker::start(&[&pool, &on_demand])?;
        Ok(Self { pool, on_demand, pool_sessions_max: sessions as usize, _ticker: ticker })
    }
}

/// A fingerprint of everything that compiled code depends on: wasmtime's version, CPU features, engine settings.
pub(crate) fn fingerprint(engine: &Engine) -> u64 {
    let mut hasher = DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut hasher);
    hasher.finish()
}

fn base() -> Config {
    let mut config = Config::new();
    config.epoch_interruption(true).max_wasm_stack(STACK_BYTES).memory_init_cow(true);
    config.async_stack_size(STACK_BYTES + HOST_STACK_BYTES);
    // No plugin is concurrent with itself, and tiny calls are a third cheaper without it.
    config.concurrency_support(false);
    config
}

fn pooled(wanted: u32) -> Result<(Engine, u32), wasmtime::Error> {
    let mut sessions = wanted.max(1);
    loop {
        let mut pool = PoolingAllocationConfig::new();
        pool.total_component_instances(sessions)
            .total_core_instances(sessions.saturating_mul(CORE_INSTANCES_PER_SESSION))
            .max_core_instances_per_component(CORE_INSTANCES_PER_SESSION)
            .total_memories(sessions)
            .max_memories_per_component(1)
            .total_tables(sessions.saturating_mul(TABLES_PER_SESSION))
            .max_tables_per_component(TABLES_PER_SESSION)
            .total_stacks(sessions)
            .table_elements(TABLE_ELEMENTS)
            .max_memory_size(RUNTIME_MEMORY_BYTES)
            .linear_memory_keep_resident(KEPT_RESIDENT_BYTES)
            // A masker's memory has digits in it: it is wiped, and given back, in the moment in which it is freed.
            .decommit_batch_size(1);
        let mut config = base();
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
        match Engine::new(&config) {
            Ok(engine) => return Ok((engine, sessions)),
            Err(error) if sessions <= POOL_MIN => return Err(error),
            Err(error) => {
                tracing::warn!(sessions, %error, "address space is short: the pool of light sessions is halved");
                sessions = (sessions / 2).max(POOL_MIN);
            }
        }
    }
}

/// One thread that advances the epoch of both engines; ends when dropped.
struct Ticker {
    // Never sent on: its end tells the thread to stop.
    _stop: SyncSender<()>,
}

impl Ticker {
    fn start(engines: &[&Engine]) -> Result<Self, wasmtime::Error> {
        let (stop, stopped) = sync_channel::<()>(0);
        let engines: Vec<_> = engines.iter().map(|engine| engine.weak()).collect();
        thread::Builder::new().name("plugin-epoch".to_owned()).spawn(move || {
            while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(EPOCH_TICK) {
                for engine in &engines {
                    if let Some(engine) = engine.upgrade() {
                        engine.increment_epoch();
                    }
                }
            }
        })?;
        Ok(Self { _stop: stop })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_compiled_file_serves_both_engines() {
        let engines = Engines::new(4).unwrap();
        assert_eq!(fingerprint(&engines.pool), fingerprint(&engines.on_demand));
    }

    #[test]
    fn a_pool_that_does_not_fit_is_scaled_down() {
        // 200 000 slots of 4 GiB are more than a process can address.
        let (_, sessions) = pooled(200_000).unwrap();
        assert!((POOL_MIN..200_000).contains(&sessions), "{sessions}");
    }
}
