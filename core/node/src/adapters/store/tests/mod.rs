//! Tests of the durable store.

mod children;
mod compaction;
mod contract;
mod damage;
mod faults;
mod full_disk;
mod model;
mod reopen;
mod wiping;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::contract::dump;
use super::files::{Fault, Files, Step};
use super::{DiskStore, IndexKind, Opened, Options};
use crate::ports::store::{Batch, Op, Store, StoreError, Table};

type Pairs = BTreeMap<(Table, Vec<u8>), Vec<u8>>;

/// Opens what has to be undamaged.
fn open(dir: &Path) -> DiskStore {
    let opened = open_any(dir);
    assert_eq!(opened.damage, None);
    opened.store
}

fn open_any(dir: &Path) -> Opened {
    DiskStore::open(dir, Options::default()).unwrap()
}

fn put(key: &[u8], value: &[u8]) -> Batch {
    Batch {
        ops: vec![Op::Put(Table::Messages, key.to_vec(), value.to_vec())],
    }
}

fn get(store: &DiskStore, key: &[u8]) -> Option<Vec<u8>> {
    store.get(Table::Messages, key).unwrap()
}

/// Everything in every table.
fn contents(store: &dyn Store) -> Pairs {
    let of = |table| {
        dump(store, table)
            .into_iter()
            .map(move |(key, value)| ((table, key), value))
    };
    Table::ALL.into_iter().flat_map(of).collect()
}

/// What a crash of the process would leave: the files as they are, without the marker of a stop.
fn crash_copy(from: &Path) -> tempfile::TempDir {
    let to = tempfile::tempdir().unwrap();
    for name in ["lock", "store.key", "journal"] {
        fs::copy(from.join(name), to.path().join(name)).unwrap();
    }
    to
}

/// Options whose n-th step (from 0) does not pass, with the count of steps taken.
fn failing_at(nth: usize, fault: fn() -> Fault) -> (Options, Arc<AtomicUsize>) {
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    let hook = move |_: Step| {
        if counted.fetch_add(1, Ordering::SeqCst) == nth {
            fault()
        } else {
            Fault::Pass
        }
    };
    (hooked(hook), count)
}

fn hooked(hook: impl Fn(Step) -> Fault + Send + Sync + 'static) -> Options {
    Options {
        files: Files {
            hook: Some(Arc::new(hook)),
        },
        ..Options::default()
    }
}

fn is_full(result: &Result<(), StoreError>) -> bool {
    matches!(result, Err(StoreError::Full))
}

fn is_damaged(result: &Result<(), StoreError>) -> bool {
    matches!(result, Err(StoreError::Damaged { .. }))
}
