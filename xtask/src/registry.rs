//! The registry that the stories of the plugin store push to and pull from: Debian's `docker-registry`, the CNCF's reference
//! implementation, unpacked in the machine's cache. It is one program without dependencies; each story starts its own.

use crate::context::{Context, capture};
use crate::wasm;
use anyhow::{Context as _, Result};
use std::process::Command;

/// `host/crates/plugin-store/tests/registries/real.rs` looks for it by this name.
const FOLDER: &str = "docker-registry-debian";

/// Makes the registry ready to run. Costs nothing the second time.
pub fn prepare(ctx: &Context) -> Result<()> {
    let root = ctx.cache.join(FOLDER);
    let program = root.join("usr/bin/docker-registry");
    if !program.is_file() {
        ctx.step("unpack Debian's docker-registry (5 MB)", || wasm::unpack_debian(ctx, &root, &["docker-registry"]))?;
    }
    capture(Command::new(&program).arg("--version")).map(drop).context("Debian's docker-registry does not run here")
}
