//! Keys that foreign code uses by name and never sees.

use crate::door::Links;
use crate::grant::{Grant, Refusal, Target};
use crate::wire::{Authentication, Fields, Signed};
use std::sync::Arc;
use url::Url;

/// Secrets by the names that the plugin uses.
#[derive(Default)]
pub struct Secrets {}

/// The head of a request before it is sent. The URL leads to a permitted target and keeps leading there.
pub(crate) struct Head {
    pub(crate) method: String,
    pub(crate) url: Url,
    pub(crate) headers: Fields,
}

/// Which credential a request carries, for the pool's key: connections are not shared between credentials. Tells nothing of the value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct CredentialId([u8; 16]);

/// What came of [`authorize`].
pub(crate) struct Authorized {
    /// To be told before `opened`, where an event stream was asked for.
    pub(crate) signed: Option<Signed>,
    /// The default where the request carries no credential.
    pub(crate) credential: CredentialId,
}

/// Fills `{secret:NAME}` in header values, path and query, then signs where that is asked for. To be called after the target was
/// permitted and before anything is sent. `body` is what will be sent (empty for no body), none where it is streamed.
///
/// # Errors
/// [`Refusal`]; the head is then to be thrown away.
pub(crate) async fn authorize(
    _links: &Arc<Links>,
    _grant: &Arc<Grant>,
    _target: &Target,
    _head: &mut Head,
    _auth: &Authentication,
    _body: Option<&[u8]>,
) -> Result<Authorized, Refusal> {
    Ok(Authorized { signed: None, credential: CredentialId::default() })
}

impl Secrets {
    /// Replaces secret values that a peer echoes; how many. The caller counts them.
    pub(crate) fn mask_fields(&self, _fields: &mut Fields) -> usize {
        0
    }

    /// The same in the start of a body.
    pub(crate) fn mask_body(&self, _body: &mut Vec<u8>) -> usize {
        0
    }

    /// Forgets a token that a permitted host refused (401), so that the next request gets a new one.
    pub(crate) fn invalidate(&self, _credential: CredentialId) {}
}

/// Continues a chain of AWS signatures with a key that nobody sees. Cheap to clone.
#[derive(Clone, PartialEq, Eq)]
pub struct ChunkSigner {}

impl std::fmt::Debug for ChunkSigner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ChunkSigner")
    }
}

impl ChunkSigner {
    /// The next signature, as the contract's `signing` interface says it; none where an argument has not its form.
    pub fn sign(&self, prior: &str, amz_date: &str, header_hash: &str, payload_hash: &str) -> Option<String> {
        let _ = (prior, amz_date, header_hash, payload_hash);
        None
    }
}
