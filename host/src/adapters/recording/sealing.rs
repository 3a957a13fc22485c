//! Recordings that nobody on this machine can read: sealed to a public key in the age format (<https://age-encryption.org/v1>, X25519), so that
//! `age -d -i KEY call.wav.age` opens them wherever the other half of the key is kept. The gateway has no half that opens.

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use ring::agreement::{EphemeralPrivateKey, UnparsedPublicKey, X25519, agree_ephemeral};
use ring::error::Unspecified;
use ring::hkdf::{HKDF_SHA256, KeyType, Salt};
use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};
use std::fmt;
use std::io::{self, Read, Write};
use std::str::FromStr;

const CHUNK_BYTES: usize = 64 * 1024;
const FILE_KEY_BYTES: usize = 16;
const KEY_BYTES: usize = 32;
/// Bech32 (BIP 173): the characters of five bits each.
const BECH32: &[u8; 32] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";
const CHECKSUM_CHARS: usize = 6;

/// Whose private key opens a recording: `age1...`.
#[derive(Clone, PartialEq, Eq)]
pub struct Recipient([u8; KEY_BYTES]);

impl fmt::Debug for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Recipient")
    }
}

/// Text that is no public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a public key of age, age1 and 58 more characters, as age-keygen writes it")]
pub struct RecipientError;

impl FromStr for Recipient {
    type Err = RecipientError;

    fn from_str(text: &str) -> Result<Self, RecipientError> {
        let data = text.strip_prefix("age1").ok_or(RecipientError)?;
        let fives = data.bytes().map(|c| BECH32.iter().position(|known| *known == c).and_then(|at| u8::try_from(at).ok()));
        let fives = fives.collect::<Option<Vec<u8>>>().ok_or(RecipientError)?;
        if polymod(b"age", &fives) != 1 || fives.len() < CHECKSUM_CHARS {
            return Err(RecipientError);
        }
        let (mut key, mut bits, mut held) = (Vec::new(), 0, 0_u16);
        for five in &fives[..fives.len() - CHECKSUM_CHARS] {
            held = (held << 5 | u16::from(*five)) & 0xfff;
            bits += 5;
            if bits >= 8 {
                bits -= 8;
                key.extend(u8::try_from(held >> bits & 0xff));
            }
        }
        key.try_into().map(Self).map_err(|_| RecipientError)
    }
}

/// The checksum of BIP 173.
fn polymod(prefix: &[u8], fives: &[u8]) -> u32 {
    const GENERATOR: [u32; 5] = [0x3b6a_57b2, 0x2650_8e6d, 0x1ea1_19fa, 0x3d42_33dd, 0x2a14_62b3];
    let (high, low) = (prefix.iter().map(|c| c >> 5), prefix.iter().map(|c| c & 31));
    high.chain([0]).chain(low).chain(fives.iter().copied()).fold(1, |check: u32, five| {
        let top = check >> 25;
        let next = (check & 0x01ff_ffff) << 5 ^ u32::from(five);
        GENERATOR.iter().enumerate().filter(|(bit, _)| top >> bit & 1 == 1).fold(next, |next, (_, word)| next ^ word)
    })
}

/// Seals all of `plain` to a recipient.
pub(super) fn seal(recipient: &Recipient, plain: &mut impl Read, sealed: &mut impl Write) -> io::Result<()> {
    let random = SystemRandom::new();
    let (mut file_key, mut nonce) = ([0; FILE_KEY_BYTES], [0; 16]);
    random.fill(&mut file_key).and_then(|()| random.fill(&mut nonce)).map_err(failed)?;
    let header = header(recipient, &file_key, &random).map_err(failed)?;
    sealed.write_all(&header)?;
    sealed.write_all(&nonce)?;
    let payload = Payload::new(&file_key, &nonce).map_err(failed)?;
    let mut chunk = read_chunk(plain)?;
    for counter in 0.. {
        let next = if chunk.len() < CHUNK_BYTES { Vec::new() } else { read_chunk(plain)? };
        let last = next.is_empty();
        payload.seal(counter, last, &mut chunk).map_err(failed)?;
        sealed.write_all(&chunk)?;
        if last {
            break;
        }
        chunk = next;
    }
    Ok(())
}

