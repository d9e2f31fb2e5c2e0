//! What every store has to do, as tests that every adapter runs: see [`store_contract!`](crate::store_contract).

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::ports::store::{
    Batch, MAX_BATCH, MAX_KEY, MAX_OPS, MAX_VALUE, Op, Store, StoreError, Table,
};

/// Runs the contract of [`Store`] against what `$open` makes of a directory (`&Path`).
#[macro_export]
macro_rules! store_contract {
    ($open:expr) => {
        $crate::store_contract!(@tests $open;
            put_get_delete, overwrites_and_order_within_a_batch, scans_in_key_order_per_table,
            bounds_are_kept, batches_are_atomic_to_readers, concurrent_commits_all_arrive,
            counts_live_keys);
    };
    (@tests $open:expr; $($name:ident),*) => {
        $(
            #[test]
            fn $name() {
                let dir = tempfile::tempdir().expect("a temporary directory");
                let open = $open;
                $crate::adapters::store::contract::$name(&open(dir.path()));
            }
        )*
    };
}

/// One put as a batch.
#[must_use]
pub fn put(table: Table, key: &[u8], value: &[u8]) -> Batch {
    Batch {
        ops: vec![Op::Put(table, key.to_vec(), value.to_vec())],
    }
}

/// Everything in a table.
///
/// # Panics
/// When the store cannot be read.
pub fn dump(store: &dyn Store, table: Table) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut found = Vec::new();
    let visit = &mut |key: &[u8], value: &[u8]| found.push((key.to_vec(), value.to_vec()));
    store.scan(table, visit).expect("the store can be scanned");
    found
}

fn commit(store: &dyn Store, ops: Vec<Op>) {
    store
        .commit(Batch { ops })
        .expect("the store takes the batch");
}

fn get(store: &dyn Store, table: Table, key: &[u8]) -> Option<Vec<u8>> {
    store.get(table, key).expect("the store can be read")
}

/// What was put is there until it is deleted; tables are apart; empty keys and values are values.
pub fn put_get_delete(store: &dyn Store) {
    assert_eq!(get(store, Table::Meta, b"a"), None);
    commit(
        store,
        vec![Op::Put(Table::Meta, b"a".to_vec(), b"1".to_vec())],
    );
    commit(store, vec![Op::Put(Table::Seen, b"a".to_vec(), Vec::new())]);
    commit(
        store,
        vec![Op::Put(Table::Seen, Vec::new(), b"no key".to_vec())],
    );
    assert_eq!(get(store, Table::Meta, b"a").as_deref(), Some(&b"1"[..]));
    assert_eq!(get(store, Table::Seen, b"a").as_deref(), Some(&b""[..]));
    assert_eq!(
        get(store, Table::Seen, b"").as_deref(),
        Some(&b"no key"[..])
    );
    assert_eq!(get(store, Table::Channels, b"a"), None);
    commit(store, vec![Op::Delete(Table::Meta, b"a".to_vec())]);
    commit(
        store,
        vec![Op::Delete(Table::Meta, b"never there".to_vec())],
    );
    commit(store, Vec::new());
    assert_eq!(get(store, Table::Meta, b"a"), None);
    assert_eq!(get(store, Table::Seen, b"a").as_deref(), Some(&b""[..]));
}

/// A later change wins, in one batch and across batches.
pub fn overwrites_and_order_within_a_batch(store: &dyn Store) {
    let put = |value: &[u8]| Op::Put(Table::Meta, b"k".to_vec(), value.to_vec());
    let delete = || Op::Delete(Table::Meta, b"k".to_vec());
    commit(store, vec![put(b"1"), put(b"2")]);
    assert_eq!(get(store, Table::Meta, b"k").as_deref(), Some(&b"2"[..]));
    commit(store, vec![put(b"3"), delete()]);
    assert_eq!(get(store, Table::Meta, b"k"), None);
    commit(store, vec![delete(), put(b"4")]);
    assert_eq!(get(store, Table::Meta, b"k").as_deref(), Some(&b"4"[..]));
    commit(store, vec![put(b"a longer value than before")]);
    assert_eq!(
        get(store, Table::Meta, b"k").as_deref(),
        Some(&b"a longer value than before"[..])
    );
}

/// A scan sees each live key of its table once, in order, however much there is.
pub fn scans_in_key_order_per_table(store: &dyn Store) {
    let mut model = BTreeMap::new();
    for round in 0..3u32 {
        let mut ops = Vec::new();
        for number in 0..400u32 {
            // 400 × up to 6 kB: above what a scan holds at once.
            let key = number.wrapping_mul(2_654_435_761).to_be_bytes().to_vec();
            let value = number
                .to_be_bytes()
                .repeat(1 + (number as usize * 7 + round as usize) % 1500);
            ops.push(Op::Put(Table::Bundles, key.clone(), value.clone()));
            ops.push(Op::Put(Table::Shelf, key.clone(), vec![0xff]));
            model.insert(key, value);
        }
        commit(store, ops);
    }
    let gone: Vec<Vec<u8>> = model.keys().step_by(3).cloned().collect();
    commit(
        store,
        gone.iter()
            .map(|key| Op::Delete(Table::Bundles, key.clone()))
            .collect(),
    );
    gone.iter().for_each(|key| drop(model.remove(key)));
    assert_eq!(
        dump(store, Table::Bundles),
        model.into_iter().collect::<Vec<_>>()
    );
    assert_eq!(dump(store, Table::Shelf).len(), 400);
    assert_eq!(dump(store, Table::Messages), Vec::new());
}

