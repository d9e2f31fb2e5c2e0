//! What a link's handler, the behaviour and the port's caller share: the send queue and the wish
//! to close.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    task::Waker,
};

use bytes::{Bytes, BytesMut};
use libp2p::swarm::ConnectionId;
use sovereign_protocol::{
    id::{LinkId, TransportId},
    link_kind::{Medium, Role, Source},
};
use tokio::sync::Notify;

use super::{
    super::counters::Counters,
    framing::{MAX_FRAME, encode},
};
use crate::ports::network::{DownReason, Endpoint, NetworkEvent, SLOW_QUEUE, Topic, WIDE_QUEUE};

/// Bytes of frames handed to a slow link's writer at once: the largest frame, so that a control
/// frame waits for no more than one other.
const SLOW_BATCH: usize = MAX_FRAME;
/// The same for a wide link: one yamux data frame.
const WIDE_BATCH: usize = 16 * 1024;

/// One connection's facts and queue.
#[derive(Debug)]
pub(in super::super) struct Link {
    pub(in super::super) id: LinkId,
    pub(in super::super) connection: ConnectionId,
    pub(in super::super) peer: TransportId,
    pub(in super::super) role: Role,
    pub(in super::super) medium: Medium,
    pub(in super::super) source: Source,
    pub(in super::super) endpoint: Option<Endpoint>,
    pub(in super::super) slow: bool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    queue: VecDeque<Bytes>,
    /// Bytes of frames in the queue and in the batch that the handler is writing.
    bytes: usize,
    /// Set once: why the link is going down. Nothing is queued any more.
    closing: Option<DownReason>,
    /// Whether `NetworkEvent::Up` was handed over.
    up: bool,
    waker: Option<Waker>,
}

impl Link {
    pub(in super::super) fn new(facts: Facts, id: LinkId) -> Self {
        let Facts {
            connection,
            peer,
            role,
            medium,
            source,
            endpoint,
            slow,
        } = facts;
        Self {
            id,
            connection,
            peer,
            role,
            medium,
            source,
            endpoint,
            slow,
            state: Mutex::default(),
        }
    }

    /// Queues a frame. A frame that breaks the port's contract (empty, above 1 KiB, or above the
    /// queue's bound) closes the link.
    pub(in super::super) fn push(&self, frame: Bytes, counters: &Counters) {
        let bound = if self.slow { SLOW_QUEUE } else { WIDE_QUEUE };
        let mut state = self.lock();
        if state.closing.is_some() {
            return;
        }
        if frame.is_empty() || frame.len() > MAX_FRAME || state.bytes + frame.len() > bound {
            counters.overflows.fetch_add(1, Ordering::Relaxed);
            state.closing = Some(DownReason::Broken(
                "more was queued than the link may hold".into(),
            ));
        } else {
            state.bytes += frame.len();
            state.queue.push_back(frame);
        }
        state.wake();
    }

    /// Asks the handler to close the link; the first reason stays.
    pub(in super::super) fn close(&self, reason: DownReason) {
        let mut state = self.lock();
        state.closing.get_or_insert(reason);
        state.wake();
    }

    /// Why the link is going down, if it is.
    pub(in super::super) fn closing(&self) -> Option<DownReason> {
        self.lock().closing.clone()
    }

    /// Whether the link was reported up.
    pub(in super::super) fn is_up(&self) -> bool {
        self.lock().up
    }

    /// The event that reports the link up; marks it as reported.
    pub(super) fn up_event(&self) -> NetworkEvent {
        self.lock().up = true;
        NetworkEvent::Up {
            link: self.id,
            peer: self.peer,
            role: self.role,
            medium: self.medium,
            source: self.source,
            endpoint: self.endpoint,
        }
    }

