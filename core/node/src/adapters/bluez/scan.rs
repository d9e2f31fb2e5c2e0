//! Scanning, through btleplug (LOC-2, LOC-6).

use std::sync::Arc;
use std::time::Duration;

use btleplug::api::{Central as _, CentralEvent, Peripheral as _, ScanFilter};
use btleplug::platform::{Adapter, PeripheralId};
use futures::StreamExt as _;
use sovereign_protocol::radio::advert;
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use super::ad::{Report, SERVICE, dbm};
use super::shared::{Shared, address_of};
use crate::ports::radio::{RadioEvent, ScanDuty};

/// Shortest window: BlueZ starts and stops scanning over D-Bus and by its own timers, so that shorter ones are
/// made longer, and the pauses with them. The share of time stays the same.
const MIN_WINDOW: Duration = Duration::from_secs(1);
/// Longest window. btleplug queues what is heard without a bound, and this is when its queue is thrown away.
const MAX_WINDOW: Duration = Duration::from_secs(30);
/// Pause after BlueZ has refused to scan.
const REFUSED: Duration = Duration::from_secs(2);
/// Longest wait for BlueZ to stop.
const STOP: Duration = Duration::from_secs(2);

/// Scans as the node wants it, until `end`.
pub(super) async fn run(central: &Adapter, shared: &Arc<Shared>, end: &CancellationToken) {
    let mut wanted = shared.scan.subscribe();
    loop {
        let duty = *wanted.borrow_and_update();
        let pause = match duty {
            None => None,
            Some(duty) => {
                let (window, pause) = turn(duty);
                tokio::select! {
                    heard = window_of(central, shared, window) => match heard {
                        Ok(()) => Some(pause),
                        Err(error) => {
                            tracing::debug!(%error, "scanning");
                            Some(REFUSED)
                        }
                    },
                    _ = wanted.changed() => Some(Duration::ZERO),
                    () = end.cancelled() => None,
                }
            }
        };
        if duty.is_some()
            && let Ok(Err(error)) = timeout(STOP, central.stop_scan()).await
        {
            tracing::debug!(%error, "stopping the scan");
        }
        tokio::select! {
            () = sleep(pause.unwrap_or_default()), if pause.is_some() => {}
            _ = wanted.changed() => {}
            () = end.cancelled() => return,
        }
    }
}

/// Window and pause for a duty.
fn turn(duty: ScanDuty) -> (Duration, Duration) {
    let window = duty.window.max(Duration::from_millis(1));
    let pause = duty.interval.saturating_sub(window);
    if pause.is_zero() {
        return (MAX_WINDOW, Duration::ZERO);
    }
    let longer = MIN_WINDOW.div_duration_f64(window).max(1.0);
    (
        window.mul_f64(longer).min(MAX_WINDOW),
        pause.mul_f64(longer),
    )
}

/// One window, at the end of which the scan goes on; errors are BlueZ's.
async fn window_of(
    central: &Adapter,
    shared: &Arc<Shared>,
    window: Duration,
) -> Result<(), btleplug::Error> {
    let mut events = central.events().await?;
    // No filter: BlueZ merges those of all programs, and drops service data that matches none.
    central.start_scan(ScanFilter::default()).await?;
    let until = Instant::now() + window;
    while let Ok(Some(event)) = timeout_at(until, events.next()).await {
        let (id, again) = match event {
            // Comes for each device that BlueZ remembers, too, when the stream begins.
            CentralEvent::DeviceDiscovered(id) if !shared.knows(&id) => (id, true),
            CentralEvent::RssiUpdate { id, .. } => (id, true),
            // Comes along with the strength, mostly.
            CentralEvent::ServiceDataAdvertisement { id, .. }
            | CentralEvent::ServicesAdvertisement { id, .. }
            | CentralEvent::ManufacturerDataAdvertisement { id, .. }
            | CentralEvent::DeviceUpdated(id) => (id, false),
            _ => continue,
        };
        if let Err(error) = report(central, shared, id, again).await {
            tracing::trace!(%error, "a device that is gone again");
        }
    }
    Ok(())
}

/// Passes on what a device advertises; unless `again`, only if it is new.
async fn report(
    central: &Adapter,
    shared: &Arc<Shared>,
    id: PeripheralId,
    again: bool,
) -> Result<(), btleplug::Error> {
    let peripheral = central.peripheral(&id).await?;
    let Some(mut properties) = peripheral.properties().await? else {
        return Ok(());
    };
    // Not heard now, only remembered.
    if properties.rssi.is_none() {
        return Ok(());
    }
    let service_data = properties.service_data.remove(&SERVICE);
    let report = Report {
        // Once it has connected, BlueZ names the services that it found in place of those that are
        // advertised. Who sends our service data lists our service, too (docs/protocol.md §11.2).
        listed: service_data.is_some() || properties.services.contains(&SERVICE),
        service_data,
        name: properties.advertisement_name,
        apple: properties.manufacturer_data.remove(&advert::APPLE),
    };
    let Some(heard) = report.structures() else {
        return Ok(());
    };
    let address = address_of(properties.address.into());
    let new = shared.hear(address, id, heard.clone());
    if new || again {
        shared.inbox.offer(RadioEvent::Sighted {
            address,
            heard,
            rssi_dbm: dbm(properties.rssi),
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(window: u64, interval: u64) -> (u128, u128) {
        let (window, pause) = turn(ScanDuty {
            window: Duration::from_millis(window),
            interval: Duration::from_millis(interval),
        });
        (window.as_millis(), pause.as_millis())
    }

    #[test]
    fn short_windows_keep_their_share() {
        // LOC-6.
        assert_eq!(of(100, 100), (30_000, 0));
        assert_eq!(of(100, 50), (30_000, 0));
        assert_eq!(of(100, 1_000), (1_000, 9_000));
        assert_eq!(of(512, 10_240), (1_000, 19_000));
        assert_eq!(of(2_000, 30_000), (2_000, 28_000));
        assert_eq!(of(0, 100), (1_000, 99_000));
    }
}
