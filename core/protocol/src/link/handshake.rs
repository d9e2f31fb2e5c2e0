//! Hello: versions, capabilities, extensions, the session's id (docs/protocol.md §7.2, MSG-9).

use bytes::Bytes;
use sha2::{Digest, Sha256};

use crate::{
    id::DiscoveryId,
    identity::Transcript,
    wire::v1::{CloseReason, Extension, Hello},
};

/// Least version of `link/1` that this code speaks.
pub const MIN_VERSION: u32 = 1;
/// Greatest version of `link/1` that this code speaks.
pub const MAX_VERSION: u32 = 1;

/// Capability bits of a Hello. Unknown bits are ignored.
pub mod capability {
    /// Carries bundles for strangers.
    pub const CARRIES: u32 = 1;
    /// Takes part in gossip.
    pub const GOSSIP: u32 = 1 << 1;
    /// Speaks L2CAP.
    pub const L2CAP: u32 = 1 << 2;
    /// Saves power.
    pub const LOW_POWER: u32 = 1 << 3;
}

const DOMAIN: &[u8] = b"sovereign/v1/session\0";

/// The id of a session, which keys short ids and membership tags. Both ends compute the same one.
#[must_use]
pub fn session_id(transcript: &Transcript) -> [u8; 32] {
    Sha256::new()
        .chain_update(DOMAIN)
        .chain_update(transcript.dialer.as_bytes())
        .chain_update(transcript.listener.as_bytes())
        .chain_update(transcript.dialer_nonce)
        .chain_update(transcript.listener_nonce)
        .finalize()
        .into()
}

/// The version to speak with the sender of this Hello, which is within its bounds.
pub(super) fn negotiate(hello: &Hello) -> Result<u32, CloseReason> {
    let common = MAX_VERSION.min(hello.max_version);
    if common < MIN_VERSION.max(hello.min_version) {
        return Err(CloseReason::Version);
    }
    // What this version knows is never critical.
    if hello.extensions.iter().any(|extension| extension.critical) {
        return Err(CloseReason::Critical);
    }
    Ok(common)
}

/// Extension of a Hello: what its sender advertises over the radio.
const DISCOVERY: u32 = 1;

pub(super) fn discovery_extension(id: &DiscoveryId) -> Extension {
    Extension {
        id: DISCOVERY,
        critical: false,
        data: Bytes::copy_from_slice(&id.0),
    }
}

/// The first that has the right length.
pub(super) fn discovery_of(hello: &Hello) -> Option<DiscoveryId> {
    let known = hello.extensions.iter();
    known
        .filter(|extension| extension.id == DISCOVERY)
        .find_map(|extension| <[u8; 8]>::try_from(&extension.data[..]).ok())
        .map(DiscoveryId)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::TransportId;

    fn hello(min_version: u32, max_version: u32) -> Hello {
        Hello {
            min_version,
            max_version,
            ..Hello::default()
        }
    }

    #[test]
    fn the_common_version_is_the_lesser_maximum_above_both_minima() {
        // MSG-9.
        assert_eq!(negotiate(&hello(1, 1)), Ok(1));
        assert_eq!(negotiate(&hello(1, 9)), Ok(1));
        assert_eq!(negotiate(&hello(2, 9)), Err(CloseReason::Version));
        assert_eq!(negotiate(&hello(0, 0)), Err(CloseReason::Version));
    }

    #[test]
    fn a_hello_tells_what_is_advertised() {
        let id = DiscoveryId([7; 8]);
        let mut hello = hello(1, 1);
        assert_eq!(discovery_of(&hello), None);
        let short = Extension {
            data: Bytes::from_static(&[7; 7]),
            ..discovery_extension(&id)
        };
        let other = Extension {
            id: 2,
            ..discovery_extension(&id)
        };
        hello.extensions = vec![other, short];
        assert_eq!(discovery_of(&hello), None);
        hello.extensions.push(discovery_extension(&id));
        hello
            .extensions
            .push(discovery_extension(&DiscoveryId([8; 8])));
        assert_eq!(discovery_of(&hello), Some(id));
        assert_eq!(negotiate(&hello), Ok(1));
    }

    #[test]
    fn only_critical_extensions_end_the_link() {
        // MSG-9.
        let mut hello = hello(1, 1);
        hello.extensions = vec![Extension {
            id: 7,
            critical: false,
            data: vec![1].into(),
        }];
        assert_eq!(negotiate(&hello), Ok(1));
        hello.extensions.push(Extension {
            id: 8,
            critical: true,
            data: vec![].into(),
        });
        assert_eq!(negotiate(&hello), Err(CloseReason::Critical));
    }

    #[test]
    fn every_input_moves_the_session_id() {
        let base = Transcript {
            dialer: TransportId([1; 32]),
            listener: TransportId([2; 32]),
            dialer_nonce: [3; 16],
            listener_nonce: [4; 16],
        };
        assert_eq!(
            hex::encode(session_id(&base)),
            "37d8dc398f65c6a171c29050bcefd05a170c6a5fc3e992e1774aff85514712a1"
        );
        for other in [
            Transcript {
                dialer: base.listener,
                listener: base.dialer,
                ..base
            },
            Transcript {
                dialer_nonce: [4; 16],
                listener_nonce: [3; 16],
                ..base
            },
            Transcript {
                listener_nonce: [5; 16],
                ..base
            },
        ] {
            assert_ne!(session_id(&base), session_id(&other));
        }
    }
}
