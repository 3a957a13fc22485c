//! Where secrets lie: references, and the stores that follow them.

use futures_util::future::BoxFuture;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use zeroize::Zeroizing;

/// Bytes of a secret: a longer one is refused.
const SECRET_BYTES: u64 = 64 << 10;

/// Where a secret lies, never what it is.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum SecretRef {
    /// `env:NAME`
    Env(String),
    /// `file:PATH`; the last line break is not part of the secret.
    File(PathBuf),
}

/// What stands there is no reference. It may be the secret itself: it is not repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is not a reference: write env:NAME or file:PATH, never the secret itself")]
pub struct NoReference;

/// Why a secret cannot be had. Names the reference, never the value.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It is not there, or empty.
    #[error("{0} is not there, or empty")]
    Missing(SecretRef),
    /// It is there and cannot be read.
    #[error("{0} cannot be read")]
    Unreadable(SecretRef, #[source] io::Error),
    /// It is no text of at most 64 KiB.
    #[error("{0} is no text of at most 64 KiB")]
    Form(SecretRef),
    /// Whoever wrote the reference may not use it.
    #[error("{0} lies outside of what its writer may refer to")]
    Outside(SecretRef),
}

impl StoreError {
    /// Bounded label.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Missing(_) => "secret-missing",
            Self::Unreadable(..) => "secret-unreadable",
            Self::Form(_) => "secret-form",
            Self::Outside(_) => "secret-outside",
        }
    }
}

/// Follows references. Asked again for every use, but for a cache of seconds, so that a secret can be changed in its place.
pub trait SecretStore: Send + Sync {
    /// The secret's text.
    fn read<'a>(&'a self, reference: &'a SecretRef) -> BoxFuture<'a, Result<Zeroizing<String>, StoreError>>;
}

/// The process's environment and the machine's files.
#[derive(Clone, Debug, Default)]
pub struct LocalStore {
    within: Option<Within>,
}

/// None stands for nothing of that sort.
#[derive(Clone, Debug)]
struct Within {
    env_prefix: Option<String>,
    folder: Option<PathBuf>,
}

impl LocalStore {
    /// Only variables whose name begins with `env_prefix`, and files that lie in `folder` once every link is followed; none at all where that is
    /// not given. For references that a tenant writes, who is not to refer to the operator's own secrets.
    pub fn within(env_prefix: Option<String>, folder: Option<PathBuf>) -> Self {
        Self { within: Some(Within { env_prefix, folder }) }
    }

    /// Whether it would read this at all, by its name alone: where a file's links lead is seen when it is read.
    pub fn covers(&self, reference: &SecretRef) -> bool {
        let Some(Within { env_prefix, folder }) = &self.within else { return true };
        match reference {
            SecretRef::Env(name) => env_prefix.as_deref().is_some_and(|prefix| name.starts_with(prefix)),
            SecretRef::File(path) => folder.as_deref().is_some_and(|folder| path.starts_with(folder)),
        }
    }
}

impl SecretStore for LocalStore {
    fn read<'a>(&'a self, reference: &'a SecretRef) -> BoxFuture<'a, Result<Zeroizing<String>, StoreError>> {
        Box::pin(async move {
            if !self.covers(reference) {
                return Err(StoreError::Outside(reference.clone()));
            }
            let text = match reference {
                SecretRef::Env(name) => {
                    let value = std::env::var_os(name).ok_or_else(|| StoreError::Missing(reference.clone()))?;
                    Zeroizing::new(value.into_string().map_err(|_| StoreError::Form(reference.clone()))?)
                }
                SecretRef::File(path) => {
                    let folder = self.within.as_ref().and_then(|within| within.folder.clone());
                    let path = path.clone();
                    // A file may lie on a disk that does not answer: no worker waits for it.
                    let read = tokio::task::spawn_blocking(move || read_file(&path, folder.as_deref()));
                    read.await.unwrap_or_else(|_| Err(StoreError::Form(reference.clone())))?
                }
            };
            if text.is_empty() { Err(StoreError::Missing(reference.clone())) } else { Ok(text) }
        })
    }
}

