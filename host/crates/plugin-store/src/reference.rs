//! What an operator writes to mean a plugin: `name@version`, `file:PATH` or `oci://registry/repository[:tag][@sha256:…]`.

use crate::digest::Digest;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::path::PathBuf;
use std::str::FromStr;

/// One plugin, by one of three ways to say where it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reference {
    /// `name@version`: something the store already holds. *Invariant:* it has a version.
    Named(PluginName),
    /// `file:PATH`: a component on this machine; its signature lies beside it as `PATH.minisig`.
    File(PathBuf),
    /// `oci://…`: an artifact in a registry.
    Oci(OciReference),
}

impl Reference {
    /// The name that a policy knows the plugin by: the name itself, the file's stem, the last part of the repository. None where a file
    /// has no name that a plugin could have.
    pub fn plugin(&self) -> Option<PluginName> {
        match self {
            Self::Named(name) => Some(name.clone()),
            Self::File(path) => path.file_stem()?.to_str()?.parse().ok(),
            Self::Oci(oci) => oci.repository.rsplit('/').next()?.parse().ok(),
        }
    }
}

/// A plugin's name, with its version where one is meant: `stt-acme` or `stt-acme@1.2.0`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PluginName {
    name: String,
    version: Option<String>,
}

impl PluginName {
    /// Lower-case letters, digits and `.` `_` `-`, at most 64.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Letters, digits and `.` `_` `+` `-`, at most 64.
    pub fn version(&self) -> Option<&str> {
        self.version.as_deref()
    }

    /// Whether both can mean the same plugin: the same name, and no two different versions.
    pub fn agrees_with(&self, other: &Self) -> bool {
        let versions_agree = match (&self.version, &other.version) {
            (Some(own), Some(others)) => own == others,
            _ => true,
        };
        self.name == other.name && versions_agree
    }
}

/// A manifest in a registry. The digest, where there is one, is the manifest's and decides; the tag is then only for readers.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OciReference {
    registry: String,
    repository: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

impl OciReference {
    /// `host`, `host:port` or `[v6]:port`.
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// Path within the registry.
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// As written; `latest` is meant where neither tag nor digest is.
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// Of the manifest that is meant, whatever the tag says.
    pub fn digest(&self) -> Option<Digest> {
        self.digest
    }

    /// The same repository, pinned to this manifest.
    pub fn pinned(&self, digest: Digest) -> Self {
        Self { digest: Some(digest), ..self.clone() }
    }

    /// Whether the registry is this machine, by its name alone: `localhost`, or a loopback address.
    pub fn is_loopback(&self) -> bool {
        let host = host_of(&self.registry);
        host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    }

    /// What decides which manifest is meant: the digest alone, else the tag.
    pub(crate) fn essence(&self) -> Self {
        let tag = match self.digest {
            Some(_) => None,
            None => Some(self.tag.clone().unwrap_or_else(|| "latest".to_owned())),
        };
        Self { tag, ..self.clone() }
    }
}

/// Why a text is no reference.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceError {
    /// None of the three forms.
    #[error("`{scheme}:` is no known kind of reference; there are `name@version`, `file:PATH` and `oci://registry/repository`")]
    Scheme {
        /// As found.
        scheme: String,
    },
    /// A name alone does not say which one.
    #[error("`{name}` has no version; write `{name}@VERSION` (`voice-gateway plugin list` shows them)")]
    NoVersion {
        /// As found.
        name: String,
    },
    /// A part breaks its rule.
    #[error("{what} `{found}` is not {rule}")]
    Malformed {
        /// Which part.
        what: &'static str,
        /// As found.
        found: String,
        /// What it has to be.
        rule: &'static str,
    },
    /// `user:password@` in a reference would end up in logs.
    #[error("a reference holds no credentials; set `VG_REGISTRY_AUTH` or log in by `docker login`")]
    Credentials,
}

impl ReferenceError {
    /// Bounded label.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Scheme { .. } => "scheme",
            Self::NoVersion { .. } => "no-version",
            Self::Malformed { .. } => "malformed",
            Self::Credentials => "credentials",
        }
    }
}

fn malformed(what: &'static str, found: &str, rule: &'static str) -> ReferenceError {
    ReferenceError::Malformed { what, found: found.to_owned(), rule }
}

