//! Who we are to a registry. Each password is bound to one registry and goes nowhere else.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use oci_client::secrets::RegistryAuth;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{env, fmt, fs, io};

/// `HOST=USER:PASSWORD`.
const VARIABLE: &str = "VG_REGISTRY_AUTH";

/// Users and passwords by registry; anonymous everywhere else.
#[derive(Clone, Default)]
pub struct Credentials {
    known: BTreeMap<String, Known>,
}

#[derive(Clone)]
enum Known {
    Basic {
        user: String,
        password: String,
    },
    /// Docker would ask another program.
    Helper,
}

impl Credentials {
    /// Those of this machine: the variable `VG_REGISTRY_AUTH` (`HOST=USER:PASSWORD`), and what `docker login` left in
    /// `$DOCKER_CONFIG/config.json` or `~/.docker/config.json`. The variable wins.
    ///
    /// # Errors
    /// [`CredentialsError::Variable`], [`CredentialsError::File`].
    pub fn discover() -> Result<Self, CredentialsError> {
        let folder = env::var_os("DOCKER_CONFIG").map(PathBuf::from);
        let folder = folder.or_else(|| env::home_dir().map(|home| home.join(".docker")));
        let mut found = match folder.map(|folder| folder.join("config.json")) {
            Some(path) => Self::of_docker_file(&path)?,
            None => Self::default(),
        };
        if let Some(text) = env::var_os(VARIABLE) {
            let parts = text.to_str().and_then(|text| text.split_once('=')).and_then(|(host, login)| {
                let (user, password) = login.split_once(':')?;
                Some((host.to_owned(), user.to_owned(), password.to_owned()))
            });
            let (host, user, password) = parts.ok_or(CredentialsError::Variable)?;
            found = found.with(&host, &user, &password);
        }
        Ok(found)
    }

    /// These, and this user at this registry.
    #[must_use]
    pub fn with(mut self, registry: &str, user: &str, password: &str) -> Self {
        let basic = Known::Basic { user: user.to_owned(), password: password.to_owned() };
        self.known.insert(registry.to_owned(), basic);
        self
    }

    fn of_docker_file(path: &Path) -> Result<Self, CredentialsError> {
        let broken = || CredentialsError::File { path: path.to_owned() };
        match fs::read(path) {
            Ok(text) => Self::of_docker(&text).ok_or_else(broken),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(_) => Err(broken()),
        }
    }

    fn of_docker(text: &[u8]) -> Option<Self> {
        let config: DockerConfig = serde_json::from_slice(text).ok()?;
        let mut known = BTreeMap::new();
        for (registry, login) in config.auths {
            // Entries without a password stand for one that the store of passwords holds.
            let basic = STANDARD.decode(login.auth.trim_end_matches('\0')).ok().and_then(|pair| String::from_utf8(pair).ok());
            let basic = basic.as_deref().and_then(|pair| pair.split_once(':')).filter(|_| login.identitytoken.is_empty());
            let entry = basic.map_or(Known::Helper, |(user, password)| Known::Basic {
                user: user.to_owned(),
                password: password.trim_end_matches('\0').to_owned(),
            });
            known.insert(host(&registry), entry);
        }
        known.extend(config.cred_helpers.into_keys().map(|registry| (host(&registry), Known::Helper)));
        Some(Self { known })
    }

    pub(crate) fn at(&self, registry: &str) -> Result<RegistryAuth, CredentialsError> {
        match self.known.get(registry) {
            None => Ok(RegistryAuth::Anonymous),
            Some(Known::Basic { user, password }) => Ok(RegistryAuth::Basic(user.clone(), password.clone())),
            Some(Known::Helper) => Err(CredentialsError::Helper { registry: registry.to_owned() }),
        }
    }
}

/// Docker writes old registries as URLs.
fn host(registry: &str) -> String {
    let registry = registry.trim_start_matches("https://").trim_start_matches("http://");
    match registry.split('/').next().unwrap_or_default() {
        "index.docker.io" => "docker.io".to_owned(),
        host => host.to_owned(),
    }
}

#[derive(Deserialize)]
struct DockerConfig {
    #[serde(default)]
    auths: BTreeMap<String, DockerLogin>,
    #[serde(default, rename = "credHelpers")]
    cred_helpers: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct DockerLogin {
    #[serde(default)]
    auth: String,
    #[serde(default)]
    identitytoken: String,
}

/// Registries and users; never a password.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.known.keys()).finish()
    }
}

/// Why a password cannot be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CredentialsError {
    /// The variable breaks its form.
    #[error("`VG_REGISTRY_AUTH` is not `HOST=USER:PASSWORD`")]
    Variable,
    /// Docker's file is no JSON of that kind.
    #[error("{} cannot be read as docker's configuration", path.display())]
    File {
        /// Which.
        path: PathBuf,
    },
    /// Docker keeps the password where only another program gets it.
    #[error("docker keeps the password for {registry} in a helper program, which is not run here; set `VG_REGISTRY_AUTH`")]
    Helper {
        /// Whose.
        registry: String,
    },
}

impl CredentialsError {
    /// Bounded label.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Variable => "credentials-variable",
            Self::File { .. } => "credentials-file",
            Self::Helper { .. } => "credentials-helper",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_docker_login_is_used_at_its_own_registry_only() {
        let config = br#"{"auths": {"r.example:5000": {"auth": "dXNlcjpwYTpzcw=="}, "https://index.docker.io/v1/": {"auth": "YTpi"},
            "kept.example": {}, "token.example": {"auth": "YTpi", "identitytoken": "x"}}, "credHelpers": {"helped.example": "gcloud"}, "credsStore": "desktop"}"#;
        let found = Credentials::of_docker(config).unwrap();
        assert_eq!(found.at("r.example:5000"), Ok(RegistryAuth::Basic("user".into(), "pa:ss".into())));
        assert_eq!(found.at("docker.io"), Ok(RegistryAuth::Basic("a".into(), "b".into())));
        assert_eq!(found.at("r.example"), Ok(RegistryAuth::Anonymous));
        for registry in ["kept.example", "token.example", "helped.example"] {
            assert_eq!(found.at(registry).unwrap_err().code(), "credentials-helper");
        }
        assert!(!format!("{found:?}").contains("pa:ss"));
        assert!(Credentials::of_docker(b"[1").is_none());
    }
}
