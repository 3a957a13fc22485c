//! What a tenant has chosen.

use crate::fallback::Fallback;
use crate::ids::{PluginId, TenantId};
use crate::keypad::{Menu, MenuAction};
use crate::mask;
use crate::outbound::OutboundRules;
use crate::recording::{RecordingPolicy, RecordingRules};
use crate::transfer::TransferSettings;
use crate::usage::Usage;
use std::fmt;
use std::num::NonZeroUsize;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

/// A tenant's choices, parsed and complete. Loaded once per call; a change applies to the next call.
#[derive(Clone, Debug, PartialEq)]
pub struct TenantSettings {
    /// Whose settings these are.
    pub tenant: TenantId,
    /// BCP 47 tag of the language spoken, for example `en-US`.
    pub language: String,
    /// Said as soon as the call is up.
    pub greeting: String,
    /// Whether the caller may speak over the greeting.
    pub greeting_interruptible: bool,
    /// Who listens.
    pub hearing: Ladder,
    /// Who speaks.
    pub speaking: Ladder,
    /// Who listens beside, for comparison; none where nobody does.
    pub shadow: Option<ShadowSettings>,
    /// Lines that the gateway says by itself.
    pub prompts: Prompts,
    /// When the gateway acts by itself.
    pub timing: Timing,
    /// What is done where the agent does not answer.
    pub fallback: Fallback,
    /// Dialplan place (`context,extension`) that reaches a person; none where there is nobody.
    pub human: Option<String>,
    /// Whom else callers may be handed over to.
    pub transfer: TransferSettings,
    /// What its callers' keys do; none where they mean nothing by themselves.
    pub menu: Option<Menu>,
    /// How card data is masked in its calls.
    pub pci: PciSettings,
    /// Whether and how its calls are recorded.
    pub recording: RecordingRules,
    /// Calls at the same time; one more is refused. None for the gateway's limit alone.
    pub calls_max: Option<NonZeroUsize>,
    /// So long a call may last from its answer on; none for any time.
    pub call_max: Option<Duration>,
    /// Questions that a call may put to the agent before their turn is over, so that the answer has a head start; 0 for none.
    pub speculations_max: u32,
    /// Whom the gateway may call for it; none: nobody.
    pub outbound: Option<OutboundRules>,
    /// Who is told what happens in its calls.
    pub webhooks: Vec<Webhook>,
    /// The same tenant in other languages, each complete. A call goes over to one where its agent says so.
    pub languages: Vec<Arc<TenantSettings>>,
}

/// A place of a tenant's own that is told of events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    /// Names it among the tenant's.
    pub name: String,
    /// Where events are posted to.
    pub url: String,
    /// Types of events; one that ends with `*` means all that begin so.
    pub types: Vec<String>,
    /// A reference to the key that signs, never the key.
    pub secret: String,
}

impl TenantSettings {
    /// Who hears and speaks, and nothing else: no lines, nobody to hand over to, every time as usual.
    pub fn new(tenant: TenantId, language: impl Into<String>, hearing: Ladder, speaking: Ladder) -> Self {
        Self {
            tenant,
            language: language.into(),
            greeting: String::new(),
            greeting_interruptible: true,
            hearing,
            speaking,
            prompts: Prompts::default(),
            timing: Timing::default(),
            fallback: Fallback::default(),
            human: None,
            transfer: TransferSettings::default(),
            menu: None,
            pci: PciSettings::default(),
            recording: RecordingRules::default(),
            calls_max: None,
            call_max: None,
            shadow: None,
            speculations_max: 0,
            outbound: None,
            webhooks: Vec::new(),
            languages: Vec::new(),
        }
    }

    /// The settings for the language of this tag, with the same region or, where it is in none, with any; none where the tenant has none.
    pub fn in_language(self: &Arc<Self>, tag: &str) -> Option<&Arc<Self>> {
        let all = || std::iter::once(self).chain(&self.languages);
        let exactly = all().find(|settings| settings.language.eq_ignore_ascii_case(tag));
        exactly
            .or_else(|| all().find(|settings| primary_language(&settings.language).eq_ignore_ascii_case(primary_language(tag))))
    }

