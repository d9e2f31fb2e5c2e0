use super::*;

const A: LinkId = LinkId(1);
const B: LinkId = LinkId(2);
const C: LinkId = LinkId(3);
const MS: Duration = Duration::from_millis(1);

fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn ids(range: core::ops::Range<u64>) -> Vec<ShortId> {
    range.map(ShortId).collect()
}

fn brought(fetch: &mut Fetch, link: LinkId, range: core::ops::Range<u64>, now: Duration) {
    for id in ids(range) {
        fetch.brought(link, id, now);
    }
}

#[test]
fn one_link_is_asked_at_a_time() {
    let mut fetch = Fetch::default();
    fetch.heard(A, ids(0..3));
    fetch.heard(B, ids(10..13));
    assert_eq!(fetch.poll(s(0)), Some((A, ids(0..3))));
    assert_eq!(fetch.poll(s(1)), None);
    brought(&mut fetch, A, 0..3, s(1));
    assert!(fetch.is_met(A));
    assert!(!fetch.is_met(B));
    assert_eq!(fetch.poll(s(1)), Some((B, ids(10..13))));
}

#[test]
fn what_came_elsewhere_is_not_asked_for() {
    let mut fetch = Fetch::default();
    fetch.heard(A, ids(0..2));
    fetch.heard(B, ids(10..12));
    assert!(fetch.poll(s(0)).is_some());
    // The same two bundles, by their ids on B.
    fetch.got(B, ShortId(10));
    fetch.got(B, ShortId(11));
    fetch.gone(A, &ids(0..2));
    assert_eq!(fetch.poll(s(0)), None);
    assert!(fetch.is_met(B));
    assert_eq!(fetch.poll_timeout(), None);
}

#[test]
fn a_link_that_brings_nothing_loses_its_turn_and_may_have_it_back() {
    let mut fetch = Fetch::default();
    fetch.heard(A, ids(0..1));
    fetch.heard(B, ids(10..11));
    assert_eq!(fetch.poll(s(0)).map(|(link, _)| link), Some(A));
    assert_eq!(fetch.poll_timeout(), Some(STALL));
    assert_eq!(fetch.poll(STALL - MS), None);
    assert_eq!(fetch.poll(STALL).map(|(link, _)| link), Some(B));
    fetch.link_down(B);
    assert_eq!(fetch.poll(STALL), Some((A, ids(0..1))));
}

#[test]
fn what_was_late_counts_when_it_comes() {
    let mut fetch = Fetch::default();
    fetch.heard(A, ids(0..2));
    assert!(fetch.poll(s(0)).is_some());
    assert_eq!(fetch.poll(STALL), Some((A, ids(0..2))), "asked again");
    brought(&mut fetch, A, 0..2, STALL);
    assert!(fetch.is_met(A));
    assert_eq!(fetch.poll(STALL), None);
}

#[test]
fn bundles_from_elsewhere_and_gone_ones_are_no_progress() {
    let mut fetch = Fetch::default();
    fetch.heard(A, ids(0..8));
    fetch.heard(B, ids(10..11));
    assert!(fetch.poll(s(0)).is_some());
    fetch.got(A, ShortId(0));
    fetch.gone(A, &ids(1..3));
    // One that it did not announce is none either.
    fetch.brought(A, ShortId(50), s(1));
    assert_eq!(fetch.poll_timeout(), Some(STALL));
    assert_eq!(fetch.poll(STALL).map(|(link, _)| link), Some(B));
}

#[test]
fn a_stalled_link_gives_way_at_once_and_is_forgiven_when_it_brings_something() {
    let mut fetch = Fetch::default();
    fetch.heard(A, ids(0..200));
    assert_eq!(fetch.poll(s(0)), Some((A, ids(0..120))));
    assert_eq!(
        fetch.poll(STALL).map(|(link, _)| link),
        Some(A),
        "nobody else"
    );
    fetch.heard(B, ids(1_100..1_200));
    assert_eq!(fetch.poll(STALL), Some((B, ids(1_100..1_116))));
    brought(&mut fetch, B, 1_100..1_101, STALL);
    // What A was asked for comes after all: it waits its turn like any other.
    brought(&mut fetch, A, 0..200, STALL + MS);
    fetch.heard(A, ids(300..302));
    brought(&mut fetch, B, 1_101..1_102, STALL + TURN - MS);
    assert_eq!(fetch.poll(STALL + TURN - MS), None);
    assert_eq!(fetch.poll(STALL + TURN).map(|(link, _)| link), Some(A));
}

