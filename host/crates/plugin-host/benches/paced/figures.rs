//! Clocks of the process, and the table of what was found.

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use nix::time::{ClockId, clock_gettime};
use std::fmt;
use std::time::Duration;

/// CPU time of the whole process, less that of the calling thread.
pub(crate) fn cpu_of_others() -> Duration {
    let usage = getrusage(UsageWho::RUSAGE_SELF).unwrap();
    let all = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    Duration::from_micros(all as u64).saturating_sub(own_cpu())
}

/// CPU time of the calling thread.
pub(crate) fn own_cpu() -> Duration {
    Duration::from(clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).unwrap())
}

/// Memory that is really there.
pub(crate) fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 4096
}

/// The value below which `share` of them lie.
pub(crate) fn percentile(values: &mut [Duration], share: f64) -> Duration {
    values.sort_unstable();
    let place = ((values.len() as f64 * share) as usize).min(values.len().saturating_sub(1));
    values.get(place).copied().unwrap_or_default()
}

struct Row {
    what: String,
    found: f64,
    unit: &'static str,
    bar: Option<f64>,
}

/// Rows of what was found beside what was wanted.
#[derive(Default)]
pub(crate) struct Table(Vec<Row>);

impl Table {
    pub(crate) fn row(&mut self, what: impl Into<String>, found: f64, unit: &'static str, bar: Option<f64>) {
        self.0.push(Row { what: what.into(), found, unit, bar });
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| What | Found | Bar | |\n|---|---|---|---|")?;
        for Row { what, found, unit, bar } in &self.0 {
            let (bar, verdict) = match bar {
                None => ("-".to_owned(), ""),
                Some(bar) => (format!("{bar} {unit}"), if found <= bar { "met" } else { "missed" }),
            };
            writeln!(f, "| {what} | {found:.2} {unit} | {bar} | {verdict} |")?;
        }
        Ok(())
    }
}
