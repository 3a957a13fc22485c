//! For tests: a process of this program's tests that writes until it is killed.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

/// Runs that test alone, with the folder in that variable, until the number behind the last `kept ` that it printed is enough, and kills it; that number.
pub(super) fn once(test: &str, variable: &str, folder: &Path, enough: impl Fn(u64) -> bool) -> u64 {
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", test, "--nocapture"]);
    let mut child = child.env(variable, folder).stdout(Stdio::piped()).spawn().unwrap();
    let mut kept = 0;
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        let Some(number) = line.strip_prefix("kept ") else { continue };
        kept = number.parse().unwrap();
        if enough(kept) {
            break;
        }
    }
    child.kill().unwrap();
    child.wait().unwrap();
    kept
}
