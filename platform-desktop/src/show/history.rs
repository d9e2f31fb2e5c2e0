//! Messages for people.

use sovereign_node::api::{HistoryEntry, MessageState};

use super::name_or_id;
use crate::{output::Paint, text};

/// A mark for how far a message of one's own has come (MSG-7); empty for those of others.
#[must_use]
pub(crate) const fn tick(state: MessageState) -> &'static str {
    match state {
        MessageState::Received => "",
        MessageState::Stored => "·",
        MessageState::Sent => "✓",
        MessageState::Delivered | MessageState::Read => "✓✓",
    }
}

/// One message a line; further lines of a text are indented, so that they cannot pass for messages.
#[must_use]
pub(crate) fn history(entries: &[HistoryEntry], paint: Paint) -> String {
    let lines: Vec<String> = entries.iter().map(|entry| message(entry, paint)).collect();
    lines.join("\n")
}

/// A message as it comes in at the prompt: the time of day (UTC) is enough.
#[must_use]
pub(crate) fn live(entry: &HistoryEntry, paint: Paint) -> String {
    let time = entry.sent_at.get(11..16).unwrap_or(&entry.sent_at);
    with_time(entry, &format!("{time}Z"), paint)
}

fn message(entry: &HistoryEntry, paint: Paint) -> String {
    with_time(entry, &entry.sent_at, paint)
}

fn with_time(entry: &HistoryEntry, time: &str, paint: Paint) -> String {
    let who = if entry.own {
        paint.green("you")
    } else {
        paint.cyan(&name_or_id(entry.name.as_deref(), &entry.author))
    };
    let body = text::block(&entry.text).replace('\n', "\n    ");
    let mark = if entry.own { tick(entry.state) } else { "" };
    let line = format!(
        "{}  {who}: {body}  {}",
        paint.dim(&text::line(time)),
        paint.dim(mark)
    );
    line.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_cannot_pass_for_another_message() {
        let entry = HistoryEntry {
            id: "00".into(),
            author: "ab".repeat(32),
            name: Some("Bob".into()),
            text: "hi\n2026-01-01T00:00:00Z  Ann: I agree\r\u{1b}[A".into(),
            sent_at: "2026-11-21T08:00:00Z".into(),
            lamport: 1,
            state: MessageState::Received,
            own: false,
        };
        let shown = history(&[entry], Paint { on: false });
        let mut lines = shown.lines();
        assert_eq!(lines.next(), Some("2026-11-21T08:00:00Z  Bob: hi"));
        assert!(lines.next().unwrap().starts_with("    2026-01-01"));
        assert!(!shown.contains(['\r', '\u{1b}']));
    }
}
