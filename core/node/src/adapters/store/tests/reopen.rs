//! What is there after a stop and after a crash; who may open.

use std::os::unix::fs::PermissionsExt;

use super::*;

fn fill(store: &DiskStore) {
    for number in 0..50u8 {
        let op = |table| Op::Put(table, vec![number], vec![number; 100 + usize::from(number)]);
        store
            .commit(Batch {
                ops: Table::ALL.into_iter().map(op).collect(),
            })
            .unwrap();
    }
    store
        .commit(Batch {
            ops: vec![Op::Delete(Table::Seen, vec![7])],
        })
        .unwrap();
}

#[test]
fn everything_is_there_after_a_stop_and_after_a_crash() {
    for index in [IndexKind::Memory, IndexKind::Sled] {
        let dir = tempfile::tempdir().unwrap();
        let options = || Options {
            index,
            ..Options::default()
        };
        let store = DiskStore::open(dir.path(), options()).unwrap().store;
        fill(&store);
        let before = contents(&store);
        assert_eq!(before.len(), 50 * Table::ALL.len() - 1);
        let crashed = crash_copy(dir.path());
        let stats = store.stats();
        drop(store);
        assert!(dir.path().join("clean").exists());
        for dir in [dir.path(), crashed.path()] {
            let opened = DiskStore::open(dir, options()).unwrap();
            assert_eq!(
                (opened.damage, opened.torn, opened.migrated_from),
                (None, 0, None)
            );
            assert_eq!(contents(&opened.store), before);
            assert_eq!(opened.store.stats().keys, stats.keys);
            opened.store.commit(put(b"later", b"1")).unwrap();
            assert_eq!(get(&opened.store, b"later").as_deref(), Some(&b"1"[..]));
        }
    }
}

/// A crash in the middle of a write, at every byte of it: what was acknowledged before is there,
/// nothing of the half is visible, and the store goes on.
#[test]
fn a_torn_tail_is_cut_off_at_every_length() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    store.commit(put(b"first", b"1")).unwrap();
    let whole = fs::metadata(dir.path().join("journal")).unwrap().len();
    let ops = (0..3)
        .map(|n| Op::Put(Table::Seen, vec![n], vec![n; 20]))
        .collect();
    store.commit(Batch { ops }).unwrap();
    let len = fs::metadata(dir.path().join("journal")).unwrap().len();
    for cut in whole..len {
        let crashed = crash_copy(dir.path());
        let journal = fs::OpenOptions::new()
            .write(true)
            .open(crashed.path().join("journal"))
            .unwrap();
        journal.set_len(cut).unwrap();
        let opened = open_any(crashed.path());
        assert_eq!((opened.damage, opened.torn), (None, cut - whole));
        assert_eq!(contents(&opened.store).len(), 1, "cut at {cut}");
        opened.store.commit(put(b"next", b"2")).unwrap();
        drop(opened.store);
        assert_eq!(contents(&open(crashed.path())).len(), 2);
    }
}

#[test]
fn a_second_opener_is_refused_until_the_first_is_gone() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let second = DiskStore::open(dir.path(), Options::default());
    assert!(matches!(second.map(|_| ()), Err(StoreError::Held)));
    drop(store);
    open(dir.path());
}

#[test]
fn a_downgrade_is_refused_and_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let newer = Options {
        format: 7,
        ..Options::default()
    };
    let store = DiskStore::open(dir.path(), newer.clone()).unwrap().store;
    store.commit(put(b"k", b"v")).unwrap();
    drop(store);
    for _ in 0..2 {
        match DiskStore::open(dir.path(), Options::default()).map(|_| ()) {
            Err(StoreError::Newer {
                found: 7,
                supported: 1,
            }) => {}
            other => panic!("{other:?}"),
        }
    }
    let store = DiskStore::open(dir.path(), newer).unwrap().store;
    assert_eq!(get(&store, b"k").as_deref(), Some(&b"v"[..]));
}

