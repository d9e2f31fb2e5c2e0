//! UUIDs, capability bits and the bytes that a node advertises (docs/protocol.md §11.1 and §11.2).

use core::fmt;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::{id::DiscoveryId, radio::discovery::IdPrefix};

/// The service: in the advertisement's list, over the service data, and in the GATT database.
/// H(`sovereign/v1/ble-service`), as all four: the first 16 bytes as a UUID of version 8.
pub const SERVICE: Uuid = Uuid(0xc9e1_b455_577d_8228_b0b6_8513_fc4e_dba9);
/// Characteristic towards the node: write, and write without response. H(`sovereign/v1/ble-to-node`).
pub const TO_NODE: Uuid = Uuid(0xe656_554f_4d61_81eb_bcdf_8285_88b0_62e9);
/// Characteristic from the node: notify. H(`sovereign/v1/ble-from-node`).
pub const FROM_NODE: Uuid = Uuid(0xdd29_096c_ecdf_8348_b86d_a3e6_9507_e2d3);
/// Characteristic of the [`Hello`](super::Hello): read. H(`sovereign/v1/ble-hello`).
pub const HELLO: Uuid = Uuid(0xc555_9772_39bf_8f92_a0a6_b8fe_a8d6_b11b);

/// Bytes of the advertisement, of the 31 that a legacy one has room for.
pub const ADVERTISEMENT_LEN: usize = 3 + 18;
/// Bytes of the scan response.
pub const SCAN_RESPONSE_LEN: usize = 2 + 16 + SERVICE_DATA_LEN;
/// Bytes of the service data, without the UUID before them: discovery id and capabilities.
pub const SERVICE_DATA_LEN: usize = DiscoveryId::LEN + 2;
/// Characters of an iPhone's local name: what survives beside a 128-bit UUID.
pub const NAME_LEN: usize = 8;
/// Bytes of what an iPhone in the foreground advertises: all that there are.
pub const IOS_ADVERTISEMENT_LEN: usize = ADVERTISEMENT_LEN + 2 + NAME_LEN;

/// AD types (Bluetooth Assigned Numbers, 2.3).
pub(super) mod ad {
    pub(crate) const FLAGS: u8 = 0x01;
    pub(crate) const SOME_UUIDS_128: u8 = 0x06;
    pub(crate) const ALL_UUIDS_128: u8 = 0x07;
    pub(crate) const COMPLETE_NAME: u8 = 0x09;
    pub(crate) const SERVICE_DATA_128: u8 = 0x21;
    pub(crate) const MANUFACTURER: u8 = 0xff;
}

/// LE General Discoverable Mode, BR/EDR not supported.
const FLAGS: u8 = 0x06;

/// A 128-bit UUID; its most significant byte is the first one of its text.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Uuid(pub u128);

impl Uuid {
    /// The UUID of 16 bytes off the air: the least significant comes first (Bluetooth Core, Vol 3, Part C, 11).
    #[must_use]
    pub const fn from_air(bytes: [u8; 16]) -> Self {
        Self(u128::from_le_bytes(bytes))
    }

    /// As it goes on the air.
    #[must_use]
    pub const fn to_air(self) -> [u8; 16] {
        self.0.to_le_bytes()
    }
}

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hex = format!("{:032x}", self.0);
        let (a, b, c) = (&hex[..8], &hex[8..12], &hex[12..16]);
        write!(f, "{a}-{b}-{c}-{}-{}", &hex[16..20], &hex[20..])
    }
}

impl fmt::Debug for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Uuid({self})")
    }
}

/// What a node says of itself before there is a link. A hint, like all of it; bits that this version does
/// not know are dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Capabilities(u16);

impl Capabilities {
    /// Takes L2CAP channels; where, its hello says.
    pub const L2CAP: Self = Self(1 << 0);
    /// Takes no further link: dialling it is in vain.
    pub const FULL: Self = Self(1 << 1);
    /// Goes on being connectable without being heard: an iPhone, whose advertisement the background hides.
    pub const BACKGROUND: Self = Self(1 << 2);
    /// Cannot dial by itself now: others dial at once, whatever the order of the ids.
    pub const WANTS_DIAL: Self = Self(1 << 3);

    const KNOWN: u16 = 0x000f;

    /// The bits that are known of these.
    #[must_use]
    pub const fn from_bits(bits: u16) -> Self {
        Self(bits & Self::KNOWN)
    }

    /// The bits.
    #[must_use]
    pub const fn bits(self) -> u16 {
        self.0
    }

