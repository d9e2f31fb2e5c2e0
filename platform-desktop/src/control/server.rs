//! The node's side of the control socket.

use std::{
    fs, io,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use serde::Serialize;
use sovereign_node::api::{ApiError, ErrorKind, EventKind, Reply};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _},
    net::{UnixListener, UnixStream, unix::OwnedWriteHalf},
    sync::{Semaphore, watch},
    task::JoinSet,
    time::{Instant, timeout, timeout_at},
};
use tracing::{debug, info, warn};

use super::{
    EventSource as _, Service, path,
    protocol::{Answer, Limits, MAX_LINE, Request, parse, too_long},
};
use crate::failure::io_error;

/// Bytes read at once.
const CHUNK: usize = 8 * 1024;

/// A bound socket. Dropping it removes the file.
#[derive(Debug)]
pub struct Listener {
    socket: UnixListener,
    path: PathBuf,
}

impl Listener {
    /// Where it listens.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        // It may be gone already: a wipe removes everything.
        let _ = fs::remove_file(&self.path);
    }
}

/// Binds the socket of a data directory; needs a tokio runtime. To be called by whoever holds the
/// directory: a socket file that is there already was left by a node that was killed.
///
/// # Errors
/// From the system.
pub fn bind(data: &Path) -> Result<Listener, ApiError> {
    let path = path::for_server(data)?;
    // Bound under another name first, so that nobody can connect before the mode is right.
    let fresh = path.with_file_name(format!(".ctl-{}", std::process::id()));
    let bound = (|| {
        match fs::remove_file(&fresh) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let socket = UnixListener::bind(&fresh)?;
        fs::set_permissions(&fresh, fs::Permissions::from_mode(0o600))?;
        fs::rename(&fresh, &path)?;
        Ok(socket)
    })();
    let socket = bound.map_err(|e| io_error(&format!("cannot make {}", path.display()), &e))?;
    info!(path = %path.display(), "control socket");
    Ok(Listener { socket, path })
}

/// Serves until `stop` is done; then answers what is under way, within `limits.drain`.
pub async fn serve<S: Service>(
    listener: Listener,
    service: S,
    limits: Limits,
    stop: impl Future<Output = ()>,
) {
    let slots = Arc::new(Semaphore::new(limits.connections));
    let (ending, ended) = watch::channel(false);
    let mut connections = JoinSet::new();
    tokio::pin!(stop);
    loop {
        tokio::select! {
            () = &mut stop => break,
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
            accepted = listener.socket.accept() => match accepted {
                Ok((stream, _)) => {
                    if !is_allowed(&stream) {
                        warn!("a control connection of another user was refused");
                        continue;
                    }
                    let Ok(slot) = Arc::clone(&slots).try_acquire_owned() else {
                        refuse(&stream);
                        continue;
                    };
                    let connection = Connection::new(stream, service.clone(), limits);
                    let ended = ended.clone();
                    connections.spawn(async move {
                        connection.run(ended).await;
                        drop(slot);
                    });
                }
                Err(error) => {
                    // Out of file descriptors, most likely: let others give some back.
                    warn!(%error, "the control socket does not accept");
                    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                }
            },
        }
    }
    drop(listener);
    let _ = ending.send(true);
    let drained = async { while connections.join_next().await.is_some() {} };
    let _ = timeout(limits.drain, drained).await;
}

/// The same user, or root.
fn is_allowed(stream: &UnixStream) -> bool {
    stream
        .peer_cred()
        .is_ok_and(|peer| peer.uid() == path::own_uid() || peer.uid() == 0)
}

/// Tells a connection beyond the limit why it is closed; never waits.
fn refuse(stream: &UnixStream) {
    let busy = ApiError::new(
        ErrorKind::Busy,
        "too many control connections at once",
        "close some, or try again in a moment",
    );
    if let Ok(line) = encode(&Answer::Error(busy)) {
        let _ = stream.try_write(&line);
    }
}

fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, serde_json::Error> {
    let mut line = serde_json::to_vec(value)?;
    line.push(b'\n');
    Ok(line)
}

/// Returns when the server ends.
async fn has_ended(ended: &mut watch::Receiver<bool>) {
    // An error means that the server is gone.
    let _ = ended.wait_for(|ended| *ended).await;
}

/// Why a connection ends; nobody needs to know more.
#[derive(Debug)]
struct Closed;

struct Connection<S> {
    lines: Lines<tokio::net::unix::OwnedReadHalf>,
    writer: OwnedWriteHalf,
    service: S,
    limits: Limits,
}

impl<S: Service> Connection<S> {
    fn new(stream: UnixStream, service: S, limits: Limits) -> Self {
        let (read, writer) = stream.into_split();
        Self {
            lines: Lines::new(read),
            writer,
            service,
            limits,
        }
    }

