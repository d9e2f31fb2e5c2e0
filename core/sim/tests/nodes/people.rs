//! A node with a radio and nothing else, and what is asked of it.

use std::{convert::Infallible, path::Path, time::Duration};

use sovereign_node::{
    EventStream, Node,
    api::{Command, EventKind, PeerInfo, Reply},
    config::{NodeConfig, Profile},
};

/// Nothing here takes this long: a test that waits so long hangs.
const HANG: Duration = Duration::from_secs(120);

const CHANNEL: &str = "#field";

/// A node with a name that listens on this machine alone, and looks around as often as it can.
pub(crate) fn config(name: &str, data: &Path) -> NodeConfig {
    NodeConfig {
        name: Some(name.to_owned()),
        listen: vec!["/ip4/127.0.0.1/tcp/0".to_owned()],
        mdns: false,
        ble_profile: Profile::Performance,
        ..NodeConfig::new(data.to_owned())
    }
}

/// Two talk while `trouble` goes on, which has no end: everything arrives exactly once, both ways.
pub(crate) async fn talk(
    ana: &mut Person,
    eva: &mut Person,
    number: usize,
    trouble: impl Future<Output = Infallible>,
) {
    let talk = async {
        for count in 0..number {
            ana.say(&format!("from Ana {count}")).await;
            eva.say(&format!("from Eva {count}")).await;
        }
        tokio::join!(ana.hears("from Eva", number), eva.hears("from Ana", number));
    };
    tokio::select! {
        () = talk => {}
        never = trouble => match never {},
    }
}

pub(crate) struct Person {
    node: Node,
    events: EventStream,
    /// What it is stored in, if anything.
    _data: Option<tempfile::TempDir>,
}

impl Person {
    /// Somebody with this node, which has just started, and what it is stored in.
    pub(crate) async fn with(node: Node, data: Option<tempfile::TempDir>) -> Self {
        let events = node.subscribe();
        let target = CHANNEL.to_owned();
        node.call(Command::ChannelJoin { target }).await.unwrap();
        Self {
            node,
            events,
            _data: data,
        }
    }

    pub(crate) async fn say(&self, text: &str) {
        let command = Command::Send {
            channel: CHANNEL.to_owned(),
            text: text.to_owned(),
        };
        self.node.call(command).await.unwrap();
    }

    /// Waits for so many texts that begin so: each comes once, and history has them in order. What was
    /// missed comes newest first.
    pub(crate) async fn hears(&mut self, from: &str, number: usize) {
        self.takes(from, number).await;
        let written: Vec<String> = (0..number).map(|count| format!("{from} {count}")).collect();
        assert_eq!(self.history(from).await, written);
    }

    /// Waits for so many texts that begin so.
    pub(crate) async fn takes(&mut self, from: &str, number: usize) {
        let mut heard = Vec::new();
        while heard.len() < number {
            let text = tokio::time::timeout(HANG, self.next_text(from));
            heard.push(
                text.await.unwrap_or_else(|_| {
                    panic!("{} of {number} {from} came: {heard:?}", heard.len())
                }),
            );
        }
    }

    async fn history(&self, from: &str) -> Vec<String> {
        let command = Command::History {
            channel: CHANNEL.to_owned(),
            limit: Some(10_000),
            since: None,
            before: None,
        };
        let Ok(Reply::History(history)) = self.node.call(command).await else {
            panic!("a history")
        };
        let texts = history.into_iter().map(|entry| entry.text);
        texts.filter(|text| text.starts_with(from)).collect()
    }

    async fn next_text(&mut self, from: &str) -> String {
        loop {
            let event = self.events.next().await.expect("the node runs");
            match event.kind {
                EventKind::Message { message, .. } if message.text.starts_with(from) => {
                    return message.text;
                }
                EventKind::Missed { count } => panic!("{count} events were missed"),
                _ => {}
            }
        }
    }

    pub(crate) async fn peers(&self) -> Vec<PeerInfo> {
        let Ok(Reply::Peers(peers)) = self.node.call(Command::Peers).await else {
            panic!("peers")
        };
        peers
    }

    pub(crate) async fn stop(self) {
        self.node.shutdown().await;
    }
}
