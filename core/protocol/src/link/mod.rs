//! One link of `/sovereign/link/1` (docs/protocol.md §7) and the scheduler above all links
//! (decisions 3, 4 and 9; MSG-9).
//!
//! [`Session`] speaks for one connection: handshake, priorities, credit, reassembly. [`Scheduler`]
//! sees all links of a peer and chooses among them. Both are pure.

mod bounds;
mod counters;
mod credit;
mod duplicate;
mod event;
pub mod frame;
mod handshake;
mod liveness;
mod metrics;
mod outbox;
mod pending;
mod reassembly;
mod scheduler;
mod session;

pub use bounds::{
    Bound, MAX_CREDIT, MAX_ESTIMATE, MAX_EXTENSIONS, MAX_IDS, MAX_LIFETIME_S, MAX_PART_DATA,
    MIN_CREDIT, NONCE_LEN,
};
pub use counters::{Counters, Traffic};
pub use duplicate::{LinkInfo, Rank};
pub use event::{Incoming, Output, SendError, SessionConfig};
pub use handshake::{MAX_VERSION, MIN_VERSION, capability, session_id};
pub use liveness::{
    ANSWER_WITHIN, DIALER_ASKS_AFTER, LEAST_RATE, LISTENER_ASKS_AFTER, SUSPECT_ANSWER_WITHIN,
    UNANSWERED_AFTER,
};
pub use metrics::{Metrics, SUSPECT_AFTER};
pub use outbox::{CONTROL_QUEUE, LIST_QUEUE, MAX_OFFERS, Offer};
pub use pending::{MAX_UNPROVEN, PROVEN_AFTER};
pub use reassembly::{REASSEMBLY_LIMIT, REASSEMBLY_STALL};
pub use scheduler::{Lost, MAX_LINKS_PER_PEER, Merged, PeerKey, Scheduler};
pub use session::{
    HELLO_TIMEOUT, SEND_STALL, SLOW_CREDIT, SLOW_QUEUE, Session, TOLERATED_FRAMES, WIDE_CREDIT,
    WIDE_QUEUE,
};

pub use crate::wire::v1::CloseReason;
