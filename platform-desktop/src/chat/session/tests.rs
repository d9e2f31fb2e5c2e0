//! The conversation over a small node of paper.

use std::sync::{Arc, Mutex};

use sovereign_node::api::{
    ChannelInfo, ChannelKindWord, ErrorKind, LinkWord, MessageState, Sent, StoreStatus,
};
use tokio::sync::broadcast;

use super::*;
use crate::control::EventSource;

const ID: &str = "abababababababababababababababab";

/// Knows channels and counts messages.
#[derive(Clone, Default)]
struct Paper {
    channels: Arc<Mutex<Vec<String>>>,
    asked: Arc<Mutex<Vec<Command>>>,
}

struct Silence(broadcast::Receiver<Event>);

impl EventSource for Silence {
    async fn next(&mut self) -> Option<Event> {
        self.0.recv().await.ok()
    }
}

fn id_of(name: &str) -> String {
    let byte = name.bytes().fold(0_u8, u8::wrapping_add);
    format!("{byte:02x}").repeat(16)
}

impl Service for Paper {
    type Events = Silence;

    async fn call(&self, command: Command) -> Result<Reply, ApiError> {
        self.asked.lock().unwrap().push(command.clone());
        let mut channels = self.channels.lock().unwrap();
        Ok(match command {
            Command::ChannelList => {
                let summary = |name: &String| ChannelSummary {
                    id: id_of(name),
                    name: name.clone(),
                    kind: ChannelKindWord::Public,
                    members: None,
                    unread: 0,
                };
                Reply::Channels(channels.iter().map(summary).collect())
            }
            Command::ChannelJoin { target: name } | Command::ChannelCreate { name } => {
                channels.push(name.clone());
                Reply::Channel(ChannelInfo {
                    id: id_of(&name),
                    link: name.clone(),
                    name,
                    kind: ChannelKindWord::Public,
                })
            }
            Command::ChannelLeave { channel } => {
                channels.retain(|name| *name != channel);
                Reply::Done
            }
            Command::Send { text, .. } if text == "refuse" => {
                return Err(ApiError::new(
                    ErrorKind::DiskFull,
                    "the disk is full",
                    "make room",
                ));
            }
            Command::Send { channel, .. } => Reply::Sent(Sent {
                id: "11".repeat(32),
                channel,
                state: MessageState::Stored,
                lamport: 1,
            }),
            Command::Peers => Reply::Peers(vec![]),
            Command::History { .. } => Reply::History(vec![]),
            _ => Reply::Done,
        })
    }

    fn subscribe(&self) -> Silence {
        Silence(broadcast::channel(1).1)
    }
}

fn status() -> Status {
    Status {
        name: "Ann".into(),
        identity: String::new(),
        mesh_id: String::new(),
        fingerprint: "4444".into(),
        transport_id: String::new(),
        mode: String::new(),
        network: String::new(),
        listen: vec![],
        uptime_s: 0,
        peers: 0,
        channels: 0,
        store: StoreStatus::default(),
        layers: BTreeMap::default(),
        counters: BTreeMap::default(),
    }
}

type Shown = Arc<Mutex<Vec<String>>>;

async fn opened(channels: &[&str]) -> (Session<Paper, impl Fn(&str)>, Paper, Shown) {
    let paper = Paper::default();
    *paper.channels.lock().unwrap() = channels.iter().map(|name| (*name).to_owned()).collect();
    let shown = Shown::default();
    let copy = Arc::clone(&shown);
    let print = move |text: &str| copy.lock().unwrap().push(text.to_owned());
    let mut session = Session::new(paper.clone(), Paint { on: false }, print);
    session.open(&status()).await;
    (session, paper, shown)
}

fn event(kind: EventKind) -> Event {
    Event {
        at: "2026-11-21T08:00:00.000Z".into(),
        kind,
    }
}

fn said(channel: &str, text: &str, own: bool) -> Event {
    event(EventKind::Message {
        channel: channel.to_owned(),
        channel_name: "#else".into(),
        message: HistoryEntry {
            id: "11".repeat(32),
            author: "22".repeat(32),
            name: Some("Bob\u{1b}[2J".into()),
            text: text.to_owned(),
            sent_at: "2026-11-21T08:15:00Z".into(),
            lamport: 1,
            state: if own {
                MessageState::Stored
            } else {
                MessageState::Received
            },
            own,
        },
    })
}

fn peer(name: Option<&str>, state: PeerState) -> PeerInfo {
    PeerInfo {
        transport_id: "12D3KooWabcdefgh".into(),
        identity: None,
        name: name.map(str::to_owned),
        contact: false,
        link: LinkWord::Lan,
        state,
        rssi_dbm: None,
        rtt_ms: None,
        rank: 1,
        age_s: 0,
    }
}

fn last(shown: &Shown) -> String {
    shown.lock().unwrap().last().cloned().unwrap_or_default()
}

#[tokio::test]
async fn it_opens_in_nearby_and_says_who_one_is() {
    let (session, _, shown) = opened(&["#zoo", "#nearby"]).await;
    assert_eq!(session.prompt(), "#nearby> ");
    let shown = shown.lock().unwrap().join("\n");
    assert!(
        shown.contains("You are Ann") && shown.contains("#nearby"),
        "{shown}"
    );
    assert!(shown.contains("Nobody is near yet."));
}

