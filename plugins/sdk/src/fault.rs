//! Faults with the remedy that usually fits.

use crate::{Fault, FaultKind, OptionFault, Remedy};

impl Fault {
    /// A fault whose remedy is the usual one of its kind. `detail` is for the operator's log, never words that were spoken.
    pub fn new(kind: FaultKind, detail: impl Into<String>) -> Self {
        let remedy = match kind {
            FaultKind::Auth | FaultKind::InvalidOptions(_) | FaultKind::Unsupported => Remedy::Configuration,
            FaultKind::EmptyResult => Remedy::Caller,
            FaultKind::Quota(_)
            | FaultKind::Unavailable
            | FaultKind::Protocol
            | FaultKind::BadAudio
            | FaultKind::SessionLimit
            | FaultKind::Internal => Remedy::NextProvider,
        };
        Self { kind, remedy, detail: detail.into() }
    }

    /// One option is wrong; `path` is a JSON pointer into the options, empty for the options as a whole.
    pub fn option(path: &str, message: impl Into<String>) -> Self {
        let fault = OptionFault { path: path.to_owned(), message: message.into() };
        Self::new(FaultKind::InvalidOptions(vec![fault]), "the options do not satisfy the schema")
    }
}
