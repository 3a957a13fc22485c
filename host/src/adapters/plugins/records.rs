//! Sessions written down on request, to be run again elsewhere.

use crate::adapters::folder;
use crate::config;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{SystemTime, UNIX_EPOCH};
use vg_domain::ids::{CallId, TenantId};
use vg_plugin_host::Plugin;
use vg_plugin_host::recording::{Recorder, Words};

/// Bytes of one recording: it ends there, the session goes on. Two hours of linear sound at 16 kHz, as it is written.
const RECORDING_BYTES: u64 = 320 << 20;

/// Whose sessions are recorded, and how many still.
pub(super) struct Records {
    wanted: config::Record,
    left: AtomicUsize,
}

impl Records {
    pub(super) fn new(wanted: config::Record) -> Self {
        Self { left: AtomicUsize::new(wanted.sessions_max), wanted }
    }

    /// A recorder where this session is to be recorded. A file that cannot be made costs the recording, never the session.
    pub(super) fn recorder(&self, tenant: &TenantId, call: &CallId, plugin: &Arc<Plugin>) -> Option<Recorder> {
        if *tenant != self.wanted.tenant || plugin.name() != self.wanted.plugin {
            return None;
        }
        let left = self.left.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1)).ok()?;
        match self.file(left, call) {
            Ok(file) => {
                let out = Bounded { file, bytes_left: RECORDING_BYTES };
                Some(Recorder::new(plugin, Words::Hashed, Box::new(out)))
            }
            Err(error) => {
                tracing::warn!(plugin = plugin.name(), %error, "a session cannot be recorded");
                None
            }
        }
    }

    fn file(&self, left: usize, call: &CallId) -> io::Result<File> {
        folder::private(&self.wanted.dir)?;
        let unix_s = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let call: String = call.as_str().chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').take(64).collect();
        let name = format!("{}-{unix_s}-{call}-{left}.jsonl", self.wanted.plugin);
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(self.wanted.dir.join(name))
    }
}

/// A file that takes so much and no more.
struct Bounded {
    file: File,
    bytes_left: u64,
}

impl Write for Bounded {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.bytes_left = self.bytes_left.checked_sub(data.len() as u64).ok_or(io::ErrorKind::FileTooLarge)?;
        self.file.write_all(data)?;
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_recording_is_private_and_ends_at_its_size() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("deep/recordings");
        let wanted = config::Record { tenant: TenantId::new("t"), plugin: "stt-x".into(), dir: dir.clone(), sessions_max: 2 };
        let file = Records::new(wanted).file(1, &CallId::new("../call/1")).unwrap();
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(dir.metadata().unwrap().permissions().mode() & 0o777, 0o700);
        let mut bounded = Bounded { file, bytes_left: 5 };
        bounded.write_all(b"1234").unwrap();
        assert_eq!(bounded.write_all(b"56").unwrap_err().kind(), io::ErrorKind::FileTooLarge);
        let written = std::fs::read_dir(dir).unwrap().next().unwrap().unwrap();
        assert_eq!(std::fs::read(written.path()).unwrap(), b"1234");
        assert!(written.file_name().to_str().unwrap().starts_with("stt-x-"));
    }
}
