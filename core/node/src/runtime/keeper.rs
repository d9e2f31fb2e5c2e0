//! The store's thread: takes writes and reads in order, and lets writes share flushes. A flush costs more
//! processor time than everything else that is done for a message, and wears the flash memory.

mod budget;
mod desk;
mod group;

use std::{path::PathBuf, sync::Arc, thread::JoinHandle, time::Instant};

use bytes::Bytes;
use sovereign_protocol::{
    engine::{PersistOutcome, StoreOp, Token},
    id::{ContentId, LinkId, MessageId},
};
use tokio::sync::mpsc;

use self::desk::{Desk, Due};
use super::archive_file::{self, Item};
use crate::{
    api::{ApiError, Exported},
    ports::store::{Store, Table},
};

/// Jobs that wait for the store's thread, and answers that wait for the event loop, at most. What
/// peers can have under way is bounded by their links' credit, far below it.
pub(super) const KEEPER_QUEUE: usize = 8_192;
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
    /// Nobody waits for it: it is held back as long as is allowed.
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

/// Where the store's work is done.
enum Place {
    Thread(JoinHandle<()>),
    /// On the runtime's clock: a simulator's.
    #[cfg(feature = "simulation")]
    Task(tokio::task::JoinHandle<()>),
}

/// The thread's handle. Dropping it lets the thread end; `finish` waits for it.
pub(crate) struct Keeper {
    jobs: flume::Sender<Job>,
    pub(super) done: mpsc::Receiver<Done>,
    place: Option<Place>,
}

impl Keeper {
    pub(super) fn start(store: Arc<dyn Store>) -> std::io::Result<Self> {
        let (jobs, inbox, outbox, done) = queues();
        let thread = std::thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || {
                // The node has gone: there is nobody left to answer.
                let _ = work(&*store, &inbox, &outbox);
            })?;
        Ok(Self {
            jobs,
            done,
            place: Some(Place::Thread(thread)),
        })
    }

    /// The same as a task, on whose clock a flush takes so long.
    #[cfg(feature = "simulation")]
    pub(crate) fn start_task(store: Arc<dyn Store>, flush: std::time::Duration) -> Self {
        let (jobs, inbox, outbox, done) = queues();
        let task = tokio::spawn(async move {
            let _ = work_on_task(&*store, flush, &inbox, &outbox).await;
        });
        Self {
            jobs,
            done,
            place: Some(Place::Task(task)),
        }
    }

    /// Hands a job over; gives it back when the queue is full or the thread is gone.
    pub(super) fn submit(&self, job: Job) -> Result<(), Box<Job>> {
        self.jobs
            .try_send(job)
            .map_err(|error| Box::new(error.into_inner()))
    }

    /// Lets the thread finish what was submitted, and waits for it.
    pub(super) async fn finish(mut self) {
        let closed = flume::bounded(0).0;
        drop(core::mem::replace(&mut self.jobs, closed));
        while self.done.recv().await.is_some() {}
        // It has dropped its sender: nothing is left but to return.
        match self.place.take() {
            Some(Place::Thread(thread)) => drop(thread.join()),
            #[cfg(feature = "simulation")]
            Some(Place::Task(task)) => drop(task.await),
            None => {}
        }
    }
}

/// A crash: what was not flushed is lost. A thread ends with its inbox, having flushed what it has.
#[cfg(feature = "simulation")]
impl Drop for Keeper {
    fn drop(&mut self) {
        if let Some(Place::Task(task)) = &self.place {
            task.abort();
        }
    }
}

type Queues = (
    flume::Sender<Job>,
    flume::Receiver<Job>,
    mpsc::Sender<Done>,
    mpsc::Receiver<Done>,
);

fn queues() -> Queues {
    let (jobs, inbox) = flume::bounded(KEEPER_QUEUE);
    let (outbox, done) = mpsc::channel(KEEPER_QUEUE);
    (jobs, inbox, outbox, done)
}

/// Nobody takes answers any more.
struct Gone;

fn work(
    store: &dyn Store,
    inbox: &flume::Receiver<Job>,
    outbox: &mpsc::Sender<Done>,
) -> Result<(), Gone> {
    let start = Instant::now();
    let mut desk = Desk::default();
    loop {
        let job = match desk.wait(start.elapsed()) {
            None => inbox.recv().ok(),
            Some(at) if at <= start.elapsed() => inbox.try_recv().ok(),
            Some(at) => inbox.recv_deadline(start + at).ok(),
        };
        let last = job.is_none() && has_ended(inbox);
        let due = desk.turn(job, start.elapsed());
        for done in carry_out(store, due) {
            outbox.blocking_send(done).map_err(|_| Gone)?;
        }
        if last {
            return Ok(());
        }
    }
}

#[cfg(feature = "simulation")]
async fn work_on_task(
    store: &dyn Store,
    flush: std::time::Duration,
    inbox: &flume::Receiver<Job>,
    outbox: &mpsc::Sender<Done>,
) -> Result<(), Gone> {
    let start = tokio::time::Instant::now();
    let mut desk = Desk::default();
    loop {
        let job = match desk.wait(start.elapsed()) {
            None => inbox.recv_async().await.ok(),
            Some(at) if at <= start.elapsed() => inbox.try_recv().ok(),
            Some(at) => tokio::time::timeout_at(start + at, inbox.recv_async())
                .await
                .ok()
                .and_then(Result::ok),
        };
        let last = job.is_none() && has_ended(inbox);
        let due = desk.turn(job, start.elapsed());
        if due.commit.is_some() {
            tokio::time::sleep(flush).await;
        }
        for done in carry_out(store, due) {
            outbox.send(done).await.map_err(|_| Gone)?;
        }
        if last {
            return Ok(());
        }
    }
}

/// Whether no job is there, and none can come.
fn has_ended(inbox: &flume::Receiver<Job>) -> bool {
    inbox.is_disconnected() && inbox.is_empty()
}

fn carry_out(store: &dyn Store, due: Due) -> impl Iterator<Item = Done> + use<'_> {
    let persisted = due.commit.map(|group| Done::Persisted(group.commit(store)));
    persisted
        .into_iter()
        .chain(due.answer.map(|question| answer(store, question)))
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
