//! What a node can be asked.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Longest message text taken in, in bytes (a bundle of the largest class holds it).
pub const MAX_TEXT: usize = 12_000;
/// Longest name, channel or link taken in, in bytes.
pub const MAX_NAME_INPUT: usize = 512;
/// Longest file path taken in, in bytes.
pub const MAX_PATH: usize = 4096;

/// A command. Channels are named by `#name`, by label, by id or by a prefix of the id of at least
/// eight digits.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case", deny_unknown_fields)]
pub enum Command {
    /// The node as a whole.
    Status,
    /// Who is near or linked.
    Peers,
    /// A new channel: public if the name begins with `#`, private otherwise.
    ChannelCreate {
        /// Its name.
        name: String,
    },
    /// Joins by invitation link or `#name`.
    ChannelJoin {
        /// The link or name.
        target: String,
    },
    /// Leaves; its keys are destroyed.
    ChannelLeave {
        /// Which.
        channel: String,
    },
    /// All joined channels.
    ChannelList,
    /// The invitation link.
    ChannelInvite {
        /// Which.
        channel: String,
    },
    /// Marks everything in a channel as read.
    ChannelRead {
        /// Which.
        channel: String,
    },
    /// Writes a message; answered when it is durable here.
    Send {
        /// Where.
        channel: String,
        /// What, at most `MAX_TEXT` bytes.
        text: String,
    },
    /// Messages in the order that is the same on every node, oldest first.
    History {
        /// Which channel.
        channel: String,
        /// At most so many, the newest; at most 10,000.
        #[serde(default)]
        limit: Option<u32>,
        /// Only those after this message id.
        #[serde(default)]
        since: Option<String>,
        /// Only those before this message id: the page before a page.
        #[serde(default)]
        before: Option<String>,
    },
    /// Writes bundles to a file (MSG-12).
    Export {
        /// Absolute path; must not exist.
        path: String,
        /// Only this channel's; otherwise everything carried.
        #[serde(default)]
        channel: Option<String>,
    },
    /// Reads bundles from a file.
    Import {
        /// Absolute path.
        path: String,
    },
    /// Who this node is.
    IdShow,
    /// Writes an encrypted backup (ID-1).
    IdBackup {
        /// Absolute path; must not exist.
        path: String,
        /// The passphrase.
        passphrase: String,
    },
    /// Wipes this node (ID-8) and ends it.
    IdWipe,
    /// Changes the display name.
    SetName {
        /// The new name.
        name: String,
    },
    /// Looks for reasons why nobody is seen (APP-7).
    Doctor,
    /// What the developer panel shows (APP-5): links in detail, and gossip.
    Panel,
    /// Measures the round trip to a linked peer; answered when the peer has answered.
    Ping {
        /// Its transport id.
        peer: String,
    },
    /// Closes all links to a peer, and dials it if it is known where it is.
    Reconnect {
        /// Its transport id.
        peer: String,
    },
    /// Dials an address by hand (BOOT-5): a multiaddr that ends in `/p2p/PEERID`.
    Dial {
        /// Where and who.
        address: String,
    },
    /// Ends the node.
    Shutdown,
}

impl Command {
    /// The word that names it in JSON.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::Peers => "peers",
            Self::ChannelCreate { .. } => "channel_create",
            Self::ChannelJoin { .. } => "channel_join",
            Self::ChannelLeave { .. } => "channel_leave",
            Self::ChannelList => "channel_list",
            Self::ChannelInvite { .. } => "channel_invite",
            Self::ChannelRead { .. } => "channel_read",
            Self::Send { .. } => "send",
            Self::History { .. } => "history",
            Self::Export { .. } => "export",
            Self::Import { .. } => "import",
            Self::IdShow => "id_show",
            Self::IdBackup { .. } => "id_backup",
            Self::IdWipe => "id_wipe",
            Self::SetName { .. } => "set_name",
            Self::Doctor => "doctor",
            Self::Panel => "panel",
            Self::Ping { .. } => "ping",
            Self::Reconnect { .. } => "reconnect",
            Self::Dial { .. } => "dial",
            Self::Shutdown => "shutdown",
        }
    }
}

impl fmt::Debug for Command {
    /// The word alone: a command may hold a passphrase, a key or a text, and logs must not (OPS-2).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_shown_by_its_word_alone() {
        let command = Command::IdBackup {
            path: "/p".into(),
            passphrase: "secret".into(),
        };
        assert_eq!(format!("{command:?}"), "id_backup");
        for command in [
            command,
            Command::Status,
            Command::Dial {
                address: "/a".into(),
            },
        ] {
            let json = serde_json::to_value(&command).unwrap();
            assert_eq!(json["command"], command.word());
        }
    }
}
