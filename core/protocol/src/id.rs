//! Identifiers. Each has one text form, fixed in `docs/protocol.md` §2 (ID-2, ID-3).

use core::{fmt, str::FromStr};

use sha2::{Digest, Sha256};

/// Why a text or byte form of an id was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// The byte form has another length than the id.
    #[error("expected {expected} bytes, got {got}")]
    Length {
        /// Bytes that the id has.
        expected: usize,
        /// Bytes that were given.
        got: usize,
    },
    /// The text form holds a character outside its alphabet.
    #[error("not in the id's text encoding")]
    Encoding,
    /// The PeerId does not embed an Ed25519 key.
    #[error("not the PeerId of an Ed25519 key")]
    KeyType,
}

macro_rules! hex_id {
    ($(#[$doc:meta])* $name:ident, $len:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; $len]);

        impl $name {
            /// Length in bytes.
            pub const LEN: usize = $len;

            /// The bytes of the id.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; $len] {
                &self.0
            }
        }

        impl TryFrom<&[u8]> for $name {
            type Error = IdError;
            fn try_from(bytes: &[u8]) -> Result<Self, IdError> {
                bytes
                    .try_into()
                    .map(Self)
                    .map_err(|_| IdError::Length { expected: $len, got: bytes.len() })
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&hex::encode(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), hex::encode(&self.0[..4]))
            }
        }

        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                // Bounded before allocated: the text of a valid id has exactly this length.
                if text.len() != 2 * $len {
                    return Err(IdError::Length { expected: $len, got: text.len() / 2 });
                }
                let mut bytes = [0; $len];
                hex::decode_to_slice(text, &mut bytes).map_err(|_| IdError::Encoding)?;
                Ok(Self(bytes))
            }
        }
    };
}

hex_id!(
    /// A person's long-term Ed25519 public key (ID-1). Text: 64 lower-case hex digits.
    IdentityKey, 32
);
hex_id!(
    /// The Ed25519 public key that signs envelopes in one channel: the identity key in a private
    /// channel, a per-channel pseudonym in a public one (decision 7). Text: 64 hex digits.
    AuthorKey, 32
);
hex_id!(
    /// First 20 bytes of SHA-256(identity public key) (ID-2). Text: 40 hex digits.
    MeshId, 20
);
hex_id!(
    /// Channel id, a UUID (RFC 9562 version 8). Text: 32 hex digits.
    ChannelId, 16
);
hex_id!(
    /// SHA-256 of a bundle's bytes: what carriers know a bundle by. Text: 64 hex digits.
    ContentId, 32
);
hex_id!(
    /// SHA-256 over an envelope's author and body: what members know a message by. It is the same
    /// however often the envelope is signed and sealed again. Text: 64 hex digits.
    MessageId, 32
);
hex_id!(
    /// One installation of an identity; distinguishes concurrent writers of one author key.
    DeviceId, 4
);
hex_id!(
    /// The opaque, rotating id of a node on one medium (LOC-3). Text: 16 hex digits.
    DiscoveryId, 8
);

impl IdentityKey {
    /// The 160-bit mesh id (ID-2).
    #[must_use]
    pub fn mesh_id(&self) -> MeshId {
        let digest = Sha256::digest(self.0);
        let mut id = [0; 20];
        id.copy_from_slice(&digest[..20]);
        MeshId(id)
    }
}

impl MeshId {
    /// The fingerprint that two people compare: ten groups of four hex digits.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let digits = hex::encode(self.0);
        let groups: Vec<&str> = (0..10).map(|i| &digits[i * 4..i * 4 + 4]).collect();
        groups.join(" ")
    }
}

/// The Ed25519 public key behind a libp2p PeerId (ID-3). Text: the base58btc PeerId.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TransportId(pub [u8; 32]);

/// Identity multihash (0x00, 36 bytes) of the protobuf-encoded public key {type 1 = Ed25519, 32
/// bytes of data}; libp2p specification, "Peer Ids".
const PEER_ID_PREFIX: [u8; 6] = [0x00, 0x24, 0x08, 0x01, 0x12, 0x20];

impl TransportId {
    /// The key's bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The binary PeerId: 38 bytes.
    #[must_use]
    pub fn to_peer_id_bytes(&self) -> [u8; 38] {
        let mut out = [0; 38];
        out[..6].copy_from_slice(&PEER_ID_PREFIX);
        out[6..].copy_from_slice(&self.0);
        out
    }

    /// Reads a binary PeerId.
    ///
    /// # Errors
    /// [`IdError::KeyType`] unless the PeerId embeds an Ed25519 key.
    pub fn from_peer_id_bytes(bytes: &[u8]) -> Result<Self, IdError> {
        let key = bytes
            .strip_prefix(&PEER_ID_PREFIX[..])
            .ok_or(IdError::KeyType)?;
        key.try_into().map(Self).map_err(|_| IdError::Length {
            expected: 38,
            got: bytes.len(),
        })
    }
}

impl fmt::Display for TransportId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&bs58::encode(self.to_peer_id_bytes()).into_string())
    }
}

impl fmt::Debug for TransportId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.to_string();
        write!(f, "TransportId(…{})", &text[text.len().saturating_sub(6)..])
    }
}

impl FromStr for TransportId {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        // 38 bytes are at most 52 base58 digits.
        if text.len() > 52 {
            return Err(IdError::Length {
                expected: 38,
                got: text.len(),
            });
        }
        let bytes = bs58::decode(text)
            .into_vec()
            .map_err(|_| IdError::Encoding)?;
        Self::from_peer_id_bytes(&bytes)
    }
}

/// One connection over one medium, numbered by the node that holds it. Never on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(pub u64);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mesh_id_is_the_first_20_bytes_of_sha256() {
        // ID-2. SHA-256 of 32 zero bytes is 66687aad f862bd77 6c8fc18b 8e9f8e20 089714856ee2…
        let mesh = IdentityKey([0; 32]).mesh_id();
        assert_eq!(mesh.to_string(), "66687aadf862bd776c8fc18b8e9f8e2008971485");
        assert_eq!(
            mesh.fingerprint(),
            "6668 7aad f862 bd77 6c8f c18b 8e9f 8e20 0897 1485"
        );
    }

    #[test]
    fn text_forms_round_trip_and_refuse_other_lengths() {
        let id = ContentId([0xab; 32]);
        assert_eq!(id.to_string().parse::<ContentId>(), Ok(id));
        assert!("ab".parse::<ContentId>().is_err());
        assert_eq!("zz".repeat(32).parse::<ContentId>(), Err(IdError::Encoding));
        let peer = TransportId([7; 32]);
        assert_eq!(peer.to_string().parse::<TransportId>(), Ok(peer));
        assert!(peer.to_string().starts_with("12D3KooW"));
        assert!("Qm".repeat(400).parse::<TransportId>().is_err());
        assert_eq!(
            TransportId::from_peer_id_bytes(&[0; 38]),
            Err(IdError::KeyType)
        );
        assert!(TransportId::from_peer_id_bytes(&peer.to_peer_id_bytes()[..37]).is_err());
    }
}
