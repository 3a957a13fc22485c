//! What is still in a gateway's memory when its calls are over. Reported and not judged: libraries keep buffers that nobody wipes, and the system gives
//! pages back when it likes; `docs/pci.md` explains what is found.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;

/// More of a mapping is no heap of ours.
const MAPPING_MAX: u64 = 1 << 30;
/// Bytes before a find that are shown with it.
const BEFORE: usize = 32;

/// How often a text was found in writable memory, by what stood before it. Needs the right to read another's memory.
pub(crate) fn search(process: u32, text: &str) -> io::Result<BTreeMap<String, usize>> {
    let memory = File::open(format!("/proc/{process}/mem"))?;
    let mut found = BTreeMap::new();
    for (start, end) in writable(&fs::read_to_string(format!("/proc/{process}/maps"))?) {
        let mut bytes = vec![0; usize::try_from(end - start).unwrap_or_default()];
        // What went meanwhile, or cannot be read as reserved memory of plugins, holds nothing.
        if memory.read_exact_at(&mut bytes, start).is_err() {
            continue;
        }
        for at in memchr::memmem::find_iter(&bytes, text) {
            *found.entry(context(&bytes[at.saturating_sub(BEFORE)..at])).or_default() += 1;
        }
    }
    Ok(found)
}

fn writable(maps: &str) -> impl Iterator<Item = (u64, u64)> {
    maps.lines().filter_map(|line| {
        let mut parts = line.split_ascii_whitespace();
        let (range, rights) = (parts.next()?, parts.next()?);
        let (start, end) = range.split_once('-')?;
        let address = |text: &str| u64::from_str_radix(text, 16).ok();
        let (start, end) = (address(start)?, address(end)?);
        (rights.starts_with("rw") && end - start <= MAPPING_MAX).then_some((start, end))
    })
}

/// Letters alone: it says what kind of text it was.
fn context(bytes: &[u8]) -> String {
    let readable = |byte: &u8| if byte.is_ascii_alphabetic() || b" \":{},._".contains(byte) { char::from(*byte) } else { '·' };
    bytes.iter().map(readable).collect()
}
