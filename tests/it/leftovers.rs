//! What is left of a card's number where nobody looks for it: in memory that was given back, and in what the program says when it panics.
//!
//! Neither a plugin nor a gateway runs in this process: its memory is small, and nothing else in it knows the numbers.

use std::fs::File;
use std::hint::black_box;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use tokio::runtime::Builder;
use vg_domain::card::{CardDigits, CardField};
use vg_domain::ids::{CallId, TenantId, TurnId};
use vg_domain::mask::{Heard, Mask};
use vg_tests::program;
use voice_gateway::adapters::vault::HttpVault;
use voice_gateway::application::ports::{Vault, VaultRequest};
use voice_gateway::config::{Config, Machine};

// Each byte is one more than it is: what is looked for in memory must not stand there.
const NEXT_TO_SAID: &[u8] = b"5:3:42526:37646:";
const NEXT_TO_KEPT: &[u8] = b"5987654321:12345";
const NEXT_TO_SENT: &[u8] = b"64:2938475665748";
/// As fields of a card lie one behind another: the last digits of the longest number, the expiry with the room behind it, the code. The first sixteen
/// bytes of what is given back are not looked for, since the allocator writes there.
const NEXT_TO_KEYED: &[u8] = b"84:1943\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x017528";

/// While one searches nobody else does: what a search reads is a copy, which another one would find.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What this is the next to, a character at a time.
fn characters(next: &[u8]) -> impl Iterator<Item = char> {
    next.iter().map(|next| char::from(next - 1))
}

/// Words with a number at their end, in one place: a buffer that grows leaves a copy behind.
fn words(next: &[u8]) -> String {
    let mut words = String::with_capacity(100);
    words.push_str("before I tell it to you, let me see: ");
    words.extend(characters(next));
    words
}

/// How often that stands in memory that this process can write, buffers that were given back included.
fn in_memory(next: &[u8]) -> usize {
    const PIECE: usize = 1 << 20;
    let memory = File::open("/proc/self/mem").expect("Linux shows a process its memory");
    // With room for all of it: a buffer that grows takes what was given back, and writes over what is looked for.
    let mut maps = String::with_capacity(1 << 20);
    let listed = File::open("/proc/self/maps").and_then(|mut file| file.read_to_string(&mut maps));
    listed.expect("and where it lies");
    let mut bytes = vec![0_u8; PIECE];
    let mut found = 0;
    for line in maps.lines() {
        let mut parts = line.split_ascii_whitespace();
        let (range, rights) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        let (start, end) = range.split_once('-').expect("from-to");
        let [mut at, end] = [start, end].map(|address| u64::from_str_radix(address, 16).expect("an address"));
        while rights.starts_with("rw") && at < end {
            let piece = &mut bytes[..PIECE.min(usize::try_from(end - at).unwrap_or(PIECE))];
            if memory.read_exact_at(piece, at).is_err() {
                // It went meanwhile.
                break;
            }
            found += count(piece, next);
            at += if piece.len() == PIECE { (PIECE - next.len() + 1) as u64 } else { piece.len() as u64 };
        }
    }
    bytes.fill(0);
    black_box(&bytes);
    found
}

fn count(mut bytes: &[u8], next: &[u8]) -> usize {
    let mut found = 0;
    while let Some(at) = bytes.iter().position(|byte| *byte == next[0] - 1) {
        let piece = bytes[at..].get(..next.len()).unwrap_or_default();
        found += usize::from(!piece.is_empty() && piece.iter().zip(next).all(|(byte, next)| byte.wrapping_add(1) == *next));
        bytes = &bytes[at + 1..];
    }
    found
}

#[test]
fn words_that_were_heard_are_gone_once_they_are_masked() {
    let _alone = alone();
    drop(black_box(words(NEXT_TO_KEPT)));
    assert!(in_memory(NEXT_TO_KEPT) > 0, "what nobody has wiped is not found: the rest would prove nothing");
    let mut mask = Mask::new();
    for mask_next in [Mask::mask_partial, Mask::mask_final] {
        let heard = Heard::new(words(NEXT_TO_SAID));
        assert!(in_memory(NEXT_TO_SAID) > 0, "what is there is not found");
        assert_eq!(mask_next(&mut mask, heard).as_str(), "before I tell it to you, let me see: [card]");
        assert_eq!(in_memory(NEXT_TO_SAID), 0);
    }
    // Nobody has masked these: the call was over.
    drop(Heard::new(words(NEXT_TO_SAID)));
    assert_eq!(in_memory(NEXT_TO_SAID), 0);
}

