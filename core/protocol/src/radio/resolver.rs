//! Which of the ids heard are contacts' (LOC-3): one MAC for each contact and id, remembered, within a budget
//! that no number of made-up ids can exceed (LOC-8, docs/protocol.md §11.4).

use core::time::Duration;
use std::collections::BTreeMap;

use super::discovery::{ResolvingKey, SeenId};

/// Contacts whose keys are tried at most.
pub const MAX_CONTACTS: usize = 1_024;
/// Ids whose answer is remembered at most; the one unheard of for longest is forgotten first.
pub const MAX_REMEMBERED: usize = 4_096;
/// MACs in a second in the long run. One takes about a microsecond: 0.2 % of a core.
pub const MACS_PER_SECOND: u32 = 2_048;
/// MACs at once, after a quiet time: 64 new ids with 256 contacts.
pub const MACS_AT_ONCE: u32 = 16_384;

/// There is no room for another contact: [`MAX_CONTACTS`] are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("at most {MAX_CONTACTS} contacts can be resolved: remove one first")]
pub struct TooManyContacts;

/// Whose an id is. A hint: whoever heard an id can send it too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resolved<C> {
    /// This contact's, unless it was copied or fits by chance.
    Contact(C),
    /// No contact's.
    Stranger,
    /// Not known: the budget is used up. To be treated as a stranger's, and asked for again when it is heard
    /// again.
    Later,
}

/// The resolving keys of contacts, and what they said of the ids heard lately. `C` names a contact.
#[derive(Debug)]
pub struct Resolver<C> {
    keys: BTreeMap<C, ResolvingKey>,
    /// The answer and the key in `order`.
    answers: BTreeMap<SeenId, (Option<C>, u64)>,
    /// The ids by when they were last heard.
    order: BTreeMap<u64, SeenId>,
    heard: u64,
    budget: Budget,
    macs: u64,
}

impl<C: Copy + Ord> Default for Resolver<C> {
    fn default() -> Self {
        Self {
            keys: BTreeMap::new(),
            answers: BTreeMap::new(),
            order: BTreeMap::new(),
            heard: 0,
            budget: Budget::default(),
            macs: 0,
        }
    }
}

impl<C: Copy + Ord> Resolver<C> {
    /// Adds a contact, or gives it another key. All answers are forgotten: any may have become another.
    ///
    /// # Errors
    /// [`TooManyContacts`]; nothing has changed then.
    pub fn insert(&mut self, contact: C, key: ResolvingKey) -> Result<(), TooManyContacts> {
        if self.keys.len() >= MAX_CONTACTS && !self.keys.contains_key(&contact) {
            return Err(TooManyContacts);
        }
        self.keys.insert(contact, key);
        self.forget();
        Ok(())
    }

    /// Removes a contact; whether it was there.
    pub fn remove(&mut self, contact: &C) -> bool {
        let there = self.keys.remove(contact).is_some();
        if there {
            self.forget();
        }
        there
    }

    /// Whose this id is, at `now` of any clock that does not go back. Where several keys fit, the first
    /// contact's in order.
    pub fn resolve(&mut self, seen: SeenId, now: Duration) -> Resolved<C> {
        if let Some((contact, heard)) = self.answers.get(&seen).copied() {
            self.order.remove(&heard);
            self.remember(seen, contact);
            return contact.map_or(Resolved::Stranger, Resolved::Contact);
        }
        // The budget is that of the worst case, so that no id is half tried.
        let worst = u32::try_from(self.keys.len()).unwrap_or(u32::MAX);
        if !self.budget.take(worst, now) {
            return Resolved::Later;
        }
        let mut tried = 0;
        let contact = self
            .keys
            .iter()
            .inspect(|_| tried += 1)
            .find(|(_, key)| key.resolves(&seen))
            .map(|(contact, _)| *contact);
        self.macs += tried;
        if self.answers.len() >= MAX_REMEMBERED
            && let Some((_, oldest)) = self.order.pop_first()
        {
            self.answers.remove(&oldest);
        }
        self.remember(seen, contact);
        contact.map_or(Resolved::Stranger, Resolved::Contact)
    }

    /// MACs computed so far.
    #[must_use]
    pub const fn macs(&self) -> u64 {
        self.macs
    }

