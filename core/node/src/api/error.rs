//! One error for every caller; kinds are stable words.

use serde::{Deserialize, Serialize};

/// Stable words for what went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorKind {
    /// The command or its arguments make no sense.
    Invalid,
    /// No such channel, message or file.
    NotFound,
    /// It exists already.
    Exists,
    /// Too long or too many.
    TooLarge,
    /// The disk is full.
    DiskFull,
    /// The store is damaged and open read-only.
    ReadOnly,
    /// The store was written by a later version.
    StoreNewer,
    /// Another node holds the data directory.
    Held,
    /// No node is running on the data directory.
    NotRunning,
    /// The passphrase is wrong.
    WrongPassphrase,
    /// The file is damaged or of another kind.
    BadFile,
    /// Too many requests at once.
    Busy,
    /// The node is shutting down.
    ShuttingDown,
    /// The operating system refused.
    Io,
    /// A bug in this program.
    Internal,
}

impl ErrorKind {
    /// The stable word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Invalid => "invalid",
            Self::NotFound => "not_found",
            Self::Exists => "exists",
            Self::TooLarge => "too_large",
            Self::DiskFull => "disk_full",
            Self::ReadOnly => "read_only",
            Self::StoreNewer => "store_newer",
            Self::Held => "held",
            Self::NotRunning => "not_running",
            Self::WrongPassphrase => "wrong_passphrase",
            Self::BadFile => "bad_file",
            Self::Busy => "busy",
            Self::ShuttingDown => "shutting_down",
            Self::Io => "io",
            Self::Internal => "internal",
        }
    }
}

/// What went wrong and what to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct ApiError {
    /// For programs.
    pub kind: ErrorKind,
    /// For people: what went wrong.
    pub message: String,
    /// For people: what to do.
    pub hint: String,
}

impl ApiError {
    /// A new error.
    pub fn new(kind: ErrorKind, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            hint: hint.into(),
        }
    }
}
