//! Who hears whom.

use std::time::Duration;

use sovereign_node::ports::radio::{RadioCommand, RadioEvent, ScanDuty};
use sovereign_sim::radio::{Counters, Dialling, Hardware, Physics, RadioId, Shadowing, Span};

use crate::run::{ALWAYS, MS, Run, SECOND};

/// Distance and nothing else.
fn plain() -> Physics {
    Physics {
        path_loss_exponent: 2.1,
        horizon_m: 200.0,
        ..Physics::ideal()
    }
}

fn rssi(run: &mut Run, radio: RadioId) -> Vec<i8> {
    run.told(radio)
        .into_iter()
        .filter_map(|(_, event)| match event {
            RadioEvent::Sighted { rssi_dbm, .. } => rssi_dbm,
            _ => None,
        })
        .collect()
}

#[test]
fn strength_falls_with_distance_as_the_model_says() {
    let mut run = Run::new(plain(), 1);
    let here = run.join(0.0, Hardware::phone());
    let there = run.join(1.0, Hardware::phone());
    run.scan(here, ALWAYS);
    run.advertise(there, 100 * MS);
    // -65.5 - 21 log10(d); the measured means were -65.5, -78.4, -84.1, -90.8.
    for (metres, dbm) in [(1.0, -66), (2.0, -72), (5.0, -80), (10.0, -87), (16.0, -91)] {
        run.walk(there, metres);
        run.told(here);
        run.pass(SECOND);
        assert_eq!(rssi(&mut run, here), [dbm; 10], "{metres} m");
    }
    // 25.4 m is where -95 dBm is reached.
    run.walk(there, 25.3);
    run.pass(SECOND);
    assert_eq!(rssi(&mut run, here), [-95; 10]);
    run.walk(there, 25.5);
    run.pass(SECOND);
    assert!(rssi(&mut run, here).is_empty());
    assert_eq!(run.world.counters().weak, 10);
    run.walk(there, 201.0);
    run.pass(SECOND);
    assert_eq!(run.world.counters().weak, 10, "beyond the horizon");
}

#[test]
fn shadows_spread_strength_around_its_mean_and_both_ways_alike() {
    let shadowing = Shadowing {
        sigma_db: 6.0,
        distance_m: 2.0,
        time: None,
    };
    let mut run = Run::new(
        Physics {
            shadowing,
            ..plain()
        },
        5,
    );
    let here = run.join(0.0, Hardware::ideal());
    let mut sum = 0.0;
    let mut squares = 0.0;
    for _ in 0..2_000 {
        let there = run.join(10.0, Hardware::ideal());
        run.scan(here, ALWAYS);
        run.scan(there, ALWAYS);
        run.advertise(there, 100 * MS);
        run.advertise(here, 100 * MS);
        run.pass(50 * MS);
        let [forth] = rssi(&mut run, here)[..] else {
            panic!("heard once")
        };
        assert_eq!(rssi(&mut run, there), [forth]);
        let above = f64::from(forth) - run.world.mean_dbm(there, here).unwrap();
        sum += above;
        squares += above * above;
        run.submit(here, RadioCommand::Advertise(None)).unwrap();
        run.handle(sovereign_sim::radio::WorldEvent::Leave(there));
    }
    let (mean, sigma) = (sum / 2_000.0, (squares / 2_000.0f64).sqrt());
    assert!(
        mean.abs() < 0.5 && (sigma - 6.0).abs() < 0.3,
        "{mean} {sigma}"
    );
}

fn lossy(seed: u64) -> Counters {
    let physics = Physics {
        advertisement_loss: 0.1,
        ..plain()
    };
    let mut run = Run::new(physics, seed);
    let here = run.join(0.0, Hardware::phone());
    let there = run.join(1.0, Hardware::phone());
    run.scan(here, ALWAYS);
    run.advertise(there, 100 * MS);
    run.pass(1_000 * SECOND - 50 * MS);
    let sightings = rssi(&mut run, here).len() as u64;
    let counters = run.world.counters();
    assert_eq!(counters.heard, sightings);
    assert_eq!(counters.heard + counters.lost, counters.advertised);
    counters
}