/// A card of which a pattern is known that outlives being given back, unless it is wiped.
fn keyed_in() -> CardDigits {
    let (number, rest) = NEXT_TO_KEYED.split_at(3);
    let (expiry, rest) = rest.split_at(4);
    let code = &rest[rest.len() - 4..];
    let mut card = CardDigits::default();
    assert!((0..16).all(|_| card.push(CardField::Number, '4')));
    for (field, next) in [(CardField::Number, number), (CardField::Expiry, expiry), (CardField::Code, code)] {
        assert!(characters(next).all(|key| card.push(field, key)), "{field:?}");
    }
    card
}

#[test]
fn a_card_that_was_keyed_in_is_gone_as_soon_as_nobody_has_it() {
    let _alone = alone();
    let card = keyed_in();
    assert!(in_memory(NEXT_TO_KEYED) > 0, "what is there is not found: the rest would prove nothing");
    // It changes hands without being copied.
    let card = black_box(Some(card));
    drop(card);
    assert_eq!(in_memory(NEXT_TO_KEYED), 0);
}

/// A vault that takes one request, gives a token and keeps nothing: it lives in the memory that is searched. How often the number was in it.
fn take_one(listener: &TcpListener) -> usize {
    let (mut gateway, _) = listener.accept().expect("a connection");
    let mut request = [0; 4096];
    let mut length = 0;
    // The body is one object, and the last of the request.
    while !request[..length].ends_with(b"}") {
        let read = gateway.read(&mut request[length..]).expect("a request");
        assert!(read > 0, "it broke off");
        length += read;
    }
    let found = count(&request[..length], NEXT_TO_SENT);
    request.fill(0);
    black_box(&request);
    let answer = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 17\r\n\r\n{\"token\":\"tok-1\"}";
    gateway.write_all(answer).expect("the gateway listens");
    found
}

#[test]
fn a_card_that_went_to_the_vault_is_gone_with_the_request() {
    let _alone = alone();
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let vault = thread::spawn(move || take_one(&listener));
    let toml = format!("[vault]\nurl = 'http://{address}/v1/cards'\nallow_plain = true\n");
    let config = Config::parse(&toml, [], &Machine::here()).expect("a configuration");
    let client = HttpVault::new(&config.vault.expect("a vault")).expect("a client");
    let mut card = CardDigits::default();
    assert!(characters(NEXT_TO_SENT).all(|key| card.push(CardField::Number, key)));
    let request = VaultRequest { call: CallId::new("call-1"), tenant: TenantId::new("acme"), turn: TurnId(1), card };
    let kept = runtime.block_on(client.keep(request)).expect("the card is kept");
    assert_eq!(kept.token.reveal(), "tok-1");
    assert_eq!(vault.join().ok(), Some(1), "the number has not come to the vault: the rest would prove nothing");
    assert_eq!(in_memory(NEXT_TO_SENT), 0);
}

/// What a program says that may have so few files open that a library of its panics over it: no input of the gateway's own makes it panic.
fn short_of_files(folder: &Path, files: u32) -> (bool, String) {
    let program = program::alone(folder);
    let mut short = Command::new("sh");
    short.args(["-c", &format!("ulimit -n {files}; exec \"$0\" check")]).arg(program.get_program()).current_dir(folder);
    let ran = short.output().expect("a shell");
    (ran.status.success(), String::from_utf8_lossy(&ran.stderr).into_owned())
}

#[test]
fn a_program_that_panics_says_so_and_leaves_out_words_that_were_put_together() {
    let folder = tempfile::tempdir().expect("a folder");
    let told: Vec<(bool, String)> = (4..9).map(|files| short_of_files(folder.path(), files)).collect();
    let panics: Vec<&String> = told.iter().map(|(_, told)| told).filter(|told| told.contains("panicked at ")).collect();
    assert!(!panics.is_empty(), "none of these is a panic: another has to be found for this story: {told:?}");
    for told in panics {
        // As Rust would tell it, another begins, and the words are told.
        assert!(told.starts_with("voice-gateway: panicked at ") && told.contains(": (words left out"), "{told}");
    }
    // The others are told as what went wrong.
    let others = told.iter().filter(|(_, told)| !told.contains("panicked at "));
    assert!(others.clone().all(|(fine, told)| *fine || told.starts_with("voice-gateway: ")), "{told:?}");
}