    async fn run(mut self, mut ended: watch::Receiver<bool>) {
        let mut malformed = 0;
        loop {
            let deadline = Instant::now() + self.limits.request;
            let line = tokio::select! {
                () = has_ended(&mut ended) => return,
                line = timeout_at(deadline, self.lines.next()) => line,
            };
            let request = match line {
                Err(_) => {
                    let error = ApiError::new(
                        ErrorKind::Invalid,
                        format!(
                            "no whole request came within {} s",
                            self.limits.request.as_secs()
                        ),
                        "connect again when there is something to ask",
                    );
                    let _ = self.write(&Answer::Error(error)).await;
                    return;
                }
                Ok(Line::End) => return,
                Ok(Line::TooLong) => {
                    let _ = self.write(&Answer::Error(too_long())).await;
                    return;
                }
                Ok(Line::Whole(line)) => parse(&line),
            };
            let done = match request {
                Err(error) => {
                    malformed += 1;
                    let written = self.write(&Answer::Error(error)).await;
                    if malformed >= self.limits.malformed {
                        debug!("a control connection is closed: too many malformed requests");
                        return;
                    }
                    written
                }
                Ok(Request::Events) => {
                    let _ = self.stream_events(ended).await;
                    return;
                }
                // The command is never logged: it may hold a passphrase, a key or a text (OPS-2).
                Ok(Request::Command(command)) => {
                    let result = self.service.call(command).await;
                    self.write(&Answer::from(result)).await
                }
            };
            if done.is_err() {
                return;
            }
        }
    }

    async fn stream_events(&mut self, mut ended: watch::Receiver<bool>) -> Result<(), Closed> {
        let mut events = self.service.subscribe();
        self.write(&Answer::Ok(Reply::Done)).await?;
        loop {
            tokio::select! {
                biased;
                event = events.next() => match event {
                    None => return Ok(()),
                    Some(event) => {
                        self.write(&event).await?;
                        if event.kind == EventKind::Stopping {
                            return Ok(());
                        }
                    }
                },
                () = has_ended(&mut ended) => return Ok(()),
                // Listeners only listen: the end of the input is the end of the subscription.
                line = self.lines.next() => {
                    if !matches!(line, Line::End) {
                        let error = ApiError::new(
                            ErrorKind::Invalid,
                            "a connection that streams events takes no more requests",
                            "open another one",
                        );
                        self.write(&Answer::Error(error)).await?;
                    }
                    return Ok(());
                }
            }
        }
    }

    async fn write<T: Serialize>(&mut self, value: &T) -> Result<(), Closed> {
        let line = encode(value).map_err(|_| Closed)?;
        match timeout(self.limits.write, self.writer.write_all(&line)).await {
            Ok(Ok(())) => Ok(()),
            _ => Err(Closed),
        }
    }
}

/// What came in.
#[derive(Debug, PartialEq, Eq)]
enum Line {
    Whole(Vec<u8>),
    TooLong,
    End,
}

/// Lines of at most [`MAX_LINE`] bytes; holds no more than that and one chunk.
struct Lines<R> {
    reader: R,
    held: Vec<u8>,
    /// Bytes of `held` that are known to hold no line break.
    searched: usize,
}

impl<R: AsyncRead + Unpin> Lines<R> {
    fn new(reader: R) -> Self {
        Self {
            reader,
            held: Vec::new(),
            searched: 0,
        }
    }

    /// The next line that is not empty; safe to cancel.
    async fn next(&mut self) -> Line {
        loop {
            let found = self.held[self.searched..].iter().position(|b| *b == b'\n');
            if let Some(at) = found {
                let at = self.searched + at;
                let rest = self.held.split_off(at + 1);
                let mut line = std::mem::replace(&mut self.held, rest);
                self.searched = 0;
                line.truncate(at);
                if line.last() == Some(&b'\r') {
                    line.pop();
                }
                if line.len() > MAX_LINE {
                    return Line::TooLong;
                }
                if line.is_empty() {
                    continue;
                }
                return Line::Whole(line);
            }
            self.searched = self.held.len();
            if self.held.len() > MAX_LINE {
                return Line::TooLong;
            }
            self.held.reserve(CHUNK);
            let mut chunk = (&mut self.reader).take(CHUNK as u64);
            match chunk.read_buf(&mut self.held).await {
                Ok(0) | Err(_) => return Line::End,
                Ok(_) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn lines(input: &[u8]) -> Vec<Line> {
        let mut lines = Lines::new(input);
        let mut out = Vec::new();
        loop {
            let line = lines.next().await;
            let last = matches!(line, Line::End | Line::TooLong);
            out.push(line);
            if last {
                return out;
            }
        }
    }

    #[tokio::test]
    async fn lines_are_split_and_bounded() {
        let whole = |text: &[u8]| Line::Whole(text.to_vec());
        assert_eq!(
            lines(b"a\n\n\r\nbc\r\nrest").await,
            [whole(b"a"), whole(b"bc"), Line::End]
        );
        let mut longest = vec![b'x'; MAX_LINE];
        longest.push(b'\n');
        assert_eq!(
            lines(&longest).await,
            [whole(&longest[..MAX_LINE]), Line::End]
        );
        longest.insert(0, b'x');
        assert_eq!(lines(&longest).await, [Line::TooLong]);
        assert_eq!(lines(&vec![0; MAX_LINE + CHUNK]).await, [Line::TooLong]);
    }

    #[tokio::test]
    async fn endless_lines_take_no_more_than_their_bound() {
        let mut lines = Lines::new(tokio::io::repeat(b'x'));
        assert_eq!(lines.next().await, Line::TooLong);
        assert!(
            lines.held.capacity() <= 2 * (MAX_LINE + 2 * CHUNK),
            "{}",
            lines.held.capacity()
        );
    }
}