#[test]
fn advertisements_are_lost_at_the_stated_rate_and_always_the_same_ones() {
    let counters = lossy(1);
    assert_eq!(counters.advertised, 10_000);
    // Four standard deviations of 30.
    assert!(counters.lost.abs_diff(1_000) < 120, "{counters:?}");
    assert_eq!(lossy(1), counters);
    assert_ne!(lossy(2), counters);
}

#[test]
fn advertisements_that_overlap_destroy_each_other_unless_one_is_much_stronger() {
    let physics = Physics {
        collisions: true,
        capture_db: 21.0,
        ..plain()
    };
    for (other_at, apart, heard, collided) in [
        // On top of each other, and nearly.
        (1.0, Duration::ZERO, [0, 0], 20),
        (1.0, Duration::from_micros(151), [0, 0], 20),
        // The packet (19 bytes) lasts 152 µs: the next falls into a gap.
        (1.0, Duration::from_micros(152), [10, 10], 0),
        // 21 dB weaker at 10 m: only the stronger is heard.
        (10.1, Duration::ZERO, [10, 0], 10),
        (9.9, Duration::ZERO, [0, 0], 20),
    ] {
        let mut run = Run::new(physics, 1);
        let here = run.join(0.0, Hardware::phone());
        let one = run.join(-1.0, Hardware::phone());
        let other = run.join(other_at, Hardware::phone());
        run.scan(here, ALWAYS);
        run.advertise(one, 100 * MS);
        run.pass(apart);
        run.advertise(other, 100 * MS);
        run.pass(SECOND - 10 * MS);
        let strengths = rssi(&mut run, here);
        let strong = strengths.iter().filter(|dbm| **dbm == -66).count();
        if other_at > 1.0 {
            assert_eq!(
                [strong, strengths.len() - strong],
                heard,
                "{other_at} {apart:?}"
            );
        } else {
            assert_eq!(strengths.len(), heard[0] + heard[1], "{other_at} {apart:?}");
        }
        assert_eq!(
            run.world.counters().collided,
            collided,
            "{other_at} {apart:?}"
        );
    }
}

/// n advertisers with random delays collide as unslotted ALOHA says (Abramson 1970): a packet of length
/// ω survives n - 1 others of period T with probability (1 - 2ω/T)^(n - 1).
#[test]
fn a_crowd_collides_as_aloha_says() {
    let physics = Physics {
        collisions: true,
        capture_db: 1_000.0,
        advertising_delay: 10 * MS,
        ..plain()
    };
    let mut run = Run::new(physics, 1);
    let here = run.join(0.0, Hardware::phone());
    run.scan(here, ALWAYS);
    for n in 0..100u32 {
        let radio = run.join(1.0 + f64::from(n) / 100.0, Hardware::phone());
        run.pass(MS);
        run.advertise(radio, 100 * MS);
    }
    run.pass(60 * SECOND);
    let counters = run.world.counters();
    let collided = counters.collided as f64 / (counters.collided + counters.heard) as f64;
    let expected = 1.0 - (1.0 - 2.0 * 0.000_152 / 0.105f64).powi(99);
    assert!(
        (collided / expected - 1.0).abs() < 0.05,
        "{collided} {expected}"
    );
}

#[test]
fn who_sends_hears_nothing_meanwhile() {
    let physics = Physics {
        collisions: true,
        ..plain()
    };
    let mut run = Run::new(physics, 1);
    let here = run.join(0.0, Hardware::phone());
    let there = run.join(1.0, Hardware::phone());
    run.scan(here, ALWAYS);
    run.advertise(here, 100 * MS);
    run.advertise(there, 100 * MS);
    run.pass(990 * MS);
    assert!(rssi(&mut run, here).is_empty());
    run.submit(here, RadioCommand::Advertise(None)).unwrap();
    run.pass(SECOND);
    assert_eq!(rssi(&mut run, here), [-66; 10]);
}

#[test]
fn a_scanner_hears_as_much_as_its_window_is_wide() {
    let physics = Physics {
        duty: true,
        advertising_delay: 10 * MS,
        ..plain()
    };
    // Android's BALANCED and LOW_POWER windows.
    for (window, interval) in [(183, 730), (140, 1_400)] {
        let mut run = Run::new(physics, 1);
        let here = run.join(0.0, Hardware::phone());
        let there = run.join(1.0, Hardware::phone());
        let duty = ScanDuty {
            window: window * MS,
            interval: interval * MS,
        };
        run.scan(here, duty);
        run.advertise(there, 250 * MS);
        run.pass(2_000 * SECOND);
        let counters = run.world.counters();
        let share = counters.heard as f64 / counters.advertised as f64;
        let expected = f64::from(window) / f64::from(interval);
        assert!((share / expected - 1.0).abs() < 0.1, "{share} {expected}");
    }
}

