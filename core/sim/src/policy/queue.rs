//! What is planned, in the order of time, and at one instant in the order of planning.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::time::Duration;

use super::wire::WireId;

/// Something planned. Most of it is void when it comes and the node does not wait for it any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Event {
    /// A node asked to be woken.
    Timeout(u32),
    /// A node's writes are on its disk.
    Durable(u32),
    /// A node's scan is evaluated.
    Round(u32),
    /// What a scan heard that has ended.
    Heard(u32),
    /// A node becomes another one on the air.
    Turn(u32),
    /// What became of a node's dial.
    Dialled(u32, u64),
    /// A wide dial has found its node.
    Reached(u32, u32),
    /// The frame at the front of a direction has left, and is there.
    Frame(WireId, u8),
    /// A direction has carried all there was, and its sender has closed.
    Closed(WireId, u8),
    /// An end finds out that the wire is gone.
    Gone(WireId, u8),
    /// Whether the ends of a wire still hear each other.
    Look(WireId),
    /// Somebody on the way is somewhere else by now.
    Step(u32),
    /// Somebody is seen on a local network or the Internet.
    Seen(u32, u32),
    /// A flooder speaks.
    Flood(u32),
    /// What phones spent is recorded.
    Bill,
}

/// A planned event, in the order of time and of planning.
type Planned = Reverse<(Duration, u64, Event)>;

/// How much of the near future is kept in order. Of a city's hundreds of thousands of plans that is a few
/// thousand, which a processor's cache holds; the rest lies in heaps by its time.
const PAGE: Duration = Duration::from_millis(125);

#[derive(Debug, Default)]
pub(super) struct Queue {
    /// What comes before the end of the present page.
    near: BinaryHeap<Planned>,
    /// The present page, in lengths of a page.
    page: u128,
    /// What comes in later pages.
    far: BTreeMap<u128, Vec<Planned>>,
    serial: u64,
}

impl Queue {
    pub(super) fn plan(&mut self, at: Duration, event: Event) {
        self.serial += 1;
        let planned = Reverse((at, self.serial, event));
        let page = at.as_nanos() / PAGE.as_nanos();
        if page <= self.page {
            self.near.push(planned);
        } else {
            self.far.entry(page).or_default().push(planned);
        }
    }

    pub(super) fn next_time(&mut self) -> Option<Duration> {
        if self.near.is_empty()
            && let Some((page, planned)) = self.far.pop_first()
        {
            self.page = page;
            self.near = planned.into();
        }
        self.near.peek().map(|Reverse((at, ..))| *at)
    }

    pub(super) fn pop(&mut self) -> Option<(Duration, Event)> {
        self.next_time()?;
        self.near.pop().map(|Reverse((at, _, event))| (at, event))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_comes_first_and_then_the_order_of_planning() {
        let mut queue = Queue::default();
        assert!(queue.pop().is_none() && queue.next_time().is_none());
        // Far, near, at the edges of pages, and twice the same.
        let times = [900, 0, 125, 124, 126, 900, 10_000, 250, 125, 899];
        for (who, at) in (0..).zip(times) {
            queue.plan(Duration::from_millis(at), Event::Turn(who));
        }
        let mut popped = Vec::new();
        while let Some(next) = queue.next_time() {
            let Some((at, Event::Turn(who))) = queue.pop() else {
                panic!("something else was planned");
            };
            assert_eq!(at, next);
            popped.push((at.as_millis(), who));
            // What is planned for now or a page that has begun comes in its turn.
            if who == 7 {
                queue.plan(at, Event::Turn(10));
                queue.plan(Duration::from_millis(251), Event::Turn(11));
                queue.plan(Duration::ZERO, Event::Turn(12));
            }
        }
        let order = [
            (0, 1),
            (124, 3),
            (125, 2),
            (125, 8),
            (126, 4),
            (250, 7),
            (0, 12),
            (250, 10),
            (251, 11),
            (899, 9),
            (900, 0),
            (900, 5),
            (10_000, 6),
        ];
        assert_eq!(popped, order);
    }
}
