mod opus;
mod unreadable;

use super::file::Growing;
use super::note::{Note, State};
use super::*;
use crate::application::recording::SoundBlock;
use std::fs::OpenOptions;
use std::os::unix::fs::PermissionsExt;
use std::time::Instant;
use vg_domain::pii::Pii;
use vg_media::wav::{self, Wav};

const SOON: Duration = Duration::from_secs(10);
const FRAME: usize = 320;

fn request(call: &str) -> RecordingRequest {
    let began = SystemTime::now();
    let (call, tenant) = (CallId::new(call), TenantId::new("acme"));
    RecordingRequest {
        call,
        tenant,
        person: Pii::new("+55 11 99999-8888".to_owned()),
        part: 1,
        began,
        first_began: began,
        keep_days: None,
        format: None,
    }
}

/// Half a second in which every sample is `value`, both sides.
fn block(first: u64, value: i16) -> SoundBlock {
    SoundBlock { codec: "pcmu", rate_hz: 8_000, first, frames: 25, paused: 0, samples: vec![value; 25 * FRAME] }
}

fn fill(recording: &Recording, block: SoundBlock) {
    let mut empty = recording.tap.empty().expect("an empty block");
    empty.samples.extend(&block.samples);
    recording.tap.hand_over(SoundBlock { samples: empty.samples, ..block });
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !holds() {
        assert!(begin.elapsed() < SOON, "never: {what}");
        std::thread::yield_now();
    }
}

fn read(path: &Path) -> Wav {
    wav::read(&std::fs::read(path).unwrap()).unwrap()
}

fn note(folder: &Path, name: &str) -> Note {
    Note::read(&folder.join("acme").join(format!("{name}.json"))).unwrap().unwrap()
}

fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().permissions().mode() & 0o777
}

#[test]
fn a_call_is_written_while_it_lasts_and_gets_its_name_at_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("deep/recordings");
    let recordings = Recordings::start(&dir, Keeping::default()).unwrap();
    let recording = recordings.start(request("call-1")).unwrap();
    fill(&recording, block(0, 1));
    fill(&recording, SoundBlock { paused: 0b110, ..block(25, 2) });
    let part = dir.join("acme/call-1.wav.part");
    until("both blocks are in the file", || std::fs::metadata(&part).is_ok_and(|file| file.len() == 44 + 4 * 25 * FRAME as u64));
    assert_eq!(read(&part).samples.len(), 50 * FRAME, "a file that grows can be read");
    assert_eq!((mode(&dir), mode(&dir.join("acme")), mode(&part)), (0o700, 0o700, 0o600));
    assert_eq!(note(&dir, "call-1").state, State::Recording);
    drop(recording.tap);
    until("it is kept", || recordings.stats().kept == 1);
    let whole = dir.join("acme/call-1.wav");
    let Wav { rate_hz, channels, samples } = read(&whole);
    assert_eq!((rate_hz, channels), (8_000, 2));
    assert_eq!(samples, [vec![1; 25 * FRAME], vec![2; 25 * FRAME]].concat());
    assert!(!part.exists() && mode(&whole) == 0o600 && mode(&whole.with_extension("json")) == 0o600);
    let note = note(&dir, "call-1");
    assert_eq!((note.call.as_str(), note.tenant.as_str(), note.part, note.codec.as_str()), ("call-1", "acme", 1, "pcmu"));
    assert_eq!((note.state, note.length_ms, note.rate_hz), (State::Complete, 1_000, 8_000));
    assert_eq!((note.pauses, note.dropped), (vec![[520, 560]], vec![]));
    assert!(note.start.parse::<jiff::Timestamp>().is_ok(), "{}", note.start);
    assert_eq!(
        RecordingStats { kept: 0, faults: Default::default(), deleted: Default::default(), ..recordings.stats() },
        RecordingStats::default()
    );
}

#[test]
fn blocks_that_the_writer_had_no_time_for_are_silence_of_their_length_and_counted() {
    let folder = tempfile::tempdir().unwrap();
    let recordings = Recordings::start(folder.path(), Keeping::default()).unwrap();
    let recording = recordings.start(request("slow")).unwrap();
    fill(&recording, block(0, 1));
    recording.tap.left_out();
    recording.tap.left_out();
    fill(&recording, block(75, 4));
    drop(recording.tap);
    until("it is kept", || recordings.stats().kept == 1);
    let samples = read(&folder.path().join("acme/slow.wav")).samples;
    let halves: Vec<(i16, i16)> = samples.chunks(25 * FRAME).map(|half| (half[0], half[half.len() - 1])).collect();
    assert_eq!(halves, [(1, 1), (0, 0), (0, 0), (4, 4)]);
    assert_eq!(note(folder.path(), "slow").dropped, [[500, 1_500]]);
    assert_eq!(recordings.stats().blocks_dropped, 2);
}

