//! The TXT record of `_sovereign._tcp.local.` (LOC-1): pure encoder and parser.
//!
//! | Key | Value |
//! | --- | --- |
//! | `pk` | transport public key, 64 hex digits |
//! | `v` | link protocol versions, decimal, ascending, separated by commas; 1 to 8 of them |
//! | `p` | protocols, separated by commas; `link` is always among them |
//! | `c` | capability bits, 1 to 8 hex digits without leading zeros |
//! | `d` | discovery id, 16 hex digits; equal to the instance name |
//! | `q` | QUIC's UDP port, decimal; absent without QUIC |
//!
//! Hex is lower-case. Every value has exactly one form, so that equal advertisements are equal
//! bytes. Keys compare without regard to case, of a repeated key the first counts, unknown keys
//! are skipped (RFC 6763 §6.4).

use std::fmt::Write as _;
use std::str::FromStr;

use sovereign_protocol::id::{DiscoveryId, TransportId};

use crate::ports::lan::{AdvertisementError, LanAdvertisement, MAX_LAN_VERSIONS};

/// Longest TXT record that is read or written, in bytes, length octets included (RFC 6763 §6.2
/// advises 400 at most).
pub const MAX_TXT_BYTES: usize = 400;

/// Most strings in a TXT record that are looked at; ours has six.
const MAX_STRINGS: usize = 32;

/// Longest list of protocols, in bytes.
const MAX_PROTOCOLS_BYTES: usize = 96;

/// The protocol a node must speak to be of use.
const LINK: &str = "link";

/// Why a TXT record was refused. Records of other programs under our service type end here, so this
/// is no sign of an attack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TxtError {
    /// Longer than [`MAX_TXT_BYTES`].
    #[error("the TXT record has {got} bytes, at most {MAX_TXT_BYTES} are read")]
    TooLong {
        /// Bytes it has.
        got: usize,
    },
    /// A length octet points past the end, or there are too many strings.
    #[error("the TXT record's strings do not add up")]
    Framing,
    /// A required key is absent or has no value.
    #[error("key {0:?} is missing")]
    Missing(&'static str),
    /// A value is not in its one form.
    #[error("the value of key {0:?} is not in its form")]
    Value(&'static str),
    /// The list of protocols lacks ours.
    #[error("the node does not speak the link protocol")]
    NoLink,
    /// The fields break a bound of the port.
    #[error(transparent)]
    Advertisement(#[from] AdvertisementError),
}

/// The strings of our TXT record, as key and value, in the order of the table above.
///
/// # Errors
/// [`TxtError::Advertisement`] when the fields break a bound.
pub fn encode(advertisement: &LanAdvertisement) -> Result<Vec<(&'static str, String)>, TxtError> {
    advertisement.check()?;
    let versions: Vec<String> = advertisement
        .versions
        .iter()
        .map(ToString::to_string)
        .collect();
    let mut protocols = String::from(LINK);
    protocols.push_str(",tcp");
    if advertisement.quic_port.is_some() {
        protocols.push_str(",quic");
    }
    let mut pairs = vec![
        ("pk", hex::encode(advertisement.transport.as_bytes())),
        ("v", versions.join(",")),
        ("p", protocols),
        ("c", format!("{:x}", advertisement.capabilities)),
        ("d", advertisement.discovery.to_string()),
    ];
    if let Some(port) = advertisement.quic_port {
        let mut text = String::new();
        write!(text, "{port}").expect("writing to a String cannot fail");
        pairs.push(("q", text));
    }
    Ok(pairs)
}

/// The TXT record as it is on the wire: length octet and string, repeated.
///
/// # Errors
/// As [`encode`].
pub fn to_wire(advertisement: &LanAdvertisement) -> Result<Vec<u8>, TxtError> {
    let mut wire = Vec::with_capacity(256);
    for (key, value) in encode(advertisement)? {
        let length = u8::try_from(key.len() + 1 + value.len())
            .expect("the longest string is pk's: 67 bytes");
        wire.push(length);
        wire.extend_from_slice(key.as_bytes());
        wire.push(b'=');
        wire.extend_from_slice(value.as_bytes());
    }
    Ok(wire)
}

/// Reads a TXT record off the wire; `tcp_port` is the SRV record's.
///
/// # Errors
/// What is wrong with it; nothing is kept of a record that is wrong anywhere.
pub fn from_wire(wire: &[u8], tcp_port: u16) -> Result<LanAdvertisement, TxtError> {
    if wire.len() > MAX_TXT_BYTES {
        return Err(TxtError::TooLong { got: wire.len() });
    }
    let mut pairs = Vec::with_capacity(8);
    let mut rest = wire;
    while let Some((&length, tail)) = rest.split_first() {
        let (string, next) = tail
            .split_at_checked(usize::from(length))
            .ok_or(TxtError::Framing)?;
        rest = next;
        // An empty string is how an empty record is written (RFC 6763 §6.1).
        if string.is_empty() {
            continue;
        }
        if pairs.len() == MAX_STRINGS {
            return Err(TxtError::Framing);
        }
        let mut halves = string.splitn(2, |&b| b == b'=');
        let key = halves.next().unwrap_or_default();
        pairs.push((key, halves.next()));
    }
    from_pairs(pairs.iter().map(|(key, value)| (*key, *value)), tcp_port)
}

/// Reads a TXT record that was already taken apart into keys and values.
///
/// # Errors
/// As [`from_wire`].
pub fn from_pairs<'a>(
    pairs: impl Iterator<Item = (&'a [u8], Option<&'a [u8]>)>,
    tcp_port: u16,
) -> Result<LanAdvertisement, TxtError> {
    let mut fields = Fields::default();
    let mut total = 0;
    for (index, (key, value)) in pairs.enumerate() {
        total += 1 + key.len() + value.map_or(0, |value| 1 + value.len());
        if total > MAX_TXT_BYTES {
            return Err(TxtError::TooLong { got: total });
        }
        if index == MAX_STRINGS {
            return Err(TxtError::Framing);
        }
        fields.offer(key, value);
    }
    let advertisement = LanAdvertisement {
        transport: TransportId(hex_array("pk", text("pk", fields.pk)?)?),
        discovery: DiscoveryId(hex_array("d", text("d", fields.d)?)?),
        tcp_port,
        quic_port: match fields.q {
            Some(_) => Some(decimal("q", text("q", fields.q)?)?),
            None => None,
        },
        versions: versions(text("v", fields.v)?)?,
        capabilities: capabilities(text("c", fields.c)?)?,
    };
    protocols(text("p", fields.p)?)?;
    advertisement.check()?;
    Ok(advertisement)
}

/// First value of each key we know; the outer `Option` says whether the key was there.
#[derive(Default)]
struct Fields<'a> {
    pk: Option<Option<&'a [u8]>>,
    v: Option<Option<&'a [u8]>>,
    p: Option<Option<&'a [u8]>>,
    c: Option<Option<&'a [u8]>>,
    d: Option<Option<&'a [u8]>>,
    q: Option<Option<&'a [u8]>>,
}

