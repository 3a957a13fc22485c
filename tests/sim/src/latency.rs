//! How long vendors let one wait: log-normal distributions of `fixtures/latency.toml`, drawn from a seed.

use crate::Vendor;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// The standard normal distribution's 99th percentile.
const Z99: f64 = 2.326_347_874;

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
    /// A distribution needs 0 < p50 <= p99.
    #[error("latency of {0} needs 0 < p50_ms <= p99_ms")]
    Order(String),
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Distribution {
    p50_ms: f64,
    p99_ms: f64,
    published: String,
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
            if moments.values().any(|one| !(one.p50_ms > 0.0 && one.p50_ms <= one.p99_ms)) {
                return Err(LatencyError::Order(vendor.clone()));
            }
        }
        Ok(Self(latencies))
    }

    /// One wait. `uniform` are two numbers of [0, 1).
    pub(crate) fn draw(&self, vendor: Vendor, moment: Moment, uniform: (f64, f64)) -> Duration {
        let Some(one) = self.0.get(vendor.name()).and_then(|moments| moments.get(&moment)) else { return Duration::ZERO };
        // Box and Muller; 1 - u is never zero.
        let normal = (-2.0 * (1.0 - uniform.0).ln()).sqrt() * (std::f64::consts::TAU * uniform.1).cos();
        let sigma = (one.p99_ms / one.p50_ms).ln() / Z99;
        Duration::from_secs_f64((one.p50_ms.ln() + sigma * normal).exp().min(60_000.0) / 1000.0)
    }
}

impl fmt::Display for Latencies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return write!(f, "vendors answer at once");
        }
        for (vendor, moments) in &self.0 {
            for (moment, Distribution { p50_ms, p99_ms, published }) in moments {
                let what = match moment {
                    Moment::Final => "final after speech",
                    Moment::FirstAudio => "first audio",
                };
                writeln!(f, "{vendor:<11} {what:<18} p50 {p50_ms:>5} ms  p99 {p99_ms:>5} ms  (published: {published})")?;
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
        let latencies = Latencies::published();
        let mut dice = crate::sim::Dice::new(7);
        let mut draws: Vec<f64> = (0..20_000)
            .map(|_| latencies.draw(Vendor::Aws, Moment::Final, (dice.uniform(), dice.uniform())).as_secs_f64() * 1000.0)
            .collect();
        draws.sort_by(f64::total_cmp);
        let (p50, p99) = (draws[10_000], draws[19_800]);
        assert!((500.0..600.0).contains(&p50) && (1700.0..2100.0).contains(&p99), "{p50} {p99}");
        assert_eq!(Latencies::default().draw(Vendor::Aws, Moment::Final, (0.5, 0.5)), Duration::ZERO);
    }

    #[test]
    fn distributions_that_make_no_sense_are_refused() {
        for text in ["[aws]\nfinal = { p50_ms = 2, p99_ms = 1, published = \"none\" }", "[aws]\nlast = 1", "x"] {
            assert!(Latencies::read(text).is_err(), "{text}");
        }
        assert!(Latencies::published().to_string().contains("published: p99"));
    }
}
