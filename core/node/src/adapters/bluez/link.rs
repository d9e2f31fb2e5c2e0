//! One link: frames out of its queue, frames in, and its end.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bluer::{Device, DeviceEvent, DeviceProperty};
use bytes::Bytes;
use futures::StreamExt as _;
use sovereign_protocol::link_kind::Role;

use super::shared::{Opened, Shared};
use crate::ports::radio::RadioEvent;

/// Longest wait for BlueZ to hang up.
const HANG_UP: Duration = Duration::from_secs(5);

/// What moves the frames of one link. Each method is called again only after its future has ended.
pub(super) trait Carrier: Send + Sync + 'static {
    /// Sends one frame, when the one before it is on its way.
    fn send(&self, frame: &[u8]) -> impl Future<Output = Result<(), String>> + Send;
    /// The next frame. Frames that come in by another way never do here.
    fn receive(&self) -> impl Future<Output = Result<Bytes, String>> + Send;
}

/// Carries a link to its end, and tells of it.
pub(super) async fn run(
    shared: Arc<Shared>,
    opened: Opened,
    carrier: impl Carrier,
    device: Device,
) {
    let Opened {
        link,
        end,
        mut frames,
        close,
    } = opened;
    let write = async {
        while let Some(frame) = frames.recv().await {
            shared.taken(link);
            if let Err(why) = carrier.send(&frame).await {
                return why;
            }
        }
        String::from("the link was forgotten")
    };
    let read = async {
        loop {
            match carrier.receive().await {
                Ok(frame) if frame.is_empty() => {}
                Ok(frame) => shared.inbox.offer(RadioEvent::Frame { link, frame }),
                Err(why) => return why,
            }
        }
    };
    let why = tokio::select! {
        why = write => why,
        why = read => why,
        why = lost(&device) => why,
        () = close.cancelled() => String::from("closed by this node"),
    };
    drop(carrier);
    // A dialler that gives this channel up may still want the connection for another.
    let hang_up = end.role == Role::Dialer || close.is_cancelled();
    if hang_up
        && !shared.shares(link, end.address)
        && let Ok(Err(error)) = tokio::time::timeout(HANG_UP, device.disconnect()).await
    {
        tracing::debug!(%error, "hanging up");
    }
    shared.closed(link, why);
}

/// Waits until the connection to a device is lost.
async fn lost(device: &Device) -> String {
    let events = match device.events().await {
        Ok(events) => events,
        Err(error) => return error.to_string(),
    };
    let mut events = pin!(events);
    match device.is_connected().await {
        Ok(true) => {}
        Ok(false) => return String::from("the connection was lost at once"),
        Err(error) => return error.to_string(),
    }
    while let Some(event) = events.next().await {
        if let DeviceEvent::PropertyChanged(DeviceProperty::Connected(false)) = event {
            return String::from("the connection was lost");
        }
    }
    String::from("the system has forgotten the device")
}