#[test]
fn a_format_without_a_migration_is_read_only() {
    let dir = tempfile::tempdir().unwrap();
    open(dir.path()).commit(put(b"k", b"v")).unwrap();
    let newer = Options {
        format: 2,
        ..Options::default()
    };
    let opened = DiskStore::open(dir.path(), newer).unwrap();
    assert!(opened.damage.unwrap().contains("format 1"));
    assert_eq!(get(&opened.store, b"k").as_deref(), Some(&b"v"[..]));
    assert!(is_damaged(&opened.store.commit(put(b"k", b"w"))));
}

/// ID-1: the key is for its owner only. ID-8: nothing that was stored can be read without it.
#[test]
fn nothing_on_disk_is_in_the_clear() {
    for index in [IndexKind::Memory, IndexKind::Sled] {
        let dir = tempfile::tempdir().unwrap();
        let options = Options {
            index,
            ..Options::default()
        };
        let store = DiskStore::open(dir.path(), options).unwrap().store;
        let (key, value) = (b"a key to look for", b"a value to look for, long enough");
        for number in 0..50u8 {
            let key = [&key[..], &[number]].concat();
            store.commit(put(&key, value)).unwrap();
        }
        let mut files = 0;
        let mut pending = vec![dir.path().to_owned()];
        while let Some(next) = pending.pop() {
            for entry in fs::read_dir(next).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    pending.push(path);
                    continue;
                }
                files += 1;
                let bytes = fs::read(&path).unwrap();
                for secret in [&key[..], &value[..]] {
                    assert!(
                        !bytes.windows(secret.len()).any(|w| w == secret),
                        "in {path:?}"
                    );
                }
            }
        }
        assert!(files >= 3, "lock, key and journal were looked at");
        let mode = |name: &str| {
            fs::metadata(dir.path().join(name))
                .unwrap()
                .permissions()
                .mode()
                & 0o777
        };
        assert_eq!(
            (mode("store.key"), mode("journal"), mode("lock")),
            (0o600, 0o600, 0o600)
        );
        let index_dirs = fs::read_dir(dir.path()).unwrap().filter(|entry| {
            entry
                .as_ref()
                .unwrap()
                .file_name()
                .to_string_lossy()
                .starts_with("index-")
        });
        assert_eq!(index_dirs.count(), usize::from(index == IndexKind::Sled));
    }
}

/// The index's leftovers of a crash are removed, other directories are not.
#[test]
fn an_old_index_is_removed_at_the_next_open() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(dir.path()));
    fs::create_dir(dir.path().join("index-0011223344556677")).unwrap();
    fs::write(dir.path().join("index-0011223344556677/db"), b"old").unwrap();
    fs::create_dir(dir.path().join("logs")).unwrap();
    let store = open(dir.path());
    assert!(!dir.path().join("index-0011223344556677").exists());
    assert!(dir.path().join("logs").exists());
    drop(store);
}

/// A large index moves to sled by itself and answers the same.
#[test]
fn a_large_index_spills() {
    let dir = tempfile::tempdir().unwrap();
    let options = || Options {
        memory_keys: 1000,
        ..Options::default()
    };
    let store = DiskStore::open(dir.path(), options()).unwrap().store;
    let spilled = || {
        let names = fs::read_dir(dir.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name());
        names
            .filter(|name| name.to_string_lossy().starts_with("index-"))
            .count()
    };
    for number in 0..1600u32 {
        let ops = (0..2).map(|n| {
            let key = [number.to_be_bytes(), [n; 4]].concat();
            Op::Put(Table::Seen, key, vec![number as u8])
        });
        store.commit(Batch { ops: ops.collect() }).unwrap();
        assert_eq!(spilled(), usize::from(number >= 500), "{number}");
    }
    assert_eq!(store.stats().keys, 3200);
    for number in [0u32, 777, 1599] {
        let key = [number.to_be_bytes(), [1; 4]].concat();
        assert_eq!(
            store.get(Table::Seen, &key).unwrap(),
            Some(vec![number as u8])
        );
    }
    assert_eq!(dump(&store, Table::Seen).len(), 3200);
    drop(store);
    assert_eq!(
        spilled(),
        0,
        "nobody opens an old index, so it does not stay"
    );
    assert_eq!(
        DiskStore::open(dir.path(), options())
            .unwrap()
            .store
            .stats()
            .keys,
        3200
    );
}
