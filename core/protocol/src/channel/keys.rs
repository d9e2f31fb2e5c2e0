//! The keys of one channel (§4.2, §4.3): what a node needs to read, write and prove membership.

use core::{fmt, time::Duration};

use bytes::Bytes;
use rand_core::CryptoRng;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::{
    epochs::{Chain, Epochs},
    invite::Invite,
    name::{CanonicalName, Label},
};
use crate::{
    crypto::{kdf, mac, mac8},
    id::ChannelId,
    identity::{Identity, Signer, role_byte},
    link_kind::Role,
    message::bundle::{self, Bundle, OpenError, SealError},
    wire::local::ChannelRecord,
};

const PUBLIC_CHANNEL: &str = "sovereign/v1/public-channel";
const PUBLIC_CHAIN: &str = "sovereign/v1/public-chain";
const CHANNEL_ID: &str = "sovereign/v1/channel-id";
const TAG_KEY: &str = "sovereign/v1/tag-key";
const TOPIC_KEY: &str = "sovereign/v1/topic-key";
const MEMBER_KEY: &str = "sovereign/v1/member-key";
const MESSAGE_KEY: &str = "sovereign/v1/message-key";
const MEMBER: &[u8] = b"sovereign/v1/member";
const TOPIC: &[u8] = b"sovereign/v1/topic";

/// How a channel is joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ChannelKind {
    /// By its name: whoever knows the name can read and write. Authors are pseudonyms.
    Public,
    /// By an invitation. Authors are identities.
    Private,
}

/// A stored channel that this version cannot use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// Neither public nor private.
    #[error("unknown kind of channel: {0}")]
    Kind(u32),
    /// The name is not one that could have been joined.
    #[error("the channel's name is damaged")]
    Name,
    /// A key has the wrong length, or does not belong to the name.
    #[error("the channel's secret is damaged")]
    Secret,
    /// No epochs, too many, not ascending, or too far apart.
    #[error("the channel's epochs are damaged")]
    Epochs,
}

/// What a bundle held.
#[derive(PartialEq, Eq)]
pub struct Opened {
    /// The epoch it was sealed under: the envelope has to name the same.
    pub epoch: u32,
    /// The envelope, not verified yet.
    pub envelope: Zeroizing<Vec<u8>>,
}

/// The keys of a channel that this node has joined.
#[derive(Clone, PartialEq, Eq)]
pub struct ChannelKeys {
    kind: ChannelKind,
    name: String,
    fixed: Zeroizing<[u8; 32]>,
    id: ChannelId,
    tag_key: Zeroizing<[u8; 32]>,
    topic_key: Zeroizing<[u8; 32]>,
    member_key: Zeroizing<[u8; 32]>,
    epochs: Epochs,
}

impl ChannelKeys {
    /// The keys of a public channel: the same for everyone who knows its name.
    #[must_use]
    pub fn public(name: &CanonicalName) -> Self {
        let fixed = Zeroizing::new(kdf(name.as_str().as_bytes(), &[], PUBLIC_CHANNEL));
        let chain = Zeroizing::new(kdf(&*fixed, &[], PUBLIC_CHAIN));
        let epochs = Epochs::new(0, chain, Duration::ZERO, true);
        Self::new(ChannelKind::Public, name.as_str(), fixed, epochs)
    }

    /// A new private channel, at epoch 0.
    #[must_use]
    pub fn private(label: &Label, rng: &mut impl CryptoRng, key_clock: Duration) -> Self {
        let mut fixed = Zeroizing::new([0; 32]);
        rng.fill_bytes(&mut *fixed);
        let mut chain = Zeroizing::new([0; 32]);
        rng.fill_bytes(&mut *chain);
        let epochs = Epochs::new(0, chain, key_clock, true);
        Self::new(ChannelKind::Private, label.as_str(), fixed, epochs)
    }

