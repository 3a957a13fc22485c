//! What the HTTP side may know of a running gateway.

use crate::adapters::ami::Ami;
use crate::adapters::ari::{Ari, RestCounts, Source};
use crate::adapters::audit::Trail;
use crate::adapters::events::kafka::Producer;
use crate::adapters::events::spool::Spool;
use crate::adapters::http::{EventSource, PluginState, Readiness, Vitals};
use crate::adapters::metrics::{Paced, Readings};
use crate::adapters::otlp::Tracer;
use crate::adapters::plugins::Plugins;
use crate::adapters::recording::Recordings;
use crate::adapters::rtp::{BOUNDS_US, Lateness, Shards};
use crate::adapters::settings::Settings;
use crate::adapters::sinks::Sinks;
use crate::adapters::state::RedisStates;
use crate::adapters::tally::Tally;
use crate::adapters::webhook::Webhook;
use crate::application::lines::Lines;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use tokio_util::sync::CancellationToken;
use vg_domain::ids::PluginId;
use vg_plugin_host::links::LinkCounts;

/// Everything that counts, or knows how it stands.
pub(super) struct House {
    pub(super) live: Arc<AtomicUsize>,
    pub(super) shard: Arc<Shards>,
    pub(super) plugins: Arc<Plugins>,
    pub(super) lines: Arc<Lines>,
    pub(super) settings: Arc<Settings>,
    pub(super) asterisks: Vec<Arc<Ari>>,
    /// As many as `asterisks`.
    pub(super) amis: Vec<Option<Arc<Ami>>>,
    pub(super) stop: CancellationToken,
    /// The last to go: legs that end hand over what they have.
    pub(super) recordings: Option<Arc<Recordings>>,
    pub(super) answers: Tally,
    pub(super) webhook: Option<Arc<Webhook>>,
    pub(super) tracer: Option<Arc<Tracer>>,
    pub(super) states: Option<Arc<RedisStates>>,
    pub(super) spool: Option<Arc<Spool>>,
    pub(super) kafka: Option<Arc<Producer>>,
    pub(super) trail: Option<Arc<Trail>>,
    pub(super) sinks: Arc<Sinks>,
}

impl Vitals for House {
    fn readiness(&self) -> Readiness {
        let source = |ari: &Arc<Ari>| EventSource { app: ari.app().to_owned(), up: ari.is_up() };
        let plugin = |id: &PluginId| PluginState { name: id.to_string(), state: self.plugins.state(id) };
        Readiness {
            event_sources: self.asterisks.iter().map(source).collect(),
            // What else lies in the folder makes nobody unready.
            plugins: self.settings.needed().iter().map(plugin).collect(),
            audit: self.trail.as_ref().map(|trail| if trail.stats().failing { "failing" } else { "writing" }),
            events: self.spool.as_ref().map(|spool| spool.standing()),
            draining: self.stop.is_cancelled(),
            state: self.states.as_ref().map(|states| states.health()),
            kafka: self.kafka.as_ref().map(|kafka| kafka.stats().into()),
        }
    }

