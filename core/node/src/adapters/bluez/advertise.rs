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
/// Longest wait for BlueZ.
const ANSWER: Duration = Duration::from_secs(5);

/// Advertises as the node wants it, until `end`.
pub(super) async fn run(adapter: &Adapter, shared: &Arc<Shared>, end: &CancellationToken) {
    let mut wanted = shared.advertising.subscribe();
    let mut warned = false;
    loop {
        let advertising = wanted.borrow_and_update().clone();
        // Dropping a handle ends its advertisement.
        let mut handles = Vec::new();
        let mut again = false;
        if let Some(advertising) = &advertising {
            enter(adapter, shared, advertising.epoch, &mut warned).await;
            let up = tokio::select! {
                up = start(adapter, advertising, &mut handles) => up,
                () = end.cancelled() => return,
            };
            again = up.is_err();
            if let Err(error) = up {
                tracing::warn!(error, started = handles.len(), "advertising");
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
    let places = adapter.supported_advertising_instances().await;
    let places = places.map_err(|e| e.to_string())?;
    let advertisements = ad::advertisements(advertising);
    for (number, advertisement) in advertisements.into_iter().enumerate() {
        match timeout(ANSWER, adapter.advertise(advertisement)).await {
            Ok(Ok(handle)) => handles.push(handle),
            // One is better than none: the rest is for phones that look for the list only.
            Ok(Err(_)) if number > 0 && usize::from(places) == 0 => break,
            Ok(Err(error)) => return Err(error.to_string()),
            Err(_) => return Err(String::from("BlueZ does not answer")),
        }
    }
    Ok(())
}

/// A new epoch: who only looked at the hello of the last one must not see the new one over the same
/// connection (docs/protocol.md §11.3).
async fn enter(adapter: &Adapter, shared: &Shared, epoch: u64, warned: &mut bool) {
    for reader in shared.enter(epoch) {
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
