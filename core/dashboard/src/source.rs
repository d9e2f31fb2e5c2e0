//! Where the dashboard gets what it shows: a running node, or whatever speaks the same contract (a
//! recording of a simulation, a test).

use std::future::Future;

use sovereign_node::{
    EventStream, Node,
    api::{ApiError, Command, Event, Reply},
};

/// Commands in, events out: the control API (decision 19), exactly as the control socket serves it.
pub trait Source: Clone + Send + Sync + 'static {
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

impl Source for Node {
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
