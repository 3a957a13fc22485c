//! Plays a scenario: everything moves by 20 ms, again and again, until nothing of the call is left.

use super::house::House;
use super::leg::{FRAME_MS, FarEnd, HeardEnd};
use super::log::Log;
use super::script::{Act, Moment, Scenario, Step};
use super::sound;
use crate::rig::Caller;
use futures_util::future::{BoxFuture, FutureExt};
use futures_util::stream::{FuturesUnordered, StreamExt};
use std::time::Duration;
use vg_domain::event::Fact;
use voice_gateway::application::ports::{Observation, OrderError, TelephonyEvent};

/// No scene is longer.
const SCENE_MAX_MS: u64 = 300_000;
/// From one key to the next.
const KEY_MS: u64 = 200;
/// Answers that nobody waits for any more may still come after the end, and have no effect.
const AFTERMATH_MS: u64 = 15_000;

/// How a scene went.
pub(super) struct Played {
    pub(super) log: Log,
    /// What the caller heard.
    pub(super) heard: Vec<String>,
    /// What the agent was told of that.
    pub(super) told: Vec<String>,
    pub(super) silence_ms: (u64, u64),
    pub(super) faults: Vec<String>,
}

struct Scene<'a> {
    house: &'a House,
    log: Log,
    caller: Caller,
    far: FarEnd,
    steps: std::slice::Iter<'a, Step>,
    next: Option<(&'a Step, Due)>,
    /// Where lines are looked for that the next step waits for.
    seen: usize,
    last_ms: u64,
    keys: Vec<(u64, char)>,
    orders: FuturesUnordered<BoxFuture<'a, Result<(), OrderError>>>,
    facts: usize,
    observations: usize,
    acts: usize,
}

#[derive(Clone, Copy)]
enum Due {
    /// The line that it waits for has not come.
    Unknown,
    At(u64),
}

pub(super) async fn play(scenario: &Scenario) -> Played {
    let log = Log::new();
    let house = House::of(scenario, &log);
    let caller = house.rig.call().await;
    let far = FarEnd::new(log.clone(), scenario.voices());
    let mut scene = Scene {
        house: &house,
        log: log.clone(),
        caller,
        far,
        steps: scenario.steps.iter(),
        next: None,
        seen: 0,
        last_ms: 0,
        keys: Vec::new(),
        orders: FuturesUnordered::new(),
        facts: 0,
        observations: 0,
        acts: 0,
    };
    scene.take_next();
    let mut faults = Vec::new();
    while !scene.is_over() {
        if log.now_ms() > SCENE_MAX_MS {
            faults.push(scene.hanging());
            break;
        }
        scene.pass().await;
    }
    if let Some((step, _)) = &scene.next {
        faults.push(format!("the call was over before the step {:?}", step.act));
    }
    let ended_ms = log.now_ms();
    while faults.is_empty() && log.now_ms() < ended_ms + AFTERMATH_MS {
        scene.pass().await;
    }
    faults.extend((scene.far.overlaps > 0).then(|| "two utterances at once".to_owned()));
    let heard: Vec<String> = scene
        .far
        .heard
        .iter()
        .map(|heard| match heard.end {
            HeardEnd::Whole => heard.words.text(),
            HeardEnd::Open | HeardEnd::Cut => format!("{}…", heard.words.text()),
        })
        .collect();
    let told: Vec<String> = house.agent.told.lock().unwrap().iter().map(|said| said.heard().to_owned()).collect();
    let silence_ms = scene.far.silence.longest_ms;
    drop(scene);
    Played { log, heard, told, silence_ms, faults }
}

impl<'a> Scene<'a> {
    /// 20 ms pass.
    async fn pass(&mut self) {
        while let Some(leg) = self.caller.next_leg().now_or_never().flatten() {
            self.far.connect(leg);
        }
        self.far.pass().await;
        self.note_what_happened();
        self.press_keys().await;
        self.take_steps().await;
        while let Some(Some(done)) = self.orders.next().now_or_never() {
            self.log.note(match done {
                Ok(()) => "order is done".to_owned(),
                Err(error) => format!("order fails {}", order_code(&error)),
            });
        }
        tokio::time::sleep(Duration::from_millis(FRAME_MS)).await;
    }

