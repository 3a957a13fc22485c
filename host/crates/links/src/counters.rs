//! What is counted; read by metrics and by tests.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

macro_rules! counts {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// Sums since the links were made.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct LinkCounts { $($(#[$doc])* pub $name: u64,)* }

        #[derive(Debug, Default)]
        pub(crate) struct Counters { $(pub(crate) $name: AtomicU64,)* }

        impl Counters {
            pub(crate) fn read(&self) -> LinkCounts {
                LinkCounts { $($name: self.$name.load(Relaxed),)* }
            }
        }
    };
}

counts! {
    /// Links asked for.
    asked,
    /// Refused by name or address.
    egress_denied,
    /// Connections made.
    connected,
    /// Requests that found a connection ready.
    reused,
    /// Connections lost or broken.
    failed,
    /// Bytes sent.
    bytes_out,
    /// Bytes received.
    bytes_in,
    /// Secret values found in what a permitted host answered, and replaced.
    echoes_masked,
    /// Audio chunks that went from call to link without the guest.
    chunks_routed,
}

/// `by` more.
pub(crate) fn add(counter: &AtomicU64, by: u64) {
    counter.fetch_add(by, Relaxed);
}

/// One more.
pub(crate) fn count(counter: &AtomicU64) {
    add(counter, 1);
}
