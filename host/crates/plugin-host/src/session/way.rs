//! What a session asks of its way to the outside.

use std::task::{Context, Poll};
use vg_links::wire::{LinkEffect, LinkId, LinkInput};
use vg_links::{AudioLine, Door, TooMuch};

/// A session's way to the outside: a [`Door`], or what stands in its place in a test or a bench.
pub trait Way: Send {
    /// See [`Door::apply`].
    ///
    /// # Errors
    /// [`TooMuch`], after which the session is dropped.
    fn apply(&mut self, effect: LinkEffect) -> Result<(), TooMuch>;

    /// See [`Door::route`].
    fn route(&mut self, link: LinkId, prefix: Vec<u8>) -> bool;

    /// See [`Door::take_audio`].
    fn take_audio(&mut self, chunk: &[u8]) -> Option<LinkId>;

    /// See [`Door::line`]. Without one every chunk goes through the session.
    fn line(&self) -> AudioLine {
        AudioLine::default()
    }

    /// See [`Door::poll_next`].
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<LinkInput>;
}

impl Way for Door {
    fn apply(&mut self, effect: LinkEffect) -> Result<(), TooMuch> {
        self.apply(effect)
    }

    fn route(&mut self, link: LinkId, prefix: Vec<u8>) -> bool {
        self.route(link, prefix)
    }

    fn take_audio(&mut self, chunk: &[u8]) -> Option<LinkId> {
        self.take_audio(chunk)
    }

    fn line(&self) -> AudioLine {
        self.line()
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<LinkInput> {
        self.poll_next(cx)
    }
}
