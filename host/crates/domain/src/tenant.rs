//! What a tenant has chosen.

use crate::ids::{PluginId, TenantId};
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
    /// Who listens.
    pub hearing: Provider,
    /// Who speaks.
    pub speaking: Provider,
    /// Lines that the gateway says by itself.
    pub prompts: Prompts,
    /// When the gateway acts by itself.
    pub timing: Timing,
    /// Dialplan place (`context,extension`) that reaches a person; none where there is nobody.
    pub human: Option<String>,
}

/// A plugin and its options.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provider {
    /// The plugin's name, for example `stt-local`.
    pub plugin: PluginId,
    /// One JSON object as text, checked by the plugin.
    pub options: String,
}

/// Lines that the gateway says by itself, in the tenant's language.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prompts {
    /// Nothing was understood, or nothing was said.
    pub not_understood: String,
    /// The agent did not answer in time or fell.
    pub agent_unavailable: String,
    /// Last words before the gateway hangs up by itself.
    pub farewell: String,
}

/// When the gateway acts by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timing {
    /// Silence of the caller after which the turn is over, from the last voiced sample.
    pub endpoint_wait: Duration,
    /// Caller silence after which `not_understood` is said.
    pub silence: Duration,
    /// Caller speech shorter than this does not interrupt the agent. Must exceed the voice activity detector's hangover (200 ms): an end
    /// is only known after it.
    pub barge_in: Duration,
    /// The agent's time for its first words.
    pub agent_deadline: Duration,
    /// The time for the first audio of an utterance.
    pub speech_deadline: Duration,
    /// The time from `finalize` to the last final words.
    pub final_deadline: Duration,
}

impl Default for Timing {
    /// The source design's section 9 where it gives a figure (silence 5 s, agent 10 s, speech 5 s).
    fn default() -> Self {
        Self {
            endpoint_wait: Duration::from_millis(500),
            silence: Duration::from_secs(5),
            barge_in: Duration::from_millis(300),
            agent_deadline: Duration::from_secs(10),
            speech_deadline: Duration::from_secs(5),
            final_deadline: Duration::from_secs(2),
        }
    }
}
