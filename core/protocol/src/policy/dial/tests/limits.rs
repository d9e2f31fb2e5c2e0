//! Limits and rates (LOC-8, COORD-4).

use super::*;

#[test]
fn eight_dials_at_a_time_four_to_a_source() {
    // COORD-4.
    let mut node = Node::new();
    let mut dialled: Vec<u16> = (101..=106)
        .flat_map(|number| {
            let here = Sighting {
                source: Source(1),
                ..sighting(number)
            };
            node.at(T, Event::Sighted(here))
        })
        .collect();
    assert_eq!(dialled, vec![101, 102, 103, 104]);
    dialled.extend((201..=209).flat_map(|number| node.sight(T, number)));
    assert_eq!(dialled.len(), MAX_DIALS);
    assert_eq!(node.fail(T, 201), vec![205]);
    assert_eq!(node.up(T, 101), vec![105]);
}

#[test]
fn dials_to_one_source_are_held_to_a_rate() {
    // LOC-8: a flooder of one source.
    let mut node = Node::new();
    let (mut dialled, mut now) = (0, T);
    for number in 0..1_000 {
        now = T + MS * u32::from(number);
        let fake = Sighting {
            source: Source(1),
            ..sighting(1_000 + number)
        };
        for peer in node.at(now, Event::Sighted(fake)) {
            dialled += 1;
            node.at(now, Event::Lost(discovery(peer)));
            dialled += node.fail(now, peer).len();
        }
    }
    assert!(now < T + S);
    // 16 at once and one for each quarter of a second.
    assert_eq!(dialled, 16 + 3);
    assert!(node.policy.known.len() <= MAX_SIGHTINGS_OF_SOURCE);
    // Others are dialled as ever.
    assert_eq!(node.sight(now, 101), vec![101]);
}

#[test]
fn all_dials_are_held_to_a_rate() {
    let mut node = Node::new();
    let mut dialled = 0;
    for number in 0..1_000 {
        for peer in node.sight(T, 1_000 + number) {
            dialled += 1;
            node.at(T, Event::Lost(discovery(peer)));
            dialled += node.fail(T, peer).len();
        }
    }
    assert_eq!(dialled, 64);
    assert_eq!(node.policy.poll_timeout(), Some(T + 100 * MS));
    assert_eq!(node.policy.known.len(), MAX_SIGHTINGS);
}

#[test]
fn what_a_source_has_spent_is_forgotten_once_it_is_there_again() {
    let mut node = Node::new();
    node.sight(T, 101);
    node.up(T, 101);
    for (passed, remembered) in [(249 * MS, 1), (250 * MS, 0)] {
        node.at(T + passed, Event::Timer);
        assert_eq!(node.policy.sources.len(), remembered);
    }
}

#[test]
fn sightings_are_bounded_and_the_greatest_source_yields() {
    // LOC-8, COORD-4.
    let mut node = Node::new();
    node.sight(T, 900);
    for number in 0..MAX_SIGHTINGS_OF_SOURCE as u16 + 5 {
        let fake = Sighting {
            source: Source(9_999),
            ..sighting(1_000 + number)
        };
        node.at(T + MS * u32::from(number), Event::Sighted(fake));
    }
    assert_eq!(node.policy.known.len(), MAX_SIGHTINGS_OF_SOURCE + 1);
    assert!(!node.policy.known.contains_key(&transport(1_004)));
    // Nobody else's, though it was seen longer ago.
    assert!(node.policy.known.contains_key(&transport(900)));
    assert!(node.policy.known.contains_key(&transport(1_005)));
    for number in 0..MAX_SIGHTINGS as u16 {
        node.sight(T + S, 2_000 + number);
    }
    assert_eq!(node.policy.known.len(), MAX_SIGHTINGS);
    let of_flooder = node
        .policy
        .known
        .values()
        .filter(|known| known.sighting.source == Source(9_999));
    assert!(of_flooder.count() <= 1);
    // One seen again is no new one, and stays with its source.
    node.at(
        T + S,
        Event::Sighted(Sighting {
            source: Source(1),
            ..sighting(2_500)
        }),
    );
    assert_eq!(node.policy.known.len(), MAX_SIGHTINGS);
    assert_eq!(
        node.policy.known[&transport(2_500)].sighting.source,
        Source(2_500)
    );
}

#[test]
fn the_one_longest_unseen_yields() {
    let mut node = Node::new();
    let most = MAX_SIGHTINGS_OF_SOURCE as u16;
    for number in (1_000..1_000 + most).chain([1_000, 1_000 + most]) {
        let here = Sighting {
            source: Source(1),
            ..sighting(number)
        };
        let now = T + MS * u32::from(node.policy.known.len() as u16);
        node.at(now, Event::Sighted(here));
    }
    let known = |number| node.policy.known.contains_key(&transport(number));
    assert!(known(1_000) && !known(1_001) && known(1_000 + most));
}

