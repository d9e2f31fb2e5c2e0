//! The store's thread: takes writes and reads in order, and lets writes share flushes. A flush costs more
//! processor time than everything else that is done for a message, and wears the flash memory.

use std::{
    path::PathBuf,
    sync::Arc,
    thread::JoinHandle,
    time::{Duration, Instant},
};

use bytes::Bytes;
use sovereign_protocol::{
    engine::{PersistOutcome, StoreOp, Token},
    id::{ContentId, LinkId, MessageId},
};
use tokio::sync::mpsc;

use super::{
    archive_file::{self, Item},
    writes::{translate, weight},
};
use crate::{
    api::{ApiError, Exported},
    ports::store::{Batch, MAX_BATCH, Store, StoreError, Table},
};

/// Jobs that wait for the store's thread, and answers that wait for the event loop, at most. What
/// peers can have under way is bounded by their links' credit, far below it.
pub(super) const KEEPER_QUEUE: usize = 8_192;
/// Batches that share one flush at most.
const MAX_SHARED: usize = 1_024;
/// Flushes that nobody waits for begin so far apart on average, below what a person notices: at most 50 a second.
const FLUSH_GAP: Duration = Duration::from_millis(20);
/// A group of this weight, in bytes, is worth a flush of its own at once: three quarters of a link's credit, so
/// that a fast sender is not kept waiting.
const WORTH_A_FLUSH: usize = 48 * 1_024;
/// What nobody at all waits for is held back so long.
const LAZY: Duration = Duration::from_millis(250);
/// So many are let through at once: a single message is not kept waiting for what came before it.
const FLUSH_BURST: u32 = 4;

/// What the store's thread is asked.
pub(super) enum Job {
    Commit(Write),
    Ask(Question),
}

/// What is read.
pub(super) enum Question {
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

/// Changes that become durable together.
pub(super) struct Write {
    pub(super) token: Token,
    pub(super) ops: Vec<StoreOp>,
    pub(super) haste: Haste,
}

/// How long a write may be held back for others to share its flush.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Haste {
    /// Nobody waits for it: [`LAZY`].
    None,
    /// A peer waits for its acknowledgement: until the next flush may begin.
    Soon,
    /// A person waits.
    Now,
}

/// What it answers.
pub(super) enum Done {
    /// All of one flush.
    Persisted(Vec<(Token, PersistOutcome)>),
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
    /// The queue was full.
    Busy { query: u64 },
}

/// The thread's handle. Dropping it lets the thread end; `finish` waits for it.
pub(super) struct Keeper {
    jobs: flume::Sender<Job>,
    pub(super) done: mpsc::Receiver<Done>,
    thread: Option<JoinHandle<()>>,
}

impl Keeper {
    pub(super) fn start(store: Arc<dyn Store>) -> std::io::Result<Self> {
        let (jobs, inbox) = flume::bounded(KEEPER_QUEUE);
        let (outbox, done) = mpsc::channel(KEEPER_QUEUE);
        let mut worker = Worker {
            store,
            inbox,
            outbox,
            budget: Budget {
                paid: Instant::now(),
            },
        };
        let thread = std::thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || {
                // The node has gone: there is nobody left to answer.
                let _ = worker.run();
            })?;
        Ok(Self {
            jobs,
            done,
            thread: Some(thread),
        })
    }

    /// Hands a job over; gives it back when the queue is full or the thread is gone.
    pub(super) fn submit(&self, job: Job) -> Result<(), Box<Job>> {
        self.jobs
            .try_send(job)
            .map_err(|error| Box::new(error.into_inner()))
    }

    /// Lets the thread finish what was submitted, and waits for it.
    pub(super) async fn finish(mut self) {
        let Self { jobs, done, thread } = &mut self;
        let (closed, _) = flume::bounded(0);
        drop(core::mem::replace(jobs, closed));
        while done.recv().await.is_some() {}
        if let Some(thread) = thread.take() {
            // It has dropped its sender: nothing is left but to return.
            let _ = thread.join();
        }
    }
}

/// Nobody takes answers any more.
struct Gone;

struct Worker {
    store: Arc<dyn Store>,
    inbox: flume::Receiver<Job>,
    outbox: mpsc::Sender<Done>,
    budget: Budget,
}

/// When flushes may begin that nobody waits for: one every [`FLUSH_GAP`] on average, [`FLUSH_BURST`] at
/// once after a pause (the virtual scheduling form of ITU-T I.371's GCRA).
struct Budget {
    /// When all flushes so far are paid for.
    paid: Instant,
}

