//! The developer panel's data and actions (APP-5). Nothing here runs unless it is asked for.

use sovereign_protocol::{engine::PeerState, id::TransportId, link_kind::Role};

use super::{
    commands::{Answer, Query},
    driver::Driver,
    randomness::Randomness,
    say,
    tally::LinkTally,
};
use crate::{
    api::{
        ApiError, ErrorKind, MAX_PANEL_PEERS, PanelInfo, PanelLink, PanelPeer, PanelTopic, Pong,
        Reconnecting, Reply, Traffic,
    },
    ports::{lan::Lan, network::Network},
    text::{rfc3339, rfc3339_ms},
};

impl<N: Network, L: Lan> Driver<N, L> {
    pub(super) fn panel(&self) -> PanelInfo {
        let now = self.now();
        let peers = self.engine.peers(now);
        let known = peers.len() as u64;
        let near = |state| matches!(state, PeerState::Connected | PeerState::Connecting);
        let link = |tally: &LinkTally| PanelLink {
            link: say::link_word(tally.medium),
            side: match tally.role {
                Role::Dialer => "dialed",
                Role::Listener => "accepted",
            }
            .to_owned(),
            address: tally
                .endpoint
                .and_then(|endpoint| say::multiaddr(&endpoint, &tally.peer)),
            up_s: now.boot.saturating_sub(tally.since).as_secs(),
            received: tally.bytes.received,
            sent: tally.bytes.sent,
        };
        let peers = peers
            .iter()
            .filter(|view| near(view.state))
            .take(MAX_PANEL_PEERS)
            .map(|view| PanelPeer {
                peer: say::peer_info(view),
                links: self.nets.tally.links_of(view.peer).map(link).collect(),
                nat: None,
            });
        PanelInfo {
            peers: peers.collect(),
            known,
            topics: self.topics(),
            gossip: self.config.gossip,
        }
    }

    fn topics(&self) -> Vec<PanelTopic> {
        if !self.config.gossip {
            return Vec::new();
        }
        let today = u32::try_from(self.now().wall_ms / 86_400_000).unwrap_or(u32::MAX);
        let tally = &self.nets.tally;
        let topic = |channel: &sovereign_protocol::engine::Channel| {
            let counts = tally.channel(&channel.id());
            let days = today.saturating_sub(1)..=today.saturating_add(1);
            let of_days = days.map(|day| tally.topic(&channel.keys().topic(day)));
            let (by_gossip, published) = of_days.fold((0, 0), |(received, published), topic| {
                (received + topic.received, published + topic.published)
            });
            PanelTopic {
                channel: channel.id().to_string(),
                name: say::channel_name(channel),
                topic: hex::encode(channel.keys().topic(today)),
                messages: counts.messages,
                by_gossip,
                published,
                last_received: counts.last_ms.map(|ms| rfc3339(ms / 1000)),
                delivered: counts.delivered,
                delivery_ms: counts
                    .delivery
                    .map(|time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX)),
            }
        };
        self.engine.channels().map(topic).collect()
    }

    /// Bytes over IP and over the radio, today.
    pub(super) fn today(&self) -> (Traffic, Traffic) {
        let today = self.nets.tally.today();
        let traffic = |bytes: crate::ports::network::LinkBytes| Traffic {
            received: bytes.received,
            sent: bytes.sent,
            since: rfc3339_ms(today.since_ms),
        };
        (traffic(today.ip), traffic(today.ble))
    }

    /// Asks a peer; answered when it has answered, or its link has gone.
    pub(super) fn ping(
        &mut self,
        answer: Answer,
        peer: &str,
    ) -> Option<(Answer, Result<Reply, ApiError>)> {
        let peer = match transport_id(peer) {
            Ok(peer) => peer,
            Err(error) => return Some((answer, Err(error))),
        };
        let now = self.now();
        if !self.engine.ping(&peer, now) {
            let error = ApiError::new(
                ErrorKind::NotFound,
                "there is no link to that peer that could be asked",
                "links over Bluetooth are watched by their own layer and are not asked",
            );
            return Some((answer, Err(error)));
        }
        self.ask(Query::Ping { answer, peer });
        None
    }

    /// A peer has answered.
    pub(super) fn round_trip(&mut self, peer: TransportId, time: std::time::Duration) {
        let rtt_ms = u32::try_from(time.as_millis()).unwrap_or(u32::MAX);
        self.answer_pings(peer, || Ok(Reply::Pong(Pong { rtt_ms })));
    }

    /// A link of a peer has gone, and with it perhaps the last one that could answer.
    pub(super) fn no_answer(&mut self, peer: TransportId) {
        let now = self.now();
        if self.engine.peer(&peer, now).state != PeerState::Connected {
            self.answer_pings(peer, || {
                Err(ApiError::new(
                    ErrorKind::NotFound,
                    "the link went down before the peer answered",
                    "see `sovereign peers`",
                ))
            });
        }
    }

    fn answer_pings(&mut self, of: TransportId, reply: impl Fn() -> Result<Reply, ApiError>) {
        let is_meant = |query: &Query| matches!(query, Query::Ping { peer, .. } if *peer == of);
        let numbers: Vec<u64> = self
            .queries
            .iter()
            .filter_map(|(number, query)| is_meant(query).then_some(*number))
            .collect();
        for number in numbers {
            if let Some(Query::Ping { answer, .. }) = self.queries.remove(&number) {
                // Whoever asked may have gone.
                let _ = answer.send(reply());
            }
        }
    }

    /// Closes the links to a peer, and dials it where it was sighted or last dialled.
    pub(super) fn reconnect(&mut self, peer: &str) -> Result<Reply, ApiError> {
        let peer = transport_id(peer)?;
        let now = self.now();
        let dialled: Option<_> = self
            .nets
            .tally
            .links_of(peer)
            .filter(|link| link.role == Role::Dialer)
            .find_map(|link| link.endpoint);
        let closed = self.engine.hang_up(&peer, now, &mut Randomness(&*self.rng));
        if closed == 0 && !self.nets.knows(&peer) {
            return Err(ApiError::new(
                ErrorKind::NotFound,
                "no such peer is linked or sighted",
                "see `sovereign peers`",
            ));
        }
        let dialing = match dialled {
            Some(crate::ports::network::Endpoint::Memory(..)) | None => self.nets.dial(peer),
            Some(endpoint) => {
                self.nets.dial_at(peer, endpoint);
                true
            }
        };
        Ok(Reply::Reconnecting(Reconnecting {
            closed: u32::try_from(closed).unwrap_or(u32::MAX),
            dialing,
        }))
    }
}

fn transport_id(text: &str) -> Result<TransportId, ApiError> {
    super::commands::bounded(text, crate::api::MAX_NAME_INPUT)?;
    text.parse().map_err(|_| {
        ApiError::new(
            ErrorKind::Invalid,
            "that is no PeerId",
            "copy it from `sovereign peers`",
        )
    })
}
