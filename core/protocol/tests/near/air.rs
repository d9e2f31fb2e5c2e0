//! Advertising events against scan windows: who hears what, when.

use super::*;
use sovereign_protocol::policy::near::duty::{CHANNELS, PACKET, Schedule};

/// From an advertisement to the end of its scan response: two of the longest packets, a request of
/// 176 µs, twice the inter-frame space of 150 µs.
const EXCHANGE: Duration = Duration::from_micros(2 * 376 + 176 + 2 * 150);
/// From one channel to the next within an event.
const HOP: Duration = Duration::from_micros(1_600);

fn share(rng: &mut ChaCha12Rng, of: Duration) -> Duration {
    of.mul_f64(uniform(rng))
}

/// When a scanner hears an advertiser, up to `until`. Both began at a random time before.
pub(crate) fn heard(
    scanner: &Schedule,
    advertiser: &Schedule,
    loss: f64,
    until: Duration,
    rng: &mut ChaCha12Rng,
) -> Vec<Duration> {
    assert!(EXCHANGE > 3 * PACKET);
    let (window, interval) = (scanner.mode.window(), scanner.mode.interval());
    let cycle = if scanner.off.is_zero() {
        interval * CHANNELS
    } else {
        scanner.on + scanner.off
    };
    let offset = share(rng, cycle);
    let mut event = share(rng, advertiser.advertise);
    let mut times = Vec::new();
    while event < until {
        for channel in 0..CHANNELS {
            let at = event + HOP * channel;
            let in_cycle = Duration::from_nanos(
                ((at + offset).as_nanos() % cycle.as_nanos())
                    .try_into()
                    .unwrap(),
            );
            let on = scanner.off.is_zero() || in_cycle + EXCHANGE <= scanner.on;
            let turn = in_cycle.as_nanos() / interval.as_nanos();
            let in_turn = in_cycle - interval * u32::try_from(turn).unwrap();
            let listens = turn % u128::from(CHANNELS) == u128::from(channel);
            if on && listens && in_turn + EXCHANGE <= window && uniform(rng) >= loss {
                times.push(at);
            }
        }
        event += advertiser.advertise + share(rng, 10 * MS);
    }
    times
}
