//! What people and the dashboard ask of a node beside messages: the panel, round trips, reconnecting, pages of
//! history, and what the links cost (APP-5, APP-8).

use sovereign_node::{
    EventStream, Node,
    api::{
        ApiError, Command, ErrorKind, EventKind, HistoryEntry, MessageState, PanelInfo, Reply,
        Status,
    },
    config::NodeConfig,
};

const CHANNEL: &str = "#valley";

struct Person {
    node: Node,
    events: EventStream,
    _data: tempfile::TempDir,
}

impl Person {
    async fn start(name: &str) -> Self {
        let data = tempfile::tempdir().expect("a directory");
        let node = Node::start(NodeConfig {
            name: Some(name.to_owned()),
            listen: vec!["/ip4/127.0.0.1/tcp/0".to_owned()],
            mdns: false,
            ble: false,
            ..NodeConfig::new(data.path().to_owned())
        })
        .await
        .expect("a node");
        let mut person = Self {
            events: node.subscribe(),
            node,
            _data: data,
        };
        let target = CHANNEL.to_owned();
        person.ask(Command::ChannelJoin { target }).await;
        if person.status().await.listen.is_empty() {
            person
                .until(|kind| matches!(kind, EventKind::ListenChanged { .. }))
                .await;
        }
        person
    }

    async fn try_ask(&self, command: Command) -> Result<Reply, ApiError> {
        self.node.call(command).await
    }

    async fn ask(&self, command: Command) -> Reply {
        self.try_ask(command).await.expect("an answer")
    }

    async fn status(&self) -> Status {
        match self.ask(Command::Status).await {
            Reply::Status(status) => *status,
            other => panic!("{other:?}"),
        }
    }

    async fn panel(&self) -> PanelInfo {
        match self.ask(Command::Panel).await {
            Reply::Panel(panel) => *panel,
            other => panic!("{other:?}"),
        }
    }

    async fn say(&self, text: &str) -> String {
        let command = Command::Send {
            channel: CHANNEL.to_owned(),
            text: text.to_owned(),
        };
        match self.ask(command).await {
            Reply::Sent(sent) => sent.id,
            other => panic!("{other:?}"),
        }
    }

    async fn history(
        &self,
        limit: Option<u32>,
        since: Option<&str>,
        before: Option<&str>,
    ) -> Result<Vec<String>, ErrorKind> {
        let command = Command::History {
            channel: CHANNEL.to_owned(),
            limit,
            since: since.map(str::to_owned),
            before: before.map(str::to_owned),
        };
        match self.try_ask(command).await {
            Ok(Reply::History(entries)) => {
                let text = |entry: HistoryEntry| entry.text;
                Ok(entries.into_iter().map(text).collect())
            }
            Ok(other) => panic!("{other:?}"),
            Err(error) => Err(error.kind),
        }
    }

    async fn until(&mut self, fits: impl Fn(&EventKind) -> bool) {
        loop {
            let event = self.events.next().await.expect("the node runs");
            if fits(&event.kind) {
                return;
            }
        }
    }
}

async fn linked() -> (Person, Person) {
    let mut ada = Person::start("Ada").await;
    let mut bob = Person::start("Bob").await;
    let address = ada.status().await.listen.remove(0);
    bob.ask(Command::Dial { address }).await;
    let is_up = |kind: &EventKind| matches!(kind, EventKind::LinkUp { .. });
    ada.until(is_up).await;
    bob.until(is_up).await;
    (ada, bob)
}

#[tokio::test]
async fn the_panel_shows_links_and_what_was_delivered() {
    let (mut ada, mut bob) = linked().await;
    ada.say("hello").await;
    bob.until(|kind| matches!(kind, EventKind::Message { .. }))
        .await;
    ada.until(|kind| {
        matches!(
            kind,
            EventKind::MessageState {
                state: MessageState::Delivered,
                ..
            }
        )
    })
    .await;
    let panel = ada.panel().await;
    assert_eq!((panel.peers.len(), panel.known, panel.gossip), (1, 1, true));
    let peer = &panel.peers[0];
    assert_eq!(peer.peer.transport_id, bob.status().await.transport_id);
    let link = &peer.links[0];
    assert_eq!(link.side, "accepted");
    assert!(link.received > 0 && link.sent > 0);
    let theirs = &bob.panel().await.peers[0].links[0];
    assert_eq!(theirs.side, "dialed");
    let address = theirs.address.as_deref().expect("it was dialled");
    assert!(address.starts_with("/ip4/127.0.0.1/tcp/"), "{address}");

    let topic = &panel.topics[0];
    assert_eq!((&*topic.name, topic.topic.len()), (CHANNEL, 64));
    assert_eq!((topic.messages, topic.delivered), (0, 1));
    assert!(topic.delivery_ms.is_some() && topic.last_received.is_none());
    let theirs = bob.panel().await.topics.remove(0);
    assert_eq!((theirs.messages, theirs.delivered), (1, 0));
    assert!(theirs.last_received.is_some() && theirs.delivery_ms.is_none());
    // The same channel has the same topic on the same day.
    assert_eq!(theirs.topic, topic.topic);
}

