//! AD structures (Bluetooth Core, Vol 3, Part C, 11) to and from what BlueZ has instead: it builds and takes
//! apart advertisements itself.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bluer::adv::{Advertisement, Type};
use bytes::{BufMut as _, Bytes, BytesMut};
use sovereign_protocol::radio::advert::{self, Pdu};
use uuid::Uuid;

use crate::ports::radio::{Advertising, MAX_ADVERTISEMENT, MAX_HEARD};

const FLAGS: u8 = 0x01;
const SOME_UUIDS_128: u8 = 0x06;
const ALL_UUIDS_128: u8 = 0x07;
const COMPLETE_NAME: u8 = 0x09;
const SERVICE_DATA_128: u8 = 0x21;
const MANUFACTURER: u8 = 0xff;

/// Bytes of flags, of a list of one UUID, and of service data without the data.
const FLAGS_LEN: usize = 3;
const LIST_LEN: usize = 18;
const SERVICE_DATA_HEAD: usize = 18;

/// Advertising intervals that the specification knows (Vol 4, Part E, 7.8.5), which BlueZ insists on.
const INTERVALS: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(10_240));
/// How long each of several advertisements is on where the controller can send one only; BlueZ counts in seconds.
const TURN: Duration = Duration::from_secs(1);

/// Our service as BlueZ's libraries write it.
pub(super) const SERVICE: Uuid = Uuid::from_u128(advert::SERVICE.0);

/// What BlueZ tells of a device it has heard.
#[derive(Debug, Default)]
pub(super) struct Report {
    pub(super) listed: bool,
    pub(super) service_data: Option<Vec<u8>>,
    pub(super) name: Option<String>,
    pub(super) apple: Option<Vec<u8>>,
}

impl Report {
    /// The structures again, at most [`MAX_HEARD`] bytes; `None` if no node can have sent them.
    pub(super) fn structures(&self) -> Option<Bytes> {
        let mut out = BytesMut::new();
        let uuid = SERVICE.as_u128().to_le_bytes();
        if self.listed {
            put(&mut out, ALL_UUIDS_128, &[&uuid]);
        }
        if let Some(data) = &self.service_data {
            put(&mut out, SERVICE_DATA_128, &[&uuid, data]);
        }
        // A name of another length is a device's own, which BlueZ has read over a connection.
        if let Some(name) = self.name.as_deref()
            && name.len() == advert::NAME_LEN
        {
            put(&mut out, COMPLETE_NAME, &[name.as_bytes()]);
        }
        if let Some(data) = &self.apple {
            put(
                &mut out,
                MANUFACTURER,
                &[&advert::APPLE.to_le_bytes(), data],
            );
        }
        let ours = advert::from_raw(Pdu::Extended, &out, &[]) != Ok(None);
        ours.then(|| out.freeze())
    }
}

/// Appends a structure if there is room for it.
fn put(out: &mut BytesMut, kind: u8, parts: &[&[u8]]) {
    let length = 1 + parts.iter().map(|part| part.len()).sum::<usize>();
    if let Ok(byte) = u8::try_from(length)
        && out.len() + 1 + length <= MAX_HEARD
    {
        out.put_u8(byte);
        out.put_u8(kind);
        parts.iter().for_each(|part| out.extend_from_slice(part));
    }
}

/// The dBm of a report; BlueZ passes on the controller's 127, which means "unknown".
pub(super) fn dbm(rssi: Option<i16>) -> Option<i8> {
    let dbm = i8::try_from(rssi?).ok()?;
    (-127..=20).contains(&dbm).then_some(dbm)
}

/// What BlueZ is to advertise, most important first: it puts nothing but names into scan responses
/// (before 5.80, and bluer does not know of it yet), so the list of UUIDs and the service data are two
/// advertisements with the same address, which hearers take together.
pub(super) fn advertisements(advertising: &Advertising) -> Vec<Advertisement> {
    let parts = take_apart(advertising);
    let (min, max) = INTERVALS;
    let interval = advertising.interval.clamp(min, max);
    let finish = |length: usize, advertisement: Advertisement| {
        let flags = parts.flags && length + FLAGS_LEN <= MAX_ADVERTISEMENT;
        Advertisement {
            advertisement_type: if advertising.connectable {
                Type::Peripheral
            } else {
                Type::Broadcast
            },
            discoverable: (advertising.connectable && flags).then_some(true),
            duration: Some(TURN),
            min_interval: Some(interval),
            max_interval: Some(interval),
            ..advertisement
        }
    };
    let mut out = Vec::new();
    for (uuid, data) in &parts.service_data {
        let advertisement = Advertisement {
            service_data: BTreeMap::from([(*uuid, data.clone())]),
            ..Advertisement::default()
        };
        out.push(finish(SERVICE_DATA_HEAD + data.len(), advertisement));
    }
    if !parts.uuids.is_empty() || parts.name.is_some() {
        let advertisement = Advertisement {
            service_uuids: parts.uuids.clone(),
            local_name: parts.name.clone(),
            ..Advertisement::default()
        };
        out.push(finish(LIST_LEN * parts.uuids.len(), advertisement));
    }
    out
}

#[derive(Debug, Default)]
struct Parts {
    flags: bool,
    uuids: BTreeSet<Uuid>,
    service_data: BTreeMap<Uuid, Vec<u8>>,
    name: Option<String>,
}

/// Reads our own structures; what is none of these kinds cannot be given to BlueZ and is left out.
fn take_apart(advertising: &Advertising) -> Parts {
    let mut parts = Parts::default();
    for mut rest in [&advertising.data[..], &advertising.scan_response[..]] {
        while let Some((&length, after)) = rest.split_first() {
            let Some((structure, next)) = after.split_at_checked(usize::from(length)) else {
                break;
            };
            rest = next;
            if let Some((&kind, value)) = structure.split_first() {
                parts.take(kind, value);
            }
        }
    }
    parts
}