impl Budget {
    fn next(&self) -> Instant {
        let credit = FLUSH_GAP * (FLUSH_BURST - 1);
        self.paid.checked_sub(credit).unwrap_or(self.paid)
    }

    /// Those that somebody waited for go beyond the budget, and leave no debt: the next one may begin after a
    /// gap at the latest.
    fn spend(&mut self, now: Instant) {
        self.paid = (self.paid.max(now) + FLUSH_GAP).min(now + FLUSH_GAP * FLUSH_BURST);
    }
}

impl Worker {
    fn run(&mut self) -> Result<(), Gone> {
        let mut after = None;
        while let Some(job) = after.take().or_else(|| self.inbox.recv().ok()) {
            match job {
                Job::Commit(write) => {
                    let mut group = Group::of(write, Instant::now());
                    after = self.gather(&mut group)?;
                    self.budget.spend(Instant::now());
                    self.say(Done::Persisted(group.commit(&*self.store)))?;
                }
                Job::Ask(question) => self.say(answer(&*self.store, question))?,
            }
        }
        Ok(())
    }

    /// Lets others join until the flush is due; answers meanwhile what has nothing to do with them.
    /// Returns the job that has to come after the flush, if there is one.
    fn gather(&self, group: &mut Group) -> Result<Option<Job>, Gone> {
        loop {
            let at = match group.haste {
                Haste::None => self.budget.next().max(group.began + LAZY),
                Haste::Soon | Haste::Now => self.budget.next(),
            };
            let due = group.is_worth_it() || Instant::now() >= at;
            let next = if due {
                self.inbox.try_recv().ok()
            } else {
                self.inbox.recv_deadline(at).ok()
            };
            match next {
                // The time has come, nobody is left who could come, or nobody is there.
                None => return Ok(None),
                Some(Job::Commit(write)) => {
                    if let Err(write) = group.join(write) {
                        return Ok(Some(Job::Commit(write)));
                    }
                }
                Some(Job::Ask(question)) => {
                    if due || group.concerns(&question) {
                        return Ok(Some(Job::Ask(question)));
                    }
                    self.say(answer(&*self.store, question))?;
                }
            }
        }
    }

    fn say(&self, answer: Done) -> Result<(), Gone> {
        self.outbox.blocking_send(answer).map_err(|_| Gone)
    }
}

/// Writes that share a flush.
struct Group {
    writes: Vec<Write>,
    bytes: usize,
    began: Instant,
    /// The greatest of all.
    haste: Haste,
}

impl Group {
    fn of(write: Write, began: Instant) -> Self {
        Self {
            bytes: weight(&write.ops),
            began,
            haste: write.haste,
            writes: vec![write],
        }
    }