#[test]
fn a_trickle_keeps_the_turn_for_five_seconds_only() {
    // Hardening #15: much promised, a little brought, so that honest links would wait for hours.
    let mut fetch = Fetch::default();
    fetch.heard(A, ids(0..1_000));
    fetch.heard(B, ids(2_000..2_001));
    assert_eq!(fetch.poll(s(0)), Some((A, ids(0..16))));
    for n in 0..4 {
        brought(&mut fetch, A, n..n + 1, s(n + 1));
        assert_eq!(fetch.poll(s(n + 1)), None, "after {n} s");
    }
    brought(&mut fetch, A, 4..5, TURN - MS);
    // Only the stall of what was asked, which is later, and the end of the turn.
    assert_eq!(fetch.poll_timeout(), Some(TURN));
    assert_eq!(fetch.poll(TURN - MS), None);
    assert_eq!(fetch.poll(TURN), Some((B, ids(2_000..2_001))));
}

#[test]
fn a_turn_goes_on_while_nobody_waits() {
    let mut fetch = Fetch::default();
    fetch.heard(A, ids(0..1_000));
    fetch.heard(B, ids(2_000..2_001));
    assert!(fetch.poll(s(0)).is_some());
    brought(&mut fetch, A, 0..1, TURN - MS);
    // What B has came from elsewhere.
    fetch.got(B, ShortId(2_000));
    assert_eq!(fetch.poll_timeout(), Some(TURN - MS + STALL));
    assert_eq!(fetch.poll(TURN).map(|(link, _)| link), Some(A));
    // Its turn is long over when somebody comes.
    fetch.heard(B, ids(2_001..2_002));
    assert_eq!(fetch.poll(TURN + MS), Some((B, ids(2_001..2_002))));
}

#[test]
fn the_window_does_not_shrink_below_the_first() {
    let mut fetch = Fetch::default();
    fetch.heard(A, ids(0..100));
    fetch.heard(B, ids(1_000..1_001));
    assert_eq!(fetch.poll(s(0)), Some((A, ids(0..16))));
    let late = SLUGGISH + MS;
    brought(&mut fetch, A, 0..8, late);
    assert_eq!(fetch.poll(late), Some((A, ids(16..24))));
}

#[test]
fn stalled_links_do_not_take_turns_from_each_other() {
    let mut fetch = Fetch::default();
    fetch.heard(A, ids(0..200));
    fetch.heard(B, ids(1_000..1_200));
    assert_eq!(fetch.poll(s(0)), Some((A, ids(0..16))));
    assert_eq!(fetch.poll(STALL), Some((B, ids(1_000..1_016))));
    // One that has brought all it had is not waited for either.
    fetch.heard(C, ids(2_000..2_001));
    fetch.got(C, ShortId(2_000));
    assert_eq!(fetch.poll(STALL * 2).map(|(link, _)| link), Some(B));
    assert_eq!(fetch.poll(STALL * 2 + MS), None);
    // What did not come waits once, at the end.
    for link in [A, B] {
        let lane = &fetch.lanes[&link];
        assert_eq!(lane.waiting.len() + lane.asked, lane.known.len());
    }
}

#[test]
fn what_is_announced_again_waits_once_and_who_has_nothing_gets_no_turn() {
    let mut fetch = Fetch::default();
    fetch.heard(A, ids(0..3));
    fetch.heard(A, ids(0..3));
    assert_eq!(fetch.lanes[&A].waiting.len(), 3);
    for id in ids(0..3) {
        fetch.got(A, id);
    }
    fetch.heard(B, ids(10..11));
    assert_eq!(fetch.poll(s(0)), Some((B, ids(10..11))));
}

