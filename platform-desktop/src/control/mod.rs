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

pub use client::{Client, Events};
pub use path::{NAME as SOCKET_NAME, prepare_data_dir};
pub use protocol::{Answer, Limits, MAX_LINE, MAX_REPLY, Request};
pub use server::{Listener, bind, serve};
pub use sovereign_node::api::{EventSource, Service};
