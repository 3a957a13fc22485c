//! Minisign keys and signatures, interchangeable with the `minisign` program.
//!
//! A signature says more than *these bytes*: its trusted comment, which the key signs too, carries the plugin's name (with its
//! version where one is given) and the SHA-256, so that a genuine plugin cannot be passed off as another one or as another version.

use crate::digest::Digest;
use crate::limits::{PLUGIN_BYTES_MAX, SIGNATURE_BYTES_MAX};
use crate::reference::PluginName;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::fmt;
use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::SystemTime;

/// The number that a key and its signatures share. Prints as minisign prints it: 16 upper-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyId(u64);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016X}", self.0)
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A key that an operator trusts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    id: KeyId,
    key: minisign_verify::PublicKey,
}

impl PublicKey {
    /// The number that its signatures carry.
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// Reads a `.pub` file.
    ///
    /// # Errors
    /// [`SignError::Io`], [`SignError::NotAKey`].
    pub fn read(path: &Path) -> Result<Self, SignError> {
        read_text(path)?.parse().map_err(|NotAPublicKey| SignError::NotAKey { path: path.to_owned() })
    }

    pub(crate) fn vouches_for(&self, bytes: &[u8], signature: &Signature) -> bool {
        // Signatures of the legacy form sign the content itself; minisign has not made them since 0.8 unless asked to.
        self.key.verify(bytes, &signature.parsed, false).is_ok()
    }
}

/// A text that is no minisign public key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("text is no minisign public key")]
pub struct NotAPublicKey;

impl FromStr for PublicKey {
    type Err = NotAPublicKey;

    /// A `.pub` file with its comment line, or the key's own line alone.
    fn from_str(text: &str) -> Result<Self, NotAPublicKey> {
        let line = text.lines().map(str::trim).rfind(|line| !line.is_empty()).ok_or(NotAPublicKey)?;
        let key = minisign_verify::PublicKey::from_base64(line).map_err(|_| NotAPublicKey)?;
        Ok(Self { id: key_id(line).ok_or(NotAPublicKey)?, key })
    }
}

/// The text of a `.minisig` file.
#[derive(Clone)]
pub struct Signature {
    key: KeyId,
    text: String,
    parsed: minisign_verify::Signature,
}

impl Signature {
    /// The number of the key that is said to have made it.
    pub fn key(&self) -> KeyId {
        self.key
    }

    /// Four lines, as in the file.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Worth nothing before the signature is verified.
    pub(crate) fn comment(&self) -> &str {
        self.parsed.trusted_comment()
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signature({})", self.key)
    }
}

/// A text that is no minisign signature.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("text is no minisign signature")]
pub struct NotASignature;

impl FromStr for Signature {
    type Err = NotASignature;

    fn from_str(text: &str) -> Result<Self, NotASignature> {
        if text.len() as u64 > SIGNATURE_BYTES_MAX {
            return Err(NotASignature);
        }
        let parsed = minisign_verify::Signature::decode(text).map_err(|_| NotASignature)?;
        let key = text.lines().nth(1).and_then(key_id).ok_or(NotASignature)?;
        Ok(Self { key, text: text.to_owned(), parsed })
    }
}

/// Two bytes of algorithm, then the key's number: the same in keys and signatures.
fn key_id(line: &str) -> Option<KeyId> {
    let bytes = STANDARD.decode(line).ok()?;
    Some(KeyId(u64::from_le_bytes(bytes.get(2..10)?.try_into().ok()?)))
}

/// How a secret key lies on disk.
#[derive(Clone, Copy)]
pub enum Password<'a> {
    /// Readable by whoever reads the file: for machines that sign by themselves.
    Without,
    /// This one.
    Given(&'a str),
    /// Asked for at the terminal.
    Ask,
}

