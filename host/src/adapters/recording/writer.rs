//! The threads behind recordings: one takes what legs have, the other waits for the disk at the end of each.

use super::file::{Growing, Paths};
use super::finish::Form;
use super::forget::forget_parts;
use super::note::Note;
use super::repair::Leftovers;
use super::{Counters, Teller, ToStore};
use crate::adapters::pseudonyms::Pseudonyms;
use crate::application::recording::{PartsOf, RecordingError, RecordingRequest, RecordingSource, Sound, SoundBlock};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::time::{Duration, Instant};
use vg_domain::ids::{CallId, TenantId};
use vg_domain::recording::{DeletionReason, RecordingFormat as Format};

/// How often legs are asked for what they have: each has room for four seconds.
const ROUND: Duration = Duration::from_millis(100);
/// Recordings that wait for one finisher while it still encodes; with more they stay as they are until it has come round.
const ENCODED_BEHIND: u64 = 128;

/// What the writer is told.
pub(super) enum Order {
    /// A recording is to begin.
    Begin(Box<Begin>),
    /// What there is of a call is to be deleted.
    Forget(Forget),
}

/// A recording that is to begin.
pub(super) struct Begin {
    pub(super) request: RecordingRequest,
    pub(super) source: RecordingSource,
}

/// Recordings that are to be deleted.
#[derive(Debug)]
pub(super) struct Forget {
    pub(super) tenant: TenantId,
    pub(super) call: CallId,
    pub(super) why: DeletionReason,
    pub(super) parts: PartsOf,
}

/// What waits for the disk, in its order.
pub(super) enum Ending {
    /// A recording that is over.
    Finish(Box<Growing>),
    /// What there is of a call, and a part of it that still grew.
    Forget(Forget, Vec<Growing>),
}

/// A recording of a call that goes on.
struct Live {
    request: RecordingRequest,
    source: RecordingSource,
    /// None once the disk refused it: then its blocks only go round.
    file: Option<Growing>,
    dropped_told: u64,
}

/// What the writer needs.
pub(super) struct Writer {
    pub(super) dir: PathBuf,
    pub(super) pseudonyms: Option<Pseudonyms>,
    pub(super) endings: Endings,
    pub(super) counters: Arc<Counters>,
}

impl Writer {
    /// Serves until nobody can begin a recording any more, then finishes those that are left.
    pub(super) fn write_all(&self, orders: &Receiver<Order>) {
        let mut live: Vec<Live> = Vec::new();
        let mut serves = true;
        while serves {
            let round = Instant::now() + ROUND;
            loop {
                match orders.recv_timeout(round.saturating_duration_since(Instant::now())) {
                    Ok(Order::Begin(begin)) => live.push(self.begin(*begin)),
                    Ok(Order::Forget(what)) => self.forget(what, &mut live),
                    Err(RecvTimeoutError::Timeout) => break,
                    Err(RecvTimeoutError::Disconnected) => {
                        serves = false;
                        break;
                    }
                }
            }
            let mut at = 0;
            while at < live.len() {
                if self.write(&mut live[at]) && serves {
                    at += 1;
                } else {
                    self.end(live.swap_remove(at));
                }
            }
            self.counters.live.store(live.len() as u64, Relaxed);
        }
    }

    fn begin(&self, begin: Begin) -> Live {
        let Begin { request, source } = begin;
        let file = self.create(&request, 0);
        Live { request, source, file, dropped_told: 0 }
    }

    fn create(&self, request: &RecordingRequest, first: u64) -> Option<Growing> {
        let caller_ref = self.pseudonyms.as_ref().and_then(|pseudonyms| pseudonyms.of(&request.tenant, &request.person));
        let file = Growing::create(&self.dir, request, caller_ref, first);
        file.map_err(|error| self.counters.fault(&error.into())).ok()
    }

    /// What grows of that call grows no more, whatever its leg still has.
    fn forget(&self, what: Forget, live: &mut [Live]) {
        let of_call = |live: &&mut Live| live.request.call == what.call && live.request.tenant == what.tenant;
        let growing = live.iter_mut().filter(of_call).filter_map(|live| live.file.take()).collect();
        self.endings.send(Ending::Forget(what, growing));
    }

    /// Writes what the leg has. False once it has ended.
    fn write(&self, live: &mut Live) -> bool {
        loop {
            let sound = live.source.next();
            // Asked after the sound: what is hidden of it is known by now.
            self.hide(live);
            match sound {
                Sound::Block(block) => {
                    if live.file.as_ref().is_some_and(|file| file.is_too_long(&block)) {
                        self.turn_over(live, &block);
                    }
                    match live.file.as_mut().map(|file| file.write(&block)) {
                        Some(Ok(())) => {}
                        Some(Err(error)) => {
                            self.give_up(live, &error);
                            self.counters.blocks_dropped.fetch_add(1, Relaxed);
                        }
                        None => {
                            self.counters.blocks_dropped.fetch_add(1, Relaxed);
                        }
                    }
                    live.source.give_back(block);
                }
                Sound::Nothing => {
                    self.count_dropped(live);
                    return true;
                }
                Sound::Over => return false,
            }
        }
    }

    fn hide(&self, live: &mut Live) {
        for (from, until) in live.source.hidden() {
            if let Some(Err(error)) = live.file.as_mut().map(|file| file.hide(from, until)) {
                self.give_up(live, &error.into());
            }
        }
    }

