//! Whether files are the same as before, without reading them.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// What the file system says of some files at one moment. Links are followed, so that a folder swapped by its link (as a config map is) has other
/// files in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stamp(BTreeMap<PathBuf, Mark>);

/// Changes with every write, also of the same length within the same tick of the clock: a replaced file has another inode, and one written in place
/// another change time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Mark {
    device: u64,
    inode: u64,
    bytes: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    /// Of these files; of a folder among them also the files in it, but for hidden ones. What is not there leaves no mark.
    pub fn of(paths: impl IntoIterator<Item = PathBuf>) -> Self {
        let mut stamp = Self::default();
        for path in paths {
            stamp.add(&path);
            for entry in std::fs::read_dir(&path).into_iter().flatten().flatten() {
                // What is hidden is work in progress: an editor's, or our own.
                if !entry.file_name().as_encoded_bytes().starts_with(b".") {
                    stamp.add(&entry.path());
                }
            }
        }
        stamp
    }

    fn add(&mut self, path: &Path) {
        let Ok(data) = std::fs::metadata(path) else { return };
        let mark = Mark {
            device: data.dev(),
            inode: data.ino(),
            bytes: data.len(),
            modified: (data.mtime(), data.mtime_nsec()),
            changed: (data.ctime(), data.ctime_nsec()),
        };
        self.0.insert(path.to_owned(), mark);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    #[test]
    fn work_in_progress_in_a_hidden_folder_does_not_show() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join(".incoming")).unwrap();
        let look = || Stamp::of([root.path().to_owned()]);
        let before = look();
        fs::write(root.path().join(".incoming/half"), "half").unwrap();
        assert_eq!(look(), before);
    }

    #[test]
    fn every_way_to_change_a_folder_shows() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        for version in ["one", "two"] {
            fs::create_dir(at(version)).unwrap();
            fs::write(at(version).join("a.toml"), "same").unwrap();
        }
        symlink(at("one"), at("now")).unwrap();
        let look = || Stamp::of([at("now"), at("missing")]);
        let mut seen = vec![look()];
        assert_eq!(look(), seen[0]);
        fs::write(at("one/a.toml"), "more").unwrap();
        seen.push(look());
        fs::write(at("one/b.toml"), "").unwrap();
        seen.push(look());
        fs::remove_file(at("one/b.toml")).unwrap();
        seen.push(look());
        // As Kubernetes does it.
        symlink(at("two"), at("next")).unwrap();
        fs::rename(at("next"), at("now")).unwrap();
        seen.push(look());
        fs::create_dir(at("missing")).unwrap();
        seen.push(look());
        for (nth, stamp) in seen.iter().enumerate() {
            assert!(!seen[..nth].contains(stamp), "change {nth} does not show");
        }
    }
}
