//! The contract on disk, with either index.

use std::path::Path;

use crate::adapters::store::{DiskStore, IndexKind, Options};

fn open(index: IndexKind) -> impl Fn(&Path) -> DiskStore {
    move |dir| {
        let opened = DiskStore::open(
            dir,
            Options {
                index,
                ..Options::default()
            },
        )
        .unwrap();
        assert_eq!(opened.damage, None);
        opened.store
    }
}

mod memory_index {
    crate::store_contract!(super::open(super::IndexKind::Memory));
}

mod sled_index {
    crate::store_contract!(super::open(super::IndexKind::Sled));
}