    /// Ids whose answer is remembered.
    #[must_use]
    pub fn remembered(&self) -> usize {
        self.answers.len()
    }

    fn remember(&mut self, seen: SeenId, contact: Option<C>) {
        self.heard += 1;
        self.answers.insert(seen, (contact, self.heard));
        self.order.insert(self.heard, seen);
    }

    fn forget(&mut self) {
        self.answers.clear();
        self.order.clear();
    }
}

/// A token bucket of MACs, in micro-tokens so that nothing is rounded away.
#[derive(Debug)]
struct Budget {
    left: u64,
    filled: Duration,
}

const MICRO: u64 = 1_000_000;
const FULL: u64 = MACS_AT_ONCE as u64 * MICRO;

impl Default for Budget {
    fn default() -> Self {
        Self {
            left: FULL,
            filled: Duration::ZERO,
        }
    }
}

impl Budget {
    fn take(&mut self, macs: u32, now: Duration) -> bool {
        let passed = now.saturating_sub(self.filled).as_micros();
        let passed = u64::try_from(passed).unwrap_or(u64::MAX);
        self.left = passed
            .saturating_mul(MACS_PER_SECOND.into())
            .saturating_add(self.left)
            .min(FULL);
        // What is less than a microsecond counts next time.
        self.filled += Duration::from_micros(passed);
        let cost = u64::from(macs) * MICRO;
        if self.left < cost {
            return false;
        }
        self.left -= cost;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{id::DiscoveryId, radio::discovery::IdPrefix};

    const S: Duration = Duration::from_secs(1);

    fn key(n: u16) -> ResolvingKey {
        let mut bytes = [7; 32];
        bytes[..2].copy_from_slice(&n.to_be_bytes());
        ResolvingKey::from_bytes(bytes)
    }

    fn knows(contacts: u16) -> Resolver<u16> {
        let mut resolver = Resolver::default();
        for n in 0..contacts {
            resolver.insert(n, key(n)).unwrap();
        }
        resolver
    }

    fn made_up(n: u64) -> SeenId {
        SeenId::Full(DiscoveryId((n | 0xf0 << 56).to_be_bytes()))
    }

    #[test]
    fn contacts_are_resolved_whole_or_in_part_and_strangers_are_not() {
        // LOC-3. No clock is shared: only the key is.
        let mut resolver = knows(20);
        let id = key(13).id([1, 2, 3]);
        assert_eq!(resolver.resolve(SeenId::Full(id), S), Resolved::Contact(13));
        let prefix = SeenId::Prefix(IdPrefix::of(&id));
        assert_eq!(resolver.resolve(prefix, S), Resolved::Contact(13));
        let stranger = SeenId::Full(key(20).id([1, 2, 3]));
        assert_eq!(resolver.resolve(stranger, S), Resolved::Stranger);
    }

    #[test]
    fn an_id_costs_one_mac_a_contact_and_only_once() {
        let mut resolver = knows(20);
        let id = SeenId::Full(key(4).id([9; 3]));
        for _ in 0..1_000 {
            assert_eq!(resolver.resolve(made_up(1), S), Resolved::Stranger);
            assert_eq!(resolver.resolve(id, S), Resolved::Contact(4));
        }
        // 20 for the stranger; contacts 0 to 4 for the contact.
        assert_eq!((resolver.macs(), resolver.remembered()), (25, 2));
    }

    #[test]
    fn made_up_ids_leave_memory_flat_and_macs_bounded() {
        // LOC-8: 10,000 an minute for ten minutes, beside a contact and a stranger who are there.
        let mut resolver = knows(100);
        let friend = SeenId::Full(key(42).id([5; 3]));
        assert_eq!(resolver.resolve(friend, S), Resolved::Contact(42));
        let (mut later, mut before) = (0, resolver.macs());
        for n in 0..100_000_u64 {
            let now = S + Duration::from_millis(6 * n);
            later += u32::from(resolver.resolve(made_up(n), now) == Resolved::Later);
            if n % 40 == 0 {
                // Heard four times a second, and so never forgotten.
                assert_eq!(resolver.resolve(friend, now), Resolved::Contact(42));
            }
            if n % 10_000 == 9_999 {
                let macs = resolver.macs() - before;
                before = resolver.macs();
                assert!(macs <= u64::from(60 * MACS_PER_SECOND + MACS_AT_ONCE));
            }
            assert!(resolver.remembered() <= MAX_REMEMBERED);
            assert_eq!(resolver.order.len(), resolver.answers.len());
        }
        assert_eq!(resolver.remembered(), MAX_REMEMBERED);
        // All of the budget is used, but for less than one id's; the friend cost 43 and was charged 100.
        let charged = resolver.macs() + 57;
        let most = u64::from(600 * MACS_PER_SECOND + MACS_AT_ONCE);
        assert!(later > 0 && (most - 200..=most).contains(&charged));
    }

    #[test]
    fn the_id_unheard_of_for_longest_is_forgotten() {
        let mut resolver = knows(1);
        for n in 0..MAX_REMEMBERED as u64 {
            resolver.resolve(made_up(n), S);
        }
        // The first is heard again, so the second is the oldest.
        resolver.resolve(made_up(0), S);
        let macs = resolver.macs();
        resolver.resolve(made_up(1 << 32), S);
        assert_eq!(resolver.remembered(), MAX_REMEMBERED);
        for n in [0, 2, 1 << 32] {
            resolver.resolve(made_up(n), S);
        }
        assert_eq!(resolver.macs(), macs + 1);
        resolver.resolve(made_up(1), S);
        assert_eq!(resolver.macs(), macs + 2);
    }

    #[test]
    fn the_budget_fills_with_time_up_to_its_bound() {
        let mut resolver = knows(1_024);
        let mut ids = 0..;
        let mut tries = |resolver: &mut Resolver<u16>, now| {
            let mut new = || resolver.resolve(made_up(ids.next().unwrap()), now);
            std::iter::repeat_with(&mut new)
                .take_while(|resolved| *resolved == Resolved::Stranger)
                .count()
        };
        assert_eq!(tries(&mut resolver, S), 16, "all at once");
        assert_eq!(tries(&mut resolver, S), 0);
        assert_eq!(tries(&mut resolver, S - S / 2), 0, "a clock that went back");
        let half = Duration::from_micros(500_000);
        let almost = S + half - Duration::from_micros(1);
        assert_eq!(tries(&mut resolver, almost), 0);
        assert_eq!(tries(&mut resolver, S + half), 1);
        assert_eq!(tries(&mut resolver, S * 1_000), 16);
        // An id that had to wait is resolved when it is heard again.
        let id = SeenId::Full(key(9).id([1; 3]));
        assert_eq!(resolver.resolve(id, S * 1_000), Resolved::Later);
        assert_eq!(resolver.resolve(id, S * 1_001), Resolved::Contact(9));
    }

    #[test]
    fn a_change_of_contacts_changes_the_answers() {
        let mut resolver = knows(2);
        let id = SeenId::Full(key(7).id([1; 3]));
        assert_eq!(resolver.resolve(id, S), Resolved::Stranger);
        resolver.insert(7, key(7)).unwrap();
        assert_eq!(resolver.resolve(id, S), Resolved::Contact(7));
        // Another key for the same contact.
        resolver.insert(7, key(8)).unwrap();
        assert_eq!(resolver.resolve(id, S), Resolved::Stranger);
        resolver.insert(7, key(7)).unwrap();
        assert_eq!(resolver.resolve(id, S), Resolved::Contact(7));
        assert!(resolver.remove(&7) && !resolver.remove(&7));
        assert_eq!(resolver.resolve(id, S), Resolved::Stranger);
        assert_eq!(resolver.remembered(), 1);
        // Nothing changes, nothing is forgotten.
        assert!(!resolver.remove(&7));
        assert_eq!(resolver.remembered(), 1);
    }

    #[test]
    fn contacts_are_bounded() {
        let mut resolver = knows(MAX_CONTACTS as u16);
        assert_eq!(resolver.insert(5_000, key(1)), Err(TooManyContacts));
        assert_eq!(resolver.insert(3, key(5_000)), Ok(()));
        assert!(resolver.remove(&3));
        assert_eq!(resolver.insert(5_000, key(1)), Ok(()));
    }
}
