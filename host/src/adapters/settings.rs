//! What can change while calls run: the operator's policy, the plugins and the tenants. A change takes effect for the next session; what is faulty
//! is told once and changes nothing.

mod needed;

use super::plugins::{Absent, ChangeError, Plugins, Stamp};
use super::sinks;
use super::tenants::{Draft, FolderTenants, RemoteStats, RemoteTenants};
use crate::application::ports::Tenants;
use crate::config::{self, Config, Faults};
use needed::Needed;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use vg_domain::ids::PluginId;
use vg_domain::mask::Mode;
use vg_plugin_host::policy::Policy;
use vg_plugin_store::{NewPlugin, PluginName};

/// How often files are looked at.
const LOOK: Duration = Duration::from_secs(1);
/// Wishes to look now that may wait.
const WISHES: usize = 4;

/// Policy, plugins and tenants, and where they come from.
pub struct Settings {
    plugins: Arc<Plugins>,
    needed: Arc<Needed>,
    source: Source,
    policy: Option<PathBuf>,
    /// Who masks where a tenant says nothing, and whether nobody is served without.
    masker: Option<(PluginId, bool)>,
    /// Held while a change is taken over: one at a time.
    seen: Mutex<Seen>,
    /// Held for a moment only.
    known: Mutex<Known>,
}

/// Where tenants come from.
enum Source {
    Folder(Arc<FolderTenants>),
    Remote(Arc<RemoteTenants>),
}

/// The files as they were when they were last taken over; none before the first time.
#[derive(Default)]
struct Seen {
    policy: Option<Stamp>,
    plugins: Option<Stamp>,
    tenants: Option<Stamp>,
    /// What was wrong then, and still is.
    faults: Faults,
}

#[derive(Default)]
struct Known {
    counts: BTreeMap<(&'static str, &'static str), u64>,
}

/// A wish that files are looked at now, without waiting for the next time.
pub type LookNow = oneshot::Sender<Result<(), Faults>>;

/// The ends of the channel by which [`Settings::watch`] is told to look now.
pub fn wishes() -> (mpsc::Sender<LookNow>, mpsc::Receiver<LookNow>) {
    mpsc::channel(WISHES)
}

impl Settings {
    /// Nothing is read yet, but for the system's certificates where tenants come by TLS.
    ///
    /// # Errors
    /// Where the connection to a tenant-manager cannot be prepared.
    pub fn new(config: &Config, plugins: Arc<Plugins>) -> Result<Self, Faults> {
        let needed = Arc::new(Needed::new(Arc::clone(&plugins)));
        let config::Tenants { dir, default, map, manager } = &config.tenants;
        let source = match manager {
            None => Source::Folder(Arc::new(FolderTenants::mapped(dir.as_deref(), map.clone(), default.clone()))),
            Some(manager) => {
                let cas = operator_cas(&config.plugins)?;
                let remote = RemoteTenants::new(manager, &cas, &config.tenants, Arc::clone(&needed) as _);
                Source::Remote(Arc::new(remote.map_err(|error| Faults::one("tenants", error))?))
            }
        };
        let policy = config.plugins.policy.clone();
        let masker = config.pci.plugin.clone().map(|plugin| (plugin, config.pci.mode == Mode::Strict));
        Ok(Self { plugins, needed, source, policy, masker, seen: Mutex::default(), known: Mutex::default() })
    }

    /// The tenants as they are now and will be.
    pub fn tenants(&self) -> Arc<dyn Tenants> {
        match &self.source {
            Source::Folder(folder) => Arc::clone(folder) as _,
            Source::Remote(remote) => Arc::clone(remote) as _,
        }
    }

    /// The tenants of the folder; none where they come from elsewhere.
    pub fn folder(&self) -> Option<&FolderTenants> {
        match &self.source {
            Source::Folder(folder) => Some(folder),
            Source::Remote(_) => None,
        }
    }

    /// What was asked of a tenant-manager; nothing where there is none.
    pub fn remote_stats(&self) -> RemoteStats {
        match &self.source {
            Source::Folder(_) => RemoteStats::default(),
            Source::Remote(remote) => remote.stats(),
        }
    }

    /// The plugins themselves.
    pub fn plugins(&self) -> &Arc<Plugins> {
        &self.plugins
    }

