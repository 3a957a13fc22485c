//! What a model is told of a conversation: what the caller said, and what the caller heard.

use super::messages::{Message, Role};
use crate::application::ports::{PastTurn, Question, Reach, Said};
use std::collections::VecDeque;
use vg_domain::ids::TurnId;

/// Characters of one message; the rest is not told.
const MESSAGE_MAX: usize = 4_000;

/// The newest turns of one conversation.
#[derive(Debug)]
pub(super) struct History {
    system: String,
    turns: VecDeque<Turn>,
    turns_max: usize,
}

#[derive(Debug)]
struct Turn {
    id: TurnId,
    /// What the caller had heard before.
    heard: String,
    said: String,
}

impl History {
    pub(super) fn new(system: &str, language: &str, turns_max: usize) -> Self {
        let system = format!("{system}\nSpeak the language {language} (BCP 47) unless the caller speaks another.");
        Self { system, turns: VecDeque::new(), turns_max }
    }

    /// A turn that is asked again takes its own place.
    pub(super) fn take(&mut self, question: &Question) {
        self.turns.retain(|turn| turn.id != question.turn);
        let heard = question.said.iter().map(heard).filter(|text| !text.is_empty()).collect::<Vec<_>>().join(" ");
        self.turns.push_back(Turn { id: question.turn, heard: cut(&heard), said: cut(question.text.as_str()) });
        while self.turns.len() > self.turns_max {
            self.turns.pop_front();
        }
    }

    /// A turn of which this process was told nothing while it was.
    pub(super) fn recall(&mut self, past: &PastTurn) {
        self.turns.push_back(Turn { id: past.turn, heard: cut(past.before.as_str()), said: cut(past.words.as_str()) });
        while self.turns.len() > self.turns_max {
            self.turns.pop_front();
        }
    }

    /// Many models take roles by turns only, with the user first: what was heard before the first turn belongs to the system's message, and what was
    /// said twice in a row is one message.
    pub(super) fn messages(&self) -> Vec<Message> {
        let mut messages = vec![Message { role: Role::System, content: self.system.clone() }];
        for turn in &self.turns {
            if messages.len() == 1 && !turn.heard.is_empty() {
                messages[0].content.push_str("\nThe caller has just heard: ");
                messages[0].content.push_str(&turn.heard);
            } else {
                add(&mut messages, Role::Assistant, &turn.heard);
            }
            add(&mut messages, Role::User, &turn.said);
        }
        messages
    }
}

fn add(messages: &mut Vec<Message>, role: Role, text: &str) {
    match messages.last_mut() {
        _ if text.is_empty() => {}
        Some(last) if last.role == role => {
            last.content.push('\n');
            last.content.push_str(text);
        }
        _ => messages.push(Message { role, content: text.to_owned() }),
    }
}

/// The model is to see where it was cut off.
fn heard(said: &Said) -> String {
    let text = said.heard();
    let whole = said.reach == Reach::Whole || text.is_empty() || text == said.text.as_str();
    if whole { text.to_owned() } else { format!("{text} …") }
}

fn cut(text: &str) -> String {
    text.chars().take(MESSAGE_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use vg_domain::ids::{CallId, ConversationId};
    use vg_domain::mask::{Heard, Mask};
    use vg_domain::speech::Extent;

    fn said(text: &str, reach: Reach) -> Said {
        Said { turn: None, text: Mask::new().mask_agent(text), reach }
    }

    fn question(turn: u32, text: &str, said: Vec<Said>) -> Question {
        let text = Mask::new().mask_final(Heard::new(text.into()));
        Question {
            call: CallId::new("call-1"),
            conversation: ConversationId::new("c"),
            turn: TurnId(turn),
            text,
            said,
            within: Duration::ZERO,
            speculative: false,
            card: None,
        }
    }

    fn told(history: &History) -> Vec<(Role, String)> {
        history.messages().into_iter().map(|message| (message.role, message.content)).collect()
    }

    #[test]
    fn the_model_is_told_what_the_caller_heard() {
        let mut history = History::new("Be brief.", "en-US", 20);
        history.take(&question(1, "what time is it", vec![said("Welcome.", Reach::Whole)]));
        let interrupted = Reach::Interrupted { spoken_ms: Some(400), extent: Extent::Interpolated };
        let interrupted = said("It is three o'clock in Brazil.", interrupted);
        history.take(&question(2, "no", vec![interrupted, said("Pardon?", Reach::Whole)]));
        history.take(&question(3, "no I mean in Japan", vec![said("Sorry.", Reach::Lost)]));
        let system =
            "Be brief.\nSpeak the language en-US (BCP 47) unless the caller speaks another.\nThe caller has just heard: Welcome.";
        assert_eq!(
            told(&history),
            [
                (Role::System, system.to_owned()),
                (Role::User, "what time is it".to_owned()),
                (Role::Assistant, "It is … Pardon?".to_owned()),
                (Role::User, "no\nno I mean in Japan".to_owned()),
            ]
        );
    }

    #[test]
    fn a_turn_that_is_asked_again_is_told_once() {
        let mut history = History::new("", "en", 20);
        history.take(&question(1, "my number is", vec![]));
        history.take(&question(1, "my number is five", vec![]));
        assert_eq!(told(&history)[1..], [(Role::User, "my number is five".to_owned())]);
    }

    #[test]
    fn only_the_newest_turns_are_kept_and_long_ones_are_cut() {
        let mut history = History::new("", "en", 2);
        for turn in 1..=9 {
            history.take(&question(turn, &format!("turn {turn}"), vec![said("Yes.", Reach::Whole)]));
        }
        let told = told(&history);
        assert_eq!(told.len(), 4);
        assert_eq!(told[1], (Role::User, "turn 8".to_owned()));
        history.take(&question(10, &"x".repeat(MESSAGE_MAX * 2), vec![]));
        assert_eq!(history.messages().last().unwrap().content.len(), "turn 9\n".len() + MESSAGE_MAX);
    }
}
