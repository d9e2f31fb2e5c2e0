//! Compaction: what it keeps, what it frees, what it may be interrupted by.

use std::io::ErrorKind;

use super::*;

fn small() -> Options {
    Options {
        compact_min: 16 * 1024,
        ..Options::default()
    }
}

fn journal_len(dir: &Path) -> u64 {
    fs::metadata(dir.join("journal")).unwrap().len()
}

/// Overwrites a few keys many times; returns what has to be there.
fn churn(store: &DiskStore, rounds: u32, model: &mut Pairs) {
    for round in 0..rounds {
        let key = (round % 23).to_be_bytes().to_vec();
        let value = round.to_be_bytes().repeat(100);
        let mut ops = vec![Op::Put(Table::Shelf, key.clone(), value.clone())];
        model.insert((Table::Shelf, key), value);
        if round % 5 == 0 {
            let gone = ((round + 7) % 23).to_be_bytes().to_vec();
            ops.push(Op::Delete(Table::Shelf, gone.clone()));
            model.remove(&(Table::Shelf, gone));
        }
        store.commit(Batch { ops }).unwrap();
    }
}

#[test]
fn garbage_is_given_back_and_nothing_else() {
    for index in [IndexKind::Memory, IndexKind::Sled] {
        let dir = tempfile::tempdir().unwrap();
        let options = || Options { index, ..small() };
        let store = DiskStore::open(dir.path(), options()).unwrap().store;
        let mut model = Pairs::new();
        churn(&store, 600, &mut model);
        store.wait_for_compaction();
        churn(&store, 60, &mut model);
        store.wait_for_compaction();
        assert_eq!(contents(&store), model);
        // 660 × 500 bytes were written; at most the live ones twice, and the minimum, are left.
        assert!(
            journal_len(dir.path()) < 64 * 1024,
            "{}",
            journal_len(dir.path())
        );
        assert_eq!(store.stats().keys, model.len() as u64);
        let crashed = crash_copy(dir.path());
        drop(store);
        for dir in [dir.path(), crashed.path()] {
            let opened = DiskStore::open(dir, options()).unwrap();
            assert_eq!(
                (opened.damage, contents(&opened.store)),
                (None, model.clone())
            );
        }
    }
}

/// Readers and writers go on while it runs.
#[test]
fn commits_during_a_compaction_are_kept() {
    let dir = tempfile::tempdir().unwrap();
    let store = DiskStore::open(dir.path(), small()).unwrap().store;
    std::thread::scope(|scope| {
        for thread in 0..4u8 {
            let store = &store;
            scope.spawn(move || {
                for round in 0..200u16 {
                    let key = [thread, (round % 5) as u8];
                    let value = round.to_be_bytes().repeat(150);
                    store.commit(put(&key, &value)).unwrap();
                    assert_eq!(get(store, &key), Some(value));
                }
            });
        }
    });
    store.wait_for_compaction();
    assert!(
        journal_len(dir.path()) < 800 * 300,
        "it was compacted at least once"
    );
    let expected: Pairs = (0..4u8)
        .flat_map(|thread| (195..200u16).map(move |round| (thread, round)))
        .map(|(thread, round)| {
            let key = vec![thread, (round % 5) as u8];
            ((Table::Messages, key), round.to_be_bytes().repeat(150))
        })
        .collect();
    assert_eq!(contents(&store), expected);
    drop(store);
    assert_eq!(contents(&open(dir.path())), expected);
}

/// Whatever fails in it, the store keeps its contents and its word.
#[test]
fn a_compaction_may_fail_at_every_step() {
    let mut model = Pairs::new();
    let template = tempfile::tempdir().unwrap();
    {
        // Below the minimum: garbage stays.
        let store = open(template.path());
        churn(&store, 200, &mut model);
    }
    for nth in 0.. {
        let dir = crash_copy(template.path());
        let armed = Arc::new(std::sync::atomic::AtomicBool::new(false));
        let count = Arc::new(AtomicUsize::new(0));
        let (set, counted) = (Arc::clone(&armed), Arc::clone(&count));
        let hook = move |step| {
            let due = set.load(Ordering::SeqCst) && counted.fetch_add(1, Ordering::SeqCst) == nth;
            match step {
                _ if !due => Fault::Pass,
                Step::Write(len) => Fault::Short(len / 2, ErrorKind::StorageFull),
                _ => Fault::Fail(ErrorKind::StorageFull),
            }
        };
        let options = Options {
            compact_min: 16 * 1024,
            ..hooked(hook)
        };
        let store = DiskStore::open(dir.path(), options).unwrap().store;
        let before = journal_len(dir.path());
        armed.store(true, Ordering::SeqCst);
        let result = store.compact();
        armed.store(false, Ordering::SeqCst);
        assert_eq!(contents(&store), model, "step {nth}");
        let mut after = model.clone();
        let acknowledged = store.commit(put(b"after", b"1"));
        if acknowledged.is_ok() {
            after.insert((Table::Messages, b"after".to_vec()), b"1".to_vec());
        }
        assert_eq!(contents(&store), after, "step {nth}");
        drop(store);
        assert_eq!(contents(&open(dir.path())), after, "step {nth}");
        assert!(!dir.path().join("journal.new").exists());
        if count.load(Ordering::SeqCst) <= nth {
            result.unwrap();
            assert!(journal_len(dir.path()) < before / 2);
            assert!(nth > 8, "every step was tried");
            break;
        }
        assert!(result.is_err(), "step {nth}");
    }
}