impl<'a> Fields<'a> {
    fn offer(&mut self, key: &[u8], value: Option<&'a [u8]>) {
        let slot = match key.to_ascii_lowercase().as_slice() {
            b"pk" => &mut self.pk,
            b"v" => &mut self.v,
            b"p" => &mut self.p,
            b"c" => &mut self.c,
            b"d" => &mut self.d,
            b"q" => &mut self.q,
            _ => return,
        };
        slot.get_or_insert(value);
    }
}

fn text<'a>(key: &'static str, field: Option<Option<&'a [u8]>>) -> Result<&'a str, TxtError> {
    let value = field.flatten().ok_or(TxtError::Missing(key))?;
    std::str::from_utf8(value).map_err(|_| TxtError::Value(key))
}

fn hex_array<const N: usize>(key: &'static str, text: &str) -> Result<[u8; N], TxtError> {
    if text.bytes().any(|b| b.is_ascii_uppercase()) {
        return Err(TxtError::Value(key));
    }
    let mut bytes = [0; N];
    hex::decode_to_slice(text, &mut bytes).map_err(|_| TxtError::Value(key))?;
    Ok(bytes)
}

/// A decimal number without sign and leading zeros.
fn decimal(key: &'static str, text: &str) -> Result<u16, TxtError> {
    let canonical =
        text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    if !canonical {
        return Err(TxtError::Value(key));
    }
    u16::from_str(text).map_err(|_| TxtError::Value(key))
}

fn versions(text: &str) -> Result<Vec<u16>, TxtError> {
    text.split(',')
        // One more than allowed, so that `check` can say that there are too many.
        .take(MAX_LAN_VERSIONS + 1)
        .map(|part| decimal("v", part))
        .collect()
}

fn capabilities(text: &str) -> Result<u32, TxtError> {
    let canonical = (1..=8).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
        && (text == "0" || !text.starts_with('0'));
    if !canonical {
        return Err(TxtError::Value("c"));
    }
    u32::from_str_radix(text, 16).map_err(|_| TxtError::Value("c"))
}