    /// What is said word for word in every call, or whenever its key is pressed.
    pub fn lines(&self) -> Arc<[String]> {
        let Prompts {
            not_understood,
            still_there,
            time_is_nearly_up,
            agent_unavailable,
            farewell,
            transfer_failed,
            back_again,
            recording_notice,
            recording_question,
            recording_deleted,
            fillers,
            use_keypad,
            card_number,
            card_expiry,
            card_code,
            card_invalid,
        } = &self.prompts;
        let of_recordings: &[&String] = match self.recording.policy {
            RecordingPolicy::Off => &[],
            RecordingPolicy::On => &[recording_notice, recording_deleted],
            RecordingPolicy::Consent => &[recording_question, recording_deleted],
        };
        let of_menu = self.menu.iter().flat_map(|menu| {
            let by_key = menu.keys.iter().filter_map(|(_, action)| match action {
                MenuAction::Say(line) => Some(line),
                MenuAction::Ask(_) | MenuAction::Human | MenuAction::Transfer(_) | MenuAction::HangUp => None,
            });
            std::iter::once(&menu.prompt).chain(by_key)
        });
        let lines = [
            &self.greeting,
            not_understood,
            still_there,
            time_is_nearly_up,
            agent_unavailable,
            farewell,
            transfer_failed,
            back_again,
            use_keypad,
            card_number,
            card_expiry,
            card_code,
            card_invalid,
        ];
        lines
            .into_iter()
            .chain(of_recordings.iter().copied())
            .chain(fillers)
            .chain(of_menu)
            .chain(self.fallback.answers.values())
            .cloned()
            .collect()
    }
}

/// The language of a BCP 47 tag, without region and whatever else.
pub fn primary_language(tag: &str) -> &str {
    tag.split(['-', '_']).next().unwrap_or_default()
}

/// How card data is masked in a tenant's calls, as far as the tenant has chosen; the rest is the gateway's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PciSettings {
    /// What becomes of the caller's words where the plugin cannot mask them. A gateway that is strict is so for everybody.
    pub mode: Option<mask::Mode>,
    /// Who masks; some of none: the built-in mask alone.
    pub plugin: Option<Option<PluginId>>,
    /// What is masked.
    pub kinds: Option<Vec<mask::Kind>>,
    /// Whether the last four digits of a card number may be shown.
    pub last_four: Option<bool>,
    /// BCP 47 tags of the languages in which numbers may be said; none for those of the tenant.
    pub languages: Option<Vec<String>>,
    /// Whether a card that the agent asks for may be said as well: then a listener's vendor hears it. Not where masking is strict.
    pub spoken_cards: bool,
}

/// A second listener: it hears the same, and nobody is served by it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShadowSettings {
    /// Who.
    pub provider: Provider,
    /// How many calls of a thousand.
    pub share_per_mille: u16,
    /// Whether masked words of both are told where they are compared. Otherwise only their number is.
    pub keep_words: bool,
}

/// The providers of a role in the order in which they are tried. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ladder {
    /// *Invariant:* at least one.
    rungs: Arc<[Provider]>,
}

impl Ladder {
    /// `first` is tried before `others`.
    pub fn new(first: Provider, others: impl IntoIterator<Item = Provider>) -> Self {
        Self { rungs: std::iter::once(first).chain(others).collect() }
    }

    /// Who is tried first.
    pub fn first(&self) -> &Provider {
        &self.rungs[0]
    }

    /// All of them, in order.
    pub fn rungs(&self) -> &[Provider] {
        &self.rungs
    }
}

impl From<Provider> for Ladder {
    fn from(only: Provider) -> Self {
        Self::new(only, [])
    }
}

