//! Whether bytes may run here, by the operator's policy. Pure: neither clock nor disk.

use crate::digest::Digest;
use crate::reference::PluginName;
use crate::sign::{KeyId, PublicKey, Signature};
use std::collections::BTreeMap;

/// What an operator demands of plugins. The default demands nothing; a broken promise is refused even then.
#[derive(Debug, Clone, Default)]
pub struct TrustPolicy {
    /// Whether a signature by one of `keys` is needed. A pinned digest does not stand in for it.
    pub require_signature: bool,
    /// Whose signatures count.
    pub keys: Vec<PublicKey>,
    /// By a plugin's name without version: the only bytes that may run under it.
    pub digests: BTreeMap<String, Digest>,
}

impl TrustPolicy {
    /// Lets bytes in as the plugin `asked`, or says why not.
    ///
    /// Where no signature is required, one by an unknown key counts as none; one that a known key did not make for these bytes and
    /// this name is refused all the same: somebody has tampered with it.
    ///
    /// # Errors
    /// See [`TrustError`]; each has its remedy.
    pub fn admit(&self, asked: &PluginName, bytes: &[u8], signature: Option<&str>) -> Result<Admitted, TrustError> {
        let digest = Digest::of(bytes);
        if let Some(pinned) = self.digests.get(asked.name()).filter(|pinned| **pinned != digest) {
            return Err(TrustError::DigestMismatch { plugin: asked.clone(), pinned: *pinned, found: digest });
        }
        let signer = match signature {
            None if self.require_signature => Err(TrustError::Unsigned { plugin: asked.clone() }),
            None => Ok(None),
            Some(text) => match verify(asked, bytes, text, &self.keys) {
                Ok(signer) => Ok(Some(signer)),
                Err(TrustError::UnknownKey { .. }) if !self.require_signature => Ok(None),
                Err(error) => Err(error),
            },
        }?;
        Ok(Admitted { digest, signer })
    }
}

/// Bytes that may run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admitted {
    /// Of the bytes: what was looked at is what has to run.
    pub digest: Digest,
    /// Who vouches for them; none where the policy does not ask.
    pub signer: Option<Signer>,
}

/// A trusted key's word for some bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signer {
    /// The operator's key that fits.
    pub key: KeyId,
    /// What the bytes were signed as; none in signatures by other programs.
    pub plugin: Option<PluginName>,
}

/// Whose signature this is, and that it was made for these bytes and this plugin.
fn verify(asked: &PluginName, bytes: &[u8], signature: &str, keys: &[PublicKey]) -> Result<Signer, TrustError> {
    let signature: Signature = signature.parse().map_err(|_| TrustError::NotASignature { plugin: asked.clone() })?;
    let key = signature.key();
    // Key numbers are random, not proof: several keys may share one.
    let mut candidates = keys.iter().filter(|candidate| candidate.id() == key).peekable();
    if candidates.peek().is_none() {
        return Err(TrustError::UnknownKey { plugin: asked.clone(), key });
    }
    if !candidates.any(|candidate| candidate.vouches_for(bytes, &signature)) {
        return Err(TrustError::Changed { plugin: asked.clone(), key });
    }
    // From here on the comment is the signer's own word.
    let mut fields = signature.comment().split('\t');
    let signed = match fields.find_map(|field| field.strip_prefix("plugin:")) {
        Some(name) => Some(name.parse::<PluginName>().map_err(|_| TrustError::NotASignature { plugin: asked.clone() })?),
        None => None,
    };
    match signed {
        Some(signed) if !signed.agrees_with(asked) => Err(TrustError::OtherPlugin { plugin: asked.clone(), signed }),
        plugin => Ok(Signer { key, plugin }),
    }
}

/// Why bytes may not run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TrustError {
    /// The policy asks for a signature and there is none.
    #[error("plugin {plugin} is not signed")]
    Unsigned {
        /// As asked for.
        plugin: PluginName,
    },
    /// There is a signature file that is none.
    #[error("the signature of plugin {plugin} cannot be read")]
    NotASignature {
        /// As asked for.
        plugin: PluginName,
    },
    /// Signed by somebody the operator does not know.
    #[error("plugin {plugin} is signed by key {key}, which is not trusted here")]
    UnknownKey {
        /// As asked for.
        plugin: PluginName,
        /// As the signature says.
        key: KeyId,
    },
    /// The bytes are not those that the key signed, or the signature was altered.
    #[error("plugin {plugin} or its signature was changed after key {key} signed it")]
    Changed {
        /// As asked for.
        plugin: PluginName,
        /// As the signature says.
        key: KeyId,
    },
    /// Genuine, but another plugin or version.
    #[error("plugin {plugin} was asked for, the signature is for {signed}")]
    OtherPlugin {
        /// As asked for.
        plugin: PluginName,
        /// As signed.
        signed: PluginName,
    },
    /// Not the bytes that the operator pinned.
    #[error("plugin {plugin} has {found}, but is pinned to {pinned}")]
    DigestMismatch {
        /// As asked for.
        plugin: PluginName,
        /// By the policy.
        pinned: Digest,
        /// Of the bytes.
        found: Digest,
    },
}

impl TrustError {
    /// Bounded label.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unsigned { .. } => "unsigned",
            Self::NotASignature { .. } => "not-a-signature",
            Self::UnknownKey { .. } => "unknown-key",
            Self::Changed { .. } => "changed",
            Self::OtherPlugin { .. } => "other-plugin",
            Self::DigestMismatch { .. } => "digest-mismatch",
        }
    }

    /// What an operator can do about it, as a sentence.
    pub fn remedy(&self) -> String {
        match self {
            Self::Unsigned { plugin } => {
                format!("Ask the author for a signed {plugin}, or sign it yourself: `voice-gateway plugin sign FILE --key KEY`.")
            }
            Self::NotASignature { .. } => "Fetch plugin and signature again; a signature file has four lines.".to_owned(),
            Self::UnknownKey { key, .. } => {
                format!("If you trust the owner of {key}, add that public key to the trusted keys; else do not use this file.")
            }
            Self::Changed { .. } => "Do not use this file. Fetch it again from its author, and tell the author.".to_owned(),
            Self::OtherPlugin { signed, .. } => format!("Ask for {signed}, or fetch the plugin that was meant."),
            Self::DigestMismatch { plugin, found, .. } => {
                format!("If the change is wanted, pin {} to {found}; else fetch the pinned version again.", plugin.name())
            }
        }
    }
}

#[cfg(test)]
mod tests;
