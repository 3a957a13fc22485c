//! `recording`: whether and how a tenant's calls are recorded. One word, or a section.

use crate::config::Faults;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use std::fmt;
use std::num::NonZeroU32;
use std::time::Duration;
use vg_domain::recording::{RecordingFormat, RecordingPolicy, RecordingRules};

/// Phrases of each sort beside those of the language.
const PHRASES_MAX: usize = 32;
/// A caller who thinks for longer has not understood.
const WAIT_MS_MAX: u32 = 30_000;

#[derive(Debug, Default)]
pub(super) struct RawRecording(Written);

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Written {
    mode: Mode,
    announce: Option<bool>,
    agree_key: Option<char>,
    opt_out_key: Option<char>,
    agree: Vec<String>,
    opt_out: Vec<String>,
    wait_ms: Option<u32>,
    keep_days: Option<u32>,
    format: Option<String>,
}

#[derive(Debug, Default)]
struct Mode(RecordingPolicy);

impl<'de> Deserialize<'de> for Mode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(WordOrSection).map(|RawRecording(written)| written.mode)
    }
}

impl<'de> Deserialize<'de> for RawRecording {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(WordOrSection)
    }
}

struct WordOrSection;

impl<'de> Visitor<'de> for WordOrSection {
    type Value = RawRecording;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"off\", \"on\", \"consent\", or a section with one of them as its mode")
    }

    fn visit_bool<E: Error>(self, on: bool) -> Result<RawRecording, E> {
        self.visit_str(if on { "on" } else { "off" })
    }

    fn visit_str<E: Error>(self, word: &str) -> Result<RawRecording, E> {
        let policy = RecordingPolicy::parse(word).ok_or_else(|| E::invalid_value(serde::de::Unexpected::Str(word), &self))?;
        Ok(RawRecording(Written { mode: Mode(policy), ..Written::default() }))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<RawRecording, A::Error> {
        Written::deserialize(MapAccessDeserializer::new(map)).map(RawRecording)
    }
}

