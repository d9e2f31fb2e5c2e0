//! Commands that stay: `events` and `peers --watch`.

use std::{collections::BTreeMap, path::Path};

use sovereign_node::api::{Command, EventKind, PeerInfo, PeerState, Reply};

use crate::{
    control::{Client, Events},
    failure::Outcome,
    output::Output,
    show,
};

/// Prints events until the node ends.
pub(super) fn events(data: &Path, output: Output) -> Outcome {
    let mut events = Client::connect(data)?.events()?;
    while let Some(event) = events.next_event()? {
        output.either(&event, |_| show::event(&event))?;
    }
    Ok(())
}

/// Prints peers and their changes until the node ends: a table that is drawn anew on a terminal,
/// otherwise one peer a line.
pub(super) fn peers(data: &Path, output: Output) -> Outcome {
    // Subscribed before asking, so that nothing falls between.
    let events = Client::connect(data)?.events()?;
    let Reply::Peers(peers) = Client::connect(data)?.call(&Command::Peers)? else {
        return Ok(());
    };
    let known = peers
        .into_iter()
        .map(|peer| (peer.transport_id.clone(), peer))
        .collect();
    follow(events, Known { peers: known }, output)
}

fn follow(mut events: Events, mut known: Known, output: Output) -> Outcome {
    let draw = |known: &Known| {
        let table = show::peers(&known.ranked(), output.paint());
        // Clears the screen and goes home.
        output.lines(&format!("\u{1b}[2J\u{1b}[H{table}"))
    };
    let line = |peer: &PeerInfo| {
        output.either(peer, |paint| {
            let table = show::peers(std::slice::from_ref(peer), paint);
            table.lines().last().unwrap_or_default().to_owned()
        })
    };
    if output.terminal {
        draw(&known)?;
    } else {
        known.ranked().iter().try_for_each(line)?;
    }
    while let Some(event) = events.next_event()? {
        if let Some(peer) = known.apply(&event.kind) {
            if output.terminal {
                draw(&known)?;
            } else {
                line(&peer)?;
            }
        }
    }
    Ok(())
}

/// Peers as the events tell.
struct Known {
    peers: BTreeMap<String, PeerInfo>,
}

impl Known {
    /// Takes a change in; gives the peer it was about.
    fn apply(&mut self, kind: &EventKind) -> Option<PeerInfo> {
        match kind {
            EventKind::PeerDiscovered { peer } | EventKind::PeerUpdated { peer } => {
                self.peers.insert(peer.transport_id.clone(), peer.clone());
                Some(peer.clone())
            }
            EventKind::PeerLost { transport_id } => {
                let mut peer = self.peers.remove(transport_id)?;
                peer.state = PeerState::Lost;
                Some(peer)
            }
            _ => None,
        }
    }

    fn ranked(&self) -> Vec<PeerInfo> {
        let mut peers: Vec<PeerInfo> = self.peers.values().cloned().collect();
        peers.sort_by_key(|peer| peer.rank);
        peers
    }
}

#[cfg(test)]
mod tests {
    use sovereign_node::api::LinkWord;

    use super::*;

    fn peer(id: &str, rank: u32) -> PeerInfo {
        PeerInfo {
            transport_id: id.to_owned(),
            identity: None,
            name: None,
            contact: false,
            link: LinkWord::Lan,
            state: PeerState::Connected,
            rssi_dbm: None,
            rtt_ms: None,
            rank,
            age_s: 0,
        }
    }

    #[test]
    fn changes_are_followed() {
        let mut known = Known {
            peers: BTreeMap::new(),
        };
        for (id, rank) in [("a", 2), ("b", 1)] {
            assert!(
                known
                    .apply(&EventKind::PeerDiscovered {
                        peer: peer(id, rank)
                    })
                    .is_some()
            );
        }
        let order: Vec<String> = known.ranked().into_iter().map(|p| p.transport_id).collect();
        assert_eq!(order, ["b", "a"]);
        let lost = known
            .apply(&EventKind::PeerLost {
                transport_id: "a".into(),
            })
            .unwrap();
        assert_eq!((lost.state, known.peers.len()), (PeerState::Lost, 1));
        assert!(
            known
                .apply(&EventKind::PeerLost {
                    transport_id: "a".into()
                })
                .is_none()
        );
        assert!(known.apply(&EventKind::Stopping).is_none());
    }
}
