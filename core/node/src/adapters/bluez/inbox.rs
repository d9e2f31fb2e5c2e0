//! Events on their way up: bounded, and what is dropped is counted.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::ports::radio::{RADIO_INBOX, RadioEvent};

/// The queue between the radio's tasks and the node, which alone reads it.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    queue: Mutex<Queue>,
    came: Notify,
}

#[derive(Debug, Default)]
struct Queue {
    events: VecDeque<RadioEvent>,
    dropped: u32,
}

impl Inbox {
    /// Something that may be lost: a sighting or a frame. Beyond [`RADIO_INBOX`] it is, and is counted.
    pub(super) fn offer(&self, event: RadioEvent) {
        let mut queue = self.queue();
        if queue.events.len() < RADIO_INBOX {
            queue.events.push_back(event);
        } else {
            queue.dropped = queue.dropped.saturating_add(1);
        }
        drop(queue);
        self.came.notify_one();
    }

    /// Something that must arrive. There are few of these: one state in a row, and what follows from
    /// links and dials, of which none begins while [`Inbox::is_full`].
    pub(super) fn push(&self, event: RadioEvent) {
        let mut queue = self.queue();
        if matches!(event, RadioEvent::State(_))
            && matches!(queue.events.back(), Some(RadioEvent::State(_)))
        {
            queue.events.pop_back();
        }
        queue.events.push_back(event);
        drop(queue);
        self.came.notify_one();
    }

    /// A frame was lost on the way here.
    pub(super) fn lost(&self) {
        let mut queue = self.queue();
        queue.dropped = queue.dropped.saturating_add(1);
        drop(queue);
        self.came.notify_one();
    }

    pub(super) fn is_full(&self) -> bool {
        self.queue().events.len() >= RADIO_INBOX
    }

    /// The next event; safe to cancel.
    pub(super) async fn next(&self) -> RadioEvent {
        loop {
            if let Some(event) = self.take() {
                return event;
            }
            self.came.notified().await;
        }
    }

    fn take(&self) -> Option<RadioEvent> {
        let mut queue = self.queue();
        if queue.dropped > 0 {
            return Some(RadioEvent::Overflow(std::mem::take(&mut queue.dropped)));
        }
        queue.events.pop_front()
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        // Nothing panics while it holds the lock.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use futures::FutureExt as _;
    use sovereign_protocol::id::LinkId;

    use super::*;
    use crate::ports::radio::RadioState;

    fn frame(n: u8) -> RadioEvent {
        RadioEvent::Frame {
            link: LinkId(1),
            frame: Bytes::from(vec![n]),
        }
    }

    fn down() -> RadioEvent {
        RadioEvent::Down {
            link: LinkId(1),
            why: String::new(),
        }
    }

    #[test]
    fn frames_beyond_the_bound_are_counted_and_downs_are_not_lost() {
        let inbox = Inbox::default();
        for _ in 0..RADIO_INBOX - 1 {
            inbox.offer(frame(1));
        }
        assert!(!inbox.is_full());
        inbox.offer(frame(2));
        assert!(inbox.is_full());
        inbox.offer(frame(3));
        inbox.offer(frame(3));
        inbox.push(down());
        inbox.lost();
        assert_eq!(inbox.next().now_or_never(), Some(RadioEvent::Overflow(3)));
        for _ in 0..RADIO_INBOX - 1 {
            assert_eq!(inbox.next().now_or_never(), Some(frame(1)));
        }
        assert_eq!(inbox.next().now_or_never(), Some(frame(2)));
        assert_eq!(inbox.next().now_or_never(), Some(down()));
        assert_eq!(inbox.next().now_or_never(), None);
    }

    #[test]
    fn states_that_nobody_read_do_not_pile_up() {
        let inbox = Inbox::default();
        for n in 0..1000 {
            inbox.push(RadioEvent::State(RadioState::Off(n.to_string())));
        }
        let last = RadioEvent::State(RadioState::Off("999".to_owned()));
        assert_eq!(inbox.next().now_or_never(), Some(last));
        assert_eq!(inbox.next().now_or_never(), None);
    }
}
