//! Which commands a browser may give. Those that write files, destroy or end the node are for whoever can
//! open the control socket.

use sovereign_node::api::{ApiError, Command, ErrorKind};

/// Most messages of one history; a page asks for the next page instead.
pub(crate) const MAX_HISTORY: u32 = 500;

/// The command, if a browser may give it; histories are cut to [`MAX_HISTORY`].
pub(crate) fn check(command: Command) -> Result<Command, ApiError> {
    match command {
        // No wildcard: whoever adds a command decides here.
        Command::Status
        | Command::Peers
        | Command::ChannelCreate { .. }
        | Command::ChannelJoin { .. }
        | Command::ChannelLeave { .. }
        | Command::ChannelList
        | Command::ChannelInvite { .. }
        | Command::ChannelRead { .. }
        | Command::Send { .. }
        | Command::IdShow
        | Command::SetName { .. }
        | Command::Doctor
        | Command::Panel
        | Command::Ping { .. }
        | Command::Reconnect { .. }
        | Command::Dial { .. } => Ok(command),
        Command::History {
            channel,
            limit,
            since,
            before,
        } => Ok(Command::History {
            channel,
            limit: Some(limit.unwrap_or(MAX_HISTORY).min(MAX_HISTORY)),
            since,
            before,
        }),
        Command::Export { .. }
        | Command::Import { .. }
        | Command::IdBackup { .. }
        | Command::IdWipe
        | Command::Shutdown => Err(ApiError::new(
            ErrorKind::Invalid,
            "that cannot be done from the dashboard",
            "use the `sovereign` command on this machine",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_writes_destroys_or_ends_is_not_for_a_browser() {
        let path = || "/p".to_owned();
        for command in [
            Command::Export {
                path: path(),
                channel: None,
            },
            Command::Import { path: path() },
            Command::IdBackup {
                path: path(),
                passphrase: "p".into(),
            },
            Command::IdWipe,
            Command::Shutdown,
        ] {
            let word = command.word();
            let refused = check(command).map_err(|error| error.kind);
            assert_eq!(refused, Err(ErrorKind::Invalid), "{word}");
        }
        assert_eq!(check(Command::Status), Ok(Command::Status));
    }

    #[test]
    fn a_history_is_cut() {
        let history = |limit| Command::History {
            channel: "#a".into(),
            limit,
            since: None,
            before: None,
        };
        for (asked, given) in [
            (None, MAX_HISTORY),
            (Some(3), 3),
            (Some(MAX_HISTORY), MAX_HISTORY),
            (Some(MAX_HISTORY + 1), MAX_HISTORY),
        ] {
            assert_eq!(check(history(asked)), Ok(history(Some(given))));
        }
    }
}
