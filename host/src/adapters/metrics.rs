//! The metric catalogue, and observations made into metrics and log lines.
//!
//! Names are `vg_<noun>_<unit>[_total]`; labels come from bounded sets only. Counting happens where things happen: what other
//! adapters count by themselves is handed over as [`Readings`] when somebody scrapes.

mod asterisk;
mod catalogue;
mod follower;
mod kafka;
mod outgoing;
mod providers;
mod recordings;
mod registered;
mod state;
mod turns;

use crate::adapters::audit::AuditStats;
use crate::adapters::events::kafka::KafkaStats;
use crate::adapters::events::spool::SpoolStats;
use crate::adapters::recording::RecordingStats;
use crate::adapters::sinks::SinkStats;
use crate::adapters::state::StateReadings;
use crate::adapters::tenants::RemoteStats;
use crate::application::lines::LineCounts;
use crate::application::ports::{Observation, Observe};
use crate::application::setup_clock::SetUpTimes;
use asterisk::AsteriskMetrics;
pub use asterisk::AsteriskReadings;
pub use catalogue::CATALOGUE;
use follower::Follower;
pub use follower::Paced;
use kafka::KafkaMetrics;
use outgoing::OutgoingMetrics;
use prometheus::{Counter, CounterVec, Encoder, Gauge, HistogramVec, IntCounter, IntCounterVec, IntGauge, Registry, TextEncoder};
use providers::ProviderMetrics;
use recordings::StoreMetrics;
use registered::{counters, gauges, histograms, latencies, opts, plain_counter, plain_gauge, registered, row};
use state::StateMetrics;
use std::sync::Mutex;
use std::time::Duration;
use turns::TurnMetrics;

/// One row of the catalogue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metric {
    /// Name as scraped.
    pub name: &'static str,
    /// Kind of the metric.
    pub kind: Kind,
    /// Label names; their values are bounded.
    pub labels: &'static [&'static str],
    /// What it counts, and in which unit.
    pub help: &'static str,
}

/// Kinds of metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Distribution.
    Histogram,
}

/// Bounds of turn latencies in seconds; 0.5, 1, 2 and 3 are bounds of the source design.
const LATENCY_BOUNDS_S: &[f64] =
    &[0.01, 0.02, 0.04, 0.06, 0.1, 0.15, 0.2, 0.3, 0.5, 0.7, 1.0, 1.3, 1.6, 2.0, 2.5, 3.0, 5.0, 10.0];

/// Bounds of answers to a flush in seconds: 0.02 is a packet's length.
const FLUSH_BOUNDS_S: &[f64] = &[0.001, 0.002, 0.005, 0.01, 0.02, 0.04, 0.06, 0.1, 0.2, 0.5, 1.0, 5.0];

