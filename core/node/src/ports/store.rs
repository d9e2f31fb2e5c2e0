//! The store port: a small ordered-by-nobody key-value store whose commits are durable.

/// A table. Numbers are part of the on-disk format: never reuse one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Table {
    /// Single values: identity, settings, transport keys, counters.
    Meta = 0,
    /// Channel records, by channel id.
    Channels = 1,
    /// Bundle bodies, by content id.
    Bundles = 2,
    /// What is known of a carried bundle (age, lifetime, source), by content id.
    Shelf = 3,
    /// Ids that need not come again, evicted and declined ones included, by content id.
    Seen = 4,
    /// Opened messages, by message id.
    Messages = 5,
    /// States of own messages, by message id.
    States = 6,
}

impl Table {
    /// Every table.
    pub const ALL: [Self; 7] = [
        Self::Meta,
        Self::Channels,
        Self::Bundles,
        Self::Shelf,
        Self::Seen,
        Self::Messages,
        Self::States,
    ];
}

/// Largest key, in bytes.
pub const MAX_KEY: usize = 64;
/// Largest value, in bytes: the largest bundle and some room for its record.
pub const MAX_VALUE: usize = 64 * 1024;
/// Largest sum of keys and values in one batch, in bytes.
pub const MAX_BATCH: usize = 8 * 1024 * 1024;
/// Most changes in one batch: empty keys and values weigh nothing in [`MAX_BATCH`].
pub const MAX_OPS: usize = 64 * 1024;

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    /// Insert or replace.
    Put(Table, Vec<u8>, Vec<u8>),
    /// Remove; removing what is not there is no error.
    Delete(Table, Vec<u8>),
}

/// Changes that become durable together or not at all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Batch {
    /// In order; a later change to a key wins.
    pub ops: Vec<Op>,
}

/// What the store holds and costs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StoreStats {
    /// Live keys.
    pub keys: u64,
    /// Bytes on disk.
    pub disk_bytes: u64,
}

/// Why the store said no. Each variant says what to do.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// No space is left. Everything acknowledged stays readable; commits work again once there is room.
    #[error("the disk is full: nothing was lost, but nothing can be stored until there is room")]
    Full,
    /// Another node has the directory open.
    #[error("the data directory is in use by another node")]
    Held,
    /// The directory was written by a later version.
    #[error(
        "the store has format {found}, this program reads up to {supported}: install the newer program again"
    )]
    Newer {
        /// Format found.
        found: u32,
        /// Newest format this program reads.
        supported: u32,
    },
    /// Damaged or foreign. The store was opened read-only: what can be read can be exported.
    #[error(
        "the store is damaged or not ours ({what}): it is open read-only; export what you need, then restore a backup into an empty directory"
    )]
    Damaged {
        /// What was found.
        what: String,
    },
    /// A key, value or batch above its bound: a bug in the caller.
    #[error("a key, value or batch exceeds its bound")]
    TooLarge,
    /// The operating system refused.
    #[error("the operating system refused: {0}")]
    Io(#[from] std::io::Error),
}

/// A durable key-value store. Methods block: call them off the event loop.
pub trait Store: Send + Sync + 'static {
    /// The value of a key.
    ///
    /// # Errors
    /// [`StoreError::Io`] or [`StoreError::Damaged`].
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError>;

    /// Every pair of a table, in the order of its keys.
    ///
    /// # Errors
    /// [`StoreError::Io`] or [`StoreError::Damaged`].
    fn scan(&self, table: Table, visit: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), StoreError>;

    /// Applies a batch; on return it is durable. Concurrent callers share one device flush.
    ///
    /// # Errors
    /// [`StoreError::Full`] and the others; after an error nothing of the batch is visible.
    fn commit(&self, batch: Batch) -> Result<(), StoreError>;

    /// Removes what was deleted or replaced from the medium too, so that not even the owner of the
    /// store's key finds it again. May take a second.
    ///
    /// # Errors
    /// [`StoreError::Full`], [`StoreError::Io`], [`StoreError::Damaged`]; nothing is lost then.
    fn scrub(&self) -> Result<(), StoreError>;

    /// Size and count.
    fn stats(&self) -> StoreStats;
}