    fn is_over(&self) -> bool {
        self.facts > 0 && self.house.rig.live() == 0 && self.house.rig.published().len() == self.facts
    }

    fn hanging(&self) -> String {
        match &self.next {
            Some((Step { moment: Moment::After { line, .. }, .. }, Due::Unknown)) => format!("`{line}` never came"),
            _ => "the call never ended".to_owned(),
        }
    }

    fn take_next(&mut self) {
        self.next = self.steps.next().map(|step| {
            let due = match step.moment {
                Moment::At(at_ms) => Due::At(at_ms.max(self.last_ms)),
                Moment::Then { plus_ms } => Due::At(self.last_ms + plus_ms),
                Moment::After { .. } => Due::Unknown,
            };
            (step, due)
        });
    }

    async fn take_steps(&mut self) {
        while let Some((step, due)) = self.next {
            let due_ms = match (due, &step.moment) {
                (Due::At(at_ms), _) => at_ms,
                (Due::Unknown, Moment::After { line, plus_ms }) => {
                    let Some((index, at_ms)) = self.log.find(self.seen, line) else { return };
                    self.seen = index + 1;
                    at_ms + plus_ms
                }
                (Due::Unknown, _) => unreachable!("only what waits for a line has no time"),
            };
            self.next = Some((step, Due::At(due_ms)));
            if self.log.now_ms() < due_ms {
                return;
            }
            self.last_ms = self.log.now_ms();
            self.act(&step.act).await;
            self.take_next();
        }
    }

    async fn act(&mut self, act: &Act) {
        match act.clone() {
            Act::Waits => {}
            Act::Says { words, lasting_ms } => {
                self.log.note(format!("caller says {words}"));
                self.far.say(&words, lasting_ms.unwrap_or_else(|| sound::spoken_ms(&words)));
            }
            Act::Noise(ms) => {
                self.log.note("caller is loud");
                self.far.make_noise(ms);
            }
            Act::Presses(keys) => {
                let now_ms = self.log.now_ms();
                self.keys.extend(keys.chars().zip(0..).map(|(key, n)| (now_ms + n * KEY_MS, key)));
            }
            Act::HangsUp => {
                self.log.note("caller hangs up");
                self.far.fall_silent();
                self.caller.hang_up().await;
            }
            Act::Line(event) => {
                self.log.note(format!("line tells {event:?}"));
                self.happens(event).await;
            }
            Act::LosesMedia => self.far.lose().await,
            Act::Drains => self.house.rig.begin_stop(),
            Act::Order(order) => {
                let rig = &self.house.rig;
                self.orders.push(async move { rig.order(0, order).await }.boxed());
            }
            Act::VoiceBreaks { voice, how, times } => {
                self.log.note(format!("{voice} breaks"));
                let mut manners = self.house.voices.manners.lock().unwrap();
                let manner = manners.entry(voice).or_default();
                (manner.trouble, manner.times) = (Some(how), times);
            }
            Act::ListenerBreaks { listener, how, times } => {
                self.log.note(format!("{listener} breaks"));
                let mut manners = self.house.listeners.manners.lock().unwrap();
                let manner = manners.entry(listener).or_default();
                (manner.trouble, manner.times) = (Some(how), times);
            }
            Act::Heals(plugin) => {
                self.log.note(format!("{plugin} heals"));
                if let Some(manner) = self.house.voices.manners.lock().unwrap().get_mut(&plugin) {
                    (manner.trouble, manner.times) = (None, None);
                }
                if let Some(manner) = self.house.listeners.manners.lock().unwrap().get_mut(&plugin) {
                    (manner.trouble, manner.times) = (None, None);
                }
            }
            Act::AgentTakes => *self.house.agent.manner.lock().unwrap() = super::script::AgentManner::Takes,
        }
    }

    async fn press_keys(&mut self) {
        let now_ms = self.log.now_ms();
        let due: Vec<char> = self.keys.extract_if(.., |(at_ms, _)| *at_ms <= now_ms).map(|(_, key)| key).collect();
        for key in due {
            self.log.note(format!("caller presses {key}"));
            self.happens(TelephonyEvent::Digit(key)).await;
        }
    }

