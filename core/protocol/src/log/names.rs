//! The names that authors give themselves: unverified, the latest in order wins.

use std::collections::BTreeMap;

use super::OrderKey;
use crate::id::AuthorKey;

/// Names by author.
#[derive(Debug, Clone, Default)]
pub struct NameBook {
    names: BTreeMap<AuthorKey, (OrderKey, String)>,
}

impl NameBook {
    /// Takes note of a name that a message carried.
    pub fn note(&mut self, place: OrderKey, name: &str) {
        match self.names.get(&place.1) {
            Some((known, _)) if *known > place => {}
            _ => {
                self.names.insert(place.1, (place, name.to_owned()));
            }
        }
    }

    /// The author's name.
    #[must_use]
    pub fn get(&self, author: &AuthorKey) -> Option<&str> {
        self.names.get(author).map(|(_, name)| name.as_str())
    }
}
