//! What waits for a node: bounded, and overflow is said where it happened.

use std::collections::VecDeque;

use sovereign_node::ports::radio::{RADIO_INBOX, RadioEvent};

/// Events in their order. Beyond [`RADIO_INBOX`] sightings and frames are dropped and counted; what a
/// node waits for (state, links' ups and downs, answers, readiness) never is: all of it follows from
/// the node's own commands or from links, and the world connects nobody to a full inbox.
#[derive(Debug, Default)]
pub(super) struct Inbox(VecDeque<RadioEvent>);

impl Inbox {
    pub(super) fn push(&mut self, event: RadioEvent) {
        let droppable = matches!(event, RadioEvent::Sighted { .. } | RadioEvent::Frame { .. });
        if !droppable || !self.is_full() {
            self.0.push_back(event);
        } else if let Some(RadioEvent::Overflow(count)) = self.0.back_mut() {
            *count = count.saturating_add(1);
        } else {
            self.0.push_back(RadioEvent::Overflow(1));
        }
    }

    pub(super) fn pop(&mut self) -> Option<RadioEvent> {
        self.0.pop_front()
    }

    pub(super) fn is_full(&self) -> bool {
        self.0.len() >= RADIO_INBOX
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use sovereign_node::ports::radio::{Bearer, RadioAddress, RadioState};
    use sovereign_protocol::{id::LinkId, link_kind::Role};

    use super::*;

    fn frame() -> RadioEvent {
        RadioEvent::Frame {
            link: LinkId(1),
            frame: Bytes::from_static(&[1]),
        }
    }

    #[test]
    fn overflow_stands_where_events_are_missing_and_counts_them_all() {
        let mut inbox = Inbox::default();
        for _ in 0..RADIO_INBOX - 1 {
            inbox.push(frame());
        }
        assert!(!inbox.is_full());
        inbox.push(frame());
        assert!(inbox.is_full());
        inbox.push(frame());
        inbox.push(frame());
        inbox.push(RadioEvent::Ready(LinkId(2)));
        inbox.push(frame());
        let mut kept = Vec::new();
        for _ in 0..RADIO_INBOX {
            assert_eq!(inbox.pop(), Some(frame()));
        }
        while let Some(event) = inbox.pop() {
            kept.push(event);
        }
        let ready = RadioEvent::Ready(LinkId(2));
        assert_eq!(
            kept,
            [RadioEvent::Overflow(2), ready, RadioEvent::Overflow(1)]
        );
        inbox.push(frame());
        assert_eq!(inbox.pop(), Some(frame()), "there is room again");
    }

    #[test]
    fn only_sightings_and_frames_are_dropped() {
        let address = RadioAddress(1);
        let (link, why) = (LinkId(1), String::new());
        let mut inbox = Inbox::default();
        for _ in 0..RADIO_INBOX {
            inbox.push(frame());
        }
        inbox.push(RadioEvent::Sighted {
            address,
            heard: Bytes::new(),
            rssi_dbm: None,
        });
        let kept = [
            RadioEvent::State(RadioState::On),
            RadioEvent::Up {
                link,
                address,
                max_frame: 20,
                role: Role::Dialer,
                bearer: Bearer::Gatt,
            },
            RadioEvent::Down {
                link,
                why: why.clone(),
            },
            RadioEvent::ConnectFailed { address, why },
            RadioEvent::Ready(link),
        ];
        for event in &kept {
            inbox.push(event.clone());
        }
        let rest: Vec<_> = std::iter::from_fn(|| inbox.pop())
            .skip(RADIO_INBOX)
            .collect();
        assert_eq!(rest[0], RadioEvent::Overflow(1));
        assert_eq!(rest[1..], kept);
    }
}