#[test]
fn calls_that_last_are_finished_when_the_gateway_ends() {
    let folder = tempfile::tempdir().unwrap();
    let recordings = Recordings::start(folder.path(), Keeping::default()).unwrap();
    let recording = recordings.start(request("lasting")).unwrap();
    fill(&recording, block(0, 9));
    drop(recordings);
    assert_eq!(read(&folder.path().join("acme/lasting.wav")).samples, vec![9; 25 * FRAME]);
    // The leg may go on: nobody takes what it has.
    recording.tap.hand_over(block(25, 1));
}

#[test]
fn a_call_without_sound_leaves_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let recordings = Recordings::start(folder.path(), Keeping::default()).unwrap();
    drop(recordings.start(request("mute")).unwrap());
    drop(recordings);
    assert_eq!(std::fs::read_dir(folder.path().join("acme")).unwrap().count(), 0);
}

#[test]
fn a_call_that_is_taken_up_again_goes_on_in_a_further_part() {
    let folder = tempfile::tempdir().unwrap();
    for value in [1, 2] {
        let recordings = Recordings::start(folder.path(), Keeping::default()).unwrap();
        let recording = recordings.start(request("twice")).unwrap();
        fill(&recording, block(0, value));
        drop(recordings);
    }
    // Whoever goes on with the call of another gateway may not know of what its folder has.
    let parts = ["twice", "twice.2"];
    assert_eq!(parts.map(|name| read(&folder.path().join(format!("acme/{name}.wav"))).samples[0]), [1, 2]);
    assert_eq!(parts.map(|name| note(folder.path(), name).part), [1, 2]);
}

#[test]
fn names_that_lead_elsewhere_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let recordings = Recordings::start(folder.path(), Keeping::default()).unwrap();
    for call in ["", "../up", "a/b", ".hidden", "a\0b", &"x".repeat(129)] {
        assert!(matches!(recordings.start(request(call)), Err(RecordingError::Name)), "{call:?}");
    }
    assert!(recordings.start(request(&"x".repeat(128))).is_ok());
}

#[test]
fn a_folder_that_takes_no_file_costs_the_recording_and_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    let recordings = Recordings::start(folder.path(), Keeping::default()).unwrap();
    // A file where the tenant's folder should be: also root is refused.
    std::fs::write(folder.path().join("acme"), "").unwrap();
    let recording = recordings.start(request("call")).unwrap();
    until("it is counted", || recordings.stats().faults.contains(&("io", 1)));
    // The call goes on: blocks still go round.
    for first in 0..20 {
        until("a block comes back", || recording.tap.empty().map(|empty| recording.tap.hand_over(empty)).is_some());
        assert!(first < 20);
    }
    drop(recording);
    drop(recordings);
}

#[test]
fn a_full_disk_is_a_fault_of_its_own_and_what_was_written_stays() {
    let folder = tempfile::tempdir().unwrap();
    let mut growing = Growing::create(folder.path(), &request("full"), None, 0).unwrap();
    growing.write(&block(0, 1)).unwrap();
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut refused = Growing::create(folder.path(), &request("refused"), None, 0).unwrap().on(full);
    assert_eq!(refused.write(&block(0, 1)).unwrap_err().code(), "disk_full");
    growing.cut_short();
    assert!(growing.finish(&Form::default()).unwrap().is_some());
    assert_eq!(read(&folder.path().join("acme/full.wav")).samples, vec![1; 25 * FRAME]);
    assert_eq!(note(folder.path(), "full").state, State::CutShort);
}

#[test]
fn a_file_is_full_at_its_room_and_not_a_byte_before() {
    let folder = tempfile::tempdir().unwrap();
    let block_bytes = 2 * 25 * FRAME as u64;
    let growing = |room| {
        let mut growing = Growing::create(folder.path(), &request("long"), None, 0).unwrap().with_room(room);
        growing.write(&block(0, 1)).unwrap();
        growing
    };
    assert!(!growing(2 * block_bytes).is_too_long(&block(25, 1)));
    assert!(growing(2 * block_bytes - 1).is_too_long(&block(25, 1)));
    // Silence for what is missing takes room, too.
    assert!(!growing(3 * block_bytes).is_too_long(&block(50, 1)));
    assert!(growing(3 * block_bytes - 1).is_too_long(&block(50, 1)));
}

