//! Events of calls, on their way out of the house: written down first ([`spool`]), then sent ([`kafka`], tenants' webhooks).

mod envelope;
pub mod kafka;
pub mod schema;
pub mod spool;

pub use envelope::{Attributes, CloudEvent, id};

use bytes::Bytes;
use tokio::sync::watch;

/// An event as it waits to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// Where it stands: later events have greater places.
    pub place: u64,
    /// What decides on its partition: the call's id.
    pub key: String,
    /// What it says: a CloudEvent in JSON.
    pub event: Bytes,
    /// Names and values, in their order.
    pub headers: Vec<(&'static str, String)>,
}

/// What events wait in until they are there.
pub trait Backlog: Send + Sync {
    /// The last place that needs nothing more, as soon as that is told; kept over a crash, where an older one may come back.
    fn position(&self) -> u64;
    /// The next events behind this place, in order; none where there are none. Waits for the disk.
    ///
    /// # Errors
    /// A sentence without a word of an event.
    fn read(&self, behind: u64, max: usize) -> Result<Vec<Waiting>, String>;
    /// This place and all before it need nothing more. Waits for no disk.
    fn acknowledge(&self, place: u64);
    /// The last place, now and whenever it moves.
    fn last(&self) -> watch::Receiver<u64>;
    /// Events behind that place: how far its reader lags.
    fn waiting(&self) -> u64;
}
