//! How long callers wait for answers, with vendors as slow as they were published to be: what is waited for, and what the gateway adds.

use super::gateway::Gateway;
use anyhow::{Context, Result, ensure};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;
use vg_sim::{Latencies, Moment};

/// Whose voice is replayed: every run has the same, so that only who listens differs.
pub const SPEAKS: &str = "elevenlabs";
/// A listener of which 99 of 100 last transcripts come within this time is a fast one.
const FAST_MS: f64 = 500.0;

/// Fewer turns say little of one in a hundred: goals are shown, and not held to.
pub const JUDGED_FROM: u64 = 1_000;

/// What came of the turns with one listener.
#[derive(Clone, Debug, Serialize)]
pub struct Turns {
    /// Whose latencies were replayed by who hears.
    pub hears: String,
    /// Calls at once.
    pub calls: usize,
    /// Turns that got an answer, and how many of them have no time.
    pub turns: u64,
    /// See `turns`.
    pub unanchored: u64,
    /// From the caller's last voiced sample to the first audible one of the answer: half, 95 and 99 of 100 at most. All times are in ms, to within 3 %.
    pub turn_ms: [u64; 3],
    /// The same of each part, and of `first_words`.
    pub parts_ms: BTreeMap<String, [u64; 3]>,
    /// How many turns have each part.
    pub counts: BTreeMap<String, u64>,
    /// The sums of all parts of all turns, less the sum of all turns, in ms. Nothing, but for the last digits.
    pub parts_less_total_ms: f64,
    /// Shares of turns that were cut off while the caller still spoke, and that were waited for though they were over.
    pub false_cut_rate: Option<f64>,
    /// See `false_cut_rate`.
    pub missed_rate: Option<f64>,
    /// What is promised of turns: bound in ms, how many kept it, how many did not.
    pub stages: BTreeMap<String, [u64; 3]>,
    /// What this ought to be, and whether it is.
    pub goals: Vec<Goal>,
    /// Why the figures say nothing about the gateway, where they do not.
    pub not_measurable: Option<String>,
}

/// A bound.
#[derive(Clone, Debug, Serialize)]
pub struct Goal {
    /// Of what.
    pub of: &'static str,
    /// At most, in ms.
    pub at_most_ms: u64,
    /// It is.
    pub is_ms: u64,
}

impl Goal {
    /// Whether it is reached.
    pub fn kept(&self) -> bool {
        self.is_ms <= self.at_most_ms
    }
}

impl Turns {
    /// What a gateway says of its turns so far.
    ///
    /// # Errors
    /// Where it says nothing of them.
    pub async fn of(gateway: &Gateway, hears: &str, calls: usize) -> Result<Self> {
        let (page, metrics) = (gateway.latency().await?, gateway.metrics().await?);
        Self::read(&page, &metrics, hears, calls)
    }

    fn read(page: &Value, metrics: &BTreeMap<String, f64>, hears: &str, calls: usize) -> Result<Self> {
        let tenant = &page["tenants"][0];
        let number = |value: &Value| value.as_u64().unwrap_or_default();
        let times = tenant["times"].as_array().context("no times of turns")?;
        let row = |row: &Value| {
            let name = row["part"].as_str().unwrap_or_default().to_owned();
            (name, ["p50_ms", "p95_ms", "p99_ms"].map(|share| number(&row[share])))
        };
        let mut parts_ms: BTreeMap<String, [u64; 3]> = times.iter().map(row).collect();
        let counts = times.iter().map(|times| (row(times).0, number(&times["count"]))).collect();
        let turn_ms = parts_ms.remove("total").context("no turn has a time")?;
        let stage = |stage: &Value| {
            let name = stage["stage"].as_str().unwrap_or_default().to_owned();
            (name, ["bound_ms", "kept", "broken"].map(|field| number(&stage[field])))
        };
        let sum_ms = |total: bool| {
            let sums = metrics.iter().filter_map(|(name, s)| {
                let part = name.strip_prefix("vg_turn_latency_seconds_sum{part=\"")?.strip_suffix("\"}")?;
                ((part == "total") == total).then_some(s * 1000.0)
            });
            sums.sum::<f64>()
        };
        let own_share_ms = parts_ms.get("gateway").map_or(0, |ms| ms[2]);
        let (_, p99_ms) = Latencies::published().known(hears, Moment::Final).context("an unknown listener")?;
        let goal = |of, at_most_ms, is_ms| Goal { of, at_most_ms, is_ms };
        let mut goals = if p99_ms <= FAST_MS {
            vec![goal("turn p50", 1_000, turn_ms[0]), goal("turn p95", 1_600, turn_ms[1])]
        } else {
            vec![goal("turn p95", 2_200, turn_ms[1])]
        };
        goals.push(goal("gateway p99", 60, own_share_ms));
        Ok(Self {
            hears: hears.to_owned(),
            calls,
            turns: number(&tenant["turns"]),
            unanchored: number(&tenant["unanchored"]),
            turn_ms,
            parts_ms,
            counts,
            parts_less_total_ms: sum_ms(false) - sum_ms(true),
            false_cut_rate: tenant["ends"]["false_cut_rate"].as_f64(),
            missed_rate: tenant["ends"]["missed_rate"].as_f64(),
            stages: tenant["stages"].as_array().into_iter().flatten().map(stage).collect(),
            goals,
            not_measurable: None,
        })
    }

