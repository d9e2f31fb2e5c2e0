//! Five nodes in a row of which only neighbours hear each other, over reordered and lost frames, with a
//! link cut again and again (must show b of the Bluetooth issue, on the virtual radio).

use std::time::Duration;

use sovereign_node::ports::radio::RadioState;
use sovereign_sim::radio::{Air, Hardware, Physics, VirtualRadio, World, WorldEvent};

use super::{people::Person, place};

/// Apart from each other: two such steps are out of range.
const STEP: f64 = 16.0;
const CUT_EVERY: Duration = Duration::from_secs(10);

/// MSG-6, LOC-4: everything arrives exactly once, both ways. `SOVEREIGN_CHAIN` sets how many texts.
#[tokio::test]
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
        people.push(Person::start(name, radio).await);
    }
    let cuts = async {
        for radio in middle.into_iter().cycle() {
            tokio::time::sleep(CUT_EVERY).await;
            for state in [RadioState::Off("cut".to_owned()), RadioState::On] {
                air.handle(WorldEvent::Switch { radio, state });
            }
        }
    };
    let mut eva = people.pop().expect("five");
    let ana = &mut people[0];
    let talk = async {
        for count in 0..number {
            ana.say(&format!("from Ana {count}")).await;
            eva.say(&format!("from Eva {count}")).await;
        }
        tokio::join!(ana.hears("from Eva", number), eva.hears("from Ana", number));
    };
    tokio::select! {
        () = talk => {}
        () = cuts => unreachable!("cuts go on for ever"),
    }
    let counters = air.look(World::counters);
    println!("{number} texts each way over four hops: {counters:?}");
    eva.stop().await;
    for person in people {
        person.stop().await;
    }
}
