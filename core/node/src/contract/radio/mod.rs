//! The contract of the [`Radio`] port (decision 5).

mod air;
mod links;
mod steps;

use std::future::Future;
use std::time::Duration;

use bytes::Bytes;

pub use air::{
    advertised_is_sighted, advertisement_is_replaced, connect_fails_where_nobody_answers,
    epoch_changes_the_address, silence_after_advertising, silence_without_scanning,
    state_comes_first,
};
pub use links::{
    busy_then_ready, close_is_down_at_both_ends_once, connected_is_up_at_both_ends,
    dropped_radio_takes_its_links_down, frames_arrive_intact, link_numbers_are_used_once,
    links_outlive_advertising, next_is_safe_to_cancel, overflow_is_explicit, unknown_is_refused,
    wrong_lengths_are_refused,
};

use crate::ports::radio::{Advertising, Radio, ScanDuty};

/// The service's UUID as it goes over the air (docs/protocol.md, section 11.1).
const SERVICE: [u8; 16] = [
    0xa9, 0xdb, 0x4e, 0xfc, 0x13, 0x85, 0xb6, 0xb0, 0x28, 0x82, 0x7d, 0x57, 0x55, 0xb4, 0xe1, 0xc9,
];

/// A fresh place (`Default`) in which radios are tried. A radio works whether or not its `next` is
/// polled.
pub trait RadioFixture: Default {
    /// The adapter.
    type Port: Radio;

    /// Puts a radio that is on within reach of all others of this fixture.
    fn join(&mut self) -> impl Future<Output = Self::Port>;
}

/// An advertisement as nodes send it, told apart by `n`.
#[must_use]
pub fn advertising(n: u8, epoch: u8) -> Advertising {
    let list = [&[2, 1, 6, 17, 7], &SERVICE[..]].concat();
    let id = [n, 1, 2, 3, 4, 5, 6, 7, 0, 0];
    Advertising {
        data: Bytes::from(list),
        scan_response: Bytes::from([&[27, 0x21], &SERVICE[..], &id[..]].concat()),
        hello: Bytes::from([&[1], &id[..], &[0, 0]].concat()),
        interval: Duration::from_millis(100),
        connectable: true,
        address: [0x40, 1, 2, 3, n, epoch],
    }
}

/// Listening all the time.
pub const ALWAYS: ScanDuty = ScanDuty {
    window: Duration::from_millis(60),
    interval: Duration::from_millis(60),
};

/// Runs the contract of the radio port on a [`RadioFixture`](crate::contract::radio::RadioFixture):
/// all of it, or the named cases only, for radios that lose frames.
#[macro_export]
macro_rules! radio_contract {
    ($fixture:ty) => {
        $crate::radio_contract!($fixture:
            state_comes_first, advertised_is_sighted, advertisement_is_replaced,
            silence_without_scanning, silence_after_advertising, connected_is_up_at_both_ends,
            link_numbers_are_used_once, frames_arrive_intact, busy_then_ready,
            wrong_lengths_are_refused, unknown_is_refused, close_is_down_at_both_ends_once,
            connect_fails_where_nobody_answers, epoch_changes_the_address,
            links_outlive_advertising, overflow_is_explicit, dropped_radio_takes_its_links_down,
            next_is_safe_to_cancel);
    };
    ($fixture:ty: $($case:ident),+) => {
        $(
            #[tokio::test]
            async fn $case() {
                $crate::contract::radio::$case::<$fixture>().await;
            }
        )+
    };
}