    /// The file is full; the call goes on in another.
    fn turn_over(&self, live: &mut Live, block: &SoundBlock) {
        let Some(mut full) = live.file.take() else { return };
        live.request.part = full.part() + 1;
        live.file = self.create(&live.request, block.first);
        if let Some(file) = &mut live.file {
            file.hides_on(&mut full);
        }
        self.send_to_end(full);
    }

    fn give_up(&self, live: &mut Live, error: &RecordingError) {
        self.counters.fault(error);
        if let Some(mut file) = live.file.take() {
            file.cut_short();
            self.send_to_end(file);
        }
    }

    fn send_to_end(&self, file: Growing) {
        self.endings.send(Ending::Finish(Box::new(file)));
    }

    fn count_dropped(&self, live: &mut Live) {
        let dropped = live.source.dropped();
        self.counters.blocks_dropped.fetch_add(dropped - live.dropped_told, Relaxed);
        live.dropped_told = dropped;
    }

    fn end(&self, mut live: Live) {
        self.count_dropped(&mut live);
        if let Some(file) = live.file.take() {
            self.send_to_end(file);
        }
    }
}

/// The ways to those who finish recordings. What is told of one call goes to one of them, and is done in the order in which it was told.
pub(super) struct Endings(pub(super) Vec<(SyncSender<Ending>, Arc<AtomicU64>)>);

impl Endings {
    fn send(&self, ending: Ending) {
        let call = match &ending {
            Ending::Finish(file) => file.call(),
            Ending::Forget(what, _) => what.call.as_str(),
        };
        if let Some((way, waiting)) = self.0.get(finisher_of(call, self.0.len())) {
            waiting.fetch_add(1, Relaxed);
            // The other thread lives as long as this one.
            let _ = way.send(ending);
        }
    }
}

/// Which of so many finishers has a call.
pub(super) fn finisher_of(call: &str, finishers: usize) -> usize {
    let mut hasher = DefaultHasher::new();
    call.hash(&mut hasher);
    usize::try_from(hasher.finish() % finishers.max(1) as u64).unwrap_or_default()
}

/// Finishes what is over, one after the other: waiting for a disk must not keep blocks of other calls waiting.
pub(super) fn finish_all(ended: &Receiver<Ending>, finisher: &Finisher) {
    while let Ok(ending) = ended.recv() {
        finisher.waiting.fetch_sub(1, Relaxed);
        match ending {
            Ending::Finish(file) => finisher.finish(*file),
            Ending::Forget(what, growing) => finisher.forget(&what, growing),
        }
    }
}

/// What waiting for the disk needs.
pub(super) struct Finisher {
    pub(super) dir: PathBuf,
    pub(super) counters: Arc<Counters>,
    pub(super) teller: Teller,
    pub(super) form: Form,
    pub(super) store: ToStore,
    /// Endings that wait for it.
    pub(super) waiting: Arc<AtomicU64>,
}

impl Finisher {
    /// Finishes what a dead gateway left.
    pub(super) fn repair(&self, leftovers: Leftovers) {
        let repaired = leftovers.repair(&self.form);
        self.counters.repaired.fetch_add(repaired.finished, Relaxed);
        repaired.notes.iter().for_each(|note| self.is_kept(note));
        repaired.errors.into_iter().for_each(|error| self.counters.fault(&error));
    }

    fn finish(&self, file: Growing) {
        let wanted = file.wanted(self.form.format);
        let hurries = self.waiting.load(Relaxed) > ENCODED_BEHIND;
        let form = Form { format: if hurries { Format::Wav } else { wanted }, seal_to: self.form.seal_to.clone() };
        match file.finish(&form) {
            Ok(Some(note)) => {
                if note.format_of_file() != wanted {
                    self.counters.not_encoded();
                }
                self.counters.kept.fetch_add(1, Relaxed);
                self.is_kept(&note);
            }
            Ok(None) => {}
            Err(error) => self.counters.fault(&error.into()),
        }
    }

    fn is_kept(&self, note: &Note) {
        self.teller.kept(note);
        self.store.send(Paths::of(&self.dir, note));
    }

    fn forget(&self, what: &Forget, growing: Vec<Growing>) {
        let mut parts = 0;
        for file in growing {
            match file.forget() {
                Ok(()) => parts += 1,
                Err(error) => self.counters.fault(&error.into()),
            }
        }
        if what.parts == PartsOf::AnyGateway {
            self.store.withdraw(&self.dir, &what.tenant, &what.call, what.why);
        }
        let (forgotten, all) = forget_parts(&self.dir, &what.tenant, &what.call, what.why);
        parts += forgotten.deleted;
        let waiting = !forgotten.in_store.is_empty() || all.is_err();
        forgotten.in_store.into_iter().for_each(|paths| self.store.delete(paths));
        if let Err(error) = all {
            self.counters.fault(&error.into());
            // Whoever asked was told that it would be so: somebody has to see to it.
            self.counters.not_deleted();
        }
        self.counters.deleted(what.why, parts);
        // What a store has is told of when it has deleted it, and what is still here is not.
        if parts > 0 || !waiting {
            self.teller.deleted(&what.tenant, &what.call, parts, what.why);
        }
    }
}
