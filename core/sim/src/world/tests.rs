use std::collections::BTreeMap;

use super::*;

fn scenario(move_: &str, more: &str) -> Scenario {
    let text = format!(
        r##"
name = "small"
shows = "x"
fidelity = "policy"
duration = "6 h"
[[group]]
name = "a"
count = 40
place = {{ rectangle = {{ corner = [100, 100], width = 100, height = 50 }} }}
move = {move_}
[[group]]
name = "b"
count = 2
place = {{ at = [[1, 2], [3, 4]] }}
from = "1 h"
over = "1 h"
[[channel]]
name = "#all"
groups = ["a", "b"]
[demand]
delivery = 0.5
{more}
"##
    );
    Scenario::parse(&text).unwrap_or_else(|error| panic!("{error}"))
}

fn run(scenario: &Scenario, seed: u64) -> Vec<Happening> {
    let mut world = World::new(scenario, seed);
    std::iter::from_fn(|| world.happen(world.end())).collect()
}

const S: Duration = Duration::from_secs(1);
const MIN: Duration = Duration::from_secs(60);
const H: Duration = Duration::from_secs(3_600);

#[test]
fn a_seed_is_a_world() {
    // SIM-3.
    let walks = "{ waypoint = { within = 50, speed = [0.5, 1.5], pause = \"1 min\" } }";
    let talk = "[[traffic]]\ngroup = \"a\"\nchannel = \"#all\"\nevery = \"1 h\"\nbytes = [1, 9]";
    let scenario = scenario(walks, talk);
    let first = run(&scenario, 1);
    assert_eq!(first, run(&scenario, 1));
    assert_ne!(first, run(&scenario, 2));
    assert!(first.is_sorted_by_key(|happening| happening.at));
    assert!(first.iter().all(|happening| happening.at < 6 * H));
    let says = first
        .iter()
        .filter(|it| matches!(it.what, What::Says { .. }))
        .count();
    // Forty people, once an hour each, for six hours: 240 with a deviation of 15.5.
    assert!((190..290).contains(&says), "{says}");
    // Another rule of talk changes nobody's way.
    let silent = run(&self::scenario(walks, ""), 1);
    let walks = |all: &[Happening]| -> Vec<Happening> {
        let walks = all.iter().filter(|it| matches!(it.what, What::Walks(_)));
        walks.copied().collect()
    };
    assert_eq!(walks(&first), walks(&silent));
}

#[test]
fn ways_are_unbroken_within_reach_and_speed() {
    for (move_, within, speeds) in [
        (
            "{ waypoint = { within = 50, speed = [0.5, 1.5], pause = \"10 s\" } }",
            50.0,
            (0.5, 1.5),
        ),
        (
            "{ streets = { block = 20, within = 60, speed = [1, 2] } }",
            60.0,
            (1.0, 2.0),
        ),
    ] {
        let scenario = scenario(move_, "");
        let world = World::new(&scenario, 3);
        let mut at: BTreeMap<u32, Position> = BTreeMap::new();
        let mut legs = 0;
        for happening in run(&scenario, 3) {
            let What::Walks(leg) = happening.what else {
                continue;
            };
            legs += 1;
            let home = world.position(happening.who, Duration::ZERO);
            let from = at.insert(happening.who, leg.to).unwrap_or(home);
            assert_eq!((from, happening.at), (leg.from, leg.departs));
            for (a, b) in [(leg.to.x, home.x), (leg.to.y, home.y)] {
                assert!((a - b).abs() <= within + 1e-9, "{move_}: {a} {b}");
            }
            let takes = (leg.arrives - leg.departs).as_secs_f64();
            let metres = leg.from.distance(leg.to);
            assert!(metres / takes <= speeds.1 + 1e-9 && metres / (takes - 0.002) >= speeds.0);
        }
        assert!(legs > 1_000, "{legs}");
    }
}

#[test]
fn somebody_on_the_way_is_between() {
    let place = |x| Position { x, y: 2.0 * x };
    let leg = Leg {
        from: place(0.0),
        to: place(10.0),
        departs: 10 * S,
        arrives: 20 * S,
        walked: 0.0,
    };
    for (at, x) in [(0, 0.0), (10, 0.0), (15, 5.0), (20, 10.0), (99, 10.0)] {
        assert_eq!(leg.position(at * S), place(x), "{at}");
    }
}

