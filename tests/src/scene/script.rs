//! The language: who does what when, and what is expected. An unknown word is refused.

mod step;

pub(super) use step::{Act, Moment, Step};

use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use vg_domain::fallback::{Fallback, Intent};
use vg_domain::ids::PluginId;
use vg_domain::keypad::{Menu, MenuAction, MenuStart};
use vg_domain::tenant::{Bounds, Ladder, Prompts, Provider, TenantSettings, Timing};
use vg_domain::transfer::TransferTarget;

/// One scenario.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Scenario {
    /// The behaviour, as a sentence.
    #[serde(rename = "about")]
    _about: String,
    /// What the agent answers.
    #[serde(default)]
    pub(super) answers: Vec<Answer>,
    /// What happens, in order.
    pub(super) steps: Vec<Step>,
    #[serde(default)]
    tenant: Tenant,
    #[serde(default)]
    timing: Times,
    menu: Option<Keys>,
    /// By plugin.
    #[serde(default)]
    pub(super) listener: BTreeMap<String, ListenerManner>,
    /// By plugin.
    #[serde(default)]
    pub(super) voice: BTreeMap<String, VoiceManner>,
    #[serde(default)]
    pub(super) agent: AgentManner,
    /// None: nobody keeps cards.
    pub(super) vault: Option<VaultManner>,
    pub(super) expect: Expect,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Tenant {
    greeting: String,
    greeting_interruptible: bool,
    language: String,
    listeners: Vec<String>,
    voices: Vec<String>,
    /// Questions that may be put before their turn is over.
    speculations: u32,
    /// Said while an answer is late.
    fillers: Vec<String>,
    /// By intent: said in place of an answer that does not come.
    fallback: BTreeMap<String, String>,
    /// The call lasts no longer, in milliseconds; 0 for as long as it likes.
    call_max: u64,
    /// Another language, with a listener and a voice of its own.
    other: Option<Other>,
    /// Dialplan place of a person; empty for nobody.
    human: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Other {
    language: String,
    listener: String,
    voice: String,
    not_understood: String,
}

impl Default for Tenant {
    fn default() -> Self {
        Self {
            greeting: "Hello.".to_owned(),
            greeting_interruptible: true,
            language: "en-US".to_owned(),
            listeners: vec!["stt-first".to_owned()],
            voices: vec!["tts-first".to_owned()],
            speculations: 0,
            fillers: Vec::new(),
            fallback: BTreeMap::new(),
            call_max: 0,
            other: None,
            human: "people,s".to_owned(),
        }
    }
}

/// In milliseconds; what is not said is as the domain has it.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Times {
    /// The same wait for every caller.
    fixed_wait: Option<u64>,
    /// The longest wait.
    wait_max: Option<u64>,
    silence: Option<u64>,
    barge_in: Option<u64>,
    agent: Option<u64>,
    speech: Option<u64>,
    last_words: Option<u64>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Keys {
    prompt: String,
    keys: BTreeMap<char, Key>,
    #[serde(default)]
    starts: Vec<Start>,
    #[serde(default = "Keys::wait")]
    wait: u64,
    #[serde(default = "Keys::tries")]
    tries: u32,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Start {
    Call,
    HearingLost,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Key {
    Say(String),
    Ask(String),
    Human,
    Queue(String),
    HangUp,
}

impl Keys {
    fn wait() -> u64 {
        5_000
    }

    fn tries() -> u32 {
        2
    }
}

/// How a listener listens.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ListenerManner {
    /// Whether it guesses before it is sure.
    pub(super) partials: bool,
    /// Milliseconds from a word to the guess at it.
    pub(super) partial_ms: u64,
    /// Milliseconds from the question for the last words to the answer.
    pub(super) final_ms: u64,
    /// Milliseconds after a pause in which it gives its final words unasked; none where it waits to be asked.
    pub(super) own_final_ms: Option<u64>,
    /// It gives the last words in two pieces.
    pub(super) in_two: bool,
    /// Its last words are others than its guesses were: one for the other.
    pub(super) mishears: BTreeMap<String, String>,
    pub(super) trouble: Option<ListenerTrouble>,
    /// So often the trouble shows; none: for ever.
    pub(super) times: Option<u32>,
}

impl Default for ListenerManner {
    fn default() -> Self {
        Self {
            partials: true,
            partial_ms: 100,
            final_ms: 100,
            own_final_ms: None,
            in_two: false,
            mishears: BTreeMap::new(),
            trouble: None,
            times: None,
        }
    }
}

/// What ails a listener.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ListenerTrouble {
    /// It does not open, with this code.
    Refuses(String),
    /// It falls at the next sound, with this code.
    Falls(String),
    /// It falls when it is asked for the last words, with this code.
    FallsAtTheEnd(String),
    /// It hears nothing and says nothing, not even that.
    HalfOpen,
    /// It understands nothing, and says so when it is asked.
    HearsNothing,
    /// It understands, and never answers when it is asked for the last words.
    NeverFinal,
}

/// How a voice speaks.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct VoiceManner {
    /// Milliseconds from a text to its first sound.
    pub(super) first_ms: u64,
    /// Milliseconds of silence in its sound before each text.
    pub(super) breath_ms: u64,
    /// It tells where its words lie.
    pub(super) words: bool,
    pub(super) trouble: Option<VoiceTrouble>,
    /// So many sessions have it; none: all.
    pub(super) times: Option<u32>,
}

