use super::file::Growing;
use super::note::{Note, State};
use super::*;
use crate::application::recording::SoundBlock;
use std::fs::OpenOptions;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};
use vg_domain::ids::{CallId, TenantId};
use vg_media::wav::{self, Wav};

const SOON: Duration = Duration::from_secs(10);
const FRAME: usize = 320;

fn request(call: &str) -> RecordingRequest {
    RecordingRequest { call: CallId::new(call), tenant: TenantId::new("acme") }
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
    Note::read(&folder.join("acme").join(format!("{name}.json"))).unwrap()
}

fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().permissions().mode() & 0o777
}

#[test]
fn a_call_is_written_while_it_lasts_and_gets_its_name_at_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("deep/recordings");
    let recordings = Recordings::start(&dir).unwrap();
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
    assert_eq!(RecordingStats { kept: 0, faults: Default::default(), ..recordings.stats() }, RecordingStats::default());
}

#[test]
fn blocks_that_the_writer_had_no_time_for_are_silence_of_their_length_and_counted() {
    let folder = tempfile::tempdir().unwrap();
    let recordings = Recordings::start(folder.path()).unwrap();
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
    let recordings = Recordings::start(folder.path()).unwrap();
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
    let recordings = Recordings::start(folder.path()).unwrap();
    drop(recordings.start(request("mute")).unwrap());
    drop(recordings);
    assert_eq!(std::fs::read_dir(folder.path().join("acme")).unwrap().count(), 0);
}

#[test]
fn a_call_that_is_taken_up_again_goes_on_in_a_further_part() {
    let folder = tempfile::tempdir().unwrap();
    for value in [1, 2] {
        let recordings = Recordings::start(folder.path()).unwrap();
        let recording = recordings.start(request("twice")).unwrap();
        fill(&recording, block(0, value));
        drop(recordings);
    }
    let parts = ["twice", "twice.2"];
    assert_eq!(parts.map(|name| read(&folder.path().join(format!("acme/{name}.wav"))).samples[0]), [1, 2]);
    assert_eq!(parts.map(|name| note(folder.path(), name).part), [1, 2]);
}

#[test]
fn names_that_lead_elsewhere_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let recordings = Recordings::start(folder.path()).unwrap();
    for call in ["", "../up", "a/b", ".hidden", "a\0b", &"x".repeat(129)] {
        assert!(matches!(recordings.start(request(call)), Err(RecordingError::Name)), "{call:?}");
    }
    assert!(recordings.start(request(&"x".repeat(128))).is_ok());
}

#[test]
fn a_folder_that_takes_no_file_costs_the_recording_and_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    let recordings = Recordings::start(folder.path()).unwrap();
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
    let mut growing = Growing::create(folder.path(), &request("full"), String::new(), 0).unwrap();
    growing.write(&block(0, 1)).unwrap();
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut refused = Growing::create(folder.path(), &request("refused"), String::new(), 0).unwrap().on(full);
    assert_eq!(refused.write(&block(0, 1)).unwrap_err().code(), "disk_full");
    growing.cut_short();
    assert!(growing.finish().unwrap());
    assert_eq!(read(&folder.path().join("acme/full.wav")).samples, vec![1; 25 * FRAME]);
    assert_eq!(note(folder.path(), "full").state, State::CutShort);
}

#[test]
fn a_file_is_full_at_its_room_and_not_a_byte_before() {
    let folder = tempfile::tempdir().unwrap();
    let block_bytes = 2 * 25 * FRAME as u64;
    let growing = |room| {
        let mut growing = Growing::create(folder.path(), &request("long"), String::new(), 0).unwrap().with_room(room);
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
    let recordings = Recordings::start(folder.path()).unwrap();
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
    let recordings = Recordings::start(folder.path()).unwrap();
    let recording = recordings.start(request("busy")).unwrap();
    fill(&recording, block(0, 3));
    let part = folder.path().join("acme/busy.wav.part");
    until("it grows", || std::fs::metadata(&part).is_ok_and(|file| file.len() > 44));
    let repaired = repair(folder.path());
    assert_eq!((repaired.finished, repaired.busy, repaired.errors.len()), (0, 1, 0));
    drop(recording.tap);
    drop(recordings);
    assert_eq!(read(&folder.path().join("acme/busy.wav")).samples, vec![3; 25 * FRAME]);
    assert_eq!(repair(folder.path()).finished, 0);
}

#[test]
fn repair_of_a_folder_that_is_not_there_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let errors = repair(&folder.path().join("nowhere")).errors;
    assert_eq!(errors.iter().map(RecordingError::code).collect::<Vec<_>>(), ["io"]);
}
