//! Speech plugins as listeners and speakers of calls: loaded, permitted, opened under a grant, counted, and replaced while calls run.

mod changes;
mod masks;
mod outcomes;
mod permits;
mod records;
mod sessions;
mod shelf;
mod sound;
mod stamp;
mod standing;

pub use changes::ChangeError;
pub use masks::PluginMasks;
pub use shelf::Stocked;
pub use stamp::Stamp;
pub use standing::{Absent, Held, Holding, Standing};

use crate::adapters::tenants::{Role, Rung};
use crate::application::breakers::Seat;
use crate::application::ports::{Fall, Hearing, HearingRequest, Listen, Speak, Speaking, SpeakingRequest};
use crate::config::{self, Fault};
use outcomes::Outcomes;
use permits::Permits;
use records::Records;
use sessions::{Listener, Speaker};
use shelf::Shelf;
use sound::ToPlugin;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use vg_domain::ids::{CallId, PluginId, TenantId};
use vg_domain::tenant::Provider;
use vg_plugin_host::api::{AudioFormat, Kind, OptionFault, SessionStart, SessionTag};
use vg_plugin_host::links::grant::Grant;
use vg_plugin_host::links::secrets::LocalStore;
use vg_plugin_host::links::{LinkCounts, Links};
use vg_plugin_host::policy::{Policy, Shortfall, TenantWish};
use vg_plugin_host::session::{Opening, Way};
use vg_plugin_host::slot::Report;
use vg_plugin_host::{Plugin, PluginHost, SessionError};
use vg_plugin_store::{NewPlugin, PluginName, StoreError};

/// A telephone's.
const LEG_HZ: u32 = 8000;

/// The plugins of this gateway, and what its tenants may do with them.
pub struct Plugins {
    host: PluginHost,
    /// None where nothing is ever opened (`check`).
    links: Option<Arc<Links>>,
    shelf: Shelf,
    permits: Permits,
    outcomes: Outcomes,
    records: Option<Records>,
}

/// A plugin as it is shown.
pub struct Listed {
    /// Its name.
    pub id: PluginId,
    /// What is there under it.
    pub holds: Holding,
    /// What it wishes and no tenant can have.
    pub shortfalls: Vec<Shortfall>,
}

