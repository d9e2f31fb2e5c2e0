//! The store under torture: `kill -9` under write load, and power cuts that drop what was not synced.
//!
//! Each round a child writes with three threads and says what was acknowledged; it is killed, or its
//! power is cut by `support/powercut.c`; then the store is opened and has to hold exactly the state
//! after some whole number of each thread's batches, no acknowledged one missing. MSG-5, hardening 9.
//!
//! `SOVEREIGN_TORTURE_ROUNDS` (kills, default 100), `SOVEREIGN_TORTURE_CUTS` (power cuts, default 20)
//! and `SOVEREIGN_TORTURE_SEED` change the dose, `SOVEREIGN_TORTURE_TMP` the place. The full one is 1,000 and 200.
#![cfg(target_os = "linux")]
#![allow(
    clippy::print_stdout,
    reason = "the figures are the point of a run by hand"
)]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};
use sovereign_node::adapters::store::{DiskStore, Options};
use sovereign_node::ports::store::{Batch, Op, Store, Table};

const DIR: &str = "SOVEREIGN_TORTURE_DIR";
/// The child compacts before it writes.
const COMPACT: &str = "SOVEREIGN_TORTURE_COMPACT";
const THREADS: u8 = 3;
/// The issue asks for 2 s; a loaded machine gets more before this is a failure. The worst is printed.
const OPEN_WITHIN: Duration = Duration::from_secs(10);

fn options() -> Options {
    // Small, so that compactions are killed too.
    Options::default().with_compact_min(48 * 1024)
}

fn without_compaction() -> Options {
    Options::default().with_compact_min(u64::MAX)
}

/// What a thread commits as its n-th batch (from 1): always the same.
fn batch(thread: u8, number: u64) -> Vec<Op> {
    let mut rng = ChaCha8Rng::seed_from_u64(number * 16 + u64::from(thread));
    let count = [thread, 0xff];
    let mut ops = vec![Op::Put(
        Table::Meta,
        count.to_vec(),
        number.to_be_bytes().to_vec(),
    )];
    for _ in 0..1 + rng.next_u32() % 12 {
        let key = vec![thread, (rng.next_u32() % 40) as u8];
        let table = if rng.next_u32() & 1 == 0 {
            Table::Messages
        } else {
            Table::Shelf
        };
        if rng.next_u32() % 5 == 0 {
            ops.push(Op::Delete(table, key));
            continue;
        }
        let len = if rng.next_u32() % 50 == 0 {
            20_000
        } else {
            rng.next_u32() % 900
        };
        let mut value = vec![0; len as usize];
        rng.fill_bytes(&mut value);
        ops.push(Op::Put(table, key, value));
    }
    ops
}

/// The child: not a test by itself. Writes until it dies.
#[test]
#[ignore = "started by the other tests"]
fn child() {
    let Some(dir) = std::env::var_os(DIR) else {
        return;
    };
    let opened = DiskStore::open(Path::new(&dir), options()).expect("opens");
    assert_eq!(opened.damage, None);
    let store = opened.store;
    say("ready");
    if std::env::var_os(COMPACT).is_some() {
        store.compact().expect("compacted");
        say("compacted");
    }
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let store = &store;
            scope.spawn(move || {
                for number in committed(store, thread) + 1.. {
                    store
                        .commit(Batch {
                            ops: batch(thread, number),
                        })
                        .expect("committed");
                    say(&format!("ack {thread} {number}"));
                }
            });
        }
    });
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    // The test harness leaves an unfinished line behind.
    out.write_all(format!("\n{line}\n").as_bytes())
        .expect("the parent listens");
    out.flush().expect("the parent listens");
}

/// The number of the last batch of a thread.
fn committed(store: &DiskStore, thread: u8) -> u64 {
    let count = store.get(Table::Meta, &[thread, 0xff]).expect("readable");
    count.map_or(0, |bytes| {
        u64::from_be_bytes(bytes.try_into().expect("eight bytes"))
    })
}

/// A data directory and what has to be in it.
struct Bench {
    root: tempfile::TempDir,
    state: BTreeMap<(Table, Vec<u8>), Vec<u8>>,
    applied: [u64; THREADS as usize],
}

