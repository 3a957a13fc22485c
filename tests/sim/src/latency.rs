//! How long vendors let one wait: distributions of `fixtures/latency.toml`, drawn from a seed.

use crate::Vendor;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// The standard normal distribution's 99th percentile.
const Z99: f64 = 2.326_347_874;
/// Its 95th.
const Z95: f64 = 1.644_853_627;

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Moment {
    /// The final transcript, after speech has ended.
    Final,
    /// The first audio of a text.
    FirstAudio,
}

/// Why a file of distributions cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LatencyError {
    /// It is no such file.
    #[error("latencies cannot be read")]
    Toml(#[from] toml::de::Error),
    /// A distribution needs 0 < p50 <= p95 <= p99.
    #[error("latency of {0} needs 0 < p50_ms <= p95_ms <= p99_ms")]
    Order(String),
    /// There is none of that name.
    #[error("there is no latency of {0}")]
    Absent(String),
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Distribution {
    p50_ms: f64,
    #[serde(default)]
    p95_ms: Option<f64>,
    p99_ms: f64,
    published: String,
}

impl Distribution {
    fn is_sensible(&self) -> bool {
        let p95_ms = self.p95_ms.unwrap_or(self.p50_ms);
        self.p50_ms > 0.0 && self.p50_ms <= p95_ms && p95_ms <= self.p99_ms
    }

    /// The logarithm goes straight from each known percentile to the next, and on beyond both ends.
    fn at(&self, normal: f64) -> f64 {
        let (p50, p99) = (self.p50_ms.ln(), self.p99_ms.ln());
        let (middle, tail) = match self.p95_ms.map(f64::ln) {
            Some(p95) => ((p95 - p50) / Z95, (p99 - p95) / (Z99 - Z95)),
            None => ((p99 - p50) / Z99, (p99 - p50) / Z99),
        };
        (p50 + middle * normal.min(Z95) + tail * (normal - Z95).max(0.0)).exp()
    }
}

/// Distributions by vendor; empty where nobody waits.
#[derive(Clone, Debug, Default)]
pub struct Latencies(BTreeMap<String, BTreeMap<Moment, Distribution>>);

impl Latencies {
    /// Those that come with the simulators.
    pub fn published() -> Self {
        Self::read(include_str!("../fixtures/latency.toml")).unwrap_or_default()
    }

    /// From a file like `fixtures/latency.toml`.
    ///
    /// # Errors
    /// See [`LatencyError`].
    pub fn read(text: &str) -> Result<Self, LatencyError> {
        let latencies: BTreeMap<String, BTreeMap<Moment, Distribution>> = toml::from_str(text)?;
        for (vendor, moments) in &latencies {
            if !moments.values().all(Distribution::is_sensible) {
                return Err(LatencyError::Order(vendor.clone()));
            }
        }
        Ok(Self(latencies))
    }

    /// The same, but a company's own engine hears as that vendor does, and speaks as that other one.
    ///
    /// # Errors
    /// Where nothing is known of one of them.
    pub fn with_own_like(mut self, hears: &str, speaks: &str) -> Result<Self, LatencyError> {
        for (vendor, moment) in [(hears, Moment::Final), (speaks, Moment::FirstAudio)] {
            let known = self.0.get(vendor).and_then(|moments| moments.get(&moment)).cloned();
            let known = known.ok_or_else(|| LatencyError::Absent(vendor.to_owned()))?;
            self.0.entry(Vendor::Own.name().to_owned()).or_default().insert(moment, known);
        }
        Ok(self)
    }

    /// Half of the waits take so many milliseconds at most, 99 of 100 so many.
    pub fn known(&self, vendor: &str, moment: Moment) -> Option<(f64, f64)> {
        self.0.get(vendor)?.get(&moment).map(|one| (one.p50_ms, one.p99_ms))
    }

    /// One wait. `uniform` are two numbers of [0, 1).
    pub(crate) fn draw(&self, vendor: Vendor, moment: Moment, uniform: (f64, f64)) -> Duration {
        let Some(one) = self.0.get(vendor.name()).and_then(|moments| moments.get(&moment)) else { return Duration::ZERO };
        // Box and Muller; 1 - u is never zero.
        let normal = (-2.0 * (1.0 - uniform.0).ln()).sqrt() * (std::f64::consts::TAU * uniform.1).cos();
        Duration::from_secs_f64(one.at(normal).min(60_000.0) / 1000.0)
    }
}

impl fmt::Display for Latencies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return write!(f, "vendors answer at once");
        }
        for (vendor, moments) in &self.0 {
            for (moment, Distribution { p50_ms, p95_ms, p99_ms, published }) in moments {
                let what = match moment {
                    Moment::Final => "final after speech",
                    Moment::FirstAudio => "first audio",
                };
                let p95 = p95_ms.map_or_else(|| "        -".to_owned(), |ms| format!("{ms:>5} ms "));
                writeln!(
                    f,
                    "{vendor:<11} {what:<18} p50 {p50_ms:>5} ms  p95 {p95} p99 {p99_ms:>5} ms  (published: {published})"
                )?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_have_the_percentiles_that_were_asked_for() {
        let latencies = Latencies::published().with_own_like("aws", "elevenlabs").unwrap();
        let mut dice = crate::sim::Dice::new(7);
        let mut percentiles = |vendor, moment| {
            let mut draw = |_| latencies.draw(vendor, moment, (dice.uniform(), dice.uniform())).as_secs_f64() * 1000.0;
            let mut draws: Vec<f64> = (0..20_000).map(&mut draw).collect();
            draws.sort_by(f64::total_cmp);
            [draws[10_000], draws[19_000], draws[19_800]]
        };
        for (vendor, moment, expected) in [
            (Vendor::Aws, Moment::Final, [1136.0, 1527.0, 1897.0]),
            (Vendor::Own, Moment::Final, [1136.0, 1527.0, 1897.0]),
            (Vendor::Own, Moment::FirstAudio, [100.0, 217.0, 300.0]),
        ] {
            let drawn = percentiles(vendor, moment);
            let near = drawn.iter().zip(expected).all(|(drawn, expected)| (drawn / expected - 1.0).abs() < 0.05);
            assert!(near, "{drawn:?} for {expected:?}");
        }
        assert!(matches!(Latencies::published().with_own_like("elevenlabs", "own"), Err(LatencyError::Absent(_))));
        assert_eq!(Latencies::default().draw(Vendor::Aws, Moment::Final, (0.5, 0.5)), Duration::ZERO);
    }

    #[test]
    fn distributions_that_make_no_sense_are_refused() {
        for text in [
            "[aws]\nfinal = { p50_ms = 2, p99_ms = 1, published = \"none\" }",
            "[aws]\nfinal = { p50_ms = 1, p95_ms = 3, p99_ms = 2, published = \"none\" }",
            "[aws]\nlast = 1",
            "x",
        ] {
            assert!(Latencies::read(text).is_err(), "{text}");
        }
        assert!(Latencies::published().to_string().contains("published: p50, p95, p99"));
    }
}
