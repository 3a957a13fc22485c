//! Whether calls can be kept beyond this gateway.

use super::report::Row;
use crate::adapters::state::check;
use crate::config::State;
use std::time::Duration;

/// More than this is no fault, for nobody waits for it; but it is a sign of a network that is not the gateway's own.
const NEAR: Duration = Duration::from_millis(5);

pub(super) async fn row(state: Option<&State>) -> Row {
    let Some(state) = state else {
        return Row::fine("redis", "none is configured ([state]): calls are kept in this gateway alone");
    };
    let report = match check(state).await {
        Ok(report) => report,
        Err(what) => return Row::fault("redis", format_args!("is of no use: {what}")),
    };
    let latency_ms = report.latency.as_secs_f64() * 1_000.0;
    let told = format!("{}, answers in {latency_ms:.2} ms", report.version);
    match report.maxmemory_policy.as_deref() {
        Some(policy) if policy != "noeviction" => Row::warning(
            "redis",
            format_args!("{told}; maxmemory-policy {policy} lets it forget live calls: noeviction does not"),
        ),
        _ if report.latency > NEAR => Row::warning("redis", format_args!("{told}: it is far away")),
        Some(_) => Row::fine("redis", told),
        None => {
            Row::fine("redis", format_args!("{told}; its maxmemory-policy may not be asked for: noeviction is the right one"))
        }
    }
}