    /// Remembers whom to wake, and tells whether the link is to go down.
    pub(super) fn register(&self, waker: &Waker) -> Option<DownReason> {
        let mut state = self.lock();
        match &mut state.waker {
            Some(known) => known.clone_from(waker),
            empty => *empty = Some(waker.clone()),
        }
        state.closing.clone()
    }

    /// Moves the next frames, prefixed, into `out`; returns the sum of their lengths. The bytes
    /// stay on the queue's account until [`Link::written`].
    pub(super) fn take_batch(&self, out: &mut BytesMut) -> usize {
        let bound = if self.slow { SLOW_BATCH } else { WIDE_BATCH };
        let mut state = self.lock();
        let mut taken = 0;
        while let Some(frame) = state.queue.front() {
            if taken > 0 && taken + frame.len() > bound {
                break;
            }
            taken += frame.len();
            encode(frame, out);
            state.queue.pop_front();
        }
        taken
    }

    /// Takes written bytes off the queue's account.
    pub(super) fn written(&self, bytes: usize) {
        let mut state = self.lock();
        state.bytes = state.bytes.saturating_sub(bytes);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

/// What is known of a connection when it is established.
pub(in super::super) struct Facts {
    pub(in super::super) connection: ConnectionId,
    pub(in super::super) peer: TransportId,
    pub(in super::super) role: Role,
    pub(in super::super) medium: Medium,
    pub(in super::super) source: Source,
    pub(in super::super) endpoint: Option<Endpoint>,
    pub(in super::super) slow: bool,
}

/// All links of one network, and the wishes that are states rather than queues, so that they
/// cannot overflow.
#[derive(Default)]
pub(in super::super) struct Hub {
    links: Mutex<BTreeMap<LinkId, Arc<Link>>>,
    wishes: Mutex<Wishes>,
    /// Rings when a wish was made.
    pub(in super::super) bell: Notify,
    next: AtomicU64,
    /// Gossip messages on their way to the port's caller.
    pub(in super::super) gossip_waiting: AtomicUsize,
    pub(in super::super) counters: Counters,
}

/// What the caller wants of gossip.
#[derive(Default)]
pub(in super::super) struct Wishes {
    /// The topics to be in, if they changed.
    pub(in super::super) topics: Option<Vec<Topic>>,
    /// Links to be admitted to gossip.
    pub(in super::super) admit: BTreeSet<LinkId>,
}

impl Hub {
    /// Numbers a new connection.
    pub(in super::super) fn insert(&self, facts: Facts) -> Arc<Link> {
        let id = LinkId(self.next.fetch_add(1, Ordering::Relaxed));
        let link = Arc::new(Link::new(facts, id));
        self.lock_links().insert(id, Arc::clone(&link));
        link
    }

    pub(in super::super) fn remove(&self, id: LinkId) {
        self.lock_links().remove(&id);
    }

    pub(in super::super) fn get(&self, id: LinkId) -> Option<Arc<Link>> {
        self.lock_links().get(&id).cloned()
    }

    /// Asks every link to close.
    pub(in super::super) fn close_all(&self) {
        let links: Vec<_> = self.lock_links().values().cloned().collect();
        for link in links {
            link.close(DownReason::Local);
        }
    }

    pub(in super::super) fn set_topics(&self, topics: Vec<Topic>) {
        self.lock_wishes().topics = Some(topics);
        self.bell.notify_one();
    }

    /// Wishes that a link be admitted to gossip; links that are gone are ignored.
    pub(in super::super) fn admit(&self, id: LinkId) {
        if self.get(id).is_some() {
            self.lock_wishes().admit.insert(id);
            self.bell.notify_one();
        }
    }

    pub(in super::super) fn take_wishes(&self) -> Wishes {
        std::mem::take(&mut *self.lock_wishes())
    }

    fn lock_links(&self) -> MutexGuard<'_, BTreeMap<LinkId, Arc<Link>>> {
        self.links.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_wishes(&self) -> MutexGuard<'_, Wishes> {
        self.wishes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
