//! Commands that are one question to the running node.

use std::{
    io::{self, Read as _},
    path::Path,
};

use sovereign_node::api::{ApiError, Command, ErrorKind, MAX_TEXT, Reply};

use crate::{
    cli::{Action, ChannelAction, absolute},
    control::Client,
    failure::{Outcome, invalid, io_error},
    output::{Output, Paint},
    show, text,
};

/// Asks and shows the answer.
pub(super) fn run(action: Action, data: &Path, output: Output) -> Outcome {
    let command = command(action)?;
    let reply = Client::connect(data)?.call(&command)?;
    answer(&reply, &command, output)
}

fn command(action: Action) -> Result<Command, ApiError> {
    let path = |path: &Path| absolute(path).map_err(|why| invalid(why, "give another path"));
    Ok(match action {
        Action::Status => Command::Status,
        Action::Peers { .. } => Command::Peers,
        Action::Channel(channel) => match channel {
            ChannelAction::Create { name } => Command::ChannelCreate { name },
            ChannelAction::Join { target } => Command::ChannelJoin { target },
            ChannelAction::Leave { channel } => Command::ChannelLeave { channel },
            ChannelAction::List => Command::ChannelList,
            ChannelAction::Invite { channel } => Command::ChannelInvite { channel },
        },
        Action::Send { channel, text } => Command::Send {
            channel,
            text: message(text)?,
        },
        Action::History {
            channel,
            limit,
            since,
        } => Command::History {
            channel,
            limit,
            since,
            before: None,
        },
        Action::Export { file, channel } => Command::Export {
            path: path(&file)?,
            channel,
        },
        Action::Import { file } => Command::Import { path: path(&file)? },
        Action::Node(_)
        | Action::Config(_)
        | Action::Events
        | Action::Doctor
        | Action::Id(_)
        | Action::Sim { .. }
        | Action::Completions { .. }
        | Action::Man { .. } => {
            return Err(ApiError::new(
                ErrorKind::Internal,
                "this command is not a question to the node",
                "report this",
            ));
        }
    })
}

/// The text, or stdin without its last line break for `-`; bounded.
fn message(text: String) -> Result<String, ApiError> {
    let text = if text == "-" {
        let mut bytes = Vec::new();
        io::stdin()
            .lock()
            .take(MAX_TEXT as u64 + 2)
            .read_to_end(&mut bytes)
            .map_err(|error| io_error("cannot read stdin", &error))?;
        let text = String::from_utf8(bytes)
            .map_err(|_| invalid("what came on stdin is not UTF-8", "send text"))?;
        let line = text.strip_suffix('\n').unwrap_or(&text);
        line.strip_suffix('\r').unwrap_or(line).to_owned()
    } else {
        text
    };
    if text.is_empty() {
        return Err(invalid("the message is empty", "write something"));
    }
    if text.len() > MAX_TEXT {
        return Err(ApiError::new(
            ErrorKind::TooLarge,
            format!("a message has at most {MAX_TEXT} bytes"),
            "send it in parts",
        ));
    }
    Ok(text)
}

fn answer(reply: &Reply, command: &Command, output: Output) -> Outcome {
    match reply {
        Reply::Done => output.either(&serde_json::json!({}), |_| done(command)),
        Reply::Status(status) => output.either(status, |paint| show::status(status, paint)),
        Reply::Peers(peers) => output.either(peers, |paint| show::peers(peers, paint)),
        Reply::Channel(channel) => output.either(channel, |paint| {
            if matches!(command, Command::ChannelInvite { .. }) {
                return text::line(&channel.link);
            }
            let name = text::name(&channel.name);
            format!(
                "{}\n{}",
                paint.bold(&name),
                paint.dim(&format!("others join with: {}", text::line(&channel.link)))
            )
        }),
        Reply::Channels(channels) => {
            output.either(channels, |paint| show::channels(channels, paint))
        }
        Reply::Sent(sent) => output.either(sent, |paint: Paint| {
            format!(
                "{} {}",
                show::tick(sent.state),
                paint.dim(&text::line(&sent.id))
            )
        }),
        Reply::History(entries) if entries.is_empty() && !output.json => Ok(()),
        Reply::History(entries) => output.either(entries, |paint| show::history(entries, paint)),
        // No command of this program asks for these; the dashboard does.
        Reply::Panel(panel) => output.document(panel),
        Reply::Pong(pong) => output.document(pong),
        Reply::Reconnecting(reconnecting) => output.document(reconnecting),
        Reply::Exported(exported) => output.either(exported, |_| {
            format!(
                "{} bundles, {}",
                exported.bundles,
                show::size(exported.bytes)
            )
        }),
        Reply::Imported(imported) => output.either(imported, |_| {
            format!(
                "{} bundles: {} new, {} already here, {} declined (expired, over quota or broken)",
                imported.bundles, imported.new, imported.known, imported.declined
            )
        }),
        Reply::Identity(identity) => {
            output.either(identity, |paint| show::identity(identity, paint))
        }
        Reply::Doctor(checks) => output.either(checks, |paint| show::doctor(checks, paint)),
    }
}

fn done(command: &Command) -> String {
    match command {
        Command::ChannelLeave { channel } => {
            format!("Left {}; its keys are destroyed.", text::name(channel))
        }
        _ => "Done.".to_owned(),
    }
}

/// Asks for the identity and shows it; used by `id show`.
pub(super) fn identity(data: &Path, output: Output) -> Outcome {
    let reply = Client::connect(data)?.call(&Command::IdShow)?;
    answer(&reply, &Command::IdShow, output)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_bounded_before_they_are_sent() {
        assert!(message("x".repeat(MAX_TEXT)).is_ok());
        let long = message("x".repeat(MAX_TEXT + 1)).unwrap_err();
        assert_eq!(long.kind, ErrorKind::TooLarge);
        assert_eq!(message(String::new()).unwrap_err().kind, ErrorKind::Invalid);
    }

    #[test]
    fn paths_become_absolute() {
        let import = Action::Import {
            file: "a.bundles".into(),
        };
        let Command::Import { path } = command(import).unwrap() else {
            panic!("not an import")
        };
        assert!(path.starts_with('/') && path.ends_with("/a.bundles"));
    }
}
