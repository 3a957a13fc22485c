//! Plugins in OCI registries.
//!
//! An artifact is what the CNCF's "Wasm OCI Artifact layout" says: a manifest whose configuration is of type
//! `application/vnd.wasm.config.v0+json`, with exactly one layer of type `application/wasm`, so that other programs can pull it too. Those refuse a
//! second layer, so the signature travels as the manifest's annotation [`SIGNATURE_ANNOTATION`]; a digest pin covers it as well.
//!
//! Nothing that a registry says is believed: sizes are bounded before and while reading, every digest is computed here, links to other
//! places in a manifest are not followed. One thing the library below does not bound: the size of answers that are no component (errors,
//! tokens, the manifest before it is looked at); they have a deadline instead. A gateway pulls nothing while it serves ([`crate::open`]
//! reaches no registry), so what a hostile registry could exhaust is the memory of the command that asked it.

mod artifact;
mod fault;

pub use artifact::{Artifact, SIGNATURE_ANNOTATION};
pub use fault::RegistryError;

use crate::credentials::Credentials;
use crate::digest::Digest;
use crate::limits::{CONNECT_MAX, EXCHANGE_MAX, MANIFEST_BYTES_MAX, SILENCE_MAX, TRANSFER_MAX};
use crate::reference::{OciReference, PluginName};
use crate::sign::Signature;
use artifact::{Found, Packed};
use bytes::Bytes;
use futures_util::{FutureExt, StreamExt};
use oci_client::client::{Certificate, CertificateEncoding, ClientConfig, ClientProtocol};
use oci_client::errors::OciDistributionError;
use oci_client::manifest::{
    IMAGE_MANIFEST_LIST_MEDIA_TYPE, IMAGE_MANIFEST_MEDIA_TYPE, OCI_IMAGE_INDEX_MEDIA_TYPE, OCI_IMAGE_MEDIA_TYPE,
};
use oci_client::secrets::RegistryAuth;
use oci_client::{Client, RegistryOperation};
use std::collections::BTreeSet;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

/// Indexes are asked for only to say what they are.
const MANIFEST_TYPES: [&str; 4] =
    [OCI_IMAGE_MEDIA_TYPE, IMAGE_MANIFEST_MEDIA_TYPE, OCI_IMAGE_INDEX_MEDIA_TYPE, IMAGE_MANIFEST_LIST_MEDIA_TYPE];

/// Where plugins are pushed to and pulled from. One value serves all registries.
#[derive(Debug, Clone, Default)]
pub struct Registry {
    options: RegistryOptions,
}

/// How registries are reached.
#[derive(Debug, Clone, Default)]
pub struct RegistryOptions {
    /// Where TLS is not used.
    pub plain_http: PlainHttp,
    /// Certificates of authorities, PEM, trusted beside the system's.
    pub extra_roots_pem: Vec<Vec<u8>>,
    /// Who we are.
    pub credentials: Credentials,
}

/// Which registries are spoken to without TLS.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum PlainHttp {
    /// Those on this machine.
    #[default]
    Loopback,
    /// These, as written in references, and no other.
    Only(BTreeSet<String>),
}

/// What [`Registry::pull`] brought.
#[derive(Debug, Clone)]
pub struct Pulled {
    /// The component, of the manifest's digest and size.
    pub wasm: Vec<u8>,
    /// As the author pushed it; not verified.
    pub signature: Option<Signature>,
    /// As the author pushed it: the name in the manifest's annotations, where it is one.
    pub plugin: Option<PluginName>,
    /// The same manifest for ever: the reference by digest.
    pub pinned: OciReference,
}

/// What [`Registry::push`] placed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pushed {
    /// The same manifest for ever: the reference by digest.
    pub pinned: OciReference,
    /// Of the component.
    pub component: Digest,
}

impl Registry {
    /// Reaches nothing yet.
    pub fn new(options: RegistryOptions) -> Self {
        Self { options }
    }

    /// Fetches the plugin that a reference means now; where it has a digest, exactly that one.
    ///
    /// # Errors
    /// See [`RegistryError`]. Nothing is kept of what arrived until then.
    pub async fn pull(&self, reference: &OciReference) -> Result<Pulled, RegistryError> {
        let credentials = self.options.credentials.at(reference.registry());
        // What can be had by anybody needs no password, even where there would be one.
        let auth = credentials.clone().unwrap_or(RegistryAuth::Anonymous);
        match (contained(self.pull_as(reference, &auth)).await, credentials) {
            (Err(RegistryError::Unauthorized { .. }), Err(reason)) => Err(reason.into()),
            (pulled, _) => pulled,
        }
    }