fn protocols(text: &str) -> Result<(), TxtError> {
    let clean = text.len() <= MAX_PROTOCOLS_BYTES
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-./,".contains(&b));
    if !clean {
        return Err(TxtError::Value("p"));
    }
    if text.split(',').any(|protocol| protocol == LINK) {
        Ok(())
    } else {
        Err(TxtError::NoLink)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Vectors {
        valid: Vec<Valid>,
        invalid: Vec<Invalid>,
    }

    #[derive(Deserialize)]
    struct Valid {
        name: String,
        tcp_port: u16,
        transport: String,
        discovery: String,
        quic_port: Option<u16>,
        versions: Vec<u16>,
        capabilities: u32,
        /// The strings of the record, readable.
        strings: Vec<String>,
        /// Whether our encoder writes exactly these strings; `false` where a reader is more lenient.
        canonical: bool,
    }

    #[derive(Deserialize)]
    struct Invalid {
        name: String,
        tcp_port: u16,
        strings: Option<Vec<String>>,
        /// Raw bytes, where the strings' framing itself is wrong.
        hex: Option<String>,
        error: String,
    }

    fn wire(strings: &[String]) -> Vec<u8> {
        let mut out = Vec::new();
        for string in strings {
            out.push(u8::try_from(string.len()).unwrap());
            out.extend_from_slice(string.as_bytes());
        }
        out
    }

    fn vectors() -> Vectors {
        serde_json::from_str(include_str!("../../../../../tests/vectors/mdns.json")).unwrap()
    }

    #[test]
    fn valid_vectors_are_read_and_written() {
        // LOC-1.
        for vector in vectors().valid {
            let bytes = wire(&vector.strings);
            let read = from_wire(&bytes, vector.tcp_port).expect(&vector.name);
            assert_eq!(
                hex::encode(read.transport.0),
                vector.transport,
                "{}",
                vector.name
            );
            assert_eq!(
                read.discovery.to_string(),
                vector.discovery,
                "{}",
                vector.name
            );
            assert_eq!(read.tcp_port, vector.tcp_port, "{}", vector.name);
            assert_eq!(read.quic_port, vector.quic_port, "{}", vector.name);
            assert_eq!(read.versions, vector.versions, "{}", vector.name);
            assert_eq!(read.capabilities, vector.capabilities, "{}", vector.name);
            if vector.canonical {
                assert_eq!(to_wire(&read).unwrap(), bytes, "{}", vector.name);
            }
        }
    }

    #[test]
    fn invalid_vectors_are_refused_for_their_reason() {
        // LOC-8.
        for vector in vectors().invalid {
            let bytes = match (&vector.strings, &vector.hex) {
                (Some(strings), None) => wire(strings),
                (None, Some(raw)) => hex::decode(raw).unwrap(),
                _ => panic!("{}: either strings or hex", vector.name),
            };
            let error = from_wire(&bytes, vector.tcp_port).expect_err(&vector.name);
            assert_eq!(format!("{error:?}"), vector.error, "{}", vector.name);
        }
    }

    #[test]
    fn own_advertisements_out_of_bounds_are_not_written() {
        let mut advertisement = from_wire(&wire(&vectors().valid[0].strings), 1).unwrap();
        advertisement.versions = (1..=9).collect();
        assert!(matches!(
            to_wire(&advertisement),
            Err(TxtError::Advertisement(AdvertisementError::VersionCount {
                got: 9
            }))
        ));
    }

    fn any_advertisement() -> impl Strategy<Value = LanAdvertisement> {
        (
            any::<[u8; 32]>(),
            any::<[u8; 8]>(),
            1..=u16::MAX,
            proptest::option::of(1..=u16::MAX),
            proptest::collection::btree_set(any::<u16>(), 1..=MAX_LAN_VERSIONS),
            any::<u32>(),
        )
            .prop_map(|(pk, d, tcp_port, quic_port, versions, capabilities)| {
                LanAdvertisement {
                    transport: TransportId(pk),
                    discovery: DiscoveryId(d),
                    tcp_port,
                    quic_port,
                    versions: versions.into_iter().collect(),
                    capabilities,
                }
            })
    }

    proptest! {
        #[test]
        fn whatever_is_written_is_read_back(advertisement in any_advertisement()) {
            let bytes = to_wire(&advertisement).unwrap();
            prop_assert!(bytes.len() <= MAX_TXT_BYTES);
            prop_assert_eq!(from_wire(&bytes, advertisement.tcp_port), Ok(advertisement));
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600), port: u16) {
            let _ = from_wire(&bytes, port);
        }

        #[test]
        fn a_changed_byte_is_refused_or_read_in_bounds(
            advertisement in any_advertisement(), at: prop::sample::Index, flip in 1..=255u8,
        ) {
            let mut bytes = to_wire(&advertisement).unwrap();
            let at = at.index(bytes.len());
            bytes[at] ^= flip;
            if let Ok(read) = from_wire(&bytes, advertisement.tcp_port) {
                prop_assert_eq!(read.check(), Ok(()));
            }
        }
    }
}