impl RawRecording {
    pub(super) fn resolve(self, faults: &mut Faults) -> RecordingRules {
        let Self(written) = self;
        let usual = RecordingRules::default();
        let [agree_key, opt_out_key] = [
            ("agree_key", written.agree_key.unwrap_or(usual.agree_key)),
            ("opt_out_key", written.opt_out_key.unwrap_or(usual.opt_out_key)),
        ]
        .map(|(name, key)| {
            if !(key.is_ascii_digit() || "*#".contains(key)) {
                faults.add(format_args!("recording.{name}"), "expected one of 0 to 9, * and #");
            }
            key
        });
        if agree_key == opt_out_key {
            faults.add("recording.opt_out_key", "is the key that agrees");
        }
        for (name, phrases) in [("agree", &written.agree), ("opt_out", &written.opt_out)] {
            if phrases.len() > PHRASES_MAX {
                faults.add(format_args!("recording.{name}"), format_args!("must be at most {PHRASES_MAX}"));
            }
            for (at, _) in phrases.iter().enumerate().filter(|(_, phrase)| !phrase.contains(char::is_alphanumeric)) {
                faults.add(format_args!("recording.{name}[{at}]"), "says nothing");
            }
        }
        if written.wait_ms.is_some_and(|ms| !(1_000..=WAIT_MS_MAX).contains(&ms)) {
            faults.add("recording.wait_ms", format_args!("must be from 1000 to {WAIT_MS_MAX}"));
        }
        if written.keep_days == Some(0) {
            faults.add("recording.keep_days", "must be at least 1");
        }
        let format = written.format.as_deref().and_then(RecordingFormat::parse);
        if written.format.is_some() && format.is_none() {
            faults.add("recording.format", "expected wav or opus");
        }
        RecordingRules {
            policy: written.mode.0,
            announced: written.announce.unwrap_or(usual.announced),
            agree_key,
            opt_out_key,
            agree: written.agree,
            opt_out: written.opt_out,
            wait: written.wait_ms.map_or(usual.wait, |ms| Duration::from_millis(ms.into())),
            keep_days: written.keep_days.and_then(NonZeroU32::new),
            format,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::tenants::tests::{faults, settings_of};

    const BASE: &str = "language = 'en-US'\ngreeting = 'Hello.'\n";
    const SPEECH: &str = "[hearing]\nplugin = 'stt-a'\n[speaking]\nplugin = 'tts-a'\n";

    fn rules(written: &str) -> RecordingRules {
        settings_of(&format!("{BASE}{written}\n{SPEECH}")).recording.clone()
    }

    fn faults_of(written: &str) -> Vec<String> {
        let faults = faults(&[("a.toml", &format!("{BASE}{written}\n{SPEECH}"))], "a").into_iter();
        faults.filter(|fault| !fault.starts_with("tenants.default")).collect()
    }

    #[test]
    fn a_word_is_enough() {
        let of = |policy| RecordingRules { policy, ..RecordingRules::default() };
        assert_eq!(rules(""), of(RecordingPolicy::Off));
        for (written, policy) in [
            ("true", RecordingPolicy::On),
            ("false", RecordingPolicy::Off),
            ("'on'", RecordingPolicy::On),
            ("'off'", RecordingPolicy::Off),
            ("'consent'", RecordingPolicy::Consent),
            ("{ mode = 'consent' }", RecordingPolicy::Consent),
        ] {
            assert_eq!(rules(&format!("recording = {written}")), of(policy), "{written}");
        }
    }

    #[test]
    fn a_section_says_how() {
        let section = "[recording]\nmode = 'on'\nannounce = false\nagree_key = '5'\nopt_out_key = '#'\nagree = ['aye']\nopt_out = ['hush']\n\
                       wait_ms = 9000\nkeep_days = 30\nformat = 'opus'\n";
        let rules = rules(section);
        assert_eq!(
            (rules.announced, rules.agree_key, rules.opt_out_key, rules.wait, rules.keep_days.map(NonZeroU32::get)),
            (false, '5', '#', Duration::from_secs(9), Some(30))
        );
        assert_eq!(rules.format, Some(RecordingFormat::Opus));
        assert_eq!((rules.agree, rules.opt_out), (vec!["aye".to_owned()], vec!["hush".to_owned()]));
    }

    #[test]
    fn what_makes_no_sense_is_a_fault() {
        assert!(faults_of("recording = 'perhaps'")[0].contains("expected \"off\", \"on\", \"consent\""));
        assert!(faults_of("[recording]\ncolour = 'red'")[0].contains("unknown field `colour`"));
        let found = faults_of(
            "[recording]\nmode = 'on'\nagree_key = 'x'\nopt_out_key = 'x'\nagree = [' ']\nwait_ms = 10\nkeep_days = 0\nformat = 'mp3'\n",
        );
        let told = [
            "recording.agree_key: expected one of 0 to 9, * and #",
            "recording.opt_out_key: expected one of 0 to 9, * and #",
            "recording.agree[0]: says nothing",
            "recording.wait_ms: must be from 1000 to 30000",
            "recording.keep_days: must be at least 1",
            "recording.format: expected wav or opus",
            // The usual line names the usual key.
            "prompts.recording_notice: is needed",
        ];
        assert_eq!(found, told.map(|fault| format!("a.toml: {fault}")));
        let same = faults_of("[recording]\nmode = 'on'\nannounce = false\nopt_out_key = '1'\n");
        assert_eq!(same, ["a.toml: recording.opt_out_key: is the key that agrees"]);
        let question = "a.toml: prompts.recording_question: is needed";
        let spoken = "not_understood = 'a'\nagent_unavailable = 'b'\nfarewell = 'c'\n";
        let finnish = |recording: &str| {
            let text = format!("language = 'fi'\ngreeting = 'Moi.'\n{recording}\n{SPEECH}[prompts]\n{spoken}");
            let faults = faults(&[("a.toml", &text)], "a").into_iter();
            faults.filter(|fault| !fault.starts_with("tenants.default")).collect::<Vec<_>>()
        };
        assert_eq!(finnish("recording = 'consent'"), [question], "nobody agrees to what was not asked");
        assert_eq!(finnish("recording = 'on'"), ["a.toml: prompts.recording_notice: is needed"]);
        assert_eq!(finnish("recording = { mode = 'on', announce = false }"), [""; 0]);
    }
}
