//! Signers of chunks, which no recording keeps.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use vg_plugin_host::links::secrets::ChunkSigner;
use vg_plugin_host::links::wire::{LinkEffect, LinkId, LinkInput, Signed};
use vg_plugin_host::links::{Door, TooMuch};
use vg_plugin_host::recording::{Recording, Told};
use vg_plugin_host::session::Way;

/// Those that a session was given, in order.
#[derive(Clone, Default)]
pub(super) struct Signers(Arc<Mutex<VecDeque<Option<ChunkSigner>>>>);

impl Signers {
    /// A door whose signers are kept here.
    pub(super) fn overhear(&self, door: Door) -> Box<dyn Way> {
        Box::new(Overheard { door, signers: self.clone() })
    }

    /// Gives them back to the recorded session, so that it can be signed once more.
    pub(super) fn give_back(&self, recording: &mut Recording) {
        let mut signers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for turn in &mut recording.turns {
            if let Told::Link(LinkInput::Signed(_, signed)) = &mut turn.told {
                signed.signer = signers.pop_front().flatten();
            }
        }
    }
}

struct Overheard {
    door: Door,
    signers: Signers,
}

impl Way for Overheard {
    fn apply(&mut self, effect: LinkEffect) -> Result<(), TooMuch> {
        self.door.apply(effect)
    }

    fn route(&mut self, link: LinkId, prefix: Vec<u8>) -> bool {
        self.door.route(link, prefix)
    }

    fn take_audio(&mut self, chunk: &[u8]) -> Option<LinkId> {
        self.door.take_audio(chunk)
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<LinkInput> {
        let news = self.door.poll_next(cx);
        if let Poll::Ready(LinkInput::Signed(_, Signed { signer, .. })) = &news {
            self.signers.0.lock().unwrap_or_else(PoisonError::into_inner).push_back(signer.clone());
        }
        news
    }
}
