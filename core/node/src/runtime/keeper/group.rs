//! Writes that become durable with one flush.

use std::time::Duration;

use sovereign_protocol::engine::{PersistOutcome, StoreOp, Token};

use super::{
    super::writes::{translate, weight},
    Haste, Question, Write,
};
use crate::ports::store::{Batch, MAX_BATCH, Store, StoreError};

/// Batches that share one flush at most.
const MAX_SHARED: usize = 1_024;
/// A group of this weight, in bytes, is worth a flush of its own at once: three quarters of a link's credit, so
/// that a fast sender is not kept waiting.
pub(super) const WORTH_A_FLUSH: usize = 48 * 1_024;

/// Writes that share a flush.
pub(super) struct Group {
    pub(super) writes: Vec<Write>,
    bytes: usize,
    /// Since the keeper's start.
    pub(super) began: Duration,
    /// The greatest of all.
    pub(super) haste: Haste,
}

impl Group {
    pub(super) fn of(write: Write, began: Duration) -> Self {
        Self {
            bytes: weight(&write.ops),
            began,
            haste: write.haste,
            writes: vec![write],
        }
    }

    /// Takes a write in, or gives it back when there is no room for it.
    pub(super) fn join(&mut self, write: Write) -> Result<(), Write> {
        let bytes = self.bytes + weight(&write.ops);
        if bytes > MAX_BATCH || self.writes.len() >= MAX_SHARED {
            return Err(write);
        }
        self.bytes = bytes;
        self.haste = self.haste.max(write.haste);
        self.writes.push(write);
        Ok(())
    }

    /// Whether it need not wait for others.
    pub(super) fn is_worth_it(&self) -> bool {
        self.haste == Haste::Now || self.bytes >= WORTH_A_FLUSH
    }

    /// Whether a question could be answered differently before and after these writes.
    pub(super) fn concerns(&self, question: &Question) -> bool {
        let mut ops = self.writes.iter().flat_map(|write| &write.ops);
        match question {
            Question::Load { content, .. } => ops.any(|op| {
                matches!(op, StoreOp::PutBundle { content: id, .. } | StoreOp::DropBundle(id) if id == content)
            }),
            Question::Messages { ids, .. } if ids.len() == 1 => ops.any(|op| {
                matches!(op, StoreOp::PutMessage { message, .. } | StoreOp::DropMessage(message) if *message == ids[0])
            }),
            _ => true,
        }
    }

    pub(super) fn commit(self, store: &dyn Store) -> Vec<(Token, PersistOutcome)> {
        let batch = |ops: &[StoreOp]| ops.iter().flat_map(translate).collect::<Vec<_>>();
        let together = Batch {
            ops: self
                .writes
                .iter()
                .flat_map(|write| batch(&write.ops))
                .collect(),
        };
        let outcome = outcome(store.commit(together));
        let alone = self.writes.len() == 1;
        let mut scrub = false;
        let mut answers = Vec::with_capacity(self.writes.len());
        for Write { token, ops, .. } in self.writes {
            let outcome = match outcome {
                // Together they were refused, for want of room perhaps: some may fit alone.
                PersistOutcome::Full | PersistOutcome::Failed if !alone => {
                    self::outcome(store.commit(Batch { ops: batch(&ops) }))
                }
                outcome => outcome,
            };
            scrub |= outcome == PersistOutcome::Durable && ops.contains(&StoreOp::Scrub);
            answers.push((token, outcome));
        }
        if scrub && let Err(error) = store.scrub() {
            tracing::warn!(%error, "what was deleted stays on the disk until the next compaction");
        }
        answers
    }
}