#[tokio::test]
async fn layers_say_what_they_cost() {
    // APP-8.
    let (ada, mut bob) = linked().await;
    let before = ada.status().await.layers["ip"]
        .today
        .clone()
        .expect("counted");
    let text = "x".repeat(5_000);
    ada.say(&text).await;
    bob.until(|kind| matches!(kind, EventKind::Message { .. }))
        .await;
    let after = ada.status().await.layers["ip"]
        .today
        .clone()
        .expect("counted");
    assert_eq!(after.since, before.since);
    assert!(after.sent >= before.sent + 5_000, "{before:?} {after:?}");
    let layers = bob.status().await.layers;
    let got = layers["ip"].today.as_ref().expect("counted").received;
    assert!(got >= 5_000, "{got}");
    // What nobody can count is not claimed.
    assert!(layers["mdns"].today.is_none() && layers["ble"].today.is_none());
}

#[tokio::test]
async fn a_peer_answers_ping_and_a_stranger_does_not() {
    let (ada, bob) = linked().await;
    let peer = bob.status().await.transport_id;
    match ada.ask(Command::Ping { peer: peer.clone() }).await {
        Reply::Pong(pong) => assert!(pong.rtt_ms < 60_000),
        other => panic!("{other:?}"),
    }
    let own = ada.status().await.transport_id;
    for (peer, kind) in [
        (own, ErrorKind::NotFound),
        ("nonsense".to_owned(), ErrorKind::Invalid),
        (String::new(), ErrorKind::Invalid),
    ] {
        for command in [
            Command::Ping { peer: peer.clone() },
            Command::Reconnect { peer: peer.clone() },
        ] {
            let error = ada.try_ask(command).await.expect_err("no such peer");
            assert_eq!(error.kind, kind, "{peer}");
        }
    }
}

#[tokio::test]
async fn whoever_waits_for_an_answer_is_told_that_the_link_went_down() {
    let (ada, bob) = linked().await;
    let peer = bob.status().await.transport_id;
    // The question leaves after the link was closed: it is never answered.
    let (asked, closed) = tokio::join!(
        ada.try_ask(Command::Ping { peer: peer.clone() }),
        ada.try_ask(Command::Reconnect { peer }),
    );
    assert!(matches!(closed, Ok(Reply::Reconnecting(_))), "{closed:?}");
    // Answered in between, or told that it will not be.
    assert!(
        matches!(&asked, Ok(Reply::Pong(_)))
            || asked
                .as_ref()
                .is_err_and(|error| error.kind == ErrorKind::NotFound),
        "{asked:?}"
    );
}

#[tokio::test]
async fn whoever_dialled_dials_again() {
    let (ada, mut bob) = linked().await;
    let peer = ada.status().await.transport_id;
    match bob.ask(Command::Reconnect { peer }).await {
        Reply::Reconnecting(done) => assert_eq!((done.closed, done.dialing), (1, true)),
        other => panic!("{other:?}"),
    }
    bob.until(|kind| matches!(kind, EventKind::LinkDown { .. }))
        .await;
    bob.until(|kind| matches!(kind, EventKind::LinkUp { .. }))
        .await;
    // Who was dialled does not know where to dial; the other side comes again by itself.
    let peer = bob.status().await.transport_id;
    match ada.ask(Command::Reconnect { peer }).await {
        Reply::Reconnecting(done) => assert_eq!((done.closed, done.dialing), (1, false)),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn history_comes_page_by_page() {
    let ada = Person::start("Ada").await;
    let mut ids = Vec::new();
    for number in 0..6 {
        ids.push(ada.say(&number.to_string()).await);
    }
    let page = async |limit, since: Option<usize>, before: Option<usize>| {
        let id = |at: usize| ids[at].as_str();
        ada.history(limit, since.map(id), before.map(id))
            .await
            .expect("a history")
            .concat()
    };
    assert_eq!(page(Some(2), None, None).await, "45");
    assert_eq!(page(Some(2), None, Some(4)).await, "23");
    assert_eq!(page(Some(9), None, Some(2)).await, "01");
    assert_eq!(page(Some(2), None, Some(0)).await, "");
    assert_eq!(page(None, Some(1), Some(4)).await, "23");
    assert_eq!(page(Some(1), Some(1), Some(4)).await, "3");
    assert_eq!(page(None, Some(4), Some(1)).await, "");
    let nobodys = "0".repeat(64);
    for (id, kind) in [(&*nobodys, ErrorKind::NotFound), ("x", ErrorKind::Invalid)] {
        assert_eq!(ada.history(None, None, Some(id)).await, Err(kind));
        assert_eq!(ada.history(None, Some(id), None).await, Err(kind));
    }
}
