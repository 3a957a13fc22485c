//! Baking: a component that ships a model is given its files, loads them, and is saved with the model in its memory.
//!
//! A session of the result starts without loading anything, and all instances share the model's pages copy-on-write.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use thiserror::Error;
use wasmtime::component::{Component, Instance, Linker, TypedFunc};
use wasmtime::{Config, Engine, Store};
use wasmtime_wizer::{WasmtimeWizerComponent, Wizer};

/// The interface a component is baked through; no session ever binds it.
const BAKE: &str = "serphona:speech/bake@0.1.0";

/// Host fuel pays for what is copied into the guest, and model files are far larger than any call's audio: 1 GiB.
const COPIED_BYTES: usize = 1 << 30;

/// Why a component could not be baked.
#[derive(Debug, Error)]
pub enum BakeError {
    /// The bytes are no component that can be compiled or saved.
    #[error("the component cannot be used")]
    Component(#[source] wasmtime::Error),
    /// The component has no `bake` interface of version 0.1.0.
    #[error("the component does not export {BAKE}")]
    NotBakeable,
    /// The component took a file or loaded its model and trapped.
    #[error("the component trapped while it loaded its model")]
    Trap(#[source] wasmtime::Error),
    /// The component does not accept what it was given; its own words.
    #[error("the component refused its model: {0}")]
    Refused(String),
}

impl BakeError {
    /// The error's name in metrics, logs and problem documents.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Component(_) => "bake-component",
            Self::NotBakeable => "bake-not-bakeable",
            Self::Trap(_) => "bake-trap",
            Self::Refused(_) => "bake-refused",
        }
    }
}

/// Gives `files` (name, content) to the component, has it load them, and returns the component with its memory as it then
/// is. A baked component can be baked again, which adds to what it has. Same input, same output.
///
/// Runs the component without limits and takes seconds of CPU time: for build steps and the command line, not for a
/// server's threads.
///
/// # Errors
/// See [`BakeError`].
pub fn bake(component: &[u8], files: &[(String, Vec<u8>)]) -> Result<Vec<u8>, BakeError> {
    let engine = Engine::new(&Config::new()).map_err(BakeError::Component)?;
    let mut store = Store::new(&engine, ());
    store.set_hostcall_fuel(COPIED_BYTES);
    let wizer = Wizer::new();
    let (context, instrumented) = wizer.instrument_component(component).map_err(BakeError::Component)?;
    let instrumented = Component::new(&engine, &instrumented).map_err(BakeError::Component)?;
    at_once(async {
        let mut linker = Linker::new(&engine);
        // Loading a model is between the component and its files: whatever else it calls is an error.
        linker.define_unknown_imports_as_traps(&instrumented).map_err(BakeError::Component)?;
        let instance = linker.instantiate_async(&mut store, &instrumented).await.map_err(BakeError::Trap)?;
        load(&mut store, instance, files).await?;
        let mut state = WasmtimeWizerComponent { store: &mut store, instance };
        wizer.snapshot_component(&context, &mut state).await.map_err(BakeError::Component)
    })
}

async fn load(store: &mut Store<()>, instance: Instance, files: &[(String, Vec<u8>)]) -> Result<(), BakeError> {
    let (_, bake) = instance.get_export(&mut *store, None, BAKE).ok_or(BakeError::NotBakeable)?;
    let mut export = |name| Some(instance.get_export(&mut *store, Some(&bake), name)?.1);
    let (add_file, load) = (export("add-file").ok_or(BakeError::NotBakeable)?, export("load").ok_or(BakeError::NotBakeable)?);
    let add_file: TypedFunc<(&str, &[u8]), ()> =
        instance.get_typed_func(&mut *store, add_file).map_err(|_| BakeError::NotBakeable)?;
    let load: TypedFunc<(), (Result<(), String>,)> =
        instance.get_typed_func(&mut *store, load).map_err(|_| BakeError::NotBakeable)?;
    for (name, content) in files {
        add_file.call_async(&mut *store, (name, content)).await.map_err(BakeError::Trap)?;
    }
    load.call_async(&mut *store, ()).await.map_err(BakeError::Trap)?.0.map_err(BakeError::Refused)
}

/// Runs a future that never waits: wizer's interface is asynchronous, but this component has nothing to wait for.
fn at_once<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return value;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_are_no_component_are_refused() {
        let refused = bake(b"\0asm\x01\0\0\0", &[]).unwrap_err();
        assert_eq!(refused.code(), "bake-component");
    }

    #[test]
    fn component_without_the_bake_interface_is_refused() {
        let empty = b"\0asm\x0d\0\x01\0";
        assert_eq!(bake(empty, &[]).unwrap_err().code(), "bake-not-bakeable");
    }
}