/// What [`keygen`] made.
#[derive(Debug, Clone)]
pub struct NewKey {
    /// To be kept by the author; readable by its owner only.
    pub secret: PathBuf,
    /// To be given to operators.
    pub public: PathBuf,
    /// The key itself.
    pub key: PublicKey,
}

/// Makes a pair of keys: `OUT.key` and `OUT.pub`. Never replaces a file.
///
/// # Errors
/// [`SignError::Exists`], [`SignError::Io`], [`SignError::Minisign`].
pub fn keygen(out: &Path, password: Password<'_>) -> Result<NewKey, SignError> {
    let [secret, public] = ["key", "pub"].map(|kind| with_suffix(out, kind));
    if let Some(path) = [&secret, &public].into_iter().find(|path| path.exists()) {
        return Err(SignError::Exists { path: path.clone() });
    }
    let pair = match password {
        Password::Without => minisign::KeyPair::generate_unencrypted_keypair(),
        Password::Given(password) => minisign::KeyPair::generate_encrypted_keypair(Some(password.to_owned())),
        Password::Ask => minisign::KeyPair::generate_encrypted_keypair(None),
    }
    .map_err(SignError::Minisign)?;
    let secret_text = pair.sk.to_box(Some("minisign secret key")).map_err(SignError::Minisign)?.into_string();
    let public_text = pair.pk.to_box().map_err(SignError::Minisign)?.into_string();
    write_new(&secret, &secret_text, 0o600)?;
    write_new(&public, &public_text, 0o644)?;
    let key = public_text.parse().map_err(|NotAPublicKey| SignError::NotAKey { path: public.clone() })?;
    Ok(NewKey { secret, public, key })
}

/// Algorithms, salt and costs of the password, number, key, checksum.
const SECRET_KEY_BYTES: usize = 3 * 2 + 32 + 2 * 8 + 8 + 64 + 32;

/// A key that makes signatures. Has no `Debug`: nothing of it is ever printed.
pub struct SecretKey(minisign::SecretKey);

impl SecretKey {
    /// Reads a `.key` file made by [`keygen`] or by minisign.
    ///
    /// # Errors
    /// [`SignError::Locked`] where a password is needed and [`Password::Without`] is given; [`SignError::WrongPassword`],
    /// [`SignError::NotAKey`], [`SignError::Io`].
    pub fn read(path: &Path, password: Password<'_>) -> Result<Self, SignError> {
        let text = read_text(path)?;
        let bytes = STANDARD.decode(text.lines().nth(1).unwrap_or_default().trim()).unwrap_or_default();
        if bytes.len() != SECRET_KEY_BYTES {
            return Err(SignError::NotAKey { path: path.to_owned() });
        }
        // The third and fourth bytes name the function that derives a key from the password; zero is none.
        let locked = bytes[2..4] != [0, 0];
        let boxed = minisign::SecretKeyBox::from(text);
        let key = match (locked, password) {
            (false, _) => boxed.into_unencrypted_secret_key().map_err(|_| SignError::NotAKey { path: path.to_owned() }),
            (true, Password::Without) => Err(SignError::Locked { path: path.to_owned() }),
            (true, Password::Given(password)) => unlock(path, boxed, Some(password.to_owned())),
            (true, Password::Ask) => unlock(path, boxed, None),
        }?;
        Ok(Self(key))
    }
}

fn unlock(path: &Path, boxed: minisign::SecretKeyBox, password: Option<String>) -> Result<minisign::SecretKey, SignError> {
    boxed.into_secret_key(password).map_err(|_| SignError::WrongPassword { path: path.to_owned() })
}

/// Signs the component in `file` as `plugin` and writes `FILE.minisig`, replacing an older one. Gives the signature's path.
///
/// # Errors
/// [`SignError::Io`], [`SignError::TooLarge`], [`SignError::Minisign`].
pub fn sign(file: &Path, plugin: &PluginName, key: &SecretKey) -> Result<PathBuf, SignError> {
    let bytes = read_bounded(file, PLUGIN_BYTES_MAX)?;
    let signature = sign_bytes(&bytes, plugin, key)?;
    let path = signature_path(file);
    fs::write(&path, signature.text()).map_err(|source| SignError::Io { path: path.clone(), source })?;
    Ok(path)
}

