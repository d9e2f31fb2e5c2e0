//! Bad input (LOC-8): floods of advertisements, impossible levels, clocks that jump, events in any order.

use super::*;
use proptest::{collection::vec, prelude::*};
use rand_core::SeedableRng;
use sovereign_protocol::{
    id::LinkId,
    link_kind::Role,
    policy::near::{
        Config, Effect, MAX_ESTABLISHED, MAX_NEIGHBOURS, MAX_NEWCOMERS, NearPolicy, Standing,
        duty::{Profile, ScanMode},
    },
};
use std::collections::BTreeSet;

/// 10,000 a minute.
const EVERY: Duration = Duration::from_millis(6);

fn running(budget: usize) -> (NearPolicy, ChaCha12Rng) {
    let profile = Profile::LowPower;
    let mut policy = NearPolicy::new(Config { budget, profile });
    let mut rng = ChaCha12Rng::seed_from_u64(1);
    policy.handle(announced(OWN), Duration::ZERO, &mut rng);
    (policy, rng)
}

struct Flood {
    connects: usize,
    reports: usize,
    scans: BTreeSet<Option<ScanMode>>,
    most_known: usize,
}

/// Three minutes of `spoofed` beside twenty real neighbours, heard about once a second: ten from the start,
/// ten from the first minute on.
fn flood(
    policy: &mut NearPolicy,
    rng: &mut ChaCha12Rng,
    spoofed: impl Fn(u64) -> Sighting,
) -> Flood {
    let mut seen = Flood {
        connects: 0,
        reports: 0,
        scans: BTreeSet::new(),
        most_known: 0,
    };
    for number in 0..=30_000_u64 {
        let now = 3 * S + EVERY * u32::try_from(number).unwrap();
        let real = number % 167;
        let mut heard = vec![spoofed(number)];
        let arrived = if now < 60 * S { 10 } else { 20 };
        if real < arrived {
            heard.push(Sighting {
                connectable: false,
                ..sighting(real, -85)
            });
        }
        for sighting in heard {
            for effect in policy.handle(Event::Sighted(sighting), now, rng) {
                match effect {
                    Effect::Connect { .. } => seen.connects += 1,
                    Effect::Discovered(_) | Effect::Updated(_) | Effect::Lost(_) => {
                        seen.reports += 1
                    }
                    Effect::Scan(mode) if now > 75 * S && now < 360 * S => {
                        seen.scans.insert(mode);
                    }
                    _ => {}
                }
            }
            seen.most_known = seen.most_known.max(policy.known());
        }
    }
    seen
}

/// The ten neighbours that were there before.
fn settle(policy: &mut NearPolicy, rng: &mut ChaCha12Rng) {
    for second in 0..3 {
        for number in 0..10 {
            let seen = Sighting {
                connectable: false,
                ..sighting(number, -85)
            };
            policy.handle(Event::Sighted(seen), second * S, rng);
        }
    }
}

fn place(policy: &NearPolicy, number: u64) -> Option<usize> {
    policy
        .ranked()
        .position(|(id, ..)| *id == discovery(number))
}

#[test]
fn ten_thousand_spoofed_advertisements_a_minute() {
    let (mut policy, mut rng) = running(4);
    settle(&mut policy, &mut rng);
    let seen = flood(&mut policy, &mut rng, |number| {
        sighting(1_000 + number, -30)
    });
    // Memory is flat, and the real neighbours are the first, those that came during the flood included.
    assert!(seen.most_known <= MAX_NEWCOMERS + 20, "{}", seen.most_known);
    for number in 0..20 {
        assert!(
            place(&policy, number) < Some(20),
            "{number} {:?}",
            place(&policy, number)
        );
    }
    // Nobody answers: one attempt after the other, each given up after 8 s.
    assert!((15..=24).contains(&seen.connects), "{}", seen.connects);
    assert!(seen.reports < 150, "{}", seen.reports);
    // It backed off all the same.
    assert!(seen.scans.contains(&None), "{:?}", seen.scans);
    println!(
        "| 10,000 new ids a minute | {} known at most | 20 of 20 real ones first | {} attempts | {} reports in 3 min |",
        seen.most_known, seen.connects, seen.reports
    );
}

