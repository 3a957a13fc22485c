//! Asterisk as seen from here, by ARI.

mod channels;
mod questions;
mod sound;

use super::report::Row;
use crate::adapters::ari::Probe;
use crate::config::{Asterisk, Config};
use crate::wiring;
use questions::Questions;
use serde::Deserialize;
use std::time::Duration;

/// A way to Asterisk that takes longer is worth a warning: commands and the caller's sound take it, too.
const ROUND_TRIP: Duration = Duration::from_millis(10);

/// Modules that a call needs, with what they are for.
const NEEDED: [(&str, &str); 6] = [
    ("app_stasis.so", "hands calls to the gateway"),
    ("chan_rtp.so", "carries their sound"),
    ("res_ari_channels.so", "acts on calls"),
    ("res_ari_bridges.so", "connects caller and gateway"),
    ("res_ari_events.so", "tells what happens"),
    ("bridge_simple.so", "mixes a call of two"),
];

#[derive(Deserialize)]
struct Info {
    system: System,
}

#[derive(Deserialize)]
struct System {
    version: String,
}

#[derive(Deserialize)]
struct Module {
    name: String,
    status: String,
}

pub(super) async fn rows(asterisk: &Asterisk, config: &Config) -> Vec<Row> {
    let probe = match probe(asterisk) {
        Ok(Some(probe)) => probe,
        Ok(None) => return vec![Row::fine(&asterisk.app, "connects to this gateway by itself: nothing can be asked from here")],
        Err(why) => return vec![Row::fault(&asterisk.app, format_args!("{why:#}"))],
    };
    let info = match probe.ask::<Info>("info").await {
        Ok(info) => info,
        Err(why) => return vec![Row::fault(&asterisk.app, why)],
    };
    let mut rows = vec![version(&asterisk.app, &info.system.version)];
    rows.push(match probe.round_trip().await {
        Ok(took) => round_trip(took),
        Err(why) => Row::warning("round trip", why),
    });
    match probe.ask::<Vec<Module>>("modules").await {
        Ok(modules) => {
            rows.extend(module_rows(&modules));
            rows.extend(channels::feature_rows(&modules, config));
        }
        Err(why) => rows.push(Row::warning("modules", why)),
    }
    match Questions::to(asterisk) {
        Some(questions) => {
            rows.push(channels::app_row(questions).await);
            rows.push(channels::transfer_row(questions).await);
            rows.push(sound::row(questions, &config.media).await);
        }
        None => rows.push(Row::warning("application, transfers, sound", "are looked at over plain http only")),
    }
    rows
}

fn probe(asterisk: &Asterisk) -> anyhow::Result<Option<Probe>> {
    let mode = wiring::ari_mode(&asterisk.mode)?;
    Ok(Probe::new(&mode, &asterisk.user, &asterisk.password)?)
}

fn round_trip(took: Duration) -> Row {
    let told = format!("{:.1} ms by ARI", took.as_secs_f64() * 1000.0);
    let row = if took > ROUND_TRIP { Row::warning } else { Row::fine };
    row(&"round trip", &told)
}

fn version(app: &str, version: &str) -> Row {
    let major = version.split('.').next().and_then(|major| major.parse::<u32>().ok());
    match major {
        Some(22..) => Row::fine(app, format_args!("Asterisk {version}")),
        _ => Row::warning(app, format_args!("Asterisk {version}; tested with 22")),
    }
}

fn module_rows(modules: &[Module]) -> Vec<Row> {
    let running = |name: &str| modules.iter().any(|module| module.name == name && module.status == "Running");
    let missing: Vec<&(&str, &str)> = NEEDED.iter().filter(|(name, _)| !running(name)).collect();
    if missing.is_empty() {
        return vec![Row::fine("modules", format_args!("all {} that calls need are running", NEEDED.len()))];
    }
    missing.iter().map(|(name, why)| Row::fault(name, format_args!("is not running: it {why}"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::AsteriskMode;

    #[test]
    fn a_long_way_is_a_warning() {
        assert_eq!(round_trip(Duration::from_millis(10)), Row::fine("round trip", "10.0 ms by ARI"));
        assert_eq!(round_trip(Duration::from_micros(10_100)), Row::warning("round trip", "10.1 ms by ARI"));
    }

    #[test]
    fn each_missing_module_is_named_with_its_purpose() {
        let module = |name: &str, status: &str| Module { name: name.into(), status: status.into() };
        let mut modules: Vec<Module> = NEEDED.iter().map(|(name, _)| module(name, "Running")).collect();
        assert_eq!(module_rows(&modules), [Row::fine("modules", "all 6 that calls need are running")]);
        modules[1].status = "Not Running".into();
        assert_eq!(module_rows(&modules), [Row::fault("chan_rtp.so", "is not running: it carries their sound")]);
    }

    #[test]
    fn an_older_asterisk_is_a_warning() {
        assert_eq!(version("vg", "22.10.1"), Row::fine("vg", "Asterisk 22.10.1"));
        assert_eq!(version("vg", "20.1.0"), Row::warning("vg", "Asterisk 20.1.0; tested with 22"));
    }

    #[tokio::test]
    async fn an_asterisk_that_is_not_there_is_a_fault() {
        let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let asterisk = Asterisk {
            mode: AsteriskMode::Dial { url: format!("http://{closed}").parse().unwrap(), ca: None },
            app: "vg-test".into(),
            user: "u".into(),
            password: vg_domain::pii::Pii::new("p".into()),
            ami: None,
        };
        let rows = rows(&asterisk, &Config::defaults(&crate::config::Machine::here())).await;
        assert_eq!(rows.len(), 1);
        assert!(format!("{:?}", rows[0]).contains("nobody answers there"));
    }
}
