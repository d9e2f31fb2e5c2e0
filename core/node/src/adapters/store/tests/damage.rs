//! Damaged and foreign stores: read-only, with a reason, never silently empty.

use std::os::unix::fs::FileExt;

use super::super::journal::START;
use super::super::record::HEADER;
use super::*;

const RECORDS: u8 = 10;

/// A crashed store of ten records and the offset of each.
fn ten_records() -> (tempfile::TempDir, Vec<u64>) {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let mut offsets = vec![START];
    for number in 0..RECORDS {
        store.commit(put(&[number], &[number; 60])).unwrap();
        offsets.push(fs::metadata(dir.path().join("journal")).unwrap().len());
    }
    (crash_copy(dir.path()), offsets)
}

fn flip(dir: &Path, at: u64) {
    let file = fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open(dir.join("journal"))
        .unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[byte[0] ^ 0x40], at).unwrap();
}

#[test]
fn a_broken_record_before_good_ones_is_damage() {
    for part in [0, 20, 50, 60, HEADER as u64 + 10] {
        let (dir, offsets) = ten_records();
        flip(dir.path(), offsets[3] + part);
        let journal = fs::read(dir.path().join("journal")).unwrap();
        for _ in 0..2 {
            let opened = open_any(dir.path());
            assert!(opened.damage.unwrap().contains(&offsets[3].to_string()));
            for number in 0..RECORDS {
                let expected = (number != 3).then(|| vec![number; 60]);
                assert_eq!(get(&opened.store, &[number]), expected, "flipped at {part}");
            }
            assert!(is_damaged(&opened.store.commit(put(b"x", b"y"))));
        }
        assert_eq!(fs::read(dir.path().join("journal")).unwrap(), journal);
    }
}

/// The last record after a crash may be torn: that is no damage, and it is the only one that may be.
#[test]
fn a_broken_last_record_is_torn_after_a_crash_and_damage_after_a_stop() {
    let (crashed, offsets) = ten_records();
    let stopped = crash_copy(crashed.path());
    drop(open(stopped.path()));
    for dir in [crashed.path(), stopped.path()] {
        flip(dir, offsets[9] + 30);
    }
    let opened = open_any(crashed.path());
    assert_eq!(
        (opened.damage, opened.torn),
        (None, offsets[10] - offsets[9])
    );
    assert_eq!(contents(&opened.store).len(), 9);
    let opened = open_any(stopped.path());
    assert!(opened.damage.unwrap().contains("ended at"));
    assert_eq!(contents(&opened.store).len(), 9);
}

#[test]
fn a_journal_that_is_shorter_than_at_the_last_stop_is_damage() {
    let (dir, offsets) = ten_records();
    drop(open(dir.path()));
    let journal = fs::OpenOptions::new()
        .write(true)
        .open(dir.path().join("journal"))
        .unwrap();
    journal.set_len(offsets[5]).unwrap();
    let opened = open_any(dir.path());
    assert!(opened.damage.is_some());
    assert_eq!(contents(&opened.store).len(), 5);
    assert!(is_damaged(&opened.store.commit(put(b"x", b"y"))));
}

#[test]
fn a_record_moved_or_repeated_is_not_taken() {
    let (dir, offsets) = ten_records();
    let path = dir.path().join("journal");
    let bytes = fs::read(&path).unwrap();
    let record = |n: usize| &bytes[offsets[n] as usize..offsets[n + 1] as usize];
    assert_eq!(record(3).len(), record(4).len());
    let swapped = [
        &bytes[..offsets[3] as usize],
        record(4),
        record(3),
        &bytes[offsets[5] as usize..],
    ];
    fs::write(&path, swapped.concat()).unwrap();
    let opened = open_any(dir.path());
    assert!(opened.damage.is_some());
    assert_eq!(
        (get(&opened.store, &[3]), get(&opened.store, &[4])),
        (None, None)
    );
    assert_eq!(get(&opened.store, &[5]), Some(vec![5; 60]));
}

/// A record of one store is no record of another, even under the same key.
#[test]
fn records_of_another_generation_are_not_taken() {
    let (dir, offsets) = ten_records();
    let (other, _) = ten_records();
    fs::copy(dir.path().join("store.key"), other.path().join("store.key")).unwrap();
    let (mine, theirs) = (dir.path().join("journal"), other.path().join("journal"));
    let mut bytes = fs::read(&mine).unwrap();
    let foreign = fs::read(&theirs).unwrap();
    let range = offsets[4] as usize..offsets[5] as usize;
    bytes[range.clone()].copy_from_slice(&foreign[range]);
    fs::write(&mine, bytes).unwrap();
    let opened = open_any(dir.path());
    assert!(opened.damage.is_some());
    assert_eq!(get(&opened.store, &[4]), None);
}

fn expect_unreadable(dir: &Path, reason: &str) {
    let opened = open_any(dir);
    let damage = opened.damage.expect("read-only");
    assert!(damage.contains(reason), "{damage:?} should say {reason:?}");
    let store = opened.store;
    assert!(is_damaged(&store.get(Table::Messages, &[1]).map(|_| ())));
    assert!(is_damaged(&store.scan(Table::Messages, &mut |_, _| ())));
    assert!(is_damaged(&store.commit(put(b"x", b"y"))));
}