impl Bench {
    fn new() -> Self {
        // Kills and cuts are about what the kernel was told, not about the device: memory will do, and
        // the neighbours' disk traffic stays out of it.
        let memory = Path::new("/dev/shm");
        let place = match std::env::var_os("SOVEREIGN_TORTURE_TMP") {
            Some(place) => PathBuf::from(place),
            None if memory.is_dir() => memory.to_owned(),
            None => std::env::temp_dir(),
        };
        let root = tempfile::tempdir_in(place).expect("a temporary directory");
        Self {
            root,
            state: BTreeMap::new(),
            applied: [0; THREADS as usize],
        }
    }

    fn data(&self) -> PathBuf {
        self.root.path().join("root/data")
    }

    fn command(&self) -> Command {
        let mut command = Command::new(std::env::current_exe().expect("this test"));
        command.args(["child", "--exact", "--ignored", "--nocapture"]);
        command
            .env(DIR, self.data())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// The child under a power cut after so many changes to the file system.
    fn doomed(&self, shim: &Path, after: u32, seed: u64, deaf: bool) -> Command {
        let (root, grave) = (
            self.root.path().join("root"),
            self.root.path().join("grave"),
        );
        let _ = std::fs::remove_dir_all(&grave);
        std::fs::create_dir_all(&grave).expect("a grave");
        std::fs::create_dir_all(&root).expect("a root");
        let mut command = self.command();
        command
            .env("LD_PRELOAD", shim)
            .env("POWERCUT_ROOT", root)
            .env("POWERCUT_GRAVE", grave);
        command
            .env("POWERCUT_AFTER", after.to_string())
            .env("POWERCUT_SEED", seed.to_string());
        if deaf {
            command.env("POWERCUT_DEAF", "1");
        }
        command
    }

    /// Commits so many batches for each thread, here, and never compacts.
    fn garbage(&self, batches: u64) {
        let opened = DiskStore::open(&self.data(), without_compaction()).expect("opens");
        for thread in 0..THREADS {
            for number in 1..=batches {
                let ops = batch(thread, number);
                opened.store.commit(Batch { ops }).expect("committed");
            }
        }
    }

    /// Opens the store and compares it with what was acknowledged.
    fn check(&mut self, acknowledged: &[u64; THREADS as usize]) -> Result<Checked, String> {
        self.check_with(acknowledged, options())
    }

    fn check_with(
        &mut self,
        acknowledged: &[u64; THREADS as usize],
        options: Options,
    ) -> Result<Checked, String> {
        let (began, before) = (Instant::now(), cpu());
        let opened = DiskStore::open(&self.data(), options).map_err(|error| error.to_string())?;
        let (took, cpu) = (began.elapsed(), cpu().saturating_sub(before));
        if let Some(damage) = opened.damage {
            return Err(format!("damaged: {damage}"));
        }
        let mut unacknowledged = 0;
        for thread in 0..THREADS {
            let at = usize::from(thread);
            let found = committed(&opened.store, thread);
            let least = self.applied[at].max(acknowledged[at]);
            if !(least..=least + 1).contains(&found) {
                return Err(format!(
                    "thread {thread}: {least} acknowledged, {found} there"
                ));
            }
            unacknowledged += found - least;
            for number in self.applied[at] + 1..=found {
                for op in batch(thread, number) {
                    match op {
                        Op::Put(table, key, value) => self.state.insert((table, key), value),
                        Op::Delete(table, key) => self.state.remove(&(table, key)),
                    };
                }
            }
            self.applied[at] = found;
        }
        let mut there = BTreeMap::new();
        for table in Table::ALL {
            let mut see = |key: &[u8], value: &[u8]| {
                there.insert((table, key.to_vec()), value.to_vec());
            };
            opened
                .store
                .scan(table, &mut see)
                .map_err(|error| error.to_string())?;
        }
        if there != self.state {
            return Err("the contents are not those after a whole number of batches".to_owned());
        }
        Ok(Checked {
            took,
            cpu,
            torn: opened.torn,
            unacknowledged,
        })
    }
}

/// Processor time of this thread: unlike the clock's, it does not depend on the neighbours.
fn cpu() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::try_from(now).unwrap_or_default()
}

