//! What the server bears. Everything that a browser can make grow is bounded here.

use std::time::Duration;

/// Bounds, with the defaults of a person's node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Connections at a time; more are closed at once. Several tabs of several browsers.
    pub connections: usize,
    /// Pages that are live at a time; more are answered 503.
    pub live: usize,
    /// For the head of a request to come in whole.
    pub head: Duration,
    /// For everything on one connection, unless it became a live one.
    pub connection: Duration,
    /// Sessions at a time; a new one ends the one that was used least lately.
    pub sessions: usize,
    /// A session ends this long after it was last used.
    pub session: Duration,
    /// Requests at once, of all browsers together; more are answered 429.
    pub request_burst: u32,
    /// Requests in the long run, per second.
    pub request_rate: u32,
    /// Wrong codes at once; more are answered 429.
    pub code_burst: u32,
    /// A further code may be tried after so long.
    pub code_gap: Duration,
    /// Commands of one page at once; what it says beyond them waits.
    pub commands: usize,
    /// Between two pushes of events to a page.
    pub push_gap: Duration,
    /// Between two readings of the developer panel, while it is open.
    pub panel_gap: Duration,
    /// For a browser to take what was sent; then its page is closed.
    pub write: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 32,
            live: 8,
            head: Duration::from_secs(5),
            connection: Duration::from_secs(60),
            sessions: 8,
            session: Duration::from_secs(12 * 3600),
            request_burst: 100,
            request_rate: 50,
            code_burst: 5,
            code_gap: Duration::from_secs(6),
            commands: 8,
            push_gap: Duration::from_millis(500),
            panel_gap: Duration::from_secs(1),
            write: Duration::from_secs(10),
        }
    }
}

/// Longest message of a page, in bytes: a command with a text of the greatest length, every byte escaped.
pub(crate) const MAX_ASK: usize = 6 * sovereign_node::api::MAX_TEXT + 1024;
/// Longest body of a request, in bytes: a code.
pub(crate) const MAX_BODY: usize = 256;
/// Longest head of a request, in bytes. hyper takes no less than 8 KiB.
pub(crate) const MAX_HEAD: usize = 16 * 1024;
/// Messages and other lasting events that wait for a page at most; beyond, the page is told to look again.
pub(crate) const MAX_EVENTS: usize = 1024;
/// Peers whose changes wait for a page at most; beyond, likewise.
pub(crate) const MAX_PEERS: usize = 20_000;