    /// These and those.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether all of those are among these.
    #[must_use]
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

/// The advertisement: flags and the list of UUIDs. The same for every node, and for ever.
#[must_use]
pub fn advertisement() -> [u8; ADVERTISEMENT_LEN] {
    let mut out = [0; ADVERTISEMENT_LEN];
    out[..5].copy_from_slice(&[2, ad::FLAGS, FLAGS, 17, ad::ALL_UUIDS_128]);
    out[5..].copy_from_slice(&SERVICE.to_air());
    out
}

/// The scan response: [`service_data`] under [`SERVICE`].
#[must_use]
pub fn scan_response(id: &DiscoveryId, capabilities: Capabilities) -> [u8; SCAN_RESPONSE_LEN] {
    let mut out = [0; SCAN_RESPONSE_LEN];
    out[..2].copy_from_slice(&[SCAN_RESPONSE_LEN as u8 - 1, ad::SERVICE_DATA_128]);
    out[2..18].copy_from_slice(&SERVICE.to_air());
    out[18..].copy_from_slice(&service_data(id, capabilities));
    out
}

/// The service data without the UUID, as operating systems want it: id ‖ capabilities u16be.
#[must_use]
pub fn service_data(id: &DiscoveryId, capabilities: Capabilities) -> [u8; SERVICE_DATA_LEN] {
    let mut out = [0; SERVICE_DATA_LEN];
    out[..8].copy_from_slice(id.as_bytes());
    out[8..].copy_from_slice(&capabilities.bits().to_be_bytes());
    out
}

/// The local name of an iPhone: 48 bits of the id as eight characters of base64url.
#[must_use]
pub fn local_name(id: &DiscoveryId) -> String {
    URL_SAFE_NO_PAD.encode(IdPrefix::of(id).0)
}

/// What an iPhone in the foreground sends, given [`SERVICE`] and [`local_name`]; iOS itself writes the flags.
#[must_use]
pub fn ios_advertisement(id: &DiscoveryId) -> [u8; IOS_ADVERTISEMENT_LEN] {
    let mut out = [0; IOS_ADVERTISEMENT_LEN];
    let (head, name) = out.split_at_mut(ADVERTISEMENT_LEN);
    head.copy_from_slice(&advertisement());
    name[..2].copy_from_slice(&[NAME_LEN as u8 + 1, ad::COMPLETE_NAME]);
    name[2..].copy_from_slice(local_name(id).as_bytes());
    out
}

/// The 48 bits in a local name, if it is one of ours.
pub(super) fn read_name(name: &[u8]) -> Option<IdPrefix> {
    if name.len() != NAME_LEN {
        return None;
    }
    let mut bytes = [0; IdPrefix::LEN];
    let len = URL_SAFE_NO_PAD.decode_slice(name, &mut bytes).ok()?;
    (len == IdPrefix::LEN).then_some(IdPrefix(bytes))
}

/// Id and capabilities in service data, or `None` if it is too short; what follows them is a later version's.
pub(super) fn read_service_data(data: &[u8]) -> Option<(DiscoveryId, Capabilities)> {
    let (id, rest) = data.split_first_chunk()?;
    let (bits, _) = rest.split_first_chunk()?;
    Some((
        DiscoveryId(*id),
        Capabilities::from_bits(u16::from_be_bytes(*bits)),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::hash;

    #[test]
    fn uuids_come_from_their_names() {
        // LOC-2: constants that a reader can check.
        let named = [
            ("ble-service", SERVICE),
            ("ble-to-node", TO_NODE),
            ("ble-from-node", FROM_NODE),
            ("ble-hello", HELLO),
        ];
        for (name, uuid) in named {
            let full = hash(&[b"sovereign/v1/", name.as_bytes()]);
            let mut bytes: [u8; 16] = full[..16].try_into().unwrap();
            bytes[6] = bytes[6] & 0x0f | 0x80;
            bytes[8] = bytes[8] & 0x3f | 0x80;
            assert_eq!(Uuid(u128::from_be_bytes(bytes)), uuid, "{name}");
            assert_eq!(Uuid::from_air(uuid.to_air()), uuid);
        }
        assert_eq!(SERVICE.to_string(), "c9e1b455-577d-8228-b0b6-8513fc4edba9");
        assert_eq!(
            format!("{HELLO:?}"),
            "Uuid(c5559772-39bf-8f92-a0a6-b8fea8d6b11b)"
        );
    }

    #[test]
    fn what_is_advertised_fits_a_legacy_advertisement() {
        // LOC-2: iOS filters on the list; 31 bytes hold no more.
        assert_eq!(
            (ADVERTISEMENT_LEN, SCAN_RESPONSE_LEN, IOS_ADVERTISEMENT_LEN),
            (21, 28, 31)
        );
    }

    #[test]
    fn capabilities_are_a_set_of_known_bits() {
        assert_eq!(Capabilities::from_bits(0xffff).bits(), 0x000f);
        let two = Capabilities::L2CAP.with(Capabilities::WANTS_DIAL);
        assert_eq!(two.bits(), 0b1001);
        assert_eq!(two.with(two), two);
        assert!(two.has(Capabilities::L2CAP) && two.has(two) && two.has(Capabilities::default()));
        assert!(!two.has(Capabilities::FULL) && !two.has(two.with(Capabilities::BACKGROUND)));
    }

    #[test]
    fn a_name_of_ours_has_eight_characters_of_base64url() {
        let id = DiscoveryId([0xfb, 0xff, 0xbe, 0, 0x10, 0x83, 7, 7]);
        assert_eq!(local_name(&id), "-_--ABCD");
        assert_eq!(read_name(b"-_--ABCD"), Some(IdPrefix::of(&id)));
        for other in [
            "",
            "-_--ABC",
            "-_--ABCDE",
            "-_--AB==",
            "+/++ABCD",
            "-_--AB D",
            "Åbcdefg",
        ] {
            assert_eq!(read_name(other.as_bytes()), None, "{other}");
        }
    }

    #[test]
    fn service_data_may_grow_but_not_shrink() {
        let id = DiscoveryId([1, 2, 3, 4, 5, 6, 7, 8]);
        let mut data = service_data(&id, Capabilities::FULL).to_vec();
        assert_eq!(read_service_data(&data), Some((id, Capabilities::FULL)));
        assert_eq!(read_service_data(&data[..9]), None);
        assert_eq!(read_service_data(&data[..7]), None);
        data.push(0xff);
        assert_eq!(read_service_data(&data), Some((id, Capabilities::FULL)));
    }
}
