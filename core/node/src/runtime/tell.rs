//! What the engine tells, as events of the API.

use sovereign_protocol::{
    engine::{OwnState, Said, Tell},
    id::{AuthorKey, ChannelId, MessageId},
};

use super::{commands::Query, driver::Driver, say};
use crate::{
    api::EventKind,
    ports::{lan::Lan, network::Network},
};

impl<N: Network, L: Lan> Driver<N, L> {
    pub(super) fn tell(&mut self, tell: Tell) {
        let now = self.now();
        self.note(&tell);
        let kind = match tell {
            Tell::PeerDiscovered(peer) => {
                EventKind::PeerDiscovered { peer: say::peer_info(&self.engine.peer(&peer, now)) }
            }
            Tell::PeerUpdated(peer) => EventKind::PeerUpdated { peer: say::peer_info(&self.engine.peer(&peer, now)) },
            Tell::PeerLost(peer) => EventKind::PeerLost { transport_id: peer.to_string() },
            Tell::NeighbourDiscovered(neighbour) => EventKind::PeerDiscovered { peer: say::neighbour_info(&neighbour) },
            Tell::NeighbourUpdated(neighbour) => EventKind::PeerUpdated {
                peer: match neighbour.peer {
                    Some(peer) => say::peer_info(&self.engine.peer(&peer, now)),
                    None => say::neighbour_info(&neighbour),
                },
            },
            Tell::NeighbourLost(discovery) => EventKind::PeerLost { transport_id: say::neighbour_id(&discovery) },
            Tell::LinkUp { peer, medium } => {
                EventKind::LinkUp { transport_id: peer.to_string(), link: say::link_word(medium) }
            }
            Tell::LinkDown { peer, medium, reason } => EventKind::LinkDown {
                transport_id: peer.to_string(),
                link: say::link_word(medium),
                reason: say::close_words(reason).to_owned(),
            },
            Tell::RoundTrip { peer, time } => return self.round_trip(peer, time),
            Tell::Message { channel, message, author, said } => return self.tell_message(channel, message, author, said),
            Tell::Retracted { channel, message } => EventKind::Warning {
                kind: "message_retracted".to_owned(),
                message: format!("message {message} in channel {channel} turned out to lie about its place and is not shown"),
            },
            Tell::State { channel, message, state } => EventKind::MessageState {
                id: message.to_string(),
                channel: channel.to_string(),
                state: say::state_word(state),
            },
            Tell::Synced(peer) => EventKind::Synced { transport_id: peer.to_string() },
            Tell::StoreTrouble { full: true } => EventKind::Warning {
                kind: "disk_full".to_owned(),
                message: "the disk is full: nothing was lost, but nothing can be stored until there is room".to_owned(),
            },
            Tell::StoreTrouble { full: false } => EventKind::Warning {
                kind: "store".to_owned(),
                message: "the store refuses writes: see the log, and `sovereign doctor`".to_owned(),
            },
            Tell::StoreWorks => EventKind::Warning { kind: "store_works".to_owned(), message: "the store takes writes again".to_owned() },
        };
        self.emit(kind);
    }

    /// What people may ask for later.
    fn note(&mut self, tell: &Tell) {
        let now = self.now();
        match tell {
            Tell::LinkDown { peer, .. } => self.no_answer(*peer),
            Tell::Message {
                channel,
                message,
                author,
                ..
            } => {
                let own = self
                    .engine
                    .channel(channel)
                    .map(|channel| channel.log().own());
                if own == Some(*author) {
                    self.nets.tally.wrote(*message, now.boot);
                } else {
                    self.nets.tally.heard(*channel, now.wall_ms);
                }
            }
            Tell::State {
                channel,
                message,
                state: OwnState::Delivered,
            } => self.nets.tally.delivered(*channel, message, now.boot),
            _ => {}
        }
    }

    fn tell_message(
        &mut self,
        channel: ChannelId,
        message: MessageId,
        author: AuthorKey,
        said: Option<Said>,
    ) {
        // What is told before and still being read comes first.
        let reading = self
            .queries
            .values()
            .any(|query| matches!(query, Query::Tell { .. }));
        let Some(said) = said.filter(|_| !reading) else {
            return self.read_messages(vec![message], Query::Tell { channel });
        };
        let Some(known) = self.engine.channel(&channel) else {
            return;
        };
        self.emit(EventKind::Message {
            channel: channel.to_string(),
            channel_name: say::channel_name(known),
            message: say::entry(&self.engine, known, message, author, said),
        });
    }
}
