//! The profile's phases, carried out: changes wake it up, calm lets it back off (LOC-6).
//!
//! What strangers can cause wakes it at most once in [`STRANGERS_WAKE_EVERY`], so that a flood of
//! advertisements cannot empty a battery.

use core::time::Duration;
use std::collections::VecDeque;

use super::{
    duty::{Advertising, Calm, LOOKING, Profile, QUIET, ScanMode, Schedule},
    event::Effect,
};

/// What strangers do wakes it up at most this often.
pub const STRANGERS_WAKE_EVERY: Duration = Duration::from_secs(300);
/// Android refuses a scan that would be the sixth started in [`STARTS_WITHIN`].
pub const MOST_STARTS: usize = 5;
/// See [`MOST_STARTS`].
pub const STARTS_WITHIN: Duration = Duration::from_secs(30);
/// From so many established neighbours on it advertises half as often, from four times as many on a
/// quarter: each then hears enough of the others, and the three channels carry them all.
pub const DENSE: usize = 32;

/// The state machine: decides phases and advertising.
#[derive(Debug)]
pub(super) struct Duty {
    profile: Profile,
    /// The last change; none before the radio is on.
    changed: Option<Duration>,
    strangers_woke: Option<Duration>,
    schedule: Option<Schedule>,
    /// Since when it is in the phase that `scan_wanted` tells.
    phase: Duration,
    scan_wanted: bool,
    scanning: Option<ScanMode>,
    starts: VecDeque<Duration>,
    advertising: Option<Advertising>,
}

impl Duty {
    pub(super) const fn new(profile: Profile) -> Self {
        Self {
            profile,
            changed: None,
            strangers_woke: None,
            schedule: None,
            phase: Duration::ZERO,
            scan_wanted: false,
            scanning: None,
            starts: VecDeque::new(),
            advertising: None,
        }
    }

    pub(super) const fn profile(&self) -> Profile {
        self.profile
    }

    pub(super) fn set_profile(&mut self, profile: Profile, now: Duration) {
        if self.profile != profile {
            self.profile = profile;
            self.wake(now);
        }
    }

    /// The radio is on.
    pub(super) fn start(&mut self, now: Duration) {
        self.changed.get_or_insert(now);
    }

    /// Something changed that strangers cannot cause.
    pub(super) fn wake(&mut self, now: Duration) {
        if let Some(changed) = &mut self.changed {
            *changed = now;
        }
    }

    /// Something changed that they can.
    pub(super) fn wake_by_stranger(&mut self, now: Duration) {
        let early = |woke: Duration| now < woke + STRANGERS_WAKE_EVERY;
        if !self.strangers_woke.is_some_and(early) {
            self.strangers_woke = Some(now);
            self.wake(now);
        }
    }

    /// What is to be done now, and when to look again.
    pub(super) fn advance(
        &mut self,
        established: usize,
        connectable: bool,
        now: Duration,
        effects: &mut Vec<Effect>,
    ) -> Option<Duration> {
        let changed = self.changed?;
        let (calm, mut again) = calm(changed, now);
        let schedule = self.profile.schedule(calm);
        if self.schedule != Some(schedule) {
            self.schedule = Some(schedule);
            self.scan_wanted = true;
            self.phase = now;
        }
        if !schedule.off.is_zero() {
            let length = |wanted| if wanted { schedule.on } else { schedule.off };
            if now >= self.phase + length(self.scan_wanted) {
                self.scan_wanted = !self.scan_wanted;
                self.phase = now;
            }
            let flip = self.phase + length(self.scan_wanted);
            again = Some(again.map_or(flip, |again| again.min(flip)));
        }
        let mode = self.scan_wanted.then_some(schedule.mode);
        if let Some(allowed) = self.scan(mode, now, effects) {
            again = Some(again.map_or(allowed, |again| again.min(allowed)));
        }
        let advertising = Advertising {
            interval: schedule.advertise * stretch(established),
            connectable,
        };
        if self.advertising != Some(advertising) {
            self.advertising = Some(advertising);
            effects.push(Effect::Advertise(advertising));
        }
        again
    }

    /// Changes the mode, or says when that is allowed.
    fn scan(
        &mut self,
        mode: Option<ScanMode>,
        now: Duration,
        effects: &mut Vec<Effect>,
    ) -> Option<Duration> {
        if self.scanning == mode {
            return None;
        }
        if mode.is_some() {
            let oldest = self.starts.front().copied();
            let allowed = oldest.map(|oldest| oldest + STARTS_WITHIN);
            if self.starts.len() >= MOST_STARTS {
                if let Some(allowed) = allowed.filter(|allowed| now < *allowed) {
                    return Some(allowed);
                }
                self.starts.pop_front();
            }
            self.starts.push_back(now);
        }
        self.scanning = mode;
        effects.push(Effect::Scan(mode));
        None
    }
}

/// How calm it is, and when it is calmer.
fn calm(changed: Duration, now: Duration) -> (Calm, Option<Duration>) {
    if now < changed + LOOKING {
        (Calm::Looking, Some(changed + LOOKING))
    } else if now < changed + QUIET {
        (Calm::Quiet, Some(changed + QUIET))
    } else {
        (Calm::Still, None)
    }
}

