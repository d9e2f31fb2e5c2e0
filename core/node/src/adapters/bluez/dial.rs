//! Dialling, through btleplug: one connection after the other (LOC-4).

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use btleplug::api::{Central as _, Characteristic, Peripheral as _, ValueNotification, WriteType};
use btleplug::platform::{Adapter, Peripheral};
use bytes::Bytes;
use futures::{Stream, StreamExt as _};
use sovereign_protocol::id::LinkId;
use sovereign_protocol::link_kind::Role;
use sovereign_protocol::radio::advert::{FROM_NODE, HELLO, Hello, TO_NODE};
use tokio::sync::{Mutex, mpsc};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::ad::SERVICE;
use super::link::{self, Carrier};
use super::shared::{End, Shared, bytes_of};
use super::{MAX_FRAME, MIN_FRAME, l2cap};
use crate::ports::radio::{Bearer, RadioAddress, RadioEvent};

/// Longest wait for a connection: as long as phones are given (a connection that comes takes 1 to 5 s).
const CONNECT: Duration = Duration::from_secs(10);
/// Longest wait for the list of services.
const DISCOVER: Duration = Duration::from_secs(15);
/// Longest wait for any other answer.
const ANSWER: Duration = Duration::from_secs(5);
/// Bytes of a write or notification that are not the frame's (Bluetooth Core, Vol 3, Part F, 3.4).
const ATT_HEADER: u16 = 3;

/// Both libraries' view of the controller.
pub(super) struct Controller {
    pub(super) adapter: bluer::Adapter,
    pub(super) central: Adapter,
    /// Whether L2CAP is wanted.
    pub(super) l2cap: bool,
}

/// Dials what the node wants dialled, until `end`. Each is answered.
pub(super) async fn run(
    controller: &Controller,
    shared: &Arc<Shared>,
    dials: &mut mpsc::Receiver<RadioAddress>,
    end: &CancellationToken,
) {
    loop {
        let address = tokio::select! {
            address = dials.recv() => address,
            () = end.cancelled() => None,
        };
        let Some(address) = address else { break };
        let result = tokio::select! {
            result = dial(controller, shared, address) => result,
            () = end.cancelled() => Err(String::from("Bluetooth went away")),
        };
        shared.dialled(address);
        if let Err(why) = result {
            hang_up(controller, shared, address).await;
            shared
                .inbox
                .push(RadioEvent::ConnectFailed { address, why });
        }
    }
    while let Ok(address) = dials.try_recv() {
        shared.dialled(address);
        let why = String::from("Bluetooth went away");
        shared
            .inbox
            .push(RadioEvent::ConnectFailed { address, why });
    }
}

async fn hang_up(controller: &Controller, shared: &Shared, address: RadioAddress) {
    // No link has the number 0.
    if shared.shares(LinkId(0), address) {
        return;
    }
    if let Ok(device) = device(controller, address)
        && let Ok(Err(error)) = timeout(ANSWER, device.disconnect()).await
    {
        tracing::debug!(%error, "hanging up");
    }
}

fn device(controller: &Controller, address: RadioAddress) -> Result<bluer::Device, String> {
    let device = controller.adapter.device(bluer::Address(bytes_of(address)));
    device.map_err(|e| e.to_string())
}

async fn within<T, E: ToString>(
    limit: Duration,
    what: &str,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, String> {
    match timeout(limit, work).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(format!("{what}: {}", error.to_string())),
        Err(_) => Err(format!("{what}: no answer in {} s", limit.as_secs())),
    }
}

async fn dial(
    controller: &Controller,
    shared: &Arc<Shared>,
    address: RadioAddress,
) -> Result<(), String> {
    let id = shared.device(address).ok_or("it was heard too long ago")?;
    let peripheral = within(ANSWER, "looking it up", controller.central.peripheral(&id)).await?;
    within(CONNECT, "connecting", peripheral.connect()).await?;
    within(
        DISCOVER,
        "finding the service",
        peripheral.discover_services(),
    )
    .await?;
    let to_node = characteristic(&peripheral, TO_NODE.0)?;
    let from_node = characteristic(&peripheral, FROM_NODE.0)?;
    let hello = characteristic(&peripheral, HELLO.0)?;
    let device = device(controller, address)?;
    let end = |max_frame: usize, bearer: Bearer| End {
        address,
        max_frame: u16::try_from(max_frame.min(MAX_FRAME)).unwrap_or(u16::MAX),
        role: Role::Dialer,
        bearer,
    };

    // A hello may be refused, or of another version: the link's handshake decides, not this.
    let hello = within(ANSWER, "reading the hello", peripheral.read(&hello)).await;
    if let Err(why) = &hello {
        tracing::debug!(why, "no hello");
    }
    let psm = hello.ok().and_then(|value| Hello::decode(&value).ok()?.psm);
    if let Some(psm) = psm.filter(|_| controller.l2cap) {
        match l2cap::dial(&controller.adapter, &device, psm).await {
            Ok(channel) => {
                let end = end(channel.max_frame(), Bearer::L2cap);
                let opened = shared.open(end).ok_or("there are too many links")?;
                tokio::spawn(link::run(Arc::clone(shared), opened, channel, device));
                return Ok(());
            }
            Err(why) => tracing::debug!(why, "no L2CAP channel, so GATT"),
        }
    }

    let notifications = within(ANSWER, "listening", peripheral.notifications()).await?;
    within(ANSWER, "subscribing", peripheral.subscribe(&from_node)).await?;
    let room = usize::from(peripheral.mtu().saturating_sub(ATT_HEADER)).max(MIN_FRAME);
    let carrier = Gatt {
        peripheral,
        to_node,
        from_node: from_node.uuid,
        notifications: Mutex::new(notifications),
    };
    let opened = shared
        .open(end(room, Bearer::Gatt))
        .ok_or("there are too many links")?;
    tokio::spawn(link::run(Arc::clone(shared), opened, carrier, device));
    Ok(())
}

fn characteristic(peripheral: &Peripheral, uuid: u128) -> Result<Characteristic, String> {
    let uuid = Uuid::from_u128(uuid);
    let all = peripheral.characteristics();
    let found = all
        .into_iter()
        .find(|c| c.service_uuid == SERVICE && c.uuid == uuid);
    found.ok_or_else(|| format!("it does not have the characteristic {uuid}"))
}

/// Frames of a link that we dialled: writes out, notifications in.
struct Gatt {
    peripheral: Peripheral,
    to_node: Characteristic,
    from_node: Uuid,
    notifications: Mutex<Pin<Box<dyn Stream<Item = ValueNotification> + Send>>>,
}

impl Carrier for Gatt {
    async fn send(&self, frame: &[u8]) -> Result<(), String> {
        // BlueZ answers when it has taken the frame over, also to a write without response.
        let write = self
            .peripheral
            .write(&self.to_node, frame, WriteType::WithoutResponse);
        within(DISCOVER, "writing", write).await
    }

    async fn receive(&self) -> Result<Bytes, String> {
        let mut notifications = self.notifications.lock().await;
        while let Some(notification) = notifications.next().await {
            if notification.uuid == self.from_node {
                return Ok(Bytes::from(notification.value));
            }
        }
        Err(String::from("D-Bus is gone"))
    }
}
