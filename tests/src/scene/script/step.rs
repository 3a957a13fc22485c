//! Steps of a scenario.

use super::{ListenerTrouble, VoiceTrouble};
use serde::Deserialize;
use vg_domain::call::Progress;
use vg_domain::transfer::{Returned, Transfer, TransferMode, TransferTarget};
use voice_gateway::application::ports::{CallOrder, TelephonyEvent};

/// Something that is done, once its moment has come.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "RawStep")]
pub(in crate::scene) struct Step {
    pub(in crate::scene) moment: Moment,
    pub(in crate::scene) act: Act,
}

/// When a step is due. None is before the one above it.
#[derive(Clone, Debug)]
pub(in crate::scene) enum Moment {
    /// Milliseconds since the call came.
    At(u64),
    /// So many milliseconds after the next line of the transcript that begins like this.
    After { line: String, plus_ms: u64 },
    /// So many milliseconds after the step above.
    Then { plus_ms: u64 },
}

#[derive(Clone, Debug)]
pub(in crate::scene) enum Act {
    /// The caller says words, for so long; none: as long as a voice would.
    Says {
        words: String,
        lasting_ms: Option<u64>,
    },
    /// The caller, or what is around, is loud without words for so many milliseconds.
    Noise(u64),
    /// The caller presses keys, 200 ms apart.
    Presses(String),
    HangsUp,
    /// Something happens to the leg.
    Line(TelephonyEvent),
    /// The media leg ends.
    LosesMedia,
    /// The gateway is told to stop.
    Drains,
    Order(CallOrder),
    VoiceBreaks {
        voice: String,
        how: VoiceTrouble,
        times: Option<u32>,
    },
    ListenerBreaks {
        listener: String,
        how: ListenerTrouble,
        times: Option<u32>,
    },
    /// It does its part again.
    Heals(String),
    /// It takes conversations from now on.
    AgentTakes,
    /// Nothing is done: only the moment counts.
    Waits,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawStep {
    at: Option<u64>,
    after: Option<String>,
    plus: Option<u64>,
    caller_says: Option<String>,
    lasting: Option<u64>,
    noise: Option<u64>,
    caller_presses: Option<String>,
    caller: Option<RawCaller>,
    line: Option<RawLine>,
    gateway: Option<RawGateway>,
    order: Option<RawOrder>,
    voice_breaks: Option<String>,
    listener_breaks: Option<String>,
    how: Option<toml::Value>,
    times: Option<u32>,
    heals: Option<String>,
    agent: Option<RawAgent>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
enum RawCaller {
    #[serde(rename = "hangs up")]
    HangsUp,
    #[serde(rename = "waits")]
    Waits,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum RawLine {
    Dialled,
    Answered,
    Busy,
    NoAnswer,
    PersonAnswers,
    PersonIsBusy,
    PersonHangsUp,
    Lost,
    MediaLost,
    KeysMissed,
}

#[derive(Clone, Copy, Debug, Deserialize)]
enum RawGateway {
    #[serde(rename = "drains")]
    Drains,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum RawOrder {
    Say(String),
    Queue(String),
    Attended(String),
    CallOff,
    HangUp,
}

#[derive(Clone, Copy, Debug, Deserialize)]
enum RawAgent {
    #[serde(rename = "takes conversations")]
    Takes,
}

impl TryFrom<RawStep> for Step {
    type Error = String;

    fn try_from(raw: RawStep) -> Result<Self, String> {
        let moment = match (raw.at, &raw.after) {
            (Some(_), Some(_)) => return Err("a step is `at` or `after`, not both".to_owned()),
            (Some(_), None) if raw.plus.is_some() => return Err("`plus` goes with `after`".to_owned()),
            (Some(at_ms), None) => Moment::At(at_ms),
            (None, Some(line)) => Moment::After { line: line.clone(), plus_ms: raw.plus.unwrap_or(0) },
            (None, None) => Moment::Then { plus_ms: raw.plus.unwrap_or(0) },
        };
        Ok(Self { moment, act: raw.act()? })
    }
}

impl RawStep {
    fn act(self) -> Result<Act, String> {
        let (lasting_ms, how, times) = (self.lasting, self.how, self.times);
        let spoken = self.caller_says.is_some();
        let broken = self.voice_breaks.is_some() || self.listener_breaks.is_some();
        let trouble = |how: Option<toml::Value>| how.ok_or("what breaks does so somehow: `how`");
        let mut acts = Vec::new();
        acts.extend(self.caller_says.map(|words| Act::Says { words, lasting_ms }));
        acts.extend(self.noise.map(Act::Noise));
        acts.extend(self.caller_presses.map(Act::Presses));
        acts.extend(self.caller.map(|does| match does {
            RawCaller::HangsUp => Act::HangsUp,
            RawCaller::Waits => Act::Waits,
        }));
        acts.extend(self.line.map(line));
        acts.extend(self.gateway.map(|RawGateway::Drains| Act::Drains));
        acts.extend(self.order.map(|raw| Act::Order(order(raw))));
        acts.extend(self.heals.map(Act::Heals));
        acts.extend(self.agent.map(|RawAgent::Takes| Act::AgentTakes));
        if let Some(voice) = self.voice_breaks {
            let how = trouble(how.clone())?.try_into().map_err(|error: toml::de::Error| error.to_string())?;
            acts.push(Act::VoiceBreaks { voice, how, times });
        }
        if let Some(listener) = self.listener_breaks {
            let how = trouble(how.clone())?.try_into().map_err(|error: toml::de::Error| error.to_string())?;
            acts.push(Act::ListenerBreaks { listener, how, times });
        }
        match (acts.pop(), acts.pop()) {
            (Some(_), None) if !spoken && lasting_ms.is_some() => Err("`lasting` goes with `caller_says`".to_owned()),
            (Some(_), None) if !broken && (how.is_some() || times.is_some()) => {
                Err("`how` and `times` go with what breaks".to_owned())
            }
            (Some(act), None) => Ok(act),
            (None, _) => Err("a step does something".to_owned()),
            (Some(_), Some(_)) => Err("a step does one thing".to_owned()),
        }
    }
}

fn line(raw: RawLine) -> Act {
    Act::Line(match raw {
        RawLine::Dialled => TelephonyEvent::Progress(Progress::Dialled),
        RawLine::Answered => TelephonyEvent::Progress(Progress::Answered),
        RawLine::Busy => TelephonyEvent::Returned(Returned::Busy),
        RawLine::NoAnswer => TelephonyEvent::Returned(Returned::NoAnswer),
        RawLine::PersonAnswers => TelephonyEvent::PersonAnswered,
        RawLine::PersonIsBusy => TelephonyEvent::PersonGone(Returned::Busy),
        RawLine::PersonHangsUp => TelephonyEvent::PersonGone(Returned::Other),
        RawLine::Lost => TelephonyEvent::Lost,
        RawLine::KeysMissed => TelephonyEvent::KeysMissed,
        RawLine::MediaLost => return Act::LosesMedia,
    })
}

fn order(raw: RawOrder) -> CallOrder {
    let transfer = |name: String, mode: TransferMode| {
        let (target, summary) = (TransferTarget::Queue(name), Some("A caller for you.".to_owned()));
        CallOrder::Transfer(Transfer { target, mode, summary })
    };
    match raw {
        RawOrder::Say(words) => CallOrder::Say(words),
        RawOrder::Queue(name) => transfer(name, TransferMode::Blind),
        RawOrder::Attended(name) => transfer(name, TransferMode::Attended),
        RawOrder::CallOff => CallOrder::CallOffTransfer,
        RawOrder::HangUp => CallOrder::HangUp,
    }
}
