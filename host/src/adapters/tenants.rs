//! Tenants from a folder of `<tenant>.toml`, and the built-in `demo` tenant. Read at start; a change needs a restart so far.

mod raw;

use crate::application::ports::{TenantError, TenantHint, Tenants};
use crate::config::{self, Fault, Faults};
use futures_util::future::{BoxFuture, FutureExt, ready};
use std::collections::HashMap;
use std::path::{Component, Path};
use std::sync::Arc;
use vg_domain::ids::TenantId;
use vg_domain::tenant::TenantSettings;

const DEMO: &str = include_str!("../../demo/tenants/demo.toml");
const DEMO_GRAMMAR: &str = include_str!("../../demo/demo.jsgf");

/// Tenants known from start.
#[derive(Debug)]
pub struct FolderTenants {
    known: HashMap<TenantId, Arc<TenantSettings>>,
    default: Option<TenantId>,
}

impl FolderTenants {
    /// Reads every `*.toml` of `dir`; without a folder there is only `demo`. `default` is whose calls those are that name no
    /// tenant.
    ///
    /// # Errors
    /// The faults of all files together, each with its file and path.
    pub fn load(dir: Option<&Path>, default: Option<TenantId>) -> Result<Self, Faults> {
        let mut faults = Faults::default();
        let settings = match dir {
            None => vec![demo()],
            Some(dir) => read_dir(dir, &mut faults)?,
        };
        let known = settings.into_iter().map(|settings| (settings.tenant.clone(), Arc::new(settings))).collect();
        let tenants = Self { known, default };
        if let Some(missing) = tenants.default.as_ref().filter(|default| !tenants.known.contains_key(default)) {
            faults.add("tenants.default", format_args!("there is no tenant {missing}"));
        }
        faults.or(tenants)
    }

    /// Every tenant's settings, in no order.
    pub fn all(&self) -> impl Iterator<Item = &Arc<TenantSettings>> {
        self.known.values()
    }
}

impl Tenants for FolderTenants {
    fn settings<'a>(&'a self, hint: &'a TenantHint) -> BoxFuture<'a, Result<Arc<TenantSettings>, TenantError>> {
        let tenant = match hint {
            TenantHint::Named(tenant) => Some(tenant),
            TenantHint::Default => self.default.as_ref(),
        };
        let settings = tenant.and_then(|tenant| self.known.get(tenant)).cloned();
        ready(settings.ok_or(TenantError::Unknown)).boxed()
    }
}

/// The built-in tenant: local speech, the built-in agent's greeting.
pub fn demo() -> TenantSettings {
    parse("demo", DEMO, &|file| match file {
        "demo.jsgf" => Ok(DEMO_GRAMMAR.to_owned()),
        _ => Err("is not shipped".to_owned()),
    })
    .expect("the shipped tenant has no fault: a test reads it")
}

/// Reads one tenant's file. `file_text` gives the text of a file that an option names as `{ file = "NAME" }`.
fn parse(slug: &str, text: &str, file_text: &dyn Fn(&str) -> Result<String, String>) -> Result<TenantSettings, Faults> {
    let table = text.parse().map_err(|error: toml::de::Error| Faults::one("toml", error.to_string().trim()))?;
    let (raw, mut faults) = config::read_table::<raw::RawTenant>(table, Faults::default())?;
    let settings = raw.resolve(TenantId::new(slug), file_text, &mut faults);
    settings.map_or_else(|| Err(faults.clone()), |settings| faults.clone().or(settings))
}

fn read_dir(dir: &Path, faults: &mut Faults) -> Result<Vec<TenantSettings>, Faults> {
    let entries = std::fs::read_dir(dir).map_err(|error| Faults::one("tenants.dir", error))?;
    let mut files: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    // The same faults in the same order, whatever the file system says.
    files.sort();
    let mut found = Vec::new();
    for path in files {
        let slug = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        if slug.is_empty() || !slug.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_') {
            faults.add(path.display(), "a tenant's file is named by its uuid or slug: letters, digits, '-' and '_'");
            continue;
        }
        let read = std::fs::read_to_string(&path).map_err(|error| Faults::one("file", error));
        match read.and_then(|text| parse(slug, &text, &|file| file_beside(dir, file))) {
            Ok(settings) => found.push(settings),
            Err(others) => others.iter().for_each(|Fault { path: key, what }| {
                faults.add(format_args!("{}: {key}", path.display()), what);
            }),
        }
    }
    Ok(found)
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
