//! What the experiment `spread` says for a hundred people (issue 5, e); `docs/spread.md` has a thousand.

#[path = "../examples/spread/graph.rs"]
mod graph;
#[allow(dead_code, reason = "the experiment uses all of it")]
#[path = "../examples/spread/media.rs"]
mod media;
#[allow(dead_code, reason = "the experiment uses all of it")]
#[path = "../examples/spread/ours.rs"]
mod ours;

use graph::Graph;
use media::Rule;
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng as _};

const PEOPLE: u32 = 100;
const OTHERS: u64 = PEOPLE as u64 - 1;

fn world() -> (Graph, ChaCha8Rng) {
    let graph = Graph::of(PEOPLE, 12.0, 1);
    assert_eq!(graph.people(), 100);
    assert_eq!((graph.edges(), graph.degree()), (600, 12.0));
    assert!(graph.reachable(0).iter().all(|can| *can));
    (graph, ChaCha8Rng::seed_from_u64(1))
}

#[test]
fn flooding_over_links_costs_every_edge_twice_but_for_the_tree() {
    let (graph, mut rng) = world();
    let all = 2 * graph.edges() as u64 - OTHERS;
    let spread = media::flood_links(&graph, 0, 0.0, &mut rng);
    assert_eq!((spread.bodies, spread.on_air), (all, all));
    assert_eq!((spread.reached, spread.again), (100, all - OTHERS));
    // What is lost is sent again, and nothing else changes.
    let lossy = media::flood_links(&graph, 0, 0.2, &mut rng);
    assert_eq!((lossy.bodies, lossy.reached), (all, 100));
    assert!(lossy.on_air > all * 6 / 5 && lossy.on_air < all * 13 / 10);
}

#[test]
fn a_broadcast_sends_once_each_and_a_counter_less() {
    let (graph, mut rng) = world();
    let (flood, _) = media::broadcast(&graph, 0, 0.0, Rule::Flood, 0.0, &mut rng);
    assert_eq!((flood.bodies, flood.on_air, flood.reached), (100, 100, 100));
    // Without loss everybody hears each of its neighbours.
    assert_eq!(flood.again, 2 * graph.edges() as u64 - OTHERS);
    let (plain, repaired) = media::broadcast(&graph, 0, 0.2, Rule::Counter(2), 1.0, &mut rng);
    assert!(plain.bodies < 60 && plain.reached < 100, "{plain:?}");
    assert!(repaired.reached == 100 && repaired.on_air > plain.on_air);
    let oracle = media::oracle(&graph, 0, 0.2, 1.0, &mut rng);
    assert!(oracle.reached == 100 && oracle.on_air < repaired.on_air);
}

/// No scheme on links needs fewer than one body for each who gets it; ours needs less than one more (MSG-6).
#[test]
fn ours_sends_little_more_than_one_body_to_each() {
    let (graph, _) = world();
    let how = ours::How {
        people: PEOPLE,
        seed: 1,
        before_min: 5,
        speakers: 5,
        strangers: false,
        talk: true,
    };
    let ours = ours::run(&graph, how);
    assert!(ours.said > 0 && ours.worst == 1.0, "{ours:?}");
    let least = ours.said * OTHERS;
    assert_eq!(ours.bodies - ours.again, least);
    assert!(ours.again < least, "{ours:?}");
}
