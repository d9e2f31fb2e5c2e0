//! Whether the other end of a wide link is still there (docs/protocol.md §7.9): when to ask, and how long to
//! wait for a sign of life.
//!
//! What a dead connection swallows is noticed by nobody else for minutes: TCP goes on resending, and a pulled
//! cable sends no farewell. A radio link is watched by its own layers and is not asked.

use core::time::Duration;

use crate::link_kind::Role;

/// The dialer asks after this long without a frame from the other end.
pub const DIALER_ASKS_AFTER: Duration = Duration::from_secs(12);
/// The listener asks later, so that one of the two is enough.
pub const LISTENER_ASKS_AFTER: Duration = Duration::from_secs(16);
/// Either asks so long after it sent something that nothing answered.
pub const UNANSWERED_AFTER: Duration = Duration::from_secs(2);
/// Without a frame for this long after a question the other end is gone.
pub const ANSWER_WITHIN: Duration = Duration::from_secs(15);
/// The same when something says that the path has changed.
pub const SUSPECT_ANSWER_WITHIN: Duration = Duration::from_secs(3);
/// What stands before a question on its way is waited for at this rate, bytes per second: that of a poor mobile
/// uplink.
pub const LEAST_RATE: u64 = 32 * 1_024;

/// A question that nothing has answered.
#[derive(Debug, Clone, Copy)]
struct Question {
    number: u32,
    asked: Duration,
    answer_by: Duration,
}

/// The watch over one link. Times are of the boot clock.
#[derive(Debug)]
pub(super) struct Liveness {
    ask_after: Duration,
    heard: Duration,
    /// When the first frame left since then, and how many bytes did.
    spoken: Option<Duration>,
    bytes: u64,
    question: Option<Question>,
    next: u32,
}

impl Liveness {
    pub(super) fn new(role: Role, now: Duration) -> Self {
        Self {
            ask_after: match role {
                Role::Dialer => DIALER_ASKS_AFTER,
                Role::Listener => LISTENER_ASKS_AFTER,
            },
            heard: now,
            spoken: None,
            bytes: 0,
            question: None,
            next: 0,
        }
    }

    /// A frame came: the other end lives.
    pub(super) fn heard(&mut self, now: Duration) {
        self.heard = now;
        self.spoken = None;
        self.bytes = 0;
        self.question = None;
    }

    /// A frame leaves that is neither Ping nor Pong: two ends must not ask about each other's answers.
    pub(super) fn spoke(&mut self, bytes: usize, now: Duration) {
        self.spoken.get_or_insert(now);
        self.bytes += bytes as u64;
    }

    /// Asks; the number of the Ping. While a question stands, only its deadline may come nearer.
    pub(super) fn ask(&mut self, within: Duration, now: Duration) -> Option<u32> {
        let answer_by = now + within + self.on_the_way();
        if let Some(question) = &mut self.question {
            question.answer_by = question.answer_by.min(answer_by);
            return None;
        }
        let number = self.next;
        self.next = self.next.wrapping_add(1);
        self.question = Some(Question {
            number,
            asked: now,
            answer_by,
        });
        Some(number)
    }

    /// A Pong came: the round-trip time, if it answers the question that stands. To be told before
    /// [`Self::heard`].
    pub(super) fn answered(&self, number: u32, now: Duration) -> Option<Duration> {
        let question = self.question.filter(|question| question.number == number)?;
        Some(now.saturating_sub(question.asked))
    }

    /// When to ask.
    pub(super) fn ask_at(&self) -> Option<Duration> {
        if self.question.is_some() {
            return None;
        }
        let idle = self.heard + self.ask_after;
        let unanswered = self.spoken.map(|spoken| spoken + UNANSWERED_AFTER);
        Some(unanswered.map_or(idle, |unanswered| unanswered.min(idle)))
    }

    /// When the other end counts as gone.
    pub(super) fn dead_at(&self) -> Option<Duration> {
        self.question.map(|question| question.answer_by)
    }

    fn on_the_way(&self) -> Duration {
        Duration::from_millis(self.bytes * 1_000 / LEAST_RATE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: Duration = Duration::from_secs(100);

    fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn an_idle_link_is_asked_about_by_its_dialer_first() {
        let dialer = Liveness::new(Role::Dialer, T);
        assert_eq!(dialer.ask_at(), Some(T + s(12)));
        assert_eq!(dialer.dead_at(), None);
        assert_eq!(Liveness::new(Role::Listener, T).ask_at(), Some(T + s(16)));
    }

    #[test]
    fn a_question_stands_until_any_frame_comes() {
        let mut live = Liveness::new(Role::Dialer, T);
        assert_eq!(live.ask(ANSWER_WITHIN, T + s(12)), Some(0));
        assert_eq!((live.ask_at(), live.dead_at()), (None, Some(T + s(27))));
        assert_eq!(live.ask(ANSWER_WITHIN, T + s(13)), None);
        assert_eq!(live.dead_at(), Some(T + s(27)));
        live.heard(T + s(14));
        assert_eq!((live.ask_at(), live.dead_at()), (Some(T + s(26)), None));
        assert_eq!(live.ask(ANSWER_WITHIN, T + s(26)), Some(1));
    }

    #[test]
    fn suspicion_shortens_the_wait_and_never_lengthens_it() {
        let mut live = Liveness::new(Role::Dialer, T);
        live.ask(ANSWER_WITHIN, T);
        live.ask(SUSPECT_ANSWER_WITHIN, T + s(1));
        assert_eq!(live.dead_at(), Some(T + s(4)));
        live.ask(SUSPECT_ANSWER_WITHIN, T + s(2));
        assert_eq!(live.dead_at(), Some(T + s(4)));
    }

    #[test]
    fn what_was_said_to_no_answer_is_asked_after_soon() {
        let mut live = Liveness::new(Role::Listener, T);
        live.spoke(100, T + s(3));
        live.spoke(100, T + s(4));
        assert_eq!(live.ask_at(), Some(T + s(5)));
        live.heard(T + s(5));
        assert_eq!(live.ask_at(), Some(T + s(21)));
        // Never later than an idle link is.
        live.spoke(100, T + s(20));
        assert_eq!(live.ask_at(), Some(T + s(21)));
    }

    #[test]
    fn a_question_behind_much_data_is_given_more_time() {
        let mut live = Liveness::new(Role::Listener, T);
        live.spoke(64 * 1_024, T);
        live.ask(ANSWER_WITHIN, T + s(2));
        assert_eq!(live.dead_at(), Some(T + s(2 + 15 + 2)));
        live.heard(T + s(9));
        live.ask(ANSWER_WITHIN, T + s(9));
        assert_eq!(live.dead_at(), Some(T + s(9 + 15)));
    }

    #[test]
    fn only_the_answer_to_the_standing_question_is_a_round_trip() {
        let mut live = Liveness::new(Role::Dialer, T);
        assert_eq!(live.answered(0, T), None);
        live.ask(ANSWER_WITHIN, T);
        assert_eq!(live.answered(1, T + s(1)), None);
        assert_eq!(live.answered(0, T + s(1)), Some(s(1)));
        live.heard(T + s(1));
        assert_eq!(live.answered(0, T + s(2)), None);
    }
}
