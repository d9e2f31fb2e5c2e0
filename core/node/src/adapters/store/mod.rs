//! The durable store: a sealed, checksummed, append-only journal is the truth (ADR 0001).
//!
//! A data directory holds
//!
//! | Name | What |
//! | --- | --- |
//! | `lock` | held with `flock` while open; says that the store was once created |
//! | `store.key` | the one key of everything below; destroying it is the wipe (ID-8) |
//! | `journal` | every batch, sealed, in the order of acknowledgement |
//! | `clean` | where the journal ended at the last orderly stop, sealed |
//! | `index-…/` | where a large index spills, under a key that never leaves memory; rebuilt at every open |
//! | `*.new` | a file on its way to being renamed; of no value after a crash |
//! | `wiped` | a wipe that was interrupted; the next open or wipe finishes it |

mod bounds;
pub mod contract;
mod disk;
mod files;
mod generation;
mod group;
mod index;
mod journal;
mod key;
mod lock;
mod marker;
mod memory;
mod open;
mod record;
mod rewrite;
mod sled_index;
mod walk;
mod wipe;

#[cfg(test)]
mod tests;

pub use disk::DiskStore;
pub use memory::MemoryStore;
pub use open::{Convert, IndexKind, Migration, Opened, Options};