    /// Goals that were missed, where that says something about the gateway.
    pub fn missed(&self) -> Vec<String> {
        let missed = self.goals.iter().filter(|goal| self.not_measurable.is_none() && !goal.kept());
        missed.map(|goal| format!("{} with {} is {} ms, not {}", goal.of, self.hears, goal.is_ms, goal.at_most_ms)).collect()
    }

    /// That the figures say what they are taken for.
    ///
    /// # Errors
    /// Where parts do not sum, or turns are missing.
    pub fn check(&self, wanted: u64) -> Result<()> {
        ensure!(self.turns >= wanted, "{} turns of {wanted}", self.turns);
        ensure!(self.parts_less_total_ms.abs() < 0.5, "parts are {} ms longer than their turns", self.parts_less_total_ms);
        let anchored = self.turns - self.unanchored;
        for (part, count) in self.counts.iter().filter(|(part, _)| *part != "first_words") {
            ensure!(*count == anchored, "{count} turns have the part {part}, {anchored} have a time");
        }
        Ok(())
    }
}

/// The table's head.
pub const HEAD: &str = "| Heard as by | calls | turns | turn p50 / p95 / p99, ms | endpoint wait | stt | agent | clause | tts | playout | gateway | first words | false cut, missed | partial, agent, tts, turn kept | goals |\n|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|";

impl fmt::Display for Turns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let three = |[p50, p95, p99]: [u64; 3]| format!("{p50} / {p95} / {p99}");
        let part = |name: &str| self.parts_ms.get(name).copied().map_or_else(|| "-".to_owned(), three);
        write!(f, "| {} | {} | {} | {} ", self.hears, self.calls, self.turns, three(self.turn_ms))?;
        for name in ["endpoint_wait", "stt", "agent", "clause", "tts", "playout", "gateway", "first_words"] {
            write!(f, "| {} ", part(name))?;
        }
        let rate = |rate: Option<f64>| rate.map_or("-".to_owned(), |rate| format!("{:.1} %", rate * 100.0));
        write!(f, "| {}, {} ", rate(self.false_cut_rate), rate(self.missed_rate))?;
        let kept = |name: &str| {
            let kept = self.stages.get(name).filter(|[_, kept, broken]| kept + broken > 0);
            kept.map_or("-".to_owned(), |[_, kept, broken]| format!("{:.1} %", *kept as f64 * 100.0 / (kept + broken) as f64))
        };
        write!(f, "| {} ", ["partial", "agent", "tts", "turn"].map(kept).join(", "))?;
        let goal = |goal: &Goal| {
            format!("{} {} <= {}{}", goal.of, goal.is_ms, goal.at_most_ms, if goal.kept() { "" } else { " MISSED" })
        };
        write!(f, "| {} |", self.goals.iter().map(goal).collect::<Vec<_>>().join(", "))?;
        self.not_measurable.as_ref().map_or(Ok(()), |why| write!(f, "\n  not measurable here: {why}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn figures_are_read_and_a_part_that_is_missing_is_noticed() {
        let times = |part: &str, count: u64, ms: u64| json!({ "part": part, "count": count, "p50_ms": ms, "p95_ms": ms + 1, "p99_ms": ms + 2 });
        let page = |stt: u64| {
            json!({ "tenants": [{
                "turns": 10, "unanchored": 1, "ends": { "false_cut_rate": 0.1, "missed_rate": 0.0 },
                "stages": [{ "stage": "tts", "bound_ms": 1_000, "kept": 9, "broken": 0 }],
                "times": [times("stt", stt, 300), times("gateway", 9, 59), times("total", 9, 1_000), times("first_words", 12, 400)],
            }] })
        };
        let sum = |part: &str, s: f64| (format!("vg_turn_latency_seconds_sum{{part=\"{part}\"}}"), s);
        let metrics = |total| [sum("stt", 2.7), sum("gateway", 0.5), sum("total", total)].into_iter().collect();
        let turns = Turns::read(&page(9), &metrics(3.2), "deepgram", 4).unwrap();
        turns.check(10).unwrap();
        assert_eq!((turns.turn_ms, turns.parts_ms["stt"]), ([1_000, 1_001, 1_002], [300, 301, 302]));
        let goals: Vec<(&str, bool)> = turns.goals.iter().map(|goal| (goal.of, goal.kept())).collect();
        assert_eq!(goals, [("turn p50", true), ("turn p95", true), ("gateway p99", false)]);
        assert!(turns.to_string().contains("gateway p99 61 <= 60 MISSED"), "{turns}");
        assert_eq!(turns.missed(), ["gateway p99 with deepgram is 61 ms, not 60"]);
        let unsure = Turns { not_measurable: Some("the machine is too slow".to_owned()), ..turns.clone() };
        assert!(unsure.missed().is_empty() && unsure.to_string().ends_with("not measurable here: the machine is too slow"));
        assert_eq!(Turns::read(&page(9), &metrics(3.2), "aws", 4).unwrap().goals[0].at_most_ms, 2_200);
        assert!(turns.check(11).is_err());
        assert!(Turns::read(&page(8), &metrics(3.2), "aws", 4).unwrap().check(10).is_err(), "a turn without its part");
        assert!(Turns::read(&page(9), &metrics(3.3), "aws", 4).unwrap().check(10).is_err(), "parts that are not the turn");
        assert!(Turns::read(&page(9), &metrics(3.2), "nobody", 4).is_err());
    }
}
