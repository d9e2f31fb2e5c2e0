//! Reads what was heard, as raw AD structures or as an operating system has split them (docs/protocol.md
//! §11.2). Both forms lead to the same [`Sighting`].

use super::layout::{
    Capabilities, SERVICE, SERVICE_DATA_LEN, Uuid, ad, read_name, read_service_data,
};
use crate::{
    id::DiscoveryId,
    radio::discovery::{IdPrefix, SeenId},
};

/// Bytes of a legacy advertisement, and of a scan response, at most (Bluetooth Core, Vol 6, Part B, 2.3).
pub const MAX_LEGACY: usize = 31;
/// Bytes of an extended advertisement that are looked at, at most: those of one PDU.
pub const MAX_EXTENDED: usize = 255;
/// Entries of each list of an [`OsReport`] at most: as many 16-bit UUIDs fit an extended advertisement.
pub const MAX_ENTRIES: usize = 128;
/// Apple's company identifier (Bluetooth Assigned Numbers, 7.1).
pub const APPLE: u16 = 0x004c;

/// The type of Apple's data that holds the overflow area: not documented, known from captures.
const OVERFLOW: u8 = 0x01;

/// The kind of advertisement, which bounds its length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pdu {
    /// At most [`MAX_LEGACY`] bytes.
    Legacy,
    /// At most [`MAX_EXTENDED`] bytes.
    Extended,
}

impl Pdu {
    const fn most(self) -> usize {
        match self {
            Self::Legacy => MAX_LEGACY,
            Self::Extended => MAX_EXTENDED,
        }
    }
}

/// An advertisement as APIs of operating systems give it, its scan response merged in where they do that.
/// What they do not give stays empty.
#[derive(Debug, Clone, Copy, Default)]
pub struct OsReport<'a> {
    /// Listed UUIDs; on iOS those of the overflow area too, which iOS can read.
    pub uuids: &'a [Uuid],
    /// Service data by UUID, without the UUID.
    pub service_data: &'a [(Uuid, &'a [u8])],
    /// Complete local name.
    pub name: Option<&'a str>,
    /// Manufacturer data by company, without the company.
    pub manufacturer: &'a [(u16, &'a [u8])],
}

/// Which of 128 places in Apple's overflow area are taken. Every service UUID falls on one of them by a
/// function that Apple does not publish, and many fall on the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct OverflowMask(pub [u8; 16]);

/// Somebody who is, or may be, a node. A hint (LOC-8): anybody can send these bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sighting {
    /// A node with its id.
    Full {
        /// The id of its epoch.
        id: DiscoveryId,
        /// What it says of itself.
        capabilities: Capabilities,
    },
    /// An iPhone in the foreground: 48 bits of the id, the rest is in its hello.
    Prefix(IdPrefix),
    /// Our service without an id: the scan response was not heard, or iOS shows the service only. The
    /// hello tells.
    Unnamed,
    /// An iPhone with some app in the background that advertises; perhaps ours. Which place of the mask
    /// is our service's has to be found on a device, so only the hello tells.
    Possible(OverflowMask),
}

impl Sighting {
    /// As much of the id as was heard.
    #[must_use]
    pub const fn seen(&self) -> Option<SeenId> {
        match self {
            Self::Full { id, .. } => Some(SeenId::Full(*id)),
            Self::Prefix(prefix) => Some(SeenId::Prefix(*prefix)),
            Self::Unnamed | Self::Possible(_) => None,
        }
    }
}

/// Why an advertisement was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum AdvertError {
    /// More bytes than its kind can have.
    #[error("{got} bytes in an advertisement of at most {most}")]
    TooLong {
        /// Bytes it has.
        got: usize,
        /// Bytes it may have.
        most: usize,
    },
    /// More than [`MAX_ENTRIES`] in a list.
    #[error("more than {MAX_ENTRIES} entries in a list")]
    TooMany,
    /// A structure reaches past the end.
    #[error("the structure at byte {at} reaches past the end")]
    Overrun {
        /// Where it begins, in the part it is in.
        at: usize,
    },
    /// A structure has a length that its type cannot have.
    #[error("a structure of type {kind:#04x} has {got} bytes")]
    Size {
        /// AD type.
        kind: u8,
        /// Bytes after the type.
        got: usize,
    },
    /// Service data of ours that is too short.
    #[error("{0} bytes of service data, at least {SERVICE_DATA_LEN} are needed")]
    ServiceData(usize),
    /// Two different values of what there is one of.
    #[error("two values of the same structure")]
    Conflict,
}

impl AdvertError {
    /// Stable word, for counters.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::TooLong { .. } => "too-long",
            Self::TooMany => "too-many",
            Self::Overrun { .. } => "overrun",
            Self::Size { .. } => "size",
            Self::ServiceData(_) => "service-data",
            Self::Conflict => "conflict",
        }
    }
}

