//! The wipe (ID-8) and first starts, interrupted anywhere.

use std::io::ErrorKind;

use super::super::wipe;
use super::*;

fn filled(dir: &Path) {
    let store = open(dir);
    for number in 0..20u8 {
        store.commit(put(&[number], &[number; 1000])).unwrap();
    }
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn a_wipe_leaves_nothing_and_the_next_open_is_a_first_one() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path());
    fs::create_dir(dir.path().join("index-00")).unwrap();
    let key = fs::read(dir.path().join("store.key")).unwrap();
    DiskStore::wipe(dir.path()).unwrap();
    assert_eq!(names(dir.path()), Vec::<String>::new());
    DiskStore::wipe(dir.path()).unwrap();
    let store = open(dir.path());
    assert_eq!(contents(&store).len(), 0);
    assert_ne!(fs::read(dir.path().join("store.key")).unwrap(), key);
}

/// The key goes before anything else, and with it everything.
#[test]
fn the_key_is_destroyed_first_in_a_bounded_number_of_steps() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path());
    let journal = fs::read(dir.path().join("journal")).unwrap();
    let link = dir.path().join("a second name of the key file");
    fs::hard_link(dir.path().join("store.key"), &link).unwrap();
    // Overwrite, sync, rename, sync of the directory; the fifth step is the first removal.
    let (options, _) = failing_at(4, || Fault::Fail(ErrorKind::Other));
    wipe::wipe(&options.files, dir.path()).unwrap_err();
    assert_eq!(fs::read(dir.path().join("journal")).unwrap(), journal);
    assert!(!dir.path().join("store.key").exists());
    assert_eq!(fs::read(link).unwrap(), super::super::key::TOMBSTONE);
}

#[test]
fn an_interrupted_wipe_is_finished_by_the_next_wipe_or_open() {
    for finish_by_open in [false, true] {
        for nth in 0.. {
            let dir = tempfile::tempdir().unwrap();
            filled(dir.path());
            let (options, steps) = failing_at(nth, || Fault::Fail(ErrorKind::Other));
            let interrupted = wipe::wipe(&options.files, dir.path());
            if steps.load(Ordering::SeqCst) <= nth {
                interrupted.unwrap();
                assert!(nth > 8, "every step was tried");
                break;
            }
            interrupted.unwrap_err();
            // Overwriting failed or was not tried: the key may still be there, it must be said so.
            let key_left = dir.path().join("store.key").exists();
            assert!(!key_left || nth <= 2, "step {nth}");
            if key_left || !finish_by_open {
                DiskStore::wipe(dir.path()).unwrap();
                assert_eq!(names(dir.path()), Vec::<String>::new());
            }
            assert_eq!(contents(&open(dir.path())).len(), 0, "step {nth}");
        }
    }
}

/// Panic wipe with the node running: the store is gone, and the node's stop does not bring it back.
#[test]
fn a_wipe_under_an_open_store_stays_a_wipe() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path());
    let store = open(dir.path());
    DiskStore::wipe(dir.path()).unwrap();
    assert_eq!(names(dir.path()), vec!["lock"]);
    drop(store);
    assert_eq!(names(dir.path()), vec!["lock"]);
    assert_eq!(contents(&open(dir.path())).len(), 0);
}

/// A first start that is interrupted at any step is no damage, and one that was reported done is kept.
#[test]
fn a_first_start_may_be_interrupted_at_every_step() {
    for nth in 0.. {
        let dir = tempfile::tempdir().unwrap();
        let (options, steps) = failing_at(nth, || Fault::Fail(ErrorKind::StorageFull));
        let opened = DiskStore::open(dir.path(), options);
        if steps.load(Ordering::SeqCst) <= nth {
            opened.unwrap();
            assert!(nth > 8, "every step was tried");
            break;
        }
        assert!(is_full(&opened.map(|_| ())), "step {nth}");
        let store = open(dir.path());
        store.commit(put(b"k", b"v")).unwrap();
        drop(store);
        assert_eq!(contents(&open(dir.path())).len(), 1);
    }
}
