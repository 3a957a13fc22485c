//! `[privacy]`: how callers can be found again without their numbers.

use super::{Faults, secret};
use serde::Deserialize;
use vg_domain::pii::Pii;

/// Shorter keys can be found by trying.
const KEY_BYTES_MIN: usize = 32;

/// `[privacy]`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Privacy {
    /// The key of callers' pseudonyms; none: there are none, and a caller's calls cannot be found by the number.
    pub pseudonym_key: Option<Pii<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawPrivacy {
    pseudonym_key: Option<String>,
}

impl RawPrivacy {
    pub(super) fn resolve(self, environment: &[(String, String)], faults: &mut Faults) -> Privacy {
        let Some(reference) = self.pseudonym_key.filter(|reference| !reference.is_empty()) else { return Privacy::default() };
        match secret::resolve(&reference, environment) {
            Ok(key) if key.reveal().len() < KEY_BYTES_MIN => {
                faults.add("privacy.pseudonym_key", "must have at least 32 characters");
                Privacy::default()
            }
            Ok(key) => Privacy { pseudonym_key: Some(key) },
            Err(what) => {
                faults.add("privacy.pseudonym_key", what);
                Privacy::default()
            }
        }
    }
}