#[test]
fn what_a_dead_gateway_left_is_readable_after_the_next_start_wherever_it_was_cut() {
    let folder = tempfile::tempdir().unwrap();
    let acme = folder.path().join("acme");
    folder::private(&acme).unwrap();
    let mut whole = wav::Header { rate_hz: 16_000, channels: 2 }.write(0).to_vec();
    whole.extend((1..=50i16).flat_map(|sample| sample.to_le_bytes()));
    for cut in 0..=whole.len() {
        std::fs::write(acme.join(format!("call-{cut}.wav.part")), &whole[..cut]).unwrap();
    }
    let known = Note { codec: "g722".into(), ..Note::new("acme", "call-99", "2026-01-02T03:04:05Z".into(), 1) };
    known.write(&acme.join("call-99.json")).unwrap();
    let recordings = Recordings::start(folder.path(), Keeping::default()).unwrap();
    until("all are repaired", || recordings.stats().repaired == whole.len() as u64 + 1);
    for cut in 0..=whole.len() {
        let wav = read(&acme.join(format!("call-{cut}.wav")));
        let samples: Vec<i16> = (1..=50).take(cut.saturating_sub(44) / 4 * 2).collect();
        assert_eq!((wav.samples, wav.channels), (samples, 2), "cut at {cut}");
        assert_eq!(wav.rate_hz, if cut < 44 { 8_000 } else { 16_000 }, "cut at {cut}");
        let note = note(folder.path(), &format!("call-{cut}"));
        assert_eq!((note.state, note.tenant.as_str(), note.call.as_str()), (State::Repaired, "acme", &*format!("call-{cut}")));
    }
    let note = note(folder.path(), "call-99");
    assert_eq!((note.codec.as_str(), note.start.as_str()), ("g722", "2026-01-02T03:04:05Z"));
}

#[test]
fn repair_leaves_alone_what_a_gateway_is_writing() {
    let folder = tempfile::tempdir().unwrap();
    let recordings = Recordings::start(folder.path(), Keeping::default()).unwrap();
    let recording = recordings.start(request("busy")).unwrap();
    fill(&recording, block(0, 3));
    let part = folder.path().join("acme/busy.wav.part");
    until("it grows", || std::fs::metadata(&part).is_ok_and(|file| file.len() > 44));
    let repaired = repair(folder.path(), &Form::default());
    assert_eq!((repaired.finished, repaired.busy, repaired.errors.len()), (0, 1, 0));
    drop(recording.tap);
    drop(recordings);
    assert_eq!(read(&folder.path().join("acme/busy.wav")).samples, vec![3; 25 * FRAME]);
    assert_eq!(repair(folder.path(), &Form::default()).finished, 0);
}

#[test]
fn repair_of_a_folder_that_is_not_there_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let errors = repair(&folder.path().join("nowhere"), &Form::default()).errors;
    assert_eq!(errors.iter().map(RecordingError::code).collect::<Vec<_>>(), ["io"]);
}

/// Who is told of recordings.
#[derive(Default)]
struct Told(std::sync::Mutex<Vec<(String, RecordingFact)>>);

impl Facts for Told {
    fn publish(&self, Subject { call, tenant, .. }: Subject<'_>, fact: &Fact) {
        assert_eq!(tenant.as_str(), "acme");
        if let Fact::Recording(fact) = fact {
            self.0.lock().unwrap().push((call.to_string(), fact.clone()));
        }
    }
}

impl Told {
    fn keeping(self: &Arc<Self>) -> Keeping {
        Keeping { facts: Some(Arc::clone(self) as _), ..Keeping::default() }
    }

    fn all(&self) -> Vec<(String, RecordingFact)> {
        self.0.lock().unwrap().clone()
    }
}

#[test]
fn a_part_that_another_gateway_writes_says_which_it_is_and_where_it_begins() {
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let first = request("moved");
    let second = RecordingRequest { part: 2, began: first.began + Duration::from_millis(61_250), ..first.clone() };
    for (folder, request) in folders.iter().zip([first, second]) {
        let recordings = Recordings::start(folder.path(), Keeping::default()).unwrap();
        let recording = recordings.start(request).unwrap();
        fill(&recording, block(0, 1));
        drop(recordings);
    }
    let notes = [note(folders[0].path(), "moved"), note(folders[1].path(), "moved.2")];
    assert_eq!(
        notes.each_ref().map(|note| (note.part, note.begins_ms, note.call.as_str())),
        [(1, 0, "moved"), (2, 61_250, "moved")]
    );
    assert_eq!(read(&folders[1].path().join("acme/moved.2.wav")).samples.len(), 25 * FRAME);
    let start = |note: &Note| note.start.parse::<jiff::Timestamp>().unwrap().as_millisecond();
    assert_eq!(start(&notes[1]) - start(&notes[0]), 61_250);
}

