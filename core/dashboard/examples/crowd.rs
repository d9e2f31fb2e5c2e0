//! A dashboard over a made-up crowd, to see what showing it costs: `crowd PEERS UPDATES MESSAGES`, the latter
//! two a second. Prints one JSON line with the address and the code, then runs until it is ended.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use sovereign_dashboard::{EventSource, Limits, Options, Source, bind};
use sovereign_node::{
    adapters::rng::OsRng,
    api::{
        ApiError, ChannelKindWord, ChannelSummary, Command, ErrorKind, Event, EventKind,
        HistoryEntry, LayerStatus, LinkWord, MessageState, PanelInfo, PeerInfo, PeerState, Reply,
        Status, StoreStatus,
    },
};
use tokio::{sync::broadcast, time::interval};

const LINKS: [LinkWord; 4] = [
    LinkWord::Lan,
    LinkWord::Ble,
    LinkWord::Direct,
    LinkWord::Relay,
];
/// Updates and messages leave in so many portions a second.
const PORTIONS: u32 = 20;

#[derive(Clone)]
struct Crowd {
    peers: u32,
    events: broadcast::Sender<Event>,
    clock: Arc<AtomicU32>,
}

impl Crowd {
    fn peer(&self, number: u32, tick: u32) -> PeerInfo {
        let linked = number < self.peers / 50;
        let link = LINKS[number as usize % LINKS.len()];
        PeerInfo {
            transport_id: format!("12D3KooWCrowd{number:039}"),
            identity: None,
            name: number.is_multiple_of(3).then(|| format!("Person {number}")),
            contact: false,
            link,
            state: if linked {
                PeerState::Connected
            } else {
                PeerState::Seen
            },
            rssi_dbm: (link == LinkWord::Ble).then(|| -60 - (number + tick) as i16 % 35),
            rtt_ms: linked.then_some(5 + (number * 7 + tick) % 300),
            rank: number + 1,
            age_s: u64::from(tick % 30),
        }
    }

    fn say(&self, kind: EventKind) {
        // Nobody looks.
        let at = sovereign_node::text::rfc3339_now();
        let _ = self.events.send(Event { at, kind });
    }

    fn message(&self, number: u32) -> HistoryEntry {
        HistoryEntry {
            id: format!("{number:064x}"),
            author: format!("{:064x}", number % 40),
            name: Some(format!("Person {}", number % 40)),
            text: format!("Message {number}: water at the school from five, bring what you carry."),
            sent_at: sovereign_node::text::rfc3339_now(),
            lamport: u64::from(number),
            state: MessageState::Received,
            own: false,
        }
    }
}

impl Source for Crowd {
    type Events = Seen;

    async fn call(&self, command: Command) -> Result<Reply, ApiError> {
        let now = self.clock.load(Ordering::Relaxed);
        Ok(match command {
            Command::Peers => Reply::Peers(
                (0..self.peers)
                    .map(|number| self.peer(number, now))
                    .collect(),
            ),
            Command::ChannelList => Reply::Channels(vec![ChannelSummary {
                id: "c".into(),
                name: "#crowd".into(),
                kind: ChannelKindWord::Public,
                members: Some(40),
                unread: 0,
            }]),
            Command::History { .. } => Reply::History(Vec::new()),
            Command::ChannelRead { .. } => Reply::Done,
            Command::Status => Reply::Status(Box::new(self.status())),
            Command::Panel => Reply::Panel(Box::new(PanelInfo {
                peers: Vec::new(),
                known: self.peers.into(),
                topics: Vec::new(),
                gossip: true,
            })),
            _ => {
                return Err(ApiError::new(
                    ErrorKind::Invalid,
                    "this crowd is made up",
                    "",
                ));
            }
        })
    }

    fn subscribe(&self) -> Seen {
        Seen(self.events.subscribe())
    }
}

impl Crowd {
    fn status(&self) -> Status {
        Status {
            name: "Somebody".into(),
            identity: "00".repeat(32),
            mesh_id: "00".repeat(20),
            fingerprint: "0000 0000".into(),
            transport_id: "12D3KooWSelf".into(),
            mode: "ephemeral".into(),
            network: "local".into(),
            listen: Vec::new(),
            uptime_s: 1,
            peers: u64::from(self.peers / 50),
            channels: 1,
            store: StoreStatus::default(),
            layers: [(
                "ip".to_owned(),
                LayerStatus {
                    state: "on".into(),
                    reason: None,
                    today: None,
                },
            )]
            .into(),
            counters: std::collections::BTreeMap::new(),
        }
    }
}

struct Seen(broadcast::Receiver<Event>);

impl EventSource for Seen {
    async fn next(&mut self) -> Option<Event> {
        match self.0.recv().await {
            Ok(event) => Some(event),
            Err(broadcast::error::RecvError::Lagged(count)) => Some(Event {
                at: sovereign_node::text::rfc3339_now(),
                kind: EventKind::Missed { count },
            }),
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }
}

#[tokio::main(flavor = "current_thread")]
#[allow(
    clippy::print_stdout,
    reason = "the address is what this program prints"
)]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut numbers = std::env::args().skip(1).map(|text| text.parse::<u32>());
    let mut number = |default| numbers.next().unwrap_or(Ok(default));
    let (peers, updates, messages) = (number(5_000)?, number(1_000)?, number(50)?);
    let crowd = Crowd {
        peers: peers.max(1),
        // As a node's own.
        events: broadcast::channel(1024).0,
        clock: Arc::default(),
    };
    let bound = bind(Options {
        address: "127.0.0.1:0".parse()?,
        settings: Vec::new(),
        rng: Arc::new(OsRng),
        limits: Limits::default(),
    })
    .await?;
    let (url, code) = (bound.url(), bound.codes().watch().borrow().clone());
    println!("{{\"url\":\"{url}\",\"code\":\"{code}\"}}");
    tokio::spawn(bound.serve(crowd.clone(), std::future::pending()));
    let mut portion = interval(Duration::from_secs(1) / PORTIONS);
    let (mut updated, mut said) = (0u32, 0u32);
    for tick in 0u32.. {
        portion.tick().await;
        crowd.clock.store(tick / PORTIONS, Ordering::Relaxed);
        while u64::from(updated) * u64::from(PORTIONS) < u64::from(tick) * u64::from(updates) {
            crowd.say(EventKind::PeerUpdated {
                peer: crowd.peer(updated % crowd.peers, tick),
            });
            updated += 1;
        }
        while u64::from(said) * u64::from(PORTIONS) < u64::from(tick) * u64::from(messages) {
            crowd.say(EventKind::Message {
                channel: "c".into(),
                channel_name: "#crowd".into(),
                message: crowd.message(said),
            });
            said += 1;
        }
    }
    Ok(())
}
