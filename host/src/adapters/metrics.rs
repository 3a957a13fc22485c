//! The metric catalogue, and observations made into metrics and log lines.
//!
//! Names are `vg_<noun>_<unit>[_total]`; labels come from bounded sets only. Counting happens where things happen: what other
//! adapters count by themselves is handed over as [`Readings`] when somebody scrapes.

mod asterisk;
mod follower;
mod kafka;
mod outgoing;
mod providers;
mod registered;
mod state;
mod turns;

use crate::adapters::audit::AuditStats;
use crate::adapters::events::kafka::KafkaStats;
use crate::adapters::recording::RecordingStats;
use crate::adapters::sinks::SinkStats;
use crate::adapters::state::StateReadings;
use crate::adapters::tenants::RemoteStats;
use crate::application::lines::LineCounts;
use crate::application::ports::{Observation, Observe};
use crate::application::setup_clock::SetUpTimes;
use asterisk::AsteriskMetrics;
pub use asterisk::AsteriskReadings;
use follower::Follower;
pub use follower::Paced;
use kafka::KafkaMetrics;
use outgoing::OutgoingMetrics;
use prometheus::{Counter, CounterVec, Encoder, Gauge, HistogramVec, IntCounter, IntCounterVec, IntGauge, Registry, TextEncoder};
use providers::ProviderMetrics;
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

