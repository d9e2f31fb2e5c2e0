//! What a backup holds, and how it leaves and enters a store.

use prost::Message as _;
use sovereign_protocol::{
    id::ChannelId,
    wire::local::{self, ChannelRecord, EpochKey, NodeRecord},
};
use zeroize::Zeroizing;

use crate::{
    api::{ApiError, ErrorKind},
    ports::{
        rng::Rng,
        store::{Batch, Op, Store, Table},
    },
    runtime::home::{NODE, store_error},
};

/// The only version so far.
const VERSION: u32 = 1;
/// Most channels in a backup.
pub const MAX_CHANNELS: usize = 4096;
/// Longest display name, in bytes.
const MAX_NAME: usize = 256;
/// Longest channel name, in bytes (docs/protocol.md §4.1).
const MAX_CHANNEL_NAME: usize = 64;
/// `ChannelRecord::kind`: public, private.
const KINDS: [u32; 2] = [1, 2];

/// The contents of a backup, checked.
#[derive(Clone, PartialEq)]
pub struct Backup {
    /// The Ed25519 seed of the identity key.
    pub identity_seed: Zeroizing<[u8; 32]>,
    /// Display name.
    pub name: String,
    /// Joined channels, each with its newest epoch only; clocks and reading marks are left out.
    pub channels: Vec<(ChannelId, ChannelRecord)>,
}

impl std::fmt::Debug for Backup {
    /// Secrets are not shown.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Backup")
            .field("channels", &self.channels.len())
            .finish_non_exhaustive()
    }
}

impl Backup {
    /// Takes what is to be kept out of a store.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when there is no identity in it, [`ErrorKind::BadFile`] for records that
    /// make no sense, [`ErrorKind::TooLarge`], or the store's.
    pub fn collect(store: &dyn Store) -> Result<Self, ApiError> {
        let node = store
            .get(Table::Meta, NODE)
            .map_err(store_error)?
            .map(Zeroizing::new)
            .ok_or_else(|| {
                ApiError::new(
                    ErrorKind::NotFound,
                    "there is no identity in this data directory",
                    "start a node on it first",
                )
            })?;
        let node = NodeRecord::decode(&node[..]).map_err(|_| damaged("the node's record"))?;
        let mut channels = Vec::new();
        let mut broken = false;
        store
            .scan(Table::Channels, &mut |key, value| match (
                ChannelId::try_from(key),
                ChannelRecord::decode(value),
            ) {
                (Ok(id), Ok(record)) if channels.len() <= MAX_CHANNELS => {
                    channels.push((id, reduced(record)));
                }
                (Ok(_), Ok(_)) => {}
                _ => broken = true,
            })
            .map_err(store_error)?;
        if broken {
            return Err(damaged("a channel's record"));
        }
        Self {
            identity_seed: seed(&node.identity_seed)?,
            name: node.name,
            channels,
        }
        .checked()
    }

    /// Puts the backup into a fresh store, as a new device of the same identity, with a new transport key.
    ///
    /// # Errors
    /// [`ErrorKind::Exists`] when the store has an identity already, or the store's.
    pub fn put(&self, store: &dyn Store, rng: &dyn Rng) -> Result<(), ApiError> {
        let present = store.get(Table::Meta, NODE).map_err(store_error)?;
        if present.is_some() {
            return Err(ApiError::new(
                ErrorKind::Exists,
                "there is an identity in this data directory already",
                "restore into an empty directory",
            ));
        }
        let mut transport = Zeroizing::new([0; 32]);
        rng.fill(&mut *transport);
        let mut device = [0; 4];
        rng.fill(&mut device);
        let node = NodeRecord {
            identity_seed: self.identity_seed.to_vec().into(),
            name: self.name.clone(),
            device: u32::from_le_bytes(device),
            transport_seed: transport.to_vec().into(),
            transport_made_life_s: 0,
        };
        let channels = self.channels.iter().map(|(id, record)| {
            Op::Put(
                Table::Channels,
                id.as_bytes().to_vec(),
                record.encode_to_vec(),
            )
        });
        let node = Op::Put(Table::Meta, NODE.to_vec(), node.encode_to_vec());
        // One batch: a restore that is interrupted leaves nothing.
        store
            .commit(Batch {
                ops: channels.chain([node]).collect(),
            })
            .map_err(store_error)
    }