impl Parts {
    fn take(&mut self, kind: u8, value: &[u8]) {
        match kind {
            FLAGS => self.flags = true,
            SOME_UUIDS_128 | ALL_UUIDS_128 => {
                let (uuids, _) = value.as_chunks::<16>();
                self.uuids.extend(uuids.iter().map(from_air));
            }
            SERVICE_DATA_128 => {
                if let Some((uuid, data)) = value.split_first_chunk::<16>() {
                    self.service_data.insert(from_air(uuid), data.to_vec());
                }
            }
            COMPLETE_NAME => self.name = String::from_utf8(value.to_vec()).ok(),
            other => tracing::debug!(kind = other, "BlueZ cannot be given this AD structure"),
        }
    }
}

fn from_air(bytes: &[u8; 16]) -> Uuid {
    Uuid::from_u128(u128::from_le_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use sovereign_protocol::id::DiscoveryId;
    use sovereign_protocol::radio::advert::{Capabilities, Sighting};

    use super::*;

    const ID: DiscoveryId = DiscoveryId([1, 2, 3, 4, 5, 6, 7, 8]);

    fn advertising(connectable: bool) -> Advertising {
        Advertising {
            data: Bytes::copy_from_slice(&advert::advertisement()),
            scan_response: Bytes::copy_from_slice(&advert::scan_response(&ID, Capabilities::L2CAP)),
            hello: Bytes::new(),
            interval: Duration::from_millis(1),
            connectable,
            address: [1; 6],
        }
    }

    #[test]
    fn what_is_advertised_fits_into_two_legacy_advertisements() {
        // LOC-2: 31 bytes each, flags included.
        let [data, list] = advertisements(&advertising(true)).try_into().expect("two");
        let service_data = advert::service_data(&ID, Capabilities::L2CAP).to_vec();
        assert_eq!(data.service_data, BTreeMap::from([(SERVICE, service_data)]));
        assert!(data.service_uuids.is_empty() && list.service_data.is_empty());
        assert_eq!(list.service_uuids, BTreeSet::from([SERVICE]));
        for one in [&data, &list] {
            assert_eq!(one.discoverable, Some(true));
            assert_eq!(one.min_interval, Some(Duration::from_millis(20)));
            assert_eq!(one.local_name, None, "no name, ever");
        }
        for one in advertisements(&advertising(false)) {
            assert_eq!(one.advertisement_type, Type::Broadcast);
            assert_eq!(one.discoverable, None, "BlueZ refuses it with broadcast");
        }
    }

    #[test]
    fn flags_give_way_to_longer_service_data() {
        let mut long = advertising(true);
        let uuid = advert::SERVICE.to_air();
        long.scan_response = [&[28, 0x21], &uuid[..], &[7; 11]].concat().into();
        let [data, _] = advertisements(&long).try_into().expect("two");
        assert_eq!(data.discoverable, None);
    }

    #[test]
    fn structures_that_reach_past_the_end_are_not_sent() {
        let mut broken = advertising(true);
        broken.scan_response = Bytes::from_static(&[27, 0x21, 1, 2]);
        let [list] = advertisements(&broken).try_into().expect("one");
        assert_eq!(list.service_uuids, BTreeSet::from([SERVICE]));
        broken.data = Bytes::from_static(&[0, 2, 1, 6, 3, 0x21, 1, 1, 0]);
        assert!(advertisements(&broken).is_empty());
    }

    #[test]
    fn what_bluez_took_apart_reads_as_it_was_sent() {
        let report = Report {
            listed: true,
            service_data: Some(advert::service_data(&ID, Capabilities::FULL).to_vec()),
            ..Report::default()
        };
        let heard = report.structures().expect("ours");
        let sighting = advert::from_raw(Pdu::Extended, &heard, &[]).expect("sound");
        let capabilities = Capabilities::FULL;
        assert_eq!(
            sighting,
            Some(Sighting::Full {
                id: ID,
                capabilities
            })
        );
        let iphone = Report {
            listed: true,
            name: Some(advert::local_name(&ID)),
            ..Report::default()
        };
        let heard = iphone.structures().expect("ours");
        assert_eq!(heard[..], advert::ios_advertisement(&ID)[3..]);
    }

    #[test]
    fn strangers_are_not_passed_on_and_nothing_grows_beyond_the_bound() {
        let stranger = Report {
            name: Some("8letters".to_owned()),
            apple: Some(vec![0x10, 5, 1, 2, 3]),
            ..Report::default()
        };
        assert_eq!(stranger.structures(), None);
        let flood = Report {
            listed: true,
            service_data: Some(vec![1; 1000]),
            name: Some("8letters".to_owned()),
            apple: Some(vec![1; 220]),
        };
        let heard = flood.structures().expect("ours");
        assert_eq!(heard.len(), LIST_LEN + 10 + 4 + 220);
        let malformed = Report {
            service_data: Some(vec![1; 3]),
            ..Report::default()
        };
        assert!(malformed.structures().is_some(), "to be counted above");
    }

    #[test]
    fn an_unknown_strength_is_none() {
        // LOC-5.
        for (rssi, dbm_is) in [
            (Some(127), None),
            (None, None),
            (Some(21), None),
            (Some(-128), None),
            (Some(-1000), None),
            (Some(20), Some(20)),
            (Some(-127), Some(-127)),
            (Some(-61), Some(-61)),
        ] {
            assert_eq!(dbm(rssi), dbm_is, "{rssi:?}");
        }
    }
}
