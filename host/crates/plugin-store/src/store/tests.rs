use super::*;
use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

/// Where a child process of a test writes.
const CHILD: &str = "VG_STORE_TEST_CHILD";

/// In memory where that is possible: what is flushed to a disk some thousand times here takes half a minute there.
fn store() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
    let store = Store::open(folder.path()).unwrap();
    (folder, store)
}

fn reference(text: &str) -> Reference {
    text.parse().unwrap()
}

fn put(store: &Store, wasm: &[u8], references: &[&str]) -> Result<Digest, StoreError> {
    let references: Vec<Reference> = references.iter().map(|text| reference(text)).collect();
    store.put(&Incoming { wasm, plugin: &"echo@1".parse().unwrap(), signature: None, source: "test" }, &references)
}

fn wasm_of(store: &Store, text: &str) -> Result<Vec<u8>, StoreError> {
    Ok(store.read(&store.resolve(&reference(text))?)?.wasm)
}

fn wasm_path(folder: &tempfile::TempDir, digest: &Digest) -> PathBuf {
    folder.path().join(inside(digest, WASM))
}

fn code<T>(result: Result<T, StoreError>) -> &'static str {
    result.err().unwrap().code()
}

#[test]
fn a_plugin_is_found_by_everything_that_means_it() {
    let (folder, store) = store();
    let manifest = Digest::of(b"manifest");
    let digest =
        put(&store, b"one", &["echo@1", "oci://r.example/echo", &format!("oci://r.example/echo:v1@{manifest}")]).unwrap();
    // What is the same for a registry is the same here.
    for text in ["echo@1", "oci://r.example/echo:latest", &format!("oci://r.example/echo@{manifest}")] {
        assert_eq!(wasm_of(&store, text).unwrap(), b"one", "{text}");
    }
    assert_eq!(code(wasm_of(&store, "echo@2")), "unknown-reference");
    assert_eq!(code(wasm_of(&store, "oci://r.example/echo:v1")), "unknown-reference");

    // A tag that moves means the new one; the old plugin stays.
    let newer = put(&store, b"two", &["oci://r.example/echo:latest"]).unwrap();
    assert_eq!(wasm_of(&store, "oci://r.example/echo").unwrap(), b"two");
    assert_eq!(wasm_of(&store, "echo@1").unwrap(), b"one");
    let listed: Vec<(Digest, usize)> =
        store.list().unwrap().into_iter().map(|entry| (entry.digest, entry.references.len())).collect();
    let mut expected = vec![(digest, 2), (newer, 1)];
    expected.sort();
    assert_eq!(listed, expected);

    store.remove(&reference("echo@1")).unwrap();
    assert_eq!(code(store.remove(&reference("echo@1"))), "unknown-reference");
    // Another process sees the same.
    assert_eq!(code(wasm_of(&Store::open(folder.path()).unwrap(), "echo@1")), "unknown-reference");
}

#[test]
fn a_damaged_plugin_is_refused_and_shown_until_it_is_put_again() {
    let (folder, store) = store();
    let digest = put(&store, b"component", &["echo@1"]).unwrap();
    let entry = folder.path().join(PLUGINS).join(digest.hex());
    let flipped = |bytes: &[u8]| bytes.iter().map(|byte| byte ^ 1).collect::<Vec<_>>();
    let damages: [&dyn Fn(); 6] = [
        &|| fs::write(entry.join(WASM), flipped(b"component")).unwrap(),
        &|| fs::write(entry.join(WASM), b"compo").unwrap(),
        &|| fs::remove_file(entry.join(WASM)).unwrap(),
        &|| fs::write(entry.join(META), b"{").unwrap(),
        &|| fs::write(entry.join(MINISIG), vec![b'x'; 1 << 20]).unwrap(),
        &|| {
            fs::remove_dir_all(&entry).unwrap();
            fs::write(&entry, b"no folder").unwrap();
        },
    ];
    for (nth, damage) in damages.into_iter().enumerate() {
        damage();
        assert_eq!(code(wasm_of(&store, "echo@1")), "damaged", "damage {nth}");
        assert!(matches!(store.list().unwrap()[0].state, State::Damaged { .. }), "damage {nth}");
        assert_eq!(put(&store, b"component", &[]).unwrap(), digest);
        assert_eq!(wasm_of(&store, "echo@1").unwrap(), b"component", "damage {nth}");
        assert!(matches!(store.list().unwrap()[0].state, State::Whole { signed: false, .. }), "damage {nth}");
    }
}

