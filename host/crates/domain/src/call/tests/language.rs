//! Calls that go on in another language.

use super::*;

/// English, with Portuguese beside it.
fn bilingual() -> TenantSettings {
    let english = filler::settings();
    let prompts = Prompts { not_understood: "Desculpe?".into(), fillers: Vec::new(), ..english.prompts.clone() };
    let portuguese = TenantSettings { language: "pt-BR".into(), prompts, ..english.clone() };
    TenantSettings { languages: vec![Arc::new(portuguese)], ..english }
}

impl Desk {
    fn language(&mut self, turn: u32, tag: &str) -> Vec<String> {
        self.tell(CallInput::AgentHints { turn: TurnId(turn), hint: Hint::Language(tag.into()) })
    }
}

#[test]
fn the_call_goes_on_in_the_language_that_the_agent_names() {
    let changes = ["- language pt-BR", "change language: pt-BR"];
    let mut desk = Desk::thinking(bilingual(), "olá");
    assert_eq!(desk.language(1, "pt"), changes);
    assert_eq!(desk.language(1, "pt-BR"), [""; 0], "it is that language already");
    desk.text(1, "Claro, falo. ");
    desk.done(1, None);
    desk.utter(2);
    assert_eq!(desk.ask("")[1], "say 3: Desculpe?");
    desk.utter(3);

    // Words are judged in it from now on: "e" is an "and", no end.
    desk.speech();
    desk.after(900).partial("quero um bilhete e");
    desk.pause();
    let (due, _) = desk.call.poll_timeout().unwrap();
    assert!(due - desk.now > Duration::from_millis(700), "{:?}", due - desk.now);

    // And back.
    desk.wake(CallReason::EndOfTurn);
    desk.words("quero um bilhete");
    desk.tell(CallInput::Finalized);
    assert_eq!(desk.phase(), "thinking");
    let turn = desk.call.last_turn.0;
    assert_eq!(desk.language(turn, "en-GB"), ["- language en-US", "change language: en-US"]);
}

#[test]
fn a_line_in_the_language_that_is_left_does_not_hold_the_answer_up() {
    let mut desk = Desk::thinking(bilingual(), "olá");
    desk.wake(CallReason::Filler);
    assert_eq!(desk.language(1, "pt-BR"), ["hush 2", "- language pt-BR", "change language: pt-BR"]);
}

#[test]
fn a_language_that_the_tenant_has_not_and_a_word_on_another_turn_change_nothing() {
    let mut desk = Desk::thinking(bilingual(), "hei");
    for (turn, tag) in [(1, "fi"), (1, ""), (1, "en-GB"), (2, "pt-BR")] {
        assert_eq!(desk.language(turn, tag), [""; 0], "{tag}");
    }
}

#[test]
fn what_the_old_listener_owes_is_nobodys() {
    let mut desk = turn_end::asked_early_of(bilingual(), "olá bom dia");
    assert_eq!(desk.language(1, "pt"), ["- language pt-BR", "change language: pt-BR"]);
    desk.text(1, "Bom dia. ");
    desk.done(1, None);
    desk.utter(2);
    assert_eq!(desk.call.poll_timeout().unwrap().1, CallReason::Silence, "nobody waits for what it owes");
}