fn outcome(result: Result<(), StoreError>) -> PersistOutcome {
    match result {
        Ok(()) => PersistOutcome::Durable,
        Err(StoreError::Full) => PersistOutcome::Full,
        Err(error) => {
            tracing::error!(%error, "the store refused a write");
            PersistOutcome::Failed
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use sovereign_protocol::id::ChannelId;

    use super::*;
    use crate::{
        adapters::store::MemoryStore,
        ports::store::{Op, StoreStats, Table},
    };

    /// A store that counts its flushes and scrubs, and has no room when told so.
    #[derive(Default)]
    struct Counting {
        store: MemoryStore,
        commits: AtomicUsize,
        scrubs: AtomicUsize,
    }

    impl Store for Counting {
        fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
            self.store.get(table, key)
        }
        fn scan(
            &self,
            table: Table,
            visit: &mut dyn FnMut(&[u8], &[u8]),
        ) -> Result<(), StoreError> {
            self.store.scan(table, visit)
        }
        fn commit(&self, batch: Batch) -> Result<(), StoreError> {
            self.commits.fetch_add(1, Ordering::SeqCst);
            // A key of the first byte 9 is what there is no room for.
            let full = |op: &Op| matches!(op, Op::Put(_, key, _) if key.first() == Some(&9));
            if batch.ops.iter().any(full) {
                return Err(StoreError::Full);
            }
            self.store.commit(batch)
        }
        fn scrub(&self) -> Result<(), StoreError> {
            self.scrubs.fetch_add(1, Ordering::SeqCst);
            Ok(())
        }
        fn stats(&self) -> StoreStats {
            self.store.stats()
        }
    }

    fn put(id: u8) -> StoreOp {
        StoreOp::PutChannel {
            channel: ChannelId([id; 16]),
            record: vec![id],
        }
    }

    fn write(token: u64, ops: Vec<StoreOp>, haste: Haste) -> Write {
        Write {
            token: Token(token),
            ops,
            haste,
        }
    }

    fn outcomes(store: &Counting, batches: Vec<Vec<StoreOp>>) -> Vec<PersistOutcome> {
        let mut batches = batches
            .into_iter()
            .enumerate()
            .map(|(token, ops)| write(token as u64, ops, Haste::Soon));
        let mut group = Group::of(batches.next().unwrap(), Duration::ZERO);
        for write in batches {
            assert!(group.join(write).is_ok());
        }
        let answers = group.commit(store).into_iter();
        answers.map(|(_, outcome)| outcome).collect()
    }

    #[test]
    fn those_who_wait_share_one_flush() {
        let store = Counting::default();
        assert_eq!(
            outcomes(&store, vec![vec![put(1)], vec![put(2)]]),
            [PersistOutcome::Durable; 2]
        );
        assert_eq!(store.commits.load(Ordering::SeqCst), 1);
        assert_eq!(store.get(Table::Channels, &[2; 16]).unwrap(), Some(vec![2]));
    }

    #[test]
    fn one_without_room_does_not_take_the_others_along() {
        let store = Counting::default();
        let outcomes = outcomes(&store, vec![vec![put(1)], vec![put(9)], vec![put(2)]]);
        assert_eq!(
            outcomes,
            [
                PersistOutcome::Durable,
                PersistOutcome::Full,
                PersistOutcome::Durable
            ]
        );
    }

    #[test]
    fn a_group_is_bounded() {
        let mut group = Group::of(write(0, vec![put(0)], Haste::Soon), Duration::ZERO);
        while group.writes.len() < MAX_SHARED {
            assert!(group.join(write(1, vec![put(1)], Haste::Soon)).is_ok());
        }
        assert!(group.join(write(1, vec![put(1)], Haste::Soon)).is_err());
        let large = || {
            let record = vec![0; MAX_BATCH / 2];
            let channel = ChannelId([1; 16]);
            vec![StoreOp::PutChannel { channel, record }]
        };
        let mut group = Group::of(write(0, large(), Haste::Soon), Duration::ZERO);
        assert!(group.join(write(1, large(), Haste::Soon)).is_err());
    }

    #[test]
    fn destroyed_keys_go_from_the_disk_too() {
        // MSG-11: leaving a channel and forgetting an epoch end with a scrub, after the batch.
        let store = Counting::default();
        let leave = vec![StoreOp::DropChannel(ChannelId([1; 16])), StoreOp::Scrub];
        assert_eq!(
            outcomes(&store, vec![vec![put(1)]]),
            [PersistOutcome::Durable]
        );
        assert_eq!(store.scrubs.load(Ordering::SeqCst), 0);
        assert_eq!(outcomes(&store, vec![leave]), [PersistOutcome::Durable]);
        assert_eq!(store.scrubs.load(Ordering::SeqCst), 1);
        assert_eq!(store.get(Table::Channels, &[1; 16]).unwrap(), None);
    }
}