#[test]
fn a_damaged_reference_means_nothing_and_harms_no_other() {
    let (folder, store) = store();
    put(&store, b"one", &["echo@1"]).unwrap();
    put(&store, b"two", &["echo@2"]).unwrap();
    let file = folder.path().join(ref_file(&reference("echo@1")));
    for damage in [&b""[..], b"{\"reference\": \"echo@1\"", &vec![b' '; 1 << 20]] {
        fs::write(&file, damage).unwrap();
        assert_eq!(code(wasm_of(&store, "echo@1")), "unknown-reference");
        assert_eq!((wasm_of(&store, "echo@2").unwrap(), store.list().unwrap().len()), (b"two".to_vec(), 2));
    }
    // A record that was moved under another reference's name does not speak for it.
    fs::copy(folder.path().join(ref_file(&reference("echo@2"))), &file).unwrap();
    assert_eq!(code(wasm_of(&store, "echo@1")), "unknown-reference");
    put(&store, b"one", &["echo@1"]).unwrap();
    assert_eq!(wasm_of(&store, "echo@1").unwrap(), b"one");
}

#[test]
fn a_later_signature_is_added_and_none_takes_nothing_away() {
    let (folder, store) = store();
    let made = crate::sign::keygen(&folder.path().join("key"), crate::sign::Password::Without).unwrap();
    let key = crate::sign::SecretKey::read(&made.secret, crate::sign::Password::Without).unwrap();
    let plugin: PluginName = "echo@1".parse().unwrap();
    let sign = || crate::sign::sign_bytes(b"component", &plugin, &key).unwrap();
    let digest = put(&store, b"component", &[]).unwrap();
    for signature in [sign(), sign()] {
        let incoming = Incoming { wasm: b"component", plugin: &plugin, signature: Some(&signature), source: "test" };
        store.put(&incoming, &[]).unwrap();
        put(&store, b"component", &[]).unwrap();
        assert_eq!(store.read(&digest).unwrap().signature.as_deref(), Some(signature.text()));
    }
}

/// Every touch of the disk in turn is the last one before the power goes.
#[test]
fn a_crash_at_any_step_leaves_the_old_state_or_the_new_one() {
    let act = |store: &Store| -> Result<(), StoreError> {
        put(store, b"new", &["echo@2", "echo@latest"])?;
        put(store, b"hurt", &["hurt@1"])?;
        store.remove(&reference("echo@1"))?;
        store.gc(&Keep::default()).map(drop)
    };
    let mut crashes = 0;
    for step in 0.. {
        let (folder, store) = store();
        put(&store, b"old", &["echo@1"]).unwrap();
        put(&store, b"older", &["echo@latest"]).unwrap();
        let hurt = put(&store, b"hurt", &["hurt@1"]).unwrap();
        fs::write(wasm_path(&folder, &hurt), b"h").unwrap();
        *store.disk.crash.lock().unwrap() = Some(step);
        let done = act(&store).is_ok();
        drop(store);

        let store = Store::open(folder.path()).unwrap();
        let found = |text: &str| wasm_of(&store, text).map_err(|error| error.code());
        assert!(matches!(found("echo@1").as_deref(), Ok(b"old") | Err(&"unknown-reference")), "step {step}");
        assert!(matches!(found("echo@2").as_deref(), Ok(b"new") | Err(&"unknown-reference")), "step {step}");
        assert!(matches!(found("echo@latest").as_deref(), Ok(b"older" | b"new")), "step {step}");
        // What was damaged before may be absent for a moment, but is never taken for whole.
        assert!(
            matches!(found("hurt@1").as_deref(), Ok(b"hurt") | Err(&"damaged" | &"unknown")),
            "step {step}: {:?}",
            found("hurt@1")
        );
        let damaged = store.list().unwrap().into_iter().filter(|entry| matches!(entry.state, State::Damaged { .. }));
        assert!(damaged.into_iter().all(|entry| entry.digest == hurt), "step {step}");

        // Whatever happened, the same again comes through, and leaves no litter.
        put(&store, b"old", &["echo@1"]).unwrap();
        act(&store).unwrap_or_else(|error| panic!("step {step}: {error:?}"));
        assert_eq!((found("echo@latest").unwrap(), found("hurt@1").unwrap()), (b"new".to_vec(), b"hurt".to_vec()));
        assert_eq!(fs::read_dir(folder.path().join("tmp")).unwrap().count(), 0, "step {step}");
        if done {
            break;
        }
        crashes += 1;
    }
    assert!(crashes > 30, "only {crashes} places to crash at: has the disk been touched past the fuse?");
}

