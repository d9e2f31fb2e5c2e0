//! Strangers who do not answer, and those at the edge of reach (ADR 29).

use super::*;
use crate::policy::near::{encounters::FAR_EVERY, neighbour::NEARER};

const FAINT: i8 = WEAK - 5;

fn heard_at(number: u64, dbm: i8) -> Sighting {
    Sighting {
        rssi: Some(dbm),
        ..seen(number)
    }
}

fn may_dial_from(node: &mut Node, number: u64, at: Duration) {
    node.policy.table.get_mut(&id(number)).unwrap().tries.at = at;
}

#[test]
fn a_stranger_who_does_not_answer_must_be_heard_again() {
    let mut node = Node::new();
    assert_eq!(node.see(seen(1_001), S), [connect(1_001)]);
    node.tell(Event::ConnectFailed(id(1_001)), 2 * S);
    assert!(node.run(2 * S, 50 * S).is_empty());
    assert_eq!(node.see(seen(1_001), 50 * S), [connect(1_001)]);
    // At the same moment is not after it.
    node.tell(Event::ConnectFailed(id(1_001)), 51 * S);
    node.see(seen(1_001), 51 * S);
    assert!(node.run(51 * S, 100 * S).is_empty());
}

#[test]
fn a_member_must_be_heard_again_and_a_contact_is_tried_all_the_same() {
    // COORD-3.
    let tries = |relation: Relation| {
        let mut node = Node::new();
        let known = Sighting {
            relation,
            ..seen(1_001)
        };
        assert_eq!(node.see(known, S), [connect(1_001)]);
        node.tell(Event::ConnectFailed(id(1_001)), 2 * S);
        let silent = node.run(2 * S, 3 * S).len();
        node.tell(Event::ConnectFailed(id(1_001)), 3 * S);
        let heard = node.see(known, 4 * S).len() + node.run(4 * S, 6 * S).len();
        (silent, heard)
    };
    assert_eq!(tries(Relation::Member), (0, 1));
    assert_eq!(tries(Relation::Contact), (1, 1));
}

#[test]
fn whoever_was_last_heard_under_the_ids_of_before_is_not_dialled() {
    let dialled = |turns: Duration| {
        let mut node = Node::new();
        let hidden = Sighting {
            connectable: false,
            ..seen(1_001)
        };
        node.see(hidden, 5 * S);
        node.policy.table.get_mut(&id(1_001)).unwrap().connectable = true;
        let (transport, discovery) = (key(OWN), id(OWN));
        let announced = Event::Announced {
            transport,
            discovery,
        };
        let mut done = node.tell(announced, turns);
        done.extend(
            node.run(turns, 20 * S)
                .into_iter()
                .map(|(_, effect)| effect),
        );
        done.first().copied()
    };
    assert_eq!(dialled(5 * S), Some(connect(1_001)));
    assert_eq!(dialled(5 * S + MS), None);
}

#[test]
fn a_stranger_is_tried_ever_later() {
    let mut node = Node::new();
    let mut now = S;
    assert_eq!(node.see(seen(1_001), now), [connect(1_001)]);
    for full in [2, 8, 32, 128, 128, 128] {
        node.tell(Event::ConnectFailed(id(1_001)), now);
        let least = full * S * 3 / 4;
        for heard in [MS, least / 2, least - MS] {
            assert!(node.see(seen(1_001), now + heard).is_empty());
        }
        let waited = node.run(now + least - MS, now + full * S)[0].0 - now;
        assert!(waited >= least, "{waited:?} of {full}");
        now += waited;
    }
}

#[test]
fn a_stranger_who_was_linked_is_tried_as_coord_3_wants() {
    let mut node = Node::new();
    node.see(seen(1_001), S);
    node.up(1_001, Role::Dialer, S);
    node.prove(1_001, Relation::Stranger, S);
    node.down(1_001, false, 2 * S);
    assert_eq!(node.run(2 * S, 3 * S)[0].1, connect(1_001));
    node.tell(Event::ConnectFailed(id(1_001)), 3 * S);
    node.see(seen(1_001), 4 * S);
    assert_eq!(node.run(4 * S, 5 * S)[0].1, connect(1_001));
}