    /// Puts a component into the folder of plugins and takes it over: beside live calls, whose sessions keep what they have. Blocks for seconds.
    ///
    /// # Errors
    /// Why not; then nothing has changed.
    pub fn put(&self, draft: NewPlugin) -> Result<(), ChangeError> {
        let id = PluginId::new(draft.plugin().name());
        let digest = self.plugins.put(draft)?;
        // What else is wrong with the settings is told, and is nothing of this plugin's.
        let _ = self.refresh_and_tell();
        match self.plugins.one(&id).map(|listed| listed.holds) {
            Some(Ok(held)) if held.versions().iter().any(|version| version.digest == digest) => Ok(()),
            Some(Err(absent)) => Err(ChangeError::Absent(absent)),
            // Somebody's hand was quicker.
            Some(Ok(_)) | None => Err(Absent::Changed.into()),
        }
    }

    /// Takes a plugin out of the folder, unless a tenant names it that is known at this moment. Blocks.
    ///
    /// # Errors
    /// Why not; then nothing has changed.
    pub fn take_away(&self, plugin: &PluginName) -> Result<(), ChangeError> {
        self.plugins.take_away(plugin, &self.needed())?;
        let _ = self.refresh_and_tell();
        Ok(())
    }

    /// Plugins that a tenant names at this moment.
    pub fn needed(&self) -> BTreeSet<PluginId> {
        self.needed.now()
    }

    /// What was taken over and what was refused since start: what, outcome, number.
    pub fn counts(&self) -> Vec<(&'static str, &'static str, u64)> {
        self.known().counts.iter().map(|((what, outcome), count)| (*what, *outcome, *count)).collect()
    }

    /// Takes over what changed since the last time. Blocks: on the disk, and for seconds where a plugin has to be compiled.
    ///
    /// # Errors
    /// Everything that is wrong at this moment. What is not wrong was taken over nevertheless.
    pub fn refresh(&self) -> Result<(), Faults> {
        let mut seen = self.seen();
        let policy = Some(Stamp::of(self.policy.clone()));
        let plugins = Some(self.plugins.stamp());
        let tenants = Some(Stamp::of(self.folder().and_then(FolderTenants::dir).map(Path::to_owned)));
        let policy_changed = policy != seen.policy;
        let shelf_changed = policy_changed || plugins != seen.plugins;
        if !shelf_changed && tenants == seen.tenants {
            return seen.faults.clone().or(());
        }
        let mut faults = Faults::default();
        if policy_changed || seen.faults != Faults::default() {
            let taken = self.take_policy(&mut faults);
            self.count_if(policy_changed, "policy", taken);
        }
        match &self.source {
            Source::Folder(folder) => {
                let draft = folder.read();
                let mut needed = draft.plugins();
                needed.extend(self.masker_needed());
                if shelf_changed || needed != self.needed() {
                    let taken = self.stock(needed, &mut faults);
                    self.count_if(shelf_changed, "plugins", taken);
                }
                let taken = self.take_tenants(folder, draft, &mut faults);
                self.count_if(tenants != seen.tenants, "tenants", taken);
            }
            Source::Remote(remote) => {
                if shelf_changed {
                    let needed = self.needed().into_iter().chain(self.masker_needed()).collect();
                    let taken = self.stock(needed, &mut faults);
                    self.count_if(true, "plugins", taken);
                    remote.review_again();
                }
            }
        }
        *seen = Seen { policy, plugins, tenants, faults: faults.clone() };
        faults.or(())
    }

    /// What is wished by tenants and not permitted or not there, one line each.
    pub fn shortfalls(&self) -> Vec<String> {
        let Some(folder) = self.folder() else { return Vec::new() };
        let draft = folder.read();
        let lines = draft.rungs().flat_map(|(tenant, rung)| {
            let shortfalls = self.plugins.shortfalls(tenant, &rung.provider);
            shortfalls.into_iter().map(move |line| format!("{tenant}: {}: {} {line}", rung.path, rung.provider.plugin))
        });
        let webhooks = draft.settings().flat_map(|settings| {
            let lacking =
                settings.webhooks.iter().filter_map(|webhook| Some((webhook, sinks::lack(&self.plugins, settings, webhook)?)));
            lacking.map(|(webhook, lack)| format!("{}: events.webhooks: {}: {lack}", settings.tenant, webhook.name))
        });
        let masker = self.masker.iter().map(|(masker, _)| (masker, self.plugins.state(masker)));
        let masker = masker.filter(|(_, state)| *state != "ready");
        let masker = masker.map(|(masker, code)| format!("pci.plugin: {masker} cannot serve: {code}"));
        lines.chain(webhooks).chain(masker).collect()
    }

