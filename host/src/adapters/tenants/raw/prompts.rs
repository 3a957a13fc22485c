//! `[prompts]`: what the gateway says by itself.

use super::needed;
use crate::config::Faults;
use serde::Deserialize;
use std::collections::BTreeSet;
use vg_domain::recording::{RecordingPolicy, RecordingRules};
use vg_domain::tenant::{Prompts, primary_language};

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
    back_again: Option<String>,
    use_keypad: Option<String>,
    card_number: Option<String>,
    card_expiry: Option<String>,
    card_code: Option<String>,
    card_invalid: Option<String>,
    recording_notice: Option<String>,
    recording_question: Option<String>,
    recording_deleted: Option<String>,
    fillers: Option<Vec<String>>,
}

impl RawPrompts {
    pub(super) fn resolve(self, language: Option<&str>, recording: &RecordingRules, faults: &mut Faults) -> Option<Prompts> {
        let usual = usual(language.unwrap_or_default());
        let mut line = |name: &str, written: Option<String>, usual: Option<&str>| match (written, usual) {
            (None, Some(usual)) => Some(usual.to_owned()),
            (written, _) => needed(&format!("prompts.{name}"), written, faults),
        };
        let not_understood = line("not_understood", self.not_understood, usual.map(|usual| usual.not_understood));
        let agent_unavailable = line("agent_unavailable", self.agent_unavailable, usual.map(|usual| usual.agent_unavailable));
        let farewell = line("farewell", self.farewell, usual.map(|usual| usual.farewell));
        let [recording_notice, recording_question] =
            of_recordings(self.recording_notice, self.recording_question, recording, usual, faults);
        let recording_deleted = usual.map_or("", |usual| usual.recording_deleted);
        let fillers = match self.fillers {
            Some(written) => fillers(written, faults),
            None => usual.iter().flat_map(|usual| usual.fillers).map(|line| (*line).to_owned()).collect(),
        };
        let (not_understood, agent_unavailable) = (not_understood?, agent_unavailable?);
        // What fits in any language where we have no line of it: what every tenant has, or nothing.
        let still_there = usual.map_or(not_understood.as_str(), |usual| usual.still_there);
        let notice = usual.map_or("", |usual| usual.time_is_nearly_up);
        let use_keypad = usual.map_or(not_understood.as_str(), |usual| usual.use_keypad);
        let use_keypad = self.use_keypad.unwrap_or_else(|| use_keypad.to_owned());
        let card =
            |written: Option<String>, usual: Option<&str>| written.unwrap_or_else(|| usual.unwrap_or(&use_keypad).to_owned());
        let transfer_failed = usual.map_or(agent_unavailable.as_str(), |usual| usual.transfer_failed);
        Some(Prompts {
            still_there: self.still_there.unwrap_or_else(|| still_there.to_owned()),
            time_is_nearly_up: self.time_is_nearly_up.unwrap_or_else(|| notice.to_owned()),
            back_again: self.back_again.unwrap_or_else(|| usual.map_or("", |usual| usual.back_again).to_owned()),
            card_number: card(self.card_number, usual.map(|usual| usual.card_number)),
            card_expiry: card(self.card_expiry, usual.map(|usual| usual.card_expiry)),
            card_code: card(self.card_code, usual.map(|usual| usual.card_code)),
            card_invalid: card(self.card_invalid, usual.map(|usual| usual.card_invalid)),
            use_keypad,
            transfer_failed: self.transfer_failed.unwrap_or_else(|| transfer_failed.to_owned()),
            recording_deleted: self.recording_deleted.unwrap_or_else(|| recording_deleted.to_owned()),
            recording_notice,
            recording_question,
            not_understood,
            agent_unavailable,
            farewell: farewell?,
            fillers,
        })
    }
}

/// The usual lines name the usual keys: who has others says so in its own words.
fn of_recordings(
    notice: Option<String>,
    question: Option<String>,
    rules: &RecordingRules,
    usual: Option<&Usual>,
    faults: &mut Faults,
) -> [String; 2] {
    let keys = RecordingRules::default();
    let same_opt_out = rules.opt_out_key == keys.opt_out_key;
    let same_keys = same_opt_out && rules.agree_key == keys.agree_key;
    let mut line = |name: &str, written: Option<String>, usual: Option<&str>, is_said: bool| match (written, usual) {
        (Some(written), _) if !is_said => written,
        (None, usual) if !is_said => usual.unwrap_or_default().to_owned(),
        (None, Some(usual)) => usual.to_owned(),
        (written, _) => needed(&format!("prompts.{name}"), written, faults).unwrap_or_default(),
    };
    let usual_notice = usual.filter(|_| same_opt_out).map(|usual| usual.recording_notice);
    let usual_question = usual.filter(|_| same_keys).map(|usual| usual.recording_question);
    let (on, asks) = (rules.policy == RecordingPolicy::On && rules.announced, rules.policy == RecordingPolicy::Consent);
    [line("recording_notice", notice, usual_notice, on), line("recording_question", question, usual_question, asks)]
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

/// What a tenant says that writes nothing.
struct Usual {
    not_understood: &'static str,
    still_there: &'static str,
    time_is_nearly_up: &'static str,
    agent_unavailable: &'static str,
    farewell: &'static str,
    transfer_failed: &'static str,
    back_again: &'static str,
    use_keypad: &'static str,
    card_number: &'static str,
    card_expiry: &'static str,
    card_code: &'static str,
    card_invalid: &'static str,
    recording_notice: &'static str,
    recording_question: &'static str,
    recording_deleted: &'static str,
    fillers: &'static [&'static str],
}

