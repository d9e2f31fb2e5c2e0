//! The node object.

use std::sync::Arc;

use sovereign_node::{
    EventStream, Node,
    api::{ApiError, Command, ErrorKind, Reply},
};
use tokio::sync::Mutex;

use crate::{
    error::SovereignError,
    event::SovereignEvent,
    records::{Channel, Config, ImportResult, Message, Peer, Sent, Status},
};

/// A running node. Several may run in one process, on different data directories.
#[derive(uniffi::Object)]
pub struct SovereignNode {
    node: Node,
    events: Mutex<EventStream>,
}

/// The node answered in a way that its API does not provide: a bug.
fn unexpected() -> SovereignError {
    ApiError::new(
        ErrorKind::Internal,
        "the node gave an unexpected answer",
        "please report this",
    )
    .into()
}

macro_rules! expect {
    ($node:expr, $command:expr, $pattern:pat => $value:expr) => {
        match $node.call($command).await? {
            $pattern => Ok($value),
            _ => Err(unexpected()),
        }
    };
}

#[uniffi::export(async_runtime = "tokio")]
impl SovereignNode {
    /// Starts a node.
    #[uniffi::constructor]
    pub async fn start(config: Config) -> Result<Arc<Self>, SovereignError> {
        let node = Node::start(config.into()).await?;
        let events = Mutex::new(node.subscribe());
        Ok(Arc::new(Self { node, events }))
    }

    /// The next event; `None` when the node has ended. Safe to cancel. Events that nobody takes are
    /// dropped, oldest first, and counted in `Missed`.
    pub async fn next_event(&self) -> Option<SovereignEvent> {
        self.events
            .lock()
            .await
            .next()
            .await
            .map(|event| event.kind.into())
    }

    /// The node as a whole.
    pub async fn status(&self) -> Result<Status, SovereignError> {
        expect!(self.node, Command::Status, Reply::Status(status) => (*status).into())
    }

    /// Who is near or linked, best first.
    pub async fn peers(&self) -> Result<Vec<Peer>, SovereignError> {
        expect!(self.node, Command::Peers, Reply::Peers(peers) => peers.into_iter().map(Into::into).collect())
    }

    /// All joined channels.
    pub async fn channels(&self) -> Result<Vec<Channel>, SovereignError> {
        expect!(self.node, Command::ChannelList, Reply::Channels(all) => all.into_iter().map(Into::into).collect())
    }

    /// A new channel: public if the name begins with `#`, private otherwise.
    pub async fn create_channel(&self, name: String) -> Result<Channel, SovereignError> {
        expect!(self.node, Command::ChannelCreate { name }, Reply::Channel(channel) => channel.into())
    }

    /// Joins by `#name` or invitation link.
    pub async fn join_channel(&self, target: String) -> Result<Channel, SovereignError> {
        expect!(self.node, Command::ChannelJoin { target }, Reply::Channel(channel) => channel.into())
    }

    /// Leaves a channel; its keys are destroyed.
    pub async fn leave_channel(&self, channel: String) -> Result<(), SovereignError> {
        expect!(self.node, Command::ChannelLeave { channel }, Reply::Done => ())
    }

    /// What others join with.
    pub async fn invite(&self, channel: String) -> Result<String, SovereignError> {
        expect!(self.node, Command::ChannelInvite { channel }, Reply::Channel(channel) => channel.link)
    }

    /// Writes a text; returns when it is durable.
    pub async fn send(&self, channel: String, text: String) -> Result<Sent, SovereignError> {
        expect!(self.node, Command::Send { channel, text }, Reply::Sent(sent) => sent.into())
    }

    /// The newest `limit` texts, oldest first, in the order that is the same on every node.
    pub async fn history(
        &self,
        channel: String,
        limit: u32,
    ) -> Result<Vec<Message>, SovereignError> {
        let command = Command::History {
            channel,
            limit: Some(limit),
            since: None,
            before: None,
        };
        expect!(self.node, command, Reply::History(all) => all.into_iter().map(Into::into).collect())
    }

    /// Marks everything in a channel as read.
    pub async fn mark_read(&self, channel: String) -> Result<(), SovereignError> {
        expect!(self.node, Command::ChannelRead { channel }, Reply::Done => ())
    }

    /// Dials an address that ends in `/p2p/<PeerId>`.
    pub async fn dial(&self, address: String) -> Result<(), SovereignError> {
        expect!(self.node, Command::Dial { address }, Reply::Done => ())
    }

    /// Writes everything carried to a new file; returns the number of bundles.
    pub async fn export_bundles(&self, path: String) -> Result<u64, SovereignError> {
        expect!(self.node, Command::Export { path, channel: None }, Reply::Exported(exported) => exported.bundles)
    }

    /// Reads bundles from a file.
    pub async fn import_bundles(&self, path: String) -> Result<ImportResult, SovereignError> {
        expect!(self.node, Command::Import { path }, Reply::Imported(imported) => imported.into())
    }

    /// Ends the node; returns when it has ended.
    pub async fn shutdown(&self) {
        self.node.shutdown().await;
    }
}