    /// One that lies in the folder is there in any case, and one that is missing makes nobody unready who can do without.
    fn masker_needed(&self) -> Option<PluginId> {
        let (masker, strict) = self.masker.as_ref()?;
        (*strict || masker.plain() != masker.as_str()).then(|| masker.clone())
    }

    /// Looks at the files each second, at SIGHUP and when it is wished, until `stop`.
    pub async fn watch(self: Arc<Self>, mut wishes: mpsc::Receiver<LookNow>, stop: CancellationToken) {
        let mut hangup = match signal(SignalKind::hangup()) {
            Ok(hangup) => Some(hangup),
            Err(error) => {
                tracing::warn!(%error, "SIGHUP is not heard; changed files are");
                None
            }
        };
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let wish = tokio::select! {
                () = stop.cancelled() => return,
                _ = look.tick() => None,
                wish = wishes.recv() => match wish {
                    Some(wish) => Some(wish),
                    None => return,
                },
                _ = heard(hangup.as_mut()) => {
                    tracing::info!("SIGHUP: looking at policy, plugins and tenants");
                    None
                }
            };
            let result = self.refresh_off_the_workers().await;
            if let Some(wish) = wish {
                // Who wished may have gone.
                let _ = wish.send(result);
            }
        }
    }

    async fn refresh_off_the_workers(self: &Arc<Self>) -> Result<(), Faults> {
        let settings = Arc::clone(self);
        let result = tokio::task::spawn_blocking(move || settings.refresh_and_tell());
        result.await.unwrap_or_else(|error| Err(Faults::one("settings", error)))
    }

    /// Faults are told once.
    fn refresh_and_tell(&self) -> Result<(), Faults> {
        let told = self.seen().faults.clone();
        let result = self.refresh();
        if let Err(faults) = &result
            && *faults != told
        {
            faults.iter().for_each(|fault| {
                tracing::error!(path = fault.path, fault = fault.what, "settings are faulty: the old ones stay")
            });
        }
        result
    }

    fn take_policy(&self, faults: &mut Faults) -> bool {
        let text = match &self.policy {
            None => return true,
            Some(file) => std::fs::read_to_string(file).map_err(|error| Faults::one(file.display(), error)),
        };
        let file = self.policy.as_deref().unwrap_or(Path::new("")).display();
        let policy = text.and_then(|text| {
            Policy::parse(&text).map_err(|wrong| {
                let mut faults = Faults::default();
                wrong.iter().for_each(|fault| faults.add(format_args!("{file}: {}", fault.path), &fault.what));
                faults
            })
        });
        match policy {
            Ok(policy) => self.plugins.permit(policy),
            Err(wrong) => {
                faults.extend(wrong);
                return false;
            }
        }
        true
    }

    fn stock(&self, needed: BTreeSet<PluginId>, faults: &mut Faults) -> bool {
        match self.needed.stock(needed) {
            Ok(stocked) => stocked.refused == 0,
            Err(error) => {
                faults.add("plugins.dir", error);
                false
            }
        }
    }

    fn take_tenants(&self, folder: &FolderTenants, draft: Draft, faults: &mut Faults) -> bool {
        match folder.take(draft, &|rung| self.plugins.judge(rung)) {
            Ok(()) => true,
            Err(wrong) => {
                faults.extend(wrong);
                false
            }
        }
    }

    fn count_if(&self, changed: bool, what: &'static str, taken: bool) {
        if changed {
            *self.known().counts.entry((what, if taken { "taken" } else { "refused" })).or_default() += 1;
        }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn heard(hangup: Option<&mut Signal>) -> Option<()> {
    match hangup {
        Some(hangup) => hangup.recv().await,
        None => std::future::pending().await,
    }
}

/// Reads certificates of the operator's own authorities.
///
/// # Errors
/// Every file that cannot be read.
pub fn operator_cas(config: &config::Plugins) -> Result<Vec<Vec<u8>>, Faults> {
    let mut faults = Faults::default();
    let mut cas = Vec::new();
    for (at, file) in config.operator_cas.iter().enumerate() {
        match std::fs::read(file) {
            Ok(pem) => cas.push(pem),
            Err(error) => faults.add(format_args!("plugins.operator_cas[{at}]"), error),
        }
    }
    faults.or(cas)
}
