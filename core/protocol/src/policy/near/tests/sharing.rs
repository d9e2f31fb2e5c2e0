//! Who gets which share of the budget (decision 11).

use super::*;
use crate::policy::near::topology::Wanted;

/// A stranger's link, up, proven and of that number.
fn meet(node: &mut Node, number: u64, relation: Relation, now: Duration) -> Vec<Effect> {
    let mut effects = node.up(number, Role::Listener, now);
    effects.extend(node.prove(number, relation, now));
    effects
}

fn reconcile(node: &mut Node, number: u64, now: Duration) -> Vec<Effect> {
    let link = LinkId(number);
    node.tell(Event::Reconciled { link, news: true }, now)
}

const MEETING: Wanted = Wanted {
    backbone: false,
    far: false,
};

#[test]
fn shares_add_up() {
    for budget in LEAST_LINKS..=MOST_LINKS {
        let shares = Shares::of(budget);
        assert!(shares.sticky >= 1 && shares.inbound >= 1);
        assert!(shares.sticky + shares.inbound <= budget);
    }
    let of = |budget| {
        let shares = Shares::of(budget);
        (shares.sticky, shares.inbound)
    };
    assert_eq!((of(2), of(4), of(7)), ((1, 1), (2, 1), (3, 2)));
}

#[test]
fn strangers_borrow_what_contacts_do_not_use() {
    let mut node = Node::new();
    for number in 1..=3 {
        meet(&mut node, number, Relation::Stranger, number as u32 * S);
    }
    let kinds = |node: &Node| [1, 2, 3].map(|number| node.kind(number));
    let (sticky, back, meet_once) = (Kind::Sticky, Kind::Backbone, Kind::Encounter);
    assert_eq!(kinds(&node), [back, back, meet_once]);
    // A member is known once it is linked.
    node.prove(3, Relation::Member, 4 * S);
    assert_eq!(kinds(&node), [back, meet_once, sticky]);
    // A contact in sight has a claim, before it has a link.
    node.see(
        Sighting {
            connectable: false,
            ..contact(50)
        },
        5 * S,
    );
    assert_eq!(kinds(&node), [meet_once, meet_once, sticky]);
}

#[test]
fn a_contact_unheard_for_a_minute_has_no_claim() {
    let mut node = Node::new();
    meet(&mut node, 1, Relation::Stranger, S);
    reconcile(&mut node, 1, 2 * S);
    for number in [50, 51] {
        let far = Sighting {
            connectable: false,
            ..contact(number)
        };
        node.see(far, 5 * S);
    }
    node.tell(Event::Timer, 5 * S + CLAIM - MS);
    assert_eq!(node.kind(1), Kind::Encounter);
    node.tell(Event::Timer, 5 * S + CLAIM);
    assert_eq!(node.kind(1), Kind::Backbone);
}

#[test]
fn an_encounter_that_says_nothing_is_dropped_after_twenty_seconds() {
    let mut node = Node::new();
    for number in 1..=3 {
        meet(&mut node, number, Relation::Stranger, S);
    }
    let done = node.run(S, 60 * S);
    assert_eq!(done[0], (S + ENCOUNTER, close(3, CloseReason::Full)));
    assert_eq!(node.policy.links(), 2);
    // Contacts are not dropped for it.
    let mut node = Node::new();
    for number in 1..=3 {
        meet(&mut node, number, Relation::Contact, S);
    }
    assert!(node.run(S, 60 * S).is_empty());
}

#[test]
fn a_reconciled_stranger_is_let_go_when_somebody_waits() {
    let mut node = Node::new();
    for number in 1..=3 {
        meet(&mut node, number, Relation::Stranger, S);
    }
    assert!(reconcile(&mut node, 1, 2 * S).is_empty());
    assert!(reconcile(&mut node, 3, 2 * S).is_empty());
    assert!(node.run(2 * S, 60 * S).is_empty());
    // The last place is taken.
    let done = meet(&mut node, 4, Relation::Stranger, 60 * S);
    assert_eq!(done, vec![close(3, CloseReason::Full)]);
    node.down(3, false, 60 * S);
    assert!(reconcile(&mut node, 4, 61 * S).is_empty());
    // Somebody new is in sight.
    assert_eq!(
        node.see(seen(1_200), 62 * S),
        vec![close(4, CloseReason::Full)]
    );
    assert_eq!(node.down(4, false, 62 * S), vec![connect(1_200)]);
}