/// How many sessions ended how: plugin, bounded code, number.
pub type SessionEnds = Vec<(String, &'static str, u64)>;

impl Plugins {
    /// An empty shelf under the policy of no file. `links` carry what sessions ask for; without them every link is refused.
    ///
    /// # Errors
    /// Where the store's folder cannot be made.
    pub fn new(host: PluginHost, links: Option<Arc<Links>>, config: &config::Plugins) -> Result<Self, StoreError> {
        Ok(Self {
            host,
            links,
            shelf: Shelf::new(config.dir.clone(), &config.store)?,
            permits: Permits::new(&config.secrets),
            outcomes: Outcomes::default(),
            records: config.record.clone().map(Records::new),
        })
    }

    /// What is permitted from now on. Sessions that are up keep what they were granted. Plugins are looked at again by the next
    /// [`stock`](Self::stock).
    pub fn permit(&self, policy: Policy) {
        self.permits.replace(Arc::new(policy));
    }

    /// Takes over what lies in the folder, and what tenants need of the store. Blocks for seconds where something has to be compiled.
    ///
    /// # Errors
    /// Where the folder cannot be read.
    pub fn stock(&self, needed: &BTreeSet<PluginId>) -> io::Result<Stocked> {
        let stocked = self.shelf.stock(&self.host, &self.permits.policy(), needed)?;
        if stocked.changed > 0 {
            self.permits.forget();
        }
        Ok(stocked)
    }

    /// A place for a component that comes by another way than the operator's hand.
    ///
    /// # Errors
    /// Where the folder cannot be written.
    pub fn begin(&self, plugin: &PluginName) -> Result<NewPlugin, ChangeError> {
        Ok(self.shelf.begin(plugin)?)
    }

    /// Puts it into the folder, if somebody vouches for it and it works; gives its digest. [`stock`](Self::stock) takes it over. Blocks for seconds.
    ///
    /// # Errors
    /// Why not; then nothing has changed.
    pub fn put(&self, draft: NewPlugin) -> Result<String, ChangeError> {
        self.shelf.put(&self.host, &self.permits.policy(), draft)
    }

    /// Takes a plugin out of the folder. Sessions that are up go on. [`stock`](Self::stock) makes it so.
    ///
    /// # Errors
    /// Where one of `needed` means it, or it is not there.
    pub fn take_away(&self, plugin: &PluginName, needed: &BTreeSet<PluginId>) -> Result<(), ChangeError> {
        self.shelf.take_away(plugin, needed)
    }

    /// One plugin of the shelf.
    pub fn one(&self, id: &PluginId) -> Option<Listed> {
        self.all().into_iter().find(|listed| listed.id == *id)
    }

    /// Changes with whatever a [`stock`](Self::stock) would take over.
    pub fn stamp(&self) -> Stamp {
        self.shelf.stamp()
    }

    /// What is wrong with a tenant's rung, as far as its plugin is here to say.
    pub fn judge(&self, rung: &Rung) -> Vec<Fault> {
        let Ok(standing) = self.shelf.standing(&rung.provider.plugin) else { return Vec::new() };
        let kind = standing.plugin.descriptor().kind;
        if kind != kind_of(rung.role) {
            return vec![Fault { path: ".plugin".to_owned(), what: format!("is a plugin of kind {}", kind.as_str()) }];
        }
        if rung.role == Role::Masking {
            return Vec::new();
        }
        let mut faults = self.permits.faults(&rung.provider, &standing);
        let formats = &standing.plugin.descriptor().formats;
        // Whatever the leg's rate is: a wish is there or not, and without one there is a way or none.
        if sound::spoken_in(formats, LEG_HZ, rung.provider.sound).is_none() {
            faults.push(Fault { path: ".sound".to_owned(), what: sound::unsuited(formats) });
        }
        faults
    }

    /// What a tenant's provider wishes and is not permitted, and why its plugin is not here.
    pub fn shortfalls(&self, tenant: &TenantId, provider: &Provider) -> Vec<String> {
        match self.shelf.standing(&provider.plugin) {
            Ok(standing) => self.permits.shortfalls(tenant, provider, &standing).iter().map(Shortfall::to_string).collect(),
            Err(code) => vec![format!("cannot serve: {code}")],
        }
    }

    /// `ready`, or the bounded code of why not.
    pub fn state(&self, id: &PluginId) -> &'static str {
        self.shelf.standing(id).map_or_else(|code| code, |_| "ready")
    }

    /// Every plugin of the shelf, with what its wish lacks under the operator's policy, whoever the tenant is.
    pub fn all(&self) -> Vec<Listed> {
        let policy = self.permits.policy();
        let listed = |(id, holds): (PluginId, Holding)| {
            let shortfalls = holds.as_ref().map_or_else(|_| Vec::new(), |held| operators(&policy, &held.serving().plugin));
            Listed { id, holds, shortfalls }
        };
        self.shelf.all().into_iter().map(listed).collect()
    }

    /// What is wrong with options for this plugin; none where there is no such plugin.
    pub fn check_options(&self, id: &PluginId, options: &serde_json::Value) -> Option<Vec<OptionFault>> {
        let standing = self.shelf.standing(id).ok()?;
        Some(match &standing.schema {
            Ok(schema) => schema.faults(options),
            Err(error) => vec![OptionFault { path: String::new(), message: format!("the plugin is at fault: {error}") }],
        })
    }

    /// The host that runs them.
    pub fn host(&self) -> &PluginHost {
        &self.host
    }

    /// How sessions ended so far.
    pub fn session_ends(&self) -> SessionEnds {
        self.outcomes.read()
    }

    /// What was counted of links so far.
    pub fn link_counts(&self) -> LinkCounts {
        self.links.as_ref().map(|links| links.counts()).unwrap_or_default()
    }

    /// What carries requests to the outside.
    pub(super) fn links(&self) -> Option<&Arc<Links>> {
        self.links.as_ref()
    }

    /// Where tenants' secrets lie.
    pub(super) fn secrets(&self) -> &LocalStore {
        self.permits.store()
    }

    /// The permission to reach a tenant's URL on the gateway's own behalf, under what the policy says of a plugin of that name. None where it is no URL.
    pub(super) fn outward(&self, name: &str, tenant: &TenantId, url: &str) -> Option<Arc<Grant>> {
        self.permits.outward(name, tenant, url)
    }

    /// CPU of plugins' sessions and of their links so far, by work.
    pub fn busy(&self) -> [(&'static str, Duration); 2] {
        let links = self.links.as_ref().map(|links| links.busy()).unwrap_or_default();
        [("plugins", self.host.busy()), ("links", links)]
    }

    /// A session of that provider, or why there is none; counted.
    fn serve<T>(&self, provider: &Provider, language: &str, open: impl Fn() -> Result<T, &'static str>) -> Result<T, Fall> {
        let opened = if speaks(&provider.languages, language) { open() } else { Err("unsupported") };
        opened.map_err(|code| {
            tracing::debug!(plugin = %provider.plugin, code, "a rung does not open");
            self.outcomes.count(provider.plugin.plain(), code);
            Fall::new(provider.plugin.clone(), code)
        })
    }

    /// The version of a plugin for this session; whether it opens is another question.
    fn for_session(&self, provider: &Provider, language: &str) -> Result<(Arc<Standing>, Report), &'static str> {
        let (standing, report) = self.shelf.for_session(&provider.plugin)?;
        let languages = &standing.plugin.descriptor().languages;
        if speaks(languages, language) { Ok((standing, report)) } else { Err("unsupported") }
    }

    fn opening(
        &self,
        tenant: &TenantId,
        call: &CallId,
        provider: &Provider,
        seat: Seat,
        (standing, report): (&Standing, Report),
    ) -> Result<Opening, &'static str> {
        let grant: Arc<Grant> = self.permits.grant(tenant, provider, standing)?;
        let plugin = &standing.plugin;
        Ok(Opening {
            tag: SessionTag { tenant: tenant.to_string(), call: call.to_string() },
            door: self.links.as_ref().map(|links| Box::new(links.door(grant)) as Box<dyn Way>),
            recorder: self.records.as_ref().and_then(|records| records.recorder(tenant, call, plugin)),
            on_end: Some(self.outcomes.of_session(plugin.name(), report, seat)),
        })
    }
}