fn read_chunk(plain: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut chunk = Vec::with_capacity(CHUNK_BYTES);
    plain.take(CHUNK_BYTES as u64).read_to_end(&mut chunk)?;
    Ok(chunk)
}

fn header(recipient: &Recipient, file_key: &[u8; FILE_KEY_BYTES], random: &SystemRandom) -> Result<Vec<u8>, Unspecified> {
    let ephemeral = EphemeralPrivateKey::generate(&X25519, random)?;
    let share = ephemeral.compute_public_key()?;
    let salt = [share.as_ref(), &recipient.0].concat();
    let peer = UnparsedPublicKey::new(&X25519, recipient.0);
    let wrap = agree_ephemeral(ephemeral, &peer, |shared| derive(shared, &salt, b"age-encryption.org/v1/X25519"))??;
    let mut body = file_key.to_vec();
    let wrap = LessSafeKey::new(UnboundKey::new(&CHACHA20_POLY1305, &wrap)?);
    wrap.seal_in_place_append_tag(Nonce::assume_unique_for_key([0; 12]), Aad::empty(), &mut body)?;
    let (share, body) = (STANDARD_NO_PAD.encode(share.as_ref()), STANDARD_NO_PAD.encode(body));
    let header = format!("age-encryption.org/v1\n-> X25519 {share}\n{body}\n---");
    let mac = hmac::Key::new(hmac::HMAC_SHA256, &derive(file_key, &[], b"header")?);
    let mac = STANDARD_NO_PAD.encode(hmac::sign(&mac, header.as_bytes()));
    Ok(format!("{header} {mac}\n").into_bytes())
}

/// The key of a file's chunks.
struct Payload(LessSafeKey);

impl Payload {
    fn new(file_key: &[u8], nonce: &[u8]) -> Result<Self, Unspecified> {
        let key = derive(file_key, nonce, b"payload")?;
        Ok(Self(LessSafeKey::new(UnboundKey::new(&CHACHA20_POLY1305, &key)?)))
    }

    fn seal(&self, counter: u64, last: bool, chunk: &mut Vec<u8>) -> Result<(), Unspecified> {
        self.0.seal_in_place_append_tag(nonce(counter, last), Aad::empty(), chunk)
    }
}

/// Each key seals the chunks of one file, each of which has a number of its own.
fn nonce(counter: u64, last: bool) -> Nonce {
    let mut nonce = [0; 12];
    nonce[3..11].copy_from_slice(&counter.to_be_bytes());
    nonce[11] = u8::from(last);
    Nonce::assume_unique_for_key(nonce)
}

fn derive(secret: &[u8], salt: &[u8], purpose: &[u8]) -> Result<[u8; KEY_BYTES], Unspecified> {
    struct Bytes32;
    impl KeyType for Bytes32 {
        fn len(&self) -> usize {
            KEY_BYTES
        }
    }
    let mut key = [0; KEY_BYTES];
    Salt::new(HKDF_SHA256, salt).extract(secret).expand(&[purpose], Bytes32)?.fill(&mut key)?;
    Ok(key)
}

