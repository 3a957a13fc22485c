//! The threads behind recordings: one takes what legs have, the other waits for the disk at the end of each.

use super::Counters;
use super::file::Growing;
use crate::application::recording::{RecordingError, RecordingRequest, RecordingSource, Sound, SoundBlock};
use jiff::Timestamp;
use std::path::Path;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::time::{Duration, Instant};

/// How often legs are asked for what they have: each has room for four seconds.
const ROUND: Duration = Duration::from_millis(100);

/// A recording that is to begin.
pub(super) struct Begin {
    pub(super) request: RecordingRequest,
    pub(super) source: RecordingSource,
    pub(super) started: Timestamp,
}

/// A recording of a call that goes on.
struct Live {
    request: RecordingRequest,
    source: RecordingSource,
    /// None once the disk refused it: then its blocks only go round.
    file: Option<Growing>,
    started: Timestamp,
    dropped_told: u64,
}

/// Serves until nobody can begin a recording any more, then finishes those that are left.
pub(super) fn write_all(dir: &Path, begun: &Receiver<Begin>, endings: &SyncSender<Growing>, counters: &Counters) {
    let mut live: Vec<Live> = Vec::new();
    let mut serves = true;
    while serves {
        let round = Instant::now() + ROUND;
        loop {
            match begun.recv_timeout(round.saturating_duration_since(Instant::now())) {
                Ok(begin) => live.push(Live::begin(dir, begin, counters)),
                Err(RecvTimeoutError::Timeout) => break,
                Err(RecvTimeoutError::Disconnected) => {
                    serves = false;
                    break;
                }
            }
        }
        let mut at = 0;
        while at < live.len() {
            if live[at].write(dir, endings, counters) && serves {
                at += 1;
            } else {
                live.swap_remove(at).end(endings, counters);
            }
        }
        counters.live.store(live.len() as u64, Relaxed);
    }
}

impl Live {
    fn begin(dir: &Path, begin: Begin, counters: &Counters) -> Self {
        let Begin { request, source, started } = begin;
        let file = Growing::create(dir, &request, started.to_string(), 0);
        let file = file.map_err(|error| counters.fault(&error.into())).ok();
        Self { request, source, file, started, dropped_told: 0 }
    }

    /// Writes what the leg has. False once it has ended.
    fn write(&mut self, dir: &Path, endings: &SyncSender<Growing>, counters: &Counters) -> bool {
        loop {
            match self.source.next() {
                Sound::Block(block) => {
                    if self.file.as_ref().is_some_and(|file| file.is_too_long(&block)) {
                        self.turn_over(dir, &block, endings, counters);
                    }
                    match self.file.as_mut().map(|file| file.write(&block)) {
                        Some(Ok(())) => {}
                        Some(Err(error)) => {
                            self.give_up(&error, endings, counters);
                            counters.blocks_dropped.fetch_add(1, Relaxed);
                        }
                        None => {
                            counters.blocks_dropped.fetch_add(1, Relaxed);
                        }
                    }
                    self.source.give_back(block);
                }
                Sound::Nothing => {
                    self.count_dropped(counters);
                    return true;
                }
                Sound::Over => return false,
            }
        }
    }

    /// The file is full; the call goes on in another.
    fn turn_over(&mut self, dir: &Path, block: &SoundBlock, endings: &SyncSender<Growing>, counters: &Counters) {
        self.send_to_end(endings);
        let start = self.started + Duration::from_millis(20 * block.first);
        let file = Growing::create(dir, &self.request, start.to_string(), block.first);
        self.file = file.map_err(|error| counters.fault(&error.into())).ok();
    }

    fn give_up(&mut self, error: &RecordingError, endings: &SyncSender<Growing>, counters: &Counters) {
        counters.fault(error);
        if let Some(file) = &mut self.file {
            file.cut_short();
        }
        self.send_to_end(endings);
    }

    fn send_to_end(&mut self, endings: &SyncSender<Growing>) {
        if let Some(file) = self.file.take() {
            // The other thread lives as long as this one.
            let _ = endings.send(file);
        }
    }

    fn count_dropped(&mut self, counters: &Counters) {
        let dropped = self.source.dropped();
        counters.blocks_dropped.fetch_add(dropped - self.dropped_told, Relaxed);
        self.dropped_told = dropped;
    }

    fn end(mut self, endings: &SyncSender<Growing>, counters: &Counters) {
        self.count_dropped(counters);
        self.send_to_end(endings);
    }
}

/// Finishes what is over, one after the other: waiting for a disk must not keep blocks of other calls waiting.
pub(super) fn finish_all(ended: &Receiver<Growing>, counters: &Counters) {
    while let Ok(file) = ended.recv() {
        match file.finish() {
            Ok(true) => {
                counters.kept.fetch_add(1, Relaxed);
            }
            Ok(false) => {}
            Err(error) => counters.fault(&error.into()),
        }
    }
}
