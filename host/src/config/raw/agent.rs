//! `[agent]` as it is written.

use super::super::{Agent, ChatAgent, Faults, RemoteAgent, secret};
use super::{at_least_one, number, paths};
use serde::Deserialize;
use std::path::PathBuf;
use std::time::Duration;
use url::Url;
use vg_domain::pii::Pii;

/// What a language model is told where the operator says nothing.
const SYSTEM: &str = "You answer calls by telephone. Speak plainly and briefly, in one to three sentences without lists, links or markup. \
    Ask one question at a time.";
/// Longer answers are cut: nobody listens to one voice for a minute.
const ANSWER_S: usize = 60;
const HISTORY_TURNS: usize = 20;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawAgent {
    kind: Option<String>,
    url: Option<String>,
    token: Option<String>,
    #[serde(deserialize_with = "paths")]
    operator_cas: Option<Vec<PathBuf>>,
    #[serde(deserialize_with = "number")]
    answer_s: Option<usize>,
    model: Option<String>,
    system: Option<String>,
    #[serde(deserialize_with = "number")]
    history_turns: Option<usize>,
}

impl RawAgent {
    pub(super) fn resolve(self, environment: &[(String, String)], faults: &mut Faults) -> Agent {
        let written = |text: &Option<String>| text.as_deref().is_some_and(|text| !text.is_empty());
        let kind = self.kind.as_deref().filter(|kind| !kind.is_empty());
        if kind.is_none() && written(&self.url) {
            faults.add("agent.kind", "is needed where agent.url is set: http, grpc or openai");
        }
        let agent = match kind.unwrap_or("builtin") {
            "builtin" => Some(Agent::Builtin),
            "http" => self.remote(environment, faults).map(Agent::Http),
            "grpc" => self.remote(environment, faults).map(Agent::Grpc),
            "openai" => self.chat(environment, faults).map(Agent::Chat),
            _ => {
                faults.add("agent.kind", "expected builtin, http, grpc or openai");
                None
            }
        };
        agent.unwrap_or_default()
    }

    fn remote(&self, environment: &[(String, String)], faults: &mut Faults) -> Option<RemoteAgent> {
        let url = match self.url.as_deref().filter(|url| !url.is_empty()) {
            None => Err("is needed"),
            Some(url) => base(url),
        };
        let url = url.map_err(|what| faults.add("agent.url", what)).ok();
        let token = match self.token.as_deref().filter(|token| !token.is_empty()) {
            None => Some(None),
            Some(reference) => token(reference, environment).map_err(|what| faults.add("agent.token", what)).ok().map(Some),
        };
        let mut answer_s = ANSWER_S;
        at_least_one(&mut answer_s, "agent.answer_s", self.answer_s, faults);
        let operator_cas = self.operator_cas.clone().unwrap_or_default();
        Some(RemoteAgent { url: url?, token: token?, operator_cas, answer: Duration::from_secs(answer_s as u64) })
    }

    fn chat(self, environment: &[(String, String)], faults: &mut Faults) -> Option<ChatAgent> {
        let remote = self.remote(environment, faults);
        let model = self.model.filter(|model| !model.is_empty());
        if model.is_none() {
            faults.add("agent.model", "is needed");
        }
        let system = self.system.filter(|system| !system.is_empty()).unwrap_or_else(|| SYSTEM.to_owned());
        let mut history_turns = HISTORY_TURNS;
        at_least_one(&mut history_turns, "agent.history_turns", self.history_turns, faults);
        Some(ChatAgent { remote: remote?, model: model?, system, history_turns })
    }
}

fn base(text: &str) -> Result<Url, &'static str> {
    let url: Url = text.parse().map_err(|_| "expected a URL such as https://agent.example")?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err("expected a URL such as https://agent.example");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("holds a name or password: a secret stands in agent.token");
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("must end with the path");
    }
    Ok(url)
}

fn token(reference: &str, environment: &[(String, String)]) -> Result<Pii<String>, String> {
    let token = secret::resolve(reference, environment)?;
    match token.reveal().bytes().all(|byte| byte.is_ascii_graphic()) && !token.reveal().is_empty() {
        true => Ok(token),
        false => Err(format!("{reference} is empty or holds what no header can")),
    }
}
