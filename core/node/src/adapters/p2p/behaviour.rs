//! The behaviours of a node, in the order in which they may refuse a connection.

use std::{sync::Arc, time::Duration};

use libp2p::{
    PeerId, identify,
    identity::Keypair,
    swarm::{NetworkBehaviour, behaviour::toggle::Toggle},
};
use libp2p_connection_limits as connection_limits;
use libp2p_memory_connection_limits as memory_limits;
use tokio::sync::mpsc;

use super::{
    P2pConfig, P2pError, SlowKey,
    config::Limits,
    gate::Gate,
    gossip::{self, Gossipsub},
    link::{self, Hub},
    source_cap::SourceCap,
};
use crate::ports::network::NetworkEvent;

/// What identify says of the protocol, and all that it says of the program: neither version nor
/// platform, which would tell nodes apart.
const PROTOCOL_VERSION: &str = "/sovereign/1.0.0";
const AGENT: &str = "sovereign";
/// Identify runs once for a connection; this is longer than connections last.
const IDENTIFY_INTERVAL: Duration = Duration::from_secs(24 * 3600);

/// See the module.
#[derive(NetworkBehaviour)]
pub(super) struct Behaviour {
    limits: connection_limits::Behaviour,
    memory: memory_limits::Behaviour,
    sources: SourceCap,
    pub(super) link: link::Behaviour,
    identify: Gate<identify::Behaviour>,
    pub(super) gossip: Toggle<Gate<Gossipsub>>,
}

impl Behaviour {
    pub(super) fn new(
        config: &P2pConfig,
        keypair: &Keypair,
        slow_key: SlowKey,
        hub: Arc<Hub>,
        inbox: mpsc::Sender<NetworkEvent>,
    ) -> Result<Self, P2pError> {
        let own = PeerId::from(keypair.public());
        let identify = identify::Config::new(PROTOCOL_VERSION.into(), keypair.public())
            .with_agent_version(AGENT.into())
            .with_interval(IDENTIFY_INTERVAL)
            .with_push_listen_addr_updates(false)
            .with_hide_listen_addrs(true)
            .with_cache_size(0);
        let gossip = if config.gossip {
            Some(Gate::late(gossip::behaviour()?))
        } else {
            None
        };
        Ok(Self {
            limits: connection_limits::Behaviour::new(limits(&config.limits)),
            memory: memory_limits::Behaviour::with_max_bytes(config.limits.resident_bytes),
            sources: SourceCap::new(config.limits.per_source, config.source_salt),
            link: link::Behaviour::new(hub, inbox, config.source_salt, own, slow_key),
            identify: Gate::wide_only(identify::Behaviour::new(identify)),
            gossip: gossip.into(),
        })
    }
}

fn limits(limits: &Limits) -> connection_limits::ConnectionLimits {
    connection_limits::ConnectionLimits::default()
        .with_max_pending_incoming(Some(limits.pending_incoming))
        .with_max_pending_outgoing(Some(limits.pending_outgoing))
        .with_max_established(Some(limits.established))
        .with_max_established_incoming(Some(limits.established_incoming))
        .with_max_established_per_peer(Some(limits.per_peer))
}