/// A plugin, and how a tenant uses it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Provider {
    /// The plugin's name, for example `stt-local`, or `name@version`.
    pub plugin: PluginId,
    /// One JSON object as text that satisfies the plugin's schema.
    pub options: String,
    /// BCP 47 tags of the languages it is used for; empty for every language.
    pub languages: Vec<String>,
    /// What it may reach with which keys.
    pub access: Access,
    /// How much of it the tenant uses at most.
    pub share: Share,
    /// What sound it is given or asked for; none for what suits the call best.
    pub sound: Option<Sound>,
}

/// How samples travel between gateway and plugin, one channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Sound {
    /// How a sample is written.
    pub coding: Coding,
    /// Samples per second.
    pub rate_hz: u32,
}

/// How a sample is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Coding {
    /// 16 bits, linear.
    Linear,
    /// G.711 mu-law.
    Mulaw,
    /// G.711 A-law.
    Alaw,
}

/// Text that names no [`Sound`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SoundError;

impl fmt::Display for SoundError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("expected pcm, mulaw or alaw, a hyphen and the rate in Hz, for example pcm-16000")
    }
}

impl std::error::Error for SoundError {}

impl FromStr for Sound {
    type Err = SoundError;

    fn from_str(text: &str) -> Result<Self, SoundError> {
        let (coding, rate_hz) = text.split_once('-').ok_or(SoundError)?;
        let coding = [Coding::Linear, Coding::Mulaw, Coding::Alaw].into_iter().find(|known| known.name() == coding);
        Ok(Self { coding: coding.ok_or(SoundError)?, rate_hz: rate_hz.parse().map_err(|_| SoundError)? })
    }
}

impl Coding {
    /// As it is written in settings.
    pub fn name(self) -> &'static str {
        match self {
            Self::Linear => "pcm",
            Self::Mulaw => "mulaw",
            Self::Alaw => "alaw",
        }
    }
}

impl fmt::Display for Coding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A tenant's own cut of what a plugin may reach, and the keys it uses there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Access {
    /// `scheme://host[:port]`; none for all that plugin and operator agree on.
    pub hosts: Option<Vec<String>>,
    /// One JSON object as text: where each secret of the plugin is kept, by its name. References, never values. Empty for no secret.
    pub secrets: String,
}

/// A tenant's own limits on a plugin; none for the operator's alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Share {
    /// Sessions at a time, of all calls of one gateway.
    pub sessions_max: Option<u32>,
    /// So long a session that is one too many waits for one to end before the next rung serves; none for the gateway's own time.
    pub sessions_wait: Option<Duration>,
    /// Connections at a time.
    pub connections_max: Option<u32>,
    /// Seconds of sound that are listened to, by the provider's own count, in a day (UTC).
    pub audio_s_per_day: Option<u64>,
    /// Characters that are spoken, the same.
    pub characters_per_day: Option<u64>,
}

impl Share {
    /// Whether there is a budget for the day.
    pub fn has_budget(&self) -> bool {
        self.audio_s_per_day.is_some() || self.characters_per_day.is_some()
    }

    /// Whether the budget of a day in which so much was worked is used up.
    pub fn is_spent(&self, worked: Usage) -> bool {
        self.audio_s_per_day.is_some_and(|max| worked.audio_ms / 1_000 >= max)
            || self.characters_per_day.is_some_and(|max| worked.characters >= max)
    }
}

impl Provider {
    /// A plugin with these options (one JSON object as text), for every language, without keys or limits.
    pub fn new(plugin: PluginId, options: impl Into<String>) -> Self {
        let (access, share) = (Access::default(), Share::default());
        Self { plugin, options: options.into(), languages: Vec::new(), access, share, sound: None }
    }
}