fn failed(_: Unspecified) -> io::Error {
    io::Error::other("a recording could not be sealed")
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A key whose private half opens one file.
    pub(in crate::adapters::recording) struct Identity(EphemeralPrivateKey, Recipient);

    impl Identity {
        pub(in crate::adapters::recording) fn new() -> Self {
            let key = EphemeralPrivateKey::generate(&X25519, &SystemRandom::new()).unwrap();
            let public = key.compute_public_key().unwrap();
            let recipient = Recipient(public.as_ref().try_into().unwrap());
            Self(key, recipient)
        }

        pub(in crate::adapters::recording) fn recipient(&self) -> Recipient {
            self.1.clone()
        }

        /// By the format's own rules, from its beginning.
        pub(in crate::adapters::recording) fn open(self, sealed: &[u8]) -> Option<Vec<u8>> {
            let lines: Vec<&[u8]> = sealed.splitn(5, |byte| *byte == b'\n').collect();
            let [version, stanza, body, mac, payload] = lines[..] else { return None };
            assert_eq!(version, b"age-encryption.org/v1");
            let share = STANDARD_NO_PAD.decode(stanza.strip_prefix(b"-> X25519 ")?).ok()?;
            let salt = [&share[..], &self.1.0].concat();
            let peer = UnparsedPublicKey::new(&X25519, &share);
            let wrap = agree_ephemeral(self.0, &peer, |shared| derive(shared, &salt, b"age-encryption.org/v1/X25519"));
            let open = |key: &[u8], nonce, sealed: &[u8]| {
                let key = LessSafeKey::new(UnboundKey::new(&CHACHA20_POLY1305, key).ok()?);
                let mut bytes = sealed.to_vec();
                key.open_in_place(nonce, Aad::empty(), &mut bytes).ok().map(|plain| plain.to_vec())
            };
            let body = STANDARD_NO_PAD.decode(body).ok()?;
            let file_key = open(&wrap.ok()?.ok()?, Nonce::assume_unique_for_key([0; 12]), &body)?;
            let signed = sealed.len() - mac.len() - payload.len() - 1 + 3;
            let key = hmac::Key::new(hmac::HMAC_SHA256, &derive(&file_key, &[], b"header").ok()?);
            let mac = STANDARD_NO_PAD.decode(mac.strip_prefix(b"--- ")?).ok()?;
            hmac::verify(&key, &sealed[..signed], &mac).ok()?;
            let key = derive(&file_key, &payload[..16], b"payload").ok()?;
            let chunks: Vec<&[u8]> = payload[16..].chunks(CHUNK_BYTES + 16).collect();
            let last = chunks.len() - 1;
            let opened = chunks.iter().enumerate().map(|(at, chunk)| open(&key, nonce(at as u64, at == last), chunk));
            opened.collect::<Option<Vec<_>>>().map(|chunks| chunks.concat())
        }
    }

    #[test]
    fn what_is_sealed_is_opened_by_the_key_alone_whatever_its_length() {
        for length in [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES] {
            let plain: Vec<u8> = (0..length).map(|n| (n % 251) as u8).collect();
            let (identity, other) = (Identity::new(), Identity::new());
            let mut sealed = Vec::new();
            seal(&identity.recipient(), &mut &plain[..], &mut sealed).unwrap();
            assert!(length < 100 || !sealed.windows(32).any(|window| window == &plain[..32]));
            assert_eq!(other.open(&sealed), None);
            assert_eq!(identity.open(&sealed), Some(plain), "{length}");
        }
    }

    #[test]
    fn what_was_touched_does_not_open() {
        let mut sealed = Vec::new();
        let identity = Identity::new();
        seal(&identity.recipient(), &mut &[7; 1_000][..], &mut sealed).unwrap();
        let last = sealed.len() - 1;
        sealed[last] ^= 1;
        assert_eq!(identity.open(&sealed), None);
    }

    #[test]
    fn a_public_key_is_read_and_a_mistyped_one_is_not() {
        // The example of age's own documentation.
        let key = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p";
        assert!(key.parse::<Recipient>().is_ok());
        let mistyped = key.replace("hjy", "hjx");
        for wrong in ["", "age1", &mistyped, &key[..60], &key.to_uppercase(), "AGE-SECRET-KEY-1QQQ"] {
            assert_eq!(wrong.parse::<Recipient>(), Err(RecipientError), "{wrong}");
        }
    }
}