#[test]
fn turns_go_round_among_those_that_bring() {
    let mut fetch = Fetch::default();
    let mut now = s(0);
    let mut order = Vec::new();
    for link in [A, B, C] {
        let base = link.0 * 1_000;
        fetch.heard(link, ids(base..base + 900));
    }
    for _ in 0..6 {
        let (link, asked) = fetch.poll(now).unwrap();
        order.push(link.0);
        let late = now + TURN - MS;
        let bring = |fetch: &mut Fetch, ids: Vec<ShortId>, at| {
            for id in ids {
                fetch.brought(link, id, at);
            }
        };
        bring(&mut fetch, asked, late);
        let (same, more) = fetch.poll(late).unwrap();
        assert_eq!(same, link, "until its turn is over");
        now += TURN;
        bring(&mut fetch, more, now);
    }
    assert_eq!(order, [1, 2, 3, 1, 2, 3]);
}

#[test]
fn the_window_grows_with_what_comes_quickly_and_shrinks_with_what_does_not() {
    let mut fetch = Fetch::default();
    fetch.heard(A, ids(0..2_000));
    fetch.heard(B, ids(5_000..5_001));
    let mut now = s(0);
    let mut next = 0;
    let mut waiting = 0;
    let mut round = |fetch: &mut Fetch, took: Duration| {
        now += took;
        // Half of what is awaited comes; then more is asked for.
        let most = waiting - waiting / 2;
        brought(fetch, A, next..next + most, now);
        next += most;
        waiting -= most;
        let asked = fetch.poll(now).map_or(0, |(_, ids)| ids.len() as u64);
        waiting += asked;
        waiting
    };
    assert_eq!(round(&mut fetch, s(0)), 16);
    assert_eq!(round(&mut fetch, QUICK - MS), 32);
    assert_eq!(round(&mut fetch, QUICK), 32, "neither quick nor sluggish");
    assert_eq!(round(&mut fetch, MS), 64);
    assert_eq!(round(&mut fetch, MS), 120, "at most {WINDOW}");
    assert_eq!(round(&mut fetch, MS), 120);
    assert_eq!(round(&mut fetch, SLUGGISH), 120);
    // Half of 120 are still awaited: nothing is asked before fewer than half of 60 are.
    assert_eq!(round(&mut fetch, SLUGGISH + MS), 60);
}

#[test]
fn the_window_is_filled_up_when_half_of_it_is_left() {
    let mut fetch = Fetch::default();
    fetch.heard(A, ids(0..400));
    // Alone it is the greatest: nothing can come twice.
    assert_eq!(fetch.poll(s(0)), Some((A, ids(0..120))));
    brought(&mut fetch, A, 0..59, MS);
    assert_eq!(fetch.poll(MS), None);
    brought(&mut fetch, A, 59..60, MS);
    assert_eq!(fetch.poll(MS), Some((A, ids(120..180))));
    // Somebody else waits: the little one counts, and has not grown.
    fetch.heard(B, ids(1_000..1_001));
    brought(&mut fetch, A, 60..171, s(2));
    assert_eq!(fetch.poll(s(2)), None);
    brought(&mut fetch, A, 171..172, s(2));
    assert_eq!(fetch.poll(s(2)), Some((A, ids(180..188))));
}

#[test]
fn an_announcer_of_everything_is_bounded() {
    let mut fetch = Fetch::default();
    fetch.heard(A, ids(0..MAX_HEARD as u64 + 10));
    let lane = &fetch.lanes[&A];
    assert_eq!(
        (lane.waiting.len(), lane.known.len()),
        (MAX_HEARD, MAX_HEARD)
    );
    fetch.heard(A, ids(MAX_HEARD as u64..MAX_HEARD as u64 + 1));
    assert_eq!(fetch.lanes[&A].known.len(), MAX_HEARD);
}

#[test]
fn announcing_and_taking_back_for_ever_costs_no_memory() {
    let mut fetch = Fetch::default();
    fetch.heard(B, ids(0..1));
    assert!(fetch.poll(s(0)).is_some());
    for _ in 0..1_000 {
        fetch.heard(A, ids(0..3));
        fetch.gone(A, &ids(0..3));
    }
    let lane = &fetch.lanes[&A];
    assert_eq!((lane.waiting.len(), lane.known.len()), (0, 0));
}