impl Hearing for Plugins {
    fn open(&self, request: HearingRequest) -> Result<Box<dyn Listen>, Fall> {
        let HearingRequest { call, tenant, provider, language, rate_hz, seat } = request;
        self.serve(&provider, &language, || {
            let (standing, report) = self.for_session(&provider, &language)?;
            let plugin: &Arc<Plugin> = &standing.plugin;
            let format = sound::heard_in(&plugin.descriptor().formats, rate_hz, provider.sound).ok_or("unsupported")?;
            let to_plugin = ToPlugin::new(rate_hz, format).ok_or("unsupported")?;
            let opening = self.opening(&tenant, &call, &provider, seat.clone(), (&standing, report))?;
            let session = self.host.open_stt(plugin, start(format, &language, &provider), opening);
            let session = session.map_err(|error: SessionError| error.code())?;
            Ok(Box::new(Listener { plugin: provider.plugin.clone(), to_plugin, session, told: 0 }) as Box<dyn Listen>)
        })
    }
}

impl Speaking for Plugins {
    fn open(&self, request: SpeakingRequest) -> Result<Box<dyn Speak>, Fall> {
        let SpeakingRequest { call, tenant, provider, language, rate_hz, seat, lines: _ } = request;
        self.serve(&provider, &language, || {
            let (standing, report) = self.for_session(&provider, &language)?;
            let formats = &standing.plugin.descriptor().formats;
            let format = sound::spoken_in(formats, rate_hz, provider.sound).ok_or("unsupported")?;
            let opening = self.opening(&tenant, &call, &provider, seat.clone(), (&standing, report))?;
            let session = self.host.open_tts(&standing.plugin, start(format, &language, &provider), opening);
            let session = session.map_err(|error: SessionError| error.code())?;
            Ok(Box::new(Speaker { plugin: provider.plugin.clone(), format, session }) as Box<dyn Speak>)
        })
    }
}

/// What a plugin's wish lacks, apart from secrets: those are the tenants'.
fn operators(policy: &Policy, plugin: &Plugin) -> Vec<Shortfall> {
    let none = BTreeMap::new();
    let store = Arc::new(LocalStore::default());
    let wish = TenantWish { tenant: "".into(), hosts: None, endpoint: None, secrets: &none, store, connections: None };
    let granted = policy.grant(plugin.name(), plugin.descriptor(), wish);
    let shortfalls = granted.map(|granted| granted.shortfalls).unwrap_or_default();
    shortfalls.into_iter().filter(|shortfall| shortfall.lacking.code() != "secret").collect()
}

fn kind_of(role: Role) -> Kind {
    match role {
        Role::Hearing => Kind::Stt,
        Role::Speaking => Kind::Tts,
        Role::Masking => Kind::Mask,
    }
}

/// Whether a language is among these: the same tag, or one of them only more exact (`en` and `en-US`). No tag means every language.
fn speaks(tags: &[String], language: &str) -> bool {
    let same = |tag: &str| {
        let mut subtags = tag.split('-').zip(language.split('-'));
        subtags.all(|(one, other)| one.eq_ignore_ascii_case(other))
    };
    tags.is_empty() || tags.iter().any(|tag| same(tag))
}

fn start(format: AudioFormat, language: &str, provider: &Provider) -> SessionStart {
    let mut seed = [0; 32];
    // Without the system's randomness the session still runs; nothing of ours depends on its seed being secret.
    let _ = getrandom::fill(&mut seed);
    SessionStart { format, language: language.to_owned(), options: provider.options.clone(), seed }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_language_is_spoken_by_its_tag_or_a_wider_one() {
        let tags = |tags: &[&str]| tags.iter().map(|tag| (*tag).to_owned()).collect::<Vec<_>>();
        for (spoken, language, yes) in [
            (tags(&[]), "pt-BR", true),
            (tags(&["pt-BR"]), "pt-br", true),
            (tags(&["pt"]), "pt-BR", true),
            (tags(&["en-US", "pt-BR"]), "pt", true),
            (tags(&["pt-PT"]), "pt-BR", false),
            (tags(&["p"]), "pt", false),
        ] {
            assert_eq!(speaks(&spoken, language), yes, "{spoken:?} {language}");
        }
    }
}
