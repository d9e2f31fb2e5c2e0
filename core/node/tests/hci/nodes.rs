//! Whole nodes on HCI controllers: five in a row, at an MTU of 185, with notifications that overtake each
//! other and a link cut again and again (must show b of the Bluetooth issue).

use std::time::Duration;

use serde_json::json;
use sovereign_node::contract::radio::RadioFixture as _;

use crate::{air::Lab, people::talk};

const NAMES: [&str; 5] = ["Ana", "Ben", "Cleo", "Dan", "Eva"];
/// Five times as often as asked for: a run is over in seconds.
const CUT_EVERY: Duration = Duration::from_secs(2);

/// MSG-6, LOC-4: everything arrives exactly once, both ways. `SOVEREIGN_CHAIN` sets how many texts.
#[tokio::test]
async fn everything_gets_through_a_chain_that_breaks() {
    let number = std::env::var("SOVEREIGN_CHAIN").map_or(150, |text| {
        text.parse().expect("SOVEREIGN_CHAIN is a number")
    });
    let mut lab = Lab::<false>::default();
    let mut radios = Vec::new();
    for index in 0..NAMES.len() {
        radios.push(lab.join().await);
        // Only neighbours hear each other.
        for other in 0..index.saturating_sub(1) {
            let (a, b) = (name(other), name(index));
            for (from, to) in [(&a, &b), (&b, &a)] {
                lab.ask(&json!({"do": "rssi", "from": from, "to": to, "dbm": null}));
            }
        }
    }
    lab.ask(&json!({
        "do": "pair", "a": "*", "b": "*",
        "att_mtu": 185, "reorder": 0.3, "latency_ms": 20, "bytes_per_s": 20_000,
    }));
    let mut people = Vec::new();
    for (radio, name) in radios.into_iter().zip(NAMES) {
        people.push(crate::start(name, radio).await);
    }
    let mut links_cut = 0;
    let cuts = async {
        let mut links = (0..NAMES.len() - 1).cycle();
        loop {
            tokio::time::sleep(CUT_EVERY).await;
            let index = links.next().expect("a cycle");
            let (a, b) = (name(index), name(index + 1));
            let answer = lab.ask(&json!({"do": "cut", "a": a, "b": b}));
            links_cut += answer["links"].as_u64().unwrap_or(0);
        }
    };
    let mut eva = people.pop().expect("five");
    talk(&mut people[0], &mut eva, number, cuts).await;
    let peers = people[0].peers().await;
    assert!(!peers.is_empty(), "Ana has a neighbour");
    assert!(links_cut > 0, "nothing was cut");
    println!("{number} texts each way over four hops, {links_cut} links cut");
    eva.stop().await;
    for person in people {
        person.stop().await;
    }
}

fn name(index: usize) -> String {
    Lab::<false>::name(index)
}
