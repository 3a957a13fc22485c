use super::*;
use crate::sign::{Password, SecretKey, keygen, sign_bytes};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// In memory where that is possible: what is flushed to a disk some hundred times here takes long there.
fn folder() -> (tempfile::TempDir, Folder) {
    let dir = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
    let folder = Folder::new(dir.path().to_owned());
    (dir, folder)
}

fn name() -> PluginName {
    "stt-acme".parse().unwrap()
}

fn key(dir: &Path) -> SecretKey {
    let made = keygen(&dir.join("key"), Password::Without).unwrap();
    SecretKey::read(&made.secret, Password::Without).unwrap()
}

fn put(folder: &Folder, wasm: &[u8], key: Option<&SecretKey>) -> Result<(), FolderError> {
    let mut draft = folder.begin(&name())?;
    wasm.chunks(3).try_for_each(|piece| draft.write(piece))?;
    if let Some(key) = key {
        draft.sign(&sign_bytes(wasm, &name(), key).unwrap())?;
    }
    folder.place(draft)
}

/// A component and whether it is signed, where there is one.
type Lying = Option<(Vec<u8>, bool)>;

type Act<'a> = &'a dyn Fn(&Folder) -> Result<(), FolderError>;

/// Component, and whether there is a signature.
fn found(dir: &Path) -> Lying {
    let wasm = fs::read(dir.join("stt-acme.wasm")).ok()?;
    Some((wasm, dir.join("stt-acme.wasm.minisig").is_file()))
}

/// What lies under `.incoming` beside lock and empty folders.
fn litter(dir: &Path) -> Vec<String> {
    let incoming = dir.join(INCOMING);
    let mut names: Vec<String> = Vec::new();
    for folder in [incoming.clone(), incoming.join(READY), incoming.join("tmp")] {
        let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.extend(entries.filter(|name| ![LOCK, READY, "tmp"].contains(&name.as_str())));
    }
    names
}

#[test]
fn a_plugin_comes_whole_with_or_without_its_signature_and_goes_again() {
    let (dir, folder) = folder();
    let keys = tempfile::tempdir().unwrap();
    let key = key(keys.path());
    folder.recover().unwrap();
    assert!(!dir.path().join(INCOMING).exists(), "who changes nothing leaves no trace");
    put(&folder, b"first one", Some(&key)).unwrap();
    assert_eq!(found(dir.path()), Some((b"first one".to_vec(), true)));
    // The signature of the one before goes with it.
    put(&folder, b"second", None).unwrap();
    assert_eq!(found(dir.path()), Some((b"second".to_vec(), false)));
    put(&folder, b"third", Some(&key)).unwrap();
    assert_eq!(found(dir.path()), Some((b"third".to_vec(), true)));
    folder.remove(&name()).unwrap();
    assert_eq!(folder.remove(&name()).err().unwrap().code(), "missing");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "only .incoming is left");
    assert_eq!(litter(dir.path()), [""; 0]);
}

#[test]
fn what_is_not_placed_leaves_nothing_and_is_never_taken_for_a_plugin() {
    let (dir, folder) = folder();
    let mut draft = folder.begin(&name()).unwrap();
    draft.write(b"half of i").unwrap();
    assert_eq!((found(dir.path()), fs::read(draft.path()).unwrap()), (None, b"half of i".to_vec()));
    draft.write(b"t").unwrap();
    assert_eq!(draft.digest(), Digest::of(b"half of it"));
    // One that is being written is not swept away by another's start.
    Folder::new(dir.path().to_owned()).recover().unwrap();
    assert!(draft.path().is_file());
    drop(draft);
    assert_eq!((found(dir.path()), litter(dir.path())), (None, Vec::new()));

    let mut draft = folder.begin(&name()).unwrap();
    draft.bytes = PLUGIN_BYTES_MAX - 1;
    draft.write(b"x").unwrap();
    assert_eq!(draft.write(b"x").err().unwrap().code(), "too-large");
}

#[test]
fn two_gateways_that_share_a_folder_do_not_take_each_others_drafts() {
    let (dir, one) = folder();
    let other = Folder::new(dir.path().to_owned());
    let (mut first, mut second) = (one.begin(&name()).unwrap(), other.begin(&name()).unwrap());
    first.write(b"first").unwrap();
    second.write(b"second").unwrap();
    one.place(first).unwrap();
    assert_eq!(found(dir.path()), Some((b"first".to_vec(), false)));
    other.place(second).unwrap();
    assert_eq!((found(dir.path()), litter(dir.path())), (Some((b"second".to_vec(), false)), Vec::new()));
}

