//! One recording on its way to the store, and out of it again. Each step may be the last one of this process.

use super::StoreFault;
use super::bucket::Bucket;
use crate::adapters::recording::file::Paths;
use crate::adapters::recording::held::{self, Removed};
use crate::adapters::recording::note::{InStore, Note, Upload};
use bytes::Bytes;
use object_store::path::Path as Key;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;
use vg_domain::recording::DeletionReason;

/// Bytes of a piece. Smaller recordings go at once. The least that S3 takes for one that is not the last is 5 MiB, the most pieces are 10 000
/// (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html>): far more than a WAV file can hold.
const PIECE_BYTES: u64 = 8 << 20;

/// What was done for a recording.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Done {
    /// There was nothing to do.
    Nothing,
    /// It is in the store.
    Stored(Box<Note>),
    /// It is in the store no more, or was not to get there.
    Deleted(Box<Note>, DeletionReason),
}

/// A recording, and where it goes.
pub(super) struct Part<'a> {
    pub(super) bucket: &'a Bucket,
    pub(super) dir: &'a Arc<PathBuf>,
    pub(super) paths: &'a Paths,
    pub(super) keep_local: bool,
    /// Told of bytes that the store has taken.
    pub(super) sent: &'a (dyn Fn(u64) + Sync),
}

/// Where a recording is to lie.
struct Place {
    url: String,
    sound: Key,
    note: Key,
}

/// Why a recording does not go on its way.
enum Halt {
    Fault(StoreFault),
    /// It was deleted before anything of it was sent.
    Unsent,
    /// It was deleted meanwhile. With it, the upload that the store may know.
    Withdrawn(Option<String>),
}

impl From<StoreFault> for Halt {
    fn from(fault: StoreFault) -> Self {
        Self::Fault(fault)
    }
}

impl From<io::Error> for Halt {
    fn from(error: io::Error) -> Self {
        Self::Fault(error.into())
    }
}

