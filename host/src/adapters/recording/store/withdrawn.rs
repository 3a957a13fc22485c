//! Calls of which nothing is to be kept, and that several gateways have served: each of them sent its own parts, and may not have sent the last one.
//!
//! Whoever is told so writes a file beside the recordings, `<call>.withdrawn`, and, in the store, an object of that name: nothing of the call is sent
//! from then on, whoever finds a part of it. What is there goes. The object stays; it has the reason in it, and nothing else.

use super::StoreFault;
use super::bucket::Bucket;
use super::part::blocking;
use crate::adapters::folder;
use crate::adapters::recording::file::Paths;
use crate::adapters::recording::forget::notes;
use crate::adapters::recording::held::gone;
use crate::adapters::recording::note::Note;
use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use vg_domain::ids::{CallId, TenantId};
use vg_domain::recording::DeletionReason;

pub(super) const END: &str = ".withdrawn";

/// Such a call, by its file.
#[derive(Clone, Debug)]
pub(in crate::adapters::recording) struct Withdrawn {
    pub(super) tenant: TenantId,
    pub(super) call: CallId,
    pub(super) why: DeletionReason,
    file: PathBuf,
}

impl Withdrawn {
    /// Writes the file. The disk has it when this returns.
    pub(in crate::adapters::recording) fn write(
        dir: &Path,
        tenant: &TenantId,
        call: &CallId,
        why: DeletionReason,
    ) -> io::Result<Self> {
        if ![tenant.as_str(), call.as_str()].into_iter().all(folder::is_name) {
            return Err(io::ErrorKind::InvalidFilename.into());
        }
        let folder = dir.join(tenant.as_str());
        folder::private(&folder)?;
        let file = folder.join(format!("{call}{END}"));
        let mut new = OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(&file)?;
        new.write_all(why.code().as_bytes())?;
        new.sync_all()?;
        fs::File::open(folder)?.sync_all()?;
        Ok(Self { tenant: tenant.clone(), call: call.clone(), why, file })
    }

    /// What a file of a tenant's folder says; none where it is another one.
    pub(super) fn read(file: PathBuf) -> Option<Self> {
        let tenant = TenantId::new(file.parent()?.file_name()?.to_str()?);
        let call = CallId::new(file.file_name()?.to_str()?.strip_suffix(END)?);
        // Half written it is meant all the same.
        let why =
            fs::read_to_string(&file).ok().and_then(|code| DeletionReason::parse(&code)).unwrap_or(DeletionReason::OptedOut);
        Some(Self { tenant, call, why, file })
    }

    /// Tells whoever sends, and deletes what others have sent; parts that this gateway knows go by their own notes. So many objects of sound were there.
    pub(super) async fn carry_out(&self, bucket: &Bucket) -> Result<u32, StoreFault> {
        bucket.withdraw(&self.tenant, &self.call, self.why).await?;
        let (folder, call) = (self.file.with_file_name(""), self.call.clone());
        let ours = blocking(move || ours(&folder, &call)).await?;
        let mut parts = 0;
        for url in bucket.objects_of(&self.tenant, &self.call).await? {
            let name = url.rsplit_once('/').map_or(&*url, |(_, name)| name);
            if !ours.contains(name) {
                bucket.delete_url(&url).await?;
                parts += u32::from(!name.ends_with(".json"));
            }
        }
        let file = self.file.clone();
        blocking(move || gone(fs::remove_file(file))).await?;
        Ok(parts)
    }
}

/// Names of what this gateway has sent of a call, or is sending.
fn ours(folder: &Path, call: &CallId) -> io::Result<BTreeSet<String>> {
    let notes = notes(folder, |name| name.starts_with(call.as_str()))?;
    let notes = notes.into_iter().collect::<io::Result<Vec<_>>>()?;
    let ours = notes.into_iter().filter(|(_, note)| note.call == call.as_str() && note.store.is_some());
    let names = |(paths, _): (Paths, Note)| paths.named().into_iter().chain([&paths.note]).cloned().collect::<Vec<_>>();
    let names = ours.flat_map(names).filter_map(|path| Some(path.file_name()?.to_str()?.to_owned()));
    Ok(names.collect())
}
