//! Plugins that mask, as calls have them: opened under what tenant and operator want, counted, and done with at their first fault.

use super::Plugins;
use crate::application::ports::{Masking, Masks, Outside};
use crate::config::Pci;
use std::sync::Arc;
use vg_domain::ids::PluginId;
use vg_domain::mask::{Engine, EngineAnswer, Kind, Mode, Source};
use vg_domain::tenant::{PciSettings, TenantSettings};
use vg_plugin_host::api::{MaskSettings, Segment, SpanKind, TextSource};
use vg_plugin_host::session::SessionEnd;
use vg_plugin_host::{MaskInstance, SessionError};

/// Masks by plugins, as the operator wants it where a tenant says nothing.
pub struct PluginMasks {
    plugins: Arc<Plugins>,
    usual: Pci,
}

impl PluginMasks {
    /// `usual`: what holds for tenants that say nothing.
    pub fn new(plugins: Arc<Plugins>, usual: Pci) -> Self {
        Self { plugins, usual }
    }

    fn engine(&self, plugin: &PluginId, settings: MaskSettings) -> Result<Box<dyn Engine>, &'static str> {
        let opened = self.plugins.mask(plugin, settings).map(|mask| Box::new(mask) as Box<dyn Engine>);
        opened.inspect_err(|code| tracing::warn!(%plugin, code, "a plugin that is to mask does not open"))
    }
}

impl Masks for PluginMasks {
    fn open(&self, settings: &TenantSettings) -> Masking {
        let PciSettings { mode, plugin, kinds, last_four, languages, spoken_cards: _ } = &settings.pci;
        let mode = match (self.usual.mode, mode) {
            (Mode::Strict, _) | (_, Some(Mode::Strict)) => Mode::Strict,
            (Mode::Standard, Some(Mode::Standard) | None) => Mode::Standard,
        };
        let Some(plugin) = plugin.as_ref().unwrap_or(&self.usual.plugin) else {
            return Masking { mode, outside: None };
        };
        let spoken = || {
            let all = std::iter::once(settings).chain(settings.languages.iter().map(AsRef::as_ref));
            all.map(|settings| settings.language.clone()).collect()
        };
        let asked = MaskSettings {
            languages: languages.clone().unwrap_or_else(spoken),
            kinds: kinds.as_ref().unwrap_or(&self.usual.kinds).iter().copied().map(span_kind).collect(),
            last_four: last_four.unwrap_or(self.usual.last_four),
        };
        Masking { mode, outside: Some(Outside { plugin: plugin.clone(), engine: self.engine(plugin, asked) }) }
    }
}

impl Plugins {
    fn mask(&self, id: &PluginId, settings: MaskSettings) -> Result<CallMask, &'static str> {
        let (standing, report) = self.shelf.for_session(id).inspect_err(|code| self.outcomes.count(id.plain(), code))?;
        let plugin = &standing.plugin;
        let on_end = self.outcomes.of_session(plugin.name(), report, ());
        match plugin.instantiate_mask(settings) {
            Ok(instance) => Ok(CallMask { instance, on_end: Some(on_end) }),
            Err(error) => {
                let code = error.code();
                on_end(&SessionEnd::Fell(error));
                Err(code)
            }
        }
    }
}

/// Told how it ended.
type OnEnd = Box<dyn FnOnce(&SessionEnd) + Send>;

/// The masker of one call. No `Debug`: it knows digits of the caller.
struct CallMask {
    instance: MaskInstance,
    /// Until it has ended.
    on_end: Option<OnEnd>,
}

impl Engine for CallMask {
    fn mask(&mut self, text: &str, source: Source, partial: bool) -> Result<EngineAnswer, &'static str> {
        let source = match source {
            Source::Caller => TextSource::Caller,
            Source::Agent => TextSource::Agent,
            Source::Keypad => TextSource::Dtmf,
        };
        match self.instance.mask(Segment { text: text.to_owned().into(), source, partial }) {
            Ok(masked) => Ok(EngineAnswer { text: masked.text, found: !masked.spans.is_empty(), held: masked.hold }),
            Err(error) => Err(self.end(error)),
        }
    }
}

impl CallMask {
    /// Its words stay where they are: a trap's reason is foreign text.
    fn end(&mut self, error: SessionError) -> &'static str {
        let code = error.code();
        if let Some(on_end) = self.on_end.take() {
            on_end(&SessionEnd::Fell(error));
        }
        code
    }
}

impl Drop for CallMask {
    fn drop(&mut self) {
        if let Some(on_end) = self.on_end.take() {
            on_end(&SessionEnd::Done);
        }
    }
}

fn span_kind(kind: Kind) -> SpanKind {
    match kind {
        Kind::CardNumber => SpanKind::CardNumber,
        Kind::SecurityCode => SpanKind::SecurityCode,
        Kind::ExpiryDate => SpanKind::ExpiryDate,
        Kind::DocumentNumber => SpanKind::DocumentNumber,
    }
}
