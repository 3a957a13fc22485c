//! The hash of everything a component is made of.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use sha2::{Digest, Sha256};

/// Two builds of one key are the same component.
#[derive(Debug, PartialEq, Eq)]
pub struct Key(String);

impl Key {
    /// The key of a Rust guest: the contract, its own source and that of the workspace's crates it uses, the locked
    /// versions of all others, how the workspace asks for them, the guest profile and the compiler.
    pub fn of_guest(repo: &Path, package: &str, features: &str, compiler: &str) -> Result<Self> {
        let read = |name: &str| fs::read_to_string(repo.join(name)).with_context(|| format!("read {name}"));
        let (manifest, lock) = (read("Cargo.toml")?, read("Cargo.lock")?);
        let mut hash = Hasher::new();
        hash.text(compiler);
        hash.text(features);
        hash.tree(repo, Path::new("wit"))?;
        let locked = Locked::parse(&lock);
        let folders = member_folders(repo, &manifest)?;
        for name in locked.closure(package) {
            locked.entries(name).for_each(|entry| hash.text(entry));
            hash.text(&workspace_line(&manifest, name));
            if let Some(folder) = folders.get(name) {
                hash.tree(repo, &folder.join("Cargo.toml"))?;
                hash.tree(repo, &folder.join("src"))?;
            }
        }
        hash.text(&section(&manifest, "[profile.plugin]"));
        Ok(hash.finish())
    }

    /// Lower-case hexadecimal digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Collects what a component is made of; every part is bounded, so that no two collections run into the same bytes.
pub struct Hasher(Sha256);

impl Hasher {
    /// Nothing yet.
    pub fn new() -> Self {
        Self(Sha256::new())
    }

    /// A piece of text, for example a version.
    pub fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    /// A file, or a folder with all that is in it, by name and content.
    pub fn tree(&mut self, root: &Path, path: &Path) -> Result<()> {
        let full = root.join(path);
        if full.is_dir() {
            let mut names = fs::read_dir(&full)
                .and_then(|entries| entries.map(|entry| Ok(entry?.file_name())).collect::<std::io::Result<Vec<_>>>())
                .with_context(|| format!("read {}", full.display()))?;
            names.sort();
            return names.iter().try_for_each(|name| self.tree(root, &path.join(name)));
        }
        self.text(&path.to_string_lossy());
        self.bytes(&fs::read(&full).with_context(|| format!("read {}", full.display()))?);
        Ok(())
    }

    /// The key of all that was collected.
    pub fn finish(self) -> Key {
        Key(self.0.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.0.update((bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
    }
}

/// Cargo.lock, as far as it is needed: cargo writes it in one fixed form.
struct Locked<'a>(BTreeMap<&'a str, Vec<&'a str>>);

impl<'a> Locked<'a> {
    fn parse(lock: &'a str) -> Self {
        let mut packages: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for entry in lock.split("[[package]]").skip(1) {
            if let Some(name) = quoted_after(entry, "name = ") {
                packages.entry(name).or_default().push(entry.trim());
            }
        }
        Self(packages)
    }

    /// The package and all it may use. Two locked versions of one name both count: that can only make a key too careful.
    fn closure(&self, package: &'a str) -> BTreeSet<&'a str> {
        let (mut seen, mut open) = (BTreeSet::new(), vec![package]);
        while let Some(name) = open.pop() {
            if seen.insert(name) {
                let lists = self.0.get(name).into_iter().flatten().filter_map(|entry| entry.split_once("dependencies = ["));
                let lines = lists.flat_map(|(_, list)| list.lines());
                open.extend(lines.filter_map(|line| quoted_after(line, "")?.split(' ').next()));
            }
        }
        seen
    }

    fn entries(&self, name: &str) -> impl Iterator<Item = &'a str> {
        self.0.get(name).into_iter().flatten().copied()
    }
}

/// Where each member of the workspace lies, by package name.
fn member_folders(repo: &Path, manifest: &str) -> Result<BTreeMap<String, PathBuf>> {
    let members = manifest.split_once("members = [").and_then(|(_, rest)| rest.split_once(']')).map(|(list, _)| list);
    let members = members.context("Cargo.toml has no list of members")?;
    members
        .lines()
        .filter_map(|line| quoted_after(line, ""))
        .map(|folder| {
            let path = repo.join(folder).join("Cargo.toml");
            let own = fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
            let name = quoted_after(&own, "name = ").with_context(|| format!("{} has no name", path.display()))?;
            Ok((name.to_owned(), PathBuf::from(folder)))
        })
        .collect()
}

/// How the workspace asks for a dependency: its features are not in the lock.
fn workspace_line(manifest: &str, name: &str) -> String {
    section(manifest, "[workspace.dependencies]").lines().filter(|line| line.split([' ', '.']).next() == Some(name)).collect()
}

fn section(manifest: &str, header: &str) -> String {
    manifest
        .lines()
        .skip_while(|line| *line != header)
        .skip(1)
        .take_while(|line| !line.starts_with('['))
        .map(|line| format!("{line}\n"))
        .collect()
}

fn quoted_after<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(&format!("{prefix}\""))?;
    rest.split_once('"').map(|(quoted, _)| quoted)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCK: &str = "version = 4\n\n[[package]]\nname = \"a\"\nversion = \"1\"\ndependencies = [\n \"b\",\n \"c 2.0\",\n]\n\n\
        [[package]]\nname = \"b\"\nversion = \"1\"\n\n[[package]]\nname = \"c\"\nversion = \"1\"\n\n\
        [[package]]\nname = \"c\"\nversion = \"2.0\"\n\n[[package]]\nname = \"d\"\nversion = \"1\"\n";

    #[test]
    fn closure_follows_dependencies_and_nothing_else() {
        let closure = Locked::parse(LOCK).closure("a");
        assert_eq!(closure.into_iter().collect::<Vec<_>>(), ["a", "b", "c"]);
    }

    #[test]
    fn parts_do_not_run_into_each_other() {
        let key = |parts: [&str; 2]| {
            let mut hash = Hasher::new();
            parts.iter().for_each(|part| hash.text(part));
            hash.finish()
        };
        assert_ne!(key(["ab", "c"]), key(["a", "bc"]));
    }

    #[test]
    fn features_of_a_dependency_are_part_of_the_key() {
        let manifest = "[workspace.dependencies]\nflite-rs = { features = [\"kal16\"] }\nflite = \"1\"\n\n[lints]\nx = 1\n";
        assert_eq!(workspace_line(manifest, "flite"), "flite = \"1\"");
        assert!(workspace_line(manifest, "flite-rs").contains("kal16"));
    }
}
