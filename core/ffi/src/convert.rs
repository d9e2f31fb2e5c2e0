//! From the API's types to the records.

use sovereign_node::{
    api::{self, EventKind, LinkWord},
    config::NodeConfig,
};

use crate::{
    event::SovereignEvent,
    records::{
        Channel, ChannelKind, Config, ImportResult, Message, MessageState, Peer, PeerState, Sent,
        Status,
    },
};

impl From<Config> for NodeConfig {
    fn from(config: Config) -> Self {
        Self {
            name: config.name,
            listen: config.listen,
            mdns: config.mdns,
            store_cap_bytes: config.store_cap_bytes,
            ..Self::new(config.data.into())
        }
    }
}

impl From<api::Status> for Status {
    fn from(status: api::Status) -> Self {
        Self {
            name: status.name,
            identity: status.identity,
            mesh_id: status.mesh_id,
            fingerprint: status.fingerprint,
            transport_id: status.transport_id,
            network: status.network,
            listen: status.listen,
            peers: status.peers,
            channels: status.channels,
            carried_bundles: status.store.carried_bundles,
            read_only: status.store.read_only,
        }
    }
}

impl From<api::PeerInfo> for Peer {
    fn from(peer: api::PeerInfo) -> Self {
        Self {
            transport_id: peer.transport_id,
            state: match peer.state {
                api::PeerState::Seen => PeerState::Seen,
                api::PeerState::Connecting => PeerState::Connecting,
                api::PeerState::Connected => PeerState::Connected,
                api::PeerState::Lost => PeerState::Lost,
            },
            link: match peer.link {
                LinkWord::Lan => "lan",
                LinkWord::Ble => "ble",
                LinkWord::Direct => "direct",
                LinkWord::Relay => "relay",
            }
            .to_owned(),
            rssi_dbm: peer.rssi_dbm,
            rtt_ms: peer.rtt_ms,
            rank: peer.rank,
        }
    }
}

const fn kind(kind: api::ChannelKindWord) -> ChannelKind {
    match kind {
        api::ChannelKindWord::Public => ChannelKind::Public,
        api::ChannelKindWord::Private => ChannelKind::Private,
    }
}

impl From<api::ChannelSummary> for Channel {
    fn from(channel: api::ChannelSummary) -> Self {
        Self {
            id: channel.id,
            name: channel.name,
            kind: kind(channel.kind),
            unread: channel.unread,
        }
    }
}

impl From<api::ChannelInfo> for Channel {
    fn from(channel: api::ChannelInfo) -> Self {
        Self {
            id: channel.id,
            name: channel.name,
            kind: kind(channel.kind),
            unread: 0,
        }
    }
}

impl From<api::MessageState> for MessageState {
    fn from(state: api::MessageState) -> Self {
        match state {
            api::MessageState::Received => Self::Received,
            api::MessageState::Stored => Self::Stored,
            api::MessageState::Sent => Self::Sent,
            api::MessageState::Delivered => Self::Delivered,
            api::MessageState::Read => Self::Read,
        }
    }
}

impl From<api::HistoryEntry> for Message {
    fn from(entry: api::HistoryEntry) -> Self {
        Self {
            id: entry.id,
            author: entry.author,
            name: entry.name,
            text: entry.text,
            sent_at: entry.sent_at,
            lamport: entry.lamport,
            state: entry.state.into(),
            own: entry.own,
        }
    }
}

impl From<api::Sent> for Sent {
    fn from(sent: api::Sent) -> Self {
        Self {
            id: sent.id,
            channel: sent.channel,
            lamport: sent.lamport,
        }
    }
}

impl From<api::Imported> for ImportResult {
    fn from(imported: api::Imported) -> Self {
        Self {
            bundles: imported.bundles,
            new: imported.new,
            known: imported.known,
            declined: imported.declined,
        }
    }
}

impl From<EventKind> for SovereignEvent {
    fn from(event: EventKind) -> Self {
        match event {
            EventKind::Started { listen, .. } | EventKind::ListenChanged { listen } => {
                Self::ListenChanged { listen }
            }
            EventKind::PeerDiscovered { peer } | EventKind::PeerUpdated { peer } => {
                Self::PeerChanged { peer: peer.into() }
            }
            EventKind::PeerLost { transport_id } => Self::PeerLost { transport_id },
            EventKind::LinkUp { transport_id, .. } => Self::LinkUp { transport_id },
            EventKind::LinkDown {
                transport_id,
                reason,
                ..
            } => Self::LinkDown {
                transport_id,
                reason,
            },
            EventKind::Synced { transport_id } => Self::Synced { transport_id },
            EventKind::Message {
                channel, message, ..
            } => Self::MessageArrived {
                channel,
                message: message.into(),
            },
            EventKind::MessageState { id, channel, state } => Self::MessageStateChanged {
                id,
                channel,
                state: state.into(),
            },
            EventKind::ChannelJoined { .. } | EventKind::ChannelLeft { .. } => {
                Self::ChannelsChanged
            }
            EventKind::Warning { kind, message } => Self::Warning { kind, message },
            // Said by the desktop program on its own output only; on phones nobody serves one.
            EventKind::Dashboard { url, .. } => Self::Warning {
                kind: "dashboard".to_owned(),
                message: url,
            },
            EventKind::Missed { count } => Self::Missed { count },
            EventKind::Stopping => Self::Stopping,
        }
    }
}
