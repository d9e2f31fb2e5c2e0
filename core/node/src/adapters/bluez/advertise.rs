//! Advertising, through bluer (LOC-2, LOC-3).

use std::sync::Arc;
use std::time::Duration;

use bluer::adv::AdvertisementHandle;
use bluer::{Adapter, Address};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::ad;
use super::shared::Shared;
use crate::ports::radio::Advertising;

/// Pause after BlueZ has refused; it may have had no place because others advertise, or the last
/// advertisement was still being taken down.
const REFUSED: Duration = Duration::from_secs(2);
/// Refusals after which the owner is told, and after which some advertisements are better than a new attempt.
const PATIENCE: u32 = 3;
/// Longest wait for BlueZ.
const ANSWER: Duration = Duration::from_secs(5);

/// Advertises as the node wants it, until `end`.
pub(super) async fn run(adapter: &Adapter, shared: &Arc<Shared>, end: &CancellationToken) {
    let mut wanted = shared.advertising.subscribe();
    let (mut warned, mut refusals) = (false, 0);
    loop {
        let advertising = wanted.borrow_and_update().clone();
        // Dropping a handle ends its advertisement.
        let mut handles = Vec::new();
        let mut again = false;
        if let Some(advertising) = &advertising {
            enter(adapter, shared, advertising.address, &mut warned).await;
            let up = tokio::select! {
                up = start(adapter, advertising, &mut handles) => up,
                () = end.cancelled() => return,
            };
            if let Err(error) = up {
                refusals += 1;
                again = handles.is_empty() || refusals < PATIENCE;
                tracing::debug!(error, started = handles.len(), "BlueZ refuses to advertise");
                if refusals == PATIENCE {
                    tracing::warn!(error, started = handles.len(), "BlueZ refuses to advertise");
                }
            } else {
                refusals = 0;
            }
        }
        tokio::select! {
            () = sleep(REFUSED), if again => {}
            _ = wanted.changed() => {}
            () = end.cancelled() => return,
        }
    }
}

/// Starts as many advertisements as the controller has places for, most important first.
async fn start(
    adapter: &Adapter,
    advertising: &Advertising,
    handles: &mut Vec<AdvertisementHandle>,
) -> Result<(), String> {
    let free = adapter.supported_advertising_instances().await;
    let taken = adapter.active_advertising_instances().await;
    // Those taken may be our own last ones, which are about to be free.
    let places = free.map_err(|e| e.to_string())?;
    let places = places.saturating_add(taken.map_err(|e| e.to_string())?);
    let advertisements = ad::advertisements(advertising);
    for advertisement in advertisements.into_iter().take(usize::from(places)) {
        match timeout(ANSWER, adapter.advertise(advertisement)).await {
            Ok(Ok(handle)) => handles.push(handle),
            Ok(Err(error)) => return Err(error.to_string()),
            Err(_) => return Err(String::from("BlueZ does not answer")),
        }
    }
    Ok(())
}

/// A new epoch: who only looked at the hello of the last one must not see the new one over the same
/// connection (docs/protocol.md §11.3).
async fn enter(adapter: &Adapter, shared: &Shared, address: [u8; 6], warned: &mut bool) {
    for reader in shared.enter(address) {
        if let Ok(device) = adapter.device(Address(reader)) {
            drop(timeout(ANSWER, device.disconnect()).await);
        }
    }
    if !std::mem::replace(warned, true) {
        tracing::info!(
            "the Bluetooth address is BlueZ's to choose and stays the same unless it is told to hide it (Privacy = device \
             in /etc/bluetooth/main.conf): changing ids alone do not hide this computer"
        );
    }
}
