use super::*;
use crate::sign::{Password, SecretKey, keygen, sign_bytes};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

struct Author {
    public: PublicKey,
    secret: SecretKey,
}

impl Author {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let made = keygen(&folder.path().join("key"), Password::Without).unwrap();
        Self { secret: SecretKey::read(&made.secret, Password::Without).unwrap(), public: made.key }
    }

    fn signs(&self, bytes: &[u8], plugin: &str) -> String {
        sign_bytes(bytes, &name(plugin), &self.secret).unwrap().text().to_owned()
    }
}

fn name(text: &str) -> PluginName {
    text.parse().unwrap()
}

fn code(result: Result<Admitted, TrustError>) -> &'static str {
    let error = result.unwrap_err();
    assert!(error.remedy().ends_with('.'), "{}", error.remedy());
    error.code()
}

#[test]
fn a_policy_without_demands_lets_strangers_in_but_not_what_was_tampered_with() {
    let (known, stranger) = (Author::new(), Author::new());
    let policy = TrustPolicy { keys: vec![known.public.clone()], ..TrustPolicy::default() };
    let ask = |signature: Option<&str>| policy.admit(&name("a"), b"bytes", signature);
    assert_eq!(ask(None).unwrap(), Admitted { digest: Digest::of(b"bytes"), signer: None });
    assert_eq!(ask(Some(&stranger.signs(b"bytes", "a"))).unwrap().signer, None);
    assert_eq!(ask(Some(&known.signs(b"bytes", "a@2"))).unwrap().signer.unwrap().plugin, Some(name("a@2")));
    assert_eq!(code(ask(Some(&known.signs(b"other", "a")))), "changed");
    assert_eq!(code(ask(Some(&known.signs(b"bytes", "b")))), "other-plugin");
    assert_eq!(code(ask(Some("nonsense"))), "not-a-signature");
}

#[test]
fn a_policy_that_demands_a_signature_gets_one_by_its_own_keys() {
    let (known, stranger) = (Author::new(), Author::new());
    let policy = TrustPolicy { require_signature: true, keys: vec![known.public.clone()], ..TrustPolicy::default() };
    let ask = |signature: Option<&str>| policy.admit(&name("a"), b"bytes", signature);
    assert_eq!(code(ask(None)), "unsigned");
    assert_eq!(code(ask(Some(&stranger.signs(b"bytes", "a")))), "unknown-key");
    assert_eq!(ask(Some(&known.signs(b"bytes", "a"))).unwrap().signer.unwrap().key, known.public.id());
}

#[test]
fn a_pin_binds_the_name_in_every_version_and_does_not_replace_a_signature() {
    let author = Author::new();
    let pinned = TrustPolicy { digests: [("a".to_owned(), Digest::of(b"bytes"))].into(), ..TrustPolicy::default() };
    assert!(pinned.admit(&name("a@1"), b"bytes", None).is_ok());
    assert!(pinned.admit(&name("b"), b"other", None).is_ok());
    let other = author.signs(b"other", "a@2");
    assert_eq!(code(pinned.admit(&name("a@2"), b"other", Some(&other))), "digest-mismatch");
    let both = TrustPolicy { require_signature: true, keys: vec![author.public], ..pinned };
    assert_eq!(code(both.admit(&name("a"), b"bytes", None)), "unsigned");
}

#[test]
fn a_stolen_key_number_is_no_key() {
    let (known, thief) = (Author::new(), Author::new());
    let policy = TrustPolicy { require_signature: true, keys: vec![known.public.clone()], ..TrustPolicy::default() };
    let line = |text: &str| STANDARD.decode(text.lines().nth(1).unwrap()).unwrap();
    let stolen = thief.signs(b"bytes", "a");
    let mut bytes = line(&stolen);
    bytes[2..10].copy_from_slice(&line(&known.signs(b"bytes", "a"))[2..10]);
    let forged = stolen.replace(stolen.lines().nth(1).unwrap(), &STANDARD.encode(bytes));
    assert_eq!(code(policy.admit(&name("a"), b"bytes", Some(&forged))), "changed");
}
