//! The one place that names both application and adapters: builds a gateway from its configuration, starts it, ends it.

mod asterisks;
mod events;
pub(crate) mod front;
mod house;
mod states;
mod watchers;

use crate::adapters::agent::{self, Chosen};
use crate::adapters::ari::{self, Adopters, Diallers};
use crate::adapters::audit::Trail;
use crate::adapters::events::spool::Spool;
use crate::adapters::http::{self, ApiRoutes, Readiness, Tickets, Vitals as _};
use crate::adapters::latency::Latency;
use crate::adapters::media_ws;
use crate::adapters::metrics::Metrics;
use crate::adapters::notices::NoticeBoard;
use crate::adapters::otlp::Tracer;
use crate::adapters::plugins::{PluginMasks, Plugins};
use crate::adapters::prompts;
use crate::adapters::pseudonyms::Pseudonyms;
use crate::adapters::recording::{Bucket, Form, Keeping, Recordings};
use crate::adapters::rtp::{Lateness, OwnSockets, ShardConfig, Shards};
use crate::adapters::settings::{self, LookNow, Settings};
use crate::adapters::sinks::{self, Sinks};
use crate::adapters::vault::HttpVault;
use crate::adapters::webhook::{self, Transport, Webhook};
use crate::application::breakers::Breakers;
use crate::application::call_task::Services;
use crate::application::desk::Desk;
use crate::application::gateway::{Drained, Gateway, GatewayLimits};
use crate::application::handing_on::HandingOn;
use crate::application::limits;
use crate::application::lines::Lines;
use crate::application::orders::Directory;
use crate::application::path::OnSilentPath;
use crate::application::ports::{Facts, Orders, Originator, TenantError};
use crate::application::prompt::Emergency;
use crate::application::refusing::RefusalWords;
use crate::config::{self, Config, Faults};
use anyhow::{Context, Result};
pub(crate) use asterisks::ari_mode;
use asterisks::{amis, asterisks};
use front::{Behind, Front};
use house::House;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;
use vg_domain::ids::TenantId;
use vg_domain::tenant::TenantSettings;
use vg_plugin_host::links::{Links, LinksConfig};
use vg_plugin_host::{HeavyConfig, HostConfig, LightConfig, PluginHost};
use watchers::{Everyone, Watchers};

/// A call hears, speaks and is masked; where a rung has fallen, the next session begins before the last is gone.
const SESSIONS_PER_CALL: u32 = 4;

/// Asterisk says within that time who holds a caller.
const FENCE: Duration = Duration::from_millis(500);

/// A gateway that serves.
pub struct Running {
    http_addr: SocketAddr,
    admin_addr: Option<SocketAddr>,
    stop: CancellationToken,
    close: CancellationToken,
    gateway: JoinHandle<Drained>,
    servers: JoinSet<()>,
    look_now: mpsc::Sender<LookNow>,
    originator: Arc<dyn Originator>,
    vitals: Arc<House>,
    directory: Arc<Directory>,
}

/// What calls hold at this moment. All zero when no call is live, or something leaked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// Call tasks.
    pub calls: u64,
    /// Media legs.
    pub legs: u64,
    /// Plugin sessions.
    pub sessions: u64,
    /// Calls that have something in an Asterisk.
    pub asterisk: u64,
}

/// Starts a gateway.
///
/// # Errors
/// Where something of the configuration cannot be had: an address in use, a folder that is not there, a faulty tenant.
pub async fn start(config: Config) -> Result<Running> {
    start_with(config, Vec::new()).await
}

