//! What is to happen when, in order.

use std::{collections::BTreeMap, time::Duration};

/// Things by their time; of one time, first come, first served.
#[derive(Debug)]
pub(super) struct Schedule<T> {
    things: BTreeMap<(Duration, u64), T>,
    next: u64,
}

impl<T> Default for Schedule<T> {
    fn default() -> Self {
        Self {
            things: BTreeMap::new(),
            next: 0,
        }
    }
}

impl<T> Schedule<T> {
    pub(super) fn at(&mut self, time: Duration, thing: T) {
        self.things.insert((time, self.next), thing);
        self.next += 1;
    }

    pub(super) fn next_time(&self) -> Option<Duration> {
        self.things.keys().next().map(|(time, _)| *time)
    }

    /// The next thing whose time has come, and that time.
    pub(super) fn pop(&mut self, now: Duration) -> Option<(Duration, T)> {
        let entry = self.things.first_entry()?;
        if entry.key().0 > now {
            return None;
        }
        let ((time, _), thing) = entry.remove_entry();
        Some((time, thing))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_is_time_then_arrival_and_nothing_comes_early() {
        let ms = Duration::from_millis;
        let mut schedule = Schedule::default();
        for (time, thing) in [(2, 'c'), (1, 'a'), (2, 'd'), (1, 'b'), (3, 'e')] {
            schedule.at(ms(time), thing);
        }
        assert_eq!(schedule.next_time(), Some(ms(1)));
        let out: Vec<_> = std::iter::from_fn(|| schedule.pop(ms(2))).collect();
        assert_eq!(
            out,
            [(ms(1), 'a'), (ms(1), 'b'), (ms(2), 'c'), (ms(2), 'd')]
        );
        assert_eq!(schedule.next_time(), Some(ms(3)));
        assert_eq!(schedule.pop(ms(3)), Some((ms(3), 'e')));
        assert_eq!(schedule.next_time(), None);
    }
}
