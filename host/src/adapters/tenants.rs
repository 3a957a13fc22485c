//! Tenants from a folder of `<tenant>.toml`, and the built-in `demo` tenant. Read again when a file changes: calls that are up keep the settings
//! they began with.

mod choice;
mod json;
mod lines;
mod outbound;
mod raw;
mod remote;

pub use remote::{RemoteStats, RemoteTenants, Review, ServiceError};

use crate::application::ports::{Admission, Arrival, TenantError, Tenants};
use crate::config::{self, Fault, Faults, TenantMap};
use choice::Choice;
use futures_util::future::{BoxFuture, FutureExt, ready};
use lines::{Confirmed, Lines};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use vg_domain::ids::{DidId, PluginId, TenantId, TrunkId};
use vg_domain::tenant::{Provider, TenantSettings};

const DEMO: &str = include_str!("../../demo/tenants/demo.toml");
const DEMO_GRAMMAR: &str = include_str!("../../demo/demo.jsgf");

/// What a provider does for a tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It listens.
    Hearing,
    /// It speaks.
    Speaking,
    /// It masks card data.
    Masking,
}

impl Role {
    /// The section of a tenant's file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hearing => "hearing",
            Self::Speaking => "speaking",
            Self::Masking => "pci",
        }
    }
}

/// One provider of a tenant and where it is written.
#[derive(Clone, Debug)]
pub struct Rung {
    /// For example `hearing[1]`.
    pub path: String,
    /// What it is for.
    pub role: Role,
    /// Who.
    pub provider: Provider,
}

/// Knows what plugins take: finds what is wrong with a rung, each fault with its path below the rung (`.options.voice`).
pub type Judge<'a> = &'a dyn Fn(&Rung) -> Vec<Fault>;

/// A tenant's file as it was read; nobody has looked at its options yet.
struct TenantDraft {
    settings: TenantSettings,
    lines: Lines,
    rungs: Vec<Rung>,
}

/// A tenant that is known: what its calls are served with, and what confirms them.
#[derive(Clone, Debug, PartialEq)]
struct Tenant {
    settings: Arc<TenantSettings>,
    lines: Arc<Lines>,
}

impl Tenant {
    /// The same, but for parts that `before` has already: what did not change keeps its identity.
    fn like(self, before: Option<&Tenant>) -> Self {
        let Some(before) = before else { return self };
        let same = |old: &Arc<TenantSettings>, new: Arc<TenantSettings>| if **old == *new { Arc::clone(old) } else { new };
        Self { settings: same(&before.settings, self.settings), lines: self.lines }
    }

    fn admit(&self, Confirmed { did_id, trunk_id }: Confirmed) -> Admission {
        let (did, trunk) = (did_id.map(DidId::new), trunk_id.map(TrunkId::new));
        Admission { settings: Arc::clone(&self.settings), did, trunk }
    }
}

/// What the folder holds at one moment.
#[derive(Default)]
pub struct Draft {
    /// By slug; with the file where there is one.
    tenants: BTreeMap<String, (Option<PathBuf>, Result<TenantDraft, Faults>)>,
    /// Of the folder as a whole.
    faults: Faults,
}

impl Draft {
    /// Every plugin that a tenant names.
    pub fn plugins(&self) -> BTreeSet<PluginId> {
        self.rungs().map(|(_, rung)| rung.provider.plugin.clone()).collect()
    }

    /// Every readable tenant's settings.
    pub fn settings(&self) -> impl Iterator<Item = &TenantSettings> {
        self.tenants.values().filter_map(|(_, tenant)| Some(&tenant.as_ref().ok()?.settings))
    }

    /// Every readable tenant's rungs.
    pub fn rungs(&self) -> impl Iterator<Item = (&TenantId, &Rung)> {
        let sound = self.tenants.values().filter_map(|(_, tenant)| tenant.as_ref().ok());
        sound.flat_map(|tenant| tenant.rungs.iter().map(|rung| (&tenant.settings.tenant, rung)))
    }
}

/// The tenants of a folder, as they were when it was last taken over.
#[derive(Debug)]
pub struct FolderTenants {
    dir: Option<PathBuf>,
    choice: Choice,
    known: RwLock<Arc<BTreeMap<TenantId, Tenant>>>,
}

impl FolderTenants {
    /// The tenants of `dir`, none yet; without a folder there is only `demo`. `default` is whose calls those are that name no tenant.
    pub fn new(dir: Option<&Path>, default: Option<TenantId>) -> Self {
        Self::mapped(dir, TenantMap::default(), default)
    }

    /// The same; `map` says whose calls those are that come by certain numbers and lines and name no tenant.
    pub fn mapped(dir: Option<&Path>, map: TenantMap, default: Option<TenantId>) -> Self {
        Self { dir: dir.map(Path::to_owned), choice: Choice::new(map, default), known: RwLock::default() }
    }

    /// Reads the folder as it is now. Blocks on the disk.
    pub fn read(&self) -> Draft {
        match &self.dir {
            Some(dir) => read_dir(dir),
            None => Draft { tenants: BTreeMap::from([("demo".to_owned(), (None, Ok(parse_demo())))]), faults: Faults::default() },
        }
    }

