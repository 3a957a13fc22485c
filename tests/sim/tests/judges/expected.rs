//! What a driver has to see: `tests/judges/expected/<driver>.json`, taken from what was recorded of the vendors' SDKs.

use crate::seen::{Seen, plain};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;
use vg_sim::{Coding, Format, Sim, recordings};

/// Formats that drivers are given.
const HEARD: [Format; 4] = [Format::MULAW, Format::pcm(8000), Format::pcm(16_000), Format::pcm(24_000)];

const SILENCE: &str = "silence";

/// A driver and its cases.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Table {
    /// A program of `tests/judges`.
    pub(crate) driver: String,
    /// What the SDK authenticates with.
    key: String,
    /// Whether the SDK insists on TLS.
    #[serde(default)]
    pub(crate) tls: bool,
    /// What is said, and by whom, for each language; a listener's table has none.
    #[serde(default)]
    speech: BTreeMap<String, Speech>,
    pub(crate) cases: BTreeMap<String, Case>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Speech {
    text: String,
    voice: String,
}

/// One conversation.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Case {
    form: Option<String>,
    format: Option<String>,
    language: Option<String>,
    key: Option<String>,
    text: Option<String>,
    voice: Option<String>,
    speed: Option<f64>,
    patience: Option<u64>,
    pub(crate) tls: Option<bool>,
    /// Six seconds without a sound, in place of the recording in that language.
    #[serde(default)]
    silence: bool,
    /// Options that only this driver has.
    #[serde(default)]
    set: Vec<String>,
    /// `NAME`, `NAME=NUMBER` or `NAME=NUMBERxTIMES`, as `speech-sim` takes them.
    #[serde(default)]
    trouble: Vec<String>,
    /// The last of `end`, `silence` and `error CLASS CODE`; several, where the SDK's threads race, stand between `|`.
    ends: String,
    /// Events that have to be there too.
    #[serde(default)]
    also: Vec<String>,
    hears: Option<Part>,
    says: Option<Part>,
    /// Without whatever is markup in the text.
    spoken: Option<String>,
    /// Whether something is heard before it is final.
    partials: Option<bool>,
    /// Whether the client does what the simulator has to object to.
    #[serde(default)]
    offends: bool,
    /// The same, where the SDK's threads race.
    #[serde(default)]
    may_offend: bool,
}

/// How much of what was said arrives.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Part {
    All,
    /// The first phrase.
    First,
    /// Something, but not all.
    Some,
    Nothing,
    /// Not all: a reset may overtake what was said before it.
    Less,
    /// Nobody knows, for example because the SDK gives words up that it had.
    Any,
}

impl Table {
    pub(crate) fn read(file: &Path) -> anyhow::Result<Self> {
        use anyhow::Context;
        let text = std::fs::read_to_string(file).with_context(|| format!("read {}", file.display()))?;
        serde_json::from_str(&text).with_context(|| format!("read {}", file.display()))
    }
}

impl Case {
    pub(crate) fn troubles(&self) -> impl Iterator<Item = (&str, u32, Option<u32>)> {
        self.trouble.iter().map(|trouble| {
            let Some((name, number)) = trouble.split_once('=') else { return (trouble.as_str(), 0, None) };
            let (with, times) = number.split_once('x').map_or((number, None), |(with, times)| (with, times.parse().ok()));
            (name, with.parse().unwrap_or(0), times)
        })
    }

    /// The folder of `target/judges` and the program in it that runs the driver.
    pub(crate) fn kit(&self, table: &Table) -> (&'static str, &'static str) {
        match (table.driver.ends_with(".mjs"), self.form.as_deref()) {
            (true, _) => ("node", "bin/node"),
            (false, Some("smithy")) => ("python312", "bin/python"),
            (false, _) => ("python", "bin/python"),
        }
    }

    pub(crate) fn patience(&self) -> Duration {
        Duration::from_secs(self.patience.unwrap_or(60))
    }

    pub(crate) fn arguments(&self, table: &Table, sounds: &Path) -> Vec<String> {
        let mut arguments = Vec::new();
        let mut add = |name: &str, value: &str| arguments.extend([format!("--{name}"), value.to_owned()]);
        add("key", &secret(self.key.as_ref().unwrap_or(&table.key)));
        add("format", self.format_name());
        add("language", self.language());
        add("patience", &self.patience().as_secs().to_string());
        if let Some(form) = &self.form {
            add("form", form);
        }
        if let Some(speed) = self.speed {
            add("speed", &speed.to_string());
        }
        match table.speech.get(self.language()) {
            Some(speech) => {
                add("text", self.text.as_ref().unwrap_or(&speech.text));
                add("voice", self.voice.as_ref().unwrap_or(&speech.voice));
            }
            None => {
                let recording = if self.silence { SILENCE } else { self.language() };
                add("audio", &sounds.join(file_of(recording, self.format())).to_string_lossy());
            }
        }
        if !self.set.is_empty() {
            arguments.push("--set".to_owned());
            arguments.extend(self.set.iter().cloned());
        }
        arguments
    }