fn host_of(registry: &str) -> &str {
    match registry.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or_default(),
        None => registry.split(':').next().unwrap_or_default(),
    }
}

impl FromStr for Reference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        if text.starts_with("oci://") {
            return text.parse().map(Self::Oci);
        }
        if let Some(path) = text.strip_prefix("file:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            if path.is_empty() || path.contains('\0') {
                return Err(malformed("path", path, "a path"));
            }
            return Ok(Self::File(PathBuf::from(path)));
        }
        if let Some((scheme, _)) = text.split_once(':') {
            return Err(ReferenceError::Scheme { scheme: scheme.to_owned() });
        }
        let name: PluginName = text.parse()?;
        match name.version {
            Some(_) => Ok(Self::Named(name)),
            None => Err(ReferenceError::NoVersion { name: name.name }),
        }
    }
}

impl FromStr for PluginName {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        let (name, version) = text.split_once('@').map_or((text, None), |(name, version)| (name, Some(version)));
        let is_name = |letter: u8| letter.is_ascii_lowercase() || letter.is_ascii_digit() || b"._-".contains(&letter);
        if !part(name, 64, is_name) {
            return Err(malformed(
                "name",
                name,
                "1 to 64 lower-case letters, digits and . _ -, beginning with a letter or digit",
            ));
        }
        let is_version = |letter: u8| letter.is_ascii_alphanumeric() || b"._+-".contains(&letter);
        match version {
            Some(version) if !part(version, 64, is_version) => {
                Err(malformed("version", version, "1 to 64 letters, digits and . _ + -, beginning with a letter or digit"))
            }
            version => Ok(Self { name: name.to_owned(), version: version.map(str::to_owned) }),
        }
    }
}

/// By the grammar of the OCI distribution spec ("Pulling manifests"); the registry is always written out.
impl FromStr for OciReference {
    type Err = ReferenceError;

    /// With or without `oci://`.
    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        let text = text.strip_prefix("oci://").unwrap_or(text);
        let (place, digest) = match text.split_once('@') {
            // A password may hold anything: whatever is no digest there might be one.
            Some((_, digest)) if !digest.starts_with("sha256:") => {
                return Err(if digest.contains('/') {
                    ReferenceError::Credentials
                } else {
                    malformed("digest", digest, "`sha256:` and 64 lower-case hexadecimal digits")
                });
            }
            Some((place, digest)) => {
                let rule = "`sha256:` and 64 lower-case hexadecimal digits";
                (place, Some(digest.parse().map_err(|_| malformed("digest", digest, rule))?))
            }
            None => (text, None),
        };
        let (registry, path) =
            place.split_once('/').ok_or_else(|| malformed("place", place, "a registry, a slash and a repository"))?;
        let (repository, tag) = path.split_once(':').map_or((path, None), |(repository, tag)| (repository, Some(tag)));
        if !is_registry(registry) {
            return Err(malformed("registry", registry, "a host name or address, and a port where it is not 443"));
        }
        if repository.len() > 255 || !repository.split('/').all(is_repository_part) {
            return Err(malformed(
                "repository",
                repository,
                "lower-case letters, digits and single . _ - between them, in parts",
            ));
        }
        let is_tag = |letter: u8| letter.is_ascii_alphanumeric() || b"._-".contains(&letter);
        if let Some(tag) = tag.filter(|tag| !part(tag.trim_start_matches('_'), 128, is_tag)) {
            return Err(malformed("tag", tag, "1 to 128 letters, digits and . _ -"));
        }
        Ok(Self { registry: registry.to_owned(), repository: repository.to_owned(), tag: tag.map(str::to_owned), digest })
    }
}

/// Letters of one kind, beginning with an alphanumeric one.
fn part(text: &str, length_max: usize, allowed: impl Fn(u8) -> bool) -> bool {
    text.len() <= length_max && text.starts_with(|first: char| first.is_ascii_alphanumeric()) && text.bytes().all(allowed)
}

fn is_registry(text: &str) -> bool {
    let (host_fits, port) = if let Some(v6) = text.strip_prefix('[') {
        let Some((host, port)) = v6.split_once(']') else { return false };
        (host.parse::<Ipv6Addr>().is_ok(), port)
    } else {
        let (host, port) = text.split_at(text.find(':').unwrap_or(text.len()));
        (part(host, 253, |letter| letter.is_ascii_alphanumeric() || b".-".contains(&letter)), port)
    };
    let port_fits = |port: &str| port.parse::<u16>().is_ok_and(|port| port > 0);
    host_fits && (port.is_empty() || port.strip_prefix(':').is_some_and(port_fits))
}