#[test]
fn spoofers_that_repeat_their_ids_keep_out_nobody_who_was_there() {
    let (mut policy, mut rng) = running(4);
    settle(&mut policy, &mut rng);
    let seen = flood(&mut policy, &mut rng, |number| {
        sighting(1_000 + number % 300, -30)
    });
    assert!(
        seen.most_known <= MAX_ESTABLISHED + MAX_NEWCOMERS,
        "{}",
        seen.most_known
    );
    for number in 0..10 {
        assert!(place(&policy, number).is_some(), "{number}");
    }
    // A contact comes in, and a link to it is before all that is only heard.
    let contact = Sighting {
        relation: Relation::Contact,
        ..sighting(50, -88)
    };
    policy.handle(Event::Sighted(contact), 190 * S, &mut rng);
    let (link, address) = (LinkId(1), Address(50));
    let role = Role::Listener;
    policy.handle(
        Event::LinkUp {
            link,
            address,
            role,
        },
        190 * S,
        &mut rng,
    );
    let proven = Event::Proven {
        link,
        peer: transport(50),
        neighbour: Some(discovery(50)),
        relation: Relation::Contact,
    };
    policy.handle(proven, 191 * S, &mut rng);
    assert_eq!(place(&policy, 50), Some(0));
    println!(
        "| 10,000 of 300 ids a minute | {} known at most | 10 of 10 kept | {} attempts | {} reports in 3 min |",
        seen.most_known, seen.connects, seen.reports
    );
}

#[test]
fn a_repeated_id_neither_moves_a_neighbour_nor_strengthens_it() {
    let (mut policy, mut rng) = running(4);
    settle(&mut policy, &mut rng);
    for second in 3..20 {
        let replayed = Sighting {
            address: Address(666),
            connectable: true,
            ..sighting(4, -20)
        };
        let effects = policy.handle(Event::Sighted(replayed), second * S, &mut rng);
        assert!(
            !effects
                .iter()
                .any(|effect| matches!(effect, Effect::Connect { .. }))
        );
    }
    let level = policy.ranked().find(|(id, ..)| **id == discovery(4));
    assert_eq!(level.and_then(|(.., level)| level), Some(-85));
}

#[test]
fn impossible_levels_are_unknown() {
    // LOC-5.
    let (mut policy, mut rng) = running(4);
    for second in 0..3 {
        for (number, rssi) in (0..).zip([None, Some(127), Some(21), Some(-128), Some(-100)]) {
            let seen = Sighting {
                rssi,
                connectable: false,
                ..sighting(number, 0)
            };
            policy.handle(Event::Sighted(seen), second * S, &mut rng);
        }
    }
    let levels: Vec<Option<i8>> = policy.ranked().map(|(.., level)| level).collect();
    assert_eq!(levels, vec![Some(-100), None, None, None, None]);
    assert_eq!(place(&policy, 4), Some(0));
}

#[test]
fn clocks_that_jump_stop_nothing() {
    let (mut policy, mut rng) = running(4);
    let mut links = 0;
    let days = Duration::from_secs(86_400);
    // Each: a clock's reading, then half a minute from there on.
    for (number, start) in [10 * S, 400 * days, S, Duration::ZERO, 90 * days, 89 * days]
        .into_iter()
        .enumerate()
    {
        let number = number as u64;
        let mut now = start;
        let mut dialled = false;
        while now < start + 30 * S && !dialled {
            let effects = policy.handle(Event::Sighted(sighting(number, -60)), now, &mut rng);
            dialled = effects.iter().any(|effect| {
                matches!(effect, Effect::Connect { neighbour, .. } if *neighbour == discovery(number))
            });
            now += S / 2;
        }
        assert!(dialled, "{number}");
        let (link, address, role) = (LinkId(number), Address(number), Role::Dialer);
        policy.handle(
            Event::LinkUp {
                link,
                address,
                role,
            },
            now,
            &mut rng,
        );
        links += 1;
        assert_eq!(policy.links(), 1, "{links}");
        let refused = true;
        policy.handle(Event::LinkDown { link, refused }, now, &mut rng);
    }
}

