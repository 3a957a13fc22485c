//! Names for callers that say nothing of them to whoever has not the key: by these a caller's calls are found again, as a data subject may ask for.

use ring::hmac;
use std::fmt;
use vg_domain::ids::TenantId;
use vg_domain::parties::Parties;
use vg_domain::pii::Pii;

/// So much of the hash that no two callers share a name by chance.
const BYTES: usize = 16;

/// Makes pseudonyms: HMAC-SHA-256 (RFC 2104) of tenant and number, the first 16 bytes in hex.
#[derive(Clone)]
pub struct Pseudonyms(hmac::Key);

impl Pseudonyms {
    /// By a key that only the operator has.
    pub fn new(key: &Pii<String>) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, key.reveal().as_bytes()))
    }

    /// Of the person on the other side of a call; none for whoever has no number.
    pub fn of_call(&self, tenant: &TenantId, parties: &Parties) -> Option<String> {
        self.of(tenant, parties.person())
    }

    /// Of a number of a tenant's, however it is written; none for one without digits.
    pub fn of(&self, tenant: &TenantId, number: &Pii<String>) -> Option<String> {
        let digits = digits(number.reveal());
        if digits.is_empty() {
            return None;
        }
        // A length before it: no tenant's name goes on in a number.
        let text = format!("{} {tenant} {digits}", tenant.as_str().len());
        let tag = hmac::sign(&self.0, text.as_bytes());
        Some(tag.as_ref().iter().take(BYTES).map(|byte| format!("{byte:02x}")).collect())
    }
}

impl fmt::Debug for Pseudonyms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pseudonyms")
    }
}

/// `+55 11 99999-8888`, `sip:5511999998888@trunk` and `005511999998888` are one number.
pub(super) fn digits(number: &str) -> String {
    let number = number.split_once(':').map_or(number, |(_, user)| user);
    let number = number.split('@').next().unwrap_or_default();
    let digits: String = number.chars().filter(char::is_ascii_digit).collect();
    match digits.strip_prefix("00") {
        Some(international) => international.to_owned(),
        None => digits,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_number_has_one_name_with_each_tenant_and_each_key() {
        let of = |key: &str, tenant: &str, number: &str| {
            let key = Pseudonyms::new(&Pii::new(key.to_owned()));
            key.of(&TenantId::new(tenant), &Pii::new(number.to_owned()))
        };
        let name = of("k", "acme", "+55 11 99999-8888").unwrap();
        assert_eq!(name.len(), 32);
        for written in ["5511999998888", "sip:+5511999998888@10.0.0.1;user=phone", "005511999998888"] {
            assert_eq!(of("k", "acme", written).as_ref(), Some(&name), "{written}");
        }
        for (key, tenant, number) in
            [("k", "acme", "5511999998889"), ("k", "other", "5511999998888"), ("l", "acme", "5511999998888")]
        {
            assert_ne!(of(key, tenant, number).unwrap(), name);
        }
        assert_eq!(of("k", "acme", "anonymous"), None);
        assert_ne!(of("k", "acme 1", "2"), of("k", "acme", "12"));
    }
}
