//! Scenarios: calls written as files, played in the virtual house and judged. The language is told in `fixtures/scenarios/README.md`.
//!
//! Sound carries what it says: samples of a fake voice spell its words, and frames of the caller the caller's. What a caller heard of an
//! utterance, and what a listener heard of the caller, is therefore read from what went over the leg, not from what was meant to.

mod script;
mod log;
mod sound;
mod listener;
mod vault;
mod voice;
mod agent;
mod leg;
mod house;
mod play;
mod judge;

use script::Scenario;
use std::fmt;
use std::path::Path;

/// Why a scenario is not as it says.
#[derive(Debug)]
pub enum SceneFault {
    /// It is not written in the language.
    Unreadable(String),
    /// Something else happened.
    Otherwise {
        /// What was expected, and what happened in its place.
        faults: Vec<String>,
        /// All that happened, a line each.
        transcript: String,
    },
}

impl fmt::Display for SceneFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(why) => write!(f, "is unreadable: {why}"),
            Self::Otherwise { faults, transcript } => write!(f, "went otherwise:\n  {}\n{transcript}", faults.join("\n  ")),
        }
    }
}

impl std::error::Error for SceneFault {}

/// Plays one scenario and judges it; gives what happened, a line each.
pub fn perform(text: &str) -> Result<String, SceneFault> {
    let scenario: Scenario = toml::from_str(text).map_err(|error| SceneFault::Unreadable(error.to_string()))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    let played = runtime.expect("a runtime of one thread").block_on(play::play(&scenario));
    let faults = judge::judge(&scenario.expect, &played);
    let transcript = played.log.to_string();
    if faults.is_empty() { Ok(transcript) } else { Err(SceneFault::Otherwise { faults, transcript }) }
}

/// Performs every scenario of a folder; gives how many there are, and what each one that fails has to say, under its name.
pub fn perform_all(folder: &Path) -> (usize, Vec<String>) {
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .expect("the folder of scenarios")
        .map(|entry| entry.expect("a scenario").path())
        .filter(|path| path.extension().is_some_and(|kind| kind == "toml"))
        .collect();
    files.sort();
    let fails = |path: &std::path::PathBuf| {
        let text = std::fs::read_to_string(path).expect("a scenario is text");
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        perform(&text).err().map(|fault| format!("{name} {fault}"))
    };
    let faults = files.iter().filter_map(fails).collect();
    (files.len(), faults)
}
