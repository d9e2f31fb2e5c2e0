//! What is said over the control socket, and its bounds.

use std::{borrow::Cow, time::Duration};

use serde::{Deserialize, Serialize};
use sovereign_node::api::{ApiError, Command, ErrorKind, Reply};

use crate::text;

/// Longest request line, in bytes, its line break not counted.
pub const MAX_LINE: usize = 64 * 1024;
/// Longest reply line a client takes, in bytes: 10,000 messages of the largest size, as JSON.
pub const MAX_REPLY: u64 = 512 * 1024 * 1024;

/// What a server bears.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Connections at a time; more are answered `busy` and closed.
    pub connections: usize,
    /// For a request to come in whole; a silent connection is closed after it.
    pub request: Duration,
    /// For the other side to take an answer or event.
    pub write: Duration,
    /// Malformed requests on one connection before it is closed.
    pub malformed: u32,
    /// For answers under way when the node ends.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 16,
            request: Duration::from_secs(10),
            write: Duration::from_secs(10),
            malformed: 16,
            drain: Duration::from_millis(500),
        }
    }
}

/// A request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Stream events from now on.
    Events,
    /// Ask the node.
    Command(Command),
}

/// An answer.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Answer {
    /// Done.
    Ok(Reply),
    /// Not done.
    Error(ApiError),
}

impl From<Result<Reply, ApiError>> for Answer {
    fn from(result: Result<Reply, ApiError>) -> Self {
        match result {
            Ok(reply) => Self::Ok(reply),
            Err(error) => Self::Error(error),
        }
    }
}

impl From<Answer> for Result<Reply, ApiError> {
    fn from(answer: Answer) -> Self {
        match answer {
            Answer::Ok(reply) => Ok(reply),
            Answer::Error(error) => Err(error),
        }
    }
}

/// The request line that asks for events.
pub(super) const EVENTS_REQUEST: &str = "{\"command\":\"events\"}";

/// Reads a request line, its line break removed.
///
/// # Errors
/// [`ErrorKind::TooLarge`] or [`ErrorKind::Invalid`].
pub(super) fn parse(line: &[u8]) -> Result<Request, ApiError> {
    #[derive(Deserialize)]
    struct Head<'a> {
        #[serde(borrow)]
        command: Cow<'a, str>,
    }
    if line.len() > MAX_LINE {
        return Err(too_long());
    }
    let malformed = |error: serde_json::Error| {
        ApiError::new(
            ErrorKind::Invalid,
            text::fit(&text::line(&format!("not a request: {error}")), 300),
            "one JSON object a line, e.g. {\"command\":\"status\"}",
        )
    };
    let head: Head<'_> = serde_json::from_slice(line).map_err(malformed)?;
    if head.command == "events" {
        return Ok(Request::Events);
    }
    serde_json::from_slice(line)
        .map(Request::Command)
        .map_err(malformed)
}

/// The answer to a line above [`MAX_LINE`].
#[must_use]
pub(super) fn too_long() -> ApiError {
    ApiError::new(
        ErrorKind::TooLarge,
        format!("the request is longer than {MAX_LINE} bytes"),
        "send less at once",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_read() {
        assert_eq!(
            parse(b"{\"command\":\"status\"}").unwrap(),
            Request::Command(Command::Status)
        );
        assert_eq!(parse(EVENTS_REQUEST.as_bytes()).unwrap(), Request::Events);
        let send = Command::Send {
            channel: "#a".into(),
            text: "\u{0}é\n".into(),
        };
        let line = serde_json::to_vec(&send).unwrap();
        assert_eq!(parse(&line).unwrap(), Request::Command(send));
    }

    #[test]
    fn anything_else_is_a_typed_error() {
        let deep = [b'['; 10_000];
        let bad: [&[u8]; 8] = [
            b"",
            b"{}",
            b"null",
            b"\xff\xfe",
            b"{\"command\":\"selfdestruct\"}",
            b"{\"command\":\"send\",\"channel\":\"#a\"}",
            b"{\"command\":\"send\",\"channel\":\"#a\",\"text\":\"b\",\"x\":1}",
            &deep,
        ];
        for line in bad {
            let error = parse(line).unwrap_err();
            assert_eq!(error.kind, ErrorKind::Invalid, "{line:?}");
            assert!(error.message.len() < 400);
        }
        let mut line = b"{\"command\":\"status\"}".to_vec();
        line.resize(MAX_LINE, b' ');
        assert!(parse(&line).is_ok());
        line.push(b' ');
        assert_eq!(parse(&line).unwrap_err().kind, ErrorKind::TooLarge);
    }

    #[test]
    fn answers_have_one_key() {
        let ok = serde_json::to_string(&Answer::Ok(Reply::Done)).unwrap();
        assert_eq!(ok, "{\"ok\":{\"reply\":\"done\"}}");
        let error = ApiError::new(ErrorKind::Busy, "m", "h");
        let line = serde_json::to_string(&Answer::Error(error)).unwrap();
        assert_eq!(
            line,
            "{\"error\":{\"kind\":\"busy\",\"message\":\"m\",\"hint\":\"h\"}}"
        );
    }
}