const ENGLISH: Usual = Usual {
    not_understood: "Sorry, I didn't catch that.",
    still_there: "Are you still there?",
    time_is_nearly_up: "We have one minute left.",
    agent_unavailable: "Sorry, I cannot answer right now. Please try again in a moment.",
    farewell: "Thank you for calling. Goodbye.",
    transfer_failed: "Sorry, nobody can be reached right now.",
    back_again: "Sorry, I was gone for a moment.",
    use_keypad: "For your safety I cannot take that by voice. Please use the keys of your phone.",
    card_number: "Please key in the number of your card, and then press the hash key.",
    card_expiry: "Now key in the expiry date: two digits for the month, and two for the year.",
    card_code: "Now key in the security code of your card, and then press the hash key.",
    card_invalid: "That does not seem to be right.",
    recording_notice: "This call is recorded. If you do not want that, say: stop recording, or press the star key.",
    recording_question: "May we record this call? To agree, say yes or press one. If you do not want that, say no or press the star key.",
    recording_deleted: "The recording was stopped and deleted.",
    fillers: &["One moment, please.", "Let me have a look.", "Just a second."],
};

const PORTUGUESE: Usual = Usual {
    not_understood: "Desculpe, não entendi.",
    still_there: "Você ainda está aí?",
    time_is_nearly_up: "Temos mais um minuto.",
    agent_unavailable: "Desculpe, não consigo responder agora. Tente de novo daqui a pouco.",
    farewell: "Obrigado pela sua ligação. Até logo.",
    transfer_failed: "Desculpe, ninguém está disponível agora.",
    back_again: "Desculpe, a ligação falhou por um momento.",
    use_keypad: "Para sua segurança, não posso receber isso por voz. Por favor, use as teclas do telefone.",
    card_number: "Por favor, tecle o número do seu cartão e depois a tecla jogo da velha.",
    card_expiry: "Agora tecle a validade: dois dígitos do mês e dois do ano.",
    card_code: "Agora tecle o código de segurança do cartão e depois a tecla jogo da velha.",
    card_invalid: "Isso não parece estar certo.",
    recording_notice: "Esta ligação está sendo gravada. Se não quiser, diga: pare de gravar, ou tecle asterisco.",
    recording_question: "Podemos gravar esta ligação? Se concordar, diga sim ou tecle um. Se não quiser, diga não ou tecle asterisco.",
    recording_deleted: "A gravação foi interrompida e apagada.",
    fillers: &["Um momento, por favor.", "Deixe-me ver.", "Só um instante."],
};

const SPANISH: Usual = Usual {
    not_understood: "Perdone, no le he entendido.",
    still_there: "¿Sigue ahí?",
    time_is_nearly_up: "Nos queda un minuto.",
    agent_unavailable: "Perdone, ahora no puedo responder. Inténtelo de nuevo en un momento.",
    farewell: "Gracias por su llamada. Adiós.",
    transfer_failed: "Perdone, no hay nadie disponible en este momento.",
    back_again: "Perdone, la llamada se ha cortado un momento.",
    use_keypad: "Por su seguridad no puedo tomar eso por voz. Use las teclas de su teléfono, por favor.",
    card_number: "Marque el número de su tarjeta y después la tecla almohadilla, por favor.",
    card_expiry: "Ahora marque la fecha de vencimiento: dos dígitos del mes y dos del año.",
    card_code: "Ahora marque el código de seguridad de la tarjeta y después la tecla almohadilla.",
    card_invalid: "Eso no parece correcto.",
    recording_notice: "Esta llamada se está grabando. Si no lo desea, diga: deje de grabar, o pulse asterisco.",
    recording_question: "¿Podemos grabar esta llamada? Si está de acuerdo, diga sí o pulse uno. Si no lo desea, diga no o pulse asterisco.",
    recording_deleted: "La grabación se ha detenido y borrado.",
    fillers: &["Un momento, por favor.", "Déjeme ver.", "Un segundo, por favor."],
};

fn usual(language: &str) -> Option<&'static Usual> {
    match primary_language(language).to_ascii_lowercase().as_str() {
        "en" => Some(&ENGLISH),
        "pt" => Some(&PORTUGUESE),
        "es" => Some(&SPANISH),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(language: &str, more: &str) -> Result<Prompts, Vec<String>> {
        let raw = format!("not_understood = 'a'\nagent_unavailable = 'b'\nfarewell = 'c'\n{more}");
        let mut faults = Faults::default();
        let prompts =
            toml::from_str::<RawPrompts>(&raw).unwrap().resolve(Some(language), &RecordingRules::default(), &mut faults).unwrap();
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
    fn a_tenant_of_one_of_our_languages_need_not_write_a_line() {
        let resolve = |language: &str, written: &str| {
            let mut faults = Faults::default();
            let prompts =
                toml::from_str::<RawPrompts>(written).unwrap().resolve(Some(language), &RecordingRules::default(), &mut faults);
            (prompts, faults.iter().count())
        };
        for language in ["en-US", "pt-BR", "PT", "es-MX"] {
            let (prompts, faults) = resolve(language, "");
            let Prompts {
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
                recording_notice,
                recording_question,
                recording_deleted,
                fillers,
            } = prompts.unwrap();
            let of_recordings = [recording_notice, recording_question, recording_deleted];
            let lines = [
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
            let lines: BTreeSet<String> = lines.into_iter().chain(of_recordings).chain(fillers).collect();
            assert_eq!((lines.len(), faults), (18, 0), "{language}: {lines:?}");
        }
        assert_eq!(resolve("fi-FI", "").1, 3, "in another language they are needed");
        assert_eq!(resolve("en-US", "farewell = ' '").1, 1, "a line of nothing is none");
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
