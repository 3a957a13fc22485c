//! Compiled components on disk.
//!
//! An entry is two files: the code, and a digest of the code. An entry without both, or whose code does not match, is compiled
//! anew. Compiled code is trusted as the host's own, so the folder is readable and writable by its owner alone.

use crate::counters::{Counters, count};
use crate::engine::fingerprint;
use crate::load::LoadError;
use sha2::{Digest, Sha256};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use wasmtime::Engine;
use wasmtime::component::Component;

/// SHA-256 in lower-case hexadecimal.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    use std::fmt::Write;
    Sha256::digest(bytes).iter().fold(String::with_capacity(64), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

pub(crate) struct Cache {
    folder: PathBuf,
    writes: AtomicU64,
}

impl Cache {
    /// Makes the folder where it is missing.
    pub(crate) fn open(folder: &Path) -> io::Result<Self> {
        let mut builder = fs::DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.recursive(true).create(folder)?;
        Ok(Self { folder: folder.to_owned(), writes: AtomicU64::new(0) })
    }

    /// The compiled form of `wasm`, whose SHA-256 is `digest`: from the cache, else compiled and kept.
    pub(crate) fn component(
        &self,
        engine: &Engine,
        digest: &str,
        wasm: &[u8],
        counters: &Counters,
    ) -> Result<Component, LoadError> {
        let code = self.folder.join(format!("{digest}-{:016x}.cwasm", fingerprint(engine)));
        if let Some(component) = trusted(engine, &code, counters) {
            count(&counters.cache_hits);
            return Ok(component);
        }
        let compiled = engine.precompile_component(wasm).map_err(refused)?;
        count(&counters.compiled);
        if let Err(error) = self.keep(&code, &compiled) {
            tracing::warn!(%error, "compiled plugin is not kept: the next start compiles it again");
            // SAFETY: the bytes come from this engine's own compiler a moment ago.
            return unsafe { Component::deserialize(engine, &compiled) }.map_err(refused);
        }
        load_file(engine, &code).map_err(refused)
    }

    fn keep(&self, code: &Path, compiled: &[u8]) -> io::Result<()> {
        self.write(code, compiled)?;
        self.write(&seal_of(code), sha256(compiled).as_bytes())
    }

    /// Whole or not at all, also beside another process that writes the same; never into a file that is mapped.
    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let nth = self.writes.fetch_add(1, Relaxed);
        let draft = self.folder.join(format!(".draft-{}-{nth}", std::process::id()));
        fs::write(&draft, bytes).and_then(|()| fs::rename(&draft, path)).inspect_err(|_| {
            let _ = fs::remove_file(&draft);
        })
    }
}

fn seal_of(code: &Path) -> PathBuf {
    code.with_extension("sha256")
}

fn trusted(engine: &Engine, code: &Path, counters: &Counters) -> Option<Component> {
    let found = fs::read(code).ok()?;
    let seal = fs::read_to_string(seal_of(code)).unwrap_or_default();
    let component = if seal == sha256(&found) { load_file(engine, code).ok() } else { None };
    if component.is_none() {
        count(&counters.cache_refused);
        tracing::warn!("a cached plugin does not match its seal and is compiled again");
    }
    component
}

/// Maps a sealed file, so that its memory images are shared copy-on-write by all sessions.
fn load_file(engine: &Engine, code: &Path) -> wasmtime::Result<Component> {
    // SAFETY: the file lies in the host's private folder, matched its seal, and is only ever replaced by rename;
    // wasmtime itself checks version and settings.
    unsafe { Component::deserialize_file(engine, code) }
}

fn refused(error: wasmtime::Error) -> LoadError {
    LoadError::Refused { detail: format!("{error:#}") }
}