    fn readings(&self) -> Readings {
        let media = self.shard.stats();
        let mut readings = Readings {
            plugin_sessions_live: self.plugins.host().live_sessions() as u64,
            plugin_sessions: self.plugins.host().counts().sessions_opened,
            plugin_session_ends: self.plugins.session_ends(),
            links: by_fate(self.plugins.link_counts()),
            agent_answers: self.answers.read(),
            lines: self.lines.counts(),
            settings: self.settings.counts(),
            tenants: self.settings.remote_stats(),
            otlp_spans: self.tracer.as_ref().map(|tracer| tracer.counts()).unwrap_or_default(),
            webhooks: self.webhook.as_ref().map(|webhook| webhook.counts()).unwrap_or_default(),
            audit: self.trail.as_ref().map(|trail| trail.stats()),
            spool: self.spool.as_ref().map(|spool| spool.stats()),
            sinks: self.sinks.stats(),
            tasks_live: tokio::runtime::Handle::try_current().map_or(0, |runtime| runtime.metrics().num_alive_tasks() as u64),
            media_legs_live: media.legs_live,
            rtp_in: media.packets_in,
            rtp_out: media.packets_out,
            rtp_garbage: media.packets_garbage,
            rtp_late: media.packets_late,
            rtp_lost: media.packets_lost,
            frames_concealed: media.frames_concealed,
            rtp_unknown_source: media.packets_unknown,
            busy_s: media.busy.into_iter().chain(self.plugins.busy()).map(|(work, busy)| (work, busy.as_secs_f64())).collect(),
            pacing: paced(&media.lateness),
            pacing_max_s: media.lateness.max_us as f64 / 1e6,
            recordings: self.recordings.as_ref().map(|recordings| recordings.stats()).unwrap_or_default(),
            state: self.states.as_ref().map(|states| states.readings()).unwrap_or_default(),
            kafka: self.kafka.as_ref().map(|kafka| kafka.stats()),
            ..Readings::default()
        };
        self.read_asterisks(&mut readings);
        readings
    }
}

impl House {
    fn read_asterisks(&self, readings: &mut Readings) {
        let (mut requests, mut faults, mut ami_faults) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        for asterisk in &self.asterisks {
            let stats = asterisk.stats();
            for (outcome, count) in by_outcome(stats.requests) {
                *requests.entry(outcome).or_default() += count;
            }
            for (code, count) in stats.connect_faults {
                *faults.entry(code).or_default() += count;
            }
            let app = asterisk.app().to_owned();
            let sources = [Source::None, Source::Ari, Source::Ami];
            readings.asterisk.sources.extend(sources.map(|source| (app.clone(), source.code(), source == stats.source)));
            readings.asterisk.rtts_s.extend(stats.rtt.map(|rtt| (app, rtt.as_secs_f64())));
            readings.ari_sockets_up += stats.sockets;
            readings.ari_events_unknown += stats.events_unused;
            readings.ari_events_malformed += stats.events_malformed;
            readings.asterisk.answers_late += stats.answers_late;
            readings.asterisk.calls_adopted += stats.calls_adopted;
            readings.asterisk.orphans_removed += stats.orphans_removed;
            readings.asterisk.referrals_declined += stats.referrals_declined;
        }
        readings.ari_requests = requests.into_iter().collect();
        readings.asterisk.connect_faults = faults.into_iter().collect();
        for stats in self.amis.iter().flatten().map(|ami| ami.stats()) {
            readings.asterisk.ami_up += u64::from(stats.up);
            readings.asterisk.ami_logins_refused += stats.logins_refused;
            for (code, count) in stats.connect_faults {
                *ami_faults.entry(code).or_default() += count;
            }
            readings.asterisk.ami_malformed += stats.malformed;
        }
        readings.asterisk.ami_connect_faults = ami_faults.into_iter().collect();
    }
}

fn paced(lateness: &Lateness) -> Paced {
    let seconds = |us: u64| us as f64 / 1e6;
    Paced {
        within: BOUNDS_US.into_iter().map(seconds).zip(lateness.within).collect(),
        count: lateness.count,
        sum_s: seconds(lateness.sum_us),
    }
}

fn by_outcome(requests: RestCounts) -> [(&'static str, u64); 6] {
    let RestCounts { ok, gone, refused, deadline, unreachable, by_ami } = requests;
    [("ok", ok), ("gone", gone), ("refused", refused), ("deadline", deadline), ("unreachable", unreachable), ("by_ami", by_ami)]
}

fn by_fate(links: LinkCounts) -> Vec<(&'static str, u64)> {
    vec![
        ("asked", links.asked),
        ("connected", links.connected),
        ("reused", links.reused),
        ("egress_denied", links.egress_denied),
        ("failed", links.failed),
        ("echo_masked", links.echoes_masked),
    ]
}