    /// Places an artifact under a tag (`latest` where none is written), replacing what the tag meant. The same artifact has the same digest each
    /// time.
    ///
    /// # Errors
    /// See [`RegistryError`]; [`RegistryError::PushByDigest`] where the reference has one.
    pub async fn push(&self, reference: &OciReference, artifact: &Artifact<'_>) -> Result<Pushed, RegistryError> {
        if reference.digest().is_some() {
            return Err(RegistryError::PushByDigest);
        }
        let packed = Packed::of(artifact)?;
        let auth = self.options.credentials.at(reference.registry())?;
        contained(self.push_as(reference, packed, &auth)).await
    }

    async fn pull_as(&self, reference: &OciReference, auth: &RegistryAuth) -> Result<Pulled, RegistryError> {
        let (client, image) = (self.client(reference)?, image(reference));
        let failed = |error| RegistryError::of(reference, error);
        let manifest = within(EXCHANGE_MAX, reference, async {
            client.auth(&image, auth, RegistryOperation::Pull).await.map_err(failed)?;
            Ok(client.pull_manifest_raw(&image, auth, &MANIFEST_TYPES).await.map_err(failed)?.0)
        });
        let manifest = manifest.await?;
        let digest = Digest::of(&manifest);
        if let Some(pinned) = reference.digest().filter(|pinned| *pinned != digest) {
            return Err(RegistryError::WrongDigest { what: "manifest", expected: pinned, found: digest });
        }
        if manifest.len() as u64 > MANIFEST_BYTES_MAX {
            return Err(RegistryError::TooLarge {
                what: "manifest",
                bytes: manifest.len() as u64,
                bytes_max: MANIFEST_BYTES_MAX,
            });
        }
        let found = Found::read(&manifest)?;
        let wasm = within(TRANSFER_MAX, reference, component(&client, &image, reference, &found)).await?;
        Ok(Pulled {
            wasm,
            signature: found.signature,
            plugin: found.plugin,
            pinned: reference.essence().pinned(digest).essence(),
        })
    }

    async fn push_as(&self, reference: &OciReference, packed: Packed, auth: &RegistryAuth) -> Result<Pushed, RegistryError> {
        let (client, image) = (self.client(reference)?, image(reference));
        let failed = |error| RegistryError::of(reference, error);
        let login = client.auth(&image, auth, RegistryOperation::Push);
        within(EXCHANGE_MAX, reference, async { login.await.map_err(failed) }).await?;
        for (digest, blob) in [(packed.component_digest, packed.component), (packed.config_digest, packed.config)] {
            let upload = upload(&client, &image, digest, blob);
            within(TRANSFER_MAX, reference, async { upload.await.map_err(failed) }).await?;
        }
        let expected = packed.manifest_digest;
        let content_type = OCI_IMAGE_MEDIA_TYPE.parse().expect("the media type is a header's value");
        let found = within(EXCHANGE_MAX, reference, async {
            client.push_manifest_raw(&image, packed.manifest, content_type).await.map_err(failed)?;
            client.fetch_manifest_digest(&image, auth).await.map_err(failed)
        });
        match found.await?.parse() {
            Ok(found) if found == expected => {
                Ok(Pushed { pinned: reference.pinned(expected).essence(), component: packed.component_digest })
            }
            Ok(found) => Err(RegistryError::WrongDigest { what: "manifest that was just pushed", expected, found }),
            Err(_) => Err(RegistryError::Malformed { what: "digest of the manifest that was just pushed" }),
        }
    }

    fn client(&self, reference: &OciReference) -> Result<Client, RegistryError> {
        // The library takes the process's default. Somebody else's choice is as good: then this does nothing.
        let _already = rustls::crypto::ring::default_provider().install_default();
        let root = |pem: &Vec<u8>| Certificate { encoding: CertificateEncoding::Pem, data: pem.clone() };
        let config = ClientConfig {
            protocol: if self.speaks_plainly_to(reference) { ClientProtocol::Http } else { ClientProtocol::Https },
            extra_root_certificates: self.options.extra_roots_pem.iter().map(root).collect(),
            platform_resolver: None,
            connect_timeout: Some(CONNECT_MAX),
            read_timeout: Some(SILENCE_MAX),
            user_agent: concat!("serphona-voice-gateway/", env!("CARGO_PKG_VERSION")),
            ..ClientConfig::default()
        };
        Client::try_from(config).map_err(|error| RegistryError::SetUp(Box::new(error)))
    }

