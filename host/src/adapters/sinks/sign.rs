//! Signatures as Standard Webhooks 1.0 has them: HMAC-SHA256 over `id.timestamp.body`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;

/// The shortest key that is taken, in bytes.
const KEY_MIN: usize = 16;

/// Keys of a sink. Several where one takes over from another: each signs, and whoever verifies needs only one of them to fit.
pub(super) struct Keys(Vec<hmac::Key>);

/// The secret cannot be used; it is not repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("secret holds no key: expected whsec_ and base64, or at least {KEY_MIN} characters")]
pub(super) struct NoKey;

impl Keys {
    /// `whsec_` and base64, or the key as it is; several with spaces between.
    pub(super) fn parse(text: &str) -> Result<Self, NoKey> {
        let key = |text: &str| {
            let bytes = match text.strip_prefix("whsec_") {
                Some(encoded) => STANDARD.decode(encoded).map_err(|_| NoKey)?,
                None => text.as_bytes().to_vec(),
            };
            if bytes.len() < KEY_MIN { Err(NoKey) } else { Ok(hmac::Key::new(hmac::HMAC_SHA256, &bytes)) }
        };
        let keys = text.split_whitespace().map(key).collect::<Result<Vec<_>, _>>()?;
        if keys.is_empty() { Err(NoKey) } else { Ok(Self(keys)) }
    }

    /// The value of `webhook-signature`.
    pub(super) fn sign(&self, id: &str, timestamp_s: u64, body: &[u8]) -> String {
        let signed = |key: &hmac::Key| {
            let mut context = hmac::Context::with_key(key);
            context.update(format!("{id}.{timestamp_s}.").as_bytes());
            context.update(body);
            format!("v1,{}", STANDARD.encode(context.sign()))
        };
        self.0.iter().map(signed).collect::<Vec<_>>().join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_signed_as_the_standard_s_own_example_is() {
        // The example of the standard's reference libraries.
        let keys = Keys::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let signature = keys.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn while_keys_change_both_sign_and_what_is_no_key_is_refused() {
        let both = Keys::parse("an old key of ours  a-new-key-of-ours").err();
        assert_eq!(both, Some(NoKey), "words are short keys");
        let both = Keys::parse("an-old-key-of-ours a-new-key-of-ours").unwrap().sign("id", 1, b"body");
        let [old, new] = ["an-old-key-of-ours", "a-new-key-of-ours"].map(|key| Keys::parse(key).unwrap().sign("id", 1, b"body"));
        assert_eq!(both, format!("{old} {new}"));
        for none in ["", "short", "whsec_", "whsec_!!!", "whsec_c2hvcnQ="] {
            assert!(Keys::parse(none).is_err(), "{none}");
        }
    }
}