/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`
fn is_repository_part(text: &str) -> bool {
    let is_word = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit();
    let joints = text.split(is_word).filter(|joint| !joint.is_empty());
    text.starts_with(is_word)
        && text.ends_with(is_word)
        && joints.into_iter().all(|joint| matches!(joint, "." | "_" | "__") || joint.bytes().all(|letter| letter == b'-'))
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Named(name) => name.fmt(f),
            Self::File(path) => write!(f, "file:{}", path.display()),
            Self::Oci(oci) => oci.fmt(f),
        }
    }
}

impl fmt::Display for PluginName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        self.version.iter().try_for_each(|version| write!(f, "@{version}"))
    }
}

impl fmt::Display for OciReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "oci://{}/{}", self.registry, self.repository)?;
        self.tag.iter().try_for_each(|tag| write!(f, ":{tag}"))?;
        self.digest.iter().try_for_each(|digest| write!(f, "@{digest}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(text: &str) -> &'static str {
        text.parse::<Reference>().unwrap_err().code()
    }

    #[test]
    fn every_form_prints_as_it_was_written() {
        let digest = Digest::of(b"plugin");
        let pinned = format!("oci://[::1]:5000/a/b-c__d.e:1.0@{digest}");
        for text in ["stt-acme@1.2.0-rc.1+5", "file:/opt/a b.wasm", "file:rel.wasm", "oci://r.example/acme/stt:v1", &pinned] {
            assert_eq!(text.parse::<Reference>().unwrap().to_string(), text);
        }
        assert_eq!("file:///opt/a.wasm".parse::<Reference>().unwrap().to_string(), "file:/opt/a.wasm");
    }

    #[test]
    fn what_is_no_reference_is_refused_by_what_is_wrong_with_it() {
        assert_eq!(code("stt-acme"), "no-version");
        assert_eq!(code("https://r.example/x"), "scheme");
        assert_eq!(code("oci://user:secret@r.example/acme/stt"), "credentials");
        let zeros = "0".repeat(64);
        let digests = [
            format!("oci://r/x@sha256:{}", &zeros[1..]),
            format!("oci://r/x@sha512:{zeros}"),
            format!("oci://r/x@sha256:{}F", &zeros[1..]),
        ];
        let texts = [
            "",
            "@1",
            "A@1",
            "a@",
            "a@1/..",
            "../a@1",
            "a b@1",
            "file:",
            "oci://",
            "oci://r",
            "oci:///x",
            "oci://r/",
            "oci://r/X",
            "oci://r/a//b",
            "oci://r/../x",
            "oci://r/a..b",
            "oci://r/-a",
            "oci://r/a:",
            "oci://r/a:t g",
            "oci://r:0/a",
            "oci://r:70000/a",
            "oci://[::1/a",
            "oci://r x/a",
            "oci://r/a?b",
            "oci://[",
            "oci://[/a",
            "oci://é/a",
            "oci://r/a:é",
        ];
        for text in texts.into_iter().chain(digests.iter().map(String::as_str)) {
            assert_eq!(code(text), "malformed", "{text}");
        }
    }

    #[test]
    fn only_this_machine_is_loopback() {
        let loopback = |text: &str| text.parse::<OciReference>().unwrap().is_loopback();
        assert!(["localhost:5000/a", "127.9.9.9/a", "[::1]:1/a"].into_iter().all(loopback));
        assert!(
            !["127.0.0.1.example/a", "localhost.example:80/a", "10.0.0.1/a", "[::ffff:10.0.0.1]/a"].into_iter().any(loopback)
        );
    }

    #[test]
    fn a_policy_knows_each_form_by_the_same_name() {
        let name = |text: &str| text.parse::<Reference>().unwrap().plugin().unwrap().name().to_owned();
        assert!(
            ["stt-acme@1", "file:/x/stt-acme.wasm", "oci://r/plugins/stt-acme:1"]
                .into_iter()
                .all(|text| name(text) == "stt-acme")
        );
    }
}