    fn speaks_plainly_to(&self, reference: &OciReference) -> bool {
        match &self.options.plain_http {
            PlainHttp::Loopback => reference.is_loopback(),
            PlainHttp::Only(registries) => registries.contains(reference.registry()),
        }
    }
}

/// Reads the component: never more than the manifest says, and only what has its digest.
async fn component(
    client: &Client,
    image: &oci_client::Reference,
    reference: &OciReference,
    found: &Found,
) -> Result<Vec<u8>, RegistryError> {
    let expected = found.component;
    // By digest alone: a descriptor's own links could point anywhere.
    let stream = client.pull_blob_stream(image, expected.to_string().as_str()).await;
    let mut stream = stream.map_err(|error| RegistryError::of(reference, error))?;
    if let Some(bytes) = stream.content_length.filter(|bytes| *bytes != found.bytes) {
        return Err(RegistryError::WrongSize { expected: found.bytes, found: bytes });
    }
    let mut wasm = Vec::new();
    while let Some(piece) = stream.next().await {
        let bytes = wasm.len() as u64;
        match piece {
            Ok(piece) if bytes + piece.len() as u64 <= found.bytes => wasm.extend_from_slice(&piece),
            Ok(piece) => return Err(RegistryError::WrongSize { expected: found.bytes, found: bytes + piece.len() as u64 }),
            // The library compares digests too, and says it in fewer words than we do below.
            Err(_) if bytes == found.bytes => break,
            Err(source) => return Err(RegistryError::CutOff { bytes, expected: found.bytes, source }),
        }
    }
    if wasm.len() as u64 != found.bytes {
        return Err(RegistryError::WrongSize { expected: found.bytes, found: wasm.len() as u64 });
    }
    let digest = Digest::of(&wasm);
    if digest == expected { Ok(wasm) } else { Err(RegistryError::WrongDigest { what: "component", expected, found: digest }) }
}

async fn upload(client: &Client, image: &oci_client::Reference, digest: Digest, blob: Bytes) -> Result<(), OciDistributionError> {
    let digest = digest.to_string();
    if !client.blob_exists(image, &digest).await? {
        client.push_blob(image, blob, &digest).await?;
    }
    Ok(())
}

fn image(reference: &OciReference) -> oci_client::Reference {
    let (registry, repository) = (reference.registry().to_owned(), reference.repository().to_owned());
    match reference.digest() {
        Some(digest) => oci_client::Reference::with_digest(registry, repository, digest.to_string()),
        None => oci_client::Reference::with_tag(registry, repository, reference.tag().unwrap_or("latest").to_owned()),
    }
}

async fn within<T>(
    limit: Duration,
    reference: &OciReference,
    work: impl Future<Output = Result<T, RegistryError>>,
) -> Result<T, RegistryError> {
    let late = |_| RegistryError::TimedOut { registry: reference.registry().to_owned(), after: limit };
    tokio::time::timeout(limit, work).await.map_err(late)?
}

/// The library unwraps what a registry sends in a few places (a token with a line break in it). A registry's whim must not
/// take the process with it; the client, the only thing that could be left half changed, is dropped.
async fn contained<T>(work: impl Future<Output = Result<T, RegistryError>>) -> Result<T, RegistryError> {
    AssertUnwindSafe(work).catch_unwind().await.unwrap_or(Err(RegistryError::Malformed { what: "answer" }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_or_what_was_named_is_spoken_to_without_tls() {
        let plainly = |plain_http: &PlainHttp, text: &str| {
            let options = RegistryOptions { plain_http: plain_http.clone(), ..RegistryOptions::default() };
            Registry::new(options).speaks_plainly_to(&text.parse().unwrap())
        };
        assert!(plainly(&PlainHttp::Loopback, "127.0.0.1:5000/a"));
        assert!(!plainly(&PlainHttp::Loopback, "r.example:5000/a"));
        let named = PlainHttp::Only(["r.example:5000".to_owned()].into());
        assert!(plainly(&named, "r.example:5000/a"));
        assert!(!["r.example/a", "127.0.0.1:5000/a"].into_iter().any(|text| plainly(&named, text)));
    }

    #[test]
    fn a_pull_can_run_on_any_thread() {
        fn sendable<T: Send>(_: T) {}
        let (registry, reference) = (Registry::default(), "r.example/a".parse().unwrap());
        sendable(registry.pull(&reference));
    }
}