#[test]
fn a_draft_of_a_dead_process_is_swept_away() {
    let (dir, folder) = folder();
    drop(folder.begin(&name()).unwrap());
    let left = dir.path().join(INCOMING).join("draft-7");
    fs::create_dir(&left).unwrap();
    fs::write(left.join("stt-acme.wasm"), b"half").unwrap();
    fs::write(left.join(LOCK), b"").unwrap();
    folder.recover().unwrap();
    assert_eq!((found(dir.path()), litter(dir.path())), (None, Vec::new()));
}

#[test]
fn assets_of_a_plugin_are_those_of_its_next_version_and_stay_when_it_goes() {
    let (dir, folder) = folder();
    let assets = dir.path().join("stt-acme.assets");
    fs::create_dir(&assets).unwrap();
    fs::write(assets.join("model"), b"weights").unwrap();
    let draft = folder.begin(&name()).unwrap();
    assert_eq!(fs::read(draft.path().with_extension("assets").join("model")).unwrap(), b"weights");
    folder.place(draft).unwrap();
    folder.remove(&name()).unwrap();
    assert_eq!(fs::read(assets.join("model")).unwrap(), b"weights");
}

#[test]
fn a_folder_that_cannot_be_written_says_so_and_one_that_is_not_there_is_not_made() {
    let (dir, folder) = folder();
    let missing = Folder::new(dir.path().join("nowhere"));
    assert_eq!(missing.begin(&name()).err().unwrap().code(), "io");
    assert!(!dir.path().join("nowhere").exists());
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o555)).unwrap();
    match folder.begin(&name()) {
        Err(error) => assert_eq!(error.code(), "read-only"),
        // Nothing is forbidden to root.
        Ok(_) => assert!(fs::File::create(dir.path().join("by-root")).is_ok()),
    }
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
}

/// Every touch of the disk in turn is the last one before the power goes.
#[test]
fn a_crash_at_any_step_leaves_the_old_plugin_or_the_new_one_and_never_a_mixture() {
    let keys = tempfile::tempdir().unwrap();
    let key = key(keys.path());
    let old = Some((b"old".to_vec(), true));
    let acts: [(&str, Lying, Act<'_>); 3] = [
        ("signed", Some((b"new".to_vec(), true)), &|folder| put(folder, b"new", Some(&key))),
        ("unsigned", Some((b"new".to_vec(), false)), &|folder| put(folder, b"new", None)),
        ("removed", None, &|folder| folder.remove(&name())),
    ];
    for (what, new, act) in acts {
        let mut crashes = 0;
        for step in 0.. {
            let (dir, folder) = folder();
            put(&folder, b"old", Some(&key)).unwrap();
            *folder.disk().unwrap().crash.lock().unwrap() = Some(step);
            let done = act(&folder).is_ok();
            drop(folder);

            let again = Folder::new(dir.path().to_owned());
            again.recover().unwrap();
            let left = found(dir.path());
            assert!(left == old || left == new, "{what}, step {step}: {left:?}");
            assert!(left.is_some() || !dir.path().join("stt-acme.wasm.minisig").exists(), "{what}, step {step}");
            let signature = fs::read_to_string(dir.path().join("stt-acme.wasm.minisig")).ok();
            if let (Some((wasm, _)), Some(signature)) = (&left, signature) {
                let trust = crate::TrustPolicy {
                    keys: vec![crate::PublicKey::read(&keys.path().join("key.pub")).unwrap()],
                    ..crate::TrustPolicy::default()
                };
                assert!(trust.admit(&name(), wasm, Some(&signature)).unwrap().signer.is_some(), "{what}, step {step}");
            }
            assert_eq!(litter(dir.path()), [""; 0], "{what}, step {step}");
            match act(&again) {
                Err(FolderError::Missing) => assert_eq!(left, None, "{what}, step {step}"),
                done => done.unwrap(),
            }
            assert_eq!(found(dir.path()), new, "{what}, step {step}");
            if done {
                break;
            }
            crashes += 1;
        }
        assert!(crashes > 5, "{what}: only {crashes} places to crash at");
    }
}
