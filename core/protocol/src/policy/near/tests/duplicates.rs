//! Two links to one peer: the older proves that it is alive before the newer is refused.

use super::*;

/// Two links to peer `number`, dialled by these, the older first; both proven.
fn twice(number: u64, roles: [Role; 2]) -> (Node, Vec<Effect>) {
    let mut node = Node::new();
    let mut effects = Vec::new();
    for (link, role) in (1..).zip(roles) {
        let now = link as u32 * S;
        let address = Address(number + link);
        let up = Event::LinkUp {
            link: LinkId(link),
            address,
            role,
        };
        assert!(node.tell(up, now).is_empty());
        effects = node.tell(proven(link, number, None), now);
    }
    (node, effects)
}

fn proven(link: u64, number: u64, neighbour: Option<DiscoveryId>) -> Event {
    Event::Proven {
        link: LinkId(link),
        peer: key(number),
        neighbour,
        relation: Relation::Stranger,
    }
}

#[test]
fn the_older_link_is_probed_and_stays_when_it_lives() {
    let (mut node, effects) = twice(1_001, [Role::Dialer; 2]);
    assert_eq!(effects, vec![Effect::Probe(LinkId(1))]);
    assert_eq!(node.kind(2), Kind::Rival(LinkId(1)));
    let done = node.tell(Event::Alive(LinkId(1)), 3 * S);
    assert_eq!(done, vec![close(2, CloseReason::Duplicate)]);
    node.down(2, false, 3 * S);
    assert!(node.run(3 * S, 60 * S).is_empty());
    assert_eq!(node.policy.links(), 1);
}

#[test]
fn it_gives_way_when_it_is_dead() {
    let (mut node, _) = twice(1_001, [Role::Dialer; 2]);
    assert!(node.run(2 * S, 2 * S + PROBE_TIMEOUT - MS).is_empty());
    let done = node.run(2 * S + PROBE_TIMEOUT - MS, 2 * S + PROBE_TIMEOUT);
    assert_eq!(
        done,
        vec![(2 * S + PROBE_TIMEOUT, close(1, CloseReason::Timeout))]
    );
    node.down(1, false, 6 * S);
    assert_eq!(node.kind(2), Kind::Backbone);
}

#[test]
fn of_two_that_live_both_ends_keep_the_one_that_the_lower_key_dialled() {
    let (dialler, listener) = (Role::Dialer, Role::Listener);
    // This node is 1,000.
    for (peer, roles, goes) in [
        (1_001, [dialler, listener], 2),
        (1_001, [listener, dialler], 1),
        (999, [dialler, listener], 1),
        (999, [listener, dialler], 2),
        (999, [dialler, dialler], 2),
        (999, [listener, listener], 2),
        (1_001, [listener, listener], 2),
    ] {
        let (mut node, _) = twice(peer, roles);
        let done = node.tell(Event::Alive(LinkId(1)), 3 * S);
        assert_eq!(
            done,
            vec![close(goes, CloseReason::Duplicate)],
            "{peer} {roles:?}"
        );
        // It is settled: a sign of life that comes late changes nothing.
        assert!(node.tell(Event::Alive(LinkId(1)), 3 * S).is_empty());
        node.down(goes, true, 4 * S);
        assert_eq!(node.kind(3 - goes), Kind::Backbone);
    }
}

#[test]
fn a_third_link_is_refused_at_once() {
    let (mut node, _) = twice(1_001, [Role::Listener; 2]);
    node.up(3, Role::Listener, 3 * S);
    let done = node.tell(proven(3, 1_001, None), 3 * S);
    assert_eq!(done, vec![close(3, CloseReason::Duplicate)]);
}

#[test]
fn either_end_may_go_while_the_probe_is_out() {
    let (mut node, _) = twice(1_001, [Role::Dialer; 2]);
    node.down(1, false, 3 * S);
    assert_eq!(node.kind(2), Kind::Backbone);
    assert!(node.run(3 * S, 30 * S).is_empty());
    let (mut node, _) = twice(1_001, [Role::Dialer; 2]);
    node.down(2, false, 3 * S);
    assert!(node.run(3 * S, 30 * S).is_empty());
    assert_eq!(node.kind(1), Kind::Backbone);
    assert_eq!(node.policy.links[&LinkId(1)].probe, None);
}

#[test]
fn the_id_of_one_is_the_id_of_both() {
    let mut node = Node::new();
    node.up(1, Role::Listener, S);
    node.tell(proven(1, 1_001, None), S);
    assert_eq!(node.see(seen(1_001), 2 * S), vec![connect(1_001)]);
    node.up(1_001, Role::Dialer, 3 * S);
    let done = node.tell(proven(1_001, 1_001, None), 3 * S);
    assert_eq!(done, vec![Effect::Probe(LinkId(1))]);
    let done = node.tell(Event::Alive(LinkId(1)), 4 * S);
    assert_eq!(done, vec![close(1, CloseReason::Duplicate)]);
    node.down(1, false, 4 * S);
    assert!(node.see(seen(1_001), 5 * S).is_empty());
    assert!(node.run(5 * S, 60 * S).is_empty());
}
