//! Events on their way to a page: a few pushes a second, however much happens.

use std::collections::BTreeMap;

use sovereign_node::api::{Event, EventKind};

use crate::limits::{MAX_EVENTS, MAX_PEERS};

/// Events that wait. Of a peer only the latest is kept: the page shows what is, not what was.
#[derive(Debug, Default)]
pub(super) struct Batch {
    peers: BTreeMap<String, Event>,
    events: Vec<Event>,
    missed: u64,
}

impl Batch {
    /// Takes an event in; what finds no room is counted.
    pub(super) fn add(&mut self, event: Event) {
        match &event.kind {
            EventKind::PeerDiscovered { peer } | EventKind::PeerUpdated { peer } => {
                let id = peer.transport_id.clone();
                self.peer(id, event);
            }
            EventKind::PeerLost { transport_id } => {
                let id = transport_id.clone();
                self.peer(id, event);
            }
            EventKind::Missed { count } => self.missed = self.missed.saturating_add(*count),
            _ if self.events.len() < MAX_EVENTS => self.events.push(event),
            _ => self.missed += 1,
        }
    }

    fn peer(&mut self, id: String, event: Event) {
        if self.peers.len() < MAX_PEERS || self.peers.contains_key(&id) {
            self.peers.insert(id, event);
        } else {
            self.missed += 1;
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.peers.is_empty() && self.events.is_empty() && self.missed == 0
    }

    /// Everything that waits, peers first; [`EventKind::Missed`] first of all, as the page has to look again.
    pub(super) fn take(&mut self) -> Vec<Event> {
        let Self {
            peers,
            events,
            missed,
        } = std::mem::take(self);
        let at = || sovereign_node::text::rfc3339_now();
        let gap = (missed > 0).then(|| Event {
            at: at(),
            kind: EventKind::Missed { count: missed },
        });
        gap.into_iter()
            .chain(peers.into_values())
            .chain(events)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use sovereign_node::api::{LinkWord, PeerInfo, PeerState};

    use super::*;

    fn event(kind: EventKind) -> Event {
        Event {
            at: String::new(),
            kind,
        }
    }

    fn peer(id: usize, rank: u32) -> Event {
        event(EventKind::PeerUpdated {
            peer: PeerInfo {
                transport_id: id.to_string(),
                identity: None,
                name: None,
                contact: false,
                link: LinkWord::Lan,
                state: PeerState::Seen,
                rssi_dbm: None,
                rtt_ms: None,
                rank,
                age_s: 0,
            },
        })
    }

    fn lost(id: usize) -> Event {
        event(EventKind::PeerLost {
            transport_id: id.to_string(),
        })
    }

    fn left(id: usize) -> Event {
        event(EventKind::ChannelLeft { id: id.to_string() })
    }

    #[test]
    fn of_a_peer_only_the_latest_is_told() {
        let mut batch = Batch::default();
        assert!(batch.is_empty());
        batch.add(peer(1, 1));
        batch.add(left(1));
        batch.add(peer(1, 2));
        batch.add(peer(2, 3));
        batch.add(lost(2));
        assert!(!batch.is_empty());
        assert_eq!(batch.take(), [peer(1, 2), lost(2), left(1)]);
        assert!(batch.is_empty() && batch.take().is_empty());
    }

    #[test]
    fn what_finds_no_room_is_counted() {
        let mut batch = Batch::default();
        for id in 0..MAX_EVENTS + 2 {
            batch.add(left(id));
        }
        for id in 0..MAX_PEERS + 3 {
            batch.add(peer(id, 1));
        }
        // A known peer has its place.
        batch.add(peer(0, 2));
        batch.add(event(EventKind::Missed { count: 10 }));
        let taken = batch.take();
        assert_eq!(taken.len(), 1 + MAX_PEERS + MAX_EVENTS);
        assert_eq!(taken[0].kind, EventKind::Missed { count: 2 + 3 + 10 });
        assert_eq!(taken[1], peer(0, 2));
    }

    #[test]
    fn a_gap_alone_is_something_to_tell() {
        let mut batch = Batch::default();
        batch.add(event(EventKind::Missed { count: 1 }));
        assert!(!batch.is_empty());
        assert_eq!(batch.take().len(), 1);
    }
}
