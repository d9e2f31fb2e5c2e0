//! Failing writes and flushes.

use std::io::ErrorKind;
use std::sync::Mutex;

use super::*;

type Faults = Arc<Mutex<Vec<(Step, Fault)>>>;

/// A store whose next faults are set by the test.
fn faulty(dir: &Path) -> (DiskStore, Faults) {
    let faults = Faults::default();
    let shared = Arc::clone(&faults);
    let options = hooked(move |step| {
        let mut faults = shared.lock().unwrap();
        let due = faults
            .first()
            .is_some_and(|(kind, _)| std::mem::discriminant(kind) == std::mem::discriminant(&step));
        if due { faults.remove(0).1 } else { Fault::Pass }
    });
    let opened = DiskStore::open(dir, options).unwrap();
    assert_eq!(opened.damage, None);
    (opened.store, faults)
}

/// Attack 8 of the hardening list, without a real disk: every length of a half-written record.
#[test]
fn a_full_disk_in_the_middle_of_a_record_loses_nothing_and_passes() {
    let dir = tempfile::tempdir().unwrap();
    let (store, faults) = faulty(dir.path());
    store.commit(put(b"before", b"1")).unwrap();
    let len = || fs::metadata(dir.path().join("journal")).unwrap().len();
    let before = len();
    for kind in [ErrorKind::StorageFull, ErrorKind::QuotaExceeded] {
        for short in [0, 1, 75, 76, 100, 150] {
            faults
                .lock()
                .unwrap()
                .push((Step::Write(0), Fault::Short(short, kind)));
            assert!(is_full(&store.commit(put(b"half", &[7; 100]))));
            assert_eq!(len(), before, "the room is given back at once");
            assert_eq!(get(&store, b"half"), None);
            assert_eq!(get(&store, b"before").as_deref(), Some(&b"1"[..]));
        }
    }
    // Not even what was written can be cut off: the next commit does it.
    let tidying = [
        (Step::Write(0), Fault::Short(90, ErrorKind::StorageFull)),
        (Step::Truncate, Fault::Fail(ErrorKind::Other)),
    ];
    faults.lock().unwrap().extend(tidying);
    assert!(is_full(&store.commit(put(b"half", &[7; 100]))));
    assert_eq!(len(), before + 90);
    let crashed = crash_copy(dir.path());
    store.commit(put(b"after", b"2")).unwrap();
    drop(store);
    let store = open(dir.path());
    assert_eq!(contents(&store).len(), 2);
    assert_eq!(contents(&open(crashed.path())).len(), 1);
}

#[test]
fn a_flush_that_finds_the_disk_full_is_recovered_from() {
    let dir = tempfile::tempdir().unwrap();
    let (store, faults) = faulty(dir.path());
    store.commit(put(b"before", b"1")).unwrap();
    faults
        .lock()
        .unwrap()
        .push((Step::Sync, Fault::Fail(ErrorKind::StorageFull)));
    assert!(is_full(&store.commit(put(b"lost", b"x"))));
    assert_eq!(get(&store, b"lost"), None);
    store.commit(put(b"after", b"2")).unwrap();
    drop(store);
    assert_eq!(contents(&open(dir.path())).len(), 2);
}

/// After a flush failed for any other reason nobody knows what the device holds: no more is
/// acknowledged until the journal was read again.
#[test]
fn a_failed_flush_stops_the_writing() {
    let dir = tempfile::tempdir().unwrap();
    let (store, faults) = faulty(dir.path());
    store.commit(put(b"before", b"1")).unwrap();
    faults
        .lock()
        .unwrap()
        .push((Step::Sync, Fault::Fail(ErrorKind::Other)));
    for _ in 0..3 {
        let refused = store.commit(put(b"lost", b"x"));
        assert!(matches!(refused, Err(StoreError::Io(_))), "{refused:?}");
        assert_eq!(get(&store, b"lost"), None);
        assert_eq!(get(&store, b"before").as_deref(), Some(&b"1"[..]));
    }
    drop(store);
    assert!(
        !dir.path().join("clean").exists(),
        "this was no orderly stop"
    );
    let store = open(dir.path());
    assert_eq!(get(&store, b"before").as_deref(), Some(&b"1"[..]));
    store.commit(put(b"after", b"2")).unwrap();
}

/// MSG-5: acknowledged is durable. Callers that wait together share a flush, and none returns before it.
#[test]
fn concurrent_commits_share_flushes() {
    const THREADS: usize = 8;
    let dir = tempfile::tempdir().unwrap();
    let syncs = Arc::new(AtomicUsize::new(0));
    let gate = Arc::new((Mutex::new(false), std::sync::Condvar::new()));
    let (counted, held) = (Arc::clone(&syncs), Arc::clone(&gate));
    let options = hooked(move |step| {
        if step == Step::Sync {
            counted.fetch_add(1, Ordering::SeqCst);
            let mut open = held.0.lock().unwrap();
            while !*open {
                open = held.1.wait(open).unwrap();
            }
        }
        Fault::Pass
    });
    let set_gate = |open: bool| {
        *gate.0.lock().unwrap() = open;
        gate.1.notify_all();
    };
    set_gate(true);
    let store = DiskStore::open(dir.path(), options).unwrap().store;
    set_gate(false);
    let before = syncs.load(Ordering::SeqCst);
    std::thread::scope(|scope| {
        let commit = |number: u8| store.commit(put(&[number], b"v")).unwrap();
        scope.spawn(move || commit(0));
        while syncs.load(Ordering::SeqCst) == before {
            std::thread::yield_now();
        }
        // The first flush is under way; everyone else comes now.
        for number in 1..THREADS as u8 {
            scope.spawn(move || commit(number));
        }
        while store.waiting() < THREADS - 1 {
            std::thread::yield_now();
        }
        assert_eq!(
            contents(&store).len(),
            0,
            "nothing is visible before it is durable"
        );
        set_gate(true);
    });
    assert_eq!(syncs.load(Ordering::SeqCst) - before, 2);
    assert_eq!(contents(&store).len(), THREADS);
}