#[test]
fn one_place_is_kept_for_those_who_dial() {
    let mut node = Node::new();
    for number in 1..=2 {
        meet(&mut node, number, Relation::Stranger, S);
    }
    assert_eq!(node.see(seen(1_001), 2 * S), vec![connect(1_001)]);
    node.up(1_001, Role::Dialer, 3 * S);
    node.prove(1_001, Relation::Stranger, 3 * S);
    assert!(node.see(seen(1_002), 4 * S).is_empty());
    assert!(meet(&mut node, 3, Relation::Stranger, 5 * S).is_empty());
    assert_eq!(node.policy.links(), 4);
}

#[test]
fn strangers_yield_to_a_contact_in_sight() {
    let mut node = Node::new();
    for number in 1..=4 {
        meet(&mut node, number, Relation::Stranger, S * number as u32);
    }
    reconcile(&mut node, 1, 5 * S);
    // The youngest of those that only meet; the claim makes encounters of the backbone's second.
    let done = node.see(contact(1_001), 6 * S);
    assert_eq!(done.len(), 1);
    assert!(matches!(done[0], Effect::Close { why: CloseReason::Full, link } if link != LinkId(1)));
    let Effect::Close { link, .. } = done[0] else {
        unreachable!()
    };
    assert_eq!(node.down(link.0, false, 7 * S), vec![connect(1_001)]);
    // While it is being dialled its place is not for strangers.
    assert_eq!(
        node.up(9, Role::Listener, 7 * S),
        vec![close(9, CloseReason::Full)]
    );
    node.up(1_001, Role::Dialer, 8 * S);
    node.prove(1_001, Relation::Contact, 8 * S);
    assert_eq!(node.kind(1_001), Kind::Sticky);
    assert_eq!(node.policy.links(), 4);
}

#[test]
fn contacts_beyond_their_share_have_no_claim() {
    let mut node = Node::new();
    for number in 1..=2 {
        meet(&mut node, number, Relation::Contact, S);
    }
    meet(&mut node, 3, Relation::Stranger, S);
    meet(&mut node, 4, Relation::Stranger, S);
    assert!(node.see(contact(1_001), 2 * S).is_empty());
    assert_eq!(node.kind(3), Kind::Encounter);
}

#[test]
fn a_contact_that_does_not_answer_has_no_claim() {
    let mut node = Node::new();
    node.see(contact(1_001), S);
    node.tell(Event::ConnectFailed(id(1_001)), 2 * S);
    node.run(2 * S, 3 * S);
    node.tell(Event::ConnectFailed(id(1_001)), 4 * S);
    for number in 1..=4 {
        assert!(
            meet(&mut node, number, Relation::Stranger, 5 * S).is_empty(),
            "{number}"
        );
    }
}

#[test]
fn the_first_of_the_backbone_is_strong_the_second_weak() {
    // LOC-5: chosen for diversity.
    let mut node = Node::new();
    let levels = [-50, -55, -60, -65, -70, -75, -80, -85];
    for second in 1..4 {
        for (number, dbm) in (0..).zip(levels) {
            let full = Sighting {
                connectable: false,
                rssi: Some(dbm),
                ..seen(1_001 + number)
            };
            node.see(full, second * S);
        }
    }
    let mut dialled = Vec::new();
    for (number, dbm) in (0..8).zip(levels) {
        let open = Sighting {
            rssi: Some(dbm),
            ..seen(1_001 + number)
        };
        node.policy.table.hear(&open, S, Lots::default, 5 * S);
    }
    for round in 0..2_u32 {
        let now = 6 * S + round * S;
        let done = node.tell(Event::Timer, now);
        let Some(Effect::Connect { address, .. }) = done.first() else {
            panic!("{done:?}")
        };
        dialled.push(address.0);
        node.up(address.0, Role::Dialer, now);
        node.prove(address.0, Relation::Stranger, now);
    }
    assert_eq!(dialled[0], 1_001);
    let expected = (1_005..1_009).max_by_key(|number| topology::pair_lot(&id(OWN), &id(*number)));
    assert_eq!(Some(dialled[1]), expected);
}

#[test]
fn the_weakest_are_for_want_of_others() {
    let mut node = Node::new();
    let faint = |dbm| Sighting {
        rssi: Some(dbm),
        ..seen(1_001)
    };
    let weak = |dbm: i8| {
        let mut node = Node::new();
        node.see(
            Sighting {
                connectable: false,
                ..seen(1_000_000)
            },
            S,
        );
        node.see(
            Sighting {
                rssi: Some(dbm),
                connectable: false,
                ..seen(1_001)
            },
            S,
        );
        node.see(
            Sighting {
                rssi: Some(-60),
                connectable: false,
                ..seen(1_002)
            },
            S,
        );
        node.policy.table.get_mut(&id(1_002)).unwrap().tries.met = Some(S);
        node.policy.table.get_mut(&id(1_001)).unwrap().connectable = true;
        node.policy.table.get_mut(&id(1_002)).unwrap().connectable = true;
        [false, true].map(|far| {
            let wanted = Wanted { far, ..MEETING };
            topology::choose(&node.policy.table, wanted, |_, known| known.connectable)
        })
    };
    // Never met comes before met, but a weak one only where that is wanted.
    assert_eq!(weak(WEAK), [Some(id(1_001)), Some(id(1_001))]);
    assert_eq!(weak(WEAK - 1), [Some(id(1_002)), Some(id(1_001))]);
    assert_eq!(node.see(faint(-100), S), vec![connect(1_001)]);
}

