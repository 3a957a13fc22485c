//! The files of this checkout, for tests about the house itself.

use std::path::{Path, PathBuf};

/// A text file.
pub(crate) struct Source {
    /// Relative to the checkout, with slashes.
    pub(crate) path: String,
    /// The extension; empty when there is none.
    pub(crate) kind: String,
    /// Its content.
    pub(crate) text: String,
}

/// The checkout.
pub(crate) fn repo() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

/// Every text file that is written by hand: no build folders, nothing hidden.
pub(crate) fn sources() -> Vec<Source> {
    let mut found = Vec::new();
    collect(&repo(), "", &mut found);
    found
}

fn collect(folder: &Path, prefix: &str, found: &mut Vec<Source>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if name.starts_with('.') || name == "target" || path.is_symlink() {
            continue;
        }
        let relative = format!("{prefix}{name}");
        if path.is_dir() {
            collect(&path, &format!("{relative}/"), found);
        } else if let Ok(text) = std::fs::read_to_string(&path) {
            let kind = path.extension().map(|kind| kind.to_string_lossy().into_owned()).unwrap_or_default();
            found.push(Source { path: relative, kind, text });
        }
    }
}
