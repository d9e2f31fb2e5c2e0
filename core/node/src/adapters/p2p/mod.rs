//! The `Network` port over libp2p: TCP, QUIC, Noise, Yamux; `/sovereign/link/1` on every
//! connection; identify and gossipsub behind gates (decisions 2, 3, 4, 7 and 10).
//!
//! Measurements and reasons are in docs/adr/0002.

mod address;
mod behaviour;
mod config;
mod counters;
mod gate;
mod gossip;
mod link;
mod listen;
mod slow_key;
mod source_cap;
mod task;
mod transport;

use std::{
    collections::VecDeque,
    future::{pending, poll_fn},
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use libp2p::{PeerId, Swarm, Transport as _, core::muxing::StreamMuxerBox};
use sovereign_protocol::id::TransportId;
use tokio::{
    sync::{
        mpsc::{self, error::TrySendError},
        oneshot,
    },
    task::JoinHandle,
    time::timeout,
};
use tokio_util::sync::PollSender;

pub use address::{ListenAddressError, parse_dial, parse_listen, source_of_address};
pub use config::{Carriers, Limits, Listen, P2pConfig, P2pError};
pub use counters::P2pCounters;
pub use slow_key::SlowKey;
pub use transport::SlowStats;

use crate::ports::network::{
    DownReason, LinkBytes, NETWORK_INBOX, Network, NetworkCommand, NetworkEvent,
};
use behaviour::Behaviour;
use gossip::Gossip;
use link::Hub;
use task::{Command, Task};
use transport::{Counted, Crossed};

/// Dials, publications and judgements that wait for the network's task at most.
pub const COMMAND_QUEUE: usize = 256;
/// Failed dials that are remembered when the command queue is full.
const REFUSED_DIALS: usize = 256;
/// The port's promise for `shutdown`.
const SHUTDOWN_WITHIN: Duration = Duration::from_secs(1);
/// A connection without a link is closed after this long.
const IDLE_WITHIN: Duration = Duration::from_secs(20);
/// Inbound substreams of one connection whose protocol is being agreed upon.
const MAX_NEGOTIATING: usize = 8;

/// A running network. Any number of them live in one process.
pub struct P2pNetwork {
    hub: Arc<Hub>,
    commands: mpsc::Sender<Command>,
    inbox: mpsc::Receiver<NetworkEvent>,
    /// Events of this end: dials for which the command queue had no room.
    refused: VecDeque<NetworkEvent>,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
    transport_id: TransportId,
    slow_key: SlowKey,
    slow_stats: SlowStats,
    crossed: Crossed,
}

impl P2pNetwork {
    /// Starts a network on the current tokio runtime.
    ///
    /// # Errors
    /// [`P2pError`] if a configured address cannot be listened on, or a transport not be set up.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn start(config: &P2pConfig) -> Result<Self, P2pError> {
        let keypair = slow_key::keypair_of(&config.seed);
        let peer_id = keypair.public().to_peer_id();
        let slow_key = SlowKey::new(&config.slow_seed);
        let slow_stats = SlowStats::default();
        let hub = Arc::new(Hub::default());
        let (inbox_in, inbox) = mpsc::channel(NETWORK_INBOX);
        let (commands, commands_out) = mpsc::channel(COMMAND_QUEUE);
        let (stop, stopped) = oneshot::channel();

        let crossed = Crossed::default();
        let counts = crossed.clone();
        let transport = transport::build(&keypair, &slow_key, &config.carriers, &slow_stats)?
            .map(move |(peer, muxer), _| {
                (
                    peer,
                    StreamMuxerBox::new(Counted::new(muxer, counts.clone())),
                )
            })
            .boxed();
        let behaviour = Behaviour::new(
            config,
            &keypair,
            slow_key.clone(),
            Arc::clone(&hub),
            inbox_in.clone(),
        )?;
        let swarm_config = libp2p::swarm::Config::with_tokio_executor()
            .with_idle_connection_timeout(IDLE_WITHIN)
            .with_max_negotiating_inbound_streams(MAX_NEGOTIATING);
        let mut swarm = Swarm::new(transport, behaviour, peer_id, swarm_config);
        let listeners = listen::listen(&mut swarm, &config.listen)?;
        let task = Task {
            swarm,
            hub: Arc::clone(&hub),
            commands: commands_out,
            inbox: PollSender::new(inbox_in),
            stop: stopped,
            pending: VecDeque::new(),
            listeners,
            gossip: Gossip::default(),
            radio_dials: std::collections::BTreeMap::new(),
        };
        Ok(Self {
            hub,
            commands,
            inbox,
            refused: VecDeque::new(),
            stop: Some(stop),
            task: tokio::spawn(task.run()),
            transport_id: transport_id_of(&peer_id).expect("the key is an Ed25519 key"),
            slow_key,
            slow_stats,
            crossed,
        })
    }

    /// The transport id of IP links.
    #[must_use]
    pub fn transport_id(&self) -> TransportId {
        self.transport_id
    }

    /// The key of slow links, to be changed with the epoch.
    #[must_use]
    pub fn slow_key(&self) -> &SlowKey {
        &self.slow_key
    }

    /// What this node wrote to its slow links.
    #[must_use]
    pub fn slow_stats(&self) -> &SlowStats {
        &self.slow_stats
    }

    /// What was refused or given up so far.
    #[must_use]
    pub fn counters(&self) -> P2pCounters {
        self.hub.counters.read()
    }

    /// Queues a command for the task. What finds no room is answered or counted, never lost
    /// silently.
    fn queue(&mut self, command: Command) {
        match self.commands.try_send(command) {
            Ok(()) | Err(TrySendError::Closed(_)) => {}
            Err(TrySendError::Full(Command::Dial { peer, .. }))
                if self.refused.len() < REFUSED_DIALS =>
            {
                let why = "too many commands are waiting: dial again later".into();
                self.refused
                    .push_back(NetworkEvent::DialFailed { peer, why });
            }
            Err(TrySendError::Full(_)) => {
                self.hub
                    .counters
                    .dropped_commands
                    .fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

impl Network for P2pNetwork {
    fn submit(&mut self, command: NetworkCommand) {
        match command {
            NetworkCommand::Send { link, frame } => {
                if let Some(link) = self.hub.get(link) {
                    link.push(frame, &self.hub.counters);
                }
            }
            NetworkCommand::Close { link } => {
                if let Some(link) = self.hub.get(link) {
                    link.close(DownReason::Local);
                }
            }
            NetworkCommand::AdmitToGossip { link } => self.hub.admit(link),
            NetworkCommand::SetTopics(topics) => self.hub.set_topics(topics),
            NetworkCommand::Dial { peer, endpoints } => {
                self.queue(Command::Dial { peer, endpoints })
            }
            NetworkCommand::DialRadio { address } => self.queue(Command::DialRadio { address }),
            NetworkCommand::Publish { topic, data } => self.queue(Command::Publish { topic, data }),
            NetworkCommand::Judge { token, verdict } => {
                self.queue(Command::Judge { token, verdict })
            }
        }
    }

    async fn next(&mut self) -> NetworkEvent {
        if let Some(event) = self.refused.pop_front() {
            return event;
        }
        match poll_fn(|cx| self.inbox.poll_recv(cx)).await {
            Some(event) => {
                if matches!(event, NetworkEvent::Gossip { .. }) {
                    self.hub.gossip_waiting.fetch_sub(1, Ordering::Relaxed);
                }
                event
            }
            None => pending().await,
        }
    }

    fn crossed(&self) -> LinkBytes {
        self.crossed.read()
    }

    async fn shutdown(&mut self) {
        // Nobody takes events any more; whoever waits for room in the inbox gives up.
        self.inbox.close();
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
            if timeout(SHUTDOWN_WITHIN, &mut self.task).await.is_err() {
                self.task.abort();
            }
        }
    }
}

impl Drop for P2pNetwork {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The transport id behind a PeerId that embeds an Ed25519 key.
fn transport_id_of(peer: &PeerId) -> Option<TransportId> {
    TransportId::from_peer_id_bytes(&peer.to_bytes()).ok()
}

fn peer_id_of(id: &TransportId) -> Option<PeerId> {
    PeerId::from_bytes(&id.to_peer_id_bytes()).ok()
}
