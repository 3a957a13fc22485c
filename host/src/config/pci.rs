//! `[pci]`: how card data is masked, and what the gateway's memory may be seen by.

use super::Faults;
use super::raw::{flag, set};
use serde::{Deserialize, Deserializer};
use vg_domain::ids::PluginId;
use vg_domain::mask::{Kind, Mode};

/// `[pci]`: what holds for every tenant that does not say otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pci {
    /// Who masks; none: the built-in mask alone.
    pub plugin: Option<PluginId>,
    /// What becomes of a caller's words that the plugin cannot mask. Where it is strict no tenant is less so.
    pub mode: Mode,
    /// What is masked.
    pub kinds: Vec<Kind>,
    /// Whether the last four digits of a card number may be shown.
    pub last_four: bool,
    /// Whether the gateway's memory may be written to disk when it crashes, or read by a debugger of the same user.
    pub core_dumps: bool,
}

impl Default for Pci {
    fn default() -> Self {
        Self {
            plugin: Some(PluginId::new("pci-mask")),
            mode: Mode::Standard,
            kinds: Kind::ALL.to_vec(),
            last_four: false,
            core_dumps: false,
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawPci {
    plugin: Option<String>,
    mode: Option<String>,
    #[serde(deserialize_with = "words")]
    kinds: Option<Vec<String>>,
    #[serde(deserialize_with = "flag")]
    last_four: Option<bool>,
    #[serde(deserialize_with = "flag")]
    core_dumps: Option<bool>,
}

impl RawPci {
    pub(super) fn resolve(self, pci: &mut Pci, faults: &mut Faults) {
        if let Some(plugin) = self.plugin {
            pci.plugin = plugin_of(plugin);
        }
        set(&mut pci.mode, "pci.mode", self.mode.as_deref(), mode, faults);
        if let Some(written) = self.kinds {
            match kinds(&written) {
                Ok(kinds) => pci.kinds = kinds,
                Err(what) => faults.add("pci.kinds", what),
            }
        }
        pci.last_four = self.last_four.unwrap_or(pci.last_four);
        pci.core_dumps = self.core_dumps.unwrap_or(pci.core_dumps);
        if pci.mode == Mode::Strict && pci.plugin.is_none() {
            faults.add("pci.plugin", "is needed where pci.mode is strict: without one nothing that is said could be shown");
        }
    }
}

/// The name of a plugin; no name means none.
pub(crate) fn plugin_of(written: String) -> Option<PluginId> {
    (!written.trim().is_empty()).then(|| PluginId::new(written))
}

pub(crate) fn mode(text: &str) -> Result<Mode, &'static str> {
    [Mode::Standard, Mode::Strict].into_iter().find(|mode| mode.code() == text).ok_or("expected standard or strict")
}

/// Card numbers are always among them: a mask that lets those through is none.
pub(crate) fn kinds(written: &[String]) -> Result<Vec<Kind>, &'static str> {
    let known = |text: &String| Kind::ALL.into_iter().find(|kind| kind.code() == text);
    let kinds: Option<Vec<Kind>> = written.iter().map(known).collect();
    let kinds = kinds.ok_or("expected some of card-number, security-code, expiry-date, document-number")?;
    if kinds.contains(&Kind::CardNumber) { Ok(kinds) } else { Err("card-number must be among them") }
}

/// A list of words, or a text that holds them with `,` between.
fn words<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<String>>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "expected a list of words")]
    enum Written {
        List(Vec<String>),
        Text(String),
    }
    Ok(Some(match Written::deserialize(deserializer)? {
        Written::List(words) => words,
        Written::Text(text) => text.split(',').map(|word| word.trim().to_owned()).collect(),
    }))
}
