//! What can go wrong with a registry, in words that say what to do.

use crate::credentials::CredentialsError;
use crate::digest::Digest;
use crate::limits::REMOTE_TEXT_CHARS_MAX;
use crate::reference::OciReference;
use oci_client::errors::{DigestError, OciDistributionError, OciErrorCode};
use std::io;
use std::time::Duration;

type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Why nothing was pulled or pushed.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// The registry wants to know who asks, or does not believe it.
    #[error("registry {registry} wants a login, or refuses the one it got")]
    Unauthorized {
        /// Which.
        registry: String,
    },
    /// The registry knows who asks, and does not allow it.
    #[error("registry {registry} does not allow this to this user")]
    Denied {
        /// Which.
        registry: String,
    },
    /// A password is needed and cannot be had.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    /// There is no such repository, tag, manifest or blob.
    #[error("{reference} is not in its registry")]
    NotFound {
        /// As asked for.
        reference: OciReference,
    },
    /// The artifact is something else.
    #[error("artifact is no plugin: {why}")]
    NotAPlugin {
        /// What it is.
        why: String,
    },
    /// The file is something else.
    #[error("file is no webassembly component")]
    NotAComponent,
    /// Larger than what is taken.
    #[error("{what} has {bytes} bytes, at most {bytes_max} are taken")]
    TooLarge {
        /// `manifest` or `component`.
        what: &'static str,
        /// As said or as found.
        bytes: u64,
        /// Allowed.
        bytes_max: u64,
    },
    /// The registry gives something else than it was asked for.
    #[error("{what} has {found}, asked for was {expected}")]
    WrongDigest {
        /// Of what.
        what: &'static str,
        /// As asked for.
        expected: Digest,
        /// As computed.
        found: Digest,
    },
    /// Content of another digest, found by the library.
    #[error("registry's answer does not have its digest: {detail}")]
    Digest {
        /// In the library's words.
        detail: String,
    },
    /// The component is shorter or longer than its manifest says.
    #[error("component has {found} bytes, its manifest says {expected}")]
    WrongSize {
        /// By the manifest.
        expected: u64,
        /// Until it was given up.
        found: u64,
    },
    /// The connection ended within the component.
    #[error("connection ended after {bytes} of {expected} bytes")]
    CutOff {
        /// Received.
        bytes: u64,
        /// By the manifest.
        expected: u64,
        /// How it ended.
        #[source]
        source: io::Error,
    },
    /// Breaks the distribution spec.
    #[error("registry's {what} makes no sense")]
    Malformed {
        /// Which part.
        what: &'static str,
    },
    /// No connection, no TLS, or no answer.
    #[error("registry {registry} cannot be reached")]
    Unreachable {
        /// Which.
        registry: String,
        /// Why.
        #[source]
        source: Cause,
    },
    /// It answers too slowly.
    #[error("registry {registry} did not finish within {} s", after.as_secs())]
    TimedOut {
        /// Which.
        registry: String,
        /// The limit.
        after: Duration,
    },
    /// Any other refusal.
    #[error("registry {registry} refuses: {detail}")]
    Refused {
        /// Which.
        registry: String,
        /// Status or code, and the beginning of what it says.
        detail: String,
    },
    /// A digest is the result of a push, not its aim.
    #[error("a plugin is pushed to a tag, not to a digest")]
    PushByDigest,
    /// The client itself cannot be made: a certificate is none, or the system has no roots.
    #[error("certificates for registries cannot be used")]
    SetUp(#[source] Cause),
}