#[test]
fn the_banned_are_neither_dialled_nor_admitted_until_the_end() {
    let mut node = Node::new();
    node.policy.ban(Subject::Peer(transport(101)), T + BAN);
    node.policy.ban(Subject::Source(Source(102)), T + BAN + S);
    assert_eq!(node.sight(T, 101), NONE);
    assert_eq!(node.sight(T, 102), NONE);
    let refused = Err(CloseReason::Misbehaviour);
    assert_eq!(
        node.policy.admit(&transport(101), Source(7), T + BAN - MS),
        refused
    );
    assert_eq!(node.policy.admit(&transport(7), Source(102), T), refused);
    assert_eq!(
        node.policy.admit(&transport(101), Source(7), T + BAN),
        Ok(())
    );
    assert_eq!(node.next(), (T + BAN, vec![101]));
    assert_eq!(node.next(), (T + BAN + S, vec![102]));
}

#[test]
fn links_are_admitted_up_to_the_limits() {
    let config = Config {
        link_target: 2,
        max_links: 10,
        max_links_of_source: 3,
    };
    let mut node = Node::with(config);
    for number in 1..=3 {
        let source = Source(1);
        assert_eq!(node.policy.admit(&transport(number), source, T), Ok(()));
        node.at(
            T,
            Event::LinkUp {
                peer: transport(number),
                source,
            },
        );
    }
    let full = Err(CloseReason::Full);
    assert_eq!(node.policy.admit(&transport(4), Source(1), T), full);
    // A second link of a peer, which the scheduler judges.
    assert_eq!(node.policy.admit(&transport(3), Source(1), T), Ok(()));
    for number in 5..=10 {
        node.up(T, number);
    }
    assert_eq!(node.policy.admit(&transport(11), Source(11), T), Ok(()));
    node.up(T, 11);
    assert_eq!(node.policy.linked(), config.max_links);
    assert_eq!(node.policy.admit(&transport(12), Source(12), T), full);
    // A neighbour in the ring gets in even so.
    node.sight(T, 12);
    assert_eq!(node.policy.admit(&transport(12), Source(12), T), Ok(()));
    node.up(T, 12);
    assert_eq!(node.policy.admit(&transport(13), Source(13), T), full);
    node.down(T, 12, false);
    node.sight(T, 12);
    for number in 95..=105 {
        node.sight(T, number);
    }
    assert_eq!(node.policy.admit(&transport(12), Source(12), T), full);
}

#[test]
fn beyond_the_target_only_neighbours_are_dialled() {
    // Number 100 sees 150 to 250, of which 150 to 153 and 247 to 250 are next to it in the ring.
    for (links, beyond) in [(8, 2), (9, 1), (10, 0), (11, 0)] {
        let mut node = Node::with(Config {
            link_target: 10,
            ..Config::default()
        });
        for number in 1..=links {
            node.up(T, number);
        }
        for number in 150..=250 {
            let here = Sighting {
                endpoints: 0,
                ..sighting(number)
            };
            node.at(T, Event::Sighted(here));
        }
        // None of the ring first.
        let mut dialled: Vec<u16> = (154..247)
            .flat_map(|number| node.sight(T, number))
            .collect();
        assert_eq!(dialled.len(), beyond);
        for peer in dialled.clone() {
            assert_eq!(node.up(T, peer), NONE);
        }
        for number in (150..154).chain(247..=250) {
            dialled.extend(node.sight(T, number));
            node.up(T, number);
        }
        assert_eq!(dialled[beyond..], [150, 151, 152, 153, 247, 248, 249, 250]);
        assert_eq!(
            node.policy.linked(),
            usize::from(links) + beyond + 2 * RING_SIDE
        );
        assert_eq!(node.policy.poll_timeout(), None);
        // A link that ends makes room for one.
        let freed = node.down(T, 1, false).len() + node.down(T, 2, false).len();
        assert_eq!(freed, 0, "the ring fills the target");
    }
}

#[test]
fn a_crowd_is_dialled_up_to_the_chosen_ones() {
    let mut node = Node::new();
    for number in (1_000..1_200)
        .chain(50..150)
        .filter(|number| *number != 100)
    {
        node.at(
            T,
            Event::Sighted(Sighting {
                endpoints: 0,
                ..sighting(number)
            }),
        );
    }
    let mut dialled = 0;
    for number in (1_000..1_200)
        .chain(50..150)
        .filter(|number| *number != 100)
    {
        for peer in node.sight(T, number) {
            dialled += 1;
            dialled += node.up(T, peer).len();
        }
    }
    // Those of lower ids are dialled a moment later.
    let mut later = node.at(T + YOUNG, Event::Timer);
    while let Some(peer) = later.pop() {
        dialled += 1;
        later.extend(node.up(T + YOUNG, peer));
    }
    assert_eq!(dialled, 2 * RING_SIDE + DIALLED_AT_RANDOM);
    assert_eq!(node.policy.linked(), dialled);
}
