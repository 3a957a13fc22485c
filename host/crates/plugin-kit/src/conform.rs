//! The conformance kit: a scripted bad day for a plugin, in virtual time.
//!
//! The guest is driven directly. Its links lead to a simulated vendor, its timers to a clock that is only counted, so that a
//! minute of silence costs nothing. What a vendor says on a good day is not made up here, it comes from a good session that was
//! recorded (`voice-gateway plugin run FILE --record good.jsonl`); scenarios cut it, delay it, repeat it. A scenario that needs
//! one and has none is [`Verdict::NeedsSession`], one that means nothing for this plugin is [`Verdict::NotApplicable`].

mod judge;
mod links;
mod script;
mod turns;

use crate::score::Score;
use crate::stage::{End, Trace};
use judge::Judgement;
use serde::Serialize;
use std::fmt;
use vg_plugin_host::Plugin;
use vg_plugin_host::api::{Kind, LinkEffect};
use vg_plugin_host::recording::{Recording, Said};

/// What happens to the plugin.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    /// For `--scenario`.
    pub name: &'static str,
    /// What happens.
    pub happens: &'static str,
    /// What a good plugin does.
    pub good: &'static str,
    needs: Needs,
    play: fn(&Material<'_>) -> Judged,
}

/// Without what a scenario cannot be played.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Needs {
    /// A plugin that opens links.
    Links,
    /// What a vendor says on a good day.
    Vendor,
    /// The same, but only where the plugin has a vendor.
    VendorIfAny,
}

/// How a scenario went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "verdict", content = "why")]
pub enum Verdict {
    /// As a good plugin.
    Pass,
    /// What to change.
    Fail(String),
    /// Why it means nothing for this plugin.
    NotApplicable(String),
    /// A recorded good session is needed.
    NeedsSession,
}

/// One row of the report.
#[derive(Clone, Debug)]
pub struct Row {
    /// What happened.
    pub scenario: Scenario,
    /// How it went.
    pub verdict: Verdict,
}

/// Why nothing could be played.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConformError {
    /// No scenario has that name.
    #[error("there is no scenario of that name")]
    UnknownScenario,
    /// Masks open no links and are no sessions.
    #[error("a mask has no bad day: the kit is for listeners and speakers")]
    Mask,
    /// The session was recorded with a plugin of another kind.
    #[error("the session was recorded with a plugin of another kind")]
    OtherKind,
    /// The session does not even run well as it is.
    #[error("the session given is no good one: {why}")]
    NotGood {
        /// What went wrong in it.
        why: String,
    },
}

impl ConformError {
    /// Bounded label.
    pub fn code(&self) -> &'static str {
        match self {
            Self::UnknownScenario => "unknown-scenario",
            Self::Mask => "mask",
            Self::OtherKind => "other-kind",
            Self::NotGood { .. } => "not-good",
        }
    }
}

type Judged = Result<Judgement, Inapplicable>;

/// Why a scenario means nothing for this plugin or session.
struct Inapplicable(&'static str);

/// What scenarios are made of.
struct Material<'a> {
    good: Score<'a>,
    /// The good session as this build of the plugin plays it.
    trace: Trace,
    kind: Kind,
    sample_bytes: usize,
}