fn read_file(path: &Path, folder: Option<&Path>) -> Result<Zeroizing<String>, StoreError> {
    use std::io::Read;
    let reference = || SecretRef::File(path.to_owned());
    let unreadable = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => StoreError::Missing(reference()),
        _ => StoreError::Unreadable(reference(), error),
    };
    let place = path.canonicalize().map_err(unreadable)?;
    if let Some(folder) = folder {
        let folder = folder.canonicalize().map_err(unreadable)?;
        if !place.starts_with(folder) {
            return Err(StoreError::Outside(reference()));
        }
    }
    let file = std::fs::File::open(place).map_err(unreadable)?;
    if !file.metadata().map_err(unreadable)?.is_file() {
        return Err(StoreError::Form(reference()));
    }
    // As much at once as may come, so that no copy is left behind by a buffer that grew.
    let mut bytes = Zeroizing::new(Vec::with_capacity(SECRET_BYTES as usize + 2));
    file.take(SECRET_BYTES + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > SECRET_BYTES {
        return Err(StoreError::Form(reference()));
    }
    let text = std::str::from_utf8(&bytes).map_err(|_| StoreError::Form(reference()))?;
    Ok(Zeroizing::new(text.trim_end_matches(['\r', '\n']).to_owned()))
}

impl FromStr for SecretRef {
    type Err = NoReference;

    fn from_str(text: &str) -> Result<Self, NoReference> {
        match text.split_once(':') {
            Some(("env", name)) if is_variable(name) => Ok(Self::Env(name.to_owned())),
            Some(("file", path)) if !path.is_empty() && !path.contains('\0') => Ok(Self::File(path.into())),
            _ => Err(NoReference),
        }
    }
}

fn is_variable(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

impl fmt::Display for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => write!(f, "env:{name}"),
            Self::File(path) => write!(f, "file:{}", path.display()),
        }
    }
}

impl fmt::Debug for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(store: &LocalStore, reference: &str) -> Result<String, &'static str> {
        let reference: SecretRef = reference.parse().unwrap();
        store.read(&reference).await.map(|text| text.to_string()).map_err(|error| error.code())
    }

    #[test]
    fn what_is_no_reference_is_not_repeated() {
        for text in ["sk_live_0123456789", "env:", "env:A B", "env:A=1", "file:", "vault:x", "", "ENV:A"] {
            let error = text.parse::<SecretRef>().unwrap_err();
            assert!(text.len() < 6 || !format!("{error} {error:?}").contains(text), "{text}");
        }
        assert_eq!("env:A_1".parse::<SecretRef>().unwrap().to_string(), "env:A_1");
    }

    #[tokio::test]
    async fn a_file_is_read_without_its_last_line_break_and_only_if_it_is_a_short_text() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, content: &[u8]| {
            let path = folder.path().join(name);
            std::fs::write(&path, content).unwrap();
            format!("file:{}", path.display())
        };
        let store = LocalStore::default();
        assert_eq!(read(&store, &file("plain", b"value\r\n")).await, Ok("value".to_owned()));
        assert_eq!(read(&store, &file("empty", b"\n")).await, Err("secret-missing"));
        assert_eq!(read(&store, &file("binary", b"\xff\xfe")).await, Err("secret-form"));
        assert_eq!(read(&store, &file("most", &[b'a'; 64 << 10])).await.map(|text| text.len()), Ok(64 << 10));
        assert_eq!(read(&store, &file("long", &[b'a'; (64 << 10) + 1])).await, Err("secret-form"));
        assert_eq!(read(&store, &format!("file:{}", folder.path().display())).await, Err("secret-form"));
        assert_eq!(read(&store, "file:/nowhere/at/all").await, Err("secret-missing"));
        assert_eq!(read(&store, "env:SURELY_NOT_SET_ANYWHERE").await, Err("secret-missing"));
    }

    #[tokio::test]
    async fn a_tenant_refers_to_nothing_of_the_operators() {
        let house = tempfile::tempdir().unwrap();
        let folder = house.path().join("acme");
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(house.path().join("operator"), "operators").unwrap();
        std::fs::write(folder.join("own"), "own").unwrap();
        std::os::unix::fs::symlink(house.path().join("operator"), folder.join("link")).unwrap();
        let store = LocalStore::within(Some("ACME_".to_owned()), Some(folder.clone()));
        let file = |path: &Path| format!("file:{}", path.display());
        assert_eq!(read(&store, &file(&folder.join("own"))).await, Ok("own".to_owned()));
        for path in [folder.join("link"), folder.join("../operator"), house.path().join("operator")] {
            assert_eq!(read(&store, &file(&path)).await, Err("secret-outside"), "{path:?}");
        }
        assert_eq!(read(&store, "env:PATH").await, Err("secret-outside"));
        assert_eq!(read(&store, "env:ACME_NOT_SET").await, Err("secret-missing"));
        let none = LocalStore::within(None, None);
        for reference in ["env:PATH", &file(&folder.join("own"))] {
            assert_eq!(read(&none, reference).await, Err("secret-outside"));
        }
    }
}
