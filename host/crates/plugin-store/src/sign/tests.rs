use super::*;
use crate::trust::{TrustError, TrustPolicy};

/// Made by minisign 0.11 (Debian): `minisign -S`, and with `-l` in the legacy form.
const FOREIGN_CONTENT: &[u8] = b"\0asm a plugin that another program signed\n";
const FOREIGN_PUB: &str =
    "untrusted comment: minisign public key 6A326E1240CF4130\nRWQwQc9AEm4yar/5aVIJjEeJRKV9j2o7Vk0cTlygdGMF9ETA9/Bz1G13\n";
const FOREIGN_SIGNATURE: &str = "untrusted comment: signature from minisign secret key
RUQwQc9AEm4yandF8eHqVXsr8bnN2F36G4ncRMDRSAolybuyCJVLlGJ6bcQhiOiRk7rCmS/LUr41srcivC0/KBtasdLinRl4Pgc=
trusted comment: timestamp:1790000000\tfile:hello.wasm\thashed
SIZIr7+CfMLIZMQz16C74i0Xa7Lk8wk1qg+4fMAOBzTIir+8k8qliFmws0j2JsNT3v2P2p0PW6uTksQ0vRRSDw==
";
const FOREIGN_LEGACY: &str = "untrusted comment: signature from minisign secret key
RWQwQc9AEm4yan82YsT7d+Uo5R2HGlqQ7WlZALQqKe9cpLdMqcmyxc8k95YwYsCknevWqg7LkEsGA9Xr1W65JZJw55myj4U19A0=
trusted comment: timestamp:1795383779\tfile:hello.wasm
unL+zaUs/JjHsZ+slJeifrh/DBgpRq8RnAOLhjhL3/6RHsVHHJ1HjODbEHL/Ixs4JNaPbrRRmVJegfIE/gLYDQ==
";

fn foreign_policy() -> TrustPolicy {
    TrustPolicy { require_signature: true, keys: vec![FOREIGN_PUB.parse().unwrap()], ..TrustPolicy::default() }
}

fn judged(content: &[u8], signature: &str) -> Result<Option<KeyId>, &'static str> {
    let admitted = foreign_policy().admit(&"hello".parse().unwrap(), content, Some(signature));
    admitted.map(|admitted| admitted.signer.map(|signer| signer.key)).map_err(|error| error.code())
}

#[test]
fn a_signature_by_minisign_itself_is_good() {
    let key = FOREIGN_PUB.parse::<PublicKey>().unwrap().id();
    assert_eq!(key.to_string(), "6A326E1240CF4130");
    assert_eq!(judged(FOREIGN_CONTENT, FOREIGN_SIGNATURE), Ok(Some(key)));
    // A web page's line endings do no harm.
    assert_eq!(judged(FOREIGN_CONTENT, &FOREIGN_SIGNATURE.replace('\n', "\r\n")), Ok(Some(key)));
}

#[test]
fn a_change_anywhere_in_content_or_signature_is_noticed() {
    for bit in 0..FOREIGN_CONTENT.len() * 8 {
        let mut content = FOREIGN_CONTENT.to_vec();
        content[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(judged(&content, FOREIGN_SIGNATURE), Err("changed"), "bit {bit}");
    }
    let first_line = FOREIGN_SIGNATURE.find('\n').unwrap() + 1;
    for at in first_line..FOREIGN_SIGNATURE.len() - 1 {
        let mut signature = FOREIGN_SIGNATURE.as_bytes().to_vec();
        signature[at] = if signature[at] == b'A' { b'B' } else { b'A' };
        let verdict = judged(FOREIGN_CONTENT, std::str::from_utf8(&signature).unwrap());
        assert!(matches!(verdict, Err("changed" | "unknown-key" | "not-a-signature")), "byte {at}: {verdict:?}");
    }
}

#[test]
fn a_cut_signature_is_refused_wherever_it_is_cut() {
    for length in 0..FOREIGN_SIGNATURE.len() - 1 {
        let verdict = judged(FOREIGN_CONTENT, &FOREIGN_SIGNATURE[..length]);
        assert!(verdict.is_err(), "cut after {length} bytes: {verdict:?}");
    }
    assert_eq!(judged(FOREIGN_CONTENT, &"x".repeat(1 << 20)), Err("not-a-signature"));
}

#[test]
fn a_signature_of_the_legacy_form_is_refused() {
    assert_eq!(judged(FOREIGN_CONTENT, FOREIGN_LEGACY), Err("changed"));
}

#[test]
fn what_is_signed_here_is_good_for_these_bytes_under_this_name_only() {
    let folder = tempfile::tempdir().unwrap();
    let made = keygen(&folder.path().join("author"), Password::Without).unwrap();
    let key = SecretKey::read(&made.secret, Password::Without).unwrap();
    let file = folder.path().join("stt-acme.wasm");
    fs::write(&file, b"component").unwrap();
    let signature = fs::read_to_string(sign(&file, &"stt-acme@1.2.0".parse().unwrap(), &key).unwrap()).unwrap();
    assert!(signature.contains(&format!("\tplugin:stt-acme@1.2.0\tsha256:{}\t", Digest::of(b"component").hex())), "{signature}");

    let policy =
        TrustPolicy { require_signature: true, keys: vec![PublicKey::read(&made.public).unwrap()], ..TrustPolicy::default() };
    let ask = |name: &str, bytes: &[u8]| policy.admit(&name.parse().unwrap(), bytes, Some(&signature));
    for name in ["stt-acme", "stt-acme@1.2.0"] {
        assert_eq!(ask(name, b"component").unwrap().signer.unwrap().key, made.key.id());
    }
    for name in ["stt-acme@1.2.1", "tts-acme", "stt"] {
        assert!(matches!(ask(name, b"component"), Err(TrustError::OtherPlugin { .. })), "{name}");
    }
    assert!(matches!(ask("stt-acme", b"Component"), Err(TrustError::Changed { .. })));
}

#[test]
fn a_secret_key_is_private_and_never_replaced() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let made = keygen(&folder.path().join("author"), Password::Without).unwrap();
    assert_eq!(fs::metadata(&made.secret).unwrap().permissions().mode() & 0o777, 0o600);
    let before = fs::read(&made.secret).unwrap();
    assert_eq!(keygen(&folder.path().join("author"), Password::Without).unwrap_err().code(), "exists");
    fs::remove_file(&made.public).unwrap();
    assert_eq!(keygen(&folder.path().join("author"), Password::Without).unwrap_err().code(), "exists");
    assert_eq!(fs::read(&made.secret).unwrap(), before);
}

#[test]
fn a_key_with_a_password_signs_only_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let made = keygen(&folder.path().join("author"), Password::Given("open sesame")).unwrap();
    let read = |password| SecretKey::read(&made.secret, password);
    assert_eq!(read(Password::Without).err().unwrap().code(), "locked");
    assert_eq!(read(Password::Given("open")).err().unwrap().code(), "wrong-password");
    let signature = sign_bytes(b"component", &"a".parse().unwrap(), &read(Password::Given("open sesame")).unwrap()).unwrap();
    assert!(made.key.vouches_for(b"component", &signature));
    assert_eq!(SecretKey::read(&made.public, Password::Without).err().unwrap().code(), "not-a-key");
}