#[test]
fn of_many_scanners_one_gets_the_scan_response() {
    for contention in [true, false] {
        let physics = Physics {
            contention,
            ..plain()
        };
        let mut run = Run::new(physics, 1);
        let there = run.join(0.0, Hardware::phone());
        let scanners: Vec<RadioId> = (0..10).map(|_| run.join(1.0, Hardware::phone())).collect();
        for scanner in &scanners {
            run.scan(*scanner, ALWAYS);
        }
        run.advertise(there, 100 * MS);
        run.pass(10 * SECOND);
        let length = |event: &RadioEvent| match event {
            RadioEvent::Sighted { heard, .. } => heard.len(),
            _ => 0,
        };
        let short = run.log.iter().filter(|(_, _, e)| length(e) == 3).count();
        let whole = run.log.iter().filter(|(_, _, e)| length(e) == 6).count();
        let expected = if contention { (900, 100) } else { (0, 1_000) };
        assert_eq!((short, whole), expected);
    }
}

#[test]
fn a_scan_response_needs_its_request_as_well() {
    let physics = Physics {
        advertisement_loss: 0.1,
        ..plain()
    };
    let mut run = Run::new(physics, 1);
    let here = run.join(0.0, Hardware::phone());
    let there = run.join(1.0, Hardware::phone());
    run.scan(here, ALWAYS);
    run.advertise(there, 100 * MS);
    run.pass(1_000 * SECOND);
    let is_whole =
        |event: &RadioEvent| matches!(event, RadioEvent::Sighted { heard, .. } if heard.len() == 6);
    let heard = run.told(here);
    let whole = heard.iter().filter(|(_, event)| is_whole(event)).count();
    // 0.9 twice; four standard deviations.
    let share = whole as f64 / heard.len() as f64;
    assert!((share - 0.81).abs() < 0.017, "{share}");
}

#[test]
fn an_advertisement_that_is_replaced_on_the_air_is_cut_off() {
    let mut run = Run::new(plain(), 1);
    let here = run.join(0.0, Hardware::phone());
    let there = run.join(1.0, Hardware::phone());
    run.scan(here, ALWAYS);
    run.advertise(there, 100 * MS);
    run.pass(Duration::from_micros(100));
    run.advertise(there, 100 * MS);
    run.pass(SECOND);
    assert_eq!(rssi(&mut run, here).len(), 10, "one advertiser, not two");
}

#[test]
fn one_advertisement_is_answered_by_one_dialler() {
    for (contention, apart) in [(true, 100 * MS), (false, Duration::ZERO)] {
        let physics = Physics {
            contention,
            dialling: Dialling::Heard {
                give_up: 60 * SECOND,
                set_up: Span::of(SECOND),
            },
            ..plain()
        };
        let mut run = Run::new(physics, 1);
        let there = run.join(0.0, Hardware::phone());
        let diallers: Vec<RadioId> = (0..5).map(|_| run.join(1.0, Hardware::phone())).collect();
        let addresses: Vec<_> = diallers
            .iter()
            .map(|dialler| run.address_of(there, *dialler))
            .collect();
        run.submit(there, RadioCommand::Advertise(None)).unwrap();
        for (dialler, address) in diallers.iter().zip(addresses) {
            run.submit(*dialler, RadioCommand::Connect(address))
                .unwrap();
        }
        run.advertise(there, 100 * MS);
        run.pass(60 * SECOND);
        let is_up = |event: &RadioEvent| matches!(event, RadioEvent::Up { .. });
        let told = run.told(there);
        let ups: Vec<_> = told.iter().filter(|(_, event)| is_up(event)).collect();
        assert_eq!(ups.len(), 5);
        assert!(
            ups.windows(2).all(|two| two[1].0 - two[0].0 == apart),
            "{ups:?}"
        );
    }
}