    /// What is not as recorded.
    pub(crate) fn faults(&self, table: &Table, seen: &Seen, sim: &Sim) -> Vec<String> {
        let mut faults = Vec::new();
        if self.ends.split(" | ").all(|end| seen.end() != end) {
            faults.push(format!("ends with `{}`, not `{}`", seen.end(), self.ends));
        }
        let offences = sim.offences();
        if self.offends == offences.is_empty() && !self.may_offend {
            faults.push(format!("offences: {offences:?}"));
        }
        for event in &self.also {
            if !seen.events().any(|seen| seen == *event) {
                faults.push(format!("`{event}` is missing"));
            }
        }
        match table.speech.get(self.language()) {
            Some(speech) => faults.extend(self.wrongly_said(speech, seen, sim)),
            None => faults.extend(self.wrongly_heard(seen)),
        }
        faults
    }

    fn wrongly_heard(&self, seen: &Seen) -> Option<String> {
        let Some(recording) = recordings().iter().find(|recording| recording.language == self.language()) else {
            return Some(format!("there is no recording in {}", self.language()));
        };
        let (finals, texts) = (seen.finals(), recording.texts());
        let (all, first) = (plain(&texts.join(" ")), plain(texts.first().map_or("", |text| text.as_str())));
        let right = match self.hears.unwrap_or(self.default_part()) {
            Part::All => finals == all && seen.partial() == self.partials.unwrap_or(true),
            Part::First => finals == first && seen.partial() == self.partials.unwrap_or(true),
            Part::Some => finals != all && all.starts_with(&finals) && (seen.partial() || !finals.is_empty()),
            Part::Nothing => finals.is_empty() && !seen.partial(),
            Part::Less => finals != all && all.starts_with(&finals),
            Part::Any => true,
        };
        (!right).then(|| format!("hears `{finals}`, partials: {}", seen.partial()))
    }

    fn wrongly_said(&self, speech: &Speech, seen: &Seen, sim: &Sim) -> Option<String> {
        let text = self.spoken.as_ref().or(self.text.as_ref()).unwrap_or(&speech.text);
        let whole = sim.voice(self.format()).speak(text).samples;
        let sounds = seen.sounds();
        let same = |(bytes, hash): &(usize, &str)| whole.get(..*bytes).is_some_and(|part| hex(&Sha256::digest(part)) == *hash);
        let of = |right: fn(usize, usize) -> bool| sounds.iter().all(|sound| right(sound.0, whole.len()) && same(sound));
        let right = match self.says.unwrap_or(self.default_part()) {
            Part::All => !sounds.is_empty() && of(|bytes, whole| bytes == whole),
            Part::First | Part::Some => !sounds.is_empty() && of(|bytes, whole| bytes > 0 && bytes < whole),
            Part::Nothing => of(|bytes, _| bytes == 0),
            Part::Less => of(|bytes, whole| bytes < whole),
            Part::Any => true,
        };
        (!right).then(|| format!("says {sounds:?} of {} bytes", whole.len()))
    }

    fn default_part(&self) -> Part {
        if self.ends == "end" && !self.silence { Part::All } else { Part::Nothing }
    }

    fn language(&self) -> &str {
        self.language.as_deref().unwrap_or("en-US")
    }

    fn format_name(&self) -> &str {
        self.format.as_deref().unwrap_or("mulaw-8000")
    }

    fn format(&self) -> Format {
        let (coding, rate) = self.format_name().split_once('-').unwrap_or_default();
        let coding = match coding {
            "mulaw" => Coding::Mulaw,
            "alaw" => Coding::Alaw,
            _ => Coding::Pcm,
        };
        Format { coding, rate_hz: rate.parse().unwrap_or(8000) }
    }
}

/// Keeps what may be heard, in every format, in a folder.
pub(crate) fn write_sounds(folder: &Path) -> std::io::Result<()> {
    for format in HEARD {
        std::fs::write(folder.join(file_of(SILENCE, format)), format.write(&[0; 6 * 8000], 8000))?;
        for recording in recordings() {
            if let Some(bytes) = recording.bytes(format) {
                std::fs::write(folder.join(file_of(&recording.language, format)), bytes)?;
            }
        }
    }
    Ok(())
}

/// A secret as it stands in a table; after an `@`, a file of the checkout that holds one.
fn secret(key: &str) -> String {
    key.strip_prefix('@').map_or_else(|| key.to_owned(), |file| crate::root().join(file).to_string_lossy().into_owned())
}

fn file_of(recording: &str, format: Format) -> String {
    format!("{recording}.{:?}-{}", format.coding, format.rate_hz)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