    /// Takes over what has no fault. A tenant whose file has one stays as it was, if there was one.
    ///
    /// # Errors
    /// The faults of all files together, each with its file and path.
    pub fn take(&self, draft: Draft, judge: Judge<'_>) -> Result<(), Faults> {
        let before = self.snapshot();
        let mut known = BTreeMap::new();
        let mut faults = draft.faults;
        let folder_is_sound = faults.iter().next().is_none();
        for (slug, (file, tenant)) in draft.tenants {
            let id = TenantId::new(slug);
            match tenant.and_then(|tenant| judged(tenant, judge)) {
                Ok(tenant) => {
                    let tenant = tenant.like(before.get(&id));
                    known.insert(id, tenant);
                }
                Err(others) => {
                    let place = |path: &str| file.as_ref().map_or(path.to_owned(), |file| format!("{}: {path}", file.display()));
                    others.iter().for_each(|Fault { path, what }| faults.add(place(path), what));
                    known.extend(before.get(&id).map(|tenant| (id, tenant.clone())));
                }
            }
        }
        // Who is not there any more is gone; but a folder that cannot be read does not make everybody go.
        if !folder_is_sound {
            for (id, tenant) in before.iter() {
                known.entry(id.clone()).or_insert_with(|| tenant.clone());
            }
        }
        if let Some(missing) = self.choice.fallback().filter(|default| !known.contains_key(default)) {
            faults.add("tenants.default", format_args!("there is no tenant {missing}"));
        }
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(known);
        faults.or(())
    }

    /// Every tenant's settings at this moment.
    pub fn all(&self) -> Vec<Arc<TenantSettings>> {
        self.snapshot().values().map(|tenant| Arc::clone(&tenant.settings)).collect()
    }

    /// Where they are read from.
    pub fn dir(&self) -> Option<&Path> {
        self.dir.as_deref()
    }

    fn snapshot(&self) -> Arc<BTreeMap<TenantId, Tenant>> {
        Arc::clone(&self.known.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Tenants for FolderTenants {
    fn settings<'a>(&'a self, arrival: &'a Arrival) -> BoxFuture<'a, Result<Admission, TenantError>> {
        let known = self.snapshot();
        let tenant = self.choice.tenant(arrival).and_then(|tenant| known.get(tenant)).ok_or(TenantError::Unknown);
        ready(tenant.and_then(|tenant| Ok(tenant.admit(tenant.lines.confirm(arrival)?)))).boxed()
    }

    fn named<'a>(&'a self, tenant: &'a TenantId) -> BoxFuture<'a, Result<Arc<TenantSettings>, TenantError>> {
        let settings = self.snapshot().get(tenant).map(|tenant| Arc::clone(&tenant.settings));
        ready(settings.ok_or(TenantError::Unknown)).boxed()
    }
}

/// The built-in tenant: local speech, the built-in agent's greeting.
pub fn demo() -> TenantSettings {
    parse_demo().settings
}

fn parse_demo() -> TenantDraft {
    parse("demo", DEMO, &|file| match file {
        "demo.jsgf" => Ok(DEMO_GRAMMAR.to_owned()),
        _ => Err("is not shipped".to_owned()),
    })
    .expect("the shipped tenant has no fault: a test reads it")
}

fn judged(tenant: TenantDraft, judge: Judge<'_>) -> Result<Tenant, Faults> {
    let mut faults = Faults::default();
    for rung in &tenant.rungs {
        judge(rung).into_iter().for_each(|fault| faults.add(format_args!("{}{}", rung.path, fault.path), fault.what));
    }
    faults.or(Tenant { settings: Arc::new(tenant.settings), lines: Arc::new(tenant.lines) })
}

/// Reads one tenant's file. `file_text` gives the text of a file that an option names as `{ file = "NAME" }`.
fn parse(slug: &str, text: &str, file_text: &dyn Fn(&str) -> Result<String, String>) -> Result<TenantDraft, Faults> {
    let table = text.parse().map_err(|error: toml::de::Error| Faults::one("toml", error.to_string().trim()))?;
    let (raw, mut faults) = config::read_table::<raw::RawTenant>(table, Faults::default())?;
    match raw.resolve(TenantId::new(slug), file_text, &mut faults) {
        Some(draft) => faults.or(draft),
        None => Err(faults),
    }
}

fn read_dir(dir: &Path) -> Draft {
    let mut draft = Draft::default();
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) => {
            draft.faults.add("tenants.dir", error);
            return draft;
        }
    };
    let mut files: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    // The same faults in the same order, whatever the file system says.
    files.sort();
    for path in files {
        let slug = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default().to_owned();
        let named_well = !slug.is_empty() && slug.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
        let text = if named_well {
            std::fs::read_to_string(&path).map_err(|error| Faults::one("file", error))
        } else {
            Err(Faults::one("file", "a tenant's file is named by its uuid or slug: letters, digits, '-' and '_'"))
        };
        let tenant = text.and_then(|text| parse(&slug, &text, &|file| file_beside(dir, file)));
        draft.tenants.insert(slug, (Some(path), tenant));
    }
    draft
}

/// A file of the tenants' folder. A tenant's settings never reach outside of it.
fn file_beside(dir: &Path, file: &str) -> Result<String, String> {
    if !Path::new(file).components().all(|part| matches!(part, Component::Normal(_))) {
        return Err(format!("{file} is outside of the tenants' folder"));
    }
    std::fs::read_to_string(dir.join(file)).map_err(|error| format!("cannot read {file}: {error}"))
}

#[cfg(test)]
mod tests;