#[test]
fn what_is_hidden_later_is_silent_on_both_sides_where_it_was_written_and_where_it_was_not_yet() {
    let folder = tempfile::tempdir().unwrap();
    let recordings = Recordings::start(folder.path(), Keeping::default()).unwrap();
    let recording = recordings.start(request("card")).unwrap();
    let begun = Instant::now();
    recording.tap.begins(begun);
    let at = |ms: u64| begun + Duration::from_millis(ms);
    for first in [0, 25, 50] {
        fill(&recording, block(first, 1));
    }
    let part = folder.path().join("acme/card.wav.part");
    let written = |blocks: u64| 44 + 4 * blocks * 25 * FRAME as u64 / 2;
    until("it is written", || std::fs::metadata(&part).is_ok_and(|file| file.len() == written(3)));
    // From the second block on, and into one that is not there yet.
    recording.grip.hide(at(510), at(1_705));
    fill(&recording, block(75, 2));
    drop(recording);
    drop(recordings);
    let samples = read(&folder.path().join("acme/card.wav")).samples;
    let loud = |frame: &&[i16]| frame.iter().all(|sample| *sample != 0);
    let silent = |frame: &&[i16]| frame.iter().all(|sample| *sample == 0);
    let frames: Vec<&[i16]> = samples.chunks(FRAME).collect();
    assert_eq!(frames.len(), 100);
    assert!(frames[..25].iter().all(&loud) && frames[86..].iter().all(loud));
    assert!(frames[25..86].iter().all(silent));
    assert_eq!(note(folder.path(), "card").pauses, [[500, 1_720]]);
}

#[test]
fn a_call_that_is_forgotten_leaves_nothing_and_others_stay() {
    let folder = tempfile::tempdir().unwrap();
    let told = Arc::new(Told::default());
    let recordings = Recordings::start(folder.path(), told.keeping()).unwrap();
    // One part is whole, one grows; others have a name that begins so.
    for name in ["gone", "gone-not", "gone.2.not"] {
        let recording = recordings.start(request(name)).unwrap();
        fill(&recording, block(0, 1));
    }
    until("they are kept", || recordings.stats().kept == 3);
    let growing = recordings.start(RecordingRequest { part: 2, ..request("gone") }).unwrap();
    fill(&growing, block(0, 2));
    until("it grows", || folder.path().join("acme/gone.2.wav.part").exists());
    recordings.forget(&TenantId::new("acme"), &CallId::new("gone"), DeletionReason::OptedOut, PartsOf::ThisGateway);
    until("it is deleted", || recordings.stats().deleted[0] == ("opted_out", 2));
    // Its leg goes on for a moment: nothing is written.
    fill(&growing, block(25, 2));
    drop(growing);
    drop(recordings);
    let mut left: Vec<_> = std::fs::read_dir(folder.path().join("acme"))
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    left.sort();
    assert_eq!(left, ["gone-not.json", "gone-not.wav", "gone.2.not.json", "gone.2.not.wav"]);
    let deleted = RecordingFact::Deleted { parts: 2, why: DeletionReason::OptedOut };
    assert_eq!(told.all().last(), Some(&("gone".to_owned(), deleted)));
}

#[test]
fn what_is_kept_is_told_with_the_hash_of_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let told = Arc::new(Told::default());
    let recordings = Recordings::start(folder.path(), told.keeping()).unwrap();
    fill(&recordings.start(request("whole")).unwrap(), block(0, 5));
    drop(recordings);
    let file = std::fs::read(folder.path().join("acme/whole.wav")).unwrap();
    let sha256: String =
        ring::digest::digest(&ring::digest::SHA256, &file).as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(note(folder.path(), "whole").sha256, sha256);
    let kept = RecordingFact::Kept { part: 1, length: Duration::from_millis(500), sha256 };
    assert_eq!(told.all(), [("whole".to_owned(), kept)]);
}

/// So many days ago, and a minute.
fn days(days: u64) -> SystemTime {
    SystemTime::now() - Duration::from_secs(days * 24 * 60 * 60 + 60)
}