impl Default for VoiceManner {
    fn default() -> Self {
        Self { first_ms: 100, breath_ms: 0, words: false, trouble: None, times: None }
    }
}

/// What ails a voice.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum VoiceTrouble {
    /// It does not open, with this code.
    Refuses(String),
    /// It falls after so many characters of a text, as `trap`.
    FallsAfter(usize),
    /// It says so many characters, and then nothing more.
    StallsAfter(usize),
    /// It says that all is said, and has said nothing.
    NoAudio,
    /// It takes text and says nothing.
    HalfOpen,
}

/// How the vault keeps cards.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct VaultManner {
    /// Milliseconds that it takes.
    pub(super) takes: u64,
    /// It keeps none.
    pub(super) refuses: bool,
}

/// How the agent takes conversations.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum AgentManner {
    /// At once.
    #[default]
    Takes,
    /// Never, until a step says otherwise.
    Refuses,
}

/// What the agent answers.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Answer {
    /// To these words, as often as they come; none: to whatever comes, once.
    pub(super) to: Option<String>,
    /// Milliseconds until it begins.
    #[serde(default = "Answer::after")]
    pub(super) after: u64,
    /// Words, and milliseconds between them.
    #[serde(default)]
    pub(super) says: Vec<Piece>,
    /// What it expects of the caller then.
    pub(super) expects: Option<String>,
    /// What it takes the conversation to be about.
    pub(super) intent: Option<String>,
    /// How long it wants to wait for the caller then, in milliseconds.
    pub(super) waits: Option<u64>,
    /// How long it asks to be waited for when it begins, in milliseconds.
    pub(super) holds: Option<u64>,
    /// In which language the call goes on, from before its first word.
    pub(super) language: Option<String>,
    /// Whether the caller may speak over it.
    pub(super) interruptible: Option<bool>,
    /// What it wants besides.
    pub(super) then: Option<Wish>,
    /// It falls with this code in place of an end.
    pub(super) falls: Option<String>,
    /// It does not end.
    #[serde(default)]
    pub(super) hangs: bool,
}

impl Answer {
    fn after() -> u64 {
        300
    }
}

/// A piece of an answer.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Piece {
    /// Words.
    Words(String),
    /// A pause, in milliseconds.
    Pause(u64),
}

/// What the agent wants besides speaking.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Wish {
    HangUp,
    Human,
    Menu,
    /// The caller is to be handed to a queue, blindly.
    Queue(String),
    /// The same, but the person is asked first.
    Attended(String),
    /// Digits are wanted: at most so many, or up to `#`.
    Digits(u8),
    /// A card is wanted: these fields.
    Card(Vec<String>),
}