const fn scenario(
    name: &'static str,
    needs: Needs,
    play: fn(&Material<'_>) -> Judged,
    happens: &'static str,
    good: &'static str,
) -> Scenario {
    Scenario { name, happens, good, needs, play }
}

/// Every scenario there is.
#[rustfmt::skip]
pub const SCENARIOS: [Scenario; 24] = [
    scenario("unauthorized", Needs::Links, links::unauthorized, "the vendor answers 401", "fails with `auth`, not to be retried"),
    scenario("forbidden", Needs::Links, links::forbidden, "the vendor answers 403", "fails with `auth`, not to be retried"),
    scenario("rate-limited", Needs::Links, links::rate_limited, "429 with Retry-After: 7", "fails with `quota` and 7000 ms"),
    scenario("server-error", Needs::Links, links::server_error, "the vendor answers 500", "fails with `unavailable`"),
    scenario("connection-refused", Needs::Links, links::connection_refused, "nobody listens", "fails with `unavailable`"),
    scenario("tls-failure", Needs::Links, links::tls_failure, "the certificate is refused", "fails with `unavailable`"),
    scenario("slow-connect", Needs::Vendor, script::slow_connect, "connecting takes 4.9 s", "loses nothing, or fails"),
    scenario("first-byte-never", Needs::Links, links::first_byte_never, "no answer until the host gives up", "fails with `unavailable`"),
    scenario("half-open", Needs::Vendor, script::half_open, "the vendor falls silent half way", "answers or fails within 10 s"),
    scenario("empty-200", Needs::Links, links::empty_200, "a good answer with nothing in it", "fails, claims no success"),
    scenario("cut-mid-message", Needs::Vendor, script::cut_mid_message, "the connection is lost within the last message", "fails, invents nothing"),
    scenario("cut-mid-audio", Needs::Vendor, script::cut_mid_audio, "the connection is lost in the middle", "fails, claims no success"),
    scenario("late-final", Needs::Vendor, script::late_final, "the final comes 3 s late", "waits, or gives up and drops it"),
    scenario("final-without-partials", Needs::Vendor, script::final_without_partials, "no partial ever comes", "gives every final"),
    scenario("duplicate-finals", Needs::Vendor, script::duplicate_finals, "each final comes twice", "gives each word once"),
    scenario("out-of-order", Needs::Vendor, script::out_of_order, "a partial comes after its final", "does not go back"),
    scenario("idle-close", Needs::Vendor, script::idle_close, "the vendor closes after 60 s of quiet", "opens again, or fails at once"),
    scenario("giant-message", Needs::Vendor, script::giant_message, "a message of 1 MiB", "does not fall"),
    scenario("garbage", Needs::Vendor, script::garbage, "something that no protocol knows", "fails with `protocol` or passes over it"),
    scenario("odd-split", Needs::VendorIfAny, script::odd_split, "bytes come in odd pieces", "puts samples and messages together"),
    scenario("cancel-everywhere", Needs::VendorIfAny, turns::cancel_everywhere, "the owner breaks off, at every step", "obeys at once, says nothing more"),
    scenario("finalize-twice", Needs::VendorIfAny, turns::finalize_twice, "the same is asked twice", "answers twice, gives each word once"),
    scenario("no-audio", Needs::VendorIfAny, turns::no_audio, "a session without sound or text", "answers, and ends"),
    scenario("silence-only", Needs::VendorIfAny, turns::silence_only, "nobody speaks", "hears no words, and answers"),
];

/// Plays scenarios: one by name, or `all`. `session` is a good one of this plugin; `options` replace its options.
///
/// # Errors
/// See [`ConformError`].
pub fn conform(
    plugin: &Plugin,
    which: &str,
    session: Option<&Recording>,
    options: Option<String>,
) -> Result<Vec<Row>, ConformError> {
    let chosen: Vec<Scenario> = SCENARIOS.into_iter().filter(|one| which == "all" || one.name == which).collect();
    if chosen.is_empty() {
        return Err(ConformError::UnknownScenario);
    }
    let material = Material::new(plugin, session, options)?;
    Ok(chosen.into_iter().map(|scenario| Row { scenario, verdict: material.verdict(scenario, session.is_some()) }).collect())
}

impl<'a> Material<'a> {
    fn new(plugin: &'a Plugin, session: Option<&Recording>, options: Option<String>) -> Result<Self, ConformError> {
        let kind = plugin.descriptor().kind;
        if kind == Kind::Mask {
            return Err(ConformError::Mask);
        }
        let good = match session {
            Some(recording) if recording.header.kind != kind => return Err(ConformError::OtherKind),
            Some(recording) => Score::recorded(plugin, recording, options),
            None => Score::plain(plugin, options),
        };
        let trace = good.clone().perform();
        let sample_bytes = good.start.format.encoding.sample_bytes();
        let material = Self { good, trace, kind, sample_bytes };
        match session.is_some() || material.trace.links == 0 {
            true => material.is_good().map_err(|why| ConformError::NotGood { why }).map(|()| material),
            false => Ok(material),
        }
    }

    /// Whether all later verdicts can be held against this session.
    fn is_good(&self) -> Judgement {
        judge::manners(&self.trace)?;
        match &self.trace.end {
            End::Failed(fault) => Err(format!("it fails with `{}` ({})", fault.kind.code(), fault.detail)),
            _ if self.trace.links == 0 => Ok(()),
            _ if self.kind == Kind::Stt && self.trace.words().is_empty() => Err("no final comes out of it".to_owned()),
            _ if self.kind == Kind::Tts && self.trace.sound().is_empty() => Err("no sound comes out of it".to_owned()),
            _ => Ok(()),
        }
    }

    fn verdict(&self, scenario: Scenario, has_session: bool) -> Verdict {
        let local = self.trace.links == 0;
        match scenario.needs {
            Needs::Links | Needs::Vendor if local => {
                return Verdict::NotApplicable("this plugin opens no link".to_owned());
            }
            Needs::Vendor | Needs::VendorIfAny if !local && !has_session => return Verdict::NeedsSession,
            _ => {}
        }
        match (scenario.play)(self) {
            Ok(Ok(())) => Verdict::Pass,
            Ok(Err(why)) => Verdict::Fail(why),
            Err(Inapplicable(why)) => Verdict::NotApplicable(why.to_owned()),
        }
    }

    fn opens_websocket(&self) -> bool {
        self.trace.said().any(|(_, said)| matches!(said, Said::Link(LinkEffect::Websocket(_))))
    }

    /// Only for one kind.
    fn only(&self, kind: Kind) -> Result<(), Inapplicable> {
        match kind == self.kind {
            true => Ok(()),
            false if kind == Kind::Stt => Err(Inapplicable("only listeners")),
            false => Err(Inapplicable("only speakers")),
        }
    }
}

impl Row {
    /// Whether the plugin has to be changed.
    pub fn is_fault(&self) -> bool {
        matches!(self.verdict, Verdict::Fail(_))
    }

    /// As JSON: `scenario`, `happens`, `good`, `verdict`, and `why` where there is more to say.
    pub fn to_json(&self) -> serde_json::Value {
        let Scenario { name, happens, good, .. } = self.scenario;
        let mut row = serde_json::json!({ "scenario": name, "happens": happens, "good": good });
        if let (Some(row), Ok(serde_json::Value::Object(verdict))) = (row.as_object_mut(), serde_json::to_value(&self.verdict)) {
            row.extend(verdict);
        }
        row
    }
}

impl Verdict {
    /// Bounded label.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail(_) => "fail",
            Self::NotApplicable(_) => "not-applicable",
            Self::NeedsSession => "needs-session",
        }
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Scenario { name, happens, good, .. } = self.scenario;
        match &self.verdict {
            Verdict::Pass => write!(f, "pass  {name:<23} {happens}"),
            Verdict::Fail(why) => write!(f, "FAIL  {name:<23} {happens}\n      a good plugin {good}; here: {why}"),
            Verdict::NotApplicable(why) => write!(f, "n/a   {name:<23} {why}"),
            Verdict::NeedsSession => write!(f, "--    {name:<23} needs --session of a good one"),
        }
    }
}
