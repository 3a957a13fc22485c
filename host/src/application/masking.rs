//! The mask of a call: what its tenant wants, the built-in one where nothing is wanted or to be had.

use super::ports::{Masking, Masks, Outside};
use std::sync::Arc;
use vg_domain::ids::PluginId;
use vg_domain::mask::{Mask, Mode};
use vg_domain::tenant::TenantSettings;

/// Who masks in a call.
pub(super) struct Masked {
    /// It has heard nothing.
    pub(super) mask: Mask,
    /// The plugin in it.
    pub(super) by: Option<PluginId>,
    /// How much depends on it.
    pub(super) mode: Mode,
}

/// Who masks for this tenant.
pub(super) fn mask(masks: Option<&Arc<dyn Masks>>, settings: &TenantSettings) -> Masked {
    let languages = std::iter::once(settings).chain(settings.languages.iter().map(AsRef::as_ref));
    let mask = Mask::new().in_languages(languages.map(|settings| settings.language.as_str()));
    let built_in = || Masking { mode: settings.pci.mode.unwrap_or_default(), outside: None };
    let Masking { mode, outside } = masks.map_or_else(built_in, |masks| masks.open(settings));
    match outside {
        Some(Outside { plugin, engine }) => Masked { mask: mask.with(engine, mode), by: Some(plugin), mode },
        None => Masked { mask, by: None, mode },
    }
}
