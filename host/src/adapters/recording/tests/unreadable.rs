//! Notes that the disk does not give for a moment.

use super::*;

/// Nothing is mapped at its beginning: reading fails, as it would with too many files open.
fn withhold(folder: &Path, name: &str) {
    let note = folder.join(format!("acme/{name}.json"));
    std::fs::rename(&note, note.with_extension("aside")).unwrap();
    std::os::unix::fs::symlink("/proc/self/mem", note).unwrap();
}

fn give_back(folder: &Path, name: &str) {
    let note = folder.join(format!("acme/{name}.json"));
    std::fs::rename(note.with_extension("aside"), note).unwrap();
}

fn faults(recordings: &Recordings) -> u64 {
    recordings.stats().faults.iter().map(|(_, count)| count).sum()
}

#[test]
fn a_part_whose_note_is_withheld_stays_and_is_counted_and_the_others_of_its_call_go() {
    let folder = tempfile::tempdir().unwrap();
    let told = Arc::new(Told::default());
    let recordings = Recordings::start(folder.path(), told.keeping()).unwrap();
    for part in [1, 2] {
        fill(&recordings.start(RecordingRequest { part, ..request("gone") }).unwrap(), block(0, 1));
    }
    until("both are kept", || recordings.stats().kept == 2);
    withhold(folder.path(), "gone");
    let forget = || {
        recordings.forget(&TenantId::new("acme"), &CallId::new("gone"), DeletionReason::OptedOut, PartsOf::ThisGateway);
    };
    forget();
    until("the second part is deleted", || recordings.stats().deleted[0] == ("opted_out", 1));
    assert!(recordings.stats().faults.contains(&("not_deleted", 1)));
    let [first, second] = ["gone", "gone.2"].map(|name| folder.path().join(format!("acme/{name}.wav")));
    assert!(first.exists() && !second.exists());
    // Where nothing could be deleted, nothing is told to be.
    forget();
    until("it is counted again", || recordings.stats().faults.contains(&("not_deleted", 2)));
    give_back(folder.path(), "gone");
    forget();
    until("the first one is deleted", || recordings.stats().deleted[0] == ("opted_out", 2));
    drop(recordings);
    assert_eq!(std::fs::read_dir(folder.path().join("acme")).unwrap().count(), 0);
    let deleted = ("gone".to_owned(), RecordingFact::Deleted { parts: 1, why: DeletionReason::OptedOut });
    assert_eq!(told.all()[2..], [deleted.clone(), deleted]);
}

#[test]
fn what_was_kept_long_enough_goes_beside_a_note_that_is_withheld_and_its_own_sound_later() {
    let folder = tempfile::tempdir().unwrap();
    let before = Recordings::start(folder.path(), Keeping::default()).unwrap();
    for name in ["bad", "old"] {
        fill(&before.start(RecordingRequest { began: days(30), ..request(name) }).unwrap(), block(0, 1));
    }
    drop(before);
    withhold(folder.path(), "bad");
    let keeping = Keeping { keep_days: NonZeroU32::new(30), ..Keeping::default() };
    let recordings = Recordings::sweeping(folder.path(), keeping, Duration::from_millis(10)).unwrap();
    until("the other one is deleted", || recordings.stats().deleted[2] == ("expired", 1) && faults(&recordings) > 0);
    assert!(folder.path().join("acme/bad.wav").exists());
    give_back(folder.path(), "bad");
    until("it is deleted as well", || recordings.stats().deleted[2] == ("expired", 2));
    assert!(!folder.path().join("acme/bad.wav").exists());
}

#[test]
fn what_a_dead_gateway_left_waits_for_its_note() {
    let folder = tempfile::tempdir().unwrap();
    let acme = folder.path().join("acme");
    folder::private(&acme).unwrap();
    std::fs::write(acme.join("left.wav.part"), wav::Header { rate_hz: 8_000, channels: 2 }.write(0)).unwrap();
    let keep_days = NonZeroU32::new(7);
    let known = Note { keep_days, ..Note::new("acme", "left", "2026-01-02T03:04:05Z".into(), 1) };
    known.write(&acme.join("left.json")).unwrap();
    withhold(folder.path(), "left");
    let repaired = repair(folder.path(), &Form::default());
    assert_eq!((repaired.finished, repaired.errors.len()), (0, 1));
    give_back(folder.path(), "left");
    assert_eq!(repair(folder.path(), &Form::default()).finished, 1);
    assert_eq!(note(folder.path(), "left").keep_days, keep_days, "it would be kept for ever");
}
