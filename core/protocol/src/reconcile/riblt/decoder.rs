//! Peels the difference of two sets out of their coded symbols.

use std::collections::{BTreeMap, BTreeSet};

use super::{Encoder, MAX_SYMBOLS, Mapping, Symbol};
use crate::reconcile::key::{SessionKey, ShortId};

/// Changes of a symbol that peeling may take for each symbol received. Honest ids take part in
/// 2 ln(m/2) + 1 of m symbols, at most 20 on average, and there are fewer ids than symbols.
const STEPS_PER_SYMBOL: usize = 64;

/// How far a decoder got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The whole difference is known.
    Complete,
    /// More symbols are needed.
    NeedMore,
    /// No set codes to these symbols; more of them will not help.
    Inconsistent,
}

/// A decoded difference, each list ascending.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Recovered {
    /// Ids that only the other side has.
    pub theirs: Vec<ShortId>,
    /// Ids that only this side has.
    pub ours: Vec<ShortId>,
}

/// Decodes the other side's symbols against the own set.
///
/// Memory: 24 bytes for each symbol, 64 for each recovered id, of which there are no more than
/// symbols, and the own set's [`Encoder`]. Work is bounded by 64 steps for each symbol.
#[derive(Debug)]
pub struct Decoder {
    key: SessionKey,
    own: Encoder,
    symbols: Vec<Symbol>,
    /// Symbols already freed of the own set and of the recovered ids.
    prepared: usize,
    recovered: BTreeMap<ShortId, Peeled>,
    steps: usize,
    steps_per_symbol: usize,
    remote_count: i64,
    inconsistent: bool,
}

#[derive(Debug)]
struct Peeled {
    check: u64,
    /// 1 if only the other side has it, −1 if only this one.
    side: i64,
    mapping: Mapping,
}

impl Decoder {
    /// A decoder for a set of distinct ids.
    pub fn new(key: SessionKey, own: impl IntoIterator<Item = ShortId>) -> Self {
        Self {
            key,
            own: Encoder::new(&key, own),
            symbols: Vec::new(),
            prepared: 0,
            recovered: BTreeMap::new(),
            steps: 0,
            steps_per_symbol: STEPS_PER_SYMBOL,
            remote_count: 0,
            inconsistent: false,
        }
    }

    /// Takes the next symbols in. Returns whether they were within [`MAX_SYMBOLS`]; if not, none
    /// was taken.
    #[must_use]
    pub fn push(&mut self, symbols: &[Symbol]) -> bool {
        if symbols.len() > MAX_SYMBOLS - self.symbols.len() {
            return false;
        }
        if let (true, Some(first)) = (self.symbols.is_empty(), symbols.first()) {
            self.remote_count = first.count;
        }
        self.symbols.extend_from_slice(symbols);
        true
    }

    /// Number of symbols taken in.
    #[must_use]
    pub fn received(&self) -> usize {
        self.symbols.len()
    }

    /// Size of the other side's set, as its first symbol claims.
    #[must_use]
    pub const fn remote_count(&self) -> i64 {
        self.remote_count
    }

    /// Peels as far as the symbols go.
    pub fn decode(&mut self) -> Outcome {
        if !self.inconsistent {
            self.inconsistent = self.peel().is_none();
        }
        if self.inconsistent {
            Outcome::Inconsistent
        } else if !self.symbols.is_empty() && self.symbols.iter().all(Symbol::is_empty) {
            Outcome::Complete
        } else {
            Outcome::NeedMore
        }
    }

    /// What has been recovered: the whole difference once [`Outcome::Complete`] was returned.
    #[must_use]
    pub fn recovered(&self) -> Recovered {
        let mut out = Recovered::default();
        for (id, peeled) in &self.recovered {
            if peeled.side > 0 {
                out.theirs.push(*id);
            } else {
                out.ours.push(*id);
            }
        }
        out
    }

    /// `None` as soon as the symbols contradict each other.
    fn peel(&mut self) -> Option<()> {
        let fresh = self.prepared..self.symbols.len();
        for (symbol, own) in self.symbols[fresh.clone()]
            .iter_mut()
            .zip(self.own.symbols(fresh.clone()))
        {
            symbol.subtract(own);
        }
        self.prepared = fresh.end;
        let mut queue: BTreeSet<usize> = fresh.collect();
        let mut recovered = core::mem::take(&mut self.recovered);
        for (id, peeled) in &mut recovered {
            self.remove(*id, peeled, &mut queue)?;
        }
        while let Some(index) = queue.pop_first() {
            let symbol = self.symbols[index];
            let Some(id) = symbol.pure(&self.key) else {
                continue;
            };
            let check = self.key.check(id);
            let mut peeled = Peeled {
                check,
                side: symbol.count,
                mapping: Mapping::new(check),
            };
            // Every honest id leaves for good: one that comes back was never there.
            if recovered.len() == self.symbols.len() || recovered.contains_key(&id) {
                return None;
            }
            self.remove(id, &mut peeled, &mut queue)?;
            recovered.insert(id, peeled);
        }
        self.recovered = recovered;
        Some(())
    }

