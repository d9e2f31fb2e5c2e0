//! The transport key of slow links (decision 7): it changes with the epoch, while the Swarm and
//! the other transports keep theirs.

use std::sync::{Arc, PoisonError, RwLock};

use libp2p::{PeerId, identity};
use sovereign_protocol::id::TransportId;
use zeroize::Zeroizing;

use super::transport_id_of;

/// A shared cell that holds the epoch's key. Connections made after [`SlowKey::set`] prove the new
/// key; those that are up live on.
#[derive(Clone)]
pub struct SlowKey(Arc<RwLock<identity::Keypair>>);

impl SlowKey {
    /// A cell with the key of this Ed25519 seed.
    pub(super) fn new(seed: &[u8; 32]) -> Self {
        Self(Arc::new(RwLock::new(keypair_of(seed))))
    }

    /// Takes the key of this Ed25519 seed into use for connections made from now on.
    pub fn set(&self, seed: &[u8; 32]) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = keypair_of(seed);
    }

    /// The transport id that new connections show.
    #[must_use]
    pub fn transport_id(&self) -> TransportId {
        transport_id_of(&self.peer_id()).expect("the key is an Ed25519 key")
    }

    pub(super) fn peer_id(&self) -> PeerId {
        self.keypair().public().to_peer_id()
    }

    pub(super) fn keypair(&self) -> identity::Keypair {
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl std::fmt::Debug for SlowKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("SlowKey")
            .field(&self.transport_id())
            .finish()
    }
}

/// The key pair of an Ed25519 seed.
pub(super) fn keypair_of(seed: &[u8; 32]) -> identity::Keypair {
    let mut copy = Zeroizing::new(*seed);
    identity::Keypair::ed25519_from_bytes(&mut copy[..])
        .expect("every 32 bytes are an Ed25519 seed")
}
