//! Random histories against a map, and random harm to the journal.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
enum Act {
    Commit(Vec<Op>),
    Stop,
    Crash,
    Compact,
}

fn op() -> impl Strategy<Value = Op> {
    let table = prop_oneof![Just(Table::Meta), Just(Table::Seen), Just(Table::Messages)];
    let key = proptest::collection::vec(0u8..4, 0..3);
    let value = prop_oneof![
        4 => proptest::collection::vec(any::<u8>(), 0..40),
        1 => (any::<u8>(), 0usize..5000).prop_map(|(byte, len)| vec![byte; len]),
    ];
    (table, key, proptest::option::weighted(0.7, value)).prop_map(|(table, key, value)| match value
    {
        Some(value) => Op::Put(table, key, value),
        None => Op::Delete(table, key),
    })
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        8 => proptest::collection::vec(op(), 0..12).prop_map(Act::Commit),
        1 => Just(Act::Stop),
        1 => Just(Act::Crash),
        1 => Just(Act::Compact),
    ]
}

fn apply(model: &mut Pairs, ops: &[Op]) {
    for op in ops {
        match op.clone() {
            Op::Put(table, key, value) => model.insert((table, key), value),
            Op::Delete(table, key) => model.remove(&(table, key)),
        };
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn any_history_equals_the_model(acts in proptest::collection::vec(act(), 1..40), sled: bool) {
        let index = if sled { IndexKind::Sled } else { IndexKind::Memory };
        let options = || Options { index, compact_min: 8 * 1024, ..Options::default() };
        let mut dir = tempfile::tempdir().unwrap();
        let mut store = Some(DiskStore::open(dir.path(), options()).unwrap().store);
        let mut model = Pairs::new();
        for act in acts {
            let open = store.as_ref().unwrap();
            match act {
                Act::Commit(ops) => {
                    apply(&mut model, &ops);
                    open.commit(Batch { ops }).unwrap();
                }
                Act::Compact => open.compact().unwrap(),
                Act::Stop => drop(store.take()),
                Act::Crash => {
                    open.wait_for_compaction();
                    let crashed = crash_copy(dir.path());
                    drop(store.take());
                    dir = crashed;
                }
            }
            if store.is_none() {
                let opened = DiskStore::open(dir.path(), options()).unwrap();
                prop_assert_eq!((opened.damage, opened.torn), (None, 0));
                store = Some(opened.store);
            }
            let open = store.as_ref().unwrap();
            prop_assert_eq!(open.stats().keys, model.len() as u64);
            prop_assert_eq!(contents(open), model.clone());
        }
    }
}

/// A crashed store with everything that was ever acknowledged, in order.
fn history() -> (tempfile::TempDir, Vec<Vec<Op>>) {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let mut batches = Vec::new();
    for round in 0..12u8 {
        let put = |n: u8| Op::Put(Table::Seen, vec![n % 5], vec![round; usize::from(n) * 9]);
        let mut ops: Vec<Op> = (round..round + 4).map(put).collect();
        ops.push(Op::Delete(Table::Seen, vec![round % 7]));
        store.commit(Batch { ops: ops.clone() }).unwrap();
        batches.push(ops);
    }
    (crash_copy(dir.path()), batches)
}

#[derive(Debug, Clone)]
enum Harm {
    Flip(usize, u8),
    Cut(usize),
    Zero(usize, usize),
    Insert(usize, Vec<u8>),
    Repeat(usize, usize),
}

fn harm() -> impl Strategy<Value = Harm> {
    let at = any::<prop::sample::Index>().prop_map(|index| index.index(1 << 20));
    prop_oneof![
        4 => (at.clone(), 0u8..8).prop_map(|(at, bit)| Harm::Flip(at, bit)),
        2 => at.clone().prop_map(Harm::Cut),
        1 => (at.clone(), 1usize..600).prop_map(|(at, len)| Harm::Zero(at, len)),
        1 => (at.clone(), proptest::collection::vec(any::<u8>(), 1..90))
            .prop_map(|(at, bytes)| Harm::Insert(at, bytes)),
        1 => (at, 1usize..900).prop_map(|(at, len)| Harm::Repeat(at, len)),
    ]
}

fn harmed(mut bytes: Vec<u8>, harm: &Harm) -> Vec<u8> {
    let len = bytes.len();
    match harm {
        Harm::Flip(at, bit) => bytes[at % len] ^= 1 << bit,
        Harm::Cut(at) => bytes.truncate(at % len),
        Harm::Zero(at, n) => {
            let at = at % len;
            bytes[at..(at + n).min(len)].fill(0);
        }
        Harm::Insert(at, new) => drop(bytes.splice(at % len..at % len, new.iter().copied())),
        Harm::Repeat(at, n) => {
            let at = at % len;
            let copy = bytes[at..(at + n).min(len)].to_vec();
            bytes.extend_from_slice(&copy);
        }
    }
    bytes
}

/// Never a panic, never a value that was not written, never an empty store without a word: whatever
/// was done to the journal, the store holds a prefix of the history, or says that it is damaged.
#[test]
fn a_harmed_journal_is_torn_or_damaged_never_wrong() {
    let (template, batches) = history();
    let journal = fs::read(template.path().join("journal")).unwrap();
    let mut prefixes = vec![Pairs::new()];
    for ops in &batches {
        let mut next = prefixes.last().unwrap().clone();
        apply(&mut next, ops);
        prefixes.push(next);
    }
    let written: BTreeSet<(Vec<u8>, Vec<u8>)> = batches
        .iter()
        .flatten()
        .filter_map(|op| match op {
            Op::Put(_, key, value) => Some((key.clone(), value.clone())),
            Op::Delete(..) => None,
        })
        .collect();
    let config = ProptestConfig {
        cases: 600,
        ..ProptestConfig::default()
    };
    let mut outcomes = (0, 0);
    let mut runner = proptest::test_runner::TestRunner::new(config);
    let outcomes_seen = std::cell::RefCell::new(&mut outcomes);
    runner
        .run(&harm(), |harm| {
            let dir = crash_copy(template.path());
            fs::write(dir.path().join("journal"), harmed(journal.clone(), &harm)).unwrap();
            let opened = open_any(dir.path());
            let unreadable = opened.store.get(Table::Seen, b"").is_err();
            if unreadable {
                outcomes_seen.borrow_mut().0 += 1;
                prop_assert!(opened.damage.is_some());
                return Ok(());
            }
            let found = contents(&opened.store);
            if opened.damage.is_some() {
                outcomes_seen.borrow_mut().0 += 1;
                for ((_, key), value) in found {
                    prop_assert!(written.contains(&(key, value)));
                }
                prop_assert!(is_damaged(&opened.store.commit(put(b"x", b"y"))));
            } else {
                outcomes_seen.borrow_mut().1 += 1;
                prop_assert!(prefixes.contains(&found));
                opened.store.commit(put(b"x", b"y")).unwrap();
            }
            Ok(())
        })
        .unwrap();
    assert!(
        outcomes.0 > 50 && outcomes.1 > 50,
        "both outcomes were met: {outcomes:?}"
    );
}
