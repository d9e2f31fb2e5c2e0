//! Events for people, one line each.

use sovereign_node::api::{Event, EventKind};

use super::{link, peer_state};
use crate::text;

/// The first digits of an id.
#[must_use]
fn short(id: &str) -> String {
    text::line(id).chars().take(8).collect()
}

/// The end of a PeerId; all of them begin alike.
#[must_use]
pub(crate) fn short_peer(id: &str) -> String {
    let clean = text::line(id);
    let skip = clean.chars().count().saturating_sub(8);
    format!("…{}", clean.chars().skip(skip).collect::<String>())
}

/// A name, or the first digits of the id where none is known.
#[must_use]
pub(crate) fn name_or_id(name: Option<&str>, id: &str) -> String {
    name.map_or_else(|| short(id), text::name)
}

/// `time  type  what`.
#[must_use]
pub(crate) fn event(event: &Event) -> String {
    let (word, what) = parts(&event.kind);
    format!("{}  {word}  {what}", text::line(&event.at))
        .trim_end()
        .to_owned()
}

fn parts(kind: &EventKind) -> (&'static str, String) {
    let peer = |peer: &sovereign_node::api::PeerInfo| {
        let name = peer
            .name
            .as_deref()
            .map_or_else(|| "-".to_owned(), text::name);
        format!(
            "{} {name} {} {}",
            short_peer(&peer.transport_id),
            link(peer.link),
            peer_state(peer.state)
        )
    };
    match kind {
        EventKind::Started {
            transport_id,
            listen,
        } => (
            "started",
            format!(
                "{} {}",
                text::line(transport_id),
                text::line(&listen.join(" "))
            ),
        ),
        EventKind::ListenChanged { listen } => ("listen_changed", text::line(&listen.join(" "))),
        EventKind::PeerDiscovered { peer: p } => ("peer_discovered", peer(p)),
        EventKind::PeerUpdated { peer: p } => ("peer_updated", peer(p)),
        EventKind::PeerLost { transport_id } => ("peer_lost", short_peer(transport_id)),
        EventKind::LinkUp {
            transport_id,
            link: l,
        } => (
            "link_up",
            format!("{} {}", short_peer(transport_id), link(*l)),
        ),
        EventKind::LinkDown {
            transport_id,
            link: l,
            reason,
        } => (
            "link_down",
            format!(
                "{} {} {}",
                short_peer(transport_id),
                link(*l),
                text::line(reason)
            ),
        ),
        EventKind::Message {
            channel_name,
            message,
            ..
        } => (
            "message",
            format!(
                "{} {}: {}",
                text::name(channel_name),
                name_or_id(message.name.as_deref(), &message.author),
                text::line(&message.text)
            ),
        ),
        EventKind::MessageState { id, state, .. } => (
            "message_state",
            format!("{} {}", short(id), format!("{state:?}").to_lowercase()),
        ),
        EventKind::ChannelJoined { id, name } => (
            "channel_joined",
            format!("{} {}", text::name(name), short(id)),
        ),
        EventKind::ChannelLeft { id } => ("channel_left", short(id)),
        EventKind::Synced { transport_id } => ("synced", short_peer(transport_id)),
        EventKind::Warning { kind, message } => (
            "warning",
            format!("{}: {}", text::line(kind), text::line(message)),
        ),
        EventKind::Dashboard { url, code } => ("dashboard", format!("{url} code {code}")),
        EventKind::Missed { count } => ("missed", format!("{count} events")),
        EventKind::Stopping => ("stopping", String::new()),
    }
}

#[cfg(test)]
mod tests {
    use sovereign_node::api::{HistoryEntry, MessageState};

    use super::*;

    #[test]
    fn an_event_is_one_clean_line() {
        let shown = event(&Event {
            at: "2026-11-21T08:00:00.000Z".into(),
            kind: EventKind::Message {
                channel: "00".into(),
                channel_name: "#a".into(),
                message: HistoryEntry {
                    id: "0".into(),
                    author: "abcdef0123".into(),
                    name: None,
                    text: "one\ntwo\u{1b}c".into(),
                    sent_at: String::new(),
                    lamport: 1,
                    state: MessageState::Received,
                    own: false,
                },
            },
        });
        assert_eq!(
            shown,
            "2026-11-21T08:00:00.000Z  message  #a abcdef01: one two\u{fffd}c"
        );
    }

    #[test]
    fn the_word_is_the_type_of_the_json() {
        let kinds = [
            EventKind::Stopping,
            EventKind::Missed { count: 1 },
            EventKind::Synced {
                transport_id: "x".into(),
            },
            EventKind::PeerLost {
                transport_id: "x".into(),
            },
            EventKind::ListenChanged { listen: vec![] },
        ];
        for kind in kinds {
            let word = parts(&kind).0;
            let json = serde_json::to_value(&kind).unwrap();
            assert_eq!(json["type"], word);
        }
    }
}
