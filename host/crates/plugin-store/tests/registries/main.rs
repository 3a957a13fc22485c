//! Against a real registry (`docker-registry` of Debian, put into the cache by `cargo xtask setup`), and against ones that lie.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops at what it does not expect")]

mod honest;
mod hostile;
mod real;

use vg_plugin_store::sign::{Password, SecretKey, keygen, sign_bytes};
use vg_plugin_store::{PluginName, PublicKey, Signature};

/// The shortest component: a preamble, and a custom section with this text.
fn component(text: &str) -> Vec<u8> {
    let mut wasm = b"\0asm\x0d\0\x01\0\0".to_vec();
    let (mut length, body) = (text.len() + 2, [&[1, b't'][..], text.as_bytes()].concat());
    while length >= 0x80 {
        wasm.push((length & 0x7f) as u8 | 0x80);
        length >>= 7;
    }
    wasm.push(length as u8);
    wasm.extend(body);
    wasm
}

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

    fn signs(&self, wasm: &[u8], plugin: &PluginName) -> Signature {
        sign_bytes(wasm, plugin, &self.secret).unwrap()
    }
}
