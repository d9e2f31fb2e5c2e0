//! The store's thread: takes writes and reads in order, and lets writes that wait share one flush.

use std::{path::PathBuf, sync::Arc, thread::JoinHandle};

use bytes::Bytes;
use sovereign_protocol::{
    engine::{PersistOutcome, StoreOp, Token},
    id::{ContentId, LinkId, MessageId},
};
use tokio::sync::mpsc::{self, error::TrySendError};

use super::archive_file::{self, Item};
use crate::{
    api::{ApiError, Exported},
    ports::store::{Batch, MAX_BATCH, Op, Store, StoreError, Table},
};

/// Jobs that wait for the store's thread, and answers that wait for the event loop, at most. What
/// peers can have under way is bounded by their links' credit, far below it.
pub(super) const KEEPER_QUEUE: usize = 8_192;
/// Batches that share one flush at most.
const MAX_SHARED: usize = 1_024;

/// What the store's thread is asked.
pub(super) enum Job {
    Commit {
        token: Token,
        ops: Vec<StoreOp>,
    },
    Load {
        link: LinkId,
        content: ContentId,
    },
    Messages {
        query: u64,
        ids: Vec<MessageId>,
    },
    Export {
        path: PathBuf,
        items: Vec<Item>,
        query: u64,
    },
}

/// What it answers.
pub(super) enum Done {
    Persisted {
        token: Token,
        outcome: PersistOutcome,
    },
    Loaded {
        link: LinkId,
        content: ContentId,
        body: Option<Bytes>,
    },
    Messages {
        query: u64,
        records: Vec<(MessageId, Vec<u8>)>,
    },
    Exported {
        query: u64,
        result: Result<Exported, ApiError>,
    },
}

/// The thread's handle. Dropping it lets the thread end; `finish` waits for it.
pub(super) struct Keeper {
    jobs: mpsc::Sender<Job>,
    pub(super) done: mpsc::Receiver<Done>,
    thread: Option<JoinHandle<()>>,
}

impl Keeper {
    pub(super) fn start(store: Arc<dyn Store>) -> std::io::Result<Self> {
        let (jobs, mut inbox) = mpsc::channel(KEEPER_QUEUE);
        let (outbox, done) = mpsc::channel(KEEPER_QUEUE);
        let thread = std::thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || {
                let mut waiting = None;
                while let Some(job) = waiting.take().or_else(|| inbox.blocking_recv()) {
                    let answers = match job {
                        Job::Commit { token, ops } => {
                            let mut shared = vec![(token, ops)];
                            let mut bytes = weight(&shared[0].1);
                            // Whoever waits already shares the flush; nobody is waited for.
                            while shared.len() < MAX_SHARED {
                                match inbox.try_recv() {
                                    Ok(Job::Commit { token, ops })
                                        if bytes + weight(&ops) <= MAX_BATCH =>
                                    {
                                        bytes += weight(&ops);
                                        shared.push((token, ops));
                                    }
                                    Ok(other) => {
                                        waiting = Some(other);
                                        break;
                                    }
                                    Err(_) => break,
                                }
                            }
                            commit(&*store, shared)
                        }
                        other => vec![answer(&*store, other)],
                    };
                    for answer in answers {
                        if outbox.blocking_send(answer).is_err() {
                            return;
                        }
                    }
                }
            })?;
        Ok(Self {
            jobs,
            done,
            thread: Some(thread),
        })
    }

    /// Hands a job over; gives it back when the queue is full or the thread is gone.
    pub(super) fn submit(&self, job: Job) -> Result<(), Box<Job>> {
        self.jobs.try_send(job).map_err(|error| match error {
            TrySendError::Full(job) | TrySendError::Closed(job) => Box::new(job),
        })
    }

    /// Lets the thread finish what was submitted, and waits for it.
    pub(super) async fn finish(mut self) {
        let Self { jobs, done, thread } = &mut self;
        let (closed, _) = mpsc::channel(1);
        drop(core::mem::replace(jobs, closed));
        while done.recv().await.is_some() {}
        if let Some(thread) = thread.take() {
            // It has dropped its sender: nothing is left but to return.
            let _ = thread.join();
        }
    }
}

