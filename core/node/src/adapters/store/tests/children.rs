//! Children that kill themselves at every step of a migration, a compaction, a first start, a wipe.

use std::os::unix::process::ExitStatusExt;
use std::process::Command;

use super::super::{Migration, wipe};
use super::*;

const CHILD: &str = "SOVEREIGN_STORE_CHILD";

/// To format 2: every value gets a prefix, one table moves, one entry becomes two.
static TO_2: [Migration; 1] = [Migration {
    from: 1,
    to: 2,
    apply: |table, key, value| {
        let new = [b"2:", value].concat();
        let mut ops = vec![Op::Put(table, key.to_vec(), new.clone())];
        if key == b"\0\0\0\x07" {
            ops.push(Op::Put(Table::Meta, b"copy".to_vec(), new));
        }
        Ok(ops)
    },
}];

fn format_2() -> Options {
    Options {
        format: 2,
        migrations: &TO_2,
        ..Options::default()
    }
}

fn template(dir: &Path) -> (Pairs, Pairs) {
    let store = open(dir);
    let (mut old, mut new) = (Pairs::new(), Pairs::new());
    for number in 0..150u32 {
        let (key, value) = (
            number.to_be_bytes().to_vec(),
            number.to_be_bytes().repeat(500),
        );
        store.commit(put(&key, b"replaced later")).unwrap();
        store.commit(put(&key, &value)).unwrap();
        let converted = [b"2:", &value[..]].concat();
        if number == 7 {
            new.insert((Table::Meta, b"copy".to_vec()), converted.clone());
        }
        old.insert((Table::Messages, key.clone()), value);
        new.insert((Table::Messages, key), converted);
    }
    (old, new)
}

/// Not a test by itself: what the others start. It does one thing and kills itself at a step of it.
#[test]
#[ignore = "started by the other tests of this module"]
fn child() {
    let Ok(task) = std::env::var(CHILD) else {
        return;
    };
    let (what, rest) = task.split_once(':').unwrap();
    let (nth, dir) = rest.split_once(':').unwrap();
    let (nth, dir): (usize, &Path) = (nth.parse().unwrap(), Path::new(dir));
    let count = AtomicUsize::new(0);
    let hook = move |_: Step| {
        if count.fetch_add(1, Ordering::SeqCst) == nth {
            let me = rustix::process::getpid();
            rustix::process::kill_process(me, rustix::process::Signal::KILL).unwrap();
        }
        Fault::Pass
    };
    let files = hooked(hook).files;
    match what {
        "migrate" => drop(
            DiskStore::open(
                dir,
                Options {
                    files,
                    ..format_2()
                },
            )
            .unwrap(),
        ),
        "compact" => {
            let options = Options {
                files,
                compact_min: 1024,
                ..Options::default()
            };
            DiskStore::open(dir, options)
                .unwrap()
                .store
                .compact()
                .unwrap();
        }
        "create" => drop(
            DiskStore::open(
                dir,
                Options {
                    files,
                    ..Options::default()
                },
            )
            .unwrap(),
        ),
        "wipe" => wipe::wipe(&files, dir).unwrap(),
        other => panic!("{other}"),
    }
}

/// Runs the child; `true` when it was killed.
fn killed(what: &str, nth: usize, dir: &Path) -> bool {
    let status = Command::new(std::env::current_exe().unwrap())
        .args([
            "adapters::store::tests::children::child",
            "--exact",
            "--ignored",
            "--nocapture",
        ])
        .env(CHILD, format!("{what}:{nth}:{}", dir.display()))
        .output()
        .unwrap()
        .status;
    assert!(status.success() || status.signal() == Some(9), "{status:?}");
    status.signal() == Some(9)
}

#[test]
fn a_migration_survives_a_kill_at_every_step() {
    let dir = tempfile::tempdir().unwrap();
    let (old, new) = template(dir.path());
    let mut migrated = Vec::new();
    for nth in 0.. {
        let dir = crash_copy(dir.path());
        if !killed("migrate", nth, dir.path()) {
            assert!(nth > 8, "it was killed only {nth} times");
            break;
        }
        // Before the rename the old program can still open it, afterwards it is refused.
        match DiskStore::open(dir.path(), Options::default()) {
            Ok(opened) => {
                assert_eq!(
                    (opened.damage, contents(&opened.store)),
                    (None, old.clone())
                );
                migrated.push(false);
            }
            Err(StoreError::Newer {
                found: 2,
                supported: 1,
            }) => migrated.push(true),
            Err(other) => panic!("{other}"),
        }
        let opened = DiskStore::open(dir.path(), format_2()).unwrap();
        assert_eq!(opened.damage, None);
        assert_eq!(opened.migrated_from, (!migrated[nth]).then_some(1));
        assert_eq!(contents(&opened.store), new, "killed at step {nth}");
        opened.store.commit(put(b"later", b"1")).unwrap();
        drop(opened.store);
        let opened = DiskStore::open(dir.path(), format_2()).unwrap();
        assert_eq!(
            (opened.migrated_from, contents(&opened.store).len()),
            (None, new.len() + 1)
        );
    }
    assert!(
        migrated.is_sorted() && !migrated[0] && migrated[migrated.len() - 1],
        "{migrated:?}"
    );
}

#[test]
fn a_compaction_survives_a_kill_at_every_step() {
    let dir = tempfile::tempdir().unwrap();
    let (old, _) = template(dir.path());
    for nth in 0.. {
        let dir = crash_copy(dir.path());
        let before = fs::metadata(dir.path().join("journal")).unwrap().len();
        let killed = killed("compact", nth, dir.path());
        assert_eq!(contents(&open(dir.path())), old, "killed at step {nth}");
        assert!(!dir.path().join("journal.new").exists());
        if !killed {
            assert!(nth > 8, "it was killed only {nth} times");
            assert!(fs::metadata(dir.path().join("journal")).unwrap().len() < before);
            break;
        }
    }
}

#[test]
fn a_first_start_survives_a_kill_at_every_step() {
    for nth in 0.. {
        let dir = tempfile::tempdir().unwrap();
        let killed = killed("create", nth, dir.path());
        let store = open(dir.path());
        store.commit(put(b"k", b"v")).unwrap();
        if !killed {
            assert!(nth > 8, "it was killed only {nth} times");
            break;
        }
    }
}

/// ID-8: wherever it is killed, the key is either untouched (the wipe had not begun) or gone for good,
/// and what is left is finished by the next start.
#[test]
fn a_wipe_survives_a_kill_at_every_step() {
    let dir = tempfile::tempdir().unwrap();
    drop(template(dir.path()));
    for nth in 0.. {
        let dir = crash_copy(dir.path());
        if !killed("wipe", nth, dir.path()) {
            assert!(nth > 8, "it was killed only {nth} times");
            break;
        }
        let opened = open_any(dir.path());
        match nth {
            0 => assert_eq!((opened.damage, contents(&opened.store).len()), (None, 150)),
            _ => assert_eq!((opened.damage, contents(&opened.store).len()), (None, 0)),
        }
        drop(opened.store);
        DiskStore::wipe(dir.path()).unwrap();
        assert_eq!(contents(&open(dir.path())).len(), 0);
    }
}