/// What is to have happened.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Expect {
    /// All that the agent was asked, in order.
    pub(super) agent_hears: Option<Vec<String>>,
    /// Every utterance as the caller heard it, in order; `…` at its end where it was cut there or later.
    pub(super) caller_hears: Option<Vec<String>>,
    /// All that the agent was told that the caller had heard, in order.
    pub(super) history: Option<Vec<String>>,
    /// Lines of the transcript, in this order, among others.
    pub(super) happens: Vec<String>,
    /// Lines of the transcript that never come.
    pub(super) never: Vec<String>,
    /// How often a line of the transcript comes.
    pub(super) counts: BTreeMap<String, usize>,
    /// Why the call ends.
    pub(super) ends: String,
    /// The gateway owes the caller words and none are heard, for at most so many milliseconds.
    pub(super) silence_max: Option<u64>,
}

impl Scenario {
    /// The tenant's settings.
    pub(super) fn settings(&self) -> TenantSettings {
        let Tenant { greeting, greeting_interruptible, language, listeners, voices, speculations, .. } = &self.tenant;
        let Tenant { fillers, fallback, call_max, other, human, .. } = &self.tenant;
        let intent = |name: &String| Intent::parse(name).expect("an intent is a short name");
        let fallback = fallback.iter().map(|(name, line)| (intent(name), line.clone())).collect();
        let prompts = Prompts { fillers: fillers.clone(), ..crate::rig::settings().prompts };
        let settings = TenantSettings {
            prompts,
            speculations_max: *speculations,
            fallback: Fallback { answers: fallback, ..Fallback::default() },
            call_max: (*call_max > 0).then(|| Duration::from_millis(*call_max)),
            language: language.clone(),
            greeting: greeting.clone(),
            greeting_interruptible: *greeting_interruptible,
            hearing: ladder(listeners),
            speaking: ladder(voices),
            timing: self.timing.timing(),
            human: Some(human.clone()).filter(|human| !human.is_empty()),
            menu: self.menu.as_ref().map(Keys::menu),
            ..crate::rig::settings()
        };
        let other = other.clone().map(|Other { language, listener, voice, not_understood }| {
            let prompts = Prompts { not_understood, ..settings.prompts.clone() };
            let (hearing, speaking) = (ladder(&[listener]), ladder(&[voice]));
            Arc::new(TenantSettings { language, prompts, hearing, speaking, ..settings.clone() })
        });
        TenantSettings { languages: other.into_iter().collect(), ..settings }
    }

    /// The voices in the order of the ladder, and that of the other language.
    pub(super) fn voices(&self) -> Vec<String> {
        let other = self.tenant.other.as_ref().map(|other| other.voice.clone());
        self.tenant.voices.iter().cloned().chain(other).collect()
    }
}

fn ladder(names: &[String]) -> Ladder {
    let mut rungs = names.iter().map(|name| Provider::new(PluginId::new(name.as_str()), "{}"));
    Ladder::new(rungs.next().expect("a ladder has a rung"), rungs)
}

impl Times {
    fn timing(&self) -> Timing {
        let mut timing = Timing::default();
        let set = |time: &mut Duration, ms: Option<u64>| *time = ms.map_or(*time, Duration::from_millis);
        let mut bounds = Bounds::default();
        set(&mut bounds.ceiling, self.wait_max);
        timing.endpoint_bounds = self.fixed_wait.is_none().then_some(bounds);
        set(&mut timing.endpoint_wait, self.fixed_wait);
        set(&mut timing.silence, self.silence);
        set(&mut timing.barge_in, self.barge_in);
        set(&mut timing.agent_deadline, self.agent);
        set(&mut timing.speech_deadline, self.speech);
        set(&mut timing.final_deadline, self.last_words);
        timing
    }
}

impl Keys {
    fn menu(&self) -> Menu {
        let action = |key: &Key| match key.clone() {
            Key::Say(line) => MenuAction::Say(line),
            Key::Ask(words) => MenuAction::Ask(words),
            Key::Human => MenuAction::Human,
            Key::Queue(name) => MenuAction::Transfer(TransferTarget::Queue(name)),
            Key::HangUp => MenuAction::HangUp,
        };
        let start = |start: &Start| match start {
            Start::Call => MenuStart::Call,
            Start::HearingLost => MenuStart::HearingLost,
        };
        Menu {
            prompt: self.prompt.clone(),
            keys: self.keys.iter().map(|(key, does)| (*key, action(does))).collect(),
            starts: self.starts.iter().map(start).collect(),
            wait: Duration::from_millis(self.wait),
            tries: self.tries,
        }
    }
}