    /// Takes a write in, or gives it back when there is no room for it.
    fn join(&mut self, write: Write) -> Result<(), Write> {
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
    fn is_worth_it(&self) -> bool {
        self.haste == Haste::Now || self.bytes >= WORTH_A_FLUSH
    }

    /// Whether a question could be answered differently before and after these writes.
    fn concerns(&self, question: &Question) -> bool {
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

    fn commit(self, store: &dyn Store) -> Vec<(Token, PersistOutcome)> {
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

fn answer(store: &dyn Store, question: Question) -> Done {
    match question {
        Question::Load { link, content } => Done::Loaded {
            link,
            content,
            body: read(store, Table::Bundles, &content.0).map(Bytes::from),
        },
        Question::Messages { query, ids } => {
            let records = ids
                .into_iter()
                .filter_map(|id| read(store, Table::Messages, &id.0).map(|record| (id, record)));
            Done::Messages {
                query,
                records: records.collect(),
            }
        }
        Question::Export { path, items, query } => {
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

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use sovereign_protocol::id::ChannelId;

    use super::*;
    use crate::{
        adapters::store::MemoryStore,
        ports::store::{Op, StoreStats},
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
        let mut group = Group::of(batches.next().unwrap(), Instant::now());
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

    /// A worker whose next flush that nobody waits for is an hour away, and its answers.
    fn gathering(jobs: Vec<Job>) -> (Worker, mpsc::Receiver<Done>) {
        let (sender, inbox) = flume::unbounded();
        for job in jobs {
            sender.send(job).unwrap();
        }
        let (outbox, answers) = mpsc::channel(16);
        let worker = Worker {
            store: Arc::new(Counting::default()),
            inbox,
            outbox,
            budget: Budget {
                paid: Instant::now() + Duration::from_secs(3600),
            },
        };
        (worker, answers)
    }

    fn drop_bundle(id: u8) -> Write {
        write(
            0,
            vec![StoreOp::DropBundle(ContentId([id; 32]))],
            Haste::Soon,
        )
    }

    fn load(id: u8) -> Job {
        Job::Ask(Question::Load {
            link: LinkId(1),
            content: ContentId([id; 32]),
        })
    }

    #[test]
    fn others_may_join_until_somebody_waits() {
        let (worker, _answers) = gathering(vec![
            Job::Commit(write(1, vec![put(1)], Haste::Soon)),
            Job::Commit(write(2, vec![put(2)], Haste::Now)),
            load(7),
        ]);
        let mut group = Group::of(write(0, vec![put(0)], Haste::Soon), Instant::now());
        let next = worker.gather(&mut group).ok().flatten();
        assert_eq!(group.writes.len(), 3);
        assert_eq!(group.haste, Haste::Now);
        // It came after the one that is waited for.
        assert!(matches!(next, Some(Job::Ask(Question::Load { .. }))));
    }

    #[test]
    fn questions_are_answered_meanwhile_unless_the_group_changes_the_answer() {
        let (worker, mut answers) = gathering(vec![load(8), load(7)]);
        let mut group = Group::of(drop_bundle(7), Instant::now());
        let next = worker.gather(&mut group).ok().flatten();
        assert!(
            matches!(answers.try_recv(), Ok(Done::Loaded { content, .. }) if content.0 == [8; 32])
        );
        assert!(answers.try_recv().is_err());
        let content = match next {
            Some(Job::Ask(Question::Load { content, .. })) => content,
            _ => panic!("the question that the group concerns comes after it"),
        };
        assert_eq!(content.0, [7; 32]);
    }

    #[test]
    fn what_nobody_waits_for_does_not_use_a_flush_that_is_due() {
        let (mut worker, _answers) =
            gathering(vec![Job::Commit(write(1, vec![put(1)], Haste::Soon))]);
        worker.budget.paid = Instant::now();
        // An hour from now, far beyond this test.
        let began = Instant::now() + Duration::from_secs(3600);
        let mut group = Group::of(write(0, vec![put(0)], Haste::None), began);
        assert!(worker.gather(&mut group).is_ok());
        assert_eq!((group.writes.len(), group.haste), (2, Haste::Soon));
    }

    #[test]
    fn a_heavy_group_waits_for_nothing() {
        let (worker, _answers) = gathering(Vec::new());
        let heavy = StoreOp::PutChannel {
            channel: ChannelId([1; 16]),
            record: vec![0; WORTH_A_FLUSH],
        };
        let mut group = Group::of(write(0, vec![heavy], Haste::None), Instant::now());
        assert!(matches!(worker.gather(&mut group), Ok(None)));
    }

    #[test]
    fn flushes_are_spaced_after_a_burst() {
        let start = Instant::now();
        let mut budget = Budget { paid: start };
        for _ in 0..FLUSH_BURST {
            assert!(budget.next() <= start);
            budget.spend(start);
        }
        assert_eq!(budget.next(), start + FLUSH_GAP);
        for _ in 0..100 {
            budget.spend(start);
        }
        assert_eq!(budget.next(), start + FLUSH_GAP);
        // A pause fills it up to the burst and no further.
        let later = start + Duration::from_secs(60);
        for _ in 0..FLUSH_BURST {
            assert!(budget.next() <= later);
            budget.spend(later);
        }
        assert_eq!(budget.next(), later + FLUSH_GAP);
    }

    #[test]
    fn a_group_is_bounded() {
        let mut group = Group::of(write(0, vec![put(0)], Haste::Soon), Instant::now());
        while group.writes.len() < MAX_SHARED {
            assert!(group.join(write(1, vec![put(1)], Haste::Soon)).is_ok());
        }
        assert!(group.join(write(1, vec![put(1)], Haste::Soon)).is_err());
        let large = || {
            let record = vec![0; MAX_BATCH / 2];
            let channel = ChannelId([1; 16]);
            vec![StoreOp::PutChannel { channel, record }]
        };
        let mut group = Group::of(write(0, large(), Haste::Soon), Instant::now());
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