#[test]
fn what_is_missing_or_foreign_is_never_replaced() {
    type Harm = fn(&Path);
    let cases: [(&str, Harm); 9] = [
        ("journal is gone", |dir| {
            fs::remove_file(dir.join("journal")).unwrap()
        }),
        ("journal is gone", |dir| {
            fs::remove_file(dir.join("journal")).unwrap();
            fs::remove_file(dir.join("lock")).unwrap();
        }),
        ("key is gone", |dir| {
            fs::remove_file(dir.join("store.key")).unwrap()
        }),
        ("key and its journal are gone", |dir| {
            fs::remove_file(dir.join("journal")).unwrap();
            fs::remove_file(dir.join("store.key")).unwrap();
        }),
        ("key file is damaged", |dir| {
            fs::write(dir.join("store.key"), [0; 48]).unwrap()
        }),
        ("key file is damaged", |dir| {
            fs::write(dir.join("store.key"), b"short").unwrap()
        }),
        ("does not begin", |dir| {
            fs::write(dir.join("journal"), b"a shopping list").unwrap()
        }),
        ("does not begin", |dir| {
            fs::write(dir.join("journal"), b"").unwrap()
        }),
        ("not a file", |dir| {
            fs::remove_file(dir.join("journal")).unwrap();
            fs::create_dir(dir.join("journal")).unwrap();
        }),
    ];
    for (reason, harm) in cases {
        let (dir, _) = ten_records();
        harm(dir.path());
        expect_unreadable(dir.path(), reason);
        expect_unreadable(dir.path(), reason);
    }
}

#[test]
fn another_stores_key_opens_nothing() {
    let (dir, _) = ten_records();
    let (other, _) = ten_records();
    fs::copy(other.path().join("store.key"), dir.path().join("store.key")).unwrap();
    expect_unreadable(dir.path(), "another key");
}

/// Damage that comes while the store is open is found by the read, and stops the writing.
#[test]
fn damage_found_by_a_read_makes_the_store_read_only() {
    let (dir, offsets) = ten_records();
    let store = open(dir.path());
    flip(dir.path(), offsets[3] + HEADER as u64 + 10);
    let found = store.get(Table::Messages, &[3]).map(|_| ());
    assert!(is_damaged(&found), "{found:?}");
    assert!(is_damaged(&store.commit(put(b"x", b"y"))));
    assert_eq!(get(&store, &[4]), Some(vec![4; 60]));
    drop(store);
    assert!(!dir.path().join("clean").exists());
}

/// Several records of one flush: a hole in them is a torn tail wherever it is, because none of them
/// was acknowledged.
#[test]
fn a_hole_in_an_unsynced_group_is_torn_not_damage() {
    use super::super::journal::{Journal, Tail};
    use super::super::key::Keys;
    use super::super::record::Sealed;
    use super::super::walk::walk;

    let dir = tempfile::tempdir().unwrap();
    let keys = Keys::new(&[1; 32]).unwrap();
    let files = Files::default();
    let journal = Journal::create(&files, &keys, &dir.path().join("journal"), 1).unwrap();
    let mut tail = Tail::EMPTY;
    let mut ends = vec![tail];
    let mut append = |tail: &mut Tail, synced: u64| {
        let ops = put(&[1, 2, 3], &[9; 700]).ops;
        journal
            .append(
                &files,
                &keys,
                tail,
                &mut Sealed::new(&keys, &ops).unwrap(),
                synced,
            )
            .unwrap();
        ends.push(*tail);
    };
    append(&mut tail, START);
    let synced = tail.end;
    for _ in 0..4 {
        append(&mut tail, synced);
    }
    for hole in 0..5 {
        journal
            .file
            .write_all_at(&[0; 8], ends[hole].end + 100)
            .unwrap();
        let index = super::super::index::Index::new(None);
        let mut filling = super::super::generation::Filling::new(index);
        let walked = walk(&journal, &keys, Tail::EMPTY, tail.end, &mut filling).unwrap();
        let (torn, damaged) = (walked.torn > 0, walked.damaged_at);
        let expected = if hole == 0 {
            (false, Some(START))
        } else {
            (true, None)
        };
        assert_eq!((torn, damaged), expected, "hole in record {hole}");
        assert_eq!(walked.tail, ends[hole]);
        // Mend it for the next round.
        let mut mended = ends[hole];
        let ops = put(&[1, 2, 3], &[9; 700]).ops;
        let mut sealed = Sealed::new(&keys, &ops).unwrap();
        let after = if hole == 0 { START } else { synced };
        journal
            .append(&files, &keys, &mut mended, &mut sealed, after)
            .unwrap();
        for next in ends.iter_mut().skip(hole + 1) {
            *next = mended;
            if next.end < tail.end {
                let mut sealed = Sealed::new(&keys, &ops).unwrap();
                journal
                    .append(&files, &keys, &mut mended, &mut sealed, synced)
                    .unwrap();
            }
        }
    }
}
