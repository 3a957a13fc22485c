//! The mask of a call: what its tenant wants, the built-in one where nothing is wanted or to be had.

use super::ports::{Masking, Masks, Outside};
use std::sync::Arc;
use vg_domain::ids::PluginId;
use vg_domain::mask::Mask;
use vg_domain::tenant::TenantSettings;

/// A mask that has heard nothing, and the plugin that masks in it.
pub(super) fn mask(masks: Option<&Arc<dyn Masks>>, settings: &TenantSettings) -> (Mask, Option<PluginId>) {
    let languages = std::iter::once(settings).chain(settings.languages.iter().map(AsRef::as_ref));
    let mask = Mask::new().in_languages(languages.map(|settings| settings.language.as_str()));
    let Masking { mode, outside } = masks.map(|masks| masks.open(settings)).unwrap_or_default();
    match outside {
        Some(Outside { plugin, engine }) => (mask.with(engine, mode), Some(plugin)),
        None => (mask, None),
    }
}
