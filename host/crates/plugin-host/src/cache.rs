//! Compiled components on disk.
//!
//! An entry is two files: the code, and its seal, made with a key that this folder alone has. An entry without both, or whose
//! code or name does not match, is compiled anew: compiled code is trusted as the host's own, so one that was made elsewhere, or
//! moved here from another entry, must not run. The folder is readable and writable by its owner alone.

use crate::counters::{Counters, count};
use crate::engine::fingerprint;
use crate::load::{LoadError, refused};
use ring::hmac;
use ring::rand::SystemRandom;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
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

/// The folder's key, 32 bytes.
const KEY: &str = "seal.key";
const KEY_BYTES: usize = 32;

pub(crate) struct Cache {
    folder: PathBuf,
    key: hmac::Key,
}

impl Cache {
    /// Makes the folder and its key where they are missing.
    pub(crate) fn open(folder: &Path) -> io::Result<Self> {
        let mut builder = fs::DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.recursive(true).create(folder)?;
        let key = hmac::Key::new(hmac::HMAC_SHA256, &key_of(folder)?);
        Ok(Self { folder: folder.to_owned(), key })
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
        if self.is_ours(&code, counters) {
            count(&counters.cache_hits);
            // It is as it was compiled, for engines alike: where it cannot be loaded it fits no place of this one's pool.
            return load_file(engine, &code).map_err(refused);
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
        self.write(&seal_of(code), hmac::sign(&self.key, &sealed(code, compiled)).as_ref())
    }

    fn is_ours(&self, code: &Path, counters: &Counters) -> bool {
        let Ok(found) = fs::read(code) else { return false };
        let seal = fs::read(seal_of(code)).unwrap_or_default();
        let ours = hmac::verify(&self.key, &sealed(code, &found), &seal).is_ok();
        if !ours {
            count(&counters.cache_refused);
            tracing::warn!("a cached plugin does not match its seal and is compiled again");
        }
        ours
    }

    /// Removes every entry but those of components with these SHA-256; answers how many bytes that freed. What is loaded stays
    /// loaded.
    pub(crate) fn gc(&self, keep: &BTreeSet<String>) -> io::Result<u64> {
        let mut freed = 0;
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let is_entry = [".cwasm", ".seal"].iter().any(|ending| name.ends_with(ending));
            let kept = name.split_once('-').is_some_and(|(digest, _)| keep.contains(digest));
            if is_entry && !kept {
                freed += entry.metadata()?.len();
                fs::remove_file(entry.path())?;
            }
        }
        Ok(freed)
    }

    /// Whole or not at all, also beside another process that writes the same; never into a file that is mapped.
    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        // Of the whole process: with two caches of one folder, each counting its own, one would rename what the other has written.
        static WRITES: AtomicU64 = AtomicU64::new(0);
        let nth = WRITES.fetch_add(1, Relaxed);
        let draft = self.folder.join(format!(".draft-{}-{nth}", std::process::id()));
        fs::write(&draft, bytes).and_then(|()| fs::rename(&draft, path)).inspect_err(|_| {
            let _ = fs::remove_file(&draft);
        })
    }
}

fn seal_of(code: &Path) -> PathBuf {
    code.with_extension("seal")
}

/// The entry's name belongs to what is sealed: it says which component and which engine the code is for.
fn sealed(code: &Path, bytes: &[u8]) -> Vec<u8> {
    let name = code.file_name().unwrap_or_default().as_encoded_bytes();
    [&(name.len() as u64).to_le_bytes(), name, &Sha256::digest(bytes)].concat()
}