    /// Takes an id out of the symbols from where its mapping stands, and queues those that may
    /// have become pure.
    fn remove(
        &mut self,
        id: ShortId,
        peeled: &mut Peeled,
        queue: &mut BTreeSet<usize>,
    ) -> Option<()> {
        let limit = self.steps_per_symbol * self.symbols.len();
        while let Some((index, symbol)) = usize::try_from(peeled.mapping.index())
            .ok()
            .and_then(|index| Some((index, self.symbols.get_mut(index)?)))
        {
            self.steps += 1;
            if self.steps > limit {
                return None;
            }
            symbol.apply(id, peeled.check, -peeled.side);
            if symbol.count.abs() == 1 {
                queue.insert(index);
            }
            peeled.mapping.advance();
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key() -> SessionKey {
        SessionKey::new(&[3; 32])
    }

    fn scattered(range: core::ops::Range<u64>) -> impl Iterator<Item = ShortId> + Clone {
        range.map(|n| ShortId(n.wrapping_mul(0x9e37_79b9_7f4a_7c15)))
    }

    /// Decodes in batches; returns the difference and the number of symbols it took.
    fn decode(
        theirs: impl Iterator<Item = ShortId>,
        ours: impl Iterator<Item = ShortId>,
        batch: usize,
    ) -> (Recovered, usize) {
        let mut encoder = Encoder::new(&key(), theirs);
        let mut decoder = Decoder::new(key(), ours);
        loop {
            let from = decoder.received();
            assert!(decoder.push(encoder.symbols(from..from + batch)));
            match decoder.decode() {
                Outcome::Complete => {
                    let used = decoder.received();
                    return (decoder.recovered(), used);
                }
                Outcome::NeedMore => assert!(decoder.received() < MAX_SYMBOLS),
                Outcome::Inconsistent => panic!("honest symbols"),
            }
        }
    }

    #[test]
    fn a_hundred_differences_of_ten_thousand_take_about_150_symbols() {
        let mut total = 0;
        for run in 0..10 {
            let start = run * 100_000;
            let theirs = scattered(start..start + 10_050);
            let ours = scattered(start + 50..start + 10_100);
            let (difference, used) = decode(theirs, ours, 8);
            assert_eq!((difference.theirs.len(), difference.ours.len()), (50, 50));
            total += used;
        }
        assert!((1_200..1_800).contains(&total), "{total} in ten runs");
    }

    #[test]
    fn equal_sets_need_one_symbol_and_none_is_not_enough() {
        let mut decoder = Decoder::new(key(), scattered(0..50));
        assert_eq!(decoder.decode(), Outcome::NeedMore);
        let mut encoder = Encoder::new(&key(), scattered(0..50));
        assert!(decoder.push(encoder.symbols(0..1)));
        assert_eq!(decoder.decode(), Outcome::Complete);
        assert_eq!(decoder.remote_count(), 50);
        assert_eq!(decoder.recovered(), Recovered::default());
    }

    #[test]
    fn symbols_beyond_the_cap_are_not_taken() {
        let mut decoder = Decoder::new(key(), []);
        assert!(!decoder.push(&vec![Symbol::default(); MAX_SYMBOLS + 1]));
        assert!(decoder.push(&vec![Symbol::default(); MAX_SYMBOLS - 1]));
        assert!(decoder.push(&[Symbol::default()]));
        assert!(!decoder.push(&[Symbol::default()]));
        assert_eq!(decoder.received(), MAX_SYMBOLS);
    }

    fn pure(id: u64, count: i64) -> Symbol {
        Symbol {
            sum: id,
            check: key().check(ShortId(id)) as u32,
            count,
        }
    }

    #[test]
    fn an_id_that_comes_back_ends_the_decoding() {
        // Removing id 7 from index 0 leaves what was never put into index 1: it is pure there.
        let mut decoder = Decoder::new(key(), []);
        let hits_one = (0..)
            .find(|id| {
                let mut mapping = Mapping::new(key().check(ShortId(*id)));
                mapping.advance();
                mapping.index() == 1
            })
            .unwrap();
        assert!(decoder.push(&[pure(hits_one, 1), Symbol::default()]));
        assert_eq!(decoder.decode(), Outcome::Inconsistent);
        assert!(decoder.push(&[Symbol::default()]));
        assert_eq!(decoder.decode(), Outcome::Inconsistent);
    }

    #[test]
    fn a_symbol_whose_check_or_count_is_wrong_is_not_peeled() {
        for symbol in [
            Symbol {
                check: pure(7, 1).check ^ 1,
                ..pure(7, 1)
            },
            pure(7, 2),
            pure(7, 0),
            pure(7, -2),
        ] {
            let mut decoder = Decoder::new(key(), []);
            assert!(decoder.push(&[symbol]));
            assert_eq!(decoder.decode(), Outcome::NeedMore);
            assert_eq!(decoder.recovered(), Recovered::default());
        }
        let mut decoder = Decoder::new(key(), []);
        assert!(decoder.push(&[pure(7, 1)]));
        assert_eq!(decoder.decode(), Outcome::Complete);
        assert_eq!(decoder.recovered().theirs, [ShortId(7)]);
    }

    #[test]
    fn no_more_ids_are_recovered_than_symbols_received() {
        // Each symbol alone is pure, with ids that take part in nothing but index 0 here.
        let loners: Vec<u64> = (0..)
            .filter(|id| {
                let mut mapping = Mapping::new(key().check(ShortId(*id)));
                mapping.advance();
                mapping.index() >= 3
            })
            .take(4)
            .collect();
        let symbols: Vec<_> = loners[..3].iter().map(|id| pure(*id, 1)).collect();
        let mut decoder = Decoder::new(key(), []);
        assert!(decoder.push(&symbols));
        assert_ne!(decoder.decode(), Outcome::Complete);
        assert!(decoder.recovered.len() <= 3);
    }

    /// Decodes the only id of these symbols with a limit of steps for each.
    fn limited(symbols: &[Symbol], steps_per_symbol: usize) -> Outcome {
        let mut decoder = Decoder::new(key(), []);
        decoder.steps_per_symbol = steps_per_symbol;
        assert!(decoder.push(symbols));
        decoder.decode()
    }

    #[test]
    fn peeling_takes_no_more_than_its_steps() {
        let id = (0..)
            .map(ShortId)
            .find(|id| {
                let mut mapping = Mapping::new(key().check(*id));
                mapping.advance();
                mapping.index() == 1
            })
            .unwrap();
        let symbols = Encoder::new(&key(), [id]).symbols(0..2).to_vec();
        assert_eq!(limited(&symbols[..1], 1), Outcome::Complete);
        assert_eq!(limited(&symbols[..1], 0), Outcome::Inconsistent);
        assert_eq!(limited(&symbols, 1), Outcome::Complete);
        assert_eq!(limited(&symbols, 0), Outcome::Inconsistent);
    }

    proptest! {
        #[test]
        fn every_difference_is_decoded_exactly(
            shared in 0u64..300, theirs in 0u64..120, ours in 0u64..120, batch in 1usize..200
        ) {
            let all = scattered(0..shared + theirs + ours);
            let (difference, _) = decode(
                all.clone().take((shared + theirs) as usize),
                all.clone().take(shared as usize).chain(all.clone().skip((shared + theirs) as usize)),
                batch,
            );
            let sorted = |ids: &mut dyn Iterator<Item = ShortId>| {
                let mut ids: Vec<_> = ids.collect();
                ids.sort_unstable();
                ids
            };
            prop_assert_eq!(
                difference.theirs,
                sorted(&mut all.clone().skip(shared as usize).take(theirs as usize))
            );
            prop_assert_eq!(difference.ours, sorted(&mut all.skip((shared + theirs) as usize)));
        }

        /// Hardening #5, #15: whatever the symbols, work and memory stay within their bounds.
        #[test]
        fn hostile_symbols_neither_loop_nor_grow(
            ids in proptest::collection::vec((0u64..6, -1i64..=2, any::<bool>()), 1..200),
        ) {
            let mut decoder = Decoder::new(key(), scattered(0..20));
            for chunk in ids.chunks(7) {
                let symbols: Vec<_> = chunk
                    .iter()
                    .map(|(id, count, honest)| Symbol {
                        check: pure(*id, 1).check ^ u32::from(!honest),
                        ..pure(*id, *count)
                    })
                    .collect();
                prop_assert!(decoder.push(&symbols));
                decoder.decode();
                prop_assert!(decoder.recovered.len() <= decoder.symbols.len());
                prop_assert!(decoder.steps <= STEPS_PER_SYMBOL * decoder.symbols.len() + 1);
            }
        }
    }
}
