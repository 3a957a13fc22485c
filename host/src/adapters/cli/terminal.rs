//! The only place that writes to stdout.

use std::fmt::Display;
use std::io::Write;

/// One line for the person (or program) that asked. A closed pipe is no fault: nobody reads any more.
pub(super) fn say(line: impl Display) {
    let mut out = std::io::stdout().lock();
    let _closed_pipe = writeln!(out, "{line}").and_then(|()| out.flush());
}
