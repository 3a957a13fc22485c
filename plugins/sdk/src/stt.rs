//! Speech-to-text plugins.

use std::{cell::RefCell, fmt, future::Future, marker::PhantomData};

use crate::{
    Descriptor, Fault, Instant,
    bindings::{describe::exports::serphona::speech::describe, stt::exports::serphona::speech::stt},
    task::{self, Ending, Task},
};

pub use crate::bindings::stt::exports::serphona::speech::stt::{AudioRoute, Edge, Effect, Input, Timer};

/// A speech-to-text provider: one value per session. Exported by [`export_stt!`](crate::export_stt).
pub trait SttPlugin: 'static {
    /// What the plugin is and wishes; the same at every call.
    fn descriptor() -> Descriptor;
    /// A session before its `start`.
    fn new() -> Self;
    /// Told what happened, says what to do. Never waits, takes well under a millisecond unless declared heavy.
    fn handle(&mut self, now: Instant, input: Input) -> Vec<Effect>;
}

/// The same as straight-line code, exported as [`Scripted`]: `export_stt!(Scripted<MyScript>)`.
pub trait SttScript: 'static {
    /// What the plugin is and wishes; the same at every call.
    fn descriptor() -> Descriptor;
    /// One session from its `start` to its end: returning is `done`, a fault is `fail`. It may wait for nothing but
    /// [`Io::next`](task::Io::next).
    fn run(io: Io) -> impl Future<Output = Result<(), Fault>> + 'static;
}

/// Inputs and effects of one session.
pub type Io = task::Io<Input, Effect>;

/// A script as a plugin.
pub struct Scripted<S> {
    task: Task<Input, Effect>,
    script: PhantomData<S>,
}

impl<S: SttScript> SttPlugin for Scripted<S> {
    fn descriptor() -> Descriptor {
        S::descriptor()
    }

    fn new() -> Self {
        Self { task: Task::new(S::run), script: PhantomData }
    }

    fn handle(&mut self, now: Instant, input: Input) -> Vec<Effect> {
        self.task.handle(now, input)
    }
}

impl<S> fmt::Debug for Scripted<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.task.fmt(f)
    }
}

impl Ending for Effect {
    fn done() -> Self {
        Self::Done
    }

    fn fail(fault: Fault) -> Self {
        Self::Fail(fault)
    }
}

/// Makes a [`SttPlugin`] what this component exports. Once per component; exports nothing outside WebAssembly.
#[macro_export]
macro_rules! export_stt {
    ($plugin:ty) => {
        // Checked where nothing is exported, too.
        const _: () = {
            const fn exportable<P: $crate::stt::SttPlugin>() {}
            exportable::<$plugin>();
        };
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            type Exported = $crate::stt::Component<$plugin>;
    $crate::bindings::describe::export_describe!(Exported with_types_in $crate::bindings::describe);
    $crate::bindings::stt::export_stt!(Exported with_types_in $crate::bindings::stt);
        };
    };
}

/// What the macro exports; not named by authors.
#[doc(hidden)]
#[derive(Debug)]
pub struct Component<P>(PhantomData<P>);

impl<P: SttPlugin> describe::Guest for Component<P> {
    fn describe() -> Descriptor {
        P::descriptor()
    }
}

impl<P: SttPlugin> stt::Guest for Component<P> {
    type Session = Session<P>;
}

/// What the macro exports; not named by authors. The contract calls a session by shared reference, one call at a time.
#[doc(hidden)]
#[derive(Debug)]
pub struct Session<P>(RefCell<P>);

impl<P: SttPlugin> stt::GuestSession for Session<P> {
    fn new() -> Self {
        Self(RefCell::new(P::new()))
    }

    fn handle(&self, now: Instant, input: Input) -> Vec<Effect> {
        self.0.borrow_mut().handle(now, input)
    }
}
