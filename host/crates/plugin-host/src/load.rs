//! From a file to a plugin that sessions can be started from. Blocks (reads, compiles, runs `describe`): never on the media path.

use crate::api::{Compute, Descriptor, MaskSettings, SessionTag};
use crate::cache::{Cache, sha256};
use crate::counters::Counters;
use crate::engine::Engines;
use crate::guest::{Assets, Guest, GuestHome, allow};
use crate::inspect::{Inspected, inspect};
use crate::instance::{Instance, SessionError, SttInstance, Talk, TtsInstance, at_once};
use crate::limits::{ASSET_BYTES, Budget, COMPONENT_BYTES};
use crate::mask::MaskInstance;
use crate::policy::Limits;
use crate::tally::{Census, Tally, Visit};
use crate::v0_1::{self, Pre};
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;
use wasmtime::component::Component;
use wasmtime::{Engine, Store};

/// Who made a plugin: decides how its calls are run, not what it may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// The operator's own, known by digest. A call holds its worker and traps after 8 ms of CPU time.
    FirstParty,
    /// Anybody's. A call lets others run every 2 ms and traps after 50 ms of its own running.
    Unknown,
}

/// A component on its way in.
#[derive(Clone, Copy, Debug)]
pub struct Loading<'a> {
    /// What it is called here: in logs, and by the policy.
    pub name: &'a str,
    /// Where it lies; files in a folder of the same name with `.assets` become its assets.
    pub path: &'a Path,
    /// Who made it.
    pub trust: Trust,
    /// The operator's word on what its sessions may take.
    pub limits: Limits,
}

impl<'a> Loading<'a> {
    /// Anybody's plugin, called like its file, within the limits of its class.
    pub fn of(path: &'a Path) -> Self {
        let name = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        Self { name, path, trust: Trust::Unknown, limits: Limits::default() }
    }
}

/// A loaded plugin. Cheap to share; lives as long as its last session.
pub struct Plugin {
    name: Arc<str>,
    digest: String,
    descriptor: Descriptor,
    imports: Vec<String>,
    home: GuestHome,
    pre: Pre,
    budget: Budget,
    tally: Arc<Tally>,
    engine: Engine,
    // Keeps the epoch clock going for sessions that outlive the host.
    _engines: Arc<Engines>,
}

impl Plugin {
    /// What logs and metrics call it: the file's name without `.wasm`, unless it was loaded under another.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// SHA-256 of the component, lower-case hexadecimal.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// What the plugin says of itself.
    pub fn descriptor(&self) -> &Descriptor {
        &self.descriptor
    }

    /// Interfaces that it imports, with their versions: `serphona:speech/log@0.1.0`.
    pub fn imports(&self) -> &[String] {
        &self.imports
    }

    /// Its driven sessions so far.
    pub fn census(&self) -> Census {
        self.tally.read()
    }

    /// A driven session begins.
    pub(crate) fn visit(&self) -> Visit {
        self.tally.visit()
    }

    /// A bare listener: no task, no mailbox, not counted as a live session.
    ///
    /// # Errors
    /// [`SessionError::WrongKind`] where the plugin speaks; any trap or limit of its constructor.
    pub fn instantiate_stt(&self) -> Result<SttInstance, SessionError> {
        at_once(self.instantiate(SessionTag::default())).map(SttInstance)
    }

    /// A bare speaker: no task, no mailbox, not counted as a live session.
    ///
    /// # Errors
    /// [`SessionError::WrongKind`] where the plugin listens; any trap or limit of its constructor.
    pub fn instantiate_tts(&self) -> Result<TtsInstance, SessionError> {
        at_once(self.instantiate(SessionTag::default())).map(TtsInstance)
    }

    /// A masker for one call.
    ///
    /// # Errors
    /// [`SessionError::WrongKind`] where the plugin masks nothing; any trap or limit of its constructor.
    pub fn instantiate_mask(&self, settings: MaskSettings) -> Result<MaskInstance, SessionError> {
        MaskInstance::open(self.store(SessionTag::default()), &self.pre, self.budget, settings)
    }

    pub(crate) async fn instantiate<T: Talk>(&self, tag: SessionTag) -> Result<Instance<T>, SessionError> {
        Instance::open(self.store(tag), &self.pre, self.budget).await
    }

    fn store(&self, tag: SessionTag) -> Store<Guest> {
        self.home.store(&self.engine, self.budget, tag)
    }
}