    /// Joins a private channel at the epoch of the invitation.
    #[must_use]
    pub fn from_invite(invite: &Invite, key_clock: Duration) -> Self {
        let epochs = Epochs::new(invite.epoch, invite.chain.clone(), key_clock, false);
        let fixed = invite.fixed_secret.clone();
        Self::new(ChannelKind::Private, invite.label.as_str(), fixed, epochs)
    }

    /// What the store keeps of a channel. The fields of reading and membership, which are not
    /// keys, are left empty for the caller.
    #[must_use]
    pub fn to_record(&self) -> ChannelRecord {
        ChannelRecord {
            name: self.name.clone(),
            kind: match self.kind {
                ChannelKind::Public => 1,
                ChannelKind::Private => 2,
            },
            fixed_secret: Bytes::copy_from_slice(&*self.fixed),
            epochs: self.epochs.to_records(),
            ..ChannelRecord::default()
        }
    }

    /// The keys of a stored channel.
    ///
    /// # Errors
    /// [`RecordError`] for what [`Self::to_record`] does not write.
    pub fn from_record(record: &ChannelRecord) -> Result<Self, RecordError> {
        let fixed: [u8; 32] = record.fixed_secret[..]
            .try_into()
            .map_err(|_| RecordError::Secret)?;
        let fixed = Zeroizing::new(fixed);
        match record.kind {
            1 => {
                let name = CanonicalName::parse(&record.name).map_err(|_| RecordError::Name)?;
                if name.as_str() != record.name {
                    return Err(RecordError::Name);
                }
                // Everything of a public channel follows from its name.
                let keys = Self::public(&name);
                match bool::from(keys.fixed.ct_eq(&*fixed)) {
                    true => Ok(keys),
                    false => Err(RecordError::Secret),
                }
            }
            2 => {
                let label = Label::from_canonical(&record.name).ok_or(RecordError::Name)?;
                let epochs = Epochs::from_records(&record.epochs).ok_or(RecordError::Epochs)?;
                Ok(Self::new(
                    ChannelKind::Private,
                    label.as_str(),
                    fixed,
                    epochs,
                ))
            }
            other => Err(RecordError::Kind(other)),
        }
    }

    /// The channel's id.
    #[must_use]
    pub fn id(&self) -> ChannelId {
        self.id
    }

    /// How the channel is joined.
    #[must_use]
    pub fn kind(&self) -> ChannelKind {
        self.kind
    }

    /// The canonical name of a public channel (without `#`), the label of a private one.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The epoch that this node seals under.
    #[must_use]
    pub fn newest_epoch(&self) -> u32 {
        self.epochs.newest().0
    }

    /// An invitation to the channel as it is now; `None` for a public one, which has none.
    ///
    /// # Panics
    /// Never: the name of a private channel is always a label.
    #[must_use]
    pub fn invite(&self) -> Option<Invite> {
        let (epoch, chain) = self.epochs.newest();
        (self.kind == ChannelKind::Private).then(|| Invite {
            fixed_secret: self.fixed.clone(),
            epoch,
            chain: chain.clone(),
            label: Label::from_canonical(&self.name).expect("made from a label"),
        })
    }

    /// Whether a bundle is one of this channel: its tag fits.
    #[must_use]
    pub fn owns(&self, bundle: &Bundle) -> bool {
        bundle.tagged_by(&self.tag_key)
    }

    /// Opens a bundle with the readable epochs, newest first, then with up to
    /// [`EPOCH_WINDOW`](super::EPOCH_WINDOW) ahead. Nothing changes: only what has been
    /// [`authenticated`](Self::authenticated) moves the ratchet.
    ///
    /// # Errors
    /// [`OpenError::Tag`] for a bundle of another channel, [`OpenError::Key`] for an epoch that is
    /// forgotten or too far ahead, and the rest for one that no honest member made.
    pub fn open(&self, bundle: &Bundle) -> Result<Opened, OpenError> {
        if !self.owns(bundle) {
            return Err(OpenError::Tag);
        }
        let attempt = |epoch, chain: &Chain| match bundle::open(bundle, &message_key(chain)) {
            Err(OpenError::Key) => None,
            Ok(envelope) => Some(Ok(Opened { epoch, envelope })),
            Err(error) => Some(Err(error)),
        };
        let found = match self.kind {
            ChannelKind::Public => attempt(0, self.epochs.newest().1),
            ChannelKind::Private => self.epochs.find(attempt),
        };
        found.unwrap_or(Err(OpenError::Key))
    }

