//! Keys that tokens are checked with. A key has one algorithm, and a token that names another is refused.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};

/// Bytes of the smallest RSA modulus that is taken: 2048 bits.
const RSA_MIN: usize = 256;
/// An uncompressed point of P-256.
const P256_POINT: usize = 65;
/// Keys of a set that are looked at.
const SET_MAX: usize = 64;

/// A public key and the one algorithm it is for.
#[derive(Clone, Debug)]
pub struct Key {
    kid: Option<String>,
    algorithm: Algorithm,
    decoding: DecodingKey,
}

/// Why a key is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// A private key has no place here.
    #[error("it is a private key: give the public one")]
    Private,
    /// Neither RSA, P-256 nor Ed25519.
    #[error("expected a public key (PEM) of RSA from 2048 bits, P-256 or Ed25519")]
    Unsupported,
}

/// The algorithms that are known, by their names in a token.
pub(super) fn algorithm(name: &str) -> Option<Algorithm> {
    match name {
        "RS256" => Some(Algorithm::RS256),
        "ES256" => Some(Algorithm::ES256),
        "EdDSA" => Some(Algorithm::EdDSA),
        _ => None,
    }
}

impl Key {
    /// From a public key's PEM (RFC 7468).
    ///
    /// # Errors
    /// Where it is none, or of a kind that is not taken.
    pub fn from_pem(pem: &[u8]) -> Result<Self, KeyError> {
        if pem.windows(11).any(|part| part == b"PRIVATE KEY") {
            return Err(KeyError::Private);
        }
        let key = |algorithm, decoding| Self { kid: None, algorithm, decoding };
        if let Ok(decoding) = DecodingKey::from_ed_pem(pem) {
            return Ok(key(Algorithm::EdDSA, decoding));
        }
        if let Ok(decoding) = DecodingKey::from_ec_pem(pem) {
            let fits = decoding.try_get_as_bytes().is_ok_and(|point| point.len() == P256_POINT);
            return if fits { Ok(key(Algorithm::ES256, decoding)) } else { Err(KeyError::Unsupported) };
        }
        let decoding = DecodingKey::from_rsa_pem(pem).map_err(|_| KeyError::Unsupported)?;
        let fits = decoding.try_get_as_bytes().is_ok_and(|der| der.len() > RSA_MIN);
        if fits { Ok(key(Algorithm::RS256, decoding)) } else { Err(KeyError::Unsupported) }
    }

    /// What can be used of a JWK set (RFC 7517); what is for something else is left out. None where it is no set.
    pub(super) fn set(text: &[u8]) -> Option<Vec<Self>> {
        #[derive(serde::Deserialize)]
        struct Set {
            keys: Vec<serde_json::Value>,
        }
        let set: Set = serde_json::from_slice(text).ok()?;
        let keys = set.keys.into_iter().take(SET_MAX).filter_map(|key| Self::from_jwk(&serde_json::from_value(key).ok()?));
        Some(keys.collect())
    }

    fn from_jwk(jwk: &Jwk) -> Option<Self> {
        let (algorithm, known_as) = match &jwk.algorithm {
            AlgorithmParameters::RSA(rsa) => {
                let bytes = URL_SAFE_NO_PAD.decode(rsa.n.trim_end_matches('=')).ok()?;
                (bytes.len() >= RSA_MIN).then_some((Algorithm::RS256, KeyAlgorithm::RS256))?
            }
            AlgorithmParameters::EllipticCurve(ec) => {
                (ec.curve == EllipticCurve::P256).then_some((Algorithm::ES256, KeyAlgorithm::ES256))?
            }
            AlgorithmParameters::OctetKeyPair(okp) => {
                (okp.curve == EllipticCurve::Ed25519).then_some((Algorithm::EdDSA, KeyAlgorithm::EdDSA))?
            }
            // A shared secret in a public set would be nobody's secret.
            _ => return None,
        };
        let for_signatures = matches!(jwk.common.public_key_use, None | Some(PublicKeyUse::Signature));
        let for_that = jwk.common.key_algorithm.is_none_or(|named| named == known_as);
        let decoding = DecodingKey::from_jwk(jwk).ok()?;
        (for_signatures && for_that).then(|| Self { kid: jwk.common.key_id.clone(), algorithm, decoding })
    }

    /// Its name in its set.
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// The one algorithm it is for.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    pub(super) fn decoding(&self) -> &DecodingKey {
        &self.decoding
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(jwk: &str) -> usize {
        Key::set(format!("{{\"keys\":[{jwk}]}}").as_bytes()).unwrap().len()
    }

    fn ec(more: &str) -> String {
        let place = URL_SAFE_NO_PAD.encode([7; 32]);
        format!(r#"{{"kty":"EC","crv":"P-256","x":"{place}","y":"{place}"{more}}}"#)
    }

    fn rsa(bytes: usize) -> String {
        format!(r#"{{"kty":"RSA","e":"AQAB","n":"{}"}}"#, URL_SAFE_NO_PAD.encode(vec![7; bytes]))
    }

    #[test]
    fn of_a_set_only_keys_for_signatures_of_known_kinds_and_enough_bits_are_taken() {
        assert_eq!(known(&ec("")), 1);
        assert_eq!(known(&ec(r#","use":"sig","alg":"ES256""#)), 1);
        assert_eq!(known(&ec(r#","use":"enc""#)), 0, "a key for encryption");
        assert_eq!(known(&ec(r#","alg":"ES384""#)), 0, "a key for another algorithm");
        assert_eq!(known(&rsa(256)), 1);
        assert_eq!(known(&rsa(128)), 0, "1024 bits");
    }
}