/// Signs bytes as `plugin`.
///
/// # Errors
/// [`SignError::Minisign`].
pub fn sign_bytes(bytes: &[u8], plugin: &PluginName, key: &SecretKey) -> Result<Signature, SignError> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let trusted = format!("timestamp:{now}\tplugin:{plugin}\tsha256:{}\thashed", Digest::of(bytes).hex());
    let made = minisign::sign(None, &key.0, bytes, Some(&trusted), Some("signature of a speech plugin"));
    let text = made.map_err(SignError::Minisign)?.into_string();
    text.parse().map_err(|NotASignature| SignError::Unreadable)
}

/// Where the signature of a file lies: beside it, with `.minisig` after its whole name, as minisign does it.
pub fn signature_path(file: &Path) -> PathBuf {
    with_suffix(file, "minisig")
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut path = path.as_os_str().to_owned();
    path.push(".");
    path.push(suffix);
    path.into()
}

/// Why there is no key or signature.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// A file cannot be read or written.
    #[error("{} cannot be read or written", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Keys are never replaced.
    #[error("{} exists already; a key is never replaced, choose another name", path.display())]
    Exists {
        /// Which.
        path: PathBuf,
    },
    /// No minisign key.
    #[error("{} is no minisign key of the kind that is needed here", path.display())]
    NotAKey {
        /// Which.
        path: PathBuf,
    },
    /// The key has a password and none was given.
    #[error("{} is protected by a password, and none was given", path.display())]
    Locked {
        /// Which.
        path: PathBuf,
    },
    /// The password opens nothing, or the file is damaged.
    #[error("{} cannot be opened by this password", path.display())]
    WrongPassword {
        /// Which.
        path: PathBuf,
    },
    /// More than a plugin may be.
    #[error("{} has more than {bytes_max} bytes", path.display())]
    TooLarge {
        /// Which.
        path: PathBuf,
        /// Allowed.
        bytes_max: u64,
    },
    /// Minisign refuses: no randomness, or no terminal to ask for a password.
    #[error("minisign makes no key or signature")]
    Minisign(#[source] minisign::PError),
    /// What was made cannot be read back.
    #[error("the new signature cannot be read back")]
    Unreadable,
}

impl SignError {
    /// Bounded label.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Io { .. } => "io",
            Self::Exists { .. } => "exists",
            Self::NotAKey { .. } => "not-a-key",
            Self::Locked { .. } => "locked",
            Self::WrongPassword { .. } => "wrong-password",
            Self::TooLarge { .. } => "too-large",
            Self::Minisign(_) => "minisign",
            Self::Unreadable => "unreadable",
        }
    }
}

fn write_new(path: &Path, text: &str, mode: u32) -> Result<(), SignError> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, mode);
    let written = options.open(path).and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|source| SignError::Io { path: path.to_owned(), source })
}

/// A key's file; anything longer is none.
fn read_text(path: &Path) -> Result<String, SignError> {
    let bytes = read_bounded(path, SIGNATURE_BYTES_MAX)?;
    String::from_utf8(bytes).map_err(|_| SignError::NotAKey { path: path.to_owned() })
}

fn read_bounded(path: &Path, bytes_max: u64) -> Result<Vec<u8>, SignError> {
    let mut bytes = Vec::new();
    let read = fs::File::open(path).and_then(|file| file.take(bytes_max + 1).read_to_end(&mut bytes));
    read.map_err(|source| SignError::Io { path: path.to_owned(), source })?;
    if bytes.len() as u64 > bytes_max { Err(SignError::TooLarge { path: path.to_owned(), bytes_max }) } else { Ok(bytes) }
}

#[cfg(test)]
mod tests;
