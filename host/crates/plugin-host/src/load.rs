//! From a file to a plugin that sessions can be started from. Blocks (reads, compiles, runs `describe`): never on the media path.

use crate::api::{Compute, Descriptor, SessionTag};
use crate::cache::{Cache, sha256};
use crate::counters::Counters;
use crate::engine::Engines;
use crate::guest::{Assets, GuestHome};
use crate::inspect::inspect;
use crate::instance::{Instance, SessionError, SttInstance, Talk, TtsInstance};
use crate::limits::{ASSET_BYTES, Budget, COMPONENT_BYTES, DESCRIBE_MAX, HEAVY_MEMORY_BYTES, ticks};
use crate::v0_1::{self, Pre};
use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

/// A loaded plugin. Cheap to share; lives as long as its last session.
pub struct Plugin {
    name: Arc<str>,
    digest: String,
    descriptor: Descriptor,
    home: GuestHome,
    pre: Pre,
    // Also keeps the epoch clock going for sessions that outlive the host.
    engines: Arc<Engines>,
}

impl Plugin {
    /// The file's name without `.wasm`.
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

    /// A bare listener: no task, no mailbox, not counted as a live session.
    ///
    /// # Errors
    /// [`SessionError::WrongKind`] where the plugin speaks; any trap or limit of its constructor.
    pub fn instantiate_stt(&self) -> Result<SttInstance, SessionError> {
        self.instantiate(SessionTag::default()).map(SttInstance)
    }

    /// A bare speaker: no task, no mailbox, not counted as a live session.
    ///
    /// # Errors
    /// [`SessionError::WrongKind`] where the plugin listens; any trap or limit of its constructor.
    pub fn instantiate_tts(&self) -> Result<TtsInstance, SessionError> {
        self.instantiate(SessionTag::default()).map(TtsInstance)
    }

    pub(crate) fn instantiate<T: Talk>(&self, tag: SessionTag) -> Result<Instance<T>, SessionError> {
        let compute = self.descriptor.compute;
        let budget = Budget::of(compute);
        let engine = match compute {
            Compute::Light => &self.engines.light,
            Compute::Heavy => &self.engines.heavy,
        };
        Instance::open(self.home.store(engine, budget.memory_bytes, tag), &self.pre, budget)
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
    /// This host runs no plugins of that kind.
    #[error("plugins of kind {kind} are not run by this host")]
    KindUnsupported {
        /// The kind.
        kind: &'static str,
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
            Self::KindUnsupported { .. } => "kind-unsupported",
            Self::Refused { .. } => "refused",
            Self::Describe(_) => "describe",
            Self::KindMismatch { .. } => "kind-mismatch",
        }
    }
}

pub(crate) fn load(path: &Path, cache: &Cache, engines: &Arc<Engines>, counters: &Arc<Counters>) -> Result<Plugin, LoadError> {
    let wasm = read_component(path)?;
    let exported = inspect(&wasm)?;
    let digest = sha256(&wasm);
    let name: Arc<str> = path.file_stem().unwrap_or_default().to_string_lossy().into();
    let home = GuestHome {
        plugin: Arc::clone(&name),
        assets: Arc::new(read_assets(&path.with_extension("assets"))?),
        counters: Arc::clone(counters),
    };

    // The compute class is only known once the plugin has spoken; any plugin fits the heavy engine.
    let mut component = cache.component(&engines.heavy, &digest, &wasm, counters)?;
    let mut store = home.store(&engines.heavy, HEAVY_MEMORY_BYTES, SessionTag::default());
    store.set_epoch_deadline(ticks(DESCRIBE_MAX));
    let descriptor = v0_1::describe(&mut store, &component).map_err(|error| LoadError::Describe(error.into()))?;
    if descriptor.kind != exported {
        return Err(LoadError::KindMismatch { exported: exported.as_str(), described: descriptor.kind.as_str() });
    }
    let engine = match descriptor.compute {
        Compute::Heavy => &engines.heavy,
        Compute::Light => {
            component = cache.component(&engines.light, &digest, &wasm, counters)?;
            &engines.light
        }
    };
    let pre = Pre::new(engine, &component, exported).map_err(|error| LoadError::Refused { detail: format!("{error:#}") })?;
    Ok(Plugin { name, digest, descriptor, home, pre, engines: Arc::clone(engines) })
}

fn read_component(path: &Path) -> Result<Vec<u8>, LoadError> {
    let bytes = fs::metadata(path).map_err(unreadable)?.len();
    within("component", bytes, COMPONENT_BYTES)?;
    fs::read(path).map_err(unreadable)
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