    pub(super) fn encode(&self) -> Result<Zeroizing<Vec<u8>>, ApiError> {
        let checked = self.clone().checked()?;
        let message = local::Backup {
            version: VERSION,
            identity_seed: checked.identity_seed.to_vec().into(),
            name: checked.name,
            channels: checked
                .channels
                .into_iter()
                .map(|(id, record)| local::BackupChannel {
                    id: id.as_bytes().to_vec().into(),
                    record: Some(record),
                })
                .collect(),
        };
        Ok(Zeroizing::new(message.encode_to_vec()))
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, ApiError> {
        let message = local::Backup::decode(bytes).map_err(|_| damaged("the contents"))?;
        if message.version > VERSION {
            return Err(ApiError::new(
                ErrorKind::StoreNewer,
                format!(
                    "the backup has version {}, this program reads up to {VERSION}",
                    message.version
                ),
                "restore it with the newer program",
            ));
        }
        if message.version != VERSION {
            return Err(damaged("the version"));
        }
        let channels = message
            .channels
            .into_iter()
            .map(|channel| {
                let id =
                    ChannelId::try_from(&channel.id[..]).map_err(|_| damaged("a channel id"))?;
                let record = channel.record.ok_or_else(|| damaged("a channel"))?;
                Ok((id, reduced(record)))
            })
            .collect::<Result<_, ApiError>>()?;
        Self {
            identity_seed: seed(&message.identity_seed)?,
            name: message.name,
            channels,
        }
        .checked()
    }

    fn checked(self) -> Result<Self, ApiError> {
        if self.channels.len() > MAX_CHANNELS {
            return Err(ApiError::new(
                ErrorKind::TooLarge,
                format!("a backup holds at most {MAX_CHANNELS} channels"),
                "leave some channels",
            ));
        }
        if self.name.len() > MAX_NAME {
            return Err(damaged("the name"));
        }
        let sound = |record: &ChannelRecord| {
            (1..=MAX_CHANNEL_NAME).contains(&record.name.len())
                && KINDS.contains(&record.kind)
                && record.fixed_secret.len() == 32
                && record.epochs.len() == 1
                && record.epochs.iter().all(|epoch| epoch.chain.len() == 32)
        };
        if self.channels.iter().all(|(_, record)| sound(record)) {
            Ok(self)
        } else {
            Err(damaged("a channel"))
        }
    }
}

/// Only what a backup keeps: superseded keys and this installation's clocks stay behind.
fn reduced(record: ChannelRecord) -> ChannelRecord {
    let newest = record.epochs.into_iter().max_by_key(|epoch| epoch.epoch);
    ChannelRecord {
        name: record.name,
        kind: record.kind,
        fixed_secret: record.fixed_secret,
        epochs: newest
            .into_iter()
            .map(|epoch| EpochKey {
                adopted_life_s: 0,
                ..epoch
            })
            .collect(),
        ..ChannelRecord::default()
    }
}

fn seed(bytes: &[u8]) -> Result<Zeroizing<[u8; 32]>, ApiError> {
    bytes
        .try_into()
        .map(Zeroizing::new)
        .map_err(|_| damaged("the identity"))
}

fn damaged(what: &str) -> ApiError {
    ApiError::new(
        ErrorKind::BadFile,
        format!("{what} makes no sense: the backup or store is damaged or of another kind"),
        "choose another backup",
    )
}

#[cfg(test)]
pub(crate) fn sample() -> Backup {
    let channel = |id: u8, kind: u32, epoch: u32| {
        let record = ChannelRecord {
            name: format!("channel {id}"),
            kind,
            fixed_secret: vec![id ^ 0x5a; 32].into(),
            epochs: vec![EpochKey {
                epoch,
                chain: vec![id ^ 0xa5; 32].into(),
                adopted_life_s: 0,
                confirmed: true,
            }],
            ..ChannelRecord::default()
        };
        (ChannelId([id; 16]), record)
    };
    Backup {
        identity_seed: Zeroizing::new([0x77; 32]),
        name: "Ann of the hill".to_owned(),
        channels: vec![channel(1, 1, 0), channel(2, 2, 9)],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::{rng::SeededRng, store::MemoryStore};

    fn restored() -> MemoryStore {
        let store = MemoryStore::default();
        sample().put(&store, &SeededRng::new(1)).unwrap();
        store
    }

    #[test]
    fn what_is_put_into_a_store_is_collected_again() {
        assert_eq!(Backup::collect(&restored()).unwrap(), sample());
    }

    #[test]
    fn a_restored_node_is_a_new_device_with_a_new_transport_key() {
        let store = restored();
        let bytes = store.get(Table::Meta, b"node").unwrap().unwrap();
        let node = NodeRecord::decode(&bytes[..]).unwrap();
        assert_eq!(&node.identity_seed[..], &sample().identity_seed[..]);
        assert_eq!(node.transport_seed.len(), 32);
        assert_ne!(node.transport_seed, node.identity_seed);
        assert_ne!(node.device, 0);
    }

    #[test]
    fn an_identity_is_never_overwritten() {
        let error = sample().put(&restored(), &SeededRng::new(2)).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Exists);
        let none = Backup::collect(&MemoryStore::default()).unwrap_err();
        assert_eq!(none.kind, ErrorKind::NotFound);
    }

    #[test]
    fn superseded_keys_and_reading_marks_stay_behind() {
        // ID-1: never ratchet state.
        let store = restored();
        let mut record = sample().channels[1].1.clone();
        record.epochs.insert(
            0,
            EpochKey {
                epoch: 8,
                chain: vec![1; 32].into(),
                ..EpochKey::default()
            },
        );
        record.epochs[1].adopted_life_s = 77;
        record.read_lamport = 5;
        record.joined_life_s = 6;
        let put = Op::Put(Table::Channels, vec![2; 16], record.encode_to_vec());
        store.commit(Batch { ops: vec![put] }).unwrap();
        assert_eq!(Backup::collect(&store).unwrap(), sample());
    }

    #[test]
    fn every_field_is_checked_both_ways() {
        type Change = fn(&mut Backup);
        let changes: [Change; 7] = [
            |b| b.name = "x".repeat(MAX_NAME + 1),
            |b| b.channels[0].1.name.clear(),
            |b| b.channels[0].1.name = "x".repeat(MAX_CHANNEL_NAME + 1),
            |b| b.channels[0].1.kind = 3,
            |b| b.channels[0].1.fixed_secret = vec![0; 31].into(),
            |b| b.channels[0].1.epochs.clear(),
            |b| b.channels[0].1.epochs[0].chain = vec![0; 33].into(),
        ];
        for (number, change) in changes.iter().enumerate() {
            let mut backup = sample();
            change(&mut backup);
            assert_eq!(
                backup.encode().unwrap_err().kind,
                ErrorKind::BadFile,
                "{number}"
            );
            let message = local::Backup {
                version: 1,
                identity_seed: vec![1; 32].into(),
                name: backup.name,
                channels: backup
                    .channels
                    .into_iter()
                    .map(|(id, record)| local::BackupChannel {
                        id: id.as_bytes().to_vec().into(),
                        record: Some(record),
                    })
                    .collect(),
            };
            let error = Backup::decode(&message.encode_to_vec()).unwrap_err();
            assert_eq!(error.kind, ErrorKind::BadFile, "{number}");
        }
        let mut longest = sample();
        longest.name = "x".repeat(MAX_NAME);
        longest.channels[0].1.name = "x".repeat(MAX_CHANNEL_NAME);
        assert!(longest.encode().is_ok());
    }

    #[test]
    fn versions_counts_and_missing_parts_are_refused() {
        let plain = sample().encode().unwrap();
        let kind = |change: fn(&mut local::Backup)| {
            let mut message = local::Backup::decode(&plain[..]).unwrap();
            change(&mut message);
            Backup::decode(&message.encode_to_vec()).unwrap_err().kind
        };
        assert_eq!(kind(|m| m.version = 2), ErrorKind::StoreNewer);
        assert_eq!(kind(|m| m.version = 0), ErrorKind::BadFile);
        assert_eq!(
            kind(|m| m.identity_seed = vec![0; 31].into()),
            ErrorKind::BadFile
        );
        assert_eq!(
            kind(|m| m.channels[0].id = vec![0; 15].into()),
            ErrorKind::BadFile
        );
        assert_eq!(kind(|m| m.channels[0].record = None), ErrorKind::BadFile);
        let mut many = sample();
        let one = many.channels[0].clone();
        many.channels = vec![one; MAX_CHANNELS + 1];
        assert_eq!(many.encode().unwrap_err().kind, ErrorKind::TooLarge);
        many.channels.pop();
        assert!(many.encode().unwrap().len() < super::super::MAX_FILE);
    }

    #[test]
    fn a_damaged_store_gives_no_backup() {
        let store = restored();
        let broken = Op::Put(Table::Channels, vec![1; 16], vec![0xff]);
        store.commit(Batch { ops: vec![broken] }).unwrap();
        assert_eq!(
            Backup::collect(&store).unwrap_err().kind,
            ErrorKind::BadFile
        );
    }

    #[test]
    fn secrets_are_not_shown() {
        let shown = format!("{:?}", sample());
        assert!(!shown.contains("119") && !shown.contains("hill"), "{shown}");
    }
}
