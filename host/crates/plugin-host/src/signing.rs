//! Signatures that a guest asks for: made with keys that stay here; in a replay, those that were made then.

use crate::api::LinkId;
use crate::limits::SIGNERS;
use std::collections::{BTreeMap, VecDeque};
use vg_links::secrets::ChunkSigner;

/// An answer to `aws-chunk-signature`.
pub(crate) type Signature = Option<String>;

/// What is to be signed, as the guest says it.
pub(crate) struct Chunk<'a> {
    pub(crate) prior: &'a str,
    pub(crate) amz_date: &'a str,
    pub(crate) header_hash: &'a str,
    pub(crate) payload_hash: &'a str,
}

/// One session's.
#[derive(Default)]
pub(crate) struct Signing {
    /// Chains that the host began for this session, the newest for each link.
    signers: BTreeMap<LinkId, ChunkSigner>,
    answers: Answers,
}

#[derive(Default)]
enum Answers {
    #[default]
    Made,
    /// Made, and kept until they are taken: somebody records.
    Noted(Vec<Signature>),
    /// Once made, in this order.
    Recorded(VecDeque<Signature>),
    /// Nobody looks at them.
    MadeUp,
}

/// Has the form of a signature.
const MADE_UP: &str = "0000000000000000000000000000000000000000000000000000000000000000";

impl Signing {
    /// The host signed the opening of this link as an event stream: its messages may be signed, too.
    pub(crate) fn keep(&mut self, link: LinkId, signer: ChunkSigner) {
        if self.signers.len() == SIGNERS {
            self.signers.pop_first();
        }
        self.signers.insert(link, signer);
    }

    pub(crate) fn sign(&mut self, link: LinkId, chunk: &Chunk<'_>) -> Signature {
        let made = || {
            let Chunk { prior, amz_date, header_hash, payload_hash } = chunk;
            self.signers.get(&link)?.sign(prior, amz_date, header_hash, payload_hash)
        };
        match &mut self.answers {
            Answers::Made => made(),
            Answers::Noted(noted) => {
                let made = made();
                noted.push(made.clone());
                made
            }
            Answers::Recorded(recorded) => recorded.pop_front().flatten(),
            Answers::MadeUp => Some(MADE_UP.to_owned()),
        }
    }

    /// From now on answers are kept until they are taken.
    pub(crate) fn note(&mut self) {
        self.answers = Answers::Noted(Vec::new());
    }

    /// Answers since the last time.
    pub(crate) fn take_noted(&mut self) -> Vec<Signature> {
        if let Answers::Noted(noted) = &mut self.answers { std::mem::take(noted) } else { Vec::new() }
    }

    /// From now on every question is answered, by no key.
    pub(crate) fn make_up(&mut self) {
        self.answers = Answers::MadeUp;
    }

    /// The next questions are answered so, and no others.
    pub(crate) fn answer_with(&mut self, recorded: &[Signature]) {
        self.answers = Answers::Recorded(recorded.iter().cloned().collect());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHUNK: Chunk<'_> = Chunk { prior: "", amz_date: "", header_hash: "", payload_hash: "" };

    #[test]
    fn recorded_answers_come_in_their_order_and_end() {
        let mut signing = Signing::default();
        signing.answer_with(&[Some("a".to_owned()), None, Some("b".to_owned())]);
        let answers: Vec<_> = (0..4).map(|_| signing.sign(1, &CHUNK)).collect();
        assert_eq!(answers, [Some("a".to_owned()), None, Some("b".to_owned()), None]);
    }

    #[test]
    fn a_made_up_answer_has_the_form_of_a_signature() {
        let mut signing = Signing::default();
        signing.make_up();
        assert_eq!(signing.sign(1, &CHUNK).unwrap().len(), 64);
    }

    #[test]
    fn answers_are_kept_only_where_somebody_takes_them() {
        let mut signing = Signing::default();
        assert_eq!(signing.sign(1, &CHUNK), None);
        assert!(signing.take_noted().is_empty());
        signing.note();
        signing.sign(1, &CHUNK);
        assert_eq!(signing.take_noted(), [None]);
        assert!(signing.take_noted().is_empty());
    }
}
