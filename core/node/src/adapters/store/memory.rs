//! The in-memory twin: the same contract without a disk.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use super::bounds;
use crate::ports::store::{Batch, Op, Store, StoreError, StoreStats, Table};

type Pairs = BTreeMap<(Table, Vec<u8>), Vec<u8>>;

/// A store for tests and the simulator. What it holds is gone with it.
#[derive(Debug, Default)]
pub struct MemoryStore {
    pairs: Mutex<Pairs>,
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl Store for MemoryStore {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let pairs = self.pairs.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(pairs.get(&(table, key.to_vec())).cloned())
    }

    fn scan(&self, table: Table, visit: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), StoreError> {
        // Visited outside the lock: the caller may use the store while it looks.
        let found: Vec<(Vec<u8>, Vec<u8>)> = {
            let pairs = self.pairs.lock().unwrap_or_else(PoisonError::into_inner);
            let of_table = pairs
                .range((table, Vec::new())..)
                .take_while(|((t, _), _)| *t == table);
            of_table
                .map(|((_, key), value)| (key.clone(), value.clone()))
                .collect()
        };
        for (key, value) in &found {
            visit(key, value);
        }
        Ok(())
    }

    fn commit(&self, batch: Batch) -> Result<(), StoreError> {
        bounds::check(&batch)?;
        let mut pairs = self.pairs.lock().unwrap_or_else(PoisonError::into_inner);
        for op in batch.ops {
            match op {
                Op::Put(table, key, value) => pairs.insert((table, key), value),
                Op::Delete(table, key) => pairs.remove(&(table, key)),
            };
        }
        Ok(())
    }

    fn scrub(&self) -> Result<(), StoreError> {
        // What is removed from a map is gone.
        Ok(())
    }

    fn stats(&self) -> StoreStats {
        let pairs = self.pairs.lock().unwrap_or_else(PoisonError::into_inner);
        StoreStats {
            keys: pairs.len() as u64,
            disk_bytes: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    crate::store_contract!(|_dir: &std::path::Path| MemoryStore::new());
}
