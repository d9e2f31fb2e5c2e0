//! What a page can be over: a running node, or a recording. The server is the same.

use serde::{Serialize, de::DeserializeOwned};
use sovereign_node::api::{ApiError, Command, Event, Reply};

use crate::{
    EventSource, Source, allowed,
    play::{Look, Playable, Seen},
};

/// Which of the two; the page looks accordingly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    Node,
    Recording,
}

/// The one that is served.
pub(crate) trait Shown: Clone + Send + Sync + 'static {
    type Ask: DeserializeOwned + Send;
    type Answer: Serialize + Send + 'static;
    type Events: EventSource;
    const KIND: Kind;

    fn call(&self, ask: Self::Ask) -> impl Future<Output = Result<Self::Answer, ApiError>> + Send;

    /// What the developer panel asks, if there is one.
    fn panel() -> Option<Self::Ask>;

    fn subscribe(&self) -> Self::Events;
}

/// A node.
#[derive(Debug, Clone)]
pub(crate) struct Live<S>(pub(crate) S);

impl<S: Source> Shown for Live<S> {
    type Ask = Command;
    type Answer = Reply;
    type Events = S::Events;
    const KIND: Kind = Kind::Node;

    async fn call(&self, ask: Command) -> Result<Reply, ApiError> {
        self.0.call(allowed::check(ask)?).await
    }

    fn panel() -> Option<Command> {
        Some(Command::Panel)
    }

    fn subscribe(&self) -> S::Events {
        self.0.subscribe()
    }
}

/// A recording.
#[derive(Debug, Clone)]
pub(crate) struct Recorded<P>(pub(crate) P);

impl<P: Playable> Shown for Recorded<P> {
    type Ask = Look;
    type Answer = Seen;
    type Events = Nothing;
    const KIND: Kind = Kind::Recording;

    async fn call(&self, ask: Look) -> Result<Seen, ApiError> {
        self.0.look(ask).await
    }

    fn panel() -> Option<Look> {
        None
    }

    fn subscribe(&self) -> Nothing {
        Nothing
    }
}

/// Nothing new happens in a recording.
#[derive(Debug)]
pub(crate) struct Nothing;

impl EventSource for Nothing {
    async fn next(&mut self) -> Option<Event> {
        std::future::pending().await
    }
}
