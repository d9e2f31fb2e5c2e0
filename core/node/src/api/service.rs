//! The control API as a contract (decision 19): what serves it to others, by socket or by page, asks this of a
//! node, a recording or a test's twin.

use std::future::Future;

use super::{ApiError, Command, Event, Reply};
use crate::{EventStream, Node};

/// Commands in, events out.
pub trait Service: Clone + Send + Sync + 'static {
    /// Its events.
    type Events: EventSource;

    /// Asks it.
    fn call(&self, command: Command) -> impl Future<Output = Result<Reply, ApiError>> + Send;

    /// Events from now on.
    fn subscribe(&self) -> Self::Events;
}

/// A stream of events.
pub trait EventSource: Send + 'static {
    /// The next one, `None` at the end; safe to cancel.
    fn next(&mut self) -> impl Future<Output = Option<Event>> + Send;
}

impl Service for Node {
    type Events = EventStream;

    async fn call(&self, command: Command) -> Result<Reply, ApiError> {
        Self::call(self, command).await
    }

    fn subscribe(&self) -> EventStream {
        Self::subscribe(self)
    }
}

impl EventSource for EventStream {
    async fn next(&mut self) -> Option<Event> {
        Self::next(self).await
    }
}
