//! The disk itself is full, long before the spool's own bound.

use super::*;
use std::os::unix::fs::MetadataExt;
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// A disk of 8 MiB. Unmounted when dropped.
struct SmallDisk {
    folder: TempDir,
}

impl SmallDisk {
    /// None for whoever is not root, who mounts nothing.
    fn mounted() -> Option<Self> {
        if std::fs::metadata("/proc/self").unwrap().uid() != 0 {
            return None;
        }
        let disk = Self { folder: tempfile::tempdir().unwrap() };
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=8m,mode=700", "vg-small-disk"]).arg(disk.folder.path());
        assert!(mount.status().unwrap().success(), "a tmpfs cannot be mounted: root in a container needs CAP_SYS_ADMIN");
        Some(disk)
    }

    /// Takes what room is left, to the last byte; the file that has it.
    fn fill(&self) -> PathBuf {
        let path = self.folder.path().join("filler");
        let mut filler = File::create(&path).unwrap();
        let error = loop {
            if let Err(error) = filler.write_all(&[0xA5; 64 << 10]) {
                break error;
            }
        };
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        path
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: also where a test that failed has files open there.
        let mut unmount = Command::new("umount");
        let _ = unmount.arg("--lazy").arg(self.folder.path()).stderr(Stdio::null()).status();
    }
}

#[test]
fn events_wait_while_the_disk_is_full_and_none_is_lost_once_it_has_room() {
    let Some(disk) = SmallDisk::mounted() else { return };
    let dir = disk.folder.path().join("events");
    let spool = spool(&dir, ROOMY, true);
    (0..50).for_each(|number| tell(&spool, number));
    commit(&spool);
    let filler = disk.fill();
    // Calls that are up go on telling.
    (50..2_000).for_each(|number| tell(&spool, number));
    eventually(|| spool.standing() == "failing");
    assert!(!spool.has_room(), "no further call is taken in");
    assert!(spool.committed().now_or_never().is_some(), "nobody waits for a disk that is full");
    assert_eq!(ids(&dir), first(50), "what was kept can still be read, and no half group");
    std::fs::remove_file(filler).unwrap();
    eventually(|| spool.standing() == "writing");
    commit(&spool);
    assert_eq!(ids(&dir), first(2_000), "every one of them, in its order");
    let SpoolStats { kept, lost, .. } = spool.stats();
    assert_eq!((kept, lost, spool.has_room()), (2_000, 0, true));
}
