//! The value of the hello characteristic: what an advertisement had no room for, or could not say
//! (docs/protocol.md §11.3).

use super::Capabilities;
use crate::id::DiscoveryId;

/// Longest value that is looked at, bytes. Version 1 has 13; what a later one appends is skipped.
pub const MAX_HELLO: usize = 64;

const VERSION: u8 = 1;
/// LE_PSMs that a host assigns (Bluetooth Core, Vol 3, Part A, 4.22).
const DYNAMIC_PSMS: core::ops::RangeInclusive<u16> = 0x0080..=0x00ff;

/// Who is there, for who has connected and has not heard, or not all of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hello {
    /// The whole id of the epoch in which the connection was made.
    pub id: DiscoveryId,
    /// As in the service data.
    pub capabilities: Capabilities,
    /// Where L2CAP channels are taken: 0x80 to 0xff, as [`Hello::decode`] has made sure.
    pub psm: Option<u16>,
}

/// Why a hello was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HelloError {
    /// Too short for version 1, or longer than [`MAX_HELLO`].
    #[error("a hello has {LEN} to {MAX_HELLO} bytes, not {0}", LEN = Hello::LEN)]
    Length(usize),
    /// A version that this node does not read.
    #[error("hello version {0} is not understood")]
    Version(u8),
    /// A PSM that no host assigns.
    #[error("no dynamic LE_PSM: {0:#06x}")]
    Psm(u16),
}

impl Hello {
    /// Bytes of version 1.
    pub const LEN: usize = 13;

    /// version ‖ id ‖ capabilities u16be ‖ PSM u16be (0: none).
    #[must_use]
    pub fn encode(&self) -> [u8; Self::LEN] {
        let mut out = [VERSION; Self::LEN];
        out[1..9].copy_from_slice(self.id.as_bytes());
        out[9..11].copy_from_slice(&self.capabilities.bits().to_be_bytes());
        out[11..].copy_from_slice(&self.psm.unwrap_or(0).to_be_bytes());
        out
    }

    /// Reads a value off the air.
    ///
    /// # Errors
    /// [`HelloError`]; nothing is kept of a hello that is wrong anywhere.
    pub fn decode(value: &[u8]) -> Result<Self, HelloError> {
        let length = HelloError::Length(value.len());
        if value.len() > MAX_HELLO {
            return Err(length);
        }
        let bytes: &[u8; Self::LEN] = value.first_chunk().ok_or(length)?;
        let [version, i0, i1, i2, i3, i4, i5, i6, i7, c0, c1, p0, p1] = *bytes;
        if version != VERSION {
            return Err(HelloError::Version(version));
        }
        let psm = match u16::from_be_bytes([p0, p1]) {
            0 => None,
            psm if DYNAMIC_PSMS.contains(&psm) => Some(psm),
            psm => return Err(HelloError::Psm(psm)),
        };
        Ok(Self {
            id: DiscoveryId([i0, i1, i2, i3, i4, i5, i6, i7]),
            capabilities: Capabilities::from_bits(u16::from_be_bytes([c0, c1])),
            psm,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> Hello {
        Hello {
            id: DiscoveryId([1, 2, 3, 4, 5, 6, 7, 8]),
            capabilities: Capabilities::L2CAP,
            psm: Some(0x80),
        }
    }

    #[test]
    fn lengths_are_bounded_on_both_sides() {
        let mut value = example().encode().to_vec();
        assert_eq!(Hello::decode(&value), Ok(example()));
        assert_eq!(Hello::decode(&value[..12]), Err(HelloError::Length(12)));
        assert_eq!(Hello::decode(&[]), Err(HelloError::Length(0)));
        value.resize(MAX_HELLO, 0xee);
        assert_eq!(Hello::decode(&value), Ok(example()), "a later version's");
        value.push(0);
        assert_eq!(Hello::decode(&value), Err(HelloError::Length(65)));
    }

    #[test]
    fn only_version_1_is_read() {
        for version in [0, 2, 255] {
            let mut value = example().encode();
            value[0] = version;
            assert_eq!(Hello::decode(&value), Err(HelloError::Version(version)));
        }
    }

    #[test]
    fn a_psm_is_none_or_one_that_a_host_assigns() {
        let read = |psm: u16| {
            let mut value = example().encode();
            value[11..].copy_from_slice(&psm.to_be_bytes());
            Hello::decode(&value).map(|hello| hello.psm)
        };
        assert_eq!(read(0), Ok(None));
        for psm in [0x80, 0xc0, 0xff] {
            assert_eq!(read(psm), Ok(Some(psm)));
        }
        for psm in [1, 0x25, 0x7f, 0x100, 0x8000, 0xffff] {
            assert_eq!(read(psm), Err(HelloError::Psm(psm)));
        }
        let none = Hello {
            psm: None,
            ..example()
        };
        assert_eq!(Hello::decode(&none.encode()), Ok(none));
    }

    #[test]
    fn errors_name_the_bounds() {
        let text = HelloError::Length(3).to_string();
        assert_eq!(text, "a hello has 13 to 64 bytes, not 3");
        assert_eq!(
            HelloError::Psm(0x25).to_string(),
            "no dynamic LE_PSM: 0x0025"
        );
    }
}
