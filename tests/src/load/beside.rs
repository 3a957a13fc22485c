//! What it costs calls that others look at them: packets' lateness with requests to the API and without, in turns, so that both see the same minutes.

use super::api::{self, Answers};
use super::gateway::{Gateway, used};
use anyhow::Result;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// What came of it.
#[derive(Clone, Debug, Serialize)]
pub struct Beside {
    /// Requests of a second that were to be sent.
    pub wished_per_s: usize,
    /// Answers of a second.
    pub per_s: f64,
    /// Answers other than 200.
    pub refused: usize,
    /// Requests without an answer.
    pub unanswered: usize,
    /// How long answers took, in ms: half and 99 of 100 at most.
    pub answer_ms: [f64; 2],
    /// CPU of the gateway for a request, in ms: what it used more than without them.
    pub cpu_ms_per_request: f64,
    /// How late packets left with the requests, in ms: half, 99 and 999 of 1000 at most. Within a bound of the gateway's histogram by a straight line.
    pub lateness_ms: [f64; 3],
    /// The same without them.
    pub quiet_lateness_ms: [f64; 3],
    /// The 99 of 100 of the one over that of the other.
    pub ratio: f64,
}

/// Packets by how late they left, as the gateway counts them.
#[derive(Clone, Debug, Default, PartialEq)]
struct Late {
    /// By the bound in microseconds: so many were at most as late. What was later than every bound stands at the greatest number.
    within: BTreeMap<u64, f64>,
}

/// Looks at a gateway whose calls are up: without requests and with them, so many times in turn, each for so many seconds.
///
/// # Errors
/// Where the gateway or its API does not answer.
pub async fn beside(gateway: &Gateway, per_s: usize, rounds: usize, seconds: u64) -> Result<Beside> {
    let (mut answers, mut cpu_s) = (Answers::default(), [0.0; 2]);
    let mut late = [Late::default(), Late::default()];
    for turn in 0..rounds * 2 {
        let with = turn % 2;
        let (before, cpu_before) = (Late::of(&gateway.metrics().await?), used(gateway.pid())?.cpu_s);
        if with == 1 {
            let (at, token) = gateway.api();
            answers.join(api::ask(at, &token, per_s, seconds).await?);
        } else {
            tokio::time::sleep(Duration::from_secs(seconds)).await;
        }
        cpu_s[with] += used(gateway.pid())?.cpu_s - cpu_before;
        late[with].add(&before, &Late::of(&gateway.metrics().await?));
    }
    let quantiles = |late: &Late| [0.5, 0.99, 0.999].map(|share| late.quantile_ms(share));
    let (quiet, busy) = (quantiles(&late[0]), quantiles(&late[1]));
    Ok(Beside {
        wished_per_s: per_s,
        per_s: answers.per_s(),
        refused: answers.refused,
        unanswered: answers.unanswered,
        answer_ms: [answers.ms(0.5), answers.ms(0.99)],
        cpu_ms_per_request: (cpu_s[1] - cpu_s[0]) * 1000.0 / answers.answered.max(1) as f64,
        lateness_ms: busy,
        quiet_lateness_ms: quiet,
        ratio: busy[1] / quiet[1],
    })
}

impl Late {
    fn of(metrics: &BTreeMap<String, f64>) -> Self {
        let bound = |name: &str| {
            let bound = name.strip_prefix("vg_pacing_lateness_seconds_bucket{le=\"")?.strip_suffix("\"}")?;
            if bound == "+Inf" { Some(u64::MAX) } else { bound.parse::<f64>().ok().map(|s| (s * 1e6).round() as u64) }
        };
        Self { within: metrics.iter().filter_map(|(name, count)| Some((bound(name)?, *count))).collect() }
    }

    /// What was counted between two looks.
    fn add(&mut self, before: &Self, after: &Self) {
        for (bound, count) in &after.within {
            *self.within.entry(*bound).or_default() += count - before.within.get(bound).copied().unwrap_or(0.0);
        }
    }

    /// How late so large a share was at most. The histogram knows only bounds: between two of them, as if all were spread evenly.
    fn quantile_ms(&self, share: f64) -> f64 {
        let wanted = self.within.last_key_value().map_or(0.0, |(_, all)| all * share);
        let (mut from_us, mut counted) = (0.0, 0.0);
        for (bound, within) in &self.within {
            if *within >= wanted && *within > 0.0 {
                let to_us = if *bound == u64::MAX { from_us } else { *bound as f64 };
                let part = if *within > counted { (wanted - counted) / (within - counted) } else { 1.0 };
                return (from_us + (to_us - from_us) * part) / 1000.0;
            }
            (from_us, counted) = (*bound as f64, *within);
        }
        0.0
    }
}

impl fmt::Display for Beside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [half, most] = self.answer_ms;
        write!(f, "  beside {}/s of GET /v1/calls: {:.0}/s answered ", self.wished_per_s, self.per_s)?;
        write!(f, "(not 200: {}, none: {}), p50 / p99 {half:.2} / {most:.2} ms, ", self.refused, self.unanswered)?;
        writeln!(f, "{:.3} ms of CPU each", self.cpu_ms_per_request)?;
        let ([half, most, all], [quiet_half, quiet_most, quiet_all]) = (self.lateness_ms, self.quiet_lateness_ms);
        write!(f, "  packets late p50 / p99 / p99.9 {half:.2} / {most:.2} / {all:.2} ms, ")?;
        writeln!(f, "without {quiet_half:.2} / {quiet_most:.2} / {quiet_all:.2} ms: p99 {:.2} times as late", self.ratio)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lateness_of_a_time_is_what_was_counted_in_it_and_lies_between_the_bounds() {
        let page = |counts: [f64; 4]| -> BTreeMap<String, f64> {
            let bounds = ["0.0001", "0.0002", "0.001", "+Inf"].into_iter().zip(counts);
            let bounds = bounds.map(|(le, count)| (format!("vg_pacing_lateness_seconds_bucket{{le=\"{le}\"}}"), count));
            bounds.chain([("vg_pacing_lateness_seconds_count".to_owned(), 9.0)]).collect()
        };
        let mut late = Late::default();
        late.add(&Late::of(&page([100.0, 100.0, 100.0, 100.0])), &Late::of(&page([190.0, 198.0, 200.0, 200.0])));
        assert_eq!(late.within.values().copied().collect::<Vec<_>>(), [90.0, 98.0, 100.0, 100.0]);
        for (share, ms) in [(0.45, 0.05), (0.9, 0.1), (0.94, 0.15), (0.98, 0.2), (0.99, 0.6), (1.0, 1.0)] {
            assert!((late.quantile_ms(share) - ms).abs() < 1e-9, "{share}: {}", late.quantile_ms(share));
        }
        // Later than every bound: the last bound is all that is known.
        late.add(&Late::default(), &Late::of(&page([0.0, 0.0, 0.0, 900.0])));
        assert_eq!(late.quantile_ms(0.99), 1.0);
        assert_eq!(Late::default().quantile_ms(0.99), 0.0);
    }
}
