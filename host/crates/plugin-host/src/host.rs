//! The airlock itself: what the rest of the house holds.

use crate::api::Now;
use crate::cache::Cache;
use crate::counters::{Counters, HostCounts};
use crate::engine::Engines;
use crate::load::{LoadError, Loading, Plugin, Trust, load};
use crate::session::Floor;
use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How a host is set up.
#[derive(Clone, Debug)]
pub struct HostConfig {
    /// Where compiled components are kept. Made private to its owner.
    pub cache_dir: PathBuf,
    /// Sessions of light plugins.
    pub light: LightConfig,
    /// Sessions of heavy plugins.
    pub heavy: HeavyConfig,
}

/// Sessions of light plugins run as tasks of the caller's tokio runtime.
#[derive(Clone, Copy, Debug)]
pub struct LightConfig {
    /// Most sessions at a time. Costs 4 GiB of address space each, and memory only when used.
    pub sessions_max: u32,
}

/// Sessions of heavy plugins run on threads of their own.
#[derive(Clone, Copy, Debug)]
pub struct HeavyConfig {
    /// How many threads.
    pub threads: usize,
    /// Most sessions one thread serves; beyond it `session-limit`.
    pub sessions_max_per_thread: usize,
}

impl Default for LightConfig {
    fn default() -> Self {
        Self { sessions_max: 1000 }
    }
}

impl Default for HeavyConfig {
    /// Half of the cores, ten sessions each: five calls that listen and speak locally.
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self { threads: cores.div_ceil(2), sessions_max_per_thread: 10 }
    }
}

impl HostConfig {
    /// Defaults for everything but the cache.
    pub fn new(cache_dir: impl Into<PathBuf>) -> Self {
        Self { cache_dir: cache_dir.into(), light: LightConfig::default(), heavy: HeavyConfig::default() }
    }
}

/// Why a host could not be made.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// The cache folder cannot be made.
    #[error("plugin cache folder cannot be made")]
    Cache(#[source] io::Error),
    /// wasmtime does not start here.
    #[error("webassembly engine does not start: {detail}")]
    Engine {
        /// In wasmtime's words.
        detail: String,
    },
    /// A thread for heavy plugins cannot be started.
    #[error("thread for heavy plugins cannot be started")]
    Thread(#[source] io::Error),
}

impl HostError {
    /// Bounded label.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Cache(_) => "cache",
            Self::Engine { .. } => "engine",
            Self::Thread(_) => "thread",
        }
    }
}

/// Loads plugins and runs their sessions. Dropping it ends heavy sessions and joins their threads.
pub struct PluginHost {
    pub(crate) floor: Floor,
    engines: Arc<Engines>,
    cache: Cache,
    pub(crate) counters: Arc<Counters>,
}

impl PluginHost {
    /// Starts the engines, the epoch clock and the heavy threads.
    ///
    /// # Errors
    /// See [`HostError`]. Too little address space for the light pool is no error: the pool shrinks, with a log line.
    pub fn new(config: HostConfig) -> Result<Self, HostError> {
        let cache = Cache::open(&config.cache_dir).map_err(HostError::Cache)?;
        let engines =
            Engines::new(config.light.sessions_max).map_err(|error| HostError::Engine { detail: format!("{error:#}") })?;
        let counters = Arc::<Counters>::default();
        let floor = Floor::new(engines.pool_sessions_max, config.heavy, Arc::clone(&counters)).map_err(HostError::Thread)?;
        Ok(Self { floor, engines: Arc::new(engines), cache, counters })
    }

    /// Checks, compiles (or takes from the cache) and asks a component what it is. Blocks for up to seconds: call it from
    /// `spawn_blocking`, never on the media path. Files in a folder `<name>.assets` beside it become its assets.
    ///
    /// # Errors
    /// See [`LoadError`].
    pub fn load(&self, path: &Path) -> Result<Arc<Plugin>, LoadError> {
        self.load_with(Loading::of(path))
    }

    /// The same for a plugin whose maker is known.
    ///
    /// # Errors
    /// See [`LoadError`].
    pub fn load_as(&self, path: &Path, trust: Trust) -> Result<Arc<Plugin>, LoadError> {
        self.load_with(Loading { trust, ..Loading::of(path) })
    }

    /// The same on terms of the operator.
    ///
    /// # Errors
    /// See [`LoadError`].
    pub fn load_with(&self, loading: Loading<'_>) -> Result<Arc<Plugin>, LoadError> {
        load(loading, &self.cache, &self.engines, &self.counters).map(Arc::new)
    }

    /// Removes compiled forms of all components but those with these SHA-256 (lower-case hexadecimal); answers the bytes it freed.
    /// Loaded plugins go on. Blocks.
    ///
    /// # Errors
    /// The cache folder cannot be read or written.
    pub fn forget_compiled_but(&self, digests: &BTreeSet<String>) -> io::Result<u64> {
        self.cache.gc(digests)
    }

    /// Driven sessions that hold a guest or are about to.
    pub fn live_sessions(&self) -> usize {
        self.floor.live()
    }

    /// CPU of sessions so far, guests and their tasks, heavy ones left out: those have threads of their own.
    pub fn busy(&self) -> Duration {
        self.floor.busy()
    }

    /// What was counted so far.
    pub fn counts(&self) -> HostCounts {
        self.counters.read()
    }
}

/// Wall-clock time paired once with the monotonic clock.
#[derive(Clone, Copy)]
pub(crate) struct Epoch {
    zero: Instant,
    unix_ms: u64,
}

impl Epoch {
    pub(crate) fn pair() -> Self {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { zero: Instant::now(), unix_ms: unix.as_millis() as u64 }
    }

    pub(crate) fn at(self, now: Instant) -> Now {
        let passed = now.saturating_duration_since(self.zero);
        Now { mono_us: passed.as_micros() as u64, unix_ms: self.unix_ms + passed.as_millis() as u64 }
    }
}
