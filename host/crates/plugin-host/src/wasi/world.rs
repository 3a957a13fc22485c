//! What WASI's functions remember of one session.

use super::paper::Paper;
use crate::guest::Guest;
use crate::journal::{LogLevel, SharedJournal};
use crate::limits::{HANDLES, RANDOM_BYTES};
use sha2::{Digest, Sha256};
use wasmtime::component::ResourceTable;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

/// A world with nothing in it.
pub(crate) struct World {
    wasi: WasiCtx,
    pub(super) table: ResourceTable,
    pub(super) chance: Chance,
}

impl World {
    /// Standard output and error end in `journal`; random bytes follow from `seed`.
    pub(crate) fn new(journal: &SharedJournal, seed: [u8; 32]) -> Self {
        let mut wasi = WasiCtx::builder();
        wasi.stdout(Paper::new(journal, LogLevel::Info)).stderr(Paper::new(journal, LogLevel::Warn));
        // Not even a socket that leads nowhere: it would be a descriptor of the host's.
        wasi.allow_tcp(false).allow_udp(false).allow_ip_name_lookup(false);
        let mut table = ResourceTable::new();
        // A handle may stand for two entries: what is waited for, and the waiting.
        table.set_max_capacity(2 * HANDLES);
        Self { wasi: wasi.build(), table, chance: Chance::new(seed) }
    }

    /// From now on random bytes follow from `seed`.
    pub(crate) fn seed(&mut self, seed: [u8; 32]) {
        self.chance = Chance::new(seed);
    }
}

impl WasiView for Guest {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        let World { wasi, table, .. } = self.world();
        WasiCtxView { ctx: wasi, table }
    }
}

/// SHA-256 of seed and a counter: who does not know the seed cannot tell it from chance.
pub(super) struct Chance {
    seed: [u8; 32],
    blocks: u64,
}

impl Chance {
    fn new(seed: [u8; 32]) -> Self {
        Self { seed, blocks: 0 }
    }

    fn block(&mut self) -> [u8; 32] {
        let block = Sha256::new().chain_update(self.seed).chain_update(self.blocks.to_le_bytes()).finalize();
        self.blocks += 1;
        block.into()
    }

    /// None where that is more than one call may ask for.
    pub(super) fn bytes(&mut self, len: u64) -> Option<Vec<u8>> {
        let len = usize::try_from(len).ok().filter(|_| len <= RANDOM_BYTES)?;
        let mut bytes = Vec::with_capacity(len.next_multiple_of(32));
        while bytes.len() < len {
            bytes.extend(self.block());
        }
        bytes.truncate(len);
        Some(bytes)
    }

    pub(super) fn number(&mut self) -> u64 {
        let [a, b, c, d, e, f, g, h, ..] = self.block();
        u64::from_le_bytes([a, b, c, d, e, f, g, h])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_bytes_follow_from_the_seed() {
        let (mut one, mut two) = (Chance::new([7; 32]), Chance::new([7; 32]));
        let bytes = one.bytes(100).unwrap();
        assert_eq!((bytes.len(), &bytes), (100, &two.bytes(100).unwrap()));
        assert_ne!(one.number(), one.number());
        assert_ne!(Chance::new([8; 32]).bytes(100).unwrap(), bytes);
        assert!(one.bytes(RANDOM_BYTES).is_some());
        assert!(one.bytes(RANDOM_BYTES + 1).is_none());
    }
}