#[test]
fn gc_keeps_what_is_meant_pinned_or_new() {
    let (_folder, store) = store();
    let loose = put(&store, b"loose", &[]).unwrap();
    let pinned = put(&store, b"pinned", &[]).unwrap();
    let versions: Vec<Digest> = (1..=4).map(|nth| put(&store, &[nth], &[&format!("echo@{nth}")]).unwrap()).collect();
    put(&store, b"other", &["other@1"]).unwrap();
    let by_digest = format!("oci://r.example/echo@{}", Digest::of(b"manifest"));
    put(&store, b"pulled", &["oci://r.example/echo:v1", &by_digest]).unwrap();

    let swept = store.gc(&Keep { pinned: [pinned].into(), ..Keep::default() }).unwrap();
    assert_eq!(swept, Swept { dropped: vec![], removed: vec![loose], bytes: 5 });

    let keep = Keep { pinned: [pinned, versions[1]].into(), references: [reference("echo@1")].into(), newest: Some(1) };
    let swept = store.gc(&keep).unwrap();
    assert_eq!((swept.dropped, swept.removed), (vec![reference("echo@3")], vec![versions[2]]));
    for text in ["echo@1", "echo@2", "echo@4", "other@1", "oci://r.example/echo:v1", &by_digest] {
        assert!(wasm_of(&store, text).is_ok(), "{text}");
    }
    assert_eq!(store.gc(&keep).unwrap(), Swept::default());
}

#[test]
fn whoever_writes_is_alone() {
    let (folder, store) = store();
    let lock = || fs::File::open(folder.path().join("lock")).unwrap();
    let pen = store.disk.pen().unwrap();
    assert!(lock().try_lock().is_err());
    drop(pen);
    lock().try_lock().unwrap();
}

/// Not a test by itself: the other process of the tests below.
#[test]
fn child_writes_until_it_is_killed() {
    let Some(root) = std::env::var_os(CHILD) else { return };
    let store = Store::open(Path::new(&root)).unwrap();
    let mut out = io::stdout();
    for round in 0_u64.. {
        put(&store, &content(round % 7), &[&format!("echo@{}", round % 7), "echo@latest"]).unwrap();
        if round % 5 == 4 {
            store.gc(&Keep { newest: Some(3), ..Keep::default() }).unwrap();
        }
        if io::Write::write_all(&mut out, b"\nround\n").is_err() {
            return;
        }
    }
}

fn content(nth: u64) -> Vec<u8> {
    nth.to_le_bytes().repeat(4096)
}

fn writer(root: &Path) -> (Child, BufReader<std::process::ChildStdout>) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "store::tests::child_writes_until_it_is_killed", "--nocapture"])
        .env(CHILD, root)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let out = BufReader::new(child.stdout.take().unwrap());
    (child, out)
}

fn wait_for_rounds(out: &mut impl BufRead, rounds: usize) {
    let seen = out.lines().filter(|line| line.as_ref().is_ok_and(|line| line == "round")).take(rounds).count();
    assert_eq!(seen, rounds, "the other writer has failed");
}

#[test]
fn two_processes_write_the_same_store_and_one_is_killed_in_the_middle() {
    let (folder, store) = store();
    for victim in 0..3 {
        let (mut first, mut first_out) = writer(folder.path());
        let (mut second, mut second_out) = writer(folder.path());
        // Both are at it before anything is counted.
        wait_for_rounds(&mut first_out, 1);
        wait_for_rounds(&mut second_out, 1);
        wait_for_rounds(&mut first_out, 100 + victim);
        first.kill().unwrap();
        first.wait().unwrap();
        // The survivor is not held up by the dead one's lock or litter, nor is a third.
        wait_for_rounds(&mut second_out, 100);
        put(&store, &content(99), &["mine@1"]).unwrap();
        second.kill().unwrap();
        second.wait().unwrap();
        assert_eq!(wasm_of(&store, "mine@1").unwrap(), content(99));
        let listed = store.list().unwrap();
        assert!(listed.iter().all(|entry| matches!(entry.state, State::Whole { .. })), "{listed:?}");
        let latest = wasm_of(&store, "echo@latest").unwrap();
        assert!((0..7).any(|nth| latest == content(nth)));
    }
}
