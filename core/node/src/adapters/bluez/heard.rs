//! Who was heard lately and can be connected to.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::ports::radio::RadioAddress;

/// Addresses that are kept in mind; the one longest unheard goes first, so made-up ones cost nothing more.
pub(super) const MAX_HEARD_ADDRESSES: usize = 1024;

/// Addresses and what leads to them (`I`: the system's own name of a device).
#[derive(Debug)]
pub(super) struct Heard<I> {
    devices: BTreeMap<RadioAddress, Device<I>>,
    clock: u64,
}

#[derive(Debug)]
struct Device<I> {
    id: I,
    said: Bytes,
    at: u64,
}

impl<I: Clone + PartialEq> Heard<I> {
    pub(super) const fn new() -> Self {
        Self {
            devices: BTreeMap::new(),
            clock: 0,
        }
    }

    /// Somebody was heard; tells whether they had not said the same before.
    pub(super) fn hear(&mut self, address: RadioAddress, id: I, said: Bytes) -> bool {
        self.clock += 1;
        let at = self.clock;
        let before = self.devices.insert(address, Device { id, said, at });
        if self.devices.len() > MAX_HEARD_ADDRESSES {
            let oldest = self.devices.iter().min_by_key(|(_, device)| device.at);
            if let Some(address) = oldest.map(|(address, _)| *address) {
                self.devices.remove(&address);
            }
        }
        let now = self.devices.get(&address);
        before.map(|device| device.said) != now.map(|device| device.said.clone())
    }

    pub(super) fn id(&self, address: RadioAddress) -> Option<I> {
        self.devices.get(&address).map(|device| device.id.clone())
    }

    pub(super) fn knows(&self, id: &I) -> bool {
        self.devices.values().any(|device| device.id == *id)
    }

    pub(super) fn clear(&mut self) {
        self.devices.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_again_is_not_new() {
        let mut heard = Heard::new();
        let address = RadioAddress(7);
        assert!(heard.hear(address, "dev_7", Bytes::from_static(b"a")));
        assert!(!heard.hear(address, "dev_7", Bytes::from_static(b"a")));
        assert!(heard.hear(address, "dev_7", Bytes::from_static(b"b")));
        assert!(heard.knows(&"dev_7") && !heard.knows(&"dev_8"));
        assert_eq!(heard.id(address), Some("dev_7"));
        assert_eq!(heard.id(RadioAddress(8)), None);
        heard.clear();
        assert_eq!(heard.id(address), None);
    }

    #[test]
    fn spoofed_addresses_push_out_who_was_longest_unheard() {
        let mut heard = Heard::new();
        let neighbour = RadioAddress(u64::MAX);
        for n in 0..10_000 {
            heard.hear(RadioAddress(n), n, Bytes::new());
            if n % 1000 == 0 {
                heard.hear(neighbour, u64::MAX, Bytes::new());
            }
            assert!(heard.devices.len() <= MAX_HEARD_ADDRESSES);
        }
        assert_eq!(heard.id(neighbour), Some(u64::MAX));
        assert_eq!(heard.id(RadioAddress(9_999)), Some(9_999));
        assert_eq!(heard.id(RadioAddress(0)), None);
    }
}
