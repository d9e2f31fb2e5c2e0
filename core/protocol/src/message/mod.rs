//! Messages: the signed envelope, the sealed bundle around it, and files of bundles
//! (`docs/protocol.md` §5, §6, §10).

pub mod archive;
pub mod bundle;
pub mod envelope;
pub mod text;

pub use bundle::{Bundle, SizeClass};
pub use envelope::{Draft, Envelope, Kind, ParentId};
