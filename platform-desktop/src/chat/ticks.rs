//! How far one's own messages have come (MSG-7), told without chatter: a message's state is shown
//! once it has settled, and messages in the same state together.

use std::{collections::BTreeMap, time::Duration};

use sovereign_node::api::MessageState;
use tokio::time::Instant;

use crate::{show, text};

/// A state is shown when it has not changed for so long.
const SETTLED: Duration = Duration::from_millis(1200);
/// Messages that are followed at most; of older ones nothing more is told.
const FOLLOWED: usize = 256;
/// Columns of a message's beginning.
const BEGINNING: usize = 40;

#[derive(Debug)]
struct Followed {
    beginning: String,
    state: MessageState,
    shown: Option<MessageState>,
    due: Option<Instant>,
    number: u64,
}

/// Messages written here that have not arrived yet.
#[derive(Debug, Default)]
pub(super) struct Ticks {
    followed: BTreeMap<String, Followed>,
    count: u64,
}

impl Ticks {
    /// Follows a message that was just written.
    pub(super) fn follow(&mut self, id: &str, message: &str, state: MessageState, now: Instant) {
        if self.followed.len() >= FOLLOWED {
            let oldest = self.followed.iter().min_by_key(|(_, f)| f.number);
            if let Some(id) = oldest.map(|(id, _)| id.clone()) {
                self.followed.remove(&id);
            }
        }
        self.count += 1;
        let followed = Followed {
            beginning: text::fit(&text::line(message), BEGINNING),
            state,
            shown: None,
            due: Some(now + SETTLED),
            number: self.count,
        };
        self.followed.insert(id.to_owned(), followed);
    }

    /// A message's state has changed.
    pub(super) fn change(&mut self, id: &str, state: MessageState, now: Instant) {
        if let Some(followed) = self.followed.get_mut(id)
            && state > followed.state
        {
            followed.state = state;
            followed.due = Some(now + SETTLED);
        }
    }

    /// When there is something to show next.
    pub(super) fn due(&self) -> Option<Instant> {
        self.followed
            .values()
            .filter_map(|followed| followed.due)
            .min()
    }

    /// Lines for what has settled.
    pub(super) fn settle(&mut self, now: Instant) -> Vec<String> {
        let mut settled: BTreeMap<MessageState, Vec<String>> = BTreeMap::new();
        for followed in self.followed.values_mut() {
            if followed.due.is_some_and(|due| due <= now) {
                followed.due = None;
                if followed.shown < Some(followed.state) {
                    followed.shown = Some(followed.state);
                    settled
                        .entry(followed.state)
                        .or_default()
                        .push(followed.beginning.clone());
                }
            }
        }
        self.followed
            .retain(|_, followed| followed.shown < Some(MessageState::Delivered));
        settled
            .iter()
            .map(|(state, texts)| line(*state, texts))
            .collect()
    }
}

fn line(state: MessageState, texts: &[String]) -> String {
    let what = match texts {
        [one] => format!("“{one}”"),
        many => format!("{} messages", many.len()),
    };
    let how = match state {
        MessageState::Received | MessageState::Stored => "kept here until somebody is near",
        MessageState::Sent => "handed on, not yet with a member",
        MessageState::Delivered => "delivered",
        MessageState::Read => "read",
    };
    format!("  {} {how}: {what}", show::tick(state))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_settled_state_is_told() {
        let mut ticks = Ticks::default();
        let start = Instant::now();
        ticks.follow("a", "hello", MessageState::Stored, start);
        ticks.change("a", MessageState::Sent, start);
        ticks.change("a", MessageState::Delivered, start);
        assert_eq!(ticks.due(), Some(start + SETTLED));
        assert!(ticks.settle(start).is_empty());
        assert_eq!(ticks.settle(start + SETTLED), ["  ✓✓ delivered: “hello”"]);
        assert_eq!(ticks.due(), None);
        ticks.change("a", MessageState::Read, start);
        assert_eq!(
            ticks.due(),
            None,
            "delivered messages are followed no longer"
        );
    }

    #[test]
    fn each_state_is_told_once_and_never_goes_back() {
        let mut ticks = Ticks::default();
        let start = Instant::now();
        for id in ["a", "b"] {
            ticks.follow(id, id, MessageState::Stored, start);
        }
        let later = start + SETTLED;
        assert_eq!(
            ticks.settle(later),
            ["  · kept here until somebody is near: 2 messages"]
        );
        ticks.change("a", MessageState::Stored, later);
        assert!(ticks.settle(later + SETTLED).is_empty());
        ticks.change("a", MessageState::Sent, later);
        assert_eq!(
            ticks.settle(later + SETTLED),
            ["  ✓ handed on, not yet with a member: “a”"]
        );
    }

    #[test]
    fn a_bounded_number_is_followed() {
        let mut ticks = Ticks::default();
        let start = Instant::now();
        for number in 0..=FOLLOWED {
            ticks.follow(&number.to_string(), "x", MessageState::Stored, start);
        }
        assert_eq!(ticks.followed.len(), FOLLOWED);
        assert!(!ticks.followed.contains_key("0"), "the oldest goes");
        assert!(ticks.followed.contains_key("1"));
    }
}