const fn counter(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Metric {
    Metric { name, kind: Kind::Counter, labels, help }
}

const fn gauge(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Metric {
    Metric { name, kind: Kind::Gauge, labels, help }
}

const fn histogram(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Metric {
    Metric { name, kind: Kind::Histogram, labels, help }
}

/// Every metric of the gateway, by name.
#[rustfmt::skip]
pub const CATALOGUE: &[Metric] = &[
    counter("vg_adoptions_total", &["outcome"], "Calls of other gateways that were looked at: adopted, or why not (attended, unknown, over_limit, taken, alive, away, nothing_kept, unreadable, gone, or why there are no settings)."),
    counter("vg_agent_answers_total", &["outcome"], "Answers of an agent elsewhere by their end: ok, cancelled, or why they fell."),
    counter("vg_ami_connect_faults_total", &["code"], "Manager interfaces that could not be connected: certificate, unreachable, deadline, tls, greeting, credentials."),
    counter("vg_ami_logins_refused_total", &[], "Logins that a manager interface refused."),
    counter("vg_ami_messages_malformed_total", &[], "Messages of manager interfaces that made no sense."),
    gauge("vg_ami_up", &[], "Manager interfaces that are logged in."),
    counter("vg_ari_answers_late_total", &[], "Answers over event sockets that came after their deadline."),
    counter("vg_ari_calls_adopted_total", &[], "Calls whose coming was missed, and that were taken in later."),
    counter("vg_ari_connect_faults_total", &["code"], "Event sockets that could not be connected: certificate, unreachable, deadline, tls, credentials, refused."),
    counter("vg_ari_events_malformed_total", &[], "Texts of the ARI event socket that were no event."),
    counter("vg_ari_events_unknown_total", &[], "ARI events of types that the gateway does not use."),
    counter("vg_ari_orphans_removed_total", &[], "Bridges and channels removed whose call was gone."),
    counter("vg_ari_requests_total", &["outcome"], "ARI requests by outcome: ok, refused, deadline, unreachable, gone; by_ami: how many of them AMI carried out."),
    gauge("vg_ari_sockets_up", &[], "ARI event sockets that are connected."),
    gauge("vg_asterisk_rtt_seconds", &["app"], "How long an Asterisk took to answer the last ping by ARI."),
    gauge("vg_asterisk_source", &["app", "source"], "1 for who tells what happens at an Asterisk: ari, ami (while ARI is away) or none."),
    counter("vg_audit_damages_total", &[], "Tenants' audit logs that, when they were opened, missed lines which the disk had kept."),
    gauge("vg_audit_failing", &[], "1 while the audit log cannot be written: lines are lost."),
    counter("vg_audit_groups_total", &[], "Groups of lines of the audit log that the disk was asked to keep."),
    counter("vg_audit_lines_total", &["outcome"], "Lines of the audit log: kept; lost_full (too many waited), lost_disk (it did not take them)."),
    counter("vg_breaker_turns_total", &["role", "state"], "Breakers of tenants' providers that opened after falls in a row, or closed again."),
    gauge("vg_breakers_open", &["role"], "Tenants' providers that are asked only where nobody else is left."),
    gauge("vg_build_info", &["version"], "Always 1; the version is the label."),
    counter("vg_busy_seconds_total", &["work"], "CPU by work: receive, hear, speak, send (media threads), plugins, links (samples)."),
    counter("vg_call_inputs_refused_total", &["phase", "input"], "Inputs that made no sense in the phase of their call."),
    counter("vg_call_leaks_total", &["kind"], "Things that a call left behind when it ended. Anything but 0 is a defect."),
    histogram("vg_call_setup_seconds", &["part"], "From a call's arrival (outbound: its answer) to the greeting's first audible packet: parts that sum to total (settings, conversation, media, answer, greeting), and over_asterisk, which is total without media and answer."),
    counter("vg_caller_audio_dropped_seconds_total", &[], "Caller audio dropped because the listener was too slow."),
    counter("vg_caller_referrals_declined_total", &[], "REFERs by which telephones wanted their far end to call somebody else: none moves a leg of this gateway."),
    counter("vg_calls_answered_total", &["by"], "Calls that were answered, by whom: gateway (inbound), called_side, human, machine, notsure (outbound)."),
    counter("vg_calls_ended_total", &["cause"], "Calls that ended, by cause."),
    gauge("vg_calls_live", &[], "Calls at this moment."),
    counter("vg_calls_refused_total", &["code"], "Calls that were not taken in, by reason."),
    counter("vg_calls_started_total", &[], "Calls taken in."),
    counter("vg_calls_taken_over_total", &[], "Calls of this gateway with which another one went on."),
    counter("vg_dead_air_total", &[], "Stretches of a second in which neither side of a call was audible."),
    counter("vg_fillers_total", &[], "Fillers that were said because an answer was late."),
    counter("vg_kafka_delivered_total", &[], "Events that Kafka has acknowledged; one that went twice counts twice."),
    counter("vg_kafka_failures_total", &["code"], "Producers that had to be made anew, by why: no_topic, not_permitted, credentials, tls, fatal, spool, client, other."),
    gauge("vg_kafka_in_flight", &[], "Events on their way to Kafka."),
    gauge("vg_kafka_lag_events", &[], "Events of the spool that Kafka has not acknowledged."),
    counter("vg_kafka_set_aside_total", &["code"], "Events that no broker takes, set aside beside the spool: too_large, invalid."),
    gauge("vg_kafka_up", &[], "1 while Kafka takes events, 0 while they wait in the spool; 0 where there is none."),
    counter("vg_lines_total", &["outcome"], "Lines that the gateway says in every call: kept (said from memory), spoken (by a session); first clauses of answers, likewise: clause_kept, clause_spoken."),
    histogram("vg_media_flush_seconds", &[], "How long the other end of a media socket (Asterisk's chan_websocket) took to throw away what waited there to be played, from the order to its word that it is done."),
    counter("vg_media_inactive_total", &[], "Stretches in which a call's packets stood still for media.inactivity_s."),
    gauge("vg_media_legs_live", &[], "Media legs at this moment."),
    counter("vg_media_paths_rebuilt_total", &["outcome"], "Silent media paths that were built anew: proven afterwards, silent again, or not_built."),
    counter("vg_media_paths_tested_total", &["outcome"], "Packets both ways within a second of the answer: proven (also later), nothing_heard, nothing_sent, nothing."),
    counter("vg_otlp_spans_total", &["outcome"], "Spans of turns for the collector of traces: sent, rejected (it took the others of the request), refused (it took none), failed (it was away or too busy), dropped (too many waited)."),
    counter("vg_overlaps_total", &["outcome"], "Callers' voices over the gateway's own: interruption (it stopped); backchannel (words of who listens: it went on); sound (a cough, a noise: it went on)."),
    gauge("vg_pacing_lateness_max_seconds", &[], "How late the latest frame was sent since start."),
    histogram("vg_pacing_lateness_seconds", &[], "How late 20 ms frames were sent."),
    counter("vg_plugin_links_total", &["fate"], "Links of plugins by what became of them: asked, connected, reused, egress_denied, failed, echo_masked."),
    counter("vg_plugin_session_ends_total", &["plugin", "code"], "Plugin sessions that ended or did not open, by plugin and reason."),
    gauge("vg_plugin_sessions_live", &[], "Plugin sessions at this moment."),
    counter("vg_plugin_sessions_total", &[], "Plugin sessions opened."),
    histogram("vg_provider_latency_seconds", &["part", "plugin"], "Parts of turns by whose they are: stt by who heard, tts by who spoke; and first_words, from a caller's first voiced sample to the first words that are heard of it."),
    counter("vg_provider_session_waits_total", &["plugin", "role", "outcome"], "Sessions that were one too many of a tenant's, or asked for too soon: seated (it waited and came), late (the next rung served), full, passed (as late, without a wait), left."),
    gauge("vg_provider_sessions", &["tenant", "plugin", "role"], "Sessions at this moment of tenants that limit them (sessions_max of a rung)."),
    counter("vg_recording_blocks_dropped_total", &[], "Half seconds of calls that are silent in their recording, or missing: the disk was slow, or full."),
    counter("vg_recording_faults_total", &["code"], "Calls that were to be recorded and are not, or not to their end: busy, name, no_folder, disk_full, denied, io."),
    gauge("vg_recordings_live", &[], "Calls that are being recorded."),
    counter("vg_recordings_total", &["outcome"], "Recordings finished: kept, or repaired after a crash."),
    counter("vg_rtp_frames_concealed_total", &[], "Frames of callers that were made up in place of what was missing."),
    counter("vg_rtp_packets_lost_total", &[], "Packets of callers that never came."),
    counter("vg_rtp_packets_rejected_total", &["reason"], "Datagrams that were not used: garbage, late, unknown_source."),
    counter("vg_rtp_packets_total", &["direction"], "RTP packets: in, out."),
    counter("vg_rung_falls_total", &["role", "code"], "Falls of providers and agent, by role and reason."),
    counter("vg_settings_changes_total", &["what", "outcome"], "Changes of policy, plugins and tenants while running: taken, refused."),
    histogram("vg_shadow_distance_words_ratio", &["tenant", "plugin"], "Words of a second listener (a tenant's shadow) that differ, to words of the first, by turn."),
    counter("vg_shadow_drops_total", &["plugin", "code"], "Second listeners that hear no more of their call: why they fell, slow, flood, breaker, concurrency, budget."),
    histogram("vg_shadow_final_delay_seconds", &["tenant", "plugin"], "So much later than the first's a second listener's last words of a turn came; below 0 where they came earlier."),
    counter("vg_shadow_turns_total", &["tenant", "plugin", "outcome"], "Turns that a second listener heard as well: same, differs, missing (it understood nothing), extra (only it did)."),
    counter("vg_slo_turns_total", &["stage", "kept"], "Turns by whether they kept what is promised: partial (first words heard in less than 500 ms), agent (a first clause in less than 2 s), tts (its sound in less than 1 s), turn (answered in less than 3 s)."),
    counter("vg_speculations_total", &["outcome"], "Questions put to the agent before their turn was over: committed (it ended with these words); aborted (the caller went on, or the words changed)."),
    counter("vg_speech_faults_total", &["plugin", "code"], "Utterances whose sound can hardly be speech, by plugin: clipped (over 1 % of it), silent (over 60 %), too_fast, too_slow (outside 4 to 30 characters a second)."),
    counter("vg_state_claims_total", &["outcome"], "Calls of other gateways that this one would go on with: claimed, or why not (unknown, taken, alive, unreadable, away)."),
    gauge("vg_state_lapsed_gateways", &[], "Gateways whose lease has lapsed and that have calls."),
    counter("vg_state_outages_total", &["code"], "Stretches without the store of call states, by their first reason."),
    gauge("vg_state_unwritten", &[], "Calls of which something is not written to the store of call states yet."),
    gauge("vg_state_up", &[], "1 while calls are kept in a store beyond this gateway; 0 while it is away, or where there is none."),
    counter("vg_state_writes_total", &["outcome"], "Snapshots of calls: written; replaced (by a newer one, before they were written); fenced (another gateway holds the call); older (than what is there); failed (tried again); dropped (the end of a call that could not be written for five minutes)."),
    gauge("vg_tasks_live", &[], "Asynchronous tasks at this moment: of calls, connections and what always runs."),
    gauge("vg_tenant_age_max_seconds", &[], "How long ago the oldest answer of the tenant-manager was confirmed that serves while it is away; 0 while it answers."),
    counter("vg_tenant_lookups_total", &["outcome"], "Lookups of tenants, numbers and trunks by what answered: fresh, asked, last_known_good, absent, unavailable."),
    counter("vg_tenant_requests_total", &["outcome"], "Questions to the tenant-manager: fetched, unchanged, absent, faulty, unauthorized, busy, failing, refused, deadline, unreachable, too_long."),
    histogram("vg_tenant_turn_latency_seconds", &["tenant"], "Whole turns by tenant; of tenants beyond the first hundred together, as other."),
    counter("vg_transfers_total", &["kind", "mode", "outcome"], "Hand-overs by kind of target (human, queue, extension, external), mode and outcome: done, referred (nobody knows), or why not."),
    counter("vg_turn_ends_total", &["outcome"], "Ends of callers' turns: in_time; missed (waited for as long as the settings allow, though the words were finished); false_cut (the caller went on); corrected (the last words said something else than what the agent was asked with)."),
    histogram("vg_turn_latency_seconds", &["part"], "From the caller's last voiced sample to the answer's first audible one: parts that sum to total."),
    counter("vg_turns_interrupted_total", &[], "Turns whose answer the caller spoke over."),
    counter("vg_turns_total", &[], "Turns that got an answer."),
    counter("vg_turns_unanchored_total", &[], "Turns without a measured beginning or end: not in the latencies."),
    counter("vg_usage_units_total", &["tenant", "role", "plugin", "unit"], "What speech providers worked in calls that ended, by their own count: audio_ms, characters, requests. Roles: hearing, speaking, shadow."),
    counter("vg_webhook_events_total", &["tenant", "webhook", "outcome"], "Events for tenants' webhooks: delivered, refused (4xx), given_up (sent in vain for a day), missed (gone before the webhook was ready for them)."),
    counter("vg_webhook_failures_total", &["tenant", "webhook"], "Attempts to deliver an event that are made again later."),
    gauge("vg_webhook_off", &["tenant", "webhook"], "1 for a webhook that has said that it is gone (410): nothing is sent to it until its settings change."),
    gauge("vg_webhook_waiting", &["tenant", "webhook"], "Events that wait for a webhook, of those that were taken from the log."),
    counter("vg_webhooks_total", &["outcome"], "Calls announced by webhook: accepted, then ready or why not; or refused, by code."),
];

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
    recording_blocks_dropped: IntCounter,
    recording_faults: IntCounterVec,
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
            recording_blocks_dropped: plain_counter(registry, "vg_recording_blocks_dropped_total"),
            recording_faults,
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
        self.recordings_live.set(readings.recordings.live as f64);
        advance(&self.recordings.with_label_values(&["kept"]), readings.recordings.kept);
        advance(&self.recordings.with_label_values(&["repaired"]), readings.recordings.repaired);
        advance(&self.recording_blocks_dropped, readings.recordings.blocks_dropped);
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
