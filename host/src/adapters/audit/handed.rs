//! Acts of programs that run beside a gateway, which holds the folder of the log: they hand in a file, and whoever writes the log writes what it says
//! into the chain. Where no gateway does, the program does so itself.
//!
//! A file is removed once its lines are kept. Who dies in between leaves it to be taken again: such lines have the same `request_id`.

use super::{Act, AuditError, Entry, Trail, What};
use crate::adapters::folder;
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use uuid::Uuid;
use vg_domain::ids::TenantId;

/// No tenant is called so.
const FOLDER: &str = ".handed-in";
const WHOLE: &str = "json";
/// What is no file of acts; whoever looks after the gateway finds it there.
const WRONG: &str = "wrong";
/// Bytes of a file: more is none of ours.
const FILE_MAX: u64 = 8 << 20;
/// Files taken at once; the rest is taken the next time.
const FILES_MAX: usize = 64;

/// What has become of acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recorded {
    /// They stand in the log.
    Written,
    /// They lie on the disk, and the gateway that holds the log writes them: within seconds while it serves, or when it starts.
    HandedIn,
}

#[derive(Serialize, Deserialize)]
struct Written {
    at_ms: u64,
    subject: String,
    tenant: String,
    act: String,
    on: Option<String>,
    outcome: String,
    request: String,
}

/// Outcomes of acts that are handed in.
const OUTCOMES: [&str; 3] = [ORDERED, DONE, FAILED];
/// It is about to be done.
pub const ORDERED: &str = "ordered";
/// It was done.
pub const DONE: &str = "done";
/// It was not, or not all of it.
pub const FAILED: &str = "failed";

/// Hands acts of a tenant in, and writes them where nobody else writes the log of this folder. Blocks on the disk.
///
/// # Errors
/// Where the folder cannot be had, or the disk does not take them: then they stand nowhere.
pub fn record(dir: &Path, acts: &[Act]) -> Result<Recorded, AuditError> {
    folder::private(dir).map_err(AuditError::Folder)?;
    let handed_in = hand_in(dir, acts).map_err(AuditError::Folder)?;
    match Trail::start(dir) {
        // The first thing that it does is to take what was handed in; the last, that the disk has it.
        Ok(trail) => drop(trail),
        Err(AuditError::Busy) => return Ok(Recorded::HandedIn),
        Err(error) => return Err(error),
    }
    Ok(if handed_in.exists() { Recorded::HandedIn } else { Recorded::Written })
}

fn hand_in(dir: &Path, acts: &[Act]) -> io::Result<PathBuf> {
    if acts.iter().any(|act| !folder::is_name(act.tenant.as_str())) {
        return Err(ErrorKind::InvalidFilename.into());
    }
    let folder = dir.join(FOLDER);
    folder::private(&folder)?;
    let at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let at_ms = u64::try_from(at.as_millis()).unwrap_or(u64::MAX);
    let written = |Act { subject, tenant, act, on, status: _, outcome, request }: &Act| Written {
        at_ms,
        subject: subject.clone(),
        tenant: tenant.to_string(),
        act: act.clone(),
        on: on.clone(),
        outcome: (*outcome).to_owned(),
        request: request.clone(),
    };
    let written: Vec<Written> = acts.iter().map(written).collect();
    // Sorts by time; nobody takes what is still being written.
    let name = format!("{:020}-{}", at.as_nanos(), Uuid::new_v4().simple());
    let (new, whole) = (folder.join(format!("{name}.new")), folder.join(format!("{name}.{WHOLE}")));
    folder::put(&new, &whole, &serde_json::to_vec(&written)?)?;
    File::open(folder)?.sync_all()?;
    Ok(whole)
}

/// What a file says.
pub(super) struct HandedIn {
    pub(super) entries: Vec<Entry>,
    file: PathBuf,
}

impl HandedIn {
    /// Its lines are kept.
    pub(super) fn taken(self) {
        if let Err(error) = fs::remove_file(&self.file) {
            tracing::warn!(file = %self.file.display(), %error, "acts that were handed in may stand in the audit log twice");
        }
    }
}

/// What was handed in since the last time, oldest first.
pub(super) fn look(dir: &Path) -> Vec<HandedIn> {
    let Ok(files) = fs::read_dir(dir.join(FOLDER)) else { return Vec::new() };
    let mut files: Vec<PathBuf> = files.filter_map(|file| Some(file.ok()?.path())).collect();
    files.retain(|file| file.extension().is_some_and(|end| end == WHOLE));
    files.sort_unstable();
    files.truncate(FILES_MAX);
    files.into_iter().filter_map(read).collect()
}

fn read(file: PathBuf) -> Option<HandedIn> {
    match entries(&file) {
        Ok(entries) => Some(HandedIn { entries, file }),
        Err(error) if error.kind() == ErrorKind::InvalidData => {
            tracing::error!(file = %file.display(), "what was handed in for the audit log is no list of acts: it is set aside");
            if let Err(error) = fs::rename(&file, file.with_extension(WRONG)) {
                tracing::warn!(file = %file.display(), %error, "it cannot be set aside");
            }
            None
        }
        Err(error) => {
            tracing::warn!(file = %file.display(), %error, "what was handed in for the audit log cannot be read");
            None
        }
    }
}

fn entries(file: &Path) -> io::Result<Vec<Entry>> {
    let mut text = Vec::new();
    File::open(file)?.take(FILE_MAX).read_to_end(&mut text)?;
    let written: Vec<Written> = serde_json::from_slice(&text).map_err(|_| ErrorKind::InvalidData)?;
    let entry = |Written { at_ms, subject, tenant, act, on, outcome, request }: Written| {
        let outcome = OUTCOMES.into_iter().find(|known| *known == outcome)?;
        // Who can have no log is told nothing in it.
        let tenant = folder::is_name(&tenant).then(|| TenantId::new(tenant))?;
        let at = UNIX_EPOCH.checked_add(Duration::from_millis(at_ms))?;
        let what = What::Act(Act { subject, tenant: tenant.clone(), act, on, status: None, outcome, request });
        Some(Entry { tenant, at, what })
    };
    written.into_iter().map(entry).collect::<Option<_>>().ok_or_else(|| ErrorKind::InvalidData.into())
}
