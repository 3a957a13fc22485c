//! What a run says.

use super::beside::Beside;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;

/// One number of calls.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Calls asked for.
    pub calls: usize,
    /// Calls that were up in the measured time.
    pub calls_up: f64,
    /// Measured time.
    pub seconds: f64,
    /// CPU of the whole gateway.
    pub cpu_ms_per_call_second: f64,
    /// Calls of this kind that fill 75 % of a core: what may be claimed.
    pub calls_per_core: f64,
    /// CPU of the bare loop, with as many packets each way.
    pub floor_ms_per_call_second: f64,
    /// The one over the other.
    pub ratio_to_floor: f64,
    /// CPU of the media threads alone over the bare loop's.
    pub media_ratio_to_floor: f64,
    /// CPU by what it was for, in ms per call-second: `rx`, `dsp_vad`, `speak` and `tx` of the media threads, the others by their names.
    pub parts: BTreeMap<String, f64>,
    /// CPU by the gateway's threads, in ms per call-second.
    pub threads: BTreeMap<String, f64>,
    /// Share of the gateway's processors that was used.
    pub busy: f64,
    /// Packets each way, per call-second.
    pub packets_in: f64,
    /// See `packets_in`.
    pub packets_out: f64,
    /// Packets that callers sent and no leg took, or took too late.
    pub dropped: f64,
    /// Caller sound that was dropped on the way to listeners, in seconds of all calls.
    pub audio_dropped_s: f64,
    /// How late packets left in the measured time, in ms: half, 99 of 100 and 999 of 1000 at most.
    pub lateness_ms: [f64; 3],
    /// Turns per call-second, and their latency's mean in ms.
    pub turns: f64,
    /// From the caller's last voiced sample to the answer's first audible one.
    pub turn_mean_ms: f64,
    /// The same: half and 95 of 100 at most, to the bounds of the gateway's histogram.
    pub turn_ms: [f64; 2],
    /// The gateway's own share of a turn: without the wait for more words, vendor and agent; half and 99 of 100 at most.
    pub gateway_share_ms: [f64; 2],
    /// From a call's arrival to the greeting's first audible packet without Asterisk's own time; half and 99 of 100 of all calls at most, to the
    /// bounds of the gateway's histogram.
    pub setup_ms: [f64; 2],
    /// From a caller's mouth to the vendor's ear, half and 99 of 100 at most; none where sound is resampled on the way.
    pub mouth_to_vendor_ms: Option<[f64; 2]>,
    /// From the vendor's mouth to a caller's ear.
    pub vendor_to_ear_ms: Option<[f64; 2]>,
    /// Resident memory per call over that of an idle gateway.
    pub rss_mb_per_call: f64,
    /// Share of a processor that the generator used, vendors and Asterisk included.
    pub generator_busy: f64,
    /// Ticks at which the generator was late.
    pub generator_stalls: u64,
    /// What requests to the API beside them cost the calls, where there were any. The other figures are without them.
    pub beside: Option<Beside>,
    /// Why the figures say nothing about the gateway, where they do not.
    pub not_measurable: Option<String>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts: Vec<String> = self.parts.iter().map(|(name, ms)| format!("{name} {ms:.3}")).collect();
        let way = |way: Option<[f64; 2]>| way.map_or("-".to_owned(), |[half, most]| format!("{half:.0} / {most:.0}"));
        let [half, most, nearly_all] = self.lateness_ms;
        write!(f, "| {} | {:.0} | {:.3} ", self.calls, self.calls_up, self.cpu_ms_per_call_second)?;
        write!(f, "| {:.3} | {:.2} | {:.2} ", self.floor_ms_per_call_second, self.ratio_to_floor, self.media_ratio_to_floor)?;
        write!(f, "| {:.0} % | {:.1} / {:.1} ", self.busy * 100.0, self.packets_in, self.packets_out)?;
        write!(f, "| {:.0} | {half:.2} / {most:.2} / {nearly_all:.2} ", self.dropped)?;
        write!(f, "| {} | {} ", way(self.mouth_to_vendor_ms), way(self.vendor_to_ear_ms))?;
        write!(f, "| {:.0} / {:.0} ", self.turn_ms[0], self.turn_ms[1])?;
        write!(f, "| {:.0} / {:.0} ", self.setup_ms[0], self.setup_ms[1])?;
        write!(f, "| {:.0} / {:.0} | {:.2} ", self.gateway_share_ms[0], self.gateway_share_ms[1], self.rss_mb_per_call)?;
        writeln!(f, "| {:.0} % | {} |", self.generator_busy * 100.0, parts.join(", "))?;
        if let Some(beside) = &self.beside {
            write!(f, "{beside}")?;
        }
        if let Some(why) = &self.not_measurable {
            writeln!(f, "  not measurable here: {why}")?;
        }
        Ok(())
    }
}

/// The table's head.
pub const HEAD: &str = "| Calls | up | CPU, ms per call-second | bare loop | ratio | media alone | of its cores | packets in / out per call-second | dropped | late p50 / p99 / p99.9, ms | mouth to vendor p50 / p99, ms | vendor to ear | turn p50 / p95, ms | set-up p50 / p99, ms | gateway's share p50 / p99, ms | MB per call | generator | CPU by part |\n|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|";

const WIDTH: f64 = 60.0;

/// CPU per call-second over the number of calls, drawn with letters: a line that is level is a cost that is linear.
pub fn plot(reports: &[Report]) -> String {
    let most = reports.iter().map(|report| report.cpu_ms_per_call_second).fold(GATE_MS, f64::max);
    let bar = |ms: f64| "#".repeat((ms / most * WIDTH).round() as usize);
    let mut plot = String::from("\nCPU, ms per call-second\n");
    for report in reports {
        let ms = report.cpu_ms_per_call_second;
        let unsure = if report.not_measurable.is_some() { "  (not measurable here)" } else { "" };
        plot += &format!("{:>6} {} {ms:.3}{unsure}\n", report.calls, bar(ms));
    }
    plot += &format!("{:>6} {} {GATE_MS}\n", "gate", "-".repeat((GATE_MS / most * WIDTH).round() as usize));
    if let Some(last) = reports.iter().rfind(|report| report.not_measurable.is_none()) {
        plot += &format!("{:.0} calls fill 75 % of a core, as {} of them cost\n", last.calls_per_core, last.calls);
    }
    plot
}

/// Share of a core that calls may fill.
pub const CAPACITY: f64 = 0.75;

/// What a thousand calls may cost on a core.
const GATE_MS: f64 = 0.75;
