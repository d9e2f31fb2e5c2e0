//! The endless sequence of coded symbols of one set.

use core::ops::Range;

use super::{MAX_SYMBOLS, Mapping, Symbol};
use crate::reconcile::key::{SessionKey, ShortId};

/// Symbols coded at first. The number doubles whenever more are asked for, so that even somebody
/// who asks for one symbol at a time makes the set be walked only eight times.
const FIRST_SYMBOLS: usize = 128;

struct Member {
    id: ShortId,
    check: u64,
    mapping: Mapping,
}

/// Codes a set, up to [`MAX_SYMBOLS`] symbols. 32 bytes for each id, 24 for each symbol.
pub struct Encoder {
    members: Vec<Member>,
    symbols: Vec<Symbol>,
}

impl Encoder {
    /// An encoder of distinct ids.
    pub fn new(key: &SessionKey, ids: impl IntoIterator<Item = ShortId>) -> Self {
        Self {
            members: ids
                .into_iter()
                .map(|id| {
                    let check = key.check(id);
                    Member {
                        id,
                        check,
                        mapping: Mapping::new(check),
                    }
                })
                .collect(),
            symbols: Vec::new(),
        }
    }

    /// The symbols of a range, cut off at [`MAX_SYMBOLS`].
    pub fn symbols(&mut self, range: Range<usize>) -> &[Symbol] {
        let end = range.end.min(MAX_SYMBOLS);
        self.extend_to(end);
        &self.symbols[range.start.min(end)..end]
    }

    fn extend_to(&mut self, end: usize) {
        if end <= self.symbols.len() {
            return;
        }
        let length = end
            .max(self.symbols.len() * 2)
            .clamp(FIRST_SYMBOLS, MAX_SYMBOLS);
        self.symbols.resize(length, Symbol::default());
        for member in &mut self.members {
            while let Some(symbol) = usize::try_from(member.mapping.index())
                .ok()
                .and_then(|index| self.symbols.get_mut(index))
            {
                symbol.apply(member.id, member.check, 1);
                member.mapping.advance();
            }
        }
    }
}

impl core::fmt::Debug for Encoder {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Encoder")
            .field("ids", &self.members.len())
            .field("symbols", &self.symbols.len())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoder(count: u64) -> Encoder {
        Encoder::new(&SessionKey::new(&[3; 32]), (0..count).map(ShortId))
    }

    #[test]
    fn the_first_symbol_holds_every_id() {
        let mut encoder = encoder(100);
        let first = encoder.symbols(0..1)[0];
        assert_eq!(first.count, 100);
        assert_eq!(first.sum, (0..100).fold(0, |sum, id| sum ^ id));
    }

    #[test]
    fn symbols_do_not_depend_on_how_they_are_asked_for() {
        let at_once = encoder(500).symbols(0..2_000).to_vec();
        let mut encoder = encoder(500);
        let one_by_one: Vec<_> = (0..2_000)
            .map(|index| encoder.symbols(index..index + 1)[0])
            .collect();
        assert_eq!(at_once, one_by_one);
        assert_eq!(encoder.symbols(5..9), &at_once[5..9]);
    }

    #[test]
    fn the_number_coded_doubles_however_little_is_asked_for() {
        let mut encoder = encoder(10);
        for (asked, coded) in [
            (1, 128),
            (128, 128),
            (129, 256),
            (257, 512),
            (2_000, 2_000),
            (2_001, 4_000),
            (4_001, 8_000),
            (8_001, 16_000),
            (16_001, MAX_SYMBOLS),
        ] {
            encoder.symbols(0..asked);
            assert_eq!(encoder.symbols.len(), coded);
        }
    }

    #[test]
    fn no_more_than_the_cap_is_coded() {
        let mut encoder = encoder(10);
        assert_eq!(encoder.symbols(0..MAX_SYMBOLS + 1).len(), MAX_SYMBOLS);
        assert!(encoder.symbols(MAX_SYMBOLS..MAX_SYMBOLS + 9).is_empty());
        assert!(encoder.symbols(MAX_SYMBOLS + 3..MAX_SYMBOLS + 9).is_empty());
        assert_eq!(encoder.symbols(MAX_SYMBOLS - 1..MAX_SYMBOLS).len(), 1);
    }
}
