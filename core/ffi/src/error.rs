//! One error for every caller.

use sovereign_node::api::{ApiError, ErrorKind};

/// What went wrong. `message` and `hint` are for people.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, uniffi::Error)]
pub enum SovereignError {
    /// The call or its arguments make no sense.
    #[error("{message}")]
    Invalid {
        /// What went wrong.
        message: String,
        /// What to do.
        hint: String,
    },
    /// No such thing, or it is there already.
    #[error("{message}")]
    State {
        /// The stable word of the command line's contract.
        kind: String,
        /// What went wrong.
        message: String,
        /// What to do.
        hint: String,
    },
    /// Nothing can be stored: no room, read-only, held by another node, or written by a later version.
    #[error("{message}")]
    Store {
        /// The stable word of the command line's contract.
        kind: String,
        /// What went wrong.
        message: String,
        /// What to do.
        hint: String,
    },
    /// The node has ended.
    #[error("the node has ended")]
    Ended,
}

impl From<ApiError> for SovereignError {
    fn from(error: ApiError) -> Self {
        let ApiError {
            kind,
            message,
            hint,
        } = error;
        let word = kind.word().to_owned();
        match kind {
            ErrorKind::Invalid | ErrorKind::TooLarge => Self::Invalid { message, hint },
            ErrorKind::ShuttingDown => Self::Ended,
            ErrorKind::DiskFull | ErrorKind::ReadOnly | ErrorKind::StoreNewer | ErrorKind::Held => {
                Self::Store {
                    kind: word,
                    message,
                    hint,
                }
            }
            _ => Self::State {
                kind: word,
                message,
                hint,
            },
        }
    }
}
