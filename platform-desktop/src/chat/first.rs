//! The first start (APP-6): a name, nothing else, and a channel in which strangers can talk at once.

use std::io::{self, BufRead as _, Read as _, Write as _};

use sovereign_node::api::{ApiError, Command, ErrorKind, Reply, Status};

use crate::{
    config::{KEYS, Key},
    control::Service,
    failure::{invalid, io_error},
};

/// The public channel that every first start joins.
const NEARBY: &str = "#nearby";
/// Times that a name that cannot be used is asked for again.
const TRIES: usize = 5;

/// Asks for a name on the terminal; Enter takes the suggestion.
pub(super) fn ask_name() -> Result<String, ApiError> {
    let suggestion = default_name();
    let mut stdout = io::stdout();
    for _ in 0..TRIES {
        let asked = write!(stdout, "Your name, as others will see it [{suggestion}]: ");
        asked
            .and_then(|()| stdout.flush())
            .map_err(|error| io_error("cannot ask for a name", &error))?;
        let mut line = String::new();
        let read = io::stdin().lock().take(1024).read_line(&mut line);
        match read.map_err(|error| io_error("cannot read the name", &error))? {
            0 => return Err(invalid("no name was given", "give --name NAME")),
            _ if line.trim().is_empty() => return Ok(suggestion),
            _ => match key().parse(line.trim()) {
                Ok(_) => return Ok(line.trim().to_owned()),
                Err(_) => {
                    let _ = writeln!(stdout, "That cannot be used: {}.", key().range);
                }
            },
        }
    }
    Err(invalid("no usable name was given", "give --name NAME"))
}

/// The name of the user at this machine, or `someone`.
pub(super) fn default_name() -> String {
    ["USER", "LOGNAME"]
        .iter()
        .filter_map(|variable| std::env::var(variable).ok())
        .find(|name| key().parse(name).is_ok())
        .unwrap_or_else(|| "someone".to_owned())
}

/// Brings a node that has just started into the state that was asked for, and tells what it is.
pub(super) async fn settle<S: Service>(
    node: &S,
    wanted: Option<String>,
    first: bool,
) -> Result<Status, ApiError> {
    if let Some(name) = wanted
        && status(node).await?.name != name
    {
        node.call(Command::SetName { name }).await?;
    }
    if first
        && let Reply::Channels(channels) = node.call(Command::ChannelList).await?
        && channels.is_empty()
    {
        let target = NEARBY.to_owned();
        node.call(Command::ChannelJoin { target }).await?;
    }
    status(node).await
}

async fn status<S: Service>(node: &S) -> Result<Status, ApiError> {
    match node.call(Command::Status).await? {
        Reply::Status(status) => Ok(*status),
        _ => Err(ApiError::new(
            ErrorKind::Internal,
            "the node's answer makes no sense",
            "report this",
        )),
    }
}

fn key() -> &'static Key {
    KEYS.iter()
        .find(|key| key.name == "name")
        .expect("KEYS has the name")
}
