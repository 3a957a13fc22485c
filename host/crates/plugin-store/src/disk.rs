//! The few ways in which store and folder touch their disk. Each file is written whole under a temporary name, flushed, and only then moved
//! to its own: a crash leaves what was there before, or all of what is new.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

const DRAFTS: &str = "tmp";
const LOCK: &str = "lock";

pub(crate) struct Disk {
    root: PathBuf,
    #[cfg(test)]
    pub(crate) crash: std::sync::Mutex<Option<usize>>,
}

/// The right to change the store. One process has it at a time; the kernel takes it back when its holder dies.
pub(crate) struct Pen<'a> {
    disk: &'a Disk,
    _lock: File,
}

impl Disk {
    /// Makes the folders where they are missing; the owner alone may enter.
    pub(crate) fn open(root: &Path, folders: &[&str]) -> io::Result<Self> {
        let mut builder = fs::DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.recursive(true);
        for folder in [DRAFTS].iter().chain(folders) {
            builder.create(root.join(folder))?;
        }
        Ok(Self {
            root: root.to_owned(),
            #[cfg(test)]
            crash: std::sync::Mutex::default(),
        })
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// Waits for whoever is writing. What a crashed writer left half done is removed.
    pub(crate) fn pen(&self) -> io::Result<Pen<'_>> {
        let lock = File::options().create(true).truncate(false).write(true).open(self.path(LOCK))?;
        lock.lock()?;
        for draft in self.names(DRAFTS)? {
            remove(&self.path(DRAFTS).join(draft))?;
        }
        Ok(Pen { disk: self, _lock: lock })
    }

    /// What lies in a folder, in the order of names. Names that are no text are none of ours.
    pub(crate) fn names(&self, folder: &str) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(self.path(folder))? {
            names.extend(entry?.file_name().into_string());
        }
        names.sort();
        Ok(names)
    }

    /// A test's crash: everything after the n-th touch of the disk fails.
    #[cfg(test)]
    fn touch(&self) -> io::Result<()> {
        let mut crash = self.crash.lock().unwrap();
        match crash.as_mut() {
            Some(0) => Err(io::Error::other("the machine has crashed")),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    #[cfg(not(test))]
    #[inline]
    fn touch(&self) -> io::Result<()> {
        Ok(())
    }

    /// Writes a file that is not there yet.
    pub(crate) fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        self.touch()?;
        let mut file = File::create_new(path)?;
        let (first, rest) = bytes.split_at(bytes.len() / 2);
        for part in [first, rest] {
            self.touch()?;
            file.write_all(part)?;
        }
        self.touch()?;
        file.sync_all()
    }

    /// Moves a file or a folder; what stood there as a file is gone.
    pub(crate) fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.touch()?;
        fs::rename(from, to)?;
        [to, from].into_iter().filter_map(Path::parent).try_for_each(|folder| self.flush(folder))
    }

    /// Removes one file; nothing happens where there is none.
    pub(crate) fn unlink(&self, path: &Path) -> io::Result<()> {
        self.touch()?;
        match fs::remove_file(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed.and_then(|()| path.parent().map_or(Ok(()), |folder| self.flush(folder))),
        }
    }

    /// A renamed file is only safe once its folder is.
    pub(crate) fn flush(&self, folder: &Path) -> io::Result<()> {
        self.touch()?;
        File::open(folder)?.sync_all()
    }
}

impl Pen<'_> {
    /// Writes or replaces one file.
    pub(crate) fn place(&self, path: &str, bytes: &[u8]) -> io::Result<()> {
        let draft = self.disk.path(DRAFTS).join("file");
        self.disk.write(&draft, bytes)?;
        self.disk.rename(&draft, &self.disk.path(path))
    }

    /// Writes a folder with these files; what stood there is gone.
    pub(crate) fn place_folder(&self, path: &str, files: &[(&str, &[u8])]) -> io::Result<()> {
        let [draft, old] = ["folder", "old"].map(|name| self.disk.path(DRAFTS).join(name));
        fs::create_dir(&draft)?;
        for (name, bytes) in files {
            self.disk.write(&draft.join(name), bytes)?;
        }
        self.disk.flush(&draft)?;
        let target = self.disk.path(path);
        if target.symlink_metadata().is_ok() {
            self.disk.rename(&target, &old)?;
        }
        self.disk.rename(&draft, &target)?;
        remove(&old)
    }

    /// Removes a file or a folder: moved away first, so that nobody sees half of it. Nothing happens where there is none.
    pub(crate) fn remove(&self, path: &str) -> io::Result<()> {
        let old = self.disk.path(DRAFTS).join("removed");
        match self.disk.rename(&self.disk.path(path), &old) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
            Ok(()) => {
                self.disk.touch()?;
                remove(&old)
            }
        }
    }
}

/// A file of at most so many bytes; longer ones are an error of kind `FileTooLarge`.
pub(crate) fn read(path: &Path, bytes_max: u64) -> io::Result<Vec<u8>> {
    let file = File::open(path)?;
    let length = file.metadata()?.len();
    let mut bytes = Vec::with_capacity(length.min(bytes_max) as usize);
    file.take(bytes_max + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > bytes_max { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok(bytes) }
}

/// Whether an error means that what is there is not what was written, rather than that reading is impossible now.
pub(crate) fn is_damage(error: &io::Error) -> bool {
    const EIO: i32 = 5;
    let kinds = [io::ErrorKind::FileTooLarge, io::ErrorKind::IsADirectory, io::ErrorKind::NotADirectory];
    kinds.contains(&error.kind()) || error.raw_os_error() == Some(EIO)
}

/// Removes a file, or a folder with what is in it; nothing happens where there is none.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    let removed = match path.symlink_metadata() {
        Ok(found) if found.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    removed.or_else(|error| if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) })
}