struct Checked {
    took: Duration,
    cpu: Duration,
    torn: u64,
    unacknowledged: u64,
}

/// Listens until the child is dead; kills it after so many acknowledgements and a moment. Returns
/// whether it said that it had compacted.
fn listen(
    mut child: Child,
    kill: Option<(u32, Duration)>,
    acknowledged: &mut [u64; THREADS as usize],
) -> Result<bool, String> {
    let mut heard = 0;
    let mut compacted = false;
    let mut due = kill;
    let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    for line in lines.map_while(Result::ok) {
        let mut words = line.split(' ');
        match words.next() {
            Some("ready") => {}
            Some("compacted") => compacted = true,
            Some("ack") => {
                let mut number = || words.next().and_then(|word| word.parse::<u64>().ok());
                let (Some(thread), Some(number)) = (number(), number()) else {
                    continue;
                };
                acknowledged[thread as usize] = number;
                heard += 1;
            }
            _ => continue,
        }
        if let Some((_, moment)) = due.take_if(|(after, _)| heard >= *after) {
            // The moment is the point of the test: somewhere inside the next commits.
            std::thread::sleep(moment);
            child.kill().expect("it is ours");
        }
    }
    let output = child.wait_with_output().expect("it is ours");
    if output.status.signal() == Some(9) {
        return Ok(compacted);
    }
    Err(format!(
        "the child ended by itself: {}",
        String::from_utf8_lossy(&output.stderr)
    ))
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |value| value.parse().expect("a number"))
}

fn rng() -> ChaCha8Rng {
    let seed = number("SOVEREIGN_TORTURE_SEED", 1);
    println!("seed {seed}");
    ChaCha8Rng::seed_from_u64(seed)
}

#[derive(Default)]
struct Totals {
    acknowledged: u64,
    unacknowledged: u64,
    torn_rounds: u32,
    worst_open: Duration,
    worst_cpu: Duration,
    slow: u32,
}

impl Totals {
    fn add(&mut self, checked: &Checked, before: u64, bench: &Bench) {
        self.acknowledged += bench.applied.iter().sum::<u64>() - before;
        self.unacknowledged += checked.unacknowledged;
        self.torn_rounds += u32::from(checked.torn > 0);
        self.worst_open = self.worst_open.max(checked.took);
        self.worst_cpu = self.worst_cpu.max(checked.cpu);
        self.slow += u32::from(checked.took > Duration::from_secs(2));
        assert!(checked.took < OPEN_WITHIN, "opened in {:?}", checked.took);
    }

    fn print(&self, what: &str, rounds: u64) {
        println!(
            "{what}: {rounds} rounds, {} batches, 0 acknowledged lost, {} unacknowledged survived whole, \
             {} rounds with a torn tail, worst open {:?} ({:?} of processor time), {} above 2 s",
            self.acknowledged,
            self.unacknowledged,
            self.torn_rounds,
            self.worst_open,
            self.worst_cpu,
            self.slow
        );
    }
}

/// Half of the rounds begin as after a crash, the others as after an orderly stop.
fn forget_the_stop(bench: &Bench, rng: &mut ChaCha8Rng) {
    if rng.next_u32() & 1 == 0 {
        let _ = std::fs::remove_file(bench.data().join("clean"));
    }
}

#[test]
fn kill_9_under_write_load_loses_nothing_acknowledged() {
    let (rounds, mut rng) = (number("SOVEREIGN_TORTURE_ROUNDS", 100), rng());
    let mut totals = Totals::default();
    let mut bench = Bench::new();
    for round in 0..rounds {
        if round % 50 == 0 {
            bench = Bench::new();
        }
        let before = bench.applied.iter().sum();
        let mut acknowledged = bench.applied;
        let after = if rng.next_u32() % 8 == 0 {
            0
        } else {
            1 + rng.next_u32() % 120
        };
        let moment = Duration::from_micros(u64::from(rng.next_u32() % 3000));
        let child = bench.command().spawn().expect("a child");
        listen(child, Some((after, moment)), &mut acknowledged).expect("killed");
        let checked = bench
            .check(&acknowledged)
            .unwrap_or_else(|lost| panic!("round {round}: {lost}"));
        totals.add(&checked, before, &bench);
        forget_the_stop(&bench, &mut rng);
    }
    totals.print("kill -9", rounds);
    assert!(totals.acknowledged >= rounds, "the children did work");
}

