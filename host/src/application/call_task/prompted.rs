//! Which of the tenant's lines a caller is told.

use super::CallTask;
use crate::application::ports::Observation;
use vg_domain::mask::MaskedText;

impl CallTask {
    /// Lets a line be observed that tells how the call goes. It is known by its words: facts do not say whose they are.
    pub(super) fn note_prompt(&self, said: &MaskedText) {
        let prompts = &self.settings.in_language(&self.language).unwrap_or(&self.settings).prompts;
        let lines = [
            // First: it is said in place of the next one where the tenant has none.
            ("not_understood", &prompts.not_understood),
            ("still_there", &prompts.still_there),
            ("farewell", &prompts.farewell),
        ];
        if let Some((line, _)) = lines.into_iter().find(|(_, words)| words.as_str() == said.as_str()) {
            self.services.observe.observe(&Observation::PromptSaid(line));
        }
    }
}
