//! `[shadow]`: a second listener that hears the same calls, for comparison.

use super::{RawProvider, RawShare, Rung};
use crate::adapters::tenants::Role;
use crate::config::Faults;
use serde::Deserialize;
use toml::Table;
use vg_domain::tenant::ShadowSettings;

/// As a rung of `[hearing]`, and of how many calls.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawShadow {
    plugin: Option<String>,
    options: Table,
    secrets: Table,
    hosts: Option<Vec<String>>,
    limits: RawShare,
    sound: Option<String>,
    share: Option<f64>,
    keep_words: bool,
}

impl RawShadow {
    /// The settings and the rung that its plugin is held against.
    pub(super) fn resolve(
        self,
        file_text: &dyn Fn(&str) -> Result<String, String>,
        hearing: &[Rung],
        faults: &mut Faults,
    ) -> Option<(ShadowSettings, Rung)> {
        let Self { plugin, options, secrets, hosts, limits, sound, share, keep_words } = self;
        let share = share.unwrap_or(1.0);
        if !(0.0..=1.0).contains(&share) {
            faults.add("shadow.share", "must lie between 0.0 and 1.0");
        }
        if limits.sessions_wait_ms.is_some() {
            faults.add("shadow.limits.sessions_wait_ms", "nobody waits for a second listener");
            return None;
        }
        let provider = RawProvider { plugin, options, secrets, hosts, languages: Vec::new(), limits, sound };
        let provider = provider.resolve("shadow", file_text, faults)?;
        if hearing.iter().any(|rung| rung.provider == provider) {
            faults.add("shadow.plugin", "is a rung of hearing: it would be compared with itself");
        }
        // Within 0 and 1000, or there is a fault.
        let share_per_mille = (share.clamp(0.0, 1.0) * 1_000.0).round() as u16;
        let rung = Rung { path: "shadow".to_owned(), role: Role::Hearing, provider: provider.clone() };
        Some((ShadowSettings { provider, share_per_mille, keep_words }, rung))
    }
}