impl Part<'_> {
    /// Does what its note says is to be done.
    ///
    /// # Errors
    /// Where the store or the disk does not: it is to be tried again.
    pub(super) async fn step(&self) -> Result<Done, StoreFault> {
        let paths = self.paths.clone();
        let Some(note) = blocking(move || Note::read(&paths.note)).await? else { return Ok(Done::Nothing) };
        match &note.store {
            Some(InStore::Deleting { url, upload, code }) => {
                self.delete(url, upload.as_ref()).await?;
                let why = DeletionReason::parse(code).unwrap_or(DeletionReason::Ordered);
                Ok(Done::Deleted(Box::new(note), why))
            }
            Some(InStore::Stored { .. }) => self.leave().await.map(|()| Done::Nothing),
            // It still grows, or what is left of it has no sound.
            _ if note.file.is_empty() || !self.paths.is_whole() => Ok(Done::Nothing),
            _ => self.send(note).await,
        }
    }

    async fn send(&self, note: Note) -> Result<Done, StoreFault> {
        if let Some(why) = self.bucket.withdrawn(&note.tenant, &note.call).await? {
            return self.give_up(note, why).await;
        }
        let place = self.place(&note)?;
        match self.send_to(&place, &note).await {
            Ok(stored) => {
                // Said while it was on its way, to one who did not see it in the store.
                if let Some(why) = self.bucket.withdrawn(&stored.tenant, &stored.call).await? {
                    return self.give_up(stored, why).await;
                }
                self.leave().await?;
                Ok(Done::Stored(Box::new(stored)))
            }
            Err(Halt::Fault(fault)) => Err(fault),
            Err(Halt::Unsent) => Ok(Done::Nothing),
            Err(Halt::Withdrawn(upload)) => self.withdraw(&place, note, upload).await,
        }
    }

    /// Another gateway was told that nothing of the call is to be kept.
    async fn give_up(&self, note: Note, why: DeletionReason) -> Result<Done, StoreFault> {
        let (dir, paths) = (Arc::clone(self.dir), self.paths.clone());
        let left = blocking(move || {
            let removed = held::remove(&dir, &paths, why)?;
            if removed == Removed::Here { Note::read(&paths.note) } else { Ok(None) }
        });
        if let Some(InStore::Deleting { url, upload, .. }) = left.await?.and_then(|note| note.store) {
            self.delete(&url, upload.as_ref()).await?;
        }
        Ok(Done::Deleted(Box::new(note), why))
    }

    fn place(&self, note: &Note) -> Result<Place, StoreFault> {
        let url = match &note.store {
            Some(InStore::Sending { url, .. }) => url.clone(),
            _ => self.bucket.url(&note.tenant, &note.file),
        };
        let sound = self.bucket.key(&url)?;
        Ok(Place { note: self.note_key(&url)?, sound, url })
    }

    /// The note's object, beside the sound's.
    fn note_key(&self, url: &str) -> Result<Key, StoreFault> {
        let folder = url.rsplit_once('/').map_or(url, |(folder, _)| folder);
        self.bucket.key(&format!("{folder}/{}.json", self.paths.name()))
    }

    async fn send_to(&self, place: &Place, note: &Note) -> Result<Note, Halt> {
        let path = self.paths.note.with_file_name(&note.file);
        let file = blocking(move || File::open(path).map(Arc::new)).await?;
        let size = file.metadata()?.len();
        let upload = match &note.store {
            Some(InStore::Sending { upload, .. }) => upload.clone(),
            _ => {
                let told = self.is(InStore::Sending { url: place.url.clone(), upload: None }).await;
                told.map_err(|halt| if matches!(halt, Halt::Withdrawn(_)) { Halt::Unsent } else { halt })?;
                None
            }
        };
        let tag = if size <= PIECE_BYTES {
            let bytes = read(&file, 0, size).await?;
            let tag = self.bucket.put(&place.sound, bytes).await?;
            (self.sent)(size);
            tag
        } else {
            self.send_pieces(place, &file, size, upload).await?
        };
        // Looked at from outside before the sound leaves this disk.
        match self.bucket.look(&place.sound).await? {
            Some((stored, of)) if stored == size && (tag.is_none() || of.is_none() || of == tag) => {}
            Some(_) | None => return Err(StoreFault::Mismatch.into()),
        }
        let told = Note { store: None, ..note.clone() };
        let told = serde_json::to_vec_pretty(&told).map_err(io::Error::from)?;
        self.bucket.put(&place.note, told.into()).await?;
        self.is(InStore::Stored { url: place.url.clone() }).await
    }

    async fn send_pieces(
        &self,
        place: &Place,
        file: &Arc<File>,
        size: u64,
        upload: Option<Upload>,
    ) -> Result<Option<String>, Halt> {
        let mut upload = match upload {
            Some(upload) => upload,
            None => {
                let id = self.bucket.begin(&place.sound).await?;
                let upload = Upload { id, piece_bytes: PIECE_BYTES, pieces: Vec::new() };
                self.is_sent(place, &upload).await?;
                upload
            }
        };
        let fault = match self.go_on(place, file, size, &mut upload).await {
            Err(Halt::Fault(fault @ (StoreFault::NoUpload | StoreFault::Refused(_)))) => fault,
            outcome => return outcome,
        };
        // Made an object of, by a gateway that died before it could note that; or thrown away by the store.
        let known = !matches!(fault, StoreFault::NoUpload);
        if !known && self.bucket.look(&place.sound).await?.is_some_and(|(there, _)| there == size) {
            return Ok(None);
        }
        // It begins anew with the next try: nothing can be made of this one.
        if known {
            self.bucket.abort(&place.sound, &upload.id).await?;
        }
        self.is(InStore::Sending { url: place.url.clone(), upload: None }).await?;
        Err(fault.into())
    }

    async fn go_on(&self, place: &Place, file: &Arc<File>, size: u64, upload: &mut Upload) -> Result<Option<String>, Halt> {
        let pieces = size.div_ceil(upload.piece_bytes.max(1));
        for number in upload.pieces.len() as u64..pieces {
            let from = number * upload.piece_bytes;
            let bytes = read(file, from, upload.piece_bytes.min(size - from)).await?;
            let (length, number) = (bytes.len() as u64, usize::try_from(number).unwrap_or(usize::MAX));
            let piece = self.bucket.put_piece(&place.sound, &upload.id, number, bytes).await?;
            upload.pieces.push(piece);
            self.is_sent(place, upload).await?;
            (self.sent)(length);
        }
        Ok(self.bucket.complete(&place.sound, &upload.id, &upload.pieces).await?)
    }

    async fn is_sent(&self, place: &Place, upload: &Upload) -> Result<Note, Halt> {
        let told = self.is(InStore::Sending { url: place.url.clone(), upload: Some(upload.clone()) }).await;
        told.map_err(|halt| if matches!(halt, Halt::Withdrawn(_)) { Halt::Withdrawn(Some(upload.id.clone())) } else { halt })
    }

    /// Says in the note how it stands. Whoever deleted the recording meanwhile has the last word.
    async fn is(&self, store: InStore) -> Result<Note, Halt> {
        let (dir, paths) = (Arc::clone(self.dir), self.paths.clone());
        blocking(move || held::change(&dir, &paths, store)).await?.ok_or(Halt::Withdrawn(None))
    }

    /// The sound leaves this disk, where it is not to stay.
    async fn leave(&self) -> Result<(), StoreFault> {
        if self.keep_local {
            return Ok(());
        }
        let paths = self.paths.clone();
        blocking(move || held::remove_sound(&paths)).await
    }

    /// It was deleted while it was sent: what the store has of it goes as well. Where the note is gone altogether, for whoever deleted it saw nothing of it
    /// in the store, there is one again until the store has deleted it.
    async fn withdraw(&self, place: &Place, sent: Note, begun: Option<String>) -> Result<Done, StoreFault> {
        let (dir, paths, url) = (Arc::clone(self.dir), self.paths.clone(), place.url.clone());
        let known = match &sent.store {
            Some(InStore::Sending { upload: Some(upload), .. }) => Some(upload.id.clone()),
            _ => None,
        };
        let note = blocking(move || held::to_go(&dir, &paths, sent, url, begun.or(known))).await?;
        let mut why = DeletionReason::Ordered;
        if let Some(InStore::Deleting { url, upload, code }) = &note.store {
            self.delete(url, upload.as_ref()).await?;
            why = DeletionReason::parse(code).unwrap_or(why);
        }
        Ok(Done::Deleted(Box::new(note), why))
    }

    /// The note first: who finds one finds its sound.
    async fn delete(&self, url: &str, upload: Option<&String>) -> Result<(), StoreFault> {
        let sound = self.bucket.key(url)?;
        if let Some(upload) = upload {
            self.bucket.abort(&sound, upload).await?;
        }
        self.bucket.delete(&self.note_key(url)?).await?;
        self.bucket.delete(&sound).await?;
        let (dir, paths) = (Arc::clone(self.dir), self.paths.clone());
        blocking(move || held::remove_sound(&paths).and_then(|()| held::forget_note(&dir, &paths))).await
    }
}

async fn read(file: &Arc<File>, from: u64, length: u64) -> Result<Bytes, StoreFault> {
    let file = Arc::clone(file);
    blocking(move || {
        let mut bytes = vec![0; usize::try_from(length).unwrap_or(usize::MAX)];
        file.read_exact_at(&mut bytes, from)?;
        Ok(Bytes::from(bytes))
    })
    .await
}

/// The disk may stand still: no task waits for it.
pub(super) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> Result<T, StoreFault> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(io::Error::other(error))).map_err(StoreFault::Disk)
}
