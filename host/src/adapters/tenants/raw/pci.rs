//! `[pci]` of a tenant: how card data is masked in its calls.

use crate::adapters::tenants::{Role, Rung};
use crate::config::{Faults, pci};
use serde::Deserialize;
use vg_domain::language::is_tag;
use vg_domain::mask::Mode;
use vg_domain::tenant::{PciSettings, Provider};

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawPci {
    plugin: Option<String>,
    mode: Option<String>,
    kinds: Option<Vec<String>>,
    last_four: Option<bool>,
    languages: Option<Vec<String>>,
    spoken_cards: Option<bool>,
}

impl RawPci {
    /// The settings, and the rung that its plugin is held against.
    pub(super) fn resolve(self, faults: &mut Faults) -> (PciSettings, Option<Rung>) {
        let mode = self.mode.as_deref().map(pci::mode).transpose().map_err(|what| faults.add("pci.mode", what)).ok().flatten();
        let kinds = self.kinds.as_deref().map(pci::kinds).transpose().map_err(|what| faults.add("pci.kinds", what));
        for (at, tag) in self.languages.iter().flatten().enumerate().filter(|(_, tag)| !is_tag(tag)) {
            faults.add(format_args!("pci.languages[{at}]"), format_args!("{tag:?} is no BCP 47 tag, for example pt-BR"));
        }
        let plugin = self.plugin.map(pci::plugin_of);
        if mode == Some(Mode::Strict) && plugin == Some(None) {
            faults.add("pci.plugin", "is needed where pci.mode is strict: without one nothing that is said could be shown");
        }
        let spoken_cards = self.spoken_cards == Some(true);
        if mode == Some(Mode::Strict) && spoken_cards {
            faults.add("pci.spoken_cards", "has a vendor hear cards: not where pci.mode is strict");
        }
        let rung = plugin.clone().flatten().map(|plugin| Rung {
            path: "pci".to_owned(),
            role: Role::Masking,
            provider: Provider::new(plugin, "{}"),
        });
        let (last_four, languages) = (self.last_four, self.languages);
        let settings = PciSettings { mode, plugin, kinds: kinds.ok().flatten(), last_four, languages, spoken_cards };
        (settings, rung)
    }
}

#[cfg(test)]
mod tests {
    use crate::adapters::tenants::tests::{faults, settings_of};
    use vg_domain::ids::PluginId;
    use vg_domain::mask::{Kind, Mode};
    use vg_domain::tenant::PciSettings;

    const BASE: &str = "language = 'en-US'\ngreeting = 'Hello.'\n[hearing]\nplugin = 'stt-a'\n[speaking]\nplugin = 'tts-a'\n";

    #[test]
    fn a_tenant_says_of_masking_what_is_not_the_gateways() {
        assert_eq!(settings_of(BASE).pci, PciSettings::default());
        let written = "[pci]\nmode = 'strict'\nplugin = 'mask-b'\nkinds = ['card-number', 'expiry-date']\nlast_four = true\nlanguages = ['pt-BR']\n";
        assert_eq!(
            settings_of(&format!("{BASE}{written}")).pci,
            PciSettings {
                mode: Some(Mode::Strict),
                plugin: Some(Some(PluginId::new("mask-b"))),
                kinds: Some(vec![Kind::CardNumber, Kind::ExpiryDate]),
                last_four: Some(true),
                languages: Some(vec!["pt-BR".to_owned()]),
                spoken_cards: false,
            }
        );
        assert_eq!(settings_of(&format!("{BASE}[pci]\nplugin = ''\n")).pci.plugin, Some(None));
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        let of = |more: &str| {
            let faults = faults(&[("a.toml", &format!("{BASE}[pci]\n{more}"))], "a").into_iter();
            faults.filter(|fault| !fault.starts_with("tenants.default")).collect::<Vec<_>>()
        };
        assert_eq!(of("mode = 'lax'\n"), ["a.toml: pci.mode: expected standard or strict"]);
        assert_eq!(of("kinds = ['expiry-date']\n"), ["a.toml: pci.kinds: card-number must be among them"]);
        assert_eq!(of("languages = ['no way']\n"), ["a.toml: pci.languages[0]: \"no way\" is no BCP 47 tag, for example pt-BR"]);
        assert!(of("mode = 'strict'\nplugin = ''\n")[0].starts_with("a.toml: pci.plugin: is needed"));
        let strict = "a.toml: pci.spoken_cards: has a vendor hear cards: not where pci.mode is strict";
        assert_eq!(of("mode = 'strict'\nplugin = 'mask-b'\nspoken_cards = true\n")[0], strict);
        assert!(settings_of(&format!("{BASE}[pci]\nspoken_cards = true\n")).pci.spoken_cards);
    }
}