fn event() -> impl Strategy<Value = Event> {
    let id = || 0..40_u64;
    let link = || (0..12_u64).prop_map(LinkId);
    let relation = || {
        prop_oneof![
            Just(Relation::Stranger),
            Just(Relation::Member),
            Just(Relation::Contact)
        ]
    };
    let role = prop_oneof![Just(Role::Dialer), Just(Role::Listener)];
    let profile = prop_oneof![
        Just(Profile::Performance),
        Just(Profile::Balanced),
        Just(Profile::LowPower)
    ];
    prop_oneof![
        1 => id().prop_map(announced),
        1 => profile.prop_map(Event::Profile),
        1 => Just(Event::Wake),
        8 => (id(), id(), any::<Option<i8>>(), any::<(bool, bool)>(), relation()).prop_map(
            |(id, address, rssi, (connectable, waits), relation)| Event::Sighted(Sighting {
                neighbour: discovery(id),
                address: Address(address),
                rssi,
                connectable,
                waits,
                relation,
            })
        ),
        1 => id().prop_map(|id| Event::ConnectFailed(discovery(id))),
        4 => (link(), id(), role).prop_map(|(link, address, role)| Event::LinkUp {
            link,
            address: Address(address),
            role,
        }),
        4 => (link(), id(), any::<bool>(), relation()).prop_map(|(link, id, named, relation)| Event::Proven {
            link,
            peer: transport(id),
            neighbour: named.then(|| discovery(id)),
            relation,
        }),
        2 => (link(), any::<bool>()).prop_map(|(link, news)| Event::Reconciled { link, news }),
        2 => link().prop_map(Event::Alive),
        2 => (link(), any::<bool>()).prop_map(|(link, refused)| Event::LinkDown { link, refused }),
        4 => Just(Event::Timer),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256 * u32::try_from(dose()).unwrap()))]

    #[test]
    fn events_in_any_order_break_nothing(
        events in vec((event(), 0..20_000_u64), 1..200),
        jumps in vec(any::<u32>(), 0..3),
        budget in 0..10_usize,
    ) {
        let mut policy = NearPolicy::new(Config { budget, profile: Profile::Balanced });
        let mut rng = ChaCha12Rng::seed_from_u64(7);
        let (mut now, mut connects, mut last) = (S, 0_u64, Duration::ZERO);
        for (place, (event, ms)) in events.into_iter().enumerate() {
            now += Duration::from_millis(ms);
            if let Some(jump) = jumps.get(place / 20).filter(|_| place % 20 == 0) {
                now = Duration::from_secs(u64::from(*jump));
                last = Duration::ZERO;
            }
            let effects = policy.handle(event, now, &mut rng);
            let tries = effects.iter().filter(|effect| matches!(effect, Effect::Connect { .. })).count();
            prop_assert!(tries <= 1);
            if tries == 1 {
                prop_assert!(last.is_zero() || now >= last + S / 2);
                last = now;
                connects += 1;
            }
            prop_assert!(policy.links() <= budget.clamp(2, 7));
            prop_assert!(policy.known() <= MAX_NEIGHBOURS);
            prop_assert!(policy.poll_timeout().is_none_or(|timer| timer > now), "{:?} {now:?}", policy.poll_timeout());
            let ranked: BTreeSet<DiscoveryId> = policy.ranked().map(|(id, ..)| *id).collect();
            prop_assert_eq!(ranked.len(), policy.known());
            let standings: Vec<Standing> = policy.ranked().map(|(_, standing, _)| standing).collect();
            prop_assert!(standings.is_sorted_by(|above, below| above >= below));
        }
        prop_assert!(connects <= 200);
    }
}