/// Reads an advertisement and its scan response, which is empty where there was none. `None`: nothing of
/// ours.
///
/// # Errors
/// [`AdvertError`], for whatever is wrong up to an early end (a length of 0); nothing is kept of an
/// advertisement that is wrong anywhere. Much that is not ours is; it is no sign of an attack.
pub fn from_raw(
    pdu: Pdu,
    advertisement: &[u8],
    scan_response: &[u8],
) -> Result<Option<Sighting>, AdvertError> {
    let mut found = Found::default();
    for part in [advertisement, scan_response] {
        let (got, most) = (part.len(), pdu.most());
        if got > most {
            return Err(AdvertError::TooLong { got, most });
        }
        found.structures(part)?;
    }
    found.sighting()
}

/// Reads an advertisement that was already taken apart. `None`: nothing of ours.
///
/// # Errors
/// As [`from_raw`].
pub fn from_os(report: &OsReport<'_>) -> Result<Option<Sighting>, AdvertError> {
    let most = [
        report.uuids.len(),
        report.service_data.len(),
        report.manufacturer.len(),
    ];
    if most.iter().any(|entries| *entries > MAX_ENTRIES) {
        return Err(AdvertError::TooMany);
    }
    let mut found = Found {
        listed: report.uuids.contains(&SERVICE),
        ..Found::default()
    };
    for (uuid, data) in report.service_data {
        found.service_data(*uuid, data);
    }
    if let Some(name) = report.name {
        found.name.put(name.as_bytes());
    }
    for (company, data) in report.manufacturer {
        found.manufacturer(*company, data);
    }
    found.sighting()
}

/// What there should be one of. The same twice is one: some controllers repeat the advertisement in the
/// scan response.
#[derive(Debug, Clone, Copy, Default)]
enum Once<T> {
    #[default]
    Never,
    One(T),
    Several,
}

impl<T: Copy + PartialEq> Once<T> {
    fn put(&mut self, value: T) {
        *self = match *self {
            Self::Never => Self::One(value),
            Self::One(known) if known == value => Self::One(value),
            Self::One(_) | Self::Several => Self::Several,
        };
    }

    fn get(self) -> Result<Option<T>, AdvertError> {
        match self {
            Self::Never => Ok(None),
            Self::One(value) => Ok(Some(value)),
            Self::Several => Err(AdvertError::Conflict),
        }
    }
}

/// What matters to us of an advertisement.
#[derive(Debug, Default)]
struct Found<'a> {
    listed: bool,
    data: Once<&'a [u8]>,
    name: Once<&'a [u8]>,
    overflow: Once<OverflowMask>,
}

impl<'a> Found<'a> {
    /// length (1) ‖ type (1) ‖ data (length − 1), repeated (Bluetooth Core, Vol 3, Part C, 11).
    fn structures(&mut self, part: &'a [u8]) -> Result<(), AdvertError> {
        let mut rest = part;
        while let Some((&length, tail)) = rest.split_first() {
            let at = part.len() - rest.len();
            let (structure, next) = tail
                .split_at_checked(length.into())
                .ok_or(AdvertError::Overrun { at })?;
            // A length of 0 ends the significant part.
            let Some((&kind, data)) = structure.split_first() else {
                break;
            };
            self.structure(kind, data).ok_or(AdvertError::Size {
                kind,
                got: data.len(),
            })?;
            rest = next;
        }
        Ok(())
    }

    /// `None` for a size that the type cannot have.
    fn structure(&mut self, kind: u8, data: &'a [u8]) -> Option<()> {
        match kind {
            ad::SOME_UUIDS_128 | ad::ALL_UUIDS_128 => {
                let (uuids, odd) = data.as_chunks::<16>();
                self.listed |= uuids.contains(&SERVICE.to_air());
                odd.is_empty().then_some(())
            }
            ad::SERVICE_DATA_128 => {
                let (uuid, data) = data.split_first_chunk()?;
                self.service_data(Uuid::from_air(*uuid), data);
                Some(())
            }
            ad::COMPLETE_NAME => {
                self.name.put(data);
                Some(())
            }
            ad::MANUFACTURER => {
                let (company, data) = data.split_first_chunk()?;
                self.manufacturer(u16::from_le_bytes(*company), data);
                Some(())
            }
            _ => Some(()),
        }
    }

    fn service_data(&mut self, uuid: Uuid, data: &'a [u8]) {
        if uuid == SERVICE {
            self.data.put(data);
        }
    }

    fn manufacturer(&mut self, company: u16, data: &[u8]) {
        if company != APPLE {
            return;
        }
        // Anything else under Apple's name is another of its services, in another format.
        if let Some((&OVERFLOW, mask)) = data.split_first()
            && let Ok(mask) = mask.try_into()
            && mask != [0; 16]
        {
            self.overflow.put(OverflowMask(mask));
        }
    }

    /// The most telling of it. What is ambiguous matters only where it would decide.
    fn sighting(self) -> Result<Option<Sighting>, AdvertError> {
        if let Some(data) = self.data.get()? {
            let (id, capabilities) =
                read_service_data(data).ok_or(AdvertError::ServiceData(data.len()))?;
            return Ok(Some(Sighting::Full { id, capabilities }));
        }
        if self.listed {
            let prefix = self.name.get()?.and_then(read_name);
            return Ok(Some(prefix.map_or(Sighting::Unnamed, Sighting::Prefix)));
        }
        Ok(self.overflow.get()?.map(Sighting::Possible))
    }
}

#[cfg(test)]
mod tests;