/// Starts a gateway whose facts others hear as well.
///
/// # Errors
/// As [`start`].
pub async fn start_with(config: Config, listeners: Vec<Arc<dyn Facts>>) -> Result<Running> {
    // The address first: a second gateway on one machine should say so at once, not after compiling plugins.
    let front = Front::listen(&config.http).await?;
    let (http_addr, admin_addr) = (front.http_addr()?, front.admin_addr()?);
    let shard = Arc::new(Shards::start(shards(&config.media, config.state.is_some())).context("failed to start media")?);
    let OnDisk { emergency, refusals, tracer, trail, spool, vault } = on_disk(&config).await?;
    let (plugins, settings) = load_settings(&config).await?;
    let metrics = Arc::new(Metrics::new());
    let latency = Arc::<Latency>::default();
    let lines = Arc::new(Lines::over(Arc::clone(&plugins) as _));
    let (stop, close) = (CancellationToken::new(), CancellationToken::new());
    let Chosen { agent, upkeep, answers } = agent::choose(&config.agent, watchers::traces(tracer.as_ref()), close.clone())?;
    // No two processes may share the names of their events.
    let desk = Arc::new(Desk::new(uuid::Uuid::now_v7().simple().to_string()));
    // The desk first: who hears of something and asks for it finds it there.
    let kept = spool.clone().map(|spool| spool as _).into_iter().chain(trail.clone().map(|trail| trail as _));
    let source = spool.clone().map_or_else(|| Arc::clone(&desk) as Arc<dyn sinks::EventSource>, |spool| spool as _);
    let sinks = Arc::new(Sinks::new(source, settings.tenants(), Arc::clone(&plugins)));
    let listeners = [Arc::clone(&desk) as _].into_iter().chain(kept).chain([Arc::clone(&sinks) as _]).chain(listeners).collect();
    let facts: Arc<dyn Facts> = Arc::new(Everyone(listeners));
    let recordings = recordings(&config, &facts).await?;
    let notices = NoticeBoard::new(uuid::Uuid::now_v7().simple().to_string()).written_to(spool.clone());
    let notices = Arc::new(notices);
    let states = states::states(&config, Arc::clone(&notices) as _, Arc::clone(&facts))?;
    let services = Services {
        hearing: Arc::clone(&plugins) as _,
        speaking: Arc::clone(&lines) as _,
        breakers: Arc::new(Breakers::new(Arc::clone(&metrics) as _)),
        masks: Some(Arc::new(PluginMasks::new(Arc::clone(&plugins), config.pci.clone()))),
        agent,
        vault: vault.map(|vault| vault as _),
        facts,
        observe: Arc::new(Watchers::new(&metrics, &latency, tracer.as_ref())),
        recorder: recordings.clone().map(|recordings| recordings as _),
        states: states::port(states.as_ref()),
        emergency: Arc::new(emergency),
        hold_tone: Arc::new(prompts::hold_tone()),
        on_silent_path: match config.media.on_silent_path {
            config::OnSilentPath::GoOn => OnSilentPath::GoOn,
            config::OnSilentPath::End => OnSilentPath::End,
        },
    };
    let observe = Arc::clone(&services.observe);
    let limits = GatewayLimits { calls_max: config.limits.calls_max, grace: config.drain.grace };
    let webhook = webhook(&config, &settings, &plugins)?;
    let kafka = events::kafka(&config, spool.as_ref())?;
    let gateway = Gateway::new(services, settings.tenants(), limits).telling(refusals);
    let (incoming, calls) = mpsc::channel(limits::INCOMING_CALLS);

    let amis = amis(&config)?;
    let asterisks = asterisks(&config, &amis, &shard, &incoming)?;
    let adopters = Arc::new(Adopters::new(asterisks.clone()));
    let gateway = match (&states, config.drain.hand_over) {
        (Some(states), Some(within)) => {
            gateway.handing_on(HandingOn::new(Arc::clone(states) as _, Arc::clone(&adopters) as _, within))
        }
        _ => gateway,
    };
    let (live, directory) = (gateway.live_calls(), gateway.directory());
    let originator = Arc::new(gateway.originator(Arc::new(Diallers::new(asterisks.clone()))));
    let stop_calls = stop.clone();
    let adoption = states.as_ref().map(|states| gateway.adoption(Arc::clone(states) as _, Arc::clone(states) as _, adopters));
    let house = House {
        live,
        shard: Arc::clone(&shard),
        lines,
        plugins,
        settings,
        asterisks,
        amis,
        stop: stop_calls,
        recordings,
        answers,
        webhook,
        tracer,
        states,
        spool,
        kafka,
        trail,
        sinks,
    };
    let vitals = Arc::new(house);
    let mut servers = JoinSet::new();
    servers.spawn(upkeep);
    servers.spawn(Arc::clone(&vitals.sinks).run(close.clone()));
    if let Some(tracer) = vitals.tracer.clone() {
        let close = close.clone();
        servers.spawn(async move { tracer.run(close).await });
    }
    if let Some(uploader) = vitals.recordings.as_ref().and_then(|recordings| recordings.uploader()) {
        servers.spawn(uploader.run(close.clone()));
    }
    if let Some(states) = vitals.states.clone() {
        servers.spawn(states.run(close.clone()));
    }
    if let Some(kafka) = vitals.kafka.clone() {
        servers.spawn(kafka.run(close.clone()));
    }
    for ami in vitals.amis.iter().flatten() {
        let (ami, close) = (Arc::clone(ami), close.clone());
        servers.spawn(async move { ami.run(close).await });
    }
    let tickets = Arc::new(Tickets::default());
    let mut public = media_ws::router(shard, incoming, config.media.silence, Arc::clone(&tickets), observe);
    public = public.merge(ari::router(&vitals.asterisks));
    if let Some(webhook) = &vitals.webhook {
        public = public.merge(webhook.router());
    }
    let routes = ApiRoutes { public, admin: http::vitals(metrics, Arc::clone(&vitals) as _) };
    let behind = Behind {
        desk,
        latency,
        orders: Arc::clone(&directory) as _,
        originator: Some(Arc::clone(&originator) as _),
        tenants: vitals.settings.tenants(),
        settings: Arc::clone(&vitals.settings),
        tickets,
        trail: vitals.trail.clone(),
        notices,
        drain: stop.clone(),
        close: close.clone(),
    };
    front.open(&config, routes, behind, &mut servers).await?;

    for asterisk in &vitals.asterisks {
        let (asterisk, close) = (Arc::clone(asterisk), close.clone());
        servers.spawn(async move { asterisk.run(close).await });
    }
    if let Some(adoption) = adoption {
        let stop = stop.clone();
        servers.spawn(async move { adoption.run(stop).await });
    }
    let (look_now, wishes) = settings::wishes();
    servers.spawn(Arc::clone(&vitals.settings).watch(wishes, close.clone()));
    #[expect(clippy::disallowed_methods, reason = "wiring starts what lives as long as the process; joined by `Running::wait`")]
    let gateway = tokio::spawn(gateway.run(calls, stop.clone()));
    tracing::info!(%http_addr, media = ?vitals.shard.advertised(), asterisks = vitals.asterisks.len(), "gateway serves");
    Ok(Running { http_addr, admin_addr, stop, close, gateway, servers, look_now, originator, directory, vitals })
}