#[tokio::test]
async fn without_a_channel_it_says_what_to_do() {
    let (mut session, paper, shown) = opened(&[]).await;
    assert_eq!(session.prompt(), "no channel> ");
    session.line("hello").await;
    assert!(last(&shown).contains("/join #nearby"));
    let sent = |c: &Command| matches!(c, Command::Send { .. });
    assert!(!paper.asked.lock().unwrap().iter().any(sent));
    session.line("/join #nearby").await;
    assert_eq!(session.prompt(), "#nearby> ");
}

#[tokio::test]
async fn what_was_typed_is_not_shown_twice_and_its_state_is() {
    tokio::time::pause();
    let (mut session, _, shown) = opened(&["#nearby"]).await;
    let before = shown.lock().unwrap().len();
    assert_eq!(session.line("hello").await, After::More);
    session.event(&said(&id_of("#nearby"), "hello", true));
    assert_eq!(shown.lock().unwrap().len(), before);
    tokio::time::sleep_until(session.due().unwrap()).await;
    session.tick().await;
    assert_eq!(
        last(&shown),
        "  · kept here until somebody is near: “hello”"
    );
    session.event(&event(EventKind::MessageState {
        id: "11".repeat(32),
        channel: id_of("#nearby"),
        state: MessageState::Delivered,
    }));
    tokio::time::sleep_until(session.due().unwrap()).await;
    session.tick().await;
    assert_eq!(last(&shown), "  ✓✓ delivered: “hello”");
    assert_eq!(session.due(), None);
}

#[tokio::test]
async fn messages_of_others_are_clean_and_say_where_they_are() {
    let (mut session, _, shown) = opened(&["#nearby"]).await;
    session.event(&said(&id_of("#nearby"), "hi", false));
    assert_eq!(last(&shown), "08:15Z  Bob\u{fffd}[2J: hi");
    session.event(&said(ID, "hi", false));
    assert_eq!(last(&shown), "#else 08:15Z  Bob\u{fffd}[2J: hi");
    session.event(&said(&id_of("#nearby"), "from a script", true));
    assert_eq!(last(&shown), "08:15Z  you: from a script  ·");
}

#[tokio::test]
async fn what_was_shown_is_marked_as_read_once() {
    tokio::time::pause();
    let (mut session, paper, _) = opened(&["#nearby"]).await;
    let read = || {
        let asked = paper.asked.lock().unwrap();
        asked
            .iter()
            .filter(|c| matches!(c, Command::ChannelRead { .. }))
            .count()
    };
    let before = read();
    session.event(&said(ID, "elsewhere", false));
    assert_eq!(session.due(), None);
    session.event(&said(&id_of("#nearby"), "one", false));
    session.event(&said(&id_of("#nearby"), "two", false));
    session.tick().await;
    assert_eq!(read(), before);
    tokio::time::sleep_until(session.due().unwrap()).await;
    session.tick().await;
    assert_eq!((read(), session.due()), (before + 1, None));
}

#[tokio::test]
async fn coming_and_going_is_told_once() {
    let (mut session, _, shown) = opened(&["#nearby"]).await;
    let seen = event(EventKind::PeerDiscovered {
        peer: peer(None, PeerState::Seen),
    });
    let before = shown.lock().unwrap().len();
    session.event(&seen);
    assert_eq!(
        shown.lock().unwrap().len(),
        before,
        "heard of is not yet near"
    );
    let up = event(EventKind::PeerUpdated {
        peer: peer(None, PeerState::Connected),
    });
    session.event(&up);
    assert_eq!(last(&shown), "+ somebody (…abcdefgh) is near (lan)");
    session.event(&up);
    assert_eq!(shown.lock().unwrap().len(), before + 1);
    let named = peer(Some("Bob"), PeerState::Connected);
    session.event(&event(EventKind::PeerUpdated { peer: named }));
    assert_eq!(last(&shown), "* somebody (…abcdefgh) is Bob");
    let gone = event(EventKind::PeerLost {
        transport_id: peer(None, PeerState::Lost).transport_id,
    });
    session.event(&gone);
    assert_eq!(last(&shown), "- Bob has gone");
    session.event(&gone);
    assert_eq!(shown.lock().unwrap().len(), before + 3);
}

#[tokio::test]
async fn channels_are_switched_joined_and_left() {
    let (mut session, paper, shown) = opened(&["#nearby", "family"]).await;
    session.line("/switch family").await;
    assert_eq!(session.prompt(), "family> ");
    session.line("/switch nearby").await;
    assert_eq!(session.prompt(), "#nearby> ", "the # may be left out");
    session.line("/switch #unknown").await;
    assert!(last(&shown).contains("You are not in #unknown"));
    session.line("/create club").await;
    assert_eq!(session.prompt(), "club> ");
    assert_eq!(session.words(), ["#nearby", "family", "club"]);
    session.line("/leave club").await;
    assert_eq!(session.prompt(), "#nearby> ");
    session.line("to the channel").await;
    let asked = paper.asked.lock().unwrap().last().cloned().unwrap();
    let send = Command::Send {
        channel: id_of("#nearby"),
        text: "to the channel".into(),
    };
    assert!(asked == send);
}

#[tokio::test]
async fn errors_say_what_to_do_and_do_not_end_it() {
    let (mut session, _, shown) = opened(&["#nearby"]).await;
    assert_eq!(session.line("refuse").await, After::More);
    assert_eq!(last(&shown), "the disk is full (make room)");
    assert_eq!(session.line("/quit").await, After::Quit);
}
