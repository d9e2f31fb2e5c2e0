//! The vectors of docs/protocol.md §11, `tests/vectors/advert.json`: made by another program, from the text
//! (LOC-2, LOC-3).

#![allow(clippy::unwrap_used, reason = "a test")]

use core::time::Duration;

use serde_json::Value;
use sovereign_protocol::{
    id::DiscoveryId,
    radio::{
        advert::{self, Capabilities, Hello, HelloError, Pdu, Sighting},
        discovery::{IdPrefix, ResolvingKey, SeenId},
        rotation::Epoch,
    },
};

fn vectors(section: &str) -> Vec<Value> {
    let text = include_str!("../../../tests/vectors/advert.json");
    let all: Value = serde_json::from_str(text).expect("the vectors are JSON");
    let list = all[section].as_array().expect("a list of vectors").clone();
    assert!(!list.is_empty());
    list
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().expect("a text")
}

fn bytes(value: &Value, key: &str) -> Vec<u8> {
    hex::decode(text(value, key)).expect("hex")
}

fn array<const N: usize>(value: &Value, key: &str) -> [u8; N] {
    bytes(value, key).try_into().expect("of the right length")
}

fn id(value: &Value) -> DiscoveryId {
    text(value, "id").parse().expect("a discovery id")
}

fn number(value: &Value, key: &str) -> u16 {
    value[key].as_u64().unwrap().try_into().unwrap()
}

fn capabilities(value: &Value) -> Capabilities {
    let bits = number(value, "capabilities");
    let capabilities = Capabilities::from_bits(bits);
    assert_eq!(capabilities.bits(), bits, "known bits only");
    capabilities
}

fn key(value: &Value) -> ResolvingKey {
    ResolvingKey::from_bytes(array(value, "key"))
}

#[test]
fn uuids() {
    let ours = [
        ("ble-service", advert::SERVICE),
        ("ble-to-node", advert::TO_NODE),
        ("ble-from-node", advert::FROM_NODE),
        ("ble-hello", advert::HELLO),
    ];
    let vectors = vectors("uuids");
    assert_eq!(vectors.len(), ours.len());
    for (vector, (name, uuid)) in vectors.iter().zip(ours) {
        assert_eq!(text(vector, "name"), name);
        assert_eq!(text(vector, "uuid"), uuid.to_string());
        assert_eq!(uuid.to_air(), array::<16>(vector, "on_air"));
    }
}

#[test]
fn ids_and_who_resolves_them() {
    for vector in vectors("ids") {
        let made = key(&vector).id(array(&vector, "nonce"));
        assert_eq!(made, id(&vector));
        assert_eq!(advert::local_name(&made), text(&vector, "local_name"));
    }
    for vector in vectors("resolving") {
        let seen = bytes(&vector, "seen");
        let seen = match seen.len() {
            8 => SeenId::Full(DiscoveryId(seen.try_into().unwrap())),
            _ => SeenId::Prefix(IdPrefix(seen.try_into().unwrap())),
        };
        let fits = key(&vector).resolves(&seen);
        assert_eq!(Some(fits), vector["fits"].as_bool(), "{}", vector["name"]);
    }
}

#[test]
fn epochs() {
    for vector in vectors("epochs") {
        let secret = array(&vector, "secret");
        let epoch = Epoch::of_secret(&key(&vector), &secret, Duration::ZERO);
        assert_eq!(epoch.id, id(&vector));
        assert_eq!(epoch.address.0, array(&vector, "address"));
        assert_eq!(*epoch.transport.seed, array(&vector, "transport_seed"));
    }
}

#[test]
fn what_is_advertised() {
    for vector in vectors("adverts") {
        let (id, capabilities) = (id(&vector), capabilities(&vector));
        assert_eq!(advert::advertisement()[..], bytes(&vector, "advertisement"));
        assert_eq!(
            advert::scan_response(&id, capabilities)[..],
            bytes(&vector, "scan_response")
        );
        assert_eq!(
            advert::ios_advertisement(&id)[..],
            bytes(&vector, "ios_advertisement")
        );
    }
}

fn hear(vector: &Value) -> Result<Option<Sighting>, advert::AdvertError> {
    let pdu = match text(vector, "pdu") {
        "legacy" => Pdu::Legacy,
        "extended" => Pdu::Extended,
        other => panic!("no PDU: {other}"),
    };
    let advertisement = bytes(vector, "advertisement");
    advert::from_raw(pdu, &advertisement, &bytes(vector, "scan_response"))
}

#[test]
fn what_is_heard() {
    for vector in vectors("heard") {
        let said = &vector["sighting"];
        let expected = if said.is_null() {
            None
        } else if said["id"].is_string() {
            let (id, capabilities) = (id(said), capabilities(said));
            Some(Sighting::Full { id, capabilities })
        } else if said["prefix"].is_string() {
            Some(Sighting::Prefix(IdPrefix(array(said, "prefix"))))
        } else if said["overflow"].is_string() {
            let mask = advert::OverflowMask(array(said, "overflow"));
            Some(Sighting::Possible(mask))
        } else {
            Some(Sighting::Unnamed)
        };
        assert_eq!(hear(&vector), Ok(expected), "{}", vector["name"]);
    }
}

#[test]
fn what_is_refused() {
    for vector in vectors("refused") {
        let word = hear(&vector).map_err(advert::AdvertError::word);
        assert_eq!(word, Err(text(&vector, "refused")), "{}", vector["name"]);
    }
}

#[test]
fn hellos() {
    for vector in vectors("hello") {
        let psm = Some(number(&vector, "psm")).filter(|psm| *psm != 0);
        let hello = Hello {
            id: id(&vector),
            capabilities: capabilities(&vector),
            psm,
        };
        assert_eq!(hello.encode()[..], bytes(&vector, "value"));
        assert_eq!(Hello::decode(&hello.encode()), Ok(hello));
    }
    let good = Hello::decode(&bytes(&vectors("hello")[1], "value"));
    for vector in vectors("hello_read") {
        let read = Hello::decode(&bytes(&vector, "value"));
        let result = match read {
            Ok(_) => "read",
            Err(HelloError::Length(_)) => "length",
            Err(HelloError::Version(_)) => "version",
            Err(HelloError::Psm(_)) => "psm",
        };
        assert_eq!(result, text(&vector, "result"), "{}", vector["name"]);
        if read.is_ok() {
            assert_eq!(read, good, "{}", vector["name"]);
        }
    }
}