impl Running {
    /// Where the HTTP side listens.
    pub fn http_addr(&self) -> SocketAddr {
        self.http_addr
    }

    /// Where health, metrics and the operator's part of the API are, where that is apart.
    pub fn admin_addr(&self) -> Option<SocketAddr> {
        self.admin_addr
    }

    /// Where Asterisk is told to send RTP.
    pub fn media_addrs(&self) -> Vec<SocketAddr> {
        self.vitals.shard.advertised()
    }

    /// The way to make calls.
    pub fn originator(&self) -> Arc<dyn Originator> {
        Arc::clone(&self.originator)
    }

    /// The way to give orders to calls.
    pub fn orders(&self) -> Arc<dyn Orders> {
        Arc::clone(&self.directory) as _
    }

    /// Begins the drain: no new call, a goodbye for those that are up.
    pub fn stop(&self) {
        self.stop.cancel();
    }

    /// Cancelling it begins the drain.
    pub fn stop_token(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Looks at policy, plugins and tenants now, as it does each second and at SIGHUP.
    ///
    /// # Errors
    /// Everything that is wrong with them; what is not wrong was taken over.
    pub async fn look_now(&self) -> Result<(), Faults> {
        let (wish, answer) = oneshot::channel();
        let gone = || Faults::one("settings", "the gateway stops");
        self.look_now.send(wish).await.map_err(|_| gone())?;
        answer.await.unwrap_or_else(|_| Err(gone()))
    }

    /// What calls hold at this moment.
    pub fn held(&self) -> Held {
        Held {
            calls: self.vitals.live.load(Ordering::Relaxed) as u64,
            legs: self.vitals.shard.live_legs(),
            sessions: self.vitals.plugins.host().live_sessions() as u64,
            asterisk: self.vitals.asterisks.iter().map(|asterisk| asterisk.stats().calls_live).sum(),
        }
    }

    /// A tenant's settings as its next call would have them.
    ///
    /// # Errors
    /// Where there are none.
    pub async fn tenant(&self, tenant: &TenantId) -> std::result::Result<Arc<TenantSettings>, TenantError> {
        self.vitals.settings.tenants().named(tenant).await
    }

    /// Plugin sessions that ended, or did not open: plugin, bounded code, number.
    pub fn session_ends(&self) -> Vec<(String, &'static str, u64)> {
        self.vitals.plugins.session_ends()
    }

    /// How late frames left.
    pub fn pacing(&self) -> Lateness {
        self.vitals.shard.stats().lateness
    }

    /// Readiness as the HTTP side tells it.
    pub fn readiness(&self) -> Readiness {
        self.vitals.readiness()
    }

    /// Waits for the drain that [`stop`](Self::stop) began, then closes every connection.
    pub async fn wait(mut self) -> Drained {
        let drained = self.gateway.await.unwrap_or_else(|error| {
            tracing::error!(%error, "gateway task ended badly");
            Drained::default()
        });
        // What was told last is on its way out as well, where there is time for it.
        if let Some(spool) = &self.vitals.spool {
            let _ = tokio::time::timeout(limits::COMMITTED_WITHIN, spool.committed()).await;
        }
        self.close.cancel();
        while self.servers.join_next().await.is_some() {}
        drained
    }
}

/// What is read once, before the first call.
struct OnDisk {
    emergency: Emergency,
    refusals: RefusalWords,
    tracer: Option<Arc<Tracer>>,
    trail: Option<Arc<Trail>>,
    spool: Option<Arc<Spool>>,
    vault: Option<Arc<HttpVault>>,
}

async fn on_disk(config: &Config) -> Result<OnDisk> {
    let config = config.clone();
    let work = tokio::task::spawn_blocking(move || {
        let trail = config.audit.dir.as_deref().map(Trail::start).transpose().context("failed to open the audit log")?;
        let spool = events::spool(&config)?;
        let (emergency, refusals, tracer) = (emergency(&config)?, refusals(&config)?, watchers::tracer(&config)?);
        let vault = config.vault.as_ref().map(HttpVault::new).transpose()?.map(Arc::new);
        anyhow::Ok(OnDisk { emergency, refusals, tracer, trail: trail.map(Arc::new), spool, vault })
    });
    work.await.context("failed to look at the disk")?
}

async fn recordings(config: &Config, facts: &Arc<dyn Facts>) -> Result<Option<Arc<Recordings>>> {
    let Some(dir) = config.recording.dir.clone() else { return Ok(None) };
    let seal_to = config.recording.seal_to.as_deref().map(str::parse).transpose().context("recording.seal_to")?;
    let pseudonyms = config.privacy.pseudonym_key.as_ref().map(Pseudonyms::new);
    let form = Form { format: config.recording.format, seal_to };
    let keeping =
        Keeping { keep_days: config.recording.keep_days, form, store: None, facts: Some(Arc::clone(facts)), pseudonyms };
    let store = config.recording.store.clone();
    let work = tokio::task::spawn_blocking(move || {
        let store = store.map(|store| Bucket::new(&store).map(|bucket| (bucket, store.keep_local))).transpose()?;
        Recordings::start(&dir, Keeping { store, ..keeping }).context("failed to open the folder for recordings")
    });
    Ok(Some(Arc::new(work.await.context("failed to look at the disk")??)))
}

async fn load_settings(config: &Config) -> Result<(Arc<Plugins>, Arc<Settings>)> {
    let operator_cas = settings::operator_cas(&config.plugins).context("failed to read the operator's authorities")?;
    let links = Links::new(LinksConfig { operator_cas, ..LinksConfig::default() }).context("failed to prepare links")?;
    let config = config.clone();
    let loading = tokio::task::spawn_blocking(move || {
        let host = PluginHost::new(host_config(&config)).context("failed to start the plugin host")?;
        let plugins = Plugins::new(host, Some(links), &config.plugins).context("failed to open the plugin store")?;
        let plugins = Arc::new(plugins);
        let settings = Settings::new(&config, Arc::clone(&plugins)).context("failed to prepare tenants")?;
        settings.refresh().context("failed to load policy, plugins and tenants")?;
        anyhow::Ok((plugins, Arc::new(settings)))
    });
    loading.await.context("failed to load plugins")?
}

/// How plugins are run.
pub(crate) fn host_config(config: &Config) -> HostConfig {
    let calls = u32::try_from(config.limits.calls_max).unwrap_or(u32::MAX);
    let least = LightConfig::default().sessions_max;
    let plugins = &config.plugins;
    HostConfig {
        cache_dir: plugins.cache_dir.clone(),
        light: LightConfig { sessions_max: calls.saturating_mul(SESSIONS_PER_CALL).max(least) },
        heavy: HeavyConfig { threads: plugins.heavy_threads, sessions_max_per_thread: plugins.heavy_sessions_max },
    }
}

fn shards(media: &config::Media, shared: bool) -> ShardConfig {
    let own_sockets = match media.sockets {
        config::Sockets::Shared => None,
        config::Sockets::PerCall => Some(OwnSockets { ports: media.ports.clone() }),
    };
    ShardConfig {
        bind: media.bind,
        advertise: media.advertise,
        shards: media.shards,
        own_sockets,
        fence: shared.then_some(FENCE),
    }
}

/// The operator's own words, or the shipped ones.
pub(crate) fn emergency(config: &Config) -> Result<Emergency> {
    match &config.prompts.emergency {
        None => Ok(prompts::emergency()),
        Some(file) => {
            let own = prompts::load(file).with_context(|| format!("failed to load {}", file.display()))?;
            Ok(Emergency::new(own))
        }
    }
}

/// What refused callers hear; nothing where they are not answered.
pub(crate) fn refusals(config: &Config) -> Result<RefusalWords> {
    if !config.prompts.answer_refusals {
        return Ok(RefusalWords::new());
    }
    prompts::refusals(config.prompts.refusals.as_deref())
        .map_err(|(file, error)| anyhow::Error::new(error).context(format!("failed to load {file} of prompts.refusals")))
}

/// The place where calls are announced, if anybody may announce them.
fn webhook(config: &Config, settings: &Settings, plugins: &Arc<Plugins>) -> Result<Option<Arc<Webhook>>> {
    let Some(secret) = config.http.webhook_secret.clone() else { return Ok(None) };
    let (tenants, speaking) = (settings.tenants(), Arc::clone(plugins) as _);
    let transport = if config.http.tls.is_some() { Transport::Tls } else { Transport::Plain };
    let parts = webhook::Parts { secret, transport, clock: Arc::new(SystemTime::now), tenants, speaking };
    Ok(Some(Webhook::new(parts).context("failed to prepare the webhook")?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Machine;

    #[test]
    fn shards_whose_callers_others_may_take_are_silent_after_a_standstill() {
        let media = Config::defaults(&Machine::here()).media;
        assert_eq!([true, false].map(|shared| shards(&media, shared).fence), [Some(FENCE), None]);
    }

    #[test]
    fn each_call_that_is_taken_in_has_room_for_its_sessions() {
        let mut config = Config::defaults(&Machine::here());
        for calls in [1, 500, 5000] {
            config.limits.calls_max = calls;
            let sessions = host_config(&config).light.sessions_max;
            assert!(sessions as usize >= 4 * calls, "{sessions} sessions for {calls} calls");
        }
    }
}