#[test]
fn whoever_comes_nearer_is_tried_at_once() {
    let after = |nearer: i8| {
        let mut node = Node::new();
        node.see(heard_at(1_001, -85), S);
        node.tell(Event::ConnectFailed(id(1_001)), 2 * S);
        may_dial_from(&mut node, 1_001, 1_000 * S);
        let known = node.policy.table.get_mut(&id(1_001)).unwrap();
        known.signal = None;
        node.see(heard_at(1_001, -85 + nearer), 3 * S)
    };
    assert!(after(NEARER - 1).is_empty());
    assert_eq!(after(NEARER), [connect(1_001)]);
}

#[test]
fn whoever_was_linked_since_keeps_its_rest_as_it_comes_nearer() {
    let mut node = Node::new();
    node.see(heard_at(1_001, -85), S);
    node.tell(Event::ConnectFailed(id(1_001)), 2 * S);
    node.see(heard_at(1_001, -85), 3 * S);
    node.run(3 * S, 5 * S);
    node.up(1_001, Role::Dialer, 5 * S);
    node.prove(1_001, Relation::Stranger, 5 * S);
    node.down(1_001, true, 6 * S);
    node.policy.table.get_mut(&id(1_001)).unwrap().signal = None;
    assert!(node.see(heard_at(1_001, -85 + NEARER), 7 * S).is_empty());
    assert!(node.run(7 * S, 6 * S + REST - MS).is_empty());
}

#[test]
fn the_faint_are_dialled_when_they_were_just_heard() {
    let dialled = |dbm: i8, heard: Duration| {
        let mut node = Node::new();
        let hidden = Sighting {
            connectable: false,
            ..heard_at(1_001, dbm)
        };
        node.see(hidden, heard);
        node.policy.table.get_mut(&id(1_001)).unwrap().connectable = true;
        may_dial_from(&mut node, 1_001, 10 * S);
        let done = node.run(heard, 30 * S);
        let then = node.see(heard_at(1_001, dbm), 31 * S);
        (done.first().map(|(at, _)| *at), then.len())
    };
    assert_eq!(dialled(WEAK, S).0, Some(10 * S));
    assert_eq!(dialled(FAINT, 10 * S - JUST_HEARD).0, Some(10 * S));
    assert_eq!(dialled(FAINT, 10 * S - JUST_HEARD - MS), (None, 1));
}

#[test]
fn a_meeting_at_the_edge_waits_until_somebody_there_is_heard() {
    let meet = |backbone: u64, weak: bool| {
        let mut node = Node::new();
        for number in 1..=backbone {
            node.up(number, Role::Listener, S);
            node.prove(number, Relation::Stranger, S);
            let link = LinkId(number);
            node.tell(Event::Reconciled { link, news: true }, S);
        }
        for (number, dbm) in [(1_001, -60), (1_002, FAINT)] {
            if number == 1_001 || weak {
                let hidden = Sighting {
                    connectable: false,
                    ..heard_at(number, dbm)
                };
                node.see(hidden, 2 * S);
            }
        }
        for (_, known) in node.policy.table.iter_mut() {
            known.connectable = true;
        }
        for _ in 1..FAR_EVERY {
            node.policy.encounters.tried(2 * S);
        }
        assert!(node.policy.encounters.looks_far());
        node.run(2 * S, 40 * S)
            .first()
            .map(|(_, effect)| *effect)
            .or_else(|| node.see(heard_at(1_002, FAINT), 40 * S).first().copied())
    };
    assert_eq!(meet(2, false), Some(connect(1_001)));
    assert_eq!(meet(2, true), Some(connect(1_002)));
    // A place in the backbone does not wait for it.
    assert_eq!(meet(0, true), Some(connect(1_001)));
}
