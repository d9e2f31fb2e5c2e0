use proptest::{collection::vec, prelude::*};

use super::super::{advertisement, ios_advertisement, local_name, scan_response, service_data};
use super::*;

const ID: DiscoveryId = DiscoveryId([1, 2, 3, 4, 5, 6, 7, 8]);
const CAPS: Capabilities = Capabilities::L2CAP;
const FULL: Sighting = Sighting::Full {
    id: ID,
    capabilities: CAPS,
};
const OTHER: Uuid = Uuid(SERVICE.0 ^ 1);

fn structure(kind: u8, data: &[u8]) -> Vec<u8> {
    let length = u8::try_from(data.len() + 1).unwrap();
    [&[length, kind], data].concat()
}

fn legacy(parts: &[&[u8]]) -> Result<Option<Sighting>, AdvertError> {
    from_raw(Pdu::Legacy, &parts.concat(), &[])
}

fn extended(parts: &[&[u8]]) -> Result<Option<Sighting>, AdvertError> {
    from_raw(Pdu::Extended, &parts.concat(), &[])
}

/// What an operating system would make of it.
fn split(part: &[u8], then: impl FnOnce(&OsReport<'_>)) {
    let (mut uuids, mut data, mut company, mut name) = (vec![], vec![], vec![], None);
    let mut rest = part;
    while let [length, kind, tail @ ..] = rest {
        let (value, next) = tail.split_at(usize::from(*length) - 1);
        rest = next;
        match kind {
            0x06 | 0x07 => uuids.extend(value.chunks(16).map(air)),
            0x21 => data.push((air(&value[..16]), &value[16..])),
            0xff => company.push((u16::from_le_bytes([value[0], value[1]]), &value[2..])),
            0x09 => name = Some(std::str::from_utf8(value).unwrap()),
            _ => {}
        }
    }
    then(&OsReport {
        uuids: &uuids,
        service_data: &data,
        name,
        manufacturer: &company,
    });
}

fn air(bytes: &[u8]) -> Uuid {
    Uuid::from_air(bytes.try_into().unwrap())
}

#[test]
fn what_a_node_sends_is_read_in_both_forms() {
    // LOC-2.
    let (adv, response) = (advertisement(), scan_response(&ID, CAPS));
    let prefix = Sighting::Prefix(IdPrefix::of(&ID));
    let cases = [
        (adv.to_vec(), response.to_vec(), FULL),
        (adv.to_vec(), vec![], Sighting::Unnamed),
        (vec![], response.to_vec(), FULL),
        (ios_advertisement(&ID).to_vec(), vec![], prefix),
    ];
    for (adv, response, expected) in cases {
        let raw = from_raw(Pdu::Legacy, &adv, &response);
        assert_eq!(raw, Ok(Some(expected)));
        split(&[adv, response].concat(), |report| {
            assert_eq!(from_os(report), Ok(Some(expected)));
        });
    }
    assert_eq!(FULL.seen(), Some(SeenId::Full(ID)));
    assert_eq!(prefix.seen(), Some(SeenId::Prefix(IdPrefix::of(&ID))));
    assert_eq!(Sighting::Unnamed.seen(), None);
}

#[test]
fn nothing_of_ours_is_nothing() {
    assert_eq!(from_raw(Pdu::Legacy, &[], &[]), Ok(None));
    assert_eq!(from_os(&OsReport::default()), Ok(None));
    let name = structure(0x09, local_name(&ID).as_bytes());
    assert_eq!(legacy(&[&name]), Ok(None), "a name without the service");
    assert_eq!(legacy(&[&structure(0x07, &OTHER.to_air())]), Ok(None));
    let data = [&OTHER.to_air()[..], &service_data(&ID, CAPS)].concat();
    assert_eq!(legacy(&[&structure(0x21, &data)]), Ok(None));
    // 16-bit lists, and the service in the order of its text.
    assert_eq!(legacy(&[&structure(0x03, &[0; 3])]), Ok(None));
    let text = structure(0x07, &SERVICE.0.to_be_bytes());
    assert_eq!(legacy(&[&text]), Ok(None));
}

#[test]
fn lists_are_read_whole_be_they_complete_or_not() {
    let two = [OTHER.to_air(), SERVICE.to_air()].concat();
    for kind in [0x06, 0x07] {
        let raw = extended(&[&structure(kind, &two)]);
        assert_eq!(raw, Ok(Some(Sighting::Unnamed)));
    }
    let elsewhere = [
        structure(0x06, &OTHER.to_air()),
        structure(0x07, &SERVICE.to_air()),
    ];
    let raw = extended(&[&elsewhere[0], &elsewhere[1], &elsewhere[0]]);
    assert_eq!(raw, Ok(Some(Sighting::Unnamed)));
}

#[test]
fn lengths_are_bounded_by_the_kind() {
    let pad = |len| vec![0; len];
    let too_long = |got, most| Err(AdvertError::TooLong { got, most });
    assert_eq!(from_raw(Pdu::Legacy, &pad(31), &pad(31)), Ok(None));
    assert_eq!(from_raw(Pdu::Legacy, &pad(32), &[]), too_long(32, 31));
    assert_eq!(from_raw(Pdu::Legacy, &[], &pad(32)), too_long(32, 31));
    assert_eq!(from_raw(Pdu::Extended, &pad(255), &pad(255)), Ok(None));
    assert_eq!(from_raw(Pdu::Extended, &pad(256), &[]), too_long(256, 255));
    assert_eq!(from_raw(Pdu::Extended, &[], &pad(256)), too_long(256, 255));
}

#[test]
fn an_os_report_has_bounded_lists() {
    let (uuids, data, company) = (
        [SERVICE; MAX_ENTRIES + 1],
        [(OTHER, &[][..]); MAX_ENTRIES + 1],
        [(1, &[][..]); MAX_ENTRIES + 1],
    );
    let most = OsReport {
        uuids: &uuids[1..],
        service_data: &data[1..],
        name: None,
        manufacturer: &company[1..],
    };
    assert_eq!(from_os(&most), Ok(Some(Sighting::Unnamed)));
    let over = [
        OsReport {
            uuids: &uuids,
            ..most
        },
        OsReport {
            service_data: &data,
            ..most
        },
        OsReport {
            manufacturer: &company,
            ..most
        },
    ];
    for report in over {
        assert_eq!(from_os(&report), Err(AdvertError::TooMany));
    }
}

#[test]
fn a_structure_that_overruns_is_refused_wherever_it_is() {
    let adv = advertisement();
    for cut in 1..adv.len() {
        // After the flags the advertisement is whole.
        let at = if cut < 3 { 0 } else { 3 };
        let expected = if cut == 3 {
            Ok(None)
        } else {
            Err(AdvertError::Overrun { at })
        };
        assert_eq!(legacy(&[&adv[..cut]]), expected, "{cut}");
    }
    let response = [&scan_response(&ID, CAPS)[..], &[1]].concat();
    let overrun = Err(AdvertError::Overrun { at: 28 });
    assert_eq!(from_raw(Pdu::Legacy, &adv, &response), overrun);
    assert_eq!(
        extended(&[&[255; 255]]),
        Err(AdvertError::Overrun { at: 0 })
    );
}

#[test]
fn a_length_of_zero_ends_the_reading() {
    let response = scan_response(&ID, CAPS);
    assert_eq!(legacy(&[&response, &[0, 9, 9]]), Ok(Some(FULL)));
    assert_eq!(legacy(&[&[0], &response]), Ok(None));
    // A length of one is a type without data, and goes on.
    assert_eq!(legacy(&[&[1, 0x0a], &response]), Ok(Some(FULL)));
    // Each part ends for itself.
    let raw = from_raw(Pdu::Legacy, &[0, 7], &response);
    assert_eq!(raw, Ok(Some(FULL)));
}

#[test]
fn sizes_that_a_type_cannot_have_are_refused() {
    let size = |kind, got| Err(AdvertError::Size { kind, got });
    for (kind, got) in [
        (0x07, 15),
        (0x07, 17),
        (0x06, 1),
        (0x21, 15),
        (0x21, 0),
        (0xff, 1),
    ] {
        let raw = legacy(&[&structure(kind, &vec![0; got])]);
        assert_eq!(raw, size(kind, got), "{kind:#x}, {got}");
    }
    for (kind, got) in [(0x07, 0), (0x07, 16), (0x21, 16), (0xff, 2), (0x09, 0)] {
        assert_eq!(legacy(&[&structure(kind, &vec![0; got])]), Ok(None));
    }
}

#[test]
fn short_service_data_of_ours_is_refused() {
    let of = |len: usize| {
        let data = [
            &SERVICE.to_air()[..],
            &[&service_data(&ID, CAPS)[..], &[9; 3]].concat()[..len],
        ];
        legacy(&[&structure(0x21, &data.concat())])
    };
    for len in 0..10 {
        assert_eq!(of(len), Err(AdvertError::ServiceData(len)));
    }
    for len in 10..=13 {
        assert_eq!(of(len), Ok(Some(FULL)));
    }
}

#[test]
fn the_same_twice_is_one_and_two_values_are_none() {
    let response = scan_response(&ID, CAPS);
    let adv = advertisement();
    // Some controllers copy the advertisement into the scan response.
    assert_eq!(
        extended(&[&adv, &response, &adv, &response]),
        Ok(Some(FULL))
    );
    let other = scan_response(&DiscoveryId([9; 8]), CAPS);
    let conflict = Err(AdvertError::Conflict);
    assert_eq!(extended(&[&response, &other]), conflict);
    assert_eq!(extended(&[&response, &other, &response]), conflict);
    assert_eq!(from_raw(Pdu::Legacy, &response, &other), conflict);
    let names = [structure(0x09, b"AAAAAAAA"), structure(0x09, b"BBBBBBBB")];
    assert_eq!(extended(&[&adv, &names[0], &names[1]]), conflict);
    // It decides nothing here.
    assert_eq!(legacy(&[&names[0], &names[1]]), Ok(None));
    assert_eq!(
        extended(&[&adv, &names[0], &names[1], &response]),
        Ok(Some(FULL))
    );
}

#[test]
fn a_name_that_is_no_id_leaves_the_service() {
    for name in ["Sovereign", "ABCDEFG", "", "ABCD FGH"] {
        let raw = legacy(&[
            &advertisement(),
            &structure(0x09, &name.as_bytes()[..name.len().min(8)]),
        ]);
        if name == "Sovereign" {
            // Cut to eight characters it would be one.
            assert!(matches!(raw, Ok(Some(Sighting::Prefix(_)))));
        } else {
            assert_eq!(raw, Ok(Some(Sighting::Unnamed)), "{name}");
        }
    }
    // A shortened name is none.
    let short = structure(0x08, b"ABCDEFGH");
    assert_eq!(
        legacy(&[&advertisement(), &short]),
        Ok(Some(Sighting::Unnamed))
    );
}

#[test]
fn a_background_iphone_is_possible_and_no_more() {
    let mask = OverflowMask([0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x80]);
    let area = |company: [u8; 2], kind: u8, mask: &[u8]| {
        structure(0xff, &[&company[..], &[kind], mask].concat())
    };
    let ours = area([0x4c, 0], 1, &mask.0);
    assert_eq!(ours.len(), 21);
    let possible = Ok(Some(Sighting::Possible(mask)));
    assert_eq!(legacy(&[&[2, 1, 0x1a], &ours]), possible);
    assert_eq!(Sighting::Possible(mask).seen(), None);
    split(&ours, |report| assert_eq!(from_os(report), possible));
    for other in [
        area([0x4c, 0], 1, &[0; 16]),
        area([0x4c, 0], 1, &mask.0[..15]),
        area([0x4c, 0], 1, &[1; 17]),
        area([0x4c, 0], 2, &mask.0),
        area([0x4d, 0], 1, &mask.0),
        area([0, 0x4c], 1, &mask.0),
        structure(0xff, &[0x4c, 0]),
    ] {
        assert_eq!(legacy(&[&other]), Ok(None), "{other:x?}");
    }
    let another = area([0x4c, 0], 1, &[1; 16]);
    assert_eq!(extended(&[&ours, &another]), Err(AdvertError::Conflict));
    // What is certain goes before what is possible.
    assert_eq!(
        extended(&[&ours, &advertisement()]),
        Ok(Some(Sighting::Unnamed))
    );
}

#[test]
fn every_error_has_a_word_of_its_own() {
    let errors = [
        AdvertError::TooLong { got: 32, most: 31 },
        AdvertError::TooMany,
        AdvertError::Overrun { at: 0 },
        AdvertError::Size { kind: 7, got: 1 },
        AdvertError::ServiceData(3),
        AdvertError::Conflict,
    ];
    let words: Vec<&str> = errors.iter().map(|error| error.word()).collect();
    let all = [
        "too-long",
        "too-many",
        "overrun",
        "size",
        "service-data",
        "conflict",
    ];
    assert_eq!(words, all);
    let text = AdvertError::ServiceData(3).to_string();
    assert_eq!(text, "3 bytes of service data, at least 10 are needed");
}

/// Structures that an operating system can split, ours among them more often than chance would have it.
fn structures() -> impl Strategy<Value = Vec<u8>> {
    let uuid = || prop_oneof![Just(SERVICE), Just(OTHER), any::<u128>().prop_map(Uuid)];
    let one = prop_oneof![
        vec(uuid(), 0..4).prop_map(|list| {
            structure(
                0x07,
                &list.iter().flat_map(|u| u.to_air()).collect::<Vec<_>>(),
            )
        }),
        (uuid(), vec(any::<u8>(), 0..14))
            .prop_map(|(u, data)| structure(0x21, &[&u.to_air()[..], &data].concat())),
        ("[A-Za-z_-]{7,9}").prop_map(|name| structure(0x09, name.as_bytes())),
        (prop_oneof![Just(0x4c), any::<u16>()], vec(0..2_u8, 15..19))
            .prop_map(|(c, data)| structure(0xff, &[&c.to_le_bytes()[..], &data].concat())),
        (10..32_u8, vec(any::<u8>(), 0..8)).prop_map(|(kind, data)| structure(kind, &data)),
    ];
    vec(one, 0..4).prop_map(|all| all.concat())
}

proptest! {
    #[test]
    fn both_forms_lead_to_the_same_sighting(part in structures()) {
        // An operating system keeps one name, so what two of them would mean is not asked.
        let names = |part: &[u8]| {
            let (mut rest, mut names) = (part, 0);
            while let [length, kind, ..] = rest {
                names += u32::from(*kind == 0x09);
                rest = &rest[usize::from(*length) + 1..];
            }
            names
        };
        if names(&part) < 2 && part.len() <= MAX_EXTENDED {
            let raw = from_raw(Pdu::Extended, &part, &[]);
            split(&part, |report| assert_eq!(from_os(report), raw));
            // And so it is split between advertisement and scan response.
            assert_eq!(from_raw(Pdu::Extended, &[], &part), raw);
        }
    }

    #[test]
    fn every_id_is_read_back(id in any::<[u8; 8]>(), bits in any::<u16>()) {
        let (id, capabilities) = (DiscoveryId(id), Capabilities::from_bits(bits));
        let raw = from_raw(Pdu::Legacy, &advertisement(), &scan_response(&id, capabilities));
        prop_assert_eq!(raw, Ok(Some(Sighting::Full { id, capabilities })));
        let raw = from_raw(Pdu::Legacy, &ios_advertisement(&id), &[]);
        prop_assert_eq!(raw, Ok(Some(Sighting::Prefix(IdPrefix::of(&id)))));
        let hello = super::super::Hello { id, capabilities, psm: (bits & 0xff >= 0x80).then_some(bits & 0xff) };
        prop_assert_eq!(super::super::Hello::decode(&hello.encode()), Ok(hello));
    }

    #[test]
    fn arbitrary_bytes_are_answered(adv in vec(any::<u8>(), 0..300), response in vec(any::<u8>(), 0..300)) {
        let _ = from_raw(Pdu::Legacy, &adv, &response);
        let _ = from_raw(Pdu::Extended, &adv, &response);
        let _ = super::super::Hello::decode(&adv);
    }
}
