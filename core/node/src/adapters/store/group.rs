//! Group commit: callers that come while the device is busy share the next flush.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use super::record::Sealed;
use crate::ports::store::StoreError;

/// Most bytes written before one flush; one batch alone may be larger.
const GROUP_BYTES: usize = 16 * 1024 * 1024;

/// Callers in the order of their arrival. The first to find nobody at work writes for all.
#[derive(Default)]
pub(super) struct Group {
    queue: Mutex<Queue>,
    turn: Condvar,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<(u64, Sealed)>,
    answers: BTreeMap<u64, Result<(), Failure>>,
    next: u64,
    leading: bool,
}

impl Group {
    /// Has `sealed` written by `write`, together with whoever else is waiting, by this thread or
    /// another one. Either all of a group are durable or none is.
    pub(super) fn commit(
        &self,
        sealed: Sealed,
        mut write: impl FnMut(&mut [Sealed]) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let mut queue = self.lock();
        let mine = queue.next;
        queue.next += 1;
        queue.waiting.push_back((mine, sealed));
        loop {
            if let Some(answer) = queue.answers.remove(&mine) {
                return answer.map_err(StoreError::from);
            }
            if queue.leading {
                queue = self
                    .turn
                    .wait(queue)
                    .unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            let (tickets, mut group) = queue.take();
            queue.leading = true;
            drop(queue);
            let died = Failure::Io(io::ErrorKind::Other, "the writing thread died".to_owned());
            let mut lead = Lead {
                group: self,
                tickets,
                answer: Err(died),
            };
            lead.answer = write(&mut group).map_err(Failure::from);
            drop(lead);
            queue = self.lock();
        }
    }

    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        self.lock().waiting.len()
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Answers a group and gives the lead back, also should the leader panic: nobody waits for ever.
struct Lead<'a> {
    group: &'a Group,
    tickets: Vec<u64>,
    answer: Result<(), Failure>,
}

impl Drop for Lead<'_> {
    fn drop(&mut self) {
        let mut queue = self.group.lock();
        for ticket in &self.tickets {
            queue.answers.insert(*ticket, self.answer.clone());
        }
        queue.leading = false;
        self.group.turn.notify_all();
    }
}

impl Queue {
    fn take(&mut self) -> (Vec<u64>, Vec<Sealed>) {
        let (mut tickets, mut group, mut bytes) = (Vec::new(), Vec::new(), 0);
        while let Some((ticket, sealed)) = self.waiting.pop_front() {
            bytes += sealed.bytes.len();
            if bytes > GROUP_BYTES && !group.is_empty() {
                self.waiting.push_front((ticket, sealed));
                break;
            }
            tickets.push(ticket);
            group.push(sealed);
        }
        (tickets, group)
    }
}

/// A store error that every member of a group can be given.
#[derive(Debug, Clone)]
pub(super) enum Failure {
    Full,
    Damaged(String),
    Io(io::ErrorKind, String),
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Full => Self::Full,
            StoreError::Damaged { what } => Self::Damaged(what),
            StoreError::Io(error) => Self::Io(error.kind(), error.to_string()),
            other => Self::Io(io::ErrorKind::Other, other.to_string()),
        }
    }
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Full => Self::Full,
            Failure::Damaged(what) => Self::Damaged { what },
            Failure::Io(kind, what) => Self::Io(io::Error::new(kind, what)),
        }
    }
}