/// By how much advertising slows down.
const fn stretch(established: usize) -> u32 {
    if established < DENSE {
        1
    } else if established < 4 * DENSE {
        2
    } else {
        4
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: Duration = Duration::from_secs(100);
    const S: Duration = Duration::from_secs(1);
    const MS: Duration = Duration::from_millis(1);

    fn running(profile: Profile) -> Duty {
        let mut duty = Duty::new(profile);
        duty.start(T);
        duty
    }

    /// All effects up to a time, with their times.
    fn run(duty: &mut Duty, from: Duration, to: Duration) -> Vec<(Duration, Effect)> {
        let (mut now, mut all) = (from, Vec::new());
        loop {
            let mut effects = Vec::new();
            let again = duty.advance(0, true, now, &mut effects);
            all.extend(effects.into_iter().map(|effect| (now, effect)));
            match again.filter(|again| *again <= to) {
                Some(again) if again > now => now = again,
                Some(_) => panic!("a timer in the past"),
                None => return all,
            }
        }
    }

    fn advertise(ms: u32) -> Effect {
        Effect::Advertise(Advertising {
            interval: ms * MS,
            connectable: true,
        })
    }

    #[test]
    fn a_profile_looks_hard_and_then_backs_off() {
        // LOC-6.
        let mut duty = running(Profile::LowPower);
        let scan = |on: bool| Effect::Scan(on.then_some(ScanMode::ScreenOff));
        let done = run(&mut duty, T, T + 450 * S);
        let from = |start: u32, step: u32, count: u32| {
            (0..count).map(move |n| (T + (start + step * n) * S, scan(n % 2 == 1)))
        };
        let mut expected = vec![(T, scan(true)), (T, advertise(250))];
        // From 60 s on 21 s each; at 300 s the phase is cut short and the calmest schedule begins with one on.
        expected.extend(from(81, 21, 11));
        expected.extend([(T + 300 * S, scan(true)), (T + 300 * S, advertise(500))]);
        expected.extend([(T + 321 * S, scan(false)), (T + 384 * S, scan(true))]);
        expected.push((T + 405 * S, scan(false)));
        assert_eq!(done, expected);
    }

    #[test]
    fn a_change_wakes_it_up_and_strangers_seldom() {
        // LOC-6; bad input.
        let mut duty = running(Profile::LowPower);
        run(&mut duty, T, T + 429 * S);
        duty.wake_by_stranger(T + 430 * S);
        assert_eq!(
            run(&mut duty, T + 430 * S, T + 430 * S),
            vec![
                (T + 430 * S, Effect::Scan(Some(ScanMode::ScreenOff))),
                (T + 430 * S, advertise(250))
            ]
        );
        let woke = T + 430 * S;
        duty.wake_by_stranger(woke + STRANGERS_WAKE_EVERY - MS);
        assert_eq!(duty.changed, Some(woke));
        duty.wake(woke + S);
        assert_eq!(duty.changed, Some(woke + S));
        duty.wake_by_stranger(woke + STRANGERS_WAKE_EVERY);
        assert_eq!(duty.changed, Some(woke + STRANGERS_WAKE_EVERY));
    }

    #[test]
    fn nothing_is_done_before_the_radio_is_on() {
        let mut duty = Duty::new(Profile::Balanced);
        duty.wake(T);
        duty.wake_by_stranger(T);
        let mut effects = Vec::new();
        assert_eq!(duty.advance(0, true, T, &mut effects), None);
        assert!(effects.is_empty());
        duty.start(T + S);
        duty.start(T + 9 * S);
        assert_eq!(duty.changed, Some(T + S));
    }

    #[test]
    fn five_scans_are_started_in_thirty_seconds_at_most() {
        // Android ends the scans of an app that starts a sixth.
        let mut duty = running(Profile::Balanced);
        let mut starts = Vec::new();
        for tenth in 0..1_200_u32 {
            let now = T + tenth * 100 * MS;
            let profile = if tenth % 2 == 0 {
                Profile::Performance
            } else {
                Profile::LowPower
            };
            duty.set_profile(profile, now);
            let mut effects = Vec::new();
            duty.advance(0, true, now, &mut effects);
            let started = |effect: &&Effect| matches!(effect, Effect::Scan(Some(_)));
            starts.extend(effects.iter().filter(started).map(|_| now));
        }
        assert!(
            starts
                .windows(6)
                .all(|six| six[5] - six[0] >= STARTS_WITHIN)
        );
        assert_eq!(starts.len(), 20);
        assert_eq!(duty.profile(), Profile::LowPower);
        let mut duty = running(Profile::Balanced);
        let mut scanned = |profile, now| {
            let mut effects = Vec::new();
            duty.set_profile(profile, now);
            let again = duty.advance(0, true, now, &mut effects);
            let scan = |effect: &Effect| matches!(effect, Effect::Scan(_));
            (effects.iter().any(scan), again)
        };
        for number in 0..5 {
            let profile = [Profile::Performance, Profile::LowPower][number as usize % 2];
            assert!(scanned(profile, T + number * S).0);
        }
        let allowed = T + STARTS_WITHIN;
        assert_eq!(
            scanned(Profile::LowPower, T + 5 * S),
            (false, Some(allowed))
        );
        assert!(!scanned(Profile::LowPower, allowed - MS).0);
        assert!(scanned(Profile::LowPower, allowed).0);
    }

    #[test]
    fn a_crowd_advertises_less_often() {
        let mut duty = running(Profile::Balanced);
        for (established, ms) in [(31, 250), (32, 500), (128, 1_000), (127, 500), (0, 250)] {
            let mut effects = Vec::new();
            duty.advance(established, true, T, &mut effects);
            assert_eq!(effects.last(), Some(&advertise(ms)), "{established}");
        }
        let mut effects = Vec::new();
        duty.advance(0, true, T, &mut effects);
        assert!(effects.is_empty());
        duty.advance(0, false, T, &mut effects);
        let not = Advertising {
            interval: 250 * MS,
            connectable: false,
        };
        assert_eq!(effects, vec![Effect::Advertise(not)]);
    }
}
