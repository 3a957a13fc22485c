//! Text-to-speech plugins.

mod silence;
mod texts;

use std::{cell::RefCell, fmt, future::Future, marker::PhantomData};

use crate::{
    Descriptor, Fault, FaultKind, Instant, Remedy,
    bindings::{describe::exports::serphona::speech::describe, tts::exports::serphona::speech::tts},
    task::{self, Ending, Task},
};

pub use crate::bindings::tts::exports::serphona::speech::tts::{Effect, Input, Timer};
pub use silence::{Silence, Woken};
pub use texts::{Piece, Texts};

/// A text-to-speech provider: one value per session. Exported by [`export_tts!`](crate::export_tts).
pub trait TtsPlugin: 'static {
    /// What the plugin is and wishes; the same at every call.
    fn descriptor() -> Descriptor;
    /// A session before its `start`.
    fn new() -> Self;
    /// Told what happened, says what to do. Never waits, takes well under a millisecond unless declared heavy.
    fn handle(&mut self, now: Instant, input: Input) -> Vec<Effect>;
}

/// A good end without any sound, where there was something to speak: the next provider may speak it, the caller can do nothing.
pub fn spoke_nothing(detail: impl Into<String>) -> Fault {
    Fault { remedy: Remedy::NextProvider, ..Fault::new(FaultKind::EmptyResult, detail) }
}

/// The same as straight-line code, exported as [`Scripted`]: `export_tts!(Scripted<MyScript>)`.
pub trait TtsScript: 'static {
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

impl<S: TtsScript> TtsPlugin for Scripted<S> {
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

/// Makes a [`TtsPlugin`] what this component exports. Once per component; exports nothing outside WebAssembly.
#[macro_export]
macro_rules! export_tts {
    ($plugin:ty) => {
        // Checked where nothing is exported, too.
        const _: () = {
            const fn exportable<P: $crate::tts::TtsPlugin>() {}
            exportable::<$plugin>();
        };
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            type Exported = $crate::tts::Component<$plugin>;
    $crate::bindings::describe::export_describe!(Exported with_types_in $crate::bindings::describe);
    $crate::bindings::tts::export_tts!(Exported with_types_in $crate::bindings::tts);
        };
    };
}

/// What the macro exports; not named by authors.
#[doc(hidden)]
#[derive(Debug)]
pub struct Component<P>(PhantomData<P>);

impl<P: TtsPlugin> describe::Guest for Component<P> {
    fn describe() -> Descriptor {
        P::descriptor()
    }
}

impl<P: TtsPlugin> tts::Guest for Component<P> {
    type Session = Session<P>;
}

/// What the macro exports; not named by authors. The contract calls a session by shared reference, one call at a time.
#[doc(hidden)]
#[derive(Debug)]
pub struct Session<P>(RefCell<P>);

impl<P: TtsPlugin> tts::GuestSession for Session<P> {
    fn new() -> Self {
        Self(RefCell::new(P::new()))
    }

    fn handle(&self, now: Instant, input: Input) -> Vec<Effect> {
        self.0.borrow_mut().handle(now, input)
    }
}
