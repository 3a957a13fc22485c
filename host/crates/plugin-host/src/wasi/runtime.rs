//! What WASI's functions remember of one session: its randomness and its unfinished lines.

use crate::limits::{LOG_LINE_BYTES, RANDOM_BYTES};
use sha2::{Digest, Sha256};
use wasmtime::bail;

/// State of one session. Before its start, random bytes follow from a seed of zeros: the same for all.
#[derive(Default)]
pub(crate) struct Runtime {
    seed: [u8; 32],
    blocks: u64,
    unfinished: [Vec<u8>; 2],
}

impl Runtime {
    /// From now on random bytes follow from `seed`.
    pub(crate) fn seed(&mut self, seed: [u8; 32]) {
        (self.seed, self.blocks) = (seed, 0);
    }

    /// SHA-256 of seed and a counter: who does not know the seed cannot tell it from chance.
    fn block(&mut self) -> [u8; 32] {
        let block = Sha256::new().chain_update(self.seed).chain_update(self.blocks.to_le_bytes()).finalize();
        self.blocks += 1;
        block.into()
    }

    pub(crate) fn random_bytes(&mut self, len: u64) -> wasmtime::Result<Vec<u8>> {
        if len > RANDOM_BYTES {
            bail!("plugin asked for {len} random bytes");
        }
        let len = len as usize;
        let mut bytes = Vec::with_capacity(len.next_multiple_of(32));
        while bytes.len() < len {
            bytes.extend(self.block());
        }
        bytes.truncate(len);
        Ok(bytes)
    }

    pub(crate) fn random_u64(&mut self) -> u64 {
        let [a, b, c, d, e, f, g, h, ..] = self.block();
        u64::from_le_bytes([a, b, c, d, e, f, g, h])
    }

    /// The lines that these bytes end; what is left waits for its end, or for being as long as a line can be.
    pub(crate) fn lines(&mut self, errors: bool, bytes: &[u8]) -> Vec<String> {
        let unfinished = &mut self.unfinished[usize::from(errors)];
        let mut lines = Vec::new();
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            // What is cut from a long line is not kept for later.
            let room = LOG_LINE_BYTES.saturating_sub(unfinished.len());
            unfinished.extend(&piece[..piece.len().min(room)]);
            if piece.ends_with(b"\n") || unfinished.len() >= LOG_LINE_BYTES {
                let line = String::from_utf8_lossy(unfinished).trim_end().to_owned();
                unfinished.clear();
                if !line.is_empty() {
                    lines.push(line);
                }
            }
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_bytes_follow_from_the_seed() {
        let (mut one, mut two) = (Runtime::default(), Runtime::default());
        one.random_u64();
        one.seed([7; 32]);
        two.seed([7; 32]);
        let bytes = one.random_bytes(100).unwrap();
        assert_eq!((bytes.len(), &bytes), (100, &two.random_bytes(100).unwrap()));
        assert_ne!(one.random_u64(), one.random_u64());
        two.seed([8; 32]);
        assert_ne!(two.random_bytes(100).unwrap(), bytes);
        assert!(one.random_bytes(RANDOM_BYTES + 1).is_err());
    }

    #[test]
    fn output_becomes_whole_lines_of_bounded_length() {
        let mut runtime = Runtime::default();
        assert!(runtime.lines(false, b"one, ").is_empty());
        assert_eq!(runtime.lines(true, b"error\n"), ["error"]);
        assert_eq!(runtime.lines(false, b"two\n\nthree\nfo"), ["one, two", "three"]);
        let long = runtime.lines(false, &vec![b'x'; 3 * LOG_LINE_BYTES]);
        assert_eq!((long.len(), long[0].len()), (1, LOG_LINE_BYTES));
    }
}
