//! From a reference to bytes that may run: what a host calls before it loads a plugin.

use crate::limits::{PLUGIN_BYTES_MAX, SIGNATURE_BYTES_MAX};
use crate::reference::{PluginName, Reference};
use crate::sign::signature_path;
use crate::store::{Store, StoreError};
use crate::trust::{Admitted, TrustError, TrustPolicy};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// A plugin that may run.
#[derive(Debug, Clone)]
pub struct Opened {
    /// The name that the policy knew it by.
    pub plugin: PluginName,
    /// Where the component lay. Another file may lie there by now: hold [`Admitted::digest`] against what is loaded from it.
    pub path: PathBuf,
    /// The component, as it was admitted.
    pub wasm: Vec<u8>,
    /// Its digest, and who vouches for it.
    pub admitted: Admitted,
}

/// Reads what a reference means on this machine and holds it against the policy. Reaches no registry: what is `oci://` has to be pulled
/// first. Blocks on the disk.
///
/// # Errors
/// See [`OpenError`].
pub fn open(reference: &Reference, store: &Store, policy: &TrustPolicy) -> Result<Opened, OpenError> {
    let plugin = reference.plugin().ok_or_else(|| OpenError::NoName { reference: reference.clone() })?;
    let (path, wasm, signature) = match reference {
        Reference::File(path) => {
            let wasm = read(path, PLUGIN_BYTES_MAX)?;
            (path.clone(), wasm.ok_or_else(|| missing(path))?, read(&signature_path(path), SIGNATURE_BYTES_MAX)?)
        }
        Reference::Named(_) | Reference::Oci(_) => {
            let stored = store.read(&store.resolve(reference)?)?;
            (stored.path, stored.wasm, stored.signature.map(String::into_bytes))
        }
    };
    // What is no text is no signature: the policy says so in its own words.
    let signature = signature.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    let admitted = policy.admit(&plugin, &wasm, signature.as_deref())?;
    Ok(Opened { plugin, path, wasm, admitted })
}

/// None where there is no such file.
fn read(path: &Path, bytes_max: u64) -> Result<Option<Vec<u8>>, OpenError> {
    let unreadable = |source| OpenError::Io { path: path.to_owned(), source };
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened.map_err(unreadable)?,
    };
    let mut bytes = Vec::new();
    file.take(bytes_max + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > bytes_max {
        return Err(OpenError::TooLarge { path: path.to_owned(), bytes_max });
    }
    Ok(Some(bytes))
}

fn missing(path: &Path) -> OpenError {
    OpenError::Io { path: path.to_owned(), source: io::ErrorKind::NotFound.into() }
}

/// Why a reference gives no plugin that may run.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A file whose name is no plugin's.
    #[error("{reference} does not name a plugin: a file is named like its plugin, in lower case")]
    NoName {
        /// As asked for.
        reference: Reference,
    },
    /// The file cannot be read.
    #[error("{} cannot be read", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// More than it may be.
    #[error("{} has more than {bytes_max} bytes", path.display())]
    TooLarge {
        /// Which.
        path: PathBuf,
        /// Allowed.
        bytes_max: u64,
    },
    /// The store does not have it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The policy does not let it in.
    #[error(transparent)]
    Trust(#[from] TrustError),
}

impl OpenError {
    /// Bounded label.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoName { .. } => "no-name",
            Self::Io { .. } => "io",
            Self::TooLarge { .. } => "too-large",
            Self::Store(error) => error.code(),
            Self::Trust(error) => error.code(),
        }
    }

    /// What an operator can do about it, as a sentence.
    pub fn remedy(&self) -> String {
        match self {
            Self::NoName { .. } => "Rename the file to the plugin's name and `.wasm`.".to_owned(),
            Self::Io { .. } => "See that the file is there and readable for the gateway's user.".to_owned(),
            Self::TooLarge { .. } => "Ask its author for a smaller file.".to_owned(),
            Self::Store(error) => error.remedy().to_owned(),
            Self::Trust(error) => error.remedy(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sign::{Password, SecretKey, keygen, sign, sign_bytes};
    use crate::store::Incoming;
    use crate::{Digest, PublicKey};
    use std::fs;

    #[test]
    fn file_and_store_are_held_against_the_same_policy() {
        let folder = tempfile::tempdir().unwrap();
        let made = keygen(&folder.path().join("author"), Password::Without).unwrap();
        let key = SecretKey::read(&made.secret, Password::Without).unwrap();
        let policy =
            TrustPolicy { require_signature: true, keys: vec![PublicKey::read(&made.public).unwrap()], ..TrustPolicy::default() };
        let store = Store::open(&folder.path().join("store")).unwrap();
        let file = folder.path().join("stt-acme.wasm");
        fs::write(&file, b"component").unwrap();
        let by_file = Reference::File(file.clone());
        let by_name: Reference = "stt-acme@1.2.0".parse().unwrap();
        let plugin = by_name.plugin().unwrap();
        let code = |reference: &Reference| open(reference, &store, &policy).unwrap_err().code();

        assert_eq!(code(&by_file), "unsigned");
        sign(&file, &plugin, &key).unwrap();
        let opened = open(&by_file, &store, &policy).unwrap();
        assert_eq!((opened.admitted.digest, opened.path), (Digest::of(b"component"), file.clone()));
        fs::write(&file, b"komponent").unwrap();
        assert_eq!(code(&by_file), "changed");
        fs::remove_file(&file).unwrap();
        assert_eq!(code(&by_file), "io");

        assert_eq!(code(&by_name), "unknown-reference");
        let signature = sign_bytes(b"component", &plugin, &key).unwrap();
        let incoming = Incoming { wasm: b"component", plugin: &plugin, signature: None, source: "test" };
        store.put(&incoming, std::slice::from_ref(&by_name)).unwrap();
        assert_eq!(code(&by_name), "unsigned");
        store.put(&Incoming { signature: Some(&signature), ..incoming }, &["stt-acme@1.3.0".parse().unwrap()]).unwrap();
        assert_eq!(open(&by_name, &store, &policy).unwrap().admitted.signer.unwrap().plugin, Some(plugin));
        // The genuine old version, put under the new version's name.
        assert_eq!(code(&"stt-acme@1.3.0".parse().unwrap()), "other-plugin");
    }
}
