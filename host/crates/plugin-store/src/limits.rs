//! Every bound of this crate, with what happens at it.

use std::time::Duration;

/// A component, on disk or from a registry; larger ones are refused before they are read. The host loads none larger either.
pub const PLUGIN_BYTES_MAX: u64 = 256 << 20;

/// A signature file has four lines; more is no signature.
pub(crate) const SIGNATURE_BYTES_MAX: u64 = 4 << 10;

/// Records of the store are a few hundred bytes; a larger one is damaged.
pub(crate) const RECORD_BYTES_MAX: u64 = 64 << 10;

/// What registries themselves take as a manifest (OCI distribution spec, "Pushing Manifests"); a larger one is refused.
pub(crate) const MANIFEST_BYTES_MAX: u64 = 4 << 20;

/// Until a registry's TCP connection stands; then it counts as unreachable.
pub(crate) const CONNECT_MAX: Duration = Duration::from_secs(10);

/// Between two pieces of an answer; then it counts as unreachable.
pub(crate) const SILENCE_MAX: Duration = Duration::from_secs(30);

/// Logging in and fetching or placing a manifest, all in all.
pub(crate) const EXCHANGE_MAX: Duration = Duration::from_secs(60);

/// Moving the component itself, however slowly it trickles.
pub(crate) const TRANSFER_MAX: Duration = Duration::from_secs(15 * 60);

/// Of a registry's own words in an error.
pub(crate) const REMOTE_TEXT_CHARS_MAX: usize = 200;