#[test]
fn a_train_keeps_its_passengers_together_and_comes_back() {
    let ride = "{ ride = { stops = [[100, 100], [1100, 100], [1100, 600]], speed = 10, \
                stop = \"1 min\", start = \"5 min\", and-back = true } }";
    let scenario = scenario(ride, "");
    let mut legs: BTreeMap<u32, Vec<Leg>> = BTreeMap::new();
    for happening in run(&scenario, 3) {
        if let What::Walks(leg) = happening.what {
            legs.entry(happening.who).or_default().push(leg);
        }
    }
    assert_eq!(legs.len(), 40);
    let first = &legs[&0];
    assert_eq!(first[0].departs, 300 * S);
    let offset = |a: Position, b: Position| (a.x - b.x, a.y - b.y);
    for leg in legs.values() {
        for (one, other) in leg.iter().zip(first) {
            let apart = offset(one.to, other.to);
            let began = offset(leg[0].from, first[0].from);
            assert!((apart.0 - began.0).abs() < 1e-6 && (apart.1 - began.1).abs() < 1e-6);
            assert_eq!(one.departs, other.departs);
        }
    }
    let way: Vec<(f64, f64)> = first[..5]
        .iter()
        .map(|leg| offset(leg.to, first[0].from))
        .map(|(x, y)| (x.round(), y.round()))
        .collect();
    let (a, b, c) = ((0.0, 0.0), (1_000.0, 0.0), (1_000.0, 500.0));
    assert_eq!(way, [b, c, b, a, b]);
    let once = self::scenario(&ride.replace("true", "false"), "");
    let count = run(&once, 3)
        .iter()
        .filter(|it| matches!(it.what, What::Walks(_)))
        .count();
    assert_eq!(count, 80);
}

#[test]
fn commuters_go_and_come_back_each_day_and_a_crowd_leaves_once() {
    let commute = "{ commute = { corner = [900, 0], width = 10, height = 10, go = \"10 min\", \
                   back = \"1 h\", spread = \"5 min\", speed = [10, 12], day = \"2 h\" } }";
    let mut seen = BTreeMap::<u32, Vec<Leg>>::new();
    for happening in run(&scenario(commute, ""), 1) {
        if let What::Walks(leg) = happening.what {
            seen.entry(happening.who).or_default().push(leg);
        }
    }
    for legs in seen.values() {
        assert_eq!(legs.len(), 6);
        for (number, leg) in (0..).zip(legs) {
            let day = 2 * H * (number / 2);
            let base = day + if number % 2 == 0 { 600 * S } else { H };
            assert!(leg.departs >= base && leg.departs <= base + 300 * S);
            assert_eq!(leg.to.x >= 900.0, number % 2 == 0);
        }
    }
    let leave = "{ leave = { from = [150, 125], at = \"1 h\", spread = \"10 min\", \
                 distance = 500, speed = [1, 1] } }";
    let left: Vec<Leg> = run(&scenario(leave, ""), 1)
        .iter()
        .filter_map(|it| match it.what {
            What::Walks(leg) => Some(leg),
            _ => None,
        })
        .collect();
    assert_eq!(left.len(), 40);
    let centre = Position { x: 150.0, y: 125.0 };
    for leg in left {
        assert!(leg.departs >= H && leg.departs <= H + 600 * S);
        assert!((leg.to.distance(centre) - leg.from.distance(centre) - 500.0).abs() < 1e-6);
    }
}

#[test]
fn phones_go_off_and_on_in_turn() {
    let more = r#"
[[power]]
group = "a"
count = 5
what = { sleep = { every = "10 min", lasts = "4 min" } }
[[power]]
group = "a"
count = 10
what = { crash = { every = "30 min", down = "2 min" } }
[[power]]
group = "b"
count = 1
what = { empty = { at = ["3 h", "4 h"], charged-after = "30 min" } }
"#;
    let mut on = BTreeMap::<u32, bool>::new();
    let mut counts = BTreeMap::<Off, u32>::new();
    for happening in run(&scenario("\"still\"", more), 5) {
        let before = on.get(&happening.who).copied();
        match happening.what {
            What::On => assert_ne!(on.insert(happening.who, true), Some(true)),
            What::Off(how) => {
                assert_eq!(before, Some(true));
                *counts.entry(how).or_default() += 1;
                on.insert(happening.who, false);
                assert_eq!(how == Off::Empty, happening.who == 40);
            }
            _ => {}
        }
        if how_late(happening.who) > happening.at {
            panic!("{happening:?}");
        }
    }
    assert_eq!(on.len(), 42);
    assert_eq!(counts[&Off::Empty], 1);
    assert!(
        counts[&Off::Sleep] > 100 && counts[&Off::Crash] > 50,
        "{counts:?}"
    );
}