    async fn happens(&mut self, event: TelephonyEvent) {
        if let Some(telephony) = &self.caller.telephony {
            // A call that is over does not listen.
            let _ = telephony.send(event).await;
        }
    }

    fn note_what_happened(&mut self) {
        let acts = self.caller.acts();
        acts[self.acts..].iter().for_each(|act| self.log.note(format!("leg is told {act}")));
        self.acts = acts.len();
        let published = self.house.rig.published();
        published[self.facts..].iter().for_each(|(.., fact)| self.log.note(line_of(fact)));
        self.facts = published.len();
        let observed = self.house.rig.observations();
        observed[self.observations..].iter().filter_map(observed_line).for_each(|line| self.log.note(line));
        self.observations = observed.len();
    }
}

fn line_of(fact: &Fact) -> String {
    match fact {
        Fact::Started(_) => "call comes".to_owned(),
        Fact::Answered(_) => "call is answered".to_owned(),
        Fact::TakenOver => "call is taken over".to_owned(),
        Fact::Adopted { .. } => "call is adopted".to_owned(),
        Fact::Hearing { text, .. } => format!("hearing {}", text.as_str()),
        Fact::Heard { text, .. } => format!("heard {}", text.as_str()),
        Fact::NotUnderstood { .. } => "not_understood".to_owned(),
        Fact::Withheld { .. } => "withheld".to_owned(),
        Fact::Saying { text, .. } => format!("saying {}", text.as_str()),
        Fact::LanguageChanged { language } => format!("language {language}"),
        Fact::Filler { text, .. } => format!("filler {}", text.as_str()),
        Fact::Interrupted { spoken_ms, extent, .. } => format!("interrupted after {spoken_ms} {}", extent.code()),
        Fact::Agent(_) => "agent is known".to_owned(),
        Fact::Turn(record) => {
            let whole = if record.interrupted { "interrupted" } else { "whole" };
            format!("turn {whole} {} -> {}", record.heard.as_str(), record.said.as_str())
        }
        Fact::Fell { who, plugin, code } => {
            let plugin = plugin.as_ref().map_or("agent", |plugin| plugin.as_str());
            format!("fell {plugin} {} {code}", who.code())
        }
        Fact::Shadowed(turn) => format!("shadowed {} {}", turn.plugin, turn.agreement.code()),
        Fact::Escalated { target, reason } => format!("escalated {target} {reason}"),
        Fact::PathSilent(code) => format!("path_silent {code}"),
        Fact::Refused(refusal) => format!("refused {}", refusal.code()),
        Fact::Transferring { kind, mode } => format!("transferring {kind} {}", mode.code()),
        Fact::Transferred { kind, mode } => format!("transferred {kind} {}", mode.code()),
        Fact::Referred { kind } => format!("referred {kind}"),
        Fact::TransferFailed { kind, mode, code } => format!("transfer_failed {kind} {} {code}", mode.code()),
        Fact::Used { who, plugin, usage } => format!("used {plugin} {} {usage:?}", who.code()),
        Fact::Recording(fact) => format!("recording {}", fact.name()),
        Fact::Ended(outcome) => format!("ended {}", outcome.cause.code()),
    }
}

/// What is not told as a fact.
fn observed_line(observation: &Observation) -> Option<String> {
    match observation {
        Observation::BreakerTurned { plugin, open, .. } => {
            Some(format!("breaker {} {plugin}", if *open { "opens" } else { "closes" }))
        }
        Observation::SpeculationJudged(outcome) => Some(format!("speculation {}", outcome.code())),
        Observation::EndJudged { end, .. } => Some(format!("end_of_turn {}", end.code())),
        Observation::OverlapJudged(overlap) => Some(format!("overlap {}", overlap.code())),
        Observation::AudioDropped { .. } => Some("audio_dropped".to_owned()),
        Observation::DeadAir => Some("dead_air".to_owned()),
        Observation::SpeechFaulty { plugin, fault } => Some(format!("faulty {plugin} {}", fault.code())),
        Observation::InputRefused { phase, input } => Some(format!("refused {phase} {input}")),
        Observation::CallLeaked(what) => Some(format!("leaked {what}")),
        _ => None,
    }
}

fn order_code(error: &OrderError) -> String {
    format!("{error:?}")
}
