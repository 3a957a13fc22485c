//! `[languages.TAG]`: the same tenant in another language, into which a call goes where its agent says so.

use super::fallback::RawFallback;
use super::menu::RawMenu;
use super::prompts::RawPrompts;
use super::{RawLadder, ladder};
use crate::adapters::tenants::{Role, Rung};
use crate::config::Faults;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::Arc;
use vg_domain::fallback::Fallback;
use vg_domain::language::is_tag;
use vg_domain::tenant::TenantSettings;

/// Languages of a tenant.
const LANGUAGES_MAX: usize = 16;

/// What differs; what is not written is as in the language in which calls begin, words aside.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawLanguage {
    hearing: Option<RawLadder>,
    speaking: Option<RawLadder>,
    prompts: RawPrompts,
    fallback: RawFallback,
    menu: Option<RawMenu>,
}

/// Every language that has no fault, and what its rungs need.
pub(super) fn resolve(
    written: BTreeMap<String, RawLanguage>,
    base: &TenantSettings,
    file_text: &dyn Fn(&str) -> Result<String, String>,
    faults: &mut Faults,
) -> (Vec<Arc<TenantSettings>>, Vec<Rung>) {
    if written.len() > LANGUAGES_MAX {
        faults.add("languages", format_args!("must be at most {LANGUAGES_MAX}"));
    }
    let (mut languages, mut rungs) = (Vec::new(), Vec::new());
    for (tag, language) in written {
        let mut own = Faults::default();
        if !is_tag(&tag) {
            own.add("", "expected a BCP 47 tag, for example pt-BR");
        } else if tag.eq_ignore_ascii_case(&base.language) {
            own.add("", "is the language in which calls begin");
        }
        let resolved = language.resolve(&tag, base, file_text, &mut own);
        let path = format!("languages.{tag}");
        faults.extend(own.below(&path));
        if let Some((settings, needs)) = resolved {
            languages.push(Arc::new(settings));
            rungs.extend(needs.into_iter().map(|rung| Rung { path: format!("{path}.{}", rung.path), ..rung }));
        }
    }
    (languages, rungs)
}

impl RawLanguage {
    fn resolve(
        self,
        tag: &str,
        base: &TenantSettings,
        file_text: &dyn Fn(&str) -> Result<String, String>,
        faults: &mut Faults,
    ) -> Option<(TenantSettings, Vec<Rung>)> {
        let mut rungs = |role, written: Option<RawLadder>| match written {
            None => Some(Vec::new()),
            Some(written) => written.resolve(role, file_text, faults),
        };
        let (hearing, speaking) = (rungs(Role::Hearing, self.hearing), rungs(Role::Speaking, self.speaking));
        let prompts = self.prompts.resolve(Some(tag), &base.recording, faults);
        let answers = self.fallback.resolve(faults).answers;
        let menu = self.menu.map(|menu| menu.resolve(base.human.as_deref(), &base.transfer, faults));
        let (hearing, speaking) = (hearing?, speaking?);
        let settings = TenantSettings {
            language: tag.to_owned(),
            hearing: ladder(&hearing).unwrap_or_else(|| base.hearing.clone()),
            speaking: ladder(&speaking).unwrap_or_else(|| base.speaking.clone()),
            prompts: prompts?,
            fallback: Fallback { answers, ..base.fallback.clone() },
            menu: menu.unwrap_or_else(|| base.menu.clone()),
            ..base.clone()
        };
        Some((settings, [hearing, speaking].concat()))
    }
}

#[cfg(test)]
mod tests {
    use crate::adapters::tenants::tests::{faults, settings_of};

    const BASE: &str = "language = 'en-US'\ngreeting = 'Hello.'\nhuman = 'people,s'\n[hearing]\nplugin = 'stt-a'\n[speaking]\nplugin = 'tts-a'\n";

    fn of(more: &str) -> Vec<String> {
        let faults = faults(&[("a.toml", &format!("{BASE}{more}"))], "a").into_iter();
        faults.filter(|fault| !fault.starts_with("tenants.default")).collect()
    }

    #[test]
    fn a_language_has_its_own_words_and_voices_and_else_what_the_tenant_has() {
        let tenant = settings_of(&format!(
            "{BASE}[languages.pt-BR]\n[languages.pt-BR.speaking]\nplugin = 'tts-b'\n[languages.pt-BR.fallback.answers]\nhours = 'Das nove.'\n[languages.es.prompts]\nfarewell = 'Chao.'\n"
        ));
        let [spanish, portuguese] = tenant.languages.as_slice() else { panic!("{:?}", tenant.languages) };
        assert_eq!((portuguese.language.as_str(), spanish.language.as_str()), ("pt-BR", "es"));
        let plugins = |settings: &vg_domain::tenant::TenantSettings| {
            [settings.hearing.first().plugin.as_str().to_owned(), settings.speaking.first().plugin.as_str().to_owned()]
        };
        assert_eq!(
            (plugins(portuguese), plugins(spanish)),
            (["stt-a", "tts-b"].map(Into::into), ["stt-a", "tts-a"].map(Into::into))
        );
        assert_eq!(portuguese.prompts.farewell, "Obrigado pela sua ligação. Até logo.");
        assert_eq!(spanish.prompts.farewell, "Chao.");
        assert_eq!(tenant.prompts.farewell, "Thank you for calling. Goodbye.");
        assert_eq!((portuguese.fallback.answers.len(), spanish.fallback.answers.len()), (1, 0));
        assert_eq!(portuguese.human.as_deref(), Some("people,s"));
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        assert_eq!(of("[languages.en-us]\n"), ["a.toml: languages.en-us: is the language in which calls begin"]);
        assert_eq!(of("[languages.'no way']\n")[0], "a.toml: languages.no way: expected a BCP 47 tag, for example pt-BR");
        let needs = ["not_understood", "agent_unavailable", "farewell"];
        let needs = needs.map(|line| format!("a.toml: languages.fi.prompts.{line}: is needed"));
        assert_eq!(of("[languages.fi]\n"), needs);
        assert_eq!(of("[languages.es.hearing]\n"), ["a.toml: languages.es.hearing.plugin: is needed"]);
    }
}