    /// Tells that an envelope opened at `epoch` has been verified; `by_other` unless this node's
    /// own identity wrote it. Returns whether the keys changed and must be persisted.
    pub fn authenticated(&mut self, epoch: u32, by_other: bool, key_clock: Duration) -> bool {
        self.kind == ChannelKind::Private && self.epochs.authenticated(epoch, by_other, key_clock)
    }

    /// Steps to the next epoch when §4.3 allows it. Returns whether the keys changed.
    pub fn step(&mut self, key_clock: Duration) -> bool {
        self.kind == ChannelKind::Private && self.epochs.step(key_clock)
    }

    /// Destroys the keys of epochs superseded long enough. Returns whether the keys changed.
    pub fn forget(&mut self, key_clock: Duration) -> bool {
        self.kind == ChannelKind::Private && self.epochs.forget(key_clock)
    }

    /// Seals an envelope under the newest epoch. It must name that epoch.
    ///
    /// # Errors
    /// [`SealError`] for an envelope that no size class holds.
    pub fn seal(&self, envelope: &[u8], rng: &mut impl CryptoRng) -> Result<Bundle, SealError> {
        let mut nonce = [0; 16];
        rng.fill_bytes(&mut nonce);
        let key = message_key(self.epochs.newest().1);
        bundle::seal(envelope, &key, &self.tag_key, nonce)
    }

    /// What the side in `role` shows in a session to other members (§7.4).
    #[must_use]
    pub fn member_tag(&self, role: Role, session: &[u8; 32]) -> [u8; 8] {
        mac8(&*self.member_key, &[MEMBER, &[0, role_byte(role)], session])
    }

    /// The gossip topic of a day, counted from 1970 (§7.5).
    #[must_use]
    pub fn topic(&self, day: u32) -> [u8; 32] {
        mac(&*self.topic_key, &[TOPIC, &[0], &day.to_be_bytes()])
    }

    /// The key that `identity` signs with here (decision 7).
    #[must_use]
    pub fn signer(&self, identity: &Identity) -> Signer {
        match self.kind {
            ChannelKind::Public => identity.pseudonym(&self.id),
            ChannelKind::Private => identity.signer(),
        }
    }

    fn new(kind: ChannelKind, name: &str, fixed: Zeroizing<[u8; 32]>, epochs: Epochs) -> Self {
        let mut id = kdf::<16>(&*fixed, &[], CHANNEL_ID);
        // RFC 9562: version 8 and the variant of the RFC.
        id[6] = (id[6] & 0x0f) | 0x80;
        id[8] = (id[8] & 0x3f) | 0x80;
        Self {
            kind,
            name: name.to_owned(),
            id: ChannelId(id),
            tag_key: Zeroizing::new(kdf(&*fixed, &[], TAG_KEY)),
            topic_key: Zeroizing::new(kdf(&*fixed, &[], TOPIC_KEY)),
            member_key: Zeroizing::new(kdf(&*fixed, &[], MEMBER_KEY)),
            fixed,
            epochs,
        }
    }
}

impl fmt::Debug for ChannelKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChannelKeys")
            .field("kind", &self.kind)
            .field("epochs", &self.epochs)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opened")
            .field("epoch", &self.epoch)
            .field("envelope", &self.envelope.len())
            .finish()
    }
}

fn message_key(chain: &Chain) -> Zeroizing<[u8; 32]> {
    Zeroizing::new(kdf(&**chain, &[], MESSAGE_KEY))
}

#[cfg(test)]
mod tests;
