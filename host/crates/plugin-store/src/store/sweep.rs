//! Forgetting what nobody needs.

use super::{PLUGINS, Ref, Store, StoreError, WASM};
use crate::digest::Digest;
use crate::reference::Reference;
use std::collections::{BTreeMap, BTreeSet};

/// What [`Store::gc`] keeps.
#[derive(Debug, Clone, Default)]
pub struct Keep {
    /// Whatever else holds: what a policy pins or a running gateway uses.
    pub pinned: BTreeSet<Digest>,
    /// References that are never dropped: what the configuration names.
    pub references: BTreeSet<Reference>,
    /// Of each plugin (the name, or the repository in a registry) only what means so many contents, the newest; everything where none.
    pub newest: Option<usize>,
}

/// What [`Store::gc`] did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Swept {
    /// References that mean nothing any more.
    pub dropped: Vec<Reference>,
    /// Plugins that are gone.
    pub removed: Vec<Digest>,
    /// Of their components.
    pub bytes: u64,
}

impl Store {
    /// Drops references beyond [`Keep::newest`], then every plugin that no reference means and nobody pins.
    ///
    /// # Errors
    /// [`StoreError::Io`]; what was removed until then stays removed.
    pub fn gc(&self, keep: &Keep) -> Result<Swept, StoreError> {
        let pen = self.disk.pen()?;
        let mut swept = Swept::default();
        let mut refs = self.refs()?;
        for old in keep.beyond_newest(&refs) {
            pen.remove(&old.file)?;
            swept.dropped.push(old.reference.clone());
        }
        refs.retain(|kept| !swept.dropped.contains(&kept.reference));
        let meant: BTreeSet<Digest> = refs.iter().map(|kept| kept.digest).chain(keep.pinned.iter().copied()).collect();
        for digest in self.digests()?.into_iter().filter(|digest| !meant.contains(digest)) {
            let folder = format!("{PLUGINS}/{}", digest.hex());
            swept.bytes += std::fs::metadata(self.disk.path(&folder).join(WASM)).map_or(0, |found| found.len());
            pen.remove(&folder)?;
            swept.removed.push(digest);
        }
        Ok(swept)
    }
}

impl Keep {
    fn beyond_newest<'a>(&self, refs: &'a [Ref]) -> Vec<&'a Ref> {
        let Some(newest) = self.newest else { return Vec::new() };
        let mut families: BTreeMap<String, Vec<&Ref>> = BTreeMap::new();
        refs.iter().for_each(|each| families.entry(family(&each.reference)).or_default().push(each));
        let wanted: BTreeSet<Reference> = self.references.iter().map(super::essence).collect();
        let old = families.into_values().flat_map(|mut family| {
            family.sort_by(|a, b| b.added_unix_s.cmp(&a.added_unix_s).then_with(|| b.reference.cmp(&a.reference)));
            // A tag and the digest that it means are one version.
            let mut kept = BTreeSet::new();
            family.retain(|each| !kept.contains(&each.digest) && (kept.len() >= newest || !kept.insert(each.digest)));
            family
        });
        old.filter(|each| !wanted.contains(&each.reference) && !self.pinned.contains(&each.digest)).collect()
    }
}

/// Versions of one plugin.
fn family(reference: &Reference) -> String {
    match reference {
        Reference::Named(name) => name.name().to_owned(),
        Reference::File(path) => format!("file:{}", path.display()),
        Reference::Oci(oci) => format!("{}/{}", oci.registry(), oci.repository()),
    }
}
