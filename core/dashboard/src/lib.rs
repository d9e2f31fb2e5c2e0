//! SHOWS. The local web dashboard (APP-4, APP-5, APP-7, APP-8): a web server on a loopback address that
//! serves one page and, over one WebSocket, the typed control API of `sovereign-node`, or a recording of a run
//! ([`play`]). Who may use it is written down in docs/dashboard.md; each rule is one small module here.

mod address;
mod allowed;
mod assets;
mod code;
mod counters;
mod guard;
mod http;
mod limits;
mod live;
pub mod play;
mod rate;
mod server;
mod sessions;
mod shown;

pub use address::{AddressError, parse as parse_address};
pub use code::{CODE_LENGTH, Codes};
pub use counters::{Counters, Reading};
pub use limits::Limits;
pub use server::{BindError, BoundDashboard, Options, Setting, bind};
/// Where it gets what it shows live: a running node, or whatever else speaks the control API.
pub use sovereign_node::api::{EventSource, Service as Source};
