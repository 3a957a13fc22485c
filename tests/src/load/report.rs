//! What a run says.

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
    /// CPU of the bare loop, with as many packets each way.
    pub floor_ms_per_call_second: f64,
    /// The one over the other.
    pub ratio_to_floor: f64,
    /// CPU of the media threads alone over the bare loop's.
    pub media_ratio_to_floor: f64,
    /// CPU by the gateway's threads, in ms per call-second.
    pub parts: BTreeMap<String, f64>,
    /// Share of the gateway's processors that was used.
    pub busy: f64,
    /// Packets each way, per call-second.
    pub packets_in: f64,
    /// See `packets_in`.
    pub packets_out: f64,
    /// Packets that callers sent and no leg took.
    pub dropped: f64,
    /// Caller sound that was dropped on the way to listeners, in seconds of all calls.
    pub audio_dropped_s: f64,
    /// How late packets left since the start, in ms: half, 99 of 100, the worst.
    pub lateness_ms: [f64; 3],
    /// Turns per call-second, and their latency's mean in ms.
    pub turns: f64,
    /// From the caller's last voiced sample to the answer's first audible one.
    pub turn_mean_ms: f64,
    /// Resident memory per call over that of an idle gateway.
    pub rss_mb_per_call: f64,
    /// Share of a processor that the generator used, vendors and Asterisk included.
    pub generator_busy: f64,
    /// Ticks at which the generator was late.
    pub generator_stalls: u64,
    /// Why the figures say nothing about the gateway, where they do not.
    pub not_measurable: Option<String>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts: Vec<String> = self.parts.iter().map(|(name, ms)| format!("{name} {ms:.3}")).collect();
        writeln!(
            f,
            "| {} | {:.0} | {:.3} | {:.3} | {:.2} | {:.2} | {:.0} % | {:.1} / {:.1} | {:.0} | {:.2} / {:.2} / {:.1} | {:.0} | {:.2} | {:.0} % | {} |",
            self.calls,
            self.calls_up,
            self.cpu_ms_per_call_second,
            self.floor_ms_per_call_second,
            self.ratio_to_floor,
            self.media_ratio_to_floor,
            self.busy * 100.0,
            self.packets_in,
            self.packets_out,
            self.dropped,
            self.lateness_ms[0],
            self.lateness_ms[1],
            self.lateness_ms[2],
            self.turn_mean_ms,
            self.rss_mb_per_call,
            self.generator_busy * 100.0,
            parts.join(", "),
        )?;
        if let Some(why) = &self.not_measurable {
            writeln!(f, "  not measurable here: {why}")?;
        }
        Ok(())
    }
}

/// The table's head.
pub const HEAD: &str = "| Calls | up | CPU, ms per call-second | bare loop | ratio | media alone | of its cores | packets in / out per call-second | dropped | late p50 / p99 / max, ms | turn, ms | MB per call | generator | by thread |\n|---|---|---|---|---|---|---|---|---|---|---|---|---|---|";
