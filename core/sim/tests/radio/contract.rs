//! The port's contract (decision 5), on virtual time.

use sovereign_sim::radio::{Air, Hardware, Physics, Position, VirtualRadio, World};

/// Radios 2 m apart in a row.
struct Place {
    air: Air,
    hardware: Hardware,
    joined: f64,
}

impl Place {
    fn new(world: World, hardware: Hardware) -> Self {
        tokio::time::pause();
        let air = Air::new(world, 1);
        Self {
            air,
            hardware,
            joined: 0.0,
        }
    }

    fn join(&mut self) -> VirtualRadio {
        self.joined += 1.0;
        let at = Position {
            x: 2.0 * self.joined,
            y: 0.0,
        };
        self.air.join(at, self.hardware)
    }
}

macro_rules! place {
    ($name:ident, $world:expr, $hardware:expr) => {
        struct $name(Place);

        impl Default for $name {
            fn default() -> Self {
                Self(Place::new($world, $hardware))
            }
        }

        impl sovereign_node::contract::radio::RadioFixture for $name {
            type Port = VirtualRadio;

            async fn join(&mut self) -> VirtualRadio {
                self.0.join()
            }
        }
    };
}

place!(Ideal, World::ideal(), Hardware::ideal());
place!(
    Phones,
    World::new(Physics::phones(), 1),
    Hardware::small_mtu()
);
place!(Lossy, World::new(Physics::lossy(), 1), Hardware::phone());

mod ideal {
    sovereign_node::radio_contract!(super::Ideal);
}

/// Nothing that is on a link gets lost here, it takes its time.
mod phones {
    sovereign_node::radio_contract!(super::Phones);
}

/// All but the cases that count frames.
mod lossy {
    sovereign_node::radio_contract!(super::Lossy:
        state_comes_first, advertised_is_sighted, advertisement_is_replaced,
        silence_without_scanning, silence_after_advertising, connected_is_up_at_both_ends,
        link_numbers_are_used_once, busy_then_ready, wrong_lengths_are_refused,
        unknown_is_refused, close_is_down_at_both_ends_once, connect_fails_where_nobody_answers,
        epoch_changes_the_address, links_outlive_advertising, overflow_is_explicit,
        dropped_radio_takes_its_links_down);
}

/// The control: the contract tells a radio that loses frames from one that does not.
#[tokio::test]
#[should_panic(expected = "never happened: all frames")]
async fn lost_frames_are_noticed() {
    sovereign_node::contract::radio::frames_arrive_intact::<Lossy>().await;
}
