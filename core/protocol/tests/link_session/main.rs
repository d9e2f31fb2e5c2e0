//! The link's session, two of them back to back (docs/protocol.md §7; decisions 3 and 4; MSG-9).

mod bundles;
mod flow;
mod frames;
mod handshake;
mod helpers;
mod pair;
mod timeouts;
