//! What an agent of this process remembers of its conversations.

use std::collections::{BTreeMap, HashMap};
use vg_domain::ids::ConversationId;

/// Conversations remembered at most; beyond it the oldest is forgotten, and its caller is asked to start over.
pub(super) const CONVERSATIONS_MAX: usize = 10_000;

/// One `T` for each conversation; the oldest goes where there are too many.
pub(super) struct Memory<T> {
    opened: u64,
    by_age: BTreeMap<u64, ConversationId>,
    /// With the number under which it stands in `by_age`.
    held: HashMap<ConversationId, (u64, T)>,
}

impl<T> Default for Memory<T> {
    fn default() -> Self {
        Self { opened: 0, by_age: BTreeMap::new(), held: HashMap::new() }
    }
}

impl<T> Memory<T> {
    /// Remembers a conversation from now on; one that was known begins anew.
    pub(super) fn open(&mut self, conversation: ConversationId, about: T) {
        self.close(&conversation);
        self.opened += 1;
        self.by_age.insert(self.opened, conversation.clone());
        self.held.insert(conversation, (self.opened, about));
        while self.held.len() > CONVERSATIONS_MAX {
            let Some((_, oldest)) = self.by_age.pop_first() else { return };
            self.held.remove(&oldest);
        }
    }

    pub(super) fn get_mut(&mut self, conversation: &ConversationId) -> Option<&mut T> {
        self.held.get_mut(conversation).map(|(_, about)| about)
    }

    pub(super) fn close(&mut self, conversation: &ConversationId) {
        if let Some((age, _)) = self.held.remove(conversation) {
            self.by_age.remove(&age);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_is_forgotten_and_the_closed_take_no_room() {
        let mut memory = Memory::default();
        let id = |n: usize| ConversationId::new(n.to_string());
        for n in 0..CONVERSATIONS_MAX + 2 {
            memory.open(id(n), n);
            if n == 1 {
                memory.close(&id(1));
            }
        }
        assert_eq!(memory.get_mut(&id(0)), None);
        assert_eq!(memory.get_mut(&id(1)), None);
        assert_eq!(memory.get_mut(&id(2)), Some(&mut 2));
        assert_eq!((memory.held.len(), memory.by_age.len()), (CONVERSATIONS_MAX, CONVERSATIONS_MAX));
    }
}