impl RegistryError {
    /// Bounded label.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unauthorized { .. } => "unauthorized",
            Self::Denied { .. } => "denied",
            Self::Credentials(error) => error.code(),
            Self::NotFound { .. } => "not-found",
            Self::NotAPlugin { .. } => "not-a-plugin",
            Self::NotAComponent => "not-a-component",
            Self::TooLarge { .. } => "too-large",
            Self::WrongDigest { .. } | Self::Digest { .. } => "wrong-digest",
            Self::WrongSize { .. } => "wrong-size",
            Self::CutOff { .. } => "cut-off",
            Self::Malformed { .. } => "malformed",
            Self::Unreachable { .. } => "unreachable",
            Self::TimedOut { .. } => "timed-out",
            Self::Refused { .. } => "refused",
            Self::PushByDigest => "push-by-digest",
            Self::SetUp(_) => "set-up",
        }
    }

    /// What an operator can do about it, as a sentence.
    pub fn remedy(&self) -> String {
        match self {
            Self::Unauthorized { registry } => {
                format!("Log in by `docker login {registry}`, or set `VG_REGISTRY_AUTH={registry}=USER:PASSWORD`.")
            }
            Self::Denied { .. } => "Ask the registry's owner for the right to this repository.".to_owned(),
            Self::Credentials(_) => "Set `VG_REGISTRY_AUTH=HOST=USER:PASSWORD`.".to_owned(),
            Self::NotFound { .. } => "Check registry, repository and tag; some registries answer so where a login is missing.".to_owned(),
            Self::NotAPlugin { .. } => "Push plugins by `voice-gateway plugin push`, or by another program for WebAssembly artifacts.".to_owned(),
            Self::NotAComponent => "Build the plugin to a component first: `voice-gateway plugin check FILE` says what is missing.".to_owned(),
            Self::TooLarge { .. } => "Ask the plugin's author for a smaller one.".to_owned(),
            Self::WrongDigest { .. } | Self::Digest { .. } | Self::WrongSize { .. } => {
                "Do not use what it gave. If it happens again, tell the registry's owner: its content is damaged or was tampered with.".to_owned()
            }
            Self::CutOff { .. } | Self::TimedOut { .. } => "Try again: nothing was kept.".to_owned(),
            Self::Malformed { .. } => "Check that this is the address of an OCI registry.".to_owned(),
            Self::Unreachable { .. } => {
                "Check address and port; for a registry without TLS say so (`--plain-http`), for a private authority give its certificate (`--ca`).".to_owned()
            }
            Self::Refused { .. } => "Try again later, or ask the registry's owner.".to_owned(),
            Self::PushByDigest => "Push to `oci://registry/repository:tag`; the digest is printed then.".to_owned(),
            Self::SetUp(_) => "Check the certificates that were given, and that the system has some (package `ca-certificates`).".to_owned(),
        }
    }

    /// The library's error, seen from this reference.
    pub(super) fn of(reference: &OciReference, error: OciDistributionError) -> Self {
        let registry = reference.registry().to_owned();
        let refused = |detail: String| Self::Refused { registry: registry.clone(), detail };
        match error {
            OciDistributionError::UnauthorizedError { .. } | OciDistributionError::AuthenticationFailure(_) => {
                Self::Unauthorized { registry }
            }
            OciDistributionError::ImageManifestNotFoundError(_) => Self::NotFound { reference: reference.clone() },
            OciDistributionError::RegistryError { envelope, .. } => match envelope.errors.into_iter().next() {
                Some(error) => Self::told(reference, &error.code, &error.message),
                None => refused("without a reason".to_owned()),
            },
            OciDistributionError::ServerError { code, message, .. } => Self::answered(reference, code, &message),
            OciDistributionError::DigestError(DigestError::VerificationError { expected, actual }) => {
                Self::Digest { detail: format!("expected {}, got {}", bounded(&expected), bounded(&actual)) }
            }
            OciDistributionError::DigestError(_) => Self::Malformed { what: "digest" },
            OciDistributionError::RequestError(error) => match error.status() {
                Some(status) => Self::answered(reference, status.as_u16(), ""),
                None => Self::Unreachable { registry, source: Box::new(error) },
            },
            OciDistributionError::IoError(error) => Self::Unreachable { registry, source: Box::new(error) },
            OciDistributionError::RegistryTokenDecodeError(_) => Self::Malformed { what: "token" },
            OciDistributionError::RegistryNoLocationError | OciDistributionError::UrlParseError(_) => {
                Self::Malformed { what: "place for uploads" }
            }
            OciDistributionError::SpecViolationError(detail) => refused(bounded(&detail)),
            _ => Self::Malformed { what: "answer" },
        }
    }

    fn told(reference: &OciReference, code: &OciErrorCode, message: &str) -> Self {
        let registry = reference.registry().to_owned();
        match code {
            OciErrorCode::BlobUnknown
            | OciErrorCode::ManifestBlobUnknown
            | OciErrorCode::ManifestUnknown
            | OciErrorCode::NameUnknown
            | OciErrorCode::NotFound => Self::NotFound { reference: reference.clone() },
            OciErrorCode::Unauthorized => Self::Unauthorized { registry },
            OciErrorCode::Denied => Self::Denied { registry },
            other => Self::Refused { registry, detail: format!("{} {}", bounded(&format!("{other:?}")), bounded(message)) },
        }
    }

    fn answered(reference: &OciReference, status: u16, message: &str) -> Self {
        let registry = reference.registry().to_owned();
        match status {
            401 => Self::Unauthorized { registry },
            403 => Self::Denied { registry },
            404 => Self::NotFound { reference: reference.clone() },
            status => Self::Refused { registry, detail: format!("status {status} {}", bounded(message)).trim_end().to_owned() },
        }
    }
}

/// A stranger's words, fit for one line of a terminal.
pub(super) fn bounded(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_control()).take(REMOTE_TEXT_CHARS_MAX).collect()
}
