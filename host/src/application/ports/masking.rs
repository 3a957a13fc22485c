//! Who masks card data in a call.

use vg_domain::ids::PluginId;
use vg_domain::mask::{Engine, Mode};
use vg_domain::tenant::TenantSettings;

/// Opens masks of calls.
pub trait Masks: Send + Sync {
    /// A mask for one call of this tenant. Takes well under a millisecond: calls wait for it.
    fn open(&self, settings: &TenantSettings) -> Masking;
}

/// Who masks in a call beside the built-in mask.
#[derive(Default)]
pub struct Masking {
    /// What becomes of words that it cannot mask.
    pub mode: Mode,
    /// None where the built-in mask is to do it alone.
    pub outside: Option<Outside>,
}

/// A plugin that masks.
pub struct Outside {
    /// Which one.
    pub plugin: PluginId,
    /// Its mask, or the bounded code of why there is none.
    pub engine: Result<Box<dyn Engine>, &'static str>,
}
