//! Events that no broker takes, kept beside the spool for people to look at.

use crate::adapters::events::Waiting;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// What the file may hold, in bytes; an event beyond is counted and gone.
const BYTES_MAX: u64 = 64 * 1024 * 1024;

/// A file with one event a line, private to the gateway's user.
#[derive(Debug)]
pub(super) struct Aside {
    file: PathBuf,
}

impl Aside {
    pub(super) fn new(file: PathBuf) -> Self {
        Self { file }
    }

    /// Writes an event down; whether it could be.
    pub(super) async fn keep(&self, event: Waiting) -> bool {
        let file = self.file.clone();
        let kept = tokio::task::spawn_blocking(move || append(&file, &event)).await;
        match kept {
            Ok(Ok(())) => true,
            Ok(Err(error)) => {
                tracing::warn!(%error, file = %self.file.display(), "failed to set an event aside");
                false
            }
            Err(_) => false,
        }
    }
}

fn append(path: &Path, event: &Waiting) -> io::Result<()> {
    let mut file: File = OpenOptions::new().create(true).append(true).mode(0o600).open(path)?;
    // An event is JSON in one line; that ends here.
    if file.metadata()?.len() + event.event.len() as u64 + 1 > BYTES_MAX {
        return Err(io::Error::other("the file is full"));
    }
    let mut line = event.event.to_vec();
    line.push(b'\n');
    file.write_all(&line)?;
    file.sync_data()
}
