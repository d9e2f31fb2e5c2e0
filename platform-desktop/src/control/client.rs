//! The other side of the control socket: a blocking client for commands.

use std::{
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    net::Shutdown,
    os::unix::net::UnixStream,
    path::Path,
    time::Duration,
};

use sovereign_node::api::{ApiError, Command, ErrorKind, Event, Reply};

use super::{
    path,
    protocol::{Answer, EVENTS_REQUEST, MAX_LINE, MAX_REPLY, too_long},
};
use crate::failure::io_error;

/// How long a node may take to answer a command that touches no file of the user's.
const PATIENCE: Duration = Duration::from_secs(60);

/// A connection to the node on a data directory.
#[derive(Debug)]
pub struct Client {
    stream: BufReader<UnixStream>,
}

impl Client {
    /// Connects.
    ///
    /// # Errors
    /// [`ErrorKind::NotRunning`] when no node answers there.
    pub fn connect(data: &Path) -> Result<Self, ApiError> {
        let mut refused = None;
        for path in path::for_client(data) {
            match UnixStream::connect(&path) {
                Ok(stream) => {
                    return Ok(Self {
                        stream: BufReader::new(stream),
                    });
                }
                // Left by a node that was killed.
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound
                    ) => {}
                Err(error) => refused = Some((path, error)),
            }
        }
        Err(refused.map_or_else(
            || not_running(data),
            |(path, error)| io_error(&format!("cannot connect to {}", path.display()), &error),
        ))
    }

    /// Asks and waits for the answer.
    ///
    /// # Errors
    /// The node's, or [`ErrorKind::Io`] when it does not answer.
    pub fn call(&mut self, command: &Command) -> Result<Reply, ApiError> {
        let patient = matches!(
            command,
            Command::Export { .. } | Command::Import { .. } | Command::IdBackup { .. }
        );
        let limit = Some(PATIENCE).filter(|_| !patient);
        self.stream
            .get_ref()
            .set_read_timeout(limit)
            .map_err(|error| lost(&error))?;
        let line = serde_json::to_string(command)
            .map_err(|_| ApiError::new(ErrorKind::Internal, "the command cannot be written", ""))?;
        if line.len() > MAX_LINE {
            return Err(too_long());
        }
        self.ask(&line)
    }

    /// Turns the connection into a stream of events.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub fn events(mut self) -> Result<Events, ApiError> {
        self.ask(EVENTS_REQUEST)?;
        Ok(Events {
            stream: self.stream,
        })
    }

    /// Waits until the node has ended, after it was told to.
    ///
    /// # Errors
    /// [`ErrorKind::Busy`] when it takes too long.
    pub fn until_closed(mut self) -> Result<(), ApiError> {
        let closing = self.stream.get_ref().set_read_timeout(Some(PATIENCE));
        closing.map_err(|error| lost(&error))?;
        match read_line(&mut self.stream) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(lost(&error)),
            _ => Ok(()),
        }
    }

    fn ask(&mut self, line: &str) -> Result<Reply, ApiError> {
        let mut request = line.to_owned();
        request.push('\n');
        // A node that refuses the connection may have closed it already: its answer says why.
        let written = self.stream.get_mut().write_all(request.as_bytes());
        match read_line(&mut self.stream) {
            Ok(Some(line)) => serde_json::from_slice::<Answer>(&line)
                .map_err(|_| {
                    ApiError::new(
                        ErrorKind::Io,
                        "the node's answer makes no sense",
                        "are the node and this command of the same version?",
                    )
                })?
                .into(),
            Ok(None) => Err(written.err().map_or_else(ended, |error| lost(&error))),
            Err(error) => Err(lost(&error)),
        }
    }
}

/// Events of a running node.
#[derive(Debug)]
pub struct Events {
    stream: BufReader<UnixStream>,
}

impl Events {
    /// The next one; `None` when the node has ended.
    ///
    /// # Errors
    /// [`ErrorKind::Io`] when the connection breaks or something else than an event comes.
    pub fn next_event(&mut self) -> Result<Option<Event>, ApiError> {
        // Blocks for as long as nothing happens.
        let Some(line) = read_line(&mut self.stream).map_err(|error| lost(&error))? else {
            return Ok(None);
        };
        serde_json::from_slice(&line).map(Some).map_err(|_| {
            ApiError::new(
                ErrorKind::Io,
                "the node's event makes no sense",
                "are the node and this command of the same version?",
            )
        })
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        let _ = self.stream.get_ref().shutdown(Shutdown::Both);
    }
}

/// The error for a data directory on which no node runs.
#[must_use]
pub(super) fn not_running(data: &Path) -> ApiError {
    ApiError::new(
        ErrorKind::NotRunning,
        format!("no node is running on {}", data.display()),
        "start one with `sovereign` (same --data)",
    )
}

fn read_line(stream: &mut BufReader<UnixStream>) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    stream.take(MAX_REPLY).read_until(b'\n', &mut line)?;
    if line.is_empty() {
        return Ok(None);
    }
    if line.pop() != Some(b'\n') {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(Some(line))
}

fn ended() -> ApiError {
    ApiError::new(
        ErrorKind::ShuttingDown,
        "the node ended before it answered",
        "start it again",
    )
}

fn lost(error: &io::Error) -> ApiError {
    if matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
    ) {
        return ApiError::new(
            ErrorKind::Busy,
            format!("the node has not answered for {} s", PATIENCE.as_secs()),
            "try again; if it stays so, restart the node",
        );
    }
    ApiError::new(
        ErrorKind::Io,
        format!("the connection to the node broke: {error}"),
        "try again; if it stays so, restart the node",
    )
}
