//! Five nodes in a row of which only neighbours hear each other, over reordered and lost frames, with a
//! link cut again and again (must show b of the Bluetooth issue, on the virtual radio).

use std::time::Duration;

use sovereign_node::ports::radio::RadioState;
use sovereign_sim::radio::{Air, Hardware, Physics, Shadowing, VirtualRadio, World, WorldEvent};

use super::{people::talk, place, start};

/// Apart from each other: two such steps are out of range.
const STEP: f64 = 16.0;
const CUT_EVERY: Duration = Duration::from_secs(10);

/// MSG-6, LOC-4: everything arrives exactly once, both ways. `SOVEREIGN_CHAIN` sets how many texts.
#[tokio::test(start_paused = true)]
async fn everything_gets_through_a_chain_that_breaks() {
    let number = std::env::var("SOVEREIGN_CHAIN").map_or(15, |text| {
        text.parse().expect("SOVEREIGN_CHAIN is a number")
    });
    let air = Air::new(World::new(Physics::lossy(), 1), 5);
    let join = |index: u32| -> VirtualRadio {
        air.join(place(STEP * f64::from(index)), Hardware::small_mtu())
    };
    let radios: Vec<VirtualRadio> = (0..5).map(join).collect();
    let middle: Vec<_> = radios[1..4].iter().map(VirtualRadio::id).collect();
    let mut people = Vec::new();
    for (radio, name) in radios.into_iter().zip(["Ana", "Ben", "Cleo", "Dan", "Eva"]) {
        people.push(start(name, radio).await);
    }
    let cuts = async {
        let mut radios = middle.iter().cycle();
        loop {
            tokio::time::sleep(CUT_EVERY).await;
            let radio = *radios.next().expect("a cycle");
            for state in [RadioState::Off("cut".to_owned()), RadioState::On] {
                air.handle(WorldEvent::Switch { radio, state });
            }
        }
    };
    let mut eva = people.pop().expect("five");
    talk(&mut people[0], &mut eva, number, cuts).await;
    let counters = air.look(World::counters);
    println!("{number} texts each way over four hops: {counters:?}");
    eva.stop().await;
    for person in people {
        person.stop().await;
    }
}

/// 100 kB over four hops, notifications overtaking each other, MTU 185: all frames both ways, with everything that
/// comes with them, are at most 1.15 times the bundles' bytes on each hop.
#[tokio::test(start_paused = true)]
async fn a_hundred_kilobytes_cost_little_more_than_themselves() {
    const BUNDLES: usize = 25;
    const BUNDLE: u64 = 4_096;
    const HOPS: u64 = 4;
    // Without fading only neighbours hear each other, and no link ends meanwhile.
    let physics = Physics {
        shadowing: Shadowing {
            sigma_db: 0.0,
            ..Physics::phones().shadowing
        },
        fading_sigma_db: 0.0,
        ..Physics::phones()
    };
    let air = Air::new(World::new(physics, 1), 7);
    let mut people = Vec::new();
    for (index, name) in (0_u32..).zip(["Ana", "Ben", "Cleo", "Dan", "Eva"]) {
        let radio = air.join(place(STEP * f64::from(index)), Hardware::small_mtu());
        people.push(start(name, radio).await);
    }
    let mut eva = people.pop().expect("five");
    let ana = &mut people[0];
    // All links stand, and every neighbour is a known member.
    ana.say("from Ana first").await;
    eva.takes("from Ana", 1).await;
    let before = air.look(World::counters);
    // As much as fits into a bundle of this size with the longest list of parents.
    let filler = "x".repeat(3_700);
    for count in 0..BUNDLES {
        ana.say(&format!("from Ana {count} {filler}")).await;
    }
    eva.takes("from Ana", BUNDLES).await;
    let after = air.look(World::counters);
    let crossed = after.frame_bytes - before.frame_bytes;
    let share = crossed as f64 / (HOPS * BUNDLES as u64 * BUNDLE) as f64;
    println!("{BUNDLES} bundles of {BUNDLE} bytes over {HOPS} hops: {share:.3} times their bytes");
    assert!(share <= 1.15, "{share}");
    eva.stop().await;
    for person in people {
        person.stop().await;
    }
}
