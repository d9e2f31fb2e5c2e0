//! When strangers are met who may have nothing new (decision 11).

use super::*;
use crate::policy::near::duty::Profile;

/// Two backbone links stand, and the third neighbour has brought nothing.
fn settled() -> Node {
    let mut node = Node::new();
    for number in 1..=3 {
        node.up(number, Role::Listener, number as u32 * S);
        node.prove(number, Relation::Stranger, number as u32 * S);
    }
    let link = LinkId(3);
    node.tell(Event::Reconciled { link, news: false }, 4 * S);
    node.down(3, false, 5 * S);
    node
}

/// When somebody is dialled, if that is before `to`.
fn dials(node: &mut Node, from: Duration, to: Duration) -> Option<Duration> {
    let done = node.run(from, to);
    let dial = |(_, effect): &&(Duration, Effect)| matches!(effect, Effect::Connect { .. });
    done.iter().find(dial).map(|(at, _)| *at)
}

#[test]
fn after_a_meeting_without_news_others_wait() {
    let mut node = settled();
    assert!(node.see(seen(2_000), 6 * S).is_empty());
    let next = node.policy.encounters.next();
    assert!((19 * S..=23 * S).contains(&next));
    assert_eq!(dials(&mut node, 6 * S, 60 * S), Some(next));
}

#[test]
fn a_place_in_the_backbone_is_filled_without_a_pause() {
    let mut node = settled();
    node.down(2, false, 6 * S);
    assert_eq!(node.see(seen(2_000), 7 * S).len(), 1);
}

#[test]
fn whoever_comes_into_sight_is_met_at_once_except_in_a_crowd() {
    let met_at_once = |crowd: usize| {
        let mut node = settled();
        let later = Profile::Balanced.lost_after();
        node.up(4, Role::Listener, later);
        node.prove(4, Relation::Stranger, later);
        let link = LinkId(4);
        node.tell(Event::Reconciled { link, news: false }, later);
        node.down(4, false, later);
        // The one that comes is counted too.
        for number in 1..crowd as u64 {
            let busy = Sighting {
                connectable: false,
                ..seen(3_000 + number)
            };
            node.see(busy, later);
        }
        !node.see(seen(2_000), later).is_empty()
    };
    assert!(met_at_once(DENSE - 1));
    assert!(!met_at_once(DENSE));
}