#[test]
fn those_never_met_come_first_then_those_met_longest_ago() {
    let mut node = Node::new();
    for number in 1_001..1_005 {
        node.see(
            Sighting {
                connectable: false,
                ..seen(number)
            },
            S,
        );
        node.see(
            Sighting {
                connectable: false,
                ..seen(number)
            },
            3 * S,
        );
    }
    let met = [
        (1_001, Some(9)),
        (1_002, Some(5)),
        (1_003, None),
        (1_004, Some(7)),
    ];
    for (number, at) in met {
        let known = node.policy.table.get_mut(&id(number)).unwrap();
        known.tries.met = at.map(|at| at * S);
    }
    let mut order = Vec::new();
    while let Some(next) =
        topology::choose(&node.policy.table, MEETING, |id, _| !order.contains(id))
    {
        order.push(next);
    }
    assert_eq!(order, [1_003, 1_002, 1_004, 1_001].map(id));
    // Newcomers, of whom a flood is made, come after all of them.
    node.see(
        Sighting {
            connectable: false,
            ..seen(1_009)
        },
        4 * S,
    );
    let first = topology::choose(&node.policy.table, MEETING, |id, _| {
        order[1..].contains(id) || !order.contains(id)
    });
    assert_eq!(first, Some(order[1]));
}

#[test]
fn a_pairs_lot_is_the_same_at_both_ends() {
    let lot = |one, other| topology::pair_lot(&id(one), &id(other));
    assert_eq!(lot(1, 2), lot(2, 1));
    assert_ne!(lot(1, 2), lot(1, 3));
    let mut node = Node::new();
    node.see(seen(1_001), S);
    let pair = |node: &Node| {
        node.policy
            .table
            .get(&id(1_001))
            .map(|known| known.lots.pair)
    };
    assert_eq!(pair(&node), Some(lot(OWN, 1_001)));
    let renewed = Event::Announced {
        transport: key(5),
        discovery: id(2_000),
    };
    node.tell(renewed, 2 * S);
    assert_eq!(pair(&node), Some(lot(2_000, 1_001)));
}

#[test]
fn a_contact_may_take_the_place_that_is_kept_for_it() {
    let mut node = Node::new();
    let far = |number| Sighting {
        connectable: false,
        ..contact(number)
    };
    node.see(far(50), S);
    for number in 1..=3 {
        assert!(meet(&mut node, number, Relation::Stranger, S).is_empty());
    }
    assert_eq!(
        node.up(9, Role::Listener, 2 * S),
        vec![close(9, CloseReason::Full)]
    );
    assert!(node.up(50, Role::Listener, 2 * S).is_empty());
    assert_eq!(node.policy.links(), 4);
}

#[test]
fn once_the_backbone_is_complete_others_are_met_in_turn() {
    let mut node = Node::new();
    for number in 1..=2 {
        meet(&mut node, number, Relation::Stranger, S);
    }
    for number in 1_001..1_009 {
        let full = Sighting {
            connectable: false,
            ..seen(number)
        };
        node.see(full, S);
        node.see(full, 3 * S);
    }
    for number in 1_001..1_009 {
        let known = node.policy.table.get_mut(&id(number)).unwrap();
        known.connectable = true;
        known.tries.met = (number != 1_001).then_some(S);
    }
    assert_eq!(node.tell(Event::Timer, 4 * S), vec![connect(1_001)]);
}

#[test]
fn a_contact_that_has_its_link_does_not_use_up_anothers_place() {
    let mut node = Node::new();
    for number in [50, 51] {
        let far = Sighting {
            connectable: false,
            ..contact(number)
        };
        node.see(far, S);
    }
    meet(&mut node, 50, Relation::Contact, 2 * S);
    for number in 1..=2 {
        assert!(meet(&mut node, number, Relation::Stranger, 3 * S).is_empty());
    }
    assert_eq!(
        node.up(3, Role::Listener, 4 * S),
        vec![close(3, CloseReason::Full)]
    );
    assert!(node.up(51, Role::Listener, 4 * S).is_empty());
}
