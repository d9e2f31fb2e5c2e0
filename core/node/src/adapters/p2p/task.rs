//! The task that runs the Swarm: commands in, events out.
//!
//! Frames do not pass here; they go between a link's handler and the port directly. While the inbox is full the
//! Swarm is not polled, so that nothing piles up; commands are still taken, so that `submit` finds room.

use std::{
    collections::{BTreeMap, VecDeque},
    future::poll_fn,
    num::NonZeroU8,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use bytes::Bytes;
use futures::StreamExt;
use libp2p::{
    PeerId, Swarm,
    core::transport::ListenerId,
    gossipsub,
    swarm::{
        ConnectionId, DialError, SwarmEvent,
        dial_opts::{DialOpts, PeerCondition},
    },
};
use sovereign_protocol::{id::TransportId, link_kind::Role};
use tokio::{
    sync::{mpsc, oneshot},
    time::timeout,
};
use tokio_util::sync::PollSender;

use super::{
    address::{endpoint_of, multiaddr_of},
    behaviour::{Behaviour, BehaviourEvent},
    gossip::Gossip,
    link::{Gone, Hub},
    peer_id_of,
};
use crate::ports::{
    network::{DownReason, Endpoint, NetworkEvent, Topic, Verdict},
    radio::RadioAddress,
};

/// Addresses of one dial (the port's contract).
const MAX_ENDPOINTS: usize = 16;
/// Addresses of one dial that are tried at once, the first ones first.
const DIAL_TOGETHER: NonZeroU8 = NonZeroU8::new(4).expect("4 is not 0");
/// Commands wait while more events than this do.
const MAX_PENDING: usize = 64;
/// Time for the connections to close when the node stops; the port promises one second.
const STOP_WITHIN: Duration = Duration::from_millis(700);
/// Gossip messages that wait for the node; at 17 KiB each they would outgrow the inbox's frames.
const MAX_GOSSIP_WAITING: usize = 64;
/// Longest explanation of a failed dial, in bytes.
const MAX_WHY: usize = 400;

/// What goes down through the queue. What must not be lost is not here: frames and closings go to
/// the link, topics and admissions to the [`Hub`].
pub(super) enum Command {
    Dial {
        peer: TransportId,
        endpoints: Vec<Endpoint>,
    },
    DialRadio {
        address: RadioAddress,
    },
    Publish {
        topic: Topic,
        data: Bytes,
    },
    Judge {
        token: u64,
        verdict: Verdict,
    },
}

/// See the module.
pub(super) struct Task {
    pub(super) swarm: Swarm<Behaviour>,
    pub(super) hub: Arc<Hub>,
    pub(super) commands: mpsc::Receiver<Command>,
    pub(super) inbox: PollSender<NetworkEvent>,
    pub(super) stop: oneshot::Receiver<()>,
    /// Events that wait for room in the inbox.
    pub(super) pending: VecDeque<NetworkEvent>,
    pub(super) listeners: Vec<ListenerId>,
    pub(super) gossip: Gossip,
    /// Radio addresses that were dialled, by their connections: bounded as these are.
    pub(super) radio_dials: BTreeMap<ConnectionId, RadioAddress>,
}

impl Task {
    /// Runs until the network is shut down or dropped.
    pub(super) async fn run(mut self) {
        let hub = Arc::clone(&self.hub);
        loop {
            tokio::select! {
                biased;
                _ = &mut self.stop => break,
                () = hub.bell.notified() => self.grant_wishes(),
                command = self.commands.recv(), if self.pending.len() < MAX_PENDING => match command {
                    Some(command) => self.command(command),
                    None => break,
                },
                room = poll_fn(|cx| self.inbox.poll_reserve(cx)), if !self.pending.is_empty() => {
                    if room.is_err() {
                        break;
                    }
                    if let Some(event) = self.pending.pop_front() {
                        // The slot is reserved: this fails only when nobody listens any more.
                        let _ = self.inbox.send_item(event);
                    }
                }
                event = self.swarm.select_next_some(), if self.pending.is_empty() => self.event(event),
            }
        }
        self.close().await;
    }

    async fn close(mut self) {
        self.hub.close_all();
        for id in std::mem::take(&mut self.listeners) {
            self.swarm.remove_listener(id);
        }
        let drained = async {
            while self.swarm.network_info().num_peers() > 0 {
                self.swarm.select_next_some().await;
            }
        };
        let _ = timeout(STOP_WITHIN, drained).await;
    }

    fn grant_wishes(&mut self) {
        let wishes = self.hub.take_wishes();
        let Some(gate) = self.swarm.behaviour_mut().gossip.as_mut() else {
            return;
        };
        if let Some(topics) = wishes.topics {
            self.gossip.set_topics(gate.inner_mut(), topics);
        }
        for id in wishes.admit {
            if let Some(link) = self.hub.get(id) {
                gate.admit(link.connection);
            }
        }
    }

    fn command(&mut self, command: Command) {
        match command {
            Command::Dial { peer, endpoints } => self.dial(peer, endpoints),
            Command::DialRadio { address } => self.dial_radio(address),
            Command::Publish { topic, data } => {
                if let Some(gate) = self.swarm.behaviour_mut().gossip.as_mut() {
                    self.gossip.publish(gate.inner_mut(), &topic, data.into());
                }
            }
            Command::Judge { token, verdict } => {
                if let Some(gate) = self.swarm.behaviour_mut().gossip.as_mut() {
                    self.gossip.judge(gate.inner_mut(), token, verdict);
                }
            }
        }
    }

    fn dial(&mut self, peer: TransportId, endpoints: Vec<Endpoint>) {
        let Some(peer_id) = peer_id_of(&peer) else {
            return self.dial_failed(peer, "the key is not an Ed25519 key".into());
        };
        let options = DialOpts::peer_id(peer_id)
            // Several links to one peer are wanted; the node decides how many.
            .condition(PeerCondition::Always)
            .addresses(
                endpoints
                    .into_iter()
                    .take(MAX_ENDPOINTS)
                    .map(multiaddr_of)
                    .collect(),
            )
            .override_dial_concurrency_factor(DIAL_TOGETHER)
            // From the listening port, two dials to one address would be the same connection.
            .allocate_new_port()
            .build();
        if let Err(why) = self.swarm.dial(options) {
            self.dial_failed(peer, explain(&why));
        }
    }

    /// Dials whoever has this radio address: nobody knows yet who that is.
    fn dial_radio(&mut self, address: RadioAddress) {
        let options = DialOpts::unknown_peer_id()
            .address(multiaddr_of(Endpoint::Memory(address.0, true)))
            .build();
        let connection = options.connection_id();
        match self.swarm.dial(options) {
            Ok(()) => {
                self.radio_dials.insert(connection, address);
            }
            Err(why) => self.radio_dial_failed(address, &why),
        }
    }

    fn radio_dial_failed(&mut self, address: RadioAddress, why: &DialError) {
        let why = explain(why);
        self.pending
            .push_back(NetworkEvent::RadioDialFailed { address, why });
    }

    fn dial_failed(&mut self, peer: TransportId, why: String) {
        self.pending
            .push_back(NetworkEvent::DialFailed { peer, why });
    }

    fn event(&mut self, event: SwarmEvent<BehaviourEvent>) {
        match event {
            SwarmEvent::Behaviour(BehaviourEvent::Link(gone)) => self.gone(gone),
            SwarmEvent::Behaviour(BehaviourEvent::Gossip(gossipsub::Event::Message {
                propagation_source,
                message_id,
                message,
            })) => self.gossiped(propagation_source, message_id, message),
            SwarmEvent::NewListenAddr { address, .. } => {
                self.pending
                    .extend(endpoint_of(&address).map(NetworkEvent::Listening));
            }
            SwarmEvent::ExpiredListenAddr { address, .. } => {
                self.pending
                    .extend(endpoint_of(&address).map(NetworkEvent::NotListening));
            }
            SwarmEvent::ListenerClosed { addresses, .. } => {
                self.pending.extend(
                    addresses
                        .iter()
                        .filter_map(endpoint_of)
                        .map(NetworkEvent::NotListening),
                );
            }
            SwarmEvent::ListenerError { error, .. } => {
                tracing::warn!(%error, "a listener has trouble")
            }
            SwarmEvent::OutgoingConnectionError {
                connection_id,
                peer_id,
                error,
            } => {
                if let Some(address) = self.radio_dials.remove(&connection_id) {
                    self.radio_dial_failed(address, &error);
                } else if let Some(peer_id) = peer_id
                    && let Some(peer) = super::transport_id_of(&peer_id)
                {
                    self.dial_failed(peer, explain(&error));
                }
            }
            SwarmEvent::IncomingConnectionError { error, .. } => {
                self.hub
                    .counters
                    .refused_incoming
                    .fetch_add(1, Ordering::Relaxed);
                tracing::debug!(%error, "an incoming connection failed");
            }
            _ => {}
        }
    }

    fn gone(&mut self, Gone { link, reason }: Gone) {
        let radio = self.radio_dials.remove(&link.connection);
        if link.is_up() {
            self.pending.push_back(NetworkEvent::Down {
                link: link.id,
                reason,
            });
            return;
        }
        if link.role == Role::Dialer {
            let why = match &reason {
                DownReason::Unsupported => "the peer does not speak link/1".into(),
                DownReason::Broken(why) => why.clone(),
                other => format!("the connection ended before the link was up ({other:?})"),
            };
            match radio {
                Some(address) => self
                    .pending
                    .push_back(NetworkEvent::RadioDialFailed { address, why }),
                None => self.dial_failed(link.peer, why),
            }
        }
        if reason == DownReason::Unsupported {
            self.pending.push_back(NetworkEvent::Down {
                link: link.id,
                reason,
            });
        }
    }

    fn gossiped(&mut self, from: PeerId, id: gossipsub::MessageId, message: gossipsub::Message) {
        let Some(gate) = self.swarm.behaviour_mut().gossip.as_mut() else {
            return;
        };
        if self.hub.gossip_waiting.load(Ordering::Relaxed) >= MAX_GOSSIP_WAITING {
            self.hub
                .counters
                .dropped_gossip
                .fetch_add(1, Ordering::Relaxed);
            return Gossip::ignore(gate.inner_mut(), &id, &from);
        }
        if let Some((token, topic)) = self.gossip.arrived(gate.inner_mut(), id, from, &message) {
            self.hub.gossip_waiting.fetch_add(1, Ordering::Relaxed);
            self.pending.push_back(NetworkEvent::Gossip {
                token,
                topic,
                data: message.data.into(),
            });
        }
    }
}

/// Says why a dial failed, in bounded words.
fn explain(why: &DialError) -> String {
    let mut text = match why {
        DialError::WrongPeerId { .. } => "another peer answered".into(),
        DialError::NoAddresses => "there is no address to dial".into(),
        DialError::LocalPeerId { .. } => "this is the node itself".into(),
        DialError::Denied { cause } => format!("this node's limits: {cause}"),
        other => other.to_string(),
    };
    if text.len() > MAX_WHY {
        let end = (0..=MAX_WHY)
            .rev()
            .find(|end| text.is_char_boundary(*end))
            .unwrap_or(0);
        text.truncate(end);
    }
    text
}
