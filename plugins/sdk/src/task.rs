//! Straight-line plugins: one `async fn` driven by `handle`.
//!
//! The only thing such a function waits for is [`Io::next`]. So the executor is one future and no waker: an input is laid
//! out, the future runs until it asks for the next one, and what it emitted meanwhile is the answer. One boxed future and
//! one shared cell per session; nothing is allocated per input but what the author emits.

use std::{
    cell::RefCell,
    collections::VecDeque,
    fmt,
    future::{Future, poll_fn},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker},
};

use crate::{Fault, Instant};

/// The script's side: what happened comes out of it, what to do goes into it.
pub struct Io<I, E>(Rc<RefCell<Exchange<I, E>>>);

struct Exchange<I, E> {
    now: Instant,
    /// Holds more than one input only while a script waits for something else, which never ends.
    inputs: VecDeque<I>,
    effects: Vec<E>,
}

/// An effect type that can say how a session ended.
pub trait Ending {
    /// The session ended well.
    fn done() -> Self;
    /// The session cannot go on.
    fn fail(fault: Fault) -> Self;
}

impl<I, E> Io<I, E> {
    /// The next input. The host's call is answered with what was emitted so far as soon as this has to wait.
    pub async fn next(&self) -> I {
        poll_fn(|_| match self.0.borrow_mut().inputs.pop_front() {
            Some(input) => Poll::Ready(input),
            None => Poll::Pending,
        })
        .await
    }

    /// When the host gave the latest input.
    pub fn now(&self) -> Instant {
        self.0.borrow().now
    }

    /// Asks the host for something, in order.
    pub fn emit(&self, effect: impl Into<E>) {
        self.0.borrow_mut().effects.push(effect.into());
    }
}

impl<I, E> fmt::Debug for Io<I, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Io").finish_non_exhaustive()
    }
}

type Script = Pin<Box<dyn Future<Output = Result<(), Fault>>>>;

/// A script at the place where it waits.
pub struct Task<I, E> {
    exchange: Rc<RefCell<Exchange<I, E>>>,
    /// None once it returned.
    script: Option<Script>,
}

impl<I, E: Ending> Task<I, E> {
    /// Nothing of the script runs before the first input.
    pub fn new<F>(script: impl FnOnce(Io<I, E>) -> F) -> Self
    where
        F: Future<Output = Result<(), Fault>> + 'static,
    {
        let now = Instant { mono_us: 0, unix_ms: 0 };
        let exchange = Rc::new(RefCell::new(Exchange { now, inputs: VecDeque::with_capacity(1), effects: Vec::new() }));
        let script = Box::pin(script(Io(Rc::clone(&exchange))));
        Self { exchange, script: Some(script) }
    }

    /// Runs the script until it waits again. Its return is the session's end: `done`, or `fail` with its fault; inputs
    /// after that are ignored.
    pub fn handle(&mut self, now: Instant, input: I) -> Vec<E> {
        let Some(script) = &mut self.script else { return Vec::new() };
        {
            let mut exchange = self.exchange.borrow_mut();
            exchange.now = now;
            exchange.inputs.push_back(input);
        }
        let polled = script.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        let mut effects = std::mem::take(&mut self.exchange.borrow_mut().effects);
        if let Poll::Ready(end) = polled {
            self.script = None;
            effects.push(end.map_or_else(E::fail, |()| E::done()));
        }
        effects
    }
}

impl<I, E> fmt::Debug for Task<I, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Task").field("ended", &self.script.is_none()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FaultKind;

    #[derive(Debug, PartialEq)]
    enum Said {
        Number(u32),
        At(u64),
        Done,
        Failed(FaultKind),
    }

    impl Ending for Said {
        fn done() -> Self {
            Self::Done
        }

        fn fail(fault: Fault) -> Self {
            Self::Failed(fault.kind)
        }
    }

    fn at(mono_us: u64) -> Instant {
        Instant { mono_us, unix_ms: 0 }
    }

    async fn sum_pairs(io: Io<u32, Said>) -> Result<(), Fault> {
        loop {
            let first = io.next().await;
            if first == 0 {
                return Ok(());
            }
            let second = io.next().await;
            io.emit(Said::Number(first.checked_add(second).ok_or_else(|| Fault::new(FaultKind::Protocol, "too large"))?));
            io.emit(Said::At(io.now().mono_us));
        }
    }

    #[test]
    fn script_answers_where_it_waits_next() {
        let mut task = Task::new(sum_pairs);
        assert_eq!(task.handle(at(1), 3), []);
        assert_eq!(task.handle(at(2), 4), [Said::Number(7), Said::At(2)]);
        assert_eq!(task.handle(at(3), 0), [Said::Done]);
    }

    #[test]
    fn fault_of_a_script_is_its_last_effect() {
        let mut task = Task::new(sum_pairs);
        task.handle(at(1), u32::MAX);
        assert_eq!(task.handle(at(2), 1), [Said::Failed(FaultKind::Protocol)]);
        assert_eq!(task.handle(at(3), 1), [], "an ended script hears nothing more");
    }

    #[test]
    fn dropped_task_drops_what_its_script_holds() {
        let held = Rc::new(());
        let kept = Rc::clone(&held);
        let mut task: Task<u32, Said> = Task::new(|io| async move {
            let _kept = kept;
            loop {
                io.next().await;
            }
        });
        task.handle(at(1), 1);
        drop(task);
        assert_eq!(Rc::strong_count(&held), 1);
    }
}
