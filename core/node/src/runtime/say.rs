//! The engine's terms in the words of the API.

use std::{net::SocketAddr, time::Duration};

use prost::Message as _;
use sovereign_protocol::{
    channel::keys::ChannelKind,
    engine::{Channel, Engine, Neighbour, OwnState, PeerState as EnginePeerState, PeerView, Said},
    id::{AuthorKey, DiscoveryId, MessageId, TransportId},
    link_kind::Medium,
    wire::{local::MessageRecord, v1::CloseReason},
};

use crate::{
    api::{
        ChannelKindWord, ChannelSummary, HistoryEntry, LinkWord, MessageState, PeerInfo, PeerState,
    },
    ports::network::Endpoint,
    text::rfc3339,
};

pub(super) const fn link_word(medium: Medium) -> LinkWord {
    match medium {
        Medium::Lan => LinkWord::Lan,
        Medium::Ble => LinkWord::Ble,
        Medium::Direct => LinkWord::Direct,
        Medium::Relay => LinkWord::Relay,
    }
}

pub(super) const fn state_word(state: OwnState) -> MessageState {
    match state {
        OwnState::Stored => MessageState::Stored,
        OwnState::Sent => MessageState::Sent,
        OwnState::Delivered => MessageState::Delivered,
    }
}

pub(super) const fn kind_word(kind: ChannelKind) -> ChannelKindWord {
    match kind {
        ChannelKind::Public => ChannelKindWord::Public,
        ChannelKind::Private => ChannelKindWord::Private,
    }
}

pub(super) const fn close_words(reason: CloseReason) -> &'static str {
    match reason {
        CloseReason::Unspecified => "the connection broke",
        CloseReason::Shutdown => "the node is ending",
        CloseReason::Version => "no common version: one of the two programs is too old",
        CloseReason::Critical => {
            "the other side needs an extension that this program does not know"
        }
        CloseReason::Misbehaviour => "too many broken messages",
        CloseReason::Duplicate => "another link to the same peer is kept",
        CloseReason::Full => "no room for another link",
        CloseReason::Timeout => "no answer in time",
    }
}

pub(super) fn peer_info(view: &PeerView) -> PeerInfo {
    PeerInfo {
        transport_id: view.peer.to_string(),
        identity: None,
        name: None,
        contact: false,
        link: link_word(view.medium),
        state: match view.state {
            EnginePeerState::Connected => PeerState::Connected,
            EnginePeerState::Connecting => PeerState::Connecting,
            EnginePeerState::Seen => PeerState::Seen,
            EnginePeerState::Lost => PeerState::Lost,
        },
        rssi_dbm: view.dbm.map(i16::from),
        rtt_ms: view.rtt_ms,
        rank: view.rank,
        age_s: view.age.as_secs(),
    }
}

/// A neighbour that is not linked has shown no key yet: it is called by what it advertises.
pub(super) fn neighbour_info(neighbour: &Neighbour) -> PeerInfo {
    PeerInfo {
        transport_id: neighbour_id(&neighbour.discovery),
        identity: None,
        name: None,
        contact: false,
        link: LinkWord::Ble,
        state: PeerState::Seen,
        rssi_dbm: neighbour.dbm.map(i16::from),
        rtt_ms: None,
        rank: neighbour.rank,
        age_s: neighbour.age.as_secs(),
    }
}

pub(super) fn neighbour_id(discovery: &DiscoveryId) -> String {
    format!("ble:{discovery}")
}

pub(super) fn channel_summary(channel: &Channel) -> ChannelSummary {
    ChannelSummary {
        id: channel.id().to_string(),
        name: channel_name(channel),
        kind: kind_word(channel.keys().kind()),
        members: Some(channel.log().authors() as u64),
        unread: channel.unread(),
    }
}

/// As people write it: `#name` for a public channel.
pub(super) fn channel_name(channel: &Channel) -> String {
    match channel.keys().kind() {
        ChannelKind::Public => format!("#{}", channel.keys().name()),
        ChannelKind::Private => channel.keys().name().to_owned(),
    }
}

/// A stored message as people see it; `None` for a record that is none.
pub(super) fn history_entry(
    engine: &Engine,
    channel: &Channel,
    id: MessageId,
    record: &[u8],
) -> Option<HistoryEntry> {
    let record = MessageRecord::decode(record).ok()?;
    let author = AuthorKey::try_from(&record.author[..]).ok()?;
    let said = Said {
        text: record.body,
        sent_at_s: record.sent_at_s,
        lamport: record.lamport,
    };
    Some(entry(engine, channel, id, author, said))
}

/// A message as history and events show it.
pub(super) fn entry(
    engine: &Engine,
    channel: &Channel,
    id: MessageId,
    author: AuthorKey,
    said: Said,
) -> HistoryEntry {
    let own = author == channel.log().own();
    let state = match engine.state(&id) {
        Some(state) => state_word(state),
        // Written by this identity elsewhere, or before a backup was restored: others have it.
        None if own => MessageState::Sent,
        None => MessageState::Received,
    };
    HistoryEntry {
        id: id.to_string(),
        author: author.to_string(),
        name: channel.names().get(&author).map(str::to_owned),
        text: said.text,
        sent_at: rfc3339(said.sent_at_s),
        lamport: said.lamport,
        state,
        own,
    }
}

/// A multiaddr that can be dialled, with the PeerId.
pub(super) fn multiaddr(endpoint: &Endpoint, peer: &TransportId) -> Option<String> {
    let (at, tail) = match endpoint {
        Endpoint::Tcp(at) => (at, format!("/tcp/{}", at.port())),
        Endpoint::Quic(at) => (at, format!("/udp/{}/quic-v1", at.port())),
        Endpoint::Memory(..) => return None,
    };
    let host = match at {
        SocketAddr::V4(v4) => format!("/ip4/{}", v4.ip()),
        SocketAddr::V6(v6) if v6.scope_id() != 0 => {
            format!("/ip6zone/{}/ip6/{}", v6.scope_id(), v6.ip())
        }
        SocketAddr::V6(v6) => format!("/ip6/{}", v6.ip()),
    };
    Some(format!("{host}{tail}/p2p/{peer}"))
}

/// Whole seconds that fit a u32.
pub(super) fn seconds(duration: Duration) -> u32 {
    u32::try_from(duration.as_secs()).unwrap_or(u32::MAX)
}
