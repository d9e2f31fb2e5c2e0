//! Durable inserts a second: the store against SQLite (WAL, `synchronous=FULL`), in turns on the same
//! disk in one run; then opening, scanning and wiping 64 MiB. Requirement: at least half of SQLite.
//!
//! The disk is that of the temporary directory (`TMPDIR`).

#![allow(clippy::print_stdout, reason = "the figures are what a bench is for")]

use std::path::Path;
use std::time::{Duration, Instant};

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};
use sovereign_node::adapters::store::{DiskStore, IndexKind, Options};
use sovereign_node::ports::store::{Batch, Op, Store, Table};

const VALUE: usize = 400;
const PAIRS: usize = 9;

type Rows = Vec<(Vec<u8>, Vec<u8>)>;

fn main() {
    // `cargo test --benches` runs benches without this flag: then only a taste.
    let quick = !std::env::args().any(|argument| argument == "--bench");
    for (rows, batches, threads) in [
        (1, 200, 1),
        (16, 100, 1),
        (256, 40, 1),
        (5000, 6, 1),
        (16, 40, 4),
    ] {
        let (pairs, batches) = if quick { (1, 2) } else { (PAIRS, batches) };
        compare(rows, batches, threads, pairs);
    }
    for index in [IndexKind::Memory, IndexKind::Sled] {
        large(index, if quick { 2_000 } else { 100_000 });
    }
}

fn rows(rng: &mut ChaCha8Rng, count: usize) -> Rows {
    let mut row = || {
        let (mut key, mut value) = (vec![0; 32], vec![0; VALUE]);
        rng.fill_bytes(&mut key);
        rng.fill_bytes(&mut value);
        (key, value)
    };
    (0..count).map(|_| row()).collect()
}

fn compare(rows_a_batch: usize, batches: usize, threads: usize, pairs: usize) {
    let mut rng = ChaCha8Rng::seed_from_u64(rows_a_batch as u64);
    let mut results = Vec::new();
    for _ in 0..pairs {
        let mut work = || -> Vec<Vec<Rows>> {
            let mut batch = || rows(&mut rng, rows_a_batch);
            (0..threads)
                .map(|_| (0..batches).map(|_| batch()).collect())
                .collect()
        };
        let (mine, theirs) = (work(), work());
        results.push((store(mine), sqlite(theirs)));
    }
    let total = (rows_a_batch * batches * threads) as f64;
    let rate = |took: Duration| total / took.as_secs_f64();
    let mut ratios: Vec<f64> = results
        .iter()
        .map(|(mine, theirs)| rate(*mine) / rate(*theirs))
        .collect();
    ratios.sort_by(f64::total_cmp);
    let mut mine: Vec<f64> = results.iter().map(|(mine, _)| rate(*mine)).collect();
    let mut theirs: Vec<f64> = results.iter().map(|(_, theirs)| rate(*theirs)).collect();
    mine.sort_by(f64::total_cmp);
    theirs.sort_by(f64::total_cmp);
    println!(
        "{rows_a_batch:>5} rows of {VALUE} B a batch, {threads} thread(s): store {:>8.0} rows/s, \
         SQLite {:>8.0} rows/s, ratio {:.2} (median of {pairs} pairs, {:.2} to {:.2})",
        mine[pairs / 2],
        theirs[pairs / 2],
        ratios[pairs / 2],
        ratios[0],
        ratios[pairs - 1]
    );
}

fn store(work: Vec<Vec<Rows>>) -> Duration {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let store = open(dir.path(), Options::default());
    // What a caller hands over is made before the clock starts, for both.
    let batch = |rows: Rows| Batch {
        ops: rows
            .into_iter()
            .map(|(key, value)| Op::Put(Table::Bundles, key, value))
            .collect(),
    };
    let work: Vec<Vec<Batch>> = work
        .into_iter()
        .map(|batches| batches.into_iter().map(batch).collect())
        .collect();
    let began = Instant::now();
    std::thread::scope(|scope| {
        for batches in work {
            let store = &store;
            scope.spawn(move || {
                for batch in batches {
                    store.commit(batch).expect("committed");
                }
            });
        }
    });
    began.elapsed()
}

fn sqlite(work: Vec<Vec<Rows>>) -> Duration {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join("db");
    let connect = || {
        let connection = rusqlite::Connection::open(&path).expect("opened");
        connection
            .busy_timeout(Duration::from_secs(60))
            .expect("set");
        connection
            .pragma_update(None, "journal_mode", "WAL")
            .expect("set");
        connection
            .pragma_update(None, "synchronous", "FULL")
            .expect("set");
        connection
    };
    connect()
        .execute_batch(
            "CREATE TABLE pairs (t INTEGER, k BLOB, v BLOB, PRIMARY KEY (t, k)) WITHOUT ROWID",
        )
        .expect("created");
    let connections: Vec<_> = work
        .into_iter()
        .map(|batches| (connect(), batches))
        .collect();
    let began = Instant::now();
    std::thread::scope(|scope| {
        for (mut connection, batches) in connections {
            scope.spawn(move || {
                for rows in batches {
                    let behaviour = rusqlite::TransactionBehavior::Immediate;
                    let batch = connection
                        .transaction_with_behavior(behaviour)
                        .expect("begun");
                    {
                        let sql = "INSERT OR REPLACE INTO pairs VALUES (2, ?1, ?2)";
                        let mut insert = batch.prepare_cached(sql).expect("prepared");
                        for (key, value) in &rows {
                            insert.execute((key, value)).expect("inserted");
                        }
                    }
                    batch.commit().expect("committed");
                }
            });
        }
    });
    began.elapsed()
}

/// A store of about 64 MiB.
fn large(index: IndexKind, keys: usize) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let options = || Options::default().with_index(index);
    let value = 64 * 1024 * 1024 / 100_000 - 32 - 24;
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let store = open(dir.path(), options());
    for _ in 0..keys / 1000 {
        let mut op = || {
            let (mut key, mut bytes) = (vec![0; 32], vec![0; value]);
            rng.fill_bytes(&mut key);
            rng.fill_bytes(&mut bytes);
            Op::Put(Table::Bundles, key, bytes)
        };
        store
            .commit(Batch {
                ops: (0..1000).map(|_| op()).collect(),
            })
            .expect("committed");
    }
    drop(store);
    let before = resident();
    let began = Instant::now();
    let store = open(dir.path(), options());
    let (took, after) = (began.elapsed(), resident());
    let began = Instant::now();
    let mut seen = 0;
    store
        .scan(Table::Bundles, &mut |_, _| seen += 1)
        .expect("scanned");
    let scanned = began.elapsed();
    let stats = store.stats();
    drop(store);
    let began = Instant::now();
    DiskStore::wipe(dir.path()).expect("wiped");
    println!(
        "{index:?} index, {} keys, {} MiB on disk: opened in {took:?} (+{} kB RSS), {seen} pairs scanned in \
         {scanned:?}, wiped whole in {:?}",
        stats.keys,
        stats.disk_bytes >> 20,
        after.saturating_sub(before),
        began.elapsed()
    );
}

fn open(dir: &Path, options: Options) -> DiskStore {
    let opened = DiskStore::open(dir, options).expect("opened");
    assert_eq!(opened.damage, None);
    opened.store
}

/// Resident memory in kB, where the system tells.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok())
        .unwrap_or(0)
}
