//! What a link over the radio costs (must show d of the Bluetooth issue), counted in the air.

use std::time::Duration;

use sovereign_sim::radio::{Air, Hardware, Physics, World};

use super::{place, start};

/// From link-up to the first bundle: at most 12 writes of its sender's, 1.2 kB, at MTU 185. Both
/// directions together are counted here, which is more.
#[tokio::test(start_paused = true)]
async fn the_first_bundle_costs_little() {
    let air = Air::new(World::new(Physics::phones(), 1), 3);
    let ana = start("Ana", air.join(place(0.0), Hardware::small_mtu())).await;
    ana.say("from Ana 0").await;
    let mut ben = start("Ben", air.join(place(5.0), Hardware::small_mtu())).await;
    ben.hears("from Ana", 1).await;
    let counters = air.look(World::counters);
    println!(
        "first bundle: {} frames, {} bytes, both ways",
        counters.frames, counters.frame_bytes
    );
    assert!(counters.frames <= 24, "{counters:?}");
    assert!(counters.frame_bytes <= 2_000, "{counters:?}");
    ana.stop().await;
    ben.stop().await;
}

/// An idle link carries at most 2 kB a minute: here nothing at all in ten seconds.
#[tokio::test(start_paused = true)]
async fn an_idle_link_is_silent() {
    let air = Air::new(World::ideal(), 4);
    let ana = start("Ana", air.join(place(0.0), Hardware::ideal())).await;
    let mut ben = start("Ben", air.join(place(5.0), Hardware::ideal())).await;
    ana.say("from Ana 0").await;
    ben.hears("from Ana", 1).await;
    // Receipts, membership and the last acknowledgements.
    let mut before = air.look(World::counters);
    loop {
        // Not an event that could be awaited: what is asserted is that nothing happens.
        tokio::time::sleep(Duration::from_secs(2)).await;
        let now = air.look(World::counters);
        if now.frames == before.frames {
            break;
        }
        before = now;
    }
    tokio::time::sleep(Duration::from_secs(10)).await;
    let after = air.look(World::counters);
    assert_eq!(after.frames, before.frames);
    ana.stop().await;
    ben.stop().await;
}
