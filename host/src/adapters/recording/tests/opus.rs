//! Recordings that are encoded when they are whole.

use super::*;
use vg_domain::recording::RecordingFormat as Format;
use vg_media::ogg_opus;

fn keeping(seal_to: Option<Recipient>) -> Keeping {
    Keeping { form: Form { format: Format::Opus, seal_to }, ..Keeping::default() }
}

fn names(folder: &Path) -> Vec<String> {
    let files = std::fs::read_dir(folder.join("acme")).unwrap();
    let mut names: Vec<_> = files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn decoded(path: &Path) -> Vec<i16> {
    ogg_opus::read(&std::fs::read(path).unwrap()).unwrap().samples
}

/// Half a second of a tone of 400 Hz, both sides.
fn tone(first: u64) -> SoundBlock {
    let sample = |n: usize| ((n as f64 * std::f64::consts::TAU / 20.0).sin() * 12_000.0) as i16;
    SoundBlock { samples: (0..25 * FRAME).map(|n| sample(n / 2)).collect(), ..block(first, 0) }
}

fn loudest(samples: &[i16]) -> u16 {
    samples.iter().map(|sample| sample.unsigned_abs()).max().unwrap()
}

#[test]
fn it_is_written_as_it_comes_and_encoded_at_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let recordings = Recordings::start(folder.path(), keeping(None)).unwrap();
    let recording = recordings.start(request("call")).unwrap();
    fill(&recording, tone(0));
    let part = folder.path().join("acme/call.wav.part");
    until("it can be read while it grows", || {
        std::fs::metadata(&part).is_ok_and(|file| file.len() == 44 + 2 * 25 * FRAME as u64)
    });
    fill(&recording, tone(25));
    drop(recording);
    drop(recordings);
    assert_eq!(names(folder.path()), ["call.json", "call.opus"]);
    let path = folder.path().join("acme/call.opus");
    let samples = decoded(&path);
    assert_eq!((samples.len(), mode(&path)), (2 * 48_000, 0o600));
    assert!(loudest(&samples) > 10_000);
    let note = note(folder.path(), "call");
    assert_eq!((note.file.as_str(), note.state, note.codec.as_str()), ("call.opus", State::Complete, "pcmu"));
    assert_eq!((note.length_ms, note.rate_hz, note.format_of_file()), (1_000, 8_000, Format::Opus));
    let digest = ring::digest::digest(&ring::digest::SHA256, &std::fs::read(&path).unwrap());
    assert_eq!(note.sha256, digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect::<String>());
}

#[test]
fn a_pause_and_what_was_hidden_later_are_silent_in_what_is_decoded() {
    let folder = tempfile::tempdir().unwrap();
    let recordings = Recordings::start(folder.path(), keeping(None)).unwrap();
    let recording = recordings.start(request("card")).unwrap();
    let begins = Instant::now();
    recording.tap.begins(begins);
    for first in [0, 25] {
        fill(&recording, tone(first));
    }
    let part = folder.path().join("acme/card.wav.part");
    until("it is written", || std::fs::metadata(&part).is_ok_and(|file| file.len() == 44 + 4 * 25 * FRAME as u64));
    let at = |ms: u64| begins + Duration::from_millis(ms);
    recording.grip.hide(at(400), at(790));
    // The leg writes zeros where it is paused.
    let mut paused = SoundBlock { paused: 0x1ff_ffff, ..tone(50) };
    paused.samples.fill(0);
    fill(&recording, paused);
    fill(&recording, tone(75));
    drop(recording);
    drop(recordings);
    let samples = decoded(&folder.path().join("acme/card.opus"));
    let between = |from: usize, to: usize| loudest(&samples[2 * 48 * from..2 * 48 * to]);
    assert_eq!(note(folder.path(), "card").pauses, [[400, 800], [1_000, 1_500]]);
    for (from, to) in [(400, 800), (1_000, 1_500)] {
        let inside = between(from + 25, to - 20);
        assert!(inside <= 2, "{inside} between {from} and {to} ms");
    }
    assert!([(100, 380), (820, 980), (1_520, 1_980)].into_iter().all(|(from, to)| between(from, to) > 10_000));
}

#[test]
fn it_is_sealed_after_it_was_encoded() {
    let folder = tempfile::tempdir().unwrap();
    let identity = sealing::tests::Identity::new();
    let recordings = Recordings::start(folder.path(), keeping(Some(identity.recipient()))).unwrap();
    fill(&recordings.start(request("secret")).unwrap(), tone(0));
    drop(recordings);
    assert_eq!(names(folder.path()), ["secret.json", "secret.opus.age"]);
    let sealed = std::fs::read(folder.path().join("acme/secret.opus.age")).unwrap();
    let plain = identity.open(&sealed).expect("the key opens it");
    assert_eq!(ogg_opus::read(&plain).unwrap().samples.len(), 48_000);
    assert_eq!(note(folder.path(), "secret").file, "secret.opus.age");
}