/// The largest of everything is taken, one more is refused, and a refused batch changes nothing.
pub fn bounds_are_kept(store: &dyn Store) {
    let big = |key: usize, value: usize| Op::Put(Table::Bundles, vec![7; key], vec![8; value]);
    commit(store, vec![big(MAX_KEY, MAX_VALUE)]);
    assert_eq!(
        get(store, Table::Bundles, &[7; MAX_KEY]),
        Some(vec![8; MAX_VALUE])
    );
    let too_large = |ops: Vec<Op>| {
        let refused = store.commit(Batch { ops });
        assert!(matches!(refused, Err(StoreError::TooLarge)), "{refused:?}");
    };
    let marker = || Op::Put(Table::Meta, b"half".to_vec(), Vec::new());
    too_large(vec![marker(), big(MAX_KEY + 1, 0)]);
    too_large(vec![marker(), big(1, MAX_VALUE + 1)]);
    too_large(vec![
        marker(),
        Op::Delete(Table::Meta, vec![0; MAX_KEY + 1]),
    ]);
    let full = MAX_BATCH / MAX_VALUE;
    too_large(
        (0..=full)
            .map(|_| big(0, MAX_VALUE))
            .chain([marker()])
            .collect(),
    );
    too_large((0..=MAX_OPS).map(|_| marker()).collect());
    assert_eq!(get(store, Table::Meta, b"half"), None);
    assert_eq!(get(store, Table::Meta, &[0; MAX_KEY + 1]), None);
    commit(store, (0..full).map(|_| big(0, MAX_VALUE)).collect());
    commit(
        store,
        (0..MAX_OPS)
            .map(|_| Op::Delete(Table::Meta, Vec::new()))
            .collect(),
    );
    assert_eq!(get(store, Table::Bundles, b""), Some(vec![8; MAX_VALUE]));
}

/// A reader never sees half of a batch.
pub fn batches_are_atomic_to_readers(store: &dyn Store) {
    const KEYS: u8 = 16;
    let batch = |value: u8| Batch {
        ops: (0..KEYS)
            .map(|key| Op::Put(Table::Shelf, vec![key], vec![value]))
            .collect(),
    };
    store.commit(batch(0)).expect("committed");
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for value in 1..100 {
                store.commit(batch(value)).expect("committed");
            }
            done.store(true, Ordering::Release);
        });
        while !done.load(Ordering::Acquire) {
            let seen = dump(store, Table::Shelf);
            assert_eq!(seen.len(), usize::from(KEYS));
            assert!(
                seen.iter().all(|(_, value)| *value == seen[0].1),
                "half a batch: {seen:?}"
            );
        }
    });
    assert!(
        dump(store, Table::Shelf)
            .iter()
            .all(|(_, value)| *value == [99])
    );
}

/// Nothing of what several threads commit at once is lost, and each reads its own writes.
pub fn concurrent_commits_all_arrive(store: &dyn Store) {
    std::thread::scope(|scope| {
        for thread in 0..8u8 {
            scope.spawn(move || {
                for number in 0..25u8 {
                    let value = [thread; 40];
                    store
                        .commit(put(Table::Seen, &[thread, number], &value))
                        .expect("committed");
                    assert_eq!(
                        get(store, Table::Seen, &[thread, number]),
                        Some(value.to_vec())
                    );
                }
            });
        }
    });
    let all = dump(store, Table::Seen);
    assert_eq!(all.len(), 200);
    assert!(all.iter().all(|(key, value)| value[..] == [key[0]; 40]));
}

/// The count follows puts, overwrites and deletes.
pub fn counts_live_keys(store: &dyn Store) {
    assert_eq!(store.stats().keys, 0);
    commit(
        store,
        (0..10)
            .map(|n| Op::Put(Table::Seen, vec![n], vec![n]))
            .collect(),
    );
    commit(
        store,
        (0..5)
            .map(|n| Op::Put(Table::Seen, vec![n], vec![n, n]))
            .collect(),
    );
    assert_eq!(store.stats().keys, 10);
    commit(
        store,
        (0..3).map(|n| Op::Delete(Table::Seen, vec![n])).collect(),
    );
    commit(store, vec![Op::Delete(Table::Seen, vec![0])]);
    assert_eq!(store.stats().keys, 7);
}
