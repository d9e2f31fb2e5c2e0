//! What both ends of a link know about it: the channel binding of proofs and recognition.

use crate::{id::TransportId, link_kind::Role};

/// Both ends of one secure connection with the nonces of their two Hello. The transport ids are
/// those that Noise has authenticated, never those that a peer claims.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transcript {
    /// Who opened the connection.
    pub dialer: TransportId,
    /// Who accepted it.
    pub listener: TransportId,
    /// Nonce of the dialer's Hello.
    pub dialer_nonce: [u8; 16],
    /// Nonce of the listener's Hello.
    pub listener_nonce: [u8; 16],
}

impl Transcript {
    /// `role ‖ dialer id ‖ listener id ‖ dialer nonce ‖ listener nonce`, the role being the one of
    /// the side that speaks.
    pub(super) fn bytes(&self, speaker: Role) -> [u8; 97] {
        let mut out = [0; 97];
        out[0] = role_byte(speaker);
        out[1..33].copy_from_slice(self.dialer.as_bytes());
        out[33..65].copy_from_slice(self.listener.as_bytes());
        out[65..81].copy_from_slice(&self.dialer_nonce);
        out[81..].copy_from_slice(&self.listener_nonce);
        out
    }
}

/// The byte of a role in transcripts and membership tags (§3, §7.4).
pub(crate) const fn role_byte(role: Role) -> u8 {
    match role {
        Role::Dialer => 0x00,
        Role::Listener => 0x01,
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(crate) fn example() -> Transcript {
        Transcript {
            dialer: TransportId([1; 32]),
            listener: TransportId([2; 32]),
            dialer_nonce: [3; 16],
            listener_nonce: [4; 16],
        }
    }

    /// Every transcript that differs from [`example`] in one field.
    pub(crate) fn neighbours() -> Vec<Transcript> {
        let base = example();
        vec![
            Transcript {
                dialer: TransportId([9; 32]),
                ..base
            },
            Transcript {
                listener: TransportId([9; 32]),
                ..base
            },
            Transcript {
                dialer_nonce: [9; 16],
                ..base
            },
            Transcript {
                listener_nonce: [9; 16],
                ..base
            },
            Transcript {
                dialer: base.listener,
                listener: base.dialer,
                ..base
            },
            Transcript {
                dialer_nonce: base.listener_nonce,
                listener_nonce: base.dialer_nonce,
                ..base
            },
        ]
    }

    #[test]
    fn fields_come_in_the_order_of_the_protocol() {
        let bytes = example().bytes(Role::Listener);
        let expected = [&[1][..], &[1; 32], &[2; 32], &[3; 16], &[4; 16]].concat();
        assert_eq!(bytes[..], expected);
        assert_eq!(example().bytes(Role::Dialer)[0], 0);
    }
}
