//! How often links are taken from others (LOC-8): an address is as free as an id, so strangers share one
//! rate besides each address having its own. Contacts in sight have neither to wait for strangers.

use core::time::Duration;
use std::collections::BTreeMap;

use super::{event::Address, pace::Pace};

/// From one address a stranger's link is taken this often at most.
pub const STRANGER_EVERY: Duration = Duration::from_secs(10);
/// From one address a contact's link is taken this often at most.
pub const CONTACT_EVERY: Duration = Duration::from_secs(1);
/// From all strangers: [`STRANGERS_AT_ONCE`], then one in this time.
pub const STRANGERS_EVERY: Duration = Duration::from_secs(2);
/// See [`STRANGERS_EVERY`].
pub const STRANGERS_AT_ONCE: u32 = 4;
/// Addresses remembered at most. The rate of all strangers fills them in no less than four minutes.
pub const MAX_ADDRESSES: usize = 128;

#[derive(Debug)]
pub(super) struct Admission {
    strangers: Pace,
    last: BTreeMap<Address, Duration>,
}

impl Admission {
    pub(super) const fn new() -> Self {
        Self {
            strangers: Pace::new(STRANGERS_EVERY, STRANGERS_AT_ONCE),
            last: BTreeMap::new(),
        }
    }

    /// Whether a link from there is taken.
    pub(super) fn admit(&mut self, address: Address, contact: bool, now: Duration) -> bool {
        let every = if contact {
            CONTACT_EVERY
        } else {
            STRANGER_EVERY
        };
        if self
            .last
            .get(&address)
            .is_some_and(|last| now < *last + every)
        {
            return false;
        }
        if !contact && !self.strangers.take(now) {
            return false;
        }
        if self.last.len() >= MAX_ADDRESSES && !self.last.contains_key(&address) {
            let oldest = self.last.iter().min_by_key(|(_, last)| **last);
            if let Some(oldest) = oldest.map(|(address, _)| *address) {
                self.last.remove(&oldest);
            }
        }
        self.last.insert(address, now);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: Duration = Duration::from_secs(100);
    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn an_address_waits() {
        let mut admission = Admission::new();
        for (contact, every) in [(false, STRANGER_EVERY), (true, CONTACT_EVERY)] {
            let address = Address(u64::from(contact));
            assert!(admission.admit(address, contact, T));
            assert!(!admission.admit(address, contact, T + every - MS));
            assert!(admission.admit(address, contact, T + every));
        }
    }

    #[test]
    fn strangers_share_a_rate_and_contacts_do_not_wait_for_it() {
        let mut admission = Admission::new();
        let taken = (0..100)
            .filter(|n| admission.admit(Address(*n), false, T))
            .count();
        assert_eq!(taken, STRANGERS_AT_ONCE as usize);
        assert!(!admission.admit(Address(200), false, T + STRANGERS_EVERY - MS));
        assert!(admission.admit(Address(201), true, T));
        assert!(admission.admit(Address(200), false, T + STRANGERS_EVERY));
    }

    #[test]
    fn what_it_remembers_is_bounded() {
        let mut admission = Admission::new();
        for number in 0..1_000 {
            let now = T + number as u32 * STRANGERS_EVERY;
            assert!(admission.admit(Address(number), false, now));
        }
        assert_eq!(admission.last.len(), MAX_ADDRESSES);
        assert!(admission.last.contains_key(&Address(999)));
        assert!(
            !admission.last.contains_key(&Address(871))
                && admission.last.contains_key(&Address(872))
        );
    }
}
