//! A phone's store, watched: which bundles it holds, and which of them are which messages.

use std::sync::Mutex;

use sovereign_node::{
    adapters::store::MemoryStore,
    ports::store::{Batch, Op, Store, StoreError, StoreStats, Table},
};

/// What a commit made durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Held {
    /// A bundle, by content id.
    Bundle(Vec<u8>),
    /// The message in the bundle before it.
    Message {
        /// Content id.
        content: Vec<u8>,
        /// Message id.
        message: Vec<u8>,
    },
}

type Told = Box<dyn FnMut(Held) + Send>;

/// See the module.
#[derive(Default)]
pub(super) struct Watched {
    store: MemoryStore,
    told: Mutex<Option<Told>>,
}

impl Watched {
    /// Tells this one from now on.
    pub(super) fn tell(&self, told: impl FnMut(Held) + Send + 'static) {
        *self.lock() = Some(Box::new(told));
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Told>> {
        self.told
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Store for Watched {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.store.get(table, key)
    }

    fn scan(&self, table: Table, visit: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), StoreError> {
        self.store.scan(table, visit)
    }

    fn commit(&self, batch: Batch) -> Result<(), StoreError> {
        let mut held = Vec::new();
        let mut last = None;
        for op in &batch.ops {
            match op {
                Op::Put(Table::Bundles, content, _) => {
                    held.push(Held::Bundle(content.clone()));
                    last = Some(content);
                }
                Op::Put(Table::Messages, message, _) => {
                    if let Some(content) = last.take().cloned() {
                        let message = message.clone();
                        held.push(Held::Message { content, message });
                    }
                }
                _ => {}
            }
        }
        self.store.commit(batch)?;
        if let Some(told) = &mut *self.lock() {
            held.into_iter().for_each(told);
        }
        Ok(())
    }

    fn scrub(&self) -> Result<(), StoreError> {
        self.store.scrub()
    }

    fn stats(&self) -> StoreStats {
        self.store.stats()
    }
}
