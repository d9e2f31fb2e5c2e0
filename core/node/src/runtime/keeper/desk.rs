//! What the store does next: writes wait for others to share their flush, questions do not.

use std::time::Duration;

use super::{Haste, Job, Question, budget::Budget, group::Group};

/// What nobody at all waits for is held back so long.
const LAZY: Duration = Duration::from_millis(250);

/// What is to be done now, in this order.
#[derive(Default)]
pub(super) struct Due {
    pub(super) commit: Option<Group>,
    pub(super) answer: Option<Question>,
}

/// Takes jobs in order. Times count from the keeper's start.
#[derive(Default)]
pub(super) struct Desk {
    budget: Budget,
    open: Option<Group>,
}

impl Desk {
    /// How long others may join: until then, or until no job is there any more if that is past; for ever when
    /// nothing waits.
    pub(super) fn wait(&self, now: Duration) -> Option<Duration> {
        let group = self.open.as_ref()?;
        Some(if group.is_worth_it() {
            now
        } else {
            match group.haste {
                Haste::None => self.budget.next().max(group.began + LAZY),
                Haste::Soon | Haste::Now => self.budget.next(),
            }
        })
    }

    /// A job was there, or none was when the time had come, or none can come any more.
    pub(super) fn turn(&mut self, job: Option<Job>, now: Duration) -> Due {
        match job {
            Some(job) => self.take(job, now),
            None => self.close(now),
        }
    }

    fn take(&mut self, job: Job, now: Duration) -> Due {
        let due = self.wait(now).is_some_and(|at| at <= now);
        match (job, &mut self.open) {
            (Job::Commit(write), Some(group)) => match group.join(write) {
                Ok(()) => Due::default(),
                Err(write) => {
                    let full = self.close(now);
                    self.open = Some(Group::of(write, now));
                    full
                }
            },
            (Job::Commit(write), None) => {
                self.open = Some(Group::of(write, now));
                Due::default()
            }
            (Job::Ask(question), Some(group)) if due || group.concerns(&question) => Due {
                answer: Some(question),
                ..self.close(now)
            },
            (Job::Ask(question), _) => Due {
                answer: Some(question),
                commit: None,
            },
        }
    }

    fn close(&mut self, now: Duration) -> Due {
        let commit = self.open.take();
        if commit.is_some() {
            self.budget.spend(now);
        }
        Due {
            commit,
            answer: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use sovereign_protocol::{
        engine::{StoreOp, Token},
        id::{ChannelId, ContentId, LinkId},
    };

    use super::{super::Write, *};
    use crate::runtime::keeper::group::WORTH_A_FLUSH;

    const NOW: Duration = Duration::from_secs(100);
    const HOUR: Duration = Duration::from_secs(3_600);

    /// One whose next flush that nobody waits for is an hour away.
    fn spent() -> Desk {
        Desk {
            budget: Budget { paid: NOW + HOUR },
            open: None,
        }
    }

    fn write(id: u8, haste: Haste) -> Job {
        let put = StoreOp::PutChannel {
            channel: ChannelId([id; 16]),
            record: vec![id],
        };
        commit(put, haste)
    }

    fn commit(op: StoreOp, haste: Haste) -> Job {
        Job::Commit(Write {
            token: Token(0),
            ops: vec![op],
            haste,
        })
    }

    fn load(id: u8) -> Job {
        Job::Ask(Question::Load {
            link: LinkId(1),
            content: ContentId([id; 32]),
        })
    }

    fn loaded(due: &Due) -> Option<u8> {
        match due.answer {
            Some(Question::Load { content, .. }) => Some(content.0[0]),
            _ => None,
        }
    }

    #[test]
    fn others_may_join_until_somebody_waits() {
        let mut desk = spent();
        assert!(desk.wait(NOW).is_none());
        for haste in [Haste::Soon, Haste::Soon] {
            assert!(desk.take(write(1, haste), NOW).commit.is_none());
            assert!(desk.wait(NOW) > Some(NOW));
        }
        assert!(desk.take(write(2, Haste::Now), NOW).commit.is_none());
        assert_eq!(desk.wait(NOW), Some(NOW));
        // It came after the one that is waited for.
        let due = desk.take(load(7), NOW);
        assert_eq!(loaded(&due), Some(7));
        let group = due.commit.expect("it goes first");
        assert_eq!((group.writes.len(), group.haste), (3, Haste::Now));
        assert!(desk.wait(NOW).is_none());
    }

    #[test]
    fn questions_are_answered_meanwhile_unless_the_group_changes_the_answer() {
        let mut desk = spent();
        desk.take(
            commit(StoreOp::DropBundle(ContentId([7; 32])), Haste::Soon),
            NOW,
        );
        let due = desk.take(load(8), NOW);
        assert!(due.commit.is_none());
        assert_eq!(loaded(&due), Some(8));
        let due = desk.take(load(7), NOW);
        assert!(due.commit.is_some(), "the question comes after it");
        assert_eq!(loaded(&due), Some(7));
    }

    #[test]
    fn what_nobody_waits_for_does_not_use_a_flush_that_is_due() {
        let mut desk = Desk::default();
        desk.take(write(0, Haste::None), NOW);
        assert_eq!(desk.wait(NOW), Some(NOW + LAZY));
        desk.take(write(1, Haste::Soon), NOW);
        assert!(desk.wait(NOW) <= Some(NOW));
        let group = desk.close(NOW).commit.expect("it is due");
        assert_eq!((group.writes.len(), group.haste), (2, Haste::Soon));
    }

    #[test]
    fn a_heavy_group_waits_for_nothing() {
        let mut desk = spent();
        let heavy = StoreOp::PutChannel {
            channel: ChannelId([1; 16]),
            record: vec![0; WORTH_A_FLUSH],
        };
        desk.take(commit(heavy, Haste::None), NOW);
        assert_eq!(desk.wait(NOW), Some(NOW));
    }

    #[test]
    fn one_that_finds_no_room_opens_the_next_group() {
        let mut desk = spent();
        let half = || StoreOp::PutChannel {
            channel: ChannelId([1; 16]),
            record: vec![0; crate::ports::store::MAX_BATCH / 2],
        };
        assert!(desk.take(commit(half(), Haste::Soon), NOW).commit.is_none());
        let full = desk.take(commit(half(), Haste::Soon), NOW).commit;
        assert_eq!(full.map(|group| group.writes.len()), Some(1));
        assert_eq!(
            desk.close(NOW).commit.map(|group| group.writes.len()),
            Some(1)
        );
    }
}
