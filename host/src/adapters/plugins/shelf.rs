//! The plugins that are here: those of the folder, and those of the store that a tenant names; loaded, and replaced when they change.

use super::stamp::Stamp;
use super::standing::{Absent, Held, Holding, Standing};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use vg_domain::ids::PluginId;
use vg_plugin_host::api::Compute;
use vg_plugin_host::options::OptionsSchema;
use vg_plugin_host::policy::{Policy, Terms};
use vg_plugin_host::slot::Report;
use vg_plugin_host::{Loading, PluginHost, Trust};
use vg_plugin_store::{Digest, Folder, Opened, Reference, Store, StoreError, TrustPolicy, open};

/// What a place was filled from: the same again is not loaded again.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Cause {
    pub(super) found: Found,
    pub(super) terms: Terms,
}

#[derive(Clone, PartialEq, Eq)]
pub(super) enum Found {
    Nowhere(Lack),
    File(PathBuf, Stamp),
    Stored(Reference, Digest),
}

/// Why neither folder nor store has a plugin.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Lack {
    Missing,
    Ambiguous,
    /// The id is no reference.
    Name,
}

pub(super) struct Place {
    pub(super) cause: Cause,
    pub(super) holds: Holding,
}

/// Plugins by the names that tenants write.
pub(super) struct Shelf {
    dir: PathBuf,
    /// The same, where this gateway changes it.
    pub(super) folder: Folder,
    /// Held while the folder is read or changed: a plugin is two files.
    pub(super) changing: Mutex<()>,
    pub(super) store: Store,
    /// Where the store keeps what names mean.
    refs: PathBuf,
    places: RwLock<Arc<BTreeMap<PluginId, Place>>>,
}

/// What a look at folder and store came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stocked {
    /// Places that are filled otherwise than before.
    pub changed: usize,
    /// Of these, plugins that cannot be had.
    pub refused: usize,
}

impl Shelf {
    /// # Errors
    /// Where the store's folder cannot be made.
    pub(super) fn new(dir: PathBuf, store: &Path) -> Result<Self, StoreError> {
        let shelf = Self {
            folder: Folder::new(dir.clone()),
            dir,
            changing: Mutex::default(),
            store: Store::open(store)?,
            refs: store.join("refs"),
            places: RwLock::default(),
        };
        shelf.recover();
        Ok(shelf)
    }

    /// Takes over what lies in the folder, and of the store what is `needed`. Blocks for seconds where something has to be compiled; what has not
    /// changed stays as it is. A changed plugin that cannot be loaded leaves its predecessor in place.
    ///
    /// # Errors
    /// Where the folder cannot be read.
    pub(super) fn stock(&self, host: &PluginHost, policy: &Policy, needed: &BTreeSet<PluginId>) -> io::Result<Stocked> {
        let _alone = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.snapshot();
        let mut found = self.files()?;
        for id in needed {
            if found.contains_key(id) {
                continue;
            }
            match self.stored(id) {
                // The version may be that of the folder's own file, which shows once it is loaded.
                Found::Nowhere(Lack::Missing) if found.contains_key(&PluginId::new(id.plain())) => {}
                stored => drop(found.insert(id.clone(), stored)),
            }
        }
        let mut stocked = Stocked::default();
        let mut places = BTreeMap::new();
        for (id, found) in found {
            let cause = Cause { found, terms: policy.terms(id.plain()) };
            let place = match before.get(&id) {
                Some(place) if place.cause == cause => Place { cause, holds: place.holds.clone() },
                previous => {
                    stocked.changed += 1;
                    let filled = self.fill(host, &id, &cause);
                    stocked.refused += usize::from(filled.is_err());
                    Place { holds: settle(&id, filled, previous, &cause), cause }
                }
            };
            places.insert(id, place);
        }
        stocked.changed += before.keys().filter(|id| !places.contains_key(id)).count();
        *self.places.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(places);
        Ok(stocked)
    }

