//! `[menu]`: what a tenant's callers may press.

use crate::config::Faults;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::time::Duration;
use vg_domain::keypad::{Menu, MenuAction, MenuStart};
use vg_domain::pii::Pii;
use vg_domain::transfer::{Transfer, TransferMode, TransferSettings, TransferTarget};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawMenu {
    #[serde(default)]
    prompt: String,
    #[serde(default)]
    starts: Vec<RawStart>,
    #[serde(default = "wait_s")]
    wait_s: u16,
    #[serde(default = "tries")]
    tries: u8,
    #[serde(default)]
    keys: BTreeMap<String, RawAction>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum RawStart {
    Call,
    HearingLost,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum RawAction {
    Say(String),
    Ask(String),
    Human,
    Queue(String),
    Extension(String),
    Number(String),
    HangUp,
}

fn wait_s() -> u16 {
    5
}

fn tries() -> u8 {
    3
}

impl RawMenu {
    /// What leads nowhere is a fault now, not when somebody presses it.
    pub(super) fn resolve(self, human: Option<&str>, transfer: &TransferSettings, faults: &mut Faults) -> Option<Menu> {
        let before = faults.iter().count();
        if self.prompt.trim().is_empty() {
            faults.add("menu.prompt", "is needed");
        }
        for (key, number) in [("wait_s", u32::from(self.wait_s)), ("tries", u32::from(self.tries))] {
            if number == 0 {
                faults.add(format_args!("menu.{key}"), "must be at least 1");
            }
        }
        if self.keys.is_empty() {
            faults.add("menu.keys", "needs at least one key");
        }
        let mut keys = Vec::new();
        for (name, action) in self.keys {
            let path = format!("menu.keys.{name}");
            let mut chars = name.chars();
            let (Some(key @ ('0'..='9' | '*' | '#')), None) = (chars.next(), chars.next()) else {
                faults.add(path, "expected one of 0 to 9, * and #");
                continue;
            };
            let action = action.resolve();
            match &action {
                MenuAction::Human if human.is_none() => faults.add(path, "the tenant names no human"),
                MenuAction::Transfer(target) => {
                    let wish = Transfer { target: target.clone(), mode: TransferMode::Blind, summary: None };
                    if let Err(refusal) = transfer.resolve(&wish, None) {
                        faults.add(path, refusal);
                    }
                }
                MenuAction::Say(words) | MenuAction::Ask(words) if words.trim().is_empty() => faults.add(path, "needs words"),
                _ => {}
            }
            keys.push((key, action));
        }
        let starts = self.starts.into_iter().map(|start| match start {
            RawStart::Call => MenuStart::Call,
            RawStart::HearingLost => MenuStart::HearingLost,
        });
        let (wait, tries) = (Duration::from_secs(self.wait_s.into()), self.tries.into());
        let menu = Menu { prompt: self.prompt, keys, starts: starts.collect(), wait, tries };
        (faults.iter().count() == before).then_some(menu)
    }
}

impl RawAction {
    fn resolve(self) -> MenuAction {
        match self {
            Self::Say(words) => MenuAction::Say(words),
            Self::Ask(words) => MenuAction::Ask(words),
            Self::Human => MenuAction::Human,
            Self::Queue(name) => MenuAction::Transfer(TransferTarget::Queue(name)),
            Self::Extension(name) => MenuAction::Transfer(TransferTarget::Extension(name)),
            Self::Number(number) => MenuAction::Transfer(TransferTarget::External(Pii::new(number))),
            Self::HangUp => MenuAction::HangUp,
        }
    }
}