#[test]
fn what_was_kept_long_enough_is_deleted_and_told() {
    let folder = tempfile::tempdir().unwrap();
    let before = Recordings::start(folder.path(), Keeping::default()).unwrap();
    let write = |name: &str, age: u64, keep_days: Option<u32>| {
        let keep_days = keep_days.and_then(NonZeroU32::new);
        let recording = before.start(RecordingRequest { began: days(age), keep_days, ..request(name) }).unwrap();
        fill(&recording, block(0, 1));
    };
    write("old", 30, None);
    write("old-of-its-own", 8, Some(7));
    write("young", 29, None);
    write("kept-longer", 30, Some(90));
    drop(before);
    let told = Arc::new(Told::default());
    let keeping = Keeping { keep_days: NonZeroU32::new(30), ..told.keeping() };
    let recordings = Recordings::start(folder.path(), keeping).unwrap();
    until("both are deleted", || recordings.stats().deleted[2] == ("expired", 2));
    drop(recordings);
    let left = |name: &str| folder.path().join(format!("acme/{name}.wav")).exists();
    assert_eq!(["old", "old-of-its-own", "young", "kept-longer"].map(left), [false, false, true, true]);
    let expired = RecordingFact::Deleted { parts: 1, why: DeletionReason::Expired };
    let of = |call: &str| (call.to_owned(), expired.clone());
    assert_eq!(told.all(), [of("old-of-its-own"), of("old")]);
}

#[test]
fn what_grows_old_while_the_gateway_runs_is_deleted_by_a_later_sweep() {
    let folder = tempfile::tempdir().unwrap();
    let before = Recordings::start(folder.path(), Keeping::default()).unwrap();
    for (name, age) in [("old", 30), ("young", 29)] {
        let recording = before.start(RecordingRequest { began: days(age), ..request(name) }).unwrap();
        fill(&recording, block(0, 1));
    }
    drop(before);
    let keeping = Keeping { keep_days: NonZeroU32::new(30), ..Keeping::default() };
    let recordings = Recordings::sweeping(folder.path(), keeping, Duration::from_millis(10)).unwrap();
    until("the first sweep is over", || recordings.stats().deleted[2] == ("expired", 1));
    let [sound, written] = ["wav", "json"].map(|end| folder.path().join(format!("acme/young.{end}")));
    assert!(sound.exists() && written.exists(), "it was not old enough");
    // A day goes by.
    let mut young = note(folder.path(), "young");
    let began: jiff::Timestamp = young.start.parse().unwrap();
    young.start = (began - Duration::from_secs(24 * 60 * 60)).to_string();
    young.write(&written).unwrap();
    until("a later sweep deletes it", || recordings.stats().deleted[2] == ("expired", 2));
    assert!(!sound.exists() && !written.exists());
}

#[test]
fn a_sealed_recording_is_opened_by_its_key_and_nothing_of_it_lies_beside() {
    let folder = tempfile::tempdir().unwrap();
    let identity = sealing::tests::Identity::new();
    let keeping = || Keeping { form: Form { seal_to: Some(identity.recipient()), ..Form::default() }, ..Keeping::default() };
    let recordings = Recordings::start(folder.path(), keeping()).unwrap();
    fill(&recordings.start(request("secret")).unwrap(), block(0, 7));
    drop(recordings);
    let names = |folder: &Path| {
        let files = std::fs::read_dir(folder.join("acme")).unwrap();
        let mut names: Vec<_> = files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    };
    assert_eq!(names(folder.path()), ["secret.json", "secret.wav.age"]);
    let path = folder.path().join("acme/secret.wav.age");
    let sealed = std::fs::read(&path).unwrap();
    assert_eq!((note(folder.path(), "secret").file.as_str(), mode(&path)), ("secret.wav.age", 0o600));
    // What a dead gateway left is sealed as well, and a further part does not take the place of a sealed one.
    let left = folder.path().join("acme/left.wav.part");
    std::fs::write(&left, wav::Header { rate_hz: 8_000, channels: 2 }.write(0)).unwrap();
    let recordings = Recordings::start(folder.path(), keeping()).unwrap();
    fill(&recordings.start(request("secret")).unwrap(), block(0, 7));
    until("it is repaired", || recordings.stats().repaired == 1);
    drop(recordings);
    let all = ["left.json", "left.wav.age", "secret.2.json", "secret.2.wav.age", "secret.json", "secret.wav.age"];
    assert_eq!(names(folder.path()), all);
    let recordings = Recordings::start(folder.path(), keeping()).unwrap();
    recordings.forget(&TenantId::new("acme"), &CallId::new("secret"), DeletionReason::Ordered, PartsOf::AnyGateway);
    drop(recordings);
    assert_eq!(names(folder.path()), ["left.json", "left.wav.age"]);
    let plain = identity.open(&sealed).expect("the key opens it");
    assert_eq!(wav::read(&plain).unwrap().samples, vec![7; 25 * FRAME]);
}