/// The folder's key; a new one where there is none or half of one, which makes every entry there worthless. One that cannot be read is left alone.
fn key_of(folder: &Path) -> io::Result<[u8; KEY_BYTES]> {
    let path = folder.join(KEY);
    let known = || match fs::read(&path) {
        Ok(key) => Ok(<[u8; KEY_BYTES]>::try_from(key).ok()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    };
    if let Some(key) = known()? {
        return Ok(key);
    }
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let key = ring::rand::generate::<[u8; KEY_BYTES]>(&SystemRandom::new())
        .map_err(|_| io::Error::other("the system gives no random bytes"))?
        .expose();
    let draft = folder.join(format!(".draft-key-{}", std::process::id()));
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(&draft)?.write_all(&key)?;
    // Linked, not renamed: of two processes that start together one is first, and both use its key.
    let linked = fs::hard_link(&draft, &path);
    fs::remove_file(&draft)?;
    known()?.ok_or_else(|| linked.err().unwrap_or_else(|| io::Error::other("the key cannot be read")))
}

/// Maps a sealed file, so that its memory images are shared copy-on-write by all sessions.
fn load_file(engine: &Engine, code: &Path) -> wasmtime::Result<Component> {
    // SAFETY: the file lies in the host's private folder, matched its seal, and is only ever replaced by rename;
    // wasmtime itself checks version and settings.
    unsafe { Component::deserialize_file(engine, code) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seal_is_worth_nothing_under_another_key_or_name() {
        let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (one, other) = (Cache::open(one.path()).unwrap(), Cache::open(other.path()).unwrap());
        let code = Path::new("a-1.cwasm");
        let seal = hmac::sign(&one.key, &sealed(code, b"code"));
        assert!(hmac::verify(&one.key, &sealed(code, b"code"), seal.as_ref()).is_ok());
        assert!(hmac::verify(&one.key, &sealed(Path::new("b-1.cwasm"), b"code"), seal.as_ref()).is_err());
        assert!(hmac::verify(&one.key, &sealed(code, b"other"), seal.as_ref()).is_err());
        assert!(hmac::verify(&other.key, &sealed(code, b"code"), seal.as_ref()).is_err());
    }

    #[test]
    fn the_key_stays_and_only_its_owner_reads_it() {
        let folder = tempfile::tempdir().unwrap();
        let key = key_of(folder.path()).unwrap();
        assert_eq!(key_of(folder.path()).unwrap(), key);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = fs::metadata(folder.path().join(KEY)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        fs::write(folder.path().join(KEY), b"short").unwrap();
        assert_ne!(key_of(folder.path()).unwrap(), key, "half a key is none");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_key_that_cannot_be_read_is_a_fault_and_stays() {
        let folder = tempfile::tempdir().unwrap();
        let key = folder.path().join(KEY);
        // Nothing is mapped at its beginning: reading fails, as it would with too many files open.
        std::os::unix::fs::symlink("/proc/self/mem", &key).unwrap();
        assert!(key_of(folder.path()).is_err());
        assert!(key.is_symlink(), "entries that other gateways made are worthless now");
    }

    #[test]
    fn caches_of_one_folder_keep_what_they_were_given() {
        let folder = tempfile::tempdir().unwrap();
        let keeps = |byte: u8| {
            let cache = Cache::open(folder.path()).unwrap();
            let code = folder.path().join(format!("{byte}-1.cwasm"));
            for _ in 0..200 {
                cache.keep(&code, &[byte; 4096]).unwrap();
                assert_eq!(fs::read(&code).unwrap(), [byte; 4096]);
            }
        };
        std::thread::scope(|threads| {
            let others = [1, 2, 3].map(|byte| threads.spawn(move || keeps(byte)));
            for other in others {
                other.join().unwrap();
            }
        });
    }

    #[test]
    fn what_is_not_kept_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open(folder.path()).unwrap();
        for digest in ["aa", "bb"] {
            cache.keep(&folder.path().join(format!("{digest}-1.cwasm")), &[0; 100]).unwrap();
        }
        assert_eq!(cache.gc(&BTreeSet::from(["bb".to_owned()])).unwrap(), 132);
        let left: BTreeSet<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["bb-1.cwasm", "bb-1.seal", KEY].map(Into::into).into());
    }
}
