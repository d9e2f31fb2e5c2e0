//! The control socket (decision 19): an owner-only Unix socket over which the command line, scripts
//! and tests ask a running node. One JSON object a line, both ways.
//!
//! A request is a `Command` (`{"command":"status"}`), answered by one line `{"ok":…}` or
//! `{"error":{"kind","message","hint"}}`. `{"command":"events"}` is answered by `{"ok":…}` and then by
//! one line an event, until either side closes.

mod client;
mod path;
mod protocol;
mod server;

use std::future::Future;

use sovereign_node::{
    EventStream, Node,
    api::{ApiError, Command, Event, Reply},
};

pub use client::{Client, Events};
pub use path::{NAME as SOCKET_NAME, prepare_data_dir};
pub use protocol::{Answer, Limits, MAX_LINE, MAX_REPLY, Request};
pub use server::{Listener, bind, serve};

/// What the server needs from a node.
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
