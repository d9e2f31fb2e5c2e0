//! The envelope: what an author says and signs (§5, MSG-2).

use core::fmt;

use bytes::Bytes;
use prost::Message;

use super::bundle::MAX_ENVELOPE;
use crate::{
    crypto::hash,
    id::{AuthorKey, ChannelId, DeviceId, MessageId},
    identity::{self, SignatureError, Signer},
    wire::v1::{EnvelopeBody, MessageType},
};

/// Most parents of one message.
pub const MAX_PARENTS: usize = 4;
/// Greatest Lamport counter (MSG-2): above it, counters are refused.
pub const MAX_LAMPORT: u64 = 1 << 53;

const DOMAIN: &str = "sovereign/v1/envelope";
const MESSAGE_ID: &[u8] = b"sovereign/v1/message-id";
const AUTHOR: usize = 32;
const PREFIX: usize = AUTHOR + 64;

/// Why an envelope was refused, or not signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// Too short to hold a signature, or longer than a bundle holds.
    #[error("an envelope has 97 to {MAX_ENVELOPE} bytes, not {0}")]
    Length(usize),
    /// Not signed by the author it names.
    #[error(transparent)]
    Signature(#[from] SignatureError),
    /// Signed, but not an `EnvelopeBody`.
    #[error("the envelope does not decode")]
    Malformed,
    /// Written for another channel than the one it was sealed in.
    #[error("the envelope belongs to another channel")]
    Channel,
    /// Written for another epoch than the one it was sealed under.
    #[error("the envelope belongs to epoch {0}")]
    Epoch(u32),
    /// No type.
    #[error("the envelope has no type")]
    Kind,
    /// More than four parents, not ascending, repeated, or not 16 bytes long.
    #[error("the envelope's parents are not up to 4 different ids in order")]
    Parents,
    /// 0, above 2^53, not 1 without parents, or 1 with them.
    #[error("the Lamport counter {0} is not possible here")]
    Lamport(u64),
}

/// What kind of message it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The payload is a [`TextBody`](super::text::TextBody).
    Text,
    /// Its parents, and theirs, have arrived (MSG-7). No payload.
    Receipt,
    /// Of a later version: kept, ordered, not shown (MSG-9).
    Other(i32),
}

impl From<i32> for Kind {
    fn from(number: i32) -> Self {
        match MessageType::try_from(number) {
            Ok(MessageType::Text) => Self::Text,
            Ok(MessageType::Receipt) => Self::Receipt,
            _ => Self::Other(number),
        }
    }
}

impl From<Kind> for i32 {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Text => MessageType::Text.into(),
            Kind::Receipt => MessageType::Receipt.into(),
            Kind::Other(number) => number,
        }
    }
}

/// The first 16 bytes of a message id: how a message names those before it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ParentId(pub [u8; 16]);

impl From<MessageId> for ParentId {
    fn from(id: MessageId) -> Self {
        let mut out = [0; 16];
        out.copy_from_slice(&id.0[..16]);
        Self(out)
    }
}

impl fmt::Display for ParentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for ParentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ParentId({})", hex::encode(&self.0[..4]))
    }
}

/// A message before it is signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// Where it is said.
    pub channel: ChannelId,
    /// Epoch that it will be sealed under.
    pub epoch: u32,
    /// Which installation of the author writes it.
    pub device: DeviceId,
    /// What the payload is.
    pub kind: Kind,
    /// Up to four heads of the history so far, ascending.
    pub parents: Vec<ParentId>,
    /// The author's wall clock, Unix seconds.
    pub sent_at_s: u64,
    /// 1 + the greatest of the parents'.
    pub lamport: u64,
    /// By kind.
    pub payload: Bytes,
}

