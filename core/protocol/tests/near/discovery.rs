//! Must-show h: a neighbour is found within 30 s, by profile, with 10 % of advertisements lost.

use super::*;
use rand_core::SeedableRng;
use sovereign_protocol::policy::near::duty::{Calm, Profile, ScanMode, Schedule};

const WITHIN: Duration = Duration::from_secs(30);
const LOSS: f64 = 0.1;
const SEEDS: u64 = 1_000;

struct Found {
    /// One given side finds the other, in thousandths or finer.
    share: f64,
    median: Duration,
    p99: Duration,
}

fn found(scanner: &Schedule, advertiser: &Schedule, seeds: u64) -> Found {
    let mut times: Vec<Duration> = (0..seeds)
        .map(|seed| {
            let mut rng = ChaCha12Rng::seed_from_u64(seed);
            let heard = air::heard(scanner, advertiser, LOSS, WITHIN, &mut rng);
            heard.first().copied().unwrap_or(Duration::MAX)
        })
        .collect();
    times.sort_unstable();
    let at = |percent: usize| times[times.len() * percent / 100];
    let within = times.iter().filter(|time| **time <= WITHIN).count();
    Found {
        share: within as f64 / times.len() as f64,
        median: at(50),
        p99: at(99),
    }
}

/// The best chance that anything has that sends and listens as much: as many independent beacons heard as
/// its bound fits into the time.
fn best(schedule: &Schedule) -> f64 {
    let beacons = WITHIN.as_secs_f64() / schedule.bound_of_split().as_secs_f64();
    1.0 - LOSS.powf(beacons.floor())
}

fn shown(time: Duration) -> String {
    if time > WITHIN {
        return ">30 s".into();
    }
    format!("{:.1} s", time.as_secs_f64())
}

fn row(name: &str, scanner: &Schedule, advertiser: &Schedule) -> f64 {
    let found = found(scanner, advertiser, SEEDS * dose());
    println!(
        "| {name} | {:.2} % | {:.2} % | {:.2} % | {:.3} s | {:.2} s | {:.1} % | {:.1} % | {} | {} |",
        scanner.duty_cycle() * 100.0,
        scanner.listening() * 100.0,
        scanner.sending() * 100.0,
        scanner.bound().as_secs_f64(),
        scanner.bound_of_split().as_secs_f64(),
        best(scanner) * 100.0,
        found.share * 100.0,
        shown(found.median),
        shown(found.p99),
    );
    found.share
}

#[test]
fn a_neighbour_is_found_within_thirty_seconds() {
    println!("| both | η | γ | β | 4αω/η² | ω/βγ | best | found in 30 s | median | p99 |");
    println!("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |");
    for (profile, least) in [
        (Profile::Performance, 0.999),
        (Profile::Balanced, 0.99),
        (Profile::LowPower, 0.90),
    ] {
        let both = profile.schedule(Calm::Looking);
        let share = row(&format!("{profile:?}, looking"), &both, &both);
        assert!(share >= least, "{profile:?}: {share}");
        // 30 s are possible at all from 1.23 % on.
        assert!(both.duty_cycle() >= 0.0123 && both.bound() <= WITHIN);
        for calm in [Calm::Quiet, Calm::Still] {
            let calmer = profile.schedule(calm);
            row(&format!("{profile:?}, {calm:?}"), &calmer, &calmer);
            assert!(calmer.duty_cycle() < both.duty_cycle());
            // Whoever comes anew looks hard, and finds those who have backed off.
            let newcomer = row(
                &format!("{profile:?}, newcomer finds {calm:?}"),
                &both,
                &calmer,
            );
            assert!(newcomer >= least, "{profile:?} {calm:?}: {newcomer}");
        }
    }
}

#[test]
fn a_dark_screen_still_finds_in_every_profile() {
    // Android leaves any app 512 of 10,240 ms then. An interval of 1022.5 ms resonates with that.
    for (ms, least, most) in [(250, 0.99, 1.0), (500, 0.95, 1.0), (1_022, 0.4, 0.7)] {
        let mut both = Profile::LowPower.schedule(Calm::Looking);
        both.advertise = ms * MS + Duration::from_micros(if ms == 1_022 { 500 } else { 0 });
        let share = row(
            &format!("screen off, advertising every {ms} ms"),
            &both,
            &both,
        );
        assert!((least..=most).contains(&share), "{ms}: {share}");
    }
    let mut screen_on = Profile::LowPower.schedule(Calm::Looking);
    screen_on.mode = ScanMode::LowPower;
    let share = row("low power, screen on", &screen_on, &screen_on);
    assert!(share >= 0.999, "{share}");
}
