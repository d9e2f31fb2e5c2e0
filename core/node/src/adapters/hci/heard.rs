//! Addresses that were heard, and may therefore be dialled.

use std::collections::BTreeMap;

use bt_hci::param::{AddrKind, BdAddr};
use sovereign_protocol::radio::advert::SERVICE;
use trouble_host::Address;

use crate::ports::radio::RadioAddress;

/// Addresses that are remembered; the one longest unheard goes first. Above this a crowd is out of reach
/// anyway, and a flood of made-up addresses costs 100 kB.
const REMEMBERED: usize = 1_024;
/// Manufacturer data of Apple's, type 1: where iPhones in the background show their services.
const OVERFLOW_AREA: [u8; 4] = [0xff, 0x4c, 0x00, 0x01];

/// The addresses, by when they were last heard.
#[derive(Debug, Default)]
pub(super) struct Heard {
    last: BTreeMap<RadioAddress, (u64, AddrKind)>,
    by_age: BTreeMap<u64, RadioAddress>,
    tick: u64,
}

impl Heard {
    /// The host's form of an address that was heard.
    pub(super) fn find(&self, address: RadioAddress) -> Option<Address> {
        let (_, kind) = self.last.get(&address)?;
        let [a, b, c, d, e, f, ..] = address.0.to_le_bytes();
        Some(Address::new(*kind, BdAddr::new([a, b, c, d, e, f])))
    }

    pub(super) fn insert(&mut self, address: RadioAddress, kind: AddrKind) {
        self.tick += 1;
        if let Some((before, _)) = self.last.insert(address, (self.tick, kind)) {
            self.by_age.remove(&before);
        }
        self.by_age.insert(self.tick, address);
        if self.last.len() > REMEMBERED
            && let Some((_, oldest)) = self.by_age.pop_first()
        {
            self.last.remove(&oldest);
        }
    }
}

/// Whether an advertisement may be a node's: most of what is on the air is somebody's headphones.
pub(super) fn is_ours(heard: &[u8]) -> bool {
    let service = SERVICE.to_air();
    heard.windows(service.len()).any(|window| window == service)
        || heard.windows(4).any(|window| window == OVERFLOW_AREA)
}

/// The port's form of an address: its 48 bits.
pub(super) fn to_port(address: Address) -> RadioAddress {
    let mut bytes = [0; 8];
    bytes[..6].copy_from_slice(address.addr.raw());
    RadioAddress(u64::from_le_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use sovereign_protocol::{
        id::DiscoveryId,
        radio::advert::{Capabilities, advertisement, ios_advertisement, scan_response},
    };

    #[test]
    fn the_address_longest_unheard_is_forgotten() {
        let mut heard = Heard::default();
        for n in 0..REMEMBERED as u64 {
            heard.insert(RadioAddress(n), AddrKind::RANDOM);
        }
        heard.insert(RadioAddress(0), AddrKind::RANDOM);
        heard.insert(RadioAddress(5_000), AddrKind::RANDOM);
        let known = |n| heard.find(RadioAddress(n)).is_some();
        assert!(known(0) && known(5_000) && !known(1));
        let kept = (heard.last.len(), heard.by_age.len());
        assert_eq!(kept, (REMEMBERED, REMEMBERED));
    }

    #[test]
    fn addresses_go_there_and_back() {
        let mut heard = Heard::default();
        let address = RadioAddress(0xc0_ff_ee_00_11_22);
        heard.insert(address, AddrKind::RANDOM);
        heard.insert(address, AddrKind::PUBLIC);
        let host = heard.find(address).unwrap();
        assert_eq!(
            host.kind.as_raw(),
            AddrKind::PUBLIC.as_raw(),
            "the kind it was last heard with"
        );
        assert_eq!(host.addr.raw(), [0x22, 0x11, 0, 0xee, 0xff, 0xc0]);
        assert_eq!(to_port(host), address);
    }

    #[test]
    fn every_form_of_ours_is_let_through_and_headphones_are_not() {
        // LOC-2
        let id = DiscoveryId([1, 2, 3, 4, 5, 6, 7, 8]);
        assert!(is_ours(&advertisement()));
        assert!(is_ours(&scan_response(&id, Capabilities::default())));
        assert!(is_ours(&ios_advertisement(&id)));
        let mut background = vec![20, 0xff, 0x4c, 0, 1];
        background.extend([0x10; 16]);
        assert!(is_ours(&background));
        assert!(!is_ours(&[2, 1, 6, 3, 3, 0x0d, 0x18]));
        assert!(!is_ours(&[6, 0xff, 0x4c, 0, 0x10, 5, 1]) && !is_ours(&[]));
    }
}