impl Draft {
    /// Signs the message: `author ‖ signature ‖ body`.
    ///
    /// # Errors
    /// [`EnvelopeError`] for what [`Envelope::verify`] would refuse.
    pub fn sign(self, signer: &Signer) -> Result<Vec<u8>, EnvelopeError> {
        let body = EnvelopeBody {
            channel: Bytes::copy_from_slice(&self.channel.0),
            epoch: self.epoch,
            device: u32::from_be_bytes(self.device.0),
            r#type: self.kind.into(),
            parents: self
                .parents
                .iter()
                .map(|parent| Bytes::copy_from_slice(&parent.0))
                .collect(),
            sent_at_s: self.sent_at_s,
            lamport: self.lamport,
            payload: self.payload,
        };
        check(&body)?;
        let len = PREFIX + body.encoded_len();
        if len > MAX_ENVELOPE {
            return Err(EnvelopeError::Length(len));
        }
        let author = signer.author();
        let said = [&author.0[..], &body.encode_to_vec()].concat();
        let signature = signer.sign(DOMAIN, &said);
        Ok([&said[..AUTHOR], &signature, &said[AUTHOR..]].concat())
    }
}

/// A verified message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// The same however often the envelope is sealed again.
    pub id: MessageId,
    /// Who signed it.
    pub author: AuthorKey,
    /// Which of the author's installations.
    pub device: DeviceId,
    /// The channel it was sealed in.
    pub channel: ChannelId,
    /// The epoch it was sealed under.
    pub epoch: u32,
    /// What the payload is.
    pub kind: Kind,
    /// Up to four, ascending.
    pub parents: Vec<ParentId>,
    /// The author's wall clock, Unix seconds: a hint that may be decades off.
    pub sent_at_s: u64,
    /// 1 to [`MAX_LAMPORT`]; to be checked against the parents when they are known.
    pub lamport: u64,
    /// By kind.
    pub payload: Bytes,
}

impl Envelope {
    /// Verifies the signature, then decodes and checks everything that needs no other message.
    /// `channel` and `epoch` are those of the key that opened the bundle.
    ///
    /// # Errors
    /// [`EnvelopeError`].
    pub fn verify(bytes: &[u8], channel: ChannelId, epoch: u32) -> Result<Self, EnvelopeError> {
        if bytes.len() <= PREFIX || bytes.len() > MAX_ENVELOPE {
            return Err(EnvelopeError::Length(bytes.len()));
        }
        let (prefix, encoded) = bytes.split_at(PREFIX);
        let (author, signature) = prefix.split_at(AUTHOR);
        let author = AuthorKey(author.try_into().expect("split off at 32"));
        identity::verify(
            author.as_bytes(),
            DOMAIN,
            &[author.as_bytes(), encoded].concat(),
            signature,
        )?;

        let body = EnvelopeBody::decode(encoded).map_err(|_| EnvelopeError::Malformed)?;
        if body.channel != channel.0[..] {
            return Err(EnvelopeError::Channel);
        }
        if body.epoch != epoch {
            return Err(EnvelopeError::Epoch(body.epoch));
        }
        let parents = check(&body)?;
        Ok(Self {
            id: MessageId(hash(&[MESSAGE_ID, &[0], author.as_bytes(), encoded])),
            author,
            device: DeviceId(body.device.to_be_bytes()),
            channel,
            epoch,
            kind: body.r#type.into(),
            parents,
            sent_at_s: body.sent_at_s,
            lamport: body.lamport,
            payload: body.payload,
        })
    }
}

/// What holds for every envelope by itself.
fn check(body: &EnvelopeBody) -> Result<Vec<ParentId>, EnvelopeError> {
    if body.r#type == i32::from(MessageType::Unspecified) {
        return Err(EnvelopeError::Kind);
    }
    if body.parents.len() > MAX_PARENTS {
        return Err(EnvelopeError::Parents);
    }
    let parents = body
        .parents
        .iter()
        .map(|id| id[..].try_into().map(ParentId))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|_| EnvelopeError::Parents)?;
    if !parents.is_sorted_by(|before, after| before < after) {
        return Err(EnvelopeError::Parents);
    }
    // The first message of a history has 1; one with parents has at least 1 more than one of them.
    let possible = match parents.is_empty() {
        true => 1..=1,
        false => 2..=MAX_LAMPORT,
    };
    if !possible.contains(&body.lamport) {
        return Err(EnvelopeError::Lamport(body.lamport));
    }
    Ok(parents)
}

#[cfg(test)]
mod tests;
