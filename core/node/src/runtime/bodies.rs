//! Bundles that were written a moment ago: they are about to be sent, and need not be read back and unsealed.

use bytes::Bytes;
use hashlink::LruCache;
use sovereign_protocol::{engine::StoreOp, id::ContentId};

/// Bytes of bundles that are remembered: a burst of two thousand short messages, or thirty of the longest.
const MAX_BYTES: usize = 512 * 1_024;

/// The latest bundles, by what was used last. All are sealed as they travel.
pub(super) struct Bodies {
    bodies: LruCache<ContentId, Bytes>,
    bytes: usize,
}

impl Bodies {
    pub(super) fn new() -> Self {
        Self {
            bodies: LruCache::new_unbounded(),
            bytes: 0,
        }
    }

    /// Follows what is written.
    pub(super) fn follow(&mut self, ops: &[StoreOp]) {
        for op in ops {
            match op {
                StoreOp::PutBundle { content, body, .. } => self.put(*content, body.clone()),
                StoreOp::DropBundle(content) => self.remove(content),
                _ => {}
            }
        }
    }

    pub(super) fn get(&mut self, content: &ContentId) -> Option<Bytes> {
        self.bodies.get(content).cloned()
    }

    fn put(&mut self, content: ContentId, body: Bytes) {
        self.remove(&content);
        self.bytes += body.len();
        self.bodies.insert(content, body);
        while self.bytes > MAX_BYTES
            && let Some((_, oldest)) = self.bodies.remove_lru()
        {
            self.bytes -= oldest.len();
        }
    }

    fn remove(&mut self, content: &ContentId) {
        if let Some(body) = self.bodies.remove(content) {
            self.bytes -= body.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: usize = 16 * 1_024;
    const FIT: u8 = (MAX_BYTES / SIZE) as u8;

    fn id(number: u8) -> ContentId {
        ContentId([number; 32])
    }

    fn put(number: u8) -> StoreOp {
        StoreOp::PutBundle {
            content: id(number),
            body: vec![number; SIZE].into(),
            record: Vec::new(),
        }
    }

    #[test]
    fn what_was_used_longest_ago_goes_first() {
        let mut bodies = Bodies::new();
        for number in 0..FIT {
            bodies.follow(&[put(number)]);
        }
        assert_eq!(bodies.get(&id(0)).as_deref(), Some(&[0; SIZE][..]));
        bodies.follow(&[put(FIT)]);
        assert!(bodies.get(&id(1)).is_none());
        assert!(bodies.get(&id(0)).is_some() && bodies.get(&id(FIT)).is_some());
        assert_eq!(bodies.bytes, MAX_BYTES);
    }

    #[test]
    fn what_is_dropped_is_forgotten_and_repeats_count_once() {
        let mut bodies = Bodies::new();
        bodies.follow(&[put(1), put(1), put(2)]);
        assert_eq!(bodies.bytes, 2 * SIZE);
        bodies.follow(&[StoreOp::DropBundle(id(1)), StoreOp::DropBundle(id(9))]);
        assert!(bodies.get(&id(1)).is_none());
        assert_eq!(bodies.bytes, SIZE);
    }
}
