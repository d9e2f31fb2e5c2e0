//! What is said over the live connection. One JSON object a message, both ways.

use std::borrow::Cow;

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;
use sovereign_node::api::{ApiError, ErrorKind, Event};

use crate::{Setting, limits::MAX_ASK, shown::Kind};

/// What a page says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Heard<A> {
    /// A command, or a look at a recording; the answer carries its number.
    Ask {
        id: u64,
        /// Or why it makes no sense.
        ask: Result<A, ApiError>,
    },
    /// The developer panel is open, or no longer.
    Panel(bool),
}

/// What is said to a page.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Said<'a, R> {
    /// First of all.
    Hello(Hello<'a>),
    /// Events, in order; of a peer only the latest.
    Events(&'a [Event]),
    /// What the developer panel shows.
    Panel(&'a R),
}

/// What a page has to know before it asks.
#[derive(Debug, Serialize)]
pub(super) struct Hello<'a> {
    pub(super) version: &'a str,
    pub(super) shows: Kind,
    pub(super) settings: &'a [Setting],
}

/// The answer to [`Heard::Ask`]: the control socket's, with a number.
#[derive(Debug, Serialize)]
pub(super) struct Answer<R> {
    pub(super) id: u64,
    #[serde(flatten)]
    pub(super) result: Outcome<R>,
}

/// Done or not done; the keys of the control socket.
#[derive(Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Outcome<R> {
    Ok(R),
    Error(ApiError),
}

impl<R> From<Result<R, ApiError>> for Outcome<R> {
    fn from(result: Result<R, ApiError>) -> Self {
        match result {
            Ok(reply) => Self::Ok(reply),
            Err(error) => Self::Error(error),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Form<'a> {
    #[serde(default)]
    id: Option<u64>,
    #[serde(default)]
    ask: Option<Value>,
    #[serde(borrow, default)]
    watch: Option<Cow<'a, str>>,
    #[serde(default)]
    on: Option<bool>,
}

/// Reads a message of a page; `None` when it makes no sense at all, which no page of ours does.
pub(super) fn hear<A: DeserializeOwned>(text: &str) -> Option<Heard<A>> {
    if text.len() > MAX_ASK {
        return None;
    }
    let form: Form<'_> = serde_json::from_str(text).ok()?;
    match form {
        Form {
            id: Some(id),
            ask: Some(ask),
            watch: None,
            on: None,
        } => {
            let ask = serde_json::from_value(ask).map_err(|error| {
                let mut message = format!("not a command: {error}");
                let end = (0..=MAX_WHY.min(message.len()))
                    .rev()
                    .find(|end| message.is_char_boundary(*end));
                message.truncate(end.unwrap_or(0));
                ApiError::new(ErrorKind::Invalid, message, "reload the page")
            });
            Some(Heard::Ask { id, ask })
        }
        Form {
            id: None,
            ask: None,
            watch: Some(what),
            on: Some(on),
        } if what == "panel" => Some(Heard::Panel(on)),
        _ => None,
    }
}

/// Longest explanation, in bytes: it may repeat what was sent.
const MAX_WHY: usize = 300;

#[cfg(test)]
mod tests {
    use sovereign_node::api::{Command, Reply};

    use super::*;

    fn hear(text: &str) -> Option<Heard<Command>> {
        super::hear(text)
    }

    #[test]
    fn asks_and_watches_are_heard() {
        assert_eq!(
            hear(r#"{"id":7,"ask":{"command":"status"}}"#),
            Some(Heard::Ask {
                id: 7,
                ask: Ok(Command::Status)
            })
        );
        assert_eq!(
            hear(r#"{"watch":"panel","on":true}"#),
            Some(Heard::Panel(true))
        );
        assert_eq!(
            hear(r#"{"watch":"panel","on":false}"#),
            Some(Heard::Panel(false))
        );
    }

    #[test]
    fn nonsense_is_not() {
        for text in [
            "",
            "null",
            "{}",
            r#"{"id":1}"#,
            r#"{"ask":{"command":"status"}}"#,
            r#"{"id":-1,"ask":{"command":"status"}}"#,
            r#"{"id":1,"ask":{"command":"status"},"x":1}"#,
            r#"{"id":1,"ask":{"command":"status"},"watch":"panel"}"#,
            r#"{"watch":"panel"}"#,
            r#"{"watch":"all","on":true}"#,
            &"[".repeat(10_000),
        ] {
            assert_eq!(hear(text), None, "{text}");
        }
        let padded = |length: usize| {
            let text = r#"{"watch":"panel","on":true}"#;
            format!("{text}{}", " ".repeat(length - text.len()))
        };
        assert!(hear(&padded(MAX_ASK)).is_some());
        assert_eq!(hear(&padded(MAX_ASK + 1)), None);
    }

    #[test]
    fn an_unknown_command_is_a_typed_error_of_bounded_length() {
        let text = format!(r#"{{"id":1,"ask":{{"command":"{}"}}}}"#, "é".repeat(1_000));
        let Some(Heard::Ask {
            id: 1,
            ask: Err(error),
        }) = hear(&text)
        else {
            panic!("not an ask");
        };
        assert_eq!(error.kind, ErrorKind::Invalid);
        assert!((MAX_WHY - 1..=MAX_WHY).contains(&error.message.len()));
    }

    #[test]
    fn answers_are_the_control_sockets() {
        let answer = Answer {
            id: 3,
            result: Ok(Reply::Done).into(),
        };
        assert_eq!(
            serde_json::to_string(&answer).unwrap(),
            r#"{"id":3,"ok":{"reply":"done"}}"#
        );
        let error = ApiError::new(ErrorKind::Busy, "m", "h");
        let answer = Answer {
            id: 4,
            result: Outcome::<Reply>::Error(error),
        };
        assert_eq!(
            serde_json::to_string(&answer).unwrap(),
            r#"{"id":4,"error":{"kind":"busy","message":"m","hint":"h"}}"#
        );
    }
}