fn commit(store: &dyn Store, shared: Vec<(Token, Vec<StoreOp>)>) -> Vec<Done> {
    let mut batch = Batch::default();
    for (_, ops) in &shared {
        batch.ops.extend(ops.iter().flat_map(translate));
    }
    let scrub = shared.iter().any(|(_, ops)| ops.contains(&StoreOp::Scrub));
    let outcome = outcome(store.commit(batch));
    if scrub
        && outcome == PersistOutcome::Durable
        && let Err(error) = store.scrub()
    {
        tracing::warn!(%error, "what was deleted stays on the disk until the next compaction");
    }
    if outcome == PersistOutcome::Durable || shared.len() == 1 {
        return shared
            .into_iter()
            .map(|(token, _)| Done::Persisted { token, outcome })
            .collect();
    }
    // Together they were refused, for want of room perhaps: some may fit alone.
    shared
        .into_iter()
        .map(|(token, ops)| {
            let batch = Batch {
                ops: ops.iter().flat_map(translate).collect(),
            };
            Done::Persisted {
                token,
                outcome: self::outcome(store.commit(batch)),
            }
        })
        .collect()
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

fn answer(store: &dyn Store, job: Job) -> Done {
    match job {
        Job::Commit { token, ops } => {
            let batch = Batch {
                ops: ops.iter().flat_map(translate).collect(),
            };
            Done::Persisted {
                token,
                outcome: outcome(store.commit(batch)),
            }
        }
        Job::Load { link, content } => Done::Loaded {
            link,
            content,
            body: read(store, Table::Bundles, &content.0).map(Bytes::from),
        },
        Job::Messages { query, ids } => {
            let records = ids
                .into_iter()
                .filter_map(|id| read(store, Table::Messages, &id.0).map(|record| (id, record)));
            Done::Messages {
                query,
                records: records.collect(),
            }
        }
        Job::Export { path, items, query } => {
            let body = |content: &ContentId| read(store, Table::Bundles, &content.0);
            Done::Exported {
                query,
                result: archive_file::write(&path, &items, body),
            }
        }
    }
}

fn read(store: &dyn Store, table: Table, key: &[u8]) -> Option<Vec<u8>> {
    store.get(table, key).unwrap_or_else(|error| {
        tracing::error!(%error, "the store refused a read");
        None
    })
}

fn weight(ops: &[StoreOp]) -> usize {
    ops.iter()
        .flat_map(translate)
        .map(|op| match op {
            Op::Put(_, key, value) => key.len() + value.len(),
            Op::Delete(_, key) => key.len(),
        })
        .sum()
}

/// The engine's changes in the store's terms.
fn translate(op: &StoreOp) -> Vec<Op> {
    let put = |table, key: &[u8], value: &[u8]| Op::Put(table, key.to_vec(), value.to_vec());
    let delete = |table, key: &[u8]| Op::Delete(table, key.to_vec());
    match op {
        StoreOp::PutBundle {
            content,
            body,
            record,
        } => {
            vec![
                put(Table::Bundles, &content.0, body),
                put(Table::Shelf, &content.0, record),
            ]
        }
        StoreOp::PutRecord { content, record } => vec![put(Table::Shelf, &content.0, record)],
        StoreOp::DropBundle(content) => vec![
            delete(Table::Bundles, &content.0),
            delete(Table::Shelf, &content.0),
        ],
        StoreOp::PutSeen { content, record } => vec![put(Table::Seen, &content.0, record)],
        StoreOp::DropSeen(content) => vec![delete(Table::Seen, &content.0)],
        StoreOp::PutMessage { message, record } => vec![put(Table::Messages, &message.0, record)],
        StoreOp::DropMessage(message) => {
            vec![
                delete(Table::Messages, &message.0),
                delete(Table::States, &message.0),
            ]
        }
        StoreOp::PutState { message, state } => {
            vec![put(Table::States, &message.0, &[*state as u8])]
        }
        StoreOp::PutChannel { channel, record } => vec![put(Table::Channels, &channel.0, record)],
        StoreOp::DropChannel(channel) => vec![delete(Table::Channels, &channel.0)],
        // Follows the batch.
        StoreOp::Scrub => Vec::new(),
        StoreOp::PutClock(record) => vec![put(Table::Meta, super::home::CLOCK, record)],
        StoreOp::PutNode(record) => vec![put(Table::Meta, super::home::NODE, record)],
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use sovereign_protocol::id::ChannelId;

    use super::*;
    use crate::{adapters::store::MemoryStore, ports::store::StoreStats};

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

    fn outcomes(store: &Counting, batches: Vec<Vec<StoreOp>>) -> Vec<PersistOutcome> {
        let shared = batches
            .into_iter()
            .enumerate()
            .map(|(token, ops)| (Token(token as u64), ops))
            .collect();
        let outcome = |done| match done {
            Done::Persisted { outcome, .. } => outcome,
            _ => panic!("a commit is answered by its outcome"),
        };
        commit(store, shared).into_iter().map(outcome).collect()
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
