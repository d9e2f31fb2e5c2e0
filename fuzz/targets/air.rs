//! What Bluetooth LE carries before there is a link (docs/protocol.md §11).

use sovereign_protocol::radio::{
    advert::{
        self, Capabilities, Hello, MAX_EXTENDED, MAX_HELLO, MAX_LEGACY, OsReport, Pdu, SERVICE,
        SERVICE_DATA_LEN, Sighting,
    },
    discovery::IdPrefix,
};

use super::input::Input;

/// An advertisement and its scan response. First byte: bit 0 extended; the next is the length of the
/// advertisement, the rest is the scan response. All of it is a hello too.
pub(crate) fn advert(data: &[u8]) {
    let mut input = Input::new(data);
    let (pdu, most) = match input.u8() & 1 {
        0 => (Pdu::Legacy, MAX_LEGACY),
        _ => (Pdu::Extended, MAX_EXTENDED),
    };
    let len = input.u8();
    let (adv, response) = (input.take(len.into()), input.rest());
    let heard = advert::from_raw(pdu, adv, response);
    if heard.is_ok() {
        assert!(adv.len() <= most && response.len() <= most);
        assert_eq!(advert::from_raw(Pdu::Extended, adv, response), heard);
    }
    match heard {
        Ok(Some(sighting @ Sighting::Full { id, capabilities })) => {
            let data = advert::service_data(&id, capabilities);
            assert!(adv.len().max(response.len()) >= 18 + SERVICE_DATA_LEN);
            let again = advert::scan_response(&id, capabilities);
            assert_eq!(advert::from_raw(pdu, &[], &again), Ok(Some(sighting)));
            let report = OsReport {
                service_data: &[(SERVICE, &data)],
                ..OsReport::default()
            };
            assert_eq!(advert::from_os(&report), Ok(Some(sighting)));
        }
        Ok(Some(sighting @ Sighting::Prefix(IdPrefix(bytes)))) => {
            let mut id = [0; 8];
            id[..6].copy_from_slice(&bytes);
            let again = advert::ios_advertisement(&sovereign_protocol::id::DiscoveryId(id));
            assert_eq!(advert::from_raw(pdu, &again, &[]), Ok(Some(sighting)));
        }
        Ok(Some(Sighting::Possible(mask))) => assert_ne!(mask.0, [0; 16]),
        Ok(Some(Sighting::Unnamed) | None) | Err(_) => {}
    }
    if let Ok(hello) = Hello::decode(data) {
        assert!((Hello::LEN..=MAX_HELLO).contains(&data.len()));
        assert_eq!(
            hello.capabilities,
            Capabilities::from_bits(hello.capabilities.bits())
        );
        assert_eq!(Hello::decode(&hello.encode()), Ok(hello));
        assert_eq!(hello.encode()[..9], data[..9]);
    }
}