/// Lines that the gateway says by itself, in the tenant's language.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Prompts {
    /// Nothing was understood.
    pub not_understood: String,
    /// Nothing was said.
    pub still_there: String,
    /// Said a minute before the call has lasted as long as it may; empty where nothing is to be said.
    pub time_is_nearly_up: String,
    /// The agent did not answer in time or fell.
    pub agent_unavailable: String,
    /// Last words before the gateway hangs up by itself.
    pub farewell: String,
    /// A hand-over came to nothing; the call goes on.
    pub transfer_failed: String,
    /// The caller heard nothing for a while, since the gateway that held the call is gone; empty where nothing is to be said.
    pub back_again: String,
    /// What the caller says cannot be masked, and is therefore heard by nobody.
    pub use_keypad: String,
    /// Asks for a card's number by keys.
    pub card_number: String,
    /// Asks for its expiry date: month and year, two digits each.
    pub card_expiry: String,
    /// Asks for its security code.
    pub card_code: String,
    /// What was keyed in of a card cannot be right; the question follows again.
    pub card_invalid: String,
    /// Said before anything else where calls are recorded and the caller is to know; empty where nothing is to be said.
    pub recording_notice: String,
    /// Asks for the caller's consent; empty where nobody is asked, and so nobody recorded.
    pub recording_question: String,
    /// The caller objected, and nothing is kept; empty where nothing is to be said.
    pub recording_deleted: String,
    /// Said in turn while an answer is late; none where nothing is to be said.
    pub fillers: Vec<String>,
}

/// When the gateway acts by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timing {
    /// Silence of the caller after which the turn is over, from the last voiced sample. Where there are bounds: of a caller of whom nothing
    /// is known and whose words tell nothing; all other waits follow from it.
    pub endpoint_wait: Duration,
    /// Between what the wait follows caller and words; none for a wait that is always the same.
    pub endpoint_bounds: Option<Bounds>,
    /// Caller silence after which `still_there` is said.
    pub silence: Duration,
    /// Caller speech that lasts so long interrupts the agent without words: the voice activity detector tells of an end after 200 ms, so at 400
    /// the voice itself was there for 200. Until then what is said stands still.
    pub barge_in: Duration,
    /// The agent's time for its first words.
    pub agent_deadline: Duration,
    /// So long after the question something is said where no clause of the answer has come; none where nothing is to be said.
    pub filler: Option<Duration>,
    /// So long after what was said meanwhile, and again and again, a tone tells that the caller is not forgotten; none for silence.
    pub hold: Option<Duration>,
    /// The time for the first audio of an utterance.
    pub speech_deadline: Duration,
    /// The time from `finalize` to the last final words.
    pub final_deadline: Duration,
}

/// The shortest and the longest wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// No wait is shorter. The voice activity detector reports a pause after 200 ms.
    pub floor: Duration,
    /// No wait is longer. *Invariant:* at least `floor`.
    pub ceiling: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { floor: Duration::from_millis(250), ceiling: Duration::from_millis(1_500) }
    }
}