#[test]
fn whoever_sleeps_now_and_then_may_be_asleep_at_the_beginning() {
    let more = r#"
[[power]]
group = "a"
what = { sleep = { every = "10 min", lasts = "6 min" } }
"#;
    let mut first = BTreeMap::<u32, Duration>::new();
    for happening in run(&scenario("\"still\"", more), 5) {
        if happening.what == What::On {
            first.entry(happening.who).or_insert(happening.at);
        }
    }
    let awake = (0..40).filter(|who| first[who].is_zero()).count();
    assert!((10..22).contains(&awake), "{awake} of 40");
    let late = (0..40).filter(|who| first[who] > 3 * MIN).count();
    assert!(
        late > 5 && first.values().all(|at| *at <= 6 * MIN || *at >= H),
        "{late}"
    );
}

/// The second group comes after an hour.
fn how_late(who: u32) -> Duration {
    if who < 40 { Duration::ZERO } else { H }
}

#[test]
fn windows_open_and_close() {
    let more = r#"
[[internet]]
group = "b"
when = { from = "30 min", for = "10 min", every = "1 h" }
[[internet]]
group = "b"
count = 1
when = { from = "150 min", for = "10 min" }
[[lan]]
name = "hall"
group = "a"
count = 2
when = { from = "1 h", for = "1 h" }
[[lan]]
name = "home"
group = "b"
"#;
    let mut internet = BTreeMap::<u32, Vec<(u64, bool)>>::new();
    let mut lan = Vec::new();
    for happening in run(&scenario("\"still\"", more), 5) {
        match happening.what {
            What::Internet(on) => {
                let minute = happening.at.as_secs() / 60;
                internet
                    .entry(happening.who)
                    .or_default()
                    .push((minute, on));
            }
            What::Lan {
                lan: number,
                inside,
            } => {
                lan.push((happening.at.as_secs() / 60, happening.who, number, inside));
            }
            _ => {}
        }
    }
    let last = |who: u32| {
        internet[&who]
            .iter()
            .filter(|(at, _)| *at > 120)
            .copied()
            .collect()
    };
    let twice: Vec<(u64, bool)> = last(40);
    let once: Vec<(u64, bool)> = last(41);
    // Both rules hold together from 150 on: one beginning, one end.
    assert_eq!(
        once,
        [150, 160, 210, 220, 270, 280, 330, 340].map(|at| (at, at % 60 == 30))
    );
    assert_eq!(twice, once);
    let hall: Vec<_> = lan
        .iter()
        .filter(|(_, _, number, _)| *number == 0)
        .collect();
    assert_eq!(
        hall,
        [
            &(60, 0, 0, true),
            &(60, 1, 0, true),
            &(120, 0, 0, false),
            &(120, 1, 0, false)
        ]
    );
    assert_eq!(lan.iter().filter(|it| it.2 == 1).count(), 2);
}

#[test]
fn roles_are_the_first_of_a_group_and_hostile_ones_are_in_no_channel() {
    let more = r#"
[[hostile]]
group = "a"
count = 3
does = { flooding = { per-second = 2 } }
[[clock]]
group = "b"
count = 1
seconds = -1.5
[[channel]]
name = "family"
groups = ["b", "a"]
of = 4
[[traffic]]
group = "a"
channel = "family"
every = "10 min"
bytes = [5, 5]
"#;
    let scenario = scenario("\"still\"", more);
    let world = World::new(&scenario, 1);
    let hostile: Vec<bool> = world
        .people()
        .iter()
        .map(|it| it.malice.is_some())
        .collect();
    assert_eq!(hostile.iter().filter(|it| **it).count(), 3);
    assert!(hostile[..3].iter().all(|it| *it));
    assert_eq!(
        (world.people()[40].clock_ms, world.people()[41].clock_ms),
        (-1_500, 0)
    );
    let channels = world.channels();
    assert_eq!(channels.len(), 11);
    assert_eq!(channels[0].members, (3..42).collect::<Vec<u32>>());
    assert_eq!(
        (channels[1].name.as_str(), &channels[1].members[..]),
        ("family-1", &[3, 4, 5, 6][..])
    );
    assert_eq!(channels[10].members, [39, 40, 41]);
    for happening in run(&scenario, 1) {
        if let What::Says { channel, bytes } = happening.what {
            assert!(channels[channel as usize].members.contains(&happening.who));
            assert_eq!(bytes, 5);
        }
    }
}