#[test]
fn a_power_cut_loses_nothing_acknowledged() {
    let (cuts, mut rng) = (number("SOVEREIGN_TORTURE_CUTS", 20), rng());
    let (_library, shim) = shim();
    let mut totals = Totals::default();
    let mut bench = Bench::new();
    for cut in 0..cuts {
        if cut % 10 == 0 {
            bench = Bench::new();
        }
        let before = bench.applied.iter().sum();
        let mut acknowledged = bench.applied;
        // A first start takes some twenty changes, a compaction about ten.
        let after = 1 + rng.next_u32() % if cut % 3 == 0 { 40 } else { 1500 };
        let child = bench
            .doomed(&shim, after, rng.next_u64(), false)
            .spawn()
            .expect("a child");
        listen(child, None, &mut acknowledged).expect("the power is cut");
        let checked = bench
            .check(&acknowledged)
            .unwrap_or_else(|lost| panic!("cut {cut}: {lost}"));
        totals.add(&checked, before, &bench);
        forget_the_stop(&bench, &mut rng);
    }
    totals.print("power cut", cuts);
    assert!(totals.acknowledged >= cuts, "the children did work");
}

/// The same around a compaction: the power goes after each single change that it makes, and a few
/// changes later, when the next batches have been acknowledged.
#[test]
fn a_power_cut_at_each_step_of_a_compaction_loses_nothing() {
    let mut rng = rng();
    let (_library, shim) = shim();
    let mut totals = Totals::default();
    let (mut steps, mut cuts) = (0, 0);
    let mut behind = 0;
    while behind < 12 {
        steps += 1;
        let mut compacted = false;
        for _ in 0..3 {
            cuts += 1;
            let mut bench = Bench::new();
            let mut acknowledged = [20; THREADS as usize];
            bench.garbage(20);
            let ready = bench.check_with(&acknowledged, without_compaction());
            ready.unwrap_or_else(|lost| panic!("before step {steps}: {lost}"));
            let mut child = bench.doomed(&shim, steps, rng.next_u64(), false);
            let child = child.env(COMPACT, "1").spawn().expect("a child");
            compacted |= listen(child, None, &mut acknowledged).expect("the power is cut");
            let before = bench.applied.iter().sum();
            let checked = bench.check(&acknowledged);
            let checked = checked.unwrap_or_else(|lost| panic!("step {steps}: {lost}"));
            totals.add(&checked, before, &bench);
        }
        behind += u32::from(compacted);
    }
    totals.print("power cut around a compaction", cuts);
    assert!(
        steps > 20,
        "a compaction takes more than {} changes",
        steps - 12
    );
}

/// The control: when syncs do nothing, the same test must find losses. Otherwise it tests nothing.
#[test]
fn the_power_cut_is_felt_when_syncs_are_ignored() {
    let mut rng = rng();
    let (_library, shim) = shim();
    let mut losses = 0;
    for _ in 0..10 {
        let mut bench = Bench::new();
        let mut acknowledged = [0; THREADS as usize];
        let after = 200 + rng.next_u32() % 300;
        let child = bench
            .doomed(&shim, after, rng.next_u64(), true)
            .spawn()
            .expect("a child");
        listen(child, None, &mut acknowledged).expect("the power is cut");
        losses += u32::from(bench.check(&acknowledged).is_err());
    }
    println!("syncs ignored: {losses} of 10 rounds lost acknowledged batches");
    assert!(losses >= 5, "only {losses} of 10");
}

/// Compiles the power cut.
fn shim() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let library = dir.path().join("powercut.so");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/powercut.c");
    let compiled = Command::new("cc")
        .args(["-O1", "-shared", "-fPIC", "-o"])
        .args([library.as_path(), source.as_path()])
        .args(["-ldl", "-pthread"])
        .output()
        .expect("the README assumes a C compiler");
    assert!(
        compiled.status.success(),
        "{}",
        String::from_utf8_lossy(&compiled.stderr)
    );
    (dir, library)
}