    /// The plugin that a tenant means, for questions about it.
    pub(super) fn standing(&self, id: &PluginId) -> Result<Arc<Standing>, &'static str> {
        self.find(id).map(|held| held.serving())
    }

    /// The plugin that a tenant means, for a session: perhaps a version that is tried.
    pub(super) fn for_session(&self, id: &PluginId) -> Result<(Arc<Standing>, Report), &'static str> {
        self.find(id).map(|held| held.for_session())
    }

    /// What the place of that name holds, or the bounded code of why nothing.
    fn find(&self, id: &PluginId) -> Result<Arc<Held>, &'static str> {
        const MISSING: &str = "plugin-missing";
        let places = self.snapshot();
        let held = |place: &Place| place.holds.clone().map_err(|absent| absent.code());
        if let Some(place) = places.get(id) {
            return held(place);
        }
        // A version may be that of the folder's own file.
        let (name, version) = id.as_str().split_once('@').ok_or(MISSING)?;
        let found = held(places.get(&PluginId::new(name)).ok_or(MISSING)?)?;
        if found.serving().plugin.descriptor().version == version { Ok(found) } else { Err(MISSING) }
    }

    /// Every place and what it holds.
    pub(super) fn all(&self) -> Vec<(PluginId, Holding)> {
        self.snapshot().iter().map(|(id, place)| (id.clone(), place.holds.clone())).collect()
    }

    /// Changes with whatever a [`stock`](Self::stock) would take over.
    pub(super) fn stamp(&self) -> Stamp {
        let entries = std::fs::read_dir(&self.dir).into_iter().flatten().flatten().map(|entry| entry.path());
        let assets = entries.filter(|path| path.extension().is_some_and(|extension| extension == "assets"));
        Stamp::of([self.dir.clone(), self.refs.clone()].into_iter().chain(assets))
    }

    pub(super) fn snapshot(&self) -> Arc<BTreeMap<PluginId, Place>> {
        Arc::clone(&self.places.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn files(&self) -> io::Result<BTreeMap<PluginId, Found>> {
        let mut found = BTreeMap::new();
        for entry in std::fs::read_dir(&self.dir)? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "wasm")
                && let Some(name) = path.file_stem().and_then(|stem| stem.to_str())
            {
                let stamp =
                    Stamp::of([path.clone(), vg_plugin_store::sign::signature_path(&path), path.with_extension("assets")]);
                found.insert(PluginId::new(name), Found::File(path, stamp));
            }
        }
        Ok(found)
    }

    fn stored(&self, id: &PluginId) -> Found {
        let exact = id.as_str().contains(['@', ':']);
        let reference = if exact { id.as_str().parse().map_err(|_| Lack::Name) } else { self.only(id.as_str()) };
        let resolved = reference.and_then(|reference: Reference| match self.store.resolve(&reference) {
            Ok(digest) => Ok(Found::Stored(reference, digest)),
            Err(_) => Err(Lack::Missing),
        });
        resolved.unwrap_or_else(Found::Nowhere)
    }

    /// What a name without a version means: the only version that the store has.
    fn only(&self, name: &str) -> Result<Reference, Lack> {
        let entries = self.store.list().map_err(|_| Lack::Missing)?;
        let named = |reference: &Reference| matches!(reference, Reference::Named(named) if named.name() == name);
        let mut meant = entries.into_iter().flat_map(|entry| entry.references).filter(named);
        match (meant.next(), meant.next()) {
            (Some(only), None) => Ok(only),
            (None, _) => Err(Lack::Missing),
            (Some(_), Some(_)) => Err(Lack::Ambiguous),
        }
    }

    fn fill(&self, host: &PluginHost, id: &PluginId, cause: &Cause) -> Result<Standing, Absent> {
        let reference = match &cause.found {
            Found::Nowhere(Lack::Missing) => return Err(Absent::Missing),
            Found::Nowhere(Lack::Ambiguous) => return Err(Absent::Ambiguous),
            Found::Nowhere(Lack::Name) => {
                return Err(Absent::Name(id.as_str().parse::<Reference>().err().ok_or(Absent::Missing)?));
            }
            Found::File(path, _) => Reference::File(path.clone()),
            Found::Stored(reference, _) => reference.clone(),
        };
        let name = id.plain();
        load(host, name, admit(&reference, &self.store, name, &cause.terms)?, &cause.terms)
    }
}

/// What a reference means, where these terms let it in.
pub(super) fn admit(reference: &Reference, store: &Store, name: &str, terms: &Terms) -> Result<Opened, Absent> {
    let opened = open(reference, store, &trust(terms)?)?;
    let digest = opened.admitted.digest.hex();
    if !terms.digests.is_empty() && !terms.digests.contains(&digest) {
        return Err(Absent::Pinned { name: name.to_owned(), digest });
    }
    Ok(opened)
}

/// What was admitted, compiled and asked what it is. Blocks for seconds where it was not compiled before.
pub(super) fn load(host: &PluginHost, name: &str, opened: Opened, terms: &Terms) -> Result<Standing, Absent> {
    let trust = if terms.first_party { Trust::FirstParty } else { Trust::Unknown };
    let plugin = host.load_with(Loading { name, path: &opened.path, trust, limits: terms.limits })?;
    // What was admitted is what was loaded, whoever wrote to the file meanwhile.
    if plugin.digest() != opened.admitted.digest.hex() {
        return Err(Absent::Changed);
    }
    if plugin.descriptor().compute == Compute::Heavy && !terms.heavy {
        return Err(Absent::Heavy);
    }
    let schema = OptionsSchema::of(plugin.descriptor());
    let signer = opened.admitted.signer.map(|signer| signer.key.to_string());
    Ok(Standing { plugin, schema, signer })
}

/// Pinned digests are held against what was loaded: there may be several, while one version replaces another.
fn trust(terms: &Terms) -> Result<TrustPolicy, Absent> {
    let keys = terms.keys.iter().map(|key| key.parse().map_err(|_| Absent::Key)).collect::<Result<_, _>>()?;
    Ok(TrustPolicy { require_signature: terms.require_signature, keys, ..TrustPolicy::default() })
}

/// What is in the place from now on: a plugin that works stays until one that works comes, unless it was taken away, or the operator's policy
/// has changed and turns it away.
fn settle(id: &PluginId, filled: Result<Standing, Absent>, previous: Option<&Place>, cause: &Cause) -> Holding {
    let replaced = !matches!(cause.found, Found::Nowhere(_));
    let kept = previous.filter(|place| replaced && place.cause.terms == cause.terms);
    let kept = kept.and_then(|place| place.holds.clone().ok());
    let settled = filled.and_then(|standing| match &kept {
        Some(held) => held.followed_by(standing),
        None => Ok(Held::new(standing)),
    });
    match settled {
        Ok(held) => {
            tracing::info!(plugin = %id, "plugin is ready");
            Ok(Arc::new(held))
        }
        Err(absent) => {
            tracing::error!(plugin = %id, code = absent.code(), error = %absent, "plugin cannot be loaded");
            kept.inspect(|_| tracing::warn!(plugin = %id, "the version before it goes on")).ok_or(Arc::new(absent))
        }
    }
}
