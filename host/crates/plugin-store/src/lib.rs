//! Where plugins come from: references, signatures, registries and the store on disk.
//!
//! A plugin is foreign code. This crate answers two questions before anybody compiles it: *which bytes does this reference mean*
//! ([`Store`], [`Registry`]) and *may they run here* ([`TrustPolicy`]). Its promise: bytes that it hands out are those of the digest
//! that was asked for, and were let in by the operator's policy; a file, a disk or a registry that says otherwise is an error with a
//! bounded code and a remedy. It does not know WebAssembly engines, sessions or tenants.
//!
//! Modules in flow order: a [`reference`](Reference) is pulled from a [`Registry`], kept in the [`Store`], held against
//! the [`TrustPolicy`] whose keys were made by [`sign`], and handed out by [`open`]. What a gateway itself puts into the folder of plugins goes
//! through a [`Folder`].

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic))]

mod digest;
mod limits;
mod reference;
pub mod sign;
mod trust;
mod disk;
mod store;
mod folder;
mod credentials;
mod registry;
mod open;

pub use credentials::{Credentials, CredentialsError};
pub use digest::{Digest, DigestError};
pub use folder::{Folder, FolderError, NewPlugin};
pub use limits::PLUGIN_BYTES_MAX;
pub use open::{OpenError, Opened, open};
pub use reference::{OciReference, PluginName, Reference, ReferenceError};
pub use registry::{Artifact, PlainHttp, Pulled, Pushed, Registry, RegistryError, RegistryOptions, SIGNATURE_ANNOTATION};
pub use sign::{KeyId, PublicKey, Signature};
pub use store::{Entry, Incoming, Keep, Meta, State, Store, StoreError, Stored, Swept};
pub use trust::{Admitted, Signer, TrustError, TrustPolicy};