/// Why a file is no plugin of this host.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// There is no such file.
    #[error("plugin file does not exist")]
    Missing,
    /// The file or its assets cannot be read.
    #[error("plugin file cannot be read")]
    Io(#[source] io::Error),
    /// Component or assets are larger than the host takes.
    #[error("{what} takes {bytes} bytes, at most {bytes_max} are allowed")]
    TooLarge {
        /// `component` or `assets`.
        what: &'static str,
        /// Found.
        bytes: u64,
        /// Allowed.
        bytes_max: u64,
    },
    /// Not WebAssembly at all.
    #[error("file is not webassembly")]
    NotWasm,
    /// A core module: it was built without the component step.
    #[error("file is a core module, not a component")]
    CoreModule,
    /// The file ends too early.
    #[error("component is truncated")]
    Truncated,
    /// The bytes break the format.
    #[error("component is malformed: {detail}")]
    Malformed {
        /// In the parser's words.
        detail: String,
    },
    /// It imports something that this host gives to nobody.
    #[error("component imports {import}, which no plugin is given")]
    ForbiddenImport {
        /// The import's name.
        import: String,
    },
    /// It was built for another version of the contract.
    #[error("component speaks {found}, this host speaks {supported}")]
    Version {
        /// Package and version of the component.
        found: String,
        /// Package and version of the host.
        supported: String,
    },
    /// An export of the contract is missing.
    #[error("component does not export {export}")]
    MissingExport {
        /// Which interface.
        export: &'static str,
    },
    /// The compiler or linker refused it.
    #[error("component is refused: {detail}")]
    Refused {
        /// In wasmtime's words.
        detail: String,
    },
    /// It could not say what it is.
    #[error("plugin does not describe itself")]
    Describe(#[source] SessionError),
    /// It says it is something else than what it exports.
    #[error("plugin exports {exported} but calls itself {described}")]
    KindMismatch {
        /// By its exports.
        exported: &'static str,
        /// By its descriptor.
        described: &'static str,
    },
}

impl LoadError {
    /// Bounded label.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Io(_) => "io",
            Self::TooLarge { .. } => "too-large",
            Self::NotWasm => "not-wasm",
            Self::CoreModule => "core-module",
            Self::Truncated => "truncated",
            Self::Malformed { .. } => "malformed",
            Self::ForbiddenImport { .. } => "forbidden-import",
            Self::Version { .. } => "version",
            Self::MissingExport { .. } => "missing-export",
            Self::Refused { .. } => "refused",
            Self::Describe(_) => "describe",
            Self::KindMismatch { .. } => "kind-mismatch",
        }
    }
}

pub(crate) fn load(
    loading: Loading<'_>,
    cache: &Cache,
    engines: &Arc<Engines>,
    counters: &Arc<Counters>,
) -> Result<Plugin, LoadError> {
    let Loading { name, path, trust, limits } = loading;
    let wasm = read_component(path)?;
    let Inspected { kind, runtime, imports } = inspect(&wasm)?;
    let digest = sha256(&wasm);
    let name: Arc<str> = name.into();
    let home = GuestHome {
        plugin: Arc::clone(&name),
        assets: Arc::new(read_assets(&path.with_extension("assets"))?),
        counters: Arc::clone(counters),
    };

    // The compute class is only known once the plugin has spoken; any plugin fits the engine without a pool.
    let component = cache.component(&engines.on_demand, &digest, &wasm, counters)?;
    let pre = Pre::new(&engines.on_demand, &component, kind, runtime).map_err(refused)?;
    let descriptor = describe(&pre, home.store(&engines.on_demand, Budget::describe(), SessionTag::default()))?;
    if descriptor.kind != kind {
        return Err(LoadError::KindMismatch { exported: kind.as_str(), described: descriptor.kind.as_str() });
    }
    let budget = Budget::of(kind, descriptor.compute, trust, runtime).under(limits, descriptor.compute);
    let bound = |engine: &Engine, component: &Component| Pre::new(engine, component, kind, runtime).map_err(refused);
    let (engine, pre) = match descriptor.compute {
        Compute::Heavy => (&engines.on_demand, pre),
        Compute::Light => match cache.component(&engines.pool, &digest, &wasm, counters) {
            Ok(component) => (&engines.pool, bound(&engines.pool, &component)?),
            Err(error) => {
                tracing::info!(plugin = &*name, %error, "plugin fits no place of the pool: its sessions are made on demand");
                (&engines.on_demand, pre)
            }
        },
    };
    let engine = engine.clone();
    let tally = Arc::default();
    Ok(Plugin { name, digest, descriptor, imports, home, pre, budget, tally, engine, _engines: Arc::clone(engines) })
}

fn describe(pre: &Pre, mut store: Store<Guest>) -> Result<Descriptor, LoadError> {
    let budget = Budget::describe();
    allow(&mut store, budget.start);
    at_once(v0_1::describe(&mut store, pre)).map_err(|error| LoadError::Describe(error.into()))
}

/// What compiler and linker say no to.
pub(crate) fn refused(error: wasmtime::Error) -> LoadError {
    LoadError::Refused { detail: format!("{error:#}") }
}

fn read_component(path: &Path) -> Result<Vec<u8>, LoadError> {
    let file = File::open(path).map_err(unreadable)?;
    within("component", file.metadata().map_err(LoadError::Io)?.len(), COMPONENT_BYTES)?;
    let mut wasm = Vec::new();
    // The file may grow meanwhile.
    file.take(COMPONENT_BYTES).read_to_end(&mut wasm).map_err(LoadError::Io)?;
    Ok(wasm)
}

/// The files of a folder beside the component, by name; nothing where there is no folder.
fn read_assets(folder: &Path) -> Result<Assets, LoadError> {
    let mut assets = Assets::new();
    if !folder.is_dir() {
        return Ok(assets);
    }
    let mut bytes = 0;
    for entry in fs::read_dir(folder).map_err(LoadError::Io)? {
        let entry = entry.map_err(LoadError::Io)?;
        bytes += entry.metadata().map_err(LoadError::Io)?.len();
        within("assets", bytes, ASSET_BYTES)?;
        let data = fs::read(entry.path()).map_err(LoadError::Io)?;
        assets.insert(entry.file_name().to_string_lossy().into_owned(), data);
    }
    Ok(assets)
}

fn within(what: &'static str, bytes: u64, bytes_max: u64) -> Result<(), LoadError> {
    if bytes > bytes_max { Err(LoadError::TooLarge { what, bytes, bytes_max }) } else { Ok(()) }
}

fn unreadable(error: io::Error) -> LoadError {
    if error.kind() == io::ErrorKind::NotFound { LoadError::Missing } else { LoadError::Io(error) }
}