#[test]
fn what_a_dead_gateway_left_at_any_step_is_encoded_by_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let acme = folder.path().join("acme");
    std::fs::create_dir(&acme).unwrap();
    let sound: Vec<u8> = tone(0).samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
    let wav = [&wav::Header { rate_hz: 8_000, channels: 2 }.write(0)[..], &sound].concat();
    // While the call lasted; while it was encoded; when it had its name and the other was not removed yet.
    std::fs::write(acme.join("grew.wav.part"), &wav).unwrap();
    std::fs::write(acme.join("encoded.wav.part"), &wav).unwrap();
    std::fs::write(acme.join("encoded.opus.part"), "OggS").unwrap();
    std::fs::write(acme.join("named.wav.part"), &wav).unwrap();
    std::fs::write(acme.join("named.opus"), "another").unwrap();
    let recordings = Recordings::start(folder.path(), keeping(None)).unwrap();
    until("they are repaired", || recordings.stats().repaired == 3);
    drop(recordings);
    let whole = ["encoded.json", "encoded.opus", "grew.json", "grew.opus", "named.json", "named.opus"];
    assert_eq!(names(folder.path()), whole);
    for name in ["grew", "encoded", "named"] {
        assert_eq!(decoded(&acme.join(format!("{name}.opus"))).len(), 48_000, "{name}");
        assert_eq!(note(folder.path(), name).state, State::Repaired);
    }
}

#[test]
fn it_is_found_by_whoever_deletes_and_its_name_is_taken() {
    let folder = tempfile::tempdir().unwrap();
    let acme = folder.path().join("acme");
    let recordings = Recordings::start(folder.path(), keeping(None)).unwrap();
    fill(&recordings.start(request("gone")).unwrap(), tone(0));
    until("it is kept", || recordings.stats().kept == 1);
    // The same part again is the next one.
    fill(&recordings.start(request("gone")).unwrap(), tone(0));
    until("it is kept", || recordings.stats().kept == 2);
    assert_eq!(names(folder.path()), ["gone.2.json", "gone.2.opus", "gone.json", "gone.opus"]);
    let files = |part: &Part| part.files.iter().map(|file| file.file_name().unwrap().to_owned()).collect::<Vec<_>>();
    let parts = parts_of(folder.path(), &TenantId::new("acme")).unwrap();
    assert_eq!(parts.iter().map(files).collect::<Vec<_>>(), [["gone.2.opus", "gone.2.json"], ["gone.opus", "gone.json"]]);
    std::fs::write(acme.join("gone.opus.age.part"), "half").unwrap();
    recordings.forget(&TenantId::new("acme"), &CallId::new("gone"), DeletionReason::Ordered, PartsOf::ThisGateway);
    drop(recordings);
    assert_eq!(names(folder.path()), [""; 0]);
    let old = SystemTime::now() - Duration::from_secs(2 * 24 * 60 * 60);
    let recordings = Recordings::start(folder.path(), keeping(None)).unwrap();
    fill(&recordings.start(RecordingRequest { began: old, ..request("old") }).unwrap(), tone(0));
    drop(recordings);
    let keep_days = NonZeroU32::new(1);
    let recordings = Recordings::start(folder.path(), Keeping { keep_days, ..keeping(None) }).unwrap();
    until("it is deleted", || recordings.stats().deleted[2] == ("expired", 1));
    drop(recordings);
    assert_eq!(names(folder.path()), [""; 0]);
}

#[test]
fn a_rate_that_the_codec_has_not_stays_as_it_is_and_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    let recordings = Recordings::start(folder.path(), keeping(None)).unwrap();
    fill(&recordings.start(request("odd")).unwrap(), SoundBlock { rate_hz: 11_000, ..tone(0) });
    until("it is kept", || recordings.stats().kept == 1);
    assert!(recordings.stats().faults.contains(&("not_encoded", 1)));
    drop(recordings);
    assert_eq!(names(folder.path()), ["odd.json", "odd.wav"]);
}

#[test]
fn a_tenants_own_format_comes_before_the_gateways_also_in_a_repair() {
    let folder = tempfile::tempdir().unwrap();
    let recordings = Recordings::start(folder.path(), keeping(None)).unwrap();
    let wishes = [("as-ever", None), ("wav", Some(Format::Wav))];
    for (call, format) in wishes {
        fill(&recordings.start(RecordingRequest { format, ..request(call) }).unwrap(), tone(0));
    }
    drop(recordings);
    assert_eq!(names(folder.path()), ["as-ever.json", "as-ever.opus", "wav.json", "wav.wav"]);
    let acme = folder.path().join("acme");
    std::fs::rename(acme.join("wav.wav"), acme.join("wav.wav.part")).unwrap();
    assert_eq!(repair(folder.path(), &keeping(None).form).finished, 1);
    assert!(acme.join("wav.wav").exists());
}
