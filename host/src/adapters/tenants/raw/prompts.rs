//! `[prompts]`: what the gateway says by itself.

use super::needed;
use crate::config::Faults;
use serde::Deserialize;
use std::collections::BTreeSet;
use vg_domain::tenant::Prompts;

/// Fillers of a tenant: nobody hears more of them apart.
const FILLERS_MAX: usize = 16;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawPrompts {
    not_understood: Option<String>,
    still_there: Option<String>,
    time_is_nearly_up: Option<String>,
    agent_unavailable: Option<String>,
    farewell: Option<String>,
    transfer_failed: Option<String>,
    fillers: Option<Vec<String>>,
}

impl RawPrompts {
    pub(super) fn resolve(self, language: Option<&str>, faults: &mut Faults) -> Option<Prompts> {
        let not_understood = needed("prompts.not_understood", self.not_understood, faults);
        let agent_unavailable = needed("prompts.agent_unavailable", self.agent_unavailable, faults);
        let farewell = needed("prompts.farewell", self.farewell, faults);
        let fillers = match self.fillers {
            Some(written) => fillers(written, faults),
            None => usual_fillers(language.unwrap_or_default()).iter().map(|line| (*line).to_owned()).collect(),
        };
        let (not_understood, agent_unavailable) = (not_understood?, agent_unavailable?);
        let usual = || usual_still_there(language.unwrap_or_default()).map_or_else(|| not_understood.clone(), str::to_owned);
        let usual_notice = || usual_notice(language.unwrap_or_default()).to_owned();
        let time_is_nearly_up = self.time_is_nearly_up.unwrap_or_else(usual_notice);
        let still_there = self.still_there.unwrap_or_else(usual);
        // Nobody is to be had either way: the line that every tenant has fits.
        let transfer_failed = self.transfer_failed.unwrap_or_else(|| agent_unavailable.clone());
        Some(Prompts {
            not_understood,
            still_there,
            time_is_nearly_up,
            agent_unavailable,
            farewell: farewell?,
            transfer_failed,
            fillers,
        })
    }
}

fn fillers(written: Vec<String>, faults: &mut Faults) -> Vec<String> {
    for (at, _) in written.iter().enumerate().filter(|(_, line)| line.trim().is_empty()) {
        faults.add(format_args!("prompts.fillers[{at}]"), "says nothing");
    }
    if written.iter().collect::<BTreeSet<_>>().len() < written.len() {
        faults.add("prompts.fillers", "two of them are the same");
    }
    if written.len() > FILLERS_MAX {
        faults.add("prompts.fillers", format_args!("must be at most {FILLERS_MAX}"));
    }
    written
}

fn primary(language: &str) -> String {
    language.split(['-', '_']).next().unwrap_or_default().to_ascii_lowercase()
}

/// Of a tenant that writes none.
fn usual_still_there(language: &str) -> Option<&'static str> {
    match primary(language).as_str() {
        "en" => Some("Are you still there?"),
        "pt" => Some("Você ainda está aí?"),
        "es" => Some("¿Sigue ahí?"),
        _ => None,
    }
}

/// Of a tenant that writes none; nothing in a language in which we have none.
fn usual_notice(language: &str) -> &'static str {
    match primary(language).as_str() {
        "en" => "We have one minute left.",
        "pt" => "Temos mais um minuto.",
        "es" => "Nos queda un minuto.",
        _ => "",
    }
}

/// Of a tenant that writes none; nothing in a language in which we have none.
fn usual_fillers(language: &str) -> &'static [&'static str] {
    match primary(language).as_str() {
        "en" => &["One moment, please.", "Let me have a look.", "Just a second."],
        "pt" => &["Um momento, por favor.", "Deixe-me ver.", "Só um instante."],
        "es" => &["Un momento, por favor.", "Déjeme ver.", "Un segundo, por favor."],
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(language: &str, more: &str) -> Result<Prompts, Vec<String>> {
        let raw = format!("not_understood = 'a'\nagent_unavailable = 'b'\nfarewell = 'c'\n{more}");
        let mut faults = Faults::default();
        let prompts = toml::from_str::<RawPrompts>(&raw).unwrap().resolve(Some(language), &mut faults).unwrap();
        faults.or(prompts).map_err(|faults| faults.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn fillers_are_the_tenants_own_or_those_of_its_language() {
        let first = |language| resolve(language, "").unwrap().fillers.first().cloned();
        assert_eq!(first("en-GB").as_deref(), Some("One moment, please."));
        assert_eq!(first("pt-BR").as_deref(), Some("Um momento, por favor."));
        assert_eq!(first("es").as_deref(), Some("Un momento, por favor."));
        assert_eq!(first("fi-FI"), None, "none is better than one in another language");
        assert_eq!(resolve("en-US", "fillers = ['Hm.', 'Well.']").unwrap().fillers, ["Hm.", "Well."]);
        assert_eq!(resolve("en-US", "fillers = []").unwrap().fillers, [""; 0]);
    }

    #[test]
    fn who_says_nothing_is_asked_in_the_tenants_own_words_or_in_its_language() {
        let still_there = |language, more| resolve(language, more).unwrap().still_there;
        assert_eq!(still_there("pt-BR", ""), "Você ainda está aí?");
        assert_eq!(still_there("en-US", "still_there = 'Hello?'"), "Hello?");
        assert_eq!(still_there("fi-FI", ""), "a", "what every tenant has");
        let notice = |language, more| resolve(language, more).unwrap().time_is_nearly_up;
        assert_eq!(notice("es-MX", ""), "Nos queda un minuto.");
        assert_eq!((notice("fi-FI", ""), notice("en-US", "time_is_nearly_up = ''")), (String::new(), String::new()));
    }

    #[test]
    fn fillers_that_make_no_sense_are_faults() {
        let faults = resolve("en-US", "fillers = ['Hm.', ' ', 'Hm.']").unwrap_err();
        assert_eq!(faults, ["prompts.fillers[1]: says nothing", "prompts.fillers: two of them are the same"]);
        let many: Vec<String> = (0..=FILLERS_MAX).map(|n| format!("'{n}'")).collect();
        let faults = resolve("en-US", &format!("fillers = [{}]", many.join(","))).unwrap_err();
        assert_eq!(faults, ["prompts.fillers: must be at most 16"]);
    }
}