impl Default for Timing {
    /// The source design's section 9 where it gives a figure (silence 5 s, agent 10 s, speech 5 s).
    fn default() -> Self {
        Self {
            endpoint_wait: Duration::from_millis(500),
            endpoint_bounds: Some(Bounds::default()),
            silence: Duration::from_secs(5),
            barge_in: Duration::from_millis(400),
            agent_deadline: Duration::from_secs(10),
            filler: Some(Duration::from_millis(800)),
            hold: Some(Duration::from_secs(2)),
            speech_deadline: Duration::from_secs(5),
            final_deadline: Duration::from_secs(2),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fallback::Intent;
    use crate::keypad::MenuStart;

    /// Each prompt says its own name. Written out, so that a new one is thought of here.
    fn all_prompts() -> Prompts {
        Prompts {
            not_understood: "not understood".into(),
            still_there: "still there".into(),
            time_is_nearly_up: "time is nearly up".into(),
            agent_unavailable: "agent unavailable".into(),
            farewell: "farewell".into(),
            transfer_failed: "transfer failed".into(),
            back_again: "back again".into(),
            use_keypad: "use keypad".into(),
            card_number: "card number".into(),
            card_expiry: "card expiry".into(),
            card_code: "card code".into(),
            card_invalid: "card invalid".into(),
            recording_notice: "recording notice".into(),
            recording_question: "recording question".into(),
            recording_deleted: "recording deleted".into(),
            fillers: vec!["first filler".into(), "second filler".into()],
        }
    }

    const ALWAYS: &[&str] = &[
        "greeting",
        "not understood",
        "still there",
        "time is nearly up",
        "agent unavailable",
        "farewell",
        "transfer failed",
        "back again",
        "use keypad",
        "card number",
        "card expiry",
        "card code",
        "card invalid",
        "first filler",
        "second filler",
        "menu",
        "opening hours",
        "order is late",
    ];

    #[test]
    fn whatever_a_tenant_has_written_to_be_said_is_among_its_lines() {
        let provider = Provider::new(PluginId::new("a"), "{}");
        let keys = vec![('1', MenuAction::Say("opening hours".into())), ('2', MenuAction::Ask("for the agent alone".into()))];
        let menu = Menu { prompt: "menu".into(), keys, starts: vec![MenuStart::Call], wait: Duration::from_secs(5), tries: 1 };
        let answers = [(Intent::parse("delivery").unwrap(), "order is late".to_owned())].into();
        let tenant = TenantSettings {
            greeting: "greeting".into(),
            prompts: all_prompts(),
            fallback: Fallback { answers, ..Fallback::default() },
            menu: Some(menu),
            ..bare("en-US", &provider, Vec::new())
        };
        for (policy, of_recordings) in [
            (RecordingPolicy::Off, &[][..]),
            (RecordingPolicy::On, &["recording notice", "recording deleted"][..]),
            (RecordingPolicy::Consent, &["recording question", "recording deleted"][..]),
        ] {
            let mut tenant = tenant.clone();
            tenant.recording.policy = policy;
            let lines = tenant.lines();
            let mut found: Vec<&str> = lines.iter().map(String::as_str).collect();
            let mut expected = [ALWAYS, of_recordings].concat();
            found.sort_unstable();
            expected.sort_unstable();
            assert_eq!(found, expected, "{policy:?}");
        }
    }

    #[test]
    fn a_tenant_without_a_menu_has_no_line_of_one() {
        let provider = Provider::new(PluginId::new("a"), "{}");
        assert!(bare("en-US", &provider, Vec::new()).lines().iter().all(String::is_empty));
    }

    #[test]
    fn a_language_is_found_by_its_tag_and_else_by_its_first_part() {
        let of = |tag: &str, languages: &[&str]| {
            let provider = Provider::new(PluginId::new("a"), "{}");
            let languages = languages.iter().map(|tag| Arc::new(bare(tag, &provider, Vec::new()))).collect();
            Arc::new(bare(tag, &provider, languages))
        };
        let tenant = of("en-US", &["pt-BR", "pt-PT", "es-MX"]);
        let found = |tag: &str| tenant.in_language(tag).map(|settings| settings.language.as_str());
        assert_eq!(
            ["pt-PT", "PT-br", "pt", "es-AR", "en_GB"].map(found),
            ["pt-PT", "pt-BR", "pt-BR", "es-MX", "en-US"].map(Some)
        );
        assert_eq!(["fi", "", "p"].map(found), [None; 3]);
    }

    fn bare(language: &str, provider: &Provider, languages: Vec<Arc<TenantSettings>>) -> TenantSettings {
        let settings = TenantSettings::new(TenantId::new("t"), language, provider.clone().into(), provider.clone().into());
        TenantSettings { languages, ..settings }
    }

    #[test]
    fn rungs_are_tried_in_the_order_in_which_they_are_written() {
        let provider = |name: &str| Provider::new(PluginId::new(name), "{}");
        let ladder = Ladder::new(provider("a"), [provider("b"), provider("c")]);
        assert_eq!(ladder.first().plugin.as_str(), "a");
        let names: Vec<&str> = ladder.rungs().iter().map(|rung| rung.plugin.as_str()).collect();
        assert_eq!(names, ["a", "b", "c"]);
    }
}