/// What other adapters count by themselves: totals since start, and states at this moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Readings {
    /// Plugin sessions now.
    pub plugin_sessions_live: u64,
    /// Plugin sessions opened since start.
    pub plugin_sessions: u64,
    /// Plugin sessions that ended since start: plugin, bounded code, number.
    pub plugin_session_ends: Vec<(String, &'static str, u64)>,
    /// Links of plugins since start by their fate.
    pub links: Vec<(&'static str, u64)>,
    /// How answers of an agent elsewhere ended.
    pub agent_answers: Vec<(&'static str, u64)>,
    /// Lines of the gateway's own since start.
    pub lines: LineCounts,
    /// Changes of settings since start: what, outcome, number.
    pub settings: Vec<(&'static str, &'static str, u64)>,
    /// What was asked of a tenant-manager.
    pub tenants: RemoteStats,
    /// Calls announced by webhook since start: bounded outcome, number.
    pub webhooks: Vec<(&'static str, u64)>,
    /// Spans for the collector of traces since start by outcome.
    pub otlp_spans: Vec<(&'static str, u64)>,
    /// The store of call states.
    pub state: StateReadings,
    /// The audit log; none where there is none.
    pub audit: Option<AuditStats>,
    /// The spool of events; none where there is none.
    pub spool: Option<SpoolStats>,
    /// Tenants' webhooks.
    pub sinks: SinkStats,
    /// Asynchronous tasks now.
    pub tasks_live: u64,
    /// Media legs now.
    pub media_legs_live: u64,
    /// RTP packets received since start.
    pub rtp_in: u64,
    /// RTP packets sent since start.
    pub rtp_out: u64,
    /// Datagrams that were no RTP.
    pub rtp_garbage: u64,
    /// Packets that came after their time.
    pub rtp_late: u64,
    /// Packets that never came, since start.
    pub rtp_lost: u64,
    /// Frames that were made up in place of what was missing, since start.
    pub frames_concealed: u64,
    /// Datagrams from addresses that no call announced.
    pub rtp_unknown_source: u64,
    /// CPU since start: work, seconds.
    pub busy_s: Vec<(&'static str, f64)>,
    /// How late frames were sent.
    pub pacing: Paced,
    /// How late the latest one was, in seconds.
    pub pacing_max_s: f64,
    /// Recordings of calls.
    pub recordings: RecordingStats,
    /// ARI requests since start by outcome; the outcomes are bounded.
    pub ari_requests: Vec<(&'static str, u64)>,
    /// ARI events of unused types.
    pub ari_events_unknown: u64,
    /// Texts that were no ARI event.
    pub ari_events_malformed: u64,
    /// Event sockets that are connected.
    pub ari_sockets_up: u64,
    /// The Asterisks.
    pub asterisk: AsteriskReadings,
    /// The events' way to Kafka; none where they go nowhere.
    pub kafka: Option<KafkaStats>,
}

/// The metrics of this process. Shared by reference; every method may be called from anywhere.
pub struct Metrics {
    registry: Registry,
    calls_started: IntCounter,
    calls_taken_over: IntCounter,
    adoptions: IntCounterVec,
    calls_live: IntGauge,
    calls_answered: IntCounterVec,
    calls_ended: IntCounterVec,
    calls_refused: IntCounterVec,
    call_leaks: IntCounterVec,
    inputs_refused: IntCounterVec,
    audio_dropped_s: Counter,
    rung_falls: IntCounterVec,
    providers: ProviderMetrics,
    transfers: IntCounterVec,
    fillers: IntCounter,
    prompts: IntCounterVec,
    turns: TurnMetrics,
    overlaps: IntCounterVec,
    speculations: IntCounterVec,
    speech_faults: IntCounterVec,
    usage: IntCounterVec,
    recording_faults: IntCounterVec,
    paths_tested: IntCounterVec,
    paths_rebuilt: IntCounterVec,
    set_up: HistogramVec,
    dead_air: IntCounter,
    inactive: IntCounter,
    flushed: HistogramVec,
    read: Mutex<Read>,
}

/// Metrics that follow [`Readings`].
struct Read {
    plugin_sessions_live: Gauge,
    plugin_sessions: IntCounter,
    plugin_session_ends: IntCounterVec,
    plugin_links: IntCounterVec,
    agent_answers: IntCounterVec,
    lines: IntCounterVec,
    settings_changes: IntCounterVec,
    tenant_age_max: Gauge,
    tenant_lookups: IntCounterVec,
    tenant_requests: IntCounterVec,
    webhooks: IntCounterVec,
    otlp_spans: IntCounterVec,
    state: StateMetrics,
    tasks_live: Gauge,
    media_legs_live: Gauge,
    rtp_packets: IntCounterVec,
    rtp_rejected: IntCounterVec,
    rtp_lost: IntCounter,
    frames_concealed: IntCounter,
    busy: CounterVec,
    outgoing: OutgoingMetrics,
    pacing: Follower,
    pacing_max: Gauge,
    ari_requests: IntCounterVec,
    ari_unknown: IntCounter,
    ari_malformed: IntCounter,
    ari_sockets_up: Gauge,
    asterisk: AsteriskMetrics,
    kafka: KafkaMetrics,
    recordings_live: Gauge,
    recordings: IntCounterVec,
    recordings_deleted: IntCounterVec,
    recording_blocks_dropped: IntCounter,
    recording_faults: IntCounterVec,
    recording_store: StoreMetrics,
}

impl Metrics {
    /// All metrics at zero.
    pub fn new() -> Self {
        let registry = Registry::new();
        let build = gauges(&registry, "vg_build_info");
        build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1.0);
        let recording_faults = counters(&registry, "vg_recording_faults_total");
        Self {
            calls_started: plain_counter(&registry, "vg_calls_started_total"),
            calls_taken_over: plain_counter(&registry, "vg_calls_taken_over_total"),
            adoptions: counters(&registry, "vg_adoptions_total"),
            calls_live: registered(&registry, IntGauge::with_opts(opts("vg_calls_live"))),
            calls_answered: counters(&registry, "vg_calls_answered_total"),
            calls_ended: counters(&registry, "vg_calls_ended_total"),
            calls_refused: counters(&registry, "vg_calls_refused_total"),
            call_leaks: counters(&registry, "vg_call_leaks_total"),
            inputs_refused: counters(&registry, "vg_call_inputs_refused_total"),
            audio_dropped_s: registered(&registry, Counter::with_opts(opts("vg_caller_audio_dropped_seconds_total"))),
            rung_falls: counters(&registry, "vg_rung_falls_total"),
            providers: ProviderMetrics::new(&registry),
            transfers: counters(&registry, "vg_transfers_total"),
            fillers: plain_counter(&registry, "vg_fillers_total"),
            prompts: counters(&registry, "vg_prompts_total"),
            turns: TurnMetrics::new(&registry),
            overlaps: counters(&registry, "vg_overlaps_total"),
            speculations: counters(&registry, "vg_speculations_total"),
            speech_faults: counters(&registry, "vg_speech_faults_total"),
            usage: counters(&registry, "vg_usage_units_total"),
            recording_faults: recording_faults.clone(),
            paths_rebuilt: counters(&registry, "vg_media_paths_rebuilt_total"),
            set_up: latencies(&registry, "vg_call_setup_seconds"),
            paths_tested: counters(&registry, "vg_media_paths_tested_total"),
            dead_air: plain_counter(&registry, "vg_dead_air_total"),
            inactive: plain_counter(&registry, "vg_media_inactive_total"),
            flushed: histograms(&registry, "vg_media_flush_seconds", FLUSH_BOUNDS_S),
            read: Mutex::new(Read::new(&registry, recording_faults)),
            registry,
        }
    }

    /// All metrics in Prometheus' text format, after taking over `readings`.
    pub fn render(&self, readings: &Readings) -> String {
        if let Ok(read) = self.read.lock() {
            read.follow(readings);
        }
        let mut text = Vec::new();
        match TextEncoder::new().encode(&self.registry.gather(), &mut text) {
            Ok(()) => String::from_utf8_lossy(&text).into_owned(),
            Err(error) => {
                tracing::error!(%error, "metrics cannot be written");
                String::new()
            }
        }
    }

    fn set_up(&self, times: &SetUpTimes) {
        let part = |code: &str, time: Duration| self.set_up.with_label_values(&[code]).observe(time.as_secs_f64());
        times.parts().for_each(|(of, time)| part(of.code(), time));
        part("over_asterisk", times.over_asterisk());
        part("total", times.total());
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Observe for Metrics {
    fn observe(&self, observation: &Observation) {
        match observation {
            Observation::CallStarted => {
                self.calls_started.inc();
                self.calls_live.inc();
            }
            Observation::CallRefused(code) => {
                tracing::warn!(code, "call refused");
                self.calls_refused.with_label_values(&[code]).inc();
            }
            Observation::CallAnswered(by) => self.calls_answered.with_label_values(&[by.code()]).inc(),
            Observation::CallEnded(cause) => {
                self.calls_live.dec();
                self.calls_ended.with_label_values(&[cause.code()]).inc();
            }
            Observation::CallTakenOver => {
                self.calls_live.dec();
                self.calls_taken_over.inc();
            }
            Observation::Adoption(outcome) => self.adoptions.with_label_values(&[outcome]).inc(),
            Observation::CallLeaked(kind) => {
                tracing::error!(kind, "call left something behind");
                self.call_leaks.with_label_values(&[kind]).inc();
            }
            Observation::RungFell { role, code } => {
                tracing::warn!(role, code, "rung fell");
                self.rung_falls.with_label_values(&[role, code]).inc();
            }
            Observation::BreakerTurned { role, tenant, plugin, open } => {
                self.providers.breaker_turned(role, tenant, plugin, *open);
            }
            Observation::SpeculationJudged(outcome) => self.speculations.with_label_values(&[outcome.code()]).inc(),
            Observation::TurnEnded(turn) => self.turns.ended(turn),
            Observation::FirstWords { plugin, after, .. } => self.turns.first_words(plugin, *after),
            Observation::SessionsHeld { role, tenant, plugin, sessions } => {
                self.providers.sessions_held(role, tenant, plugin, *sessions);
            }
            Observation::ShadowCompared { tenant, turn } => self.providers.shadow_compared(tenant, turn),
            Observation::ShadowDropped { plugin, code } => self.providers.shadow_dropped(plugin, code),
            Observation::SessionAwaited { role, plugin, outcome } => self.providers.session_awaited(role, plugin, outcome),
            Observation::OverlapJudged(overlap) => self.overlaps.with_label_values(&[overlap.code()]).inc(),
            Observation::Used { tenant, who, plugin, usage } => {
                for (unit, count) in usage.units().into_iter().filter(|(_, count)| *count > 0) {
                    self.usage.with_label_values(&[tenant.as_str(), who.code(), plugin.as_str(), unit]).inc_by(count);
                }
            }
            Observation::SpeechFaulty { plugin, fault } => {
                tracing::warn!(%plugin, code = fault.code(), "what a voice gave can hardly be speech");
                self.speech_faults.with_label_values(&[plugin.as_str(), fault.code()]).inc();
            }
            Observation::FillerSaid => self.fillers.inc(),
            Observation::PromptSaid(line) => self.prompts.with_label_values(&[line]).inc(),
            Observation::EndJudged { end, .. } => self.turns.judged(*end),
            Observation::AudioDropped { ms } => self.audio_dropped_s.inc_by(*ms as f64 / 1000.0),
            Observation::NotRecorded(code) => {
                tracing::warn!(code, "call is not recorded");
                self.recording_faults.with_label_values(&[code]).inc();
            }
            Observation::PathTested(outcome) => {
                if *outcome != "proven" {
                    tracing::warn!(outcome, "no sound on a call's media path");
                }
                self.paths_tested.with_label_values(&[outcome]).inc();
            }
            Observation::PathRebuilt(outcome) => self.paths_rebuilt.with_label_values(&[outcome]).inc(),
            Observation::SetUp(times) => self.set_up(times),
            Observation::HandedOver { kind, mode, outcome } => {
                self.transfers.with_label_values(&[kind, mode, outcome]).inc();
            }
            Observation::DeadAir => self.dead_air.inc(),
            Observation::Inactive => {
                tracing::info!("a call's packets stand still");
                self.inactive.inc();
            }
            Observation::Flushed(took) => self.flushed.with_label_values::<&str>(&[]).observe(took.as_secs_f64()),
            Observation::InputRefused { phase, input } => {
                tracing::debug!(phase, input, "input refused");
                self.inputs_refused.with_label_values(&[phase, input]).inc();
            }
        }
    }
}

impl Read {
    /// `recording_faults` are counted here and by observations, each with codes of its own.
    fn new(registry: &Registry, recording_faults: IntCounterVec) -> Self {
        Self {
            recordings_live: plain_gauge(registry, "vg_recordings_live"),
            recordings: counters(registry, "vg_recordings_total"),
            recordings_deleted: counters(registry, "vg_recordings_deleted_total"),
            recording_blocks_dropped: plain_counter(registry, "vg_recording_blocks_dropped_total"),
            recording_faults,
            recording_store: StoreMetrics::new(registry),
            plugin_sessions_live: plain_gauge(registry, "vg_plugin_sessions_live"),
            plugin_sessions: plain_counter(registry, "vg_plugin_sessions_total"),
            plugin_session_ends: counters(registry, "vg_plugin_session_ends_total"),
            plugin_links: counters(registry, "vg_plugin_links_total"),
            agent_answers: counters(registry, "vg_agent_answers_total"),
            lines: counters(registry, "vg_lines_total"),
            settings_changes: counters(registry, "vg_settings_changes_total"),
            tenant_age_max: plain_gauge(registry, "vg_tenant_age_max_seconds"),
            tenant_lookups: counters(registry, "vg_tenant_lookups_total"),
            tenant_requests: counters(registry, "vg_tenant_requests_total"),
            webhooks: counters(registry, "vg_webhooks_total"),
            otlp_spans: counters(registry, "vg_otlp_spans_total"),
            state: StateMetrics::new(registry),
            tasks_live: plain_gauge(registry, "vg_tasks_live"),
            media_legs_live: plain_gauge(registry, "vg_media_legs_live"),
            rtp_packets: counters(registry, "vg_rtp_packets_total"),
            rtp_lost: plain_counter(registry, "vg_rtp_packets_lost_total"),
            frames_concealed: plain_counter(registry, "vg_rtp_frames_concealed_total"),
            rtp_rejected: counters(registry, "vg_rtp_packets_rejected_total"),
            busy: registered(registry, CounterVec::new(opts("vg_busy_seconds_total"), row("vg_busy_seconds_total").labels)),
            pacing: registered(registry, Follower::new(opts("vg_pacing_lateness_seconds"))),
            pacing_max: plain_gauge(registry, "vg_pacing_lateness_max_seconds"),
            ari_requests: counters(registry, "vg_ari_requests_total"),
            ari_unknown: plain_counter(registry, "vg_ari_events_unknown_total"),
            ari_malformed: plain_counter(registry, "vg_ari_events_malformed_total"),
            ari_sockets_up: plain_gauge(registry, "vg_ari_sockets_up"),
            asterisk: AsteriskMetrics::new(registry),
            kafka: KafkaMetrics::new(registry),
            outgoing: OutgoingMetrics::new(registry),
        }
    }

    fn follow(&self, readings: &Readings) {
        self.plugin_sessions_live.set(readings.plugin_sessions_live as f64);
        self.tasks_live.set(readings.tasks_live as f64);
        self.media_legs_live.set(readings.media_legs_live as f64);
        self.ari_sockets_up.set(readings.ari_sockets_up as f64);
        self.asterisk.follow(&readings.asterisk);
        self.state.follow(&readings.state);
        self.kafka.follow(readings.kafka.as_ref());
        self.outgoing.follow(readings);
        self.recording_store.follow(readings.recordings.store.as_ref());
        self.recordings_live.set(readings.recordings.live as f64);
        advance(&self.recordings.with_label_values(&["kept"]), readings.recordings.kept);
        advance(&self.recordings.with_label_values(&["repaired"]), readings.recordings.repaired);
        advance(&self.recording_blocks_dropped, readings.recordings.blocks_dropped);
        for (code, total) in readings.recordings.deleted {
            advance(&self.recordings_deleted.with_label_values(&[code]), total);
        }
        for (code, total) in readings.recordings.faults {
            advance(&self.recording_faults.with_label_values(&[code]), total);
        }
        advance(&self.plugin_sessions, readings.plugin_sessions);
        advance(&self.ari_unknown, readings.ari_events_unknown);
        advance(&self.ari_malformed, readings.ari_events_malformed);
        advance(&self.rtp_packets.with_label_values(&["in"]), readings.rtp_in);
        advance(&self.rtp_packets.with_label_values(&["out"]), readings.rtp_out);
        advance(&self.rtp_lost, readings.rtp_lost);
        advance(&self.frames_concealed, readings.frames_concealed);
        advance(&self.rtp_rejected.with_label_values(&["garbage"]), readings.rtp_garbage);
        advance(&self.rtp_rejected.with_label_values(&["late"]), readings.rtp_late);
        advance(&self.rtp_rejected.with_label_values(&["unknown_source"]), readings.rtp_unknown_source);
        for (plugin, code, total) in &readings.plugin_session_ends {
            advance(&self.plugin_session_ends.with_label_values(&[plugin.as_str(), code]), *total);
        }
        for (outcome, total) in &readings.agent_answers {
            advance(&self.agent_answers.with_label_values(&[outcome]), *total);
        }
        advance(&self.lines.with_label_values(&["kept"]), readings.lines.hits);
        advance(&self.lines.with_label_values(&["spoken"]), readings.lines.misses);
        advance(&self.lines.with_label_values(&["clause_kept"]), readings.lines.clause_hits);
        advance(&self.lines.with_label_values(&["clause_spoken"]), readings.lines.clause_misses);
        for (fate, total) in &readings.links {
            advance(&self.plugin_links.with_label_values(&[fate]), *total);
        }
        for (what, outcome, total) in &readings.settings {
            advance(&self.settings_changes.with_label_values(&[what, outcome]), *total);
        }
        for (outcome, total) in &readings.tenants.lookups {
            advance(&self.tenant_lookups.with_label_values(&[outcome]), *total);
        }
        for (outcome, total) in &readings.tenants.requests {
            advance(&self.tenant_requests.with_label_values(&[outcome]), *total);
        }
        for (outcome, total) in &readings.webhooks {
            advance(&self.webhooks.with_label_values(&[outcome]), *total);
        }
        for (outcome, total) in &readings.otlp_spans {
            advance(&self.otlp_spans.with_label_values(&[outcome]), *total);
        }
        self.tenant_age_max.set(readings.tenants.age_max.as_secs_f64());
        for (outcome, total) in &readings.ari_requests {
            advance(&self.ari_requests.with_label_values(&[outcome]), *total);
        }
        for (work, total_s) in &readings.busy_s {
            let counter = self.busy.with_label_values(&[work]);
            counter.inc_by((total_s - counter.get()).max(0.0));
        }
        self.pacing.follow(&readings.pacing);
        self.pacing_max.set(readings.pacing_max_s);
    }
}

/// Brings a counter to a total that was counted elsewhere; one that fell (its owner restarted) waits until it is passed again.
fn advance(counter: &IntCounter, total: u64) {
    counter.inc_by(total.saturating_sub(counter.get()));
}

#[cfg(test)]
mod tests;
