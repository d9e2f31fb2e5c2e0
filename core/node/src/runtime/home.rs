//! What a node keeps of itself: identity, device, name and transport key, made at the first start.

use std::time::Duration;

use prost::Message as _;
use rand_core::CryptoRng;
use sovereign_protocol::{
    engine::{OwnState, Stored, Who},
    id::{ChannelId, ContentId, DeviceId, MessageId},
    identity::{Identity, TransportKey},
    message::text::clean_name,
    wire::local::{ClockRecord, NodeRecord},
};

use crate::{
    api::{ApiError, ErrorKind},
    ports::store::{Batch, Op, Store, StoreError, Table},
};

/// Key of the `NodeRecord` in the Meta table.
pub(crate) const NODE: &[u8] = b"node";
/// Key of the `ClockRecord` in the Meta table.
pub(crate) const CLOCK: &[u8] = b"clock";
/// What a node is called that was given no name.
const NAMELESS: &str = "someone";

/// What the store says of this node.
pub(super) struct Home {
    pub(super) record: NodeRecord,
}

impl Home {
    /// Reads the node's record, or makes one at a first start; a given name replaces the stored one.
    pub(super) fn open(
        store: &dyn Store,
        name: Option<&str>,
        rng: &mut impl CryptoRng,
    ) -> Result<Self, ApiError> {
        let stored = store.get(Table::Meta, NODE).map_err(store_error)?;
        let first_start = stored.is_none();
        let mut record = match &stored {
            Some(bytes) => NodeRecord::decode(bytes.as_slice())
                .ok()
                .filter(is_whole)
                .ok_or_else(damaged)?,
            None => new_record(rng),
        };
        if let Some(name) = name.and_then(clean_name) {
            record.name = name;
        }
        if record.name.is_empty() {
            NAMELESS.clone_into(&mut record.name);
        }
        let home = Self { record };
        let bytes = home.record.encode_to_vec();
        if stored.as_ref() != Some(&bytes) {
            match store.commit(Batch {
                ops: vec![Op::Put(Table::Meta, NODE.to_vec(), bytes)],
            }) {
                // A damaged or full store can be read all the same; only a node that has never been must write.
                Ok(()) => {}
                Err(error) if first_start => return Err(store_error(error)),
                Err(error) => tracing::warn!(%error, "the node's record could not be written"),
            }
        }
        Ok(home)
    }

    pub(super) fn who(&self) -> Result<Who, ApiError> {
        Ok(Who {
            identity: Identity::from_seed(seed(&self.record.identity_seed)?),
            device: DeviceId(self.record.device.to_be_bytes()),
            name: self.record.name.clone(),
        })
    }

    /// The IP transport key, renewed when it has lived its time.
    pub(super) fn transport(
        &self,
        life: Duration,
        rng: &mut impl CryptoRng,
    ) -> Result<(TransportKey, bool), ApiError> {
        if !self.record.transport_seed.is_empty() {
            let made = Duration::from_secs(self.record.transport_made_life_s);
            let key = TransportKey::from_seed(seed(&self.record.transport_seed)?, made);
            if !key.expired(life) {
                return Ok((key, false));
            }
        }
        Ok((TransportKey::generate(rng, life), true))
    }

    /// Takes a transport key in; to be saved.
    pub(super) fn adopt(&mut self, key: &TransportKey) {
        self.record.transport_seed = key.seed.to_vec().into();
        self.record.transport_made_life_s = key.made.as_secs();
    }
}

fn new_record(rng: &mut impl CryptoRng) -> NodeRecord {
    let identity = Identity::generate(rng);
    NodeRecord {
        identity_seed: identity.seed().to_vec().into(),
        name: String::new(),
        device: rng.next_u32(),
        transport_seed: bytes::Bytes::new(),
        transport_made_life_s: 0,
    }
}

fn is_whole(record: &NodeRecord) -> bool {
    record.identity_seed.len() == 32 && matches!(record.transport_seed.len(), 0 | 32)
}

fn seed(bytes: &[u8]) -> Result<[u8; 32], ApiError> {
    bytes.try_into().map_err(|_| damaged())
}

/// Takes a pair of a table in; `None` when it is not this program's.
type Take<'a> = dyn FnMut(&[u8], &[u8]) -> Option<()> + 'a;

/// Everything that the engine is restored from.
pub(super) fn stored(store: &dyn Store) -> Result<Stored, ApiError> {
    let mut stored = Stored {
        clock: store.get(Table::Meta, CLOCK).map_err(store_error)?,
        ..Stored::default()
    };
    let mut foreign = false;
    let mut scan = |table, take: &mut Take<'_>| {
        store
            .scan(table, &mut |key, value| {
                foreign |= take(key, value).is_none()
            })
            .map_err(store_error)
    };
    scan(Table::Channels, &mut |key, value| {
        stored
            .channels
            .push((ChannelId::try_from(key).ok()?, value.to_vec()));
        Some(())
    })?;
    scan(Table::Shelf, &mut |key, value| {
        stored
            .shelf
            .push((ContentId::try_from(key).ok()?, value.to_vec()));
        Some(())
    })?;
    scan(Table::Seen, &mut |key, value| {
        stored
            .seen
            .push((ContentId::try_from(key).ok()?, value.to_vec()));
        Some(())
    })?;
    scan(Table::Messages, &mut |key, value| {
        stored
            .messages
            .push((MessageId::try_from(key).ok()?, value.to_vec()));
        Some(())
    })?;
    scan(Table::States, &mut |key, value| {
        stored.states.push((
            MessageId::try_from(key).ok()?,
            OwnState::from_byte(*value.first()?)?,
        ));
        Some(())
    })?;
    if foreign {
        return Err(damaged());
    }
    Ok(stored)
}

/// The clock's record as it was last written.
pub(super) fn clock_record(stored: &Stored) -> Option<ClockRecord> {
    stored
        .clock
        .as_deref()
        .and_then(|bytes| ClockRecord::decode(bytes).ok())
}

pub(super) fn damaged() -> ApiError {
    ApiError::new(
        ErrorKind::ReadOnly,
        "the store holds records that this program did not write",
        "nothing was changed: restore a backup into an empty directory with `sovereign id restore`",
    )
}

pub(crate) fn store_error(error: StoreError) -> ApiError {
    let (kind, hint) = match &error {
        StoreError::Full => (ErrorKind::DiskFull, "make room on the disk, then try again"),
        StoreError::Held => (
            ErrorKind::Held,
            "stop the other node, or choose another directory with --data",
        ),
        StoreError::Newer { .. } => (ErrorKind::StoreNewer, "install the newer program again"),
        StoreError::Damaged { .. } => (
            ErrorKind::ReadOnly,
            "export what you need, then restore a backup into an empty directory",
        ),
        StoreError::TooLarge => (ErrorKind::Internal, "please report this"),
        StoreError::Io(_) => (ErrorKind::Io, "check the directory and its permissions"),
    };
    ApiError::new(kind, error.to_string(), hint)
}
