//! What both ends of a link have in common.

use std::ops::ControlFlow;
use std::time::Duration;

use sovereign_protocol::{id::LinkId, link_kind::Role};
use tokio::time::timeout;
use trouble_host::connection::Connection;
use trouble_host::gatt::{GattConnection, GattConnectionEvent, GattEvent};
use trouble_host::l2cap::{CreditFlowPolicy, L2capChannel, L2capChannelConfig};

use super::MAX_FRAME;
use super::air::Air;
use super::pool::Pool;
use crate::ports::radio::{Bearer, RadioAddress};

/// A connection that is no link by then is closed: who connects and says nothing holds a place no longer.
pub(super) const SET_UP_WITHIN: Duration = Duration::from_secs(10);
/// How long a controller has to end a connection.
const GONE_WITHIN: Duration = Duration::from_secs(2);
/// Bytes of an ATT packet that are not the value (Bluetooth Core 5.4, vol. 3, part F, 3.4.5.3 and 3.4.7.1).
const ATT_HEADER: u16 = 3;
/// Frames of a channel that may be under way unread.
const CREDITS: u16 = 8;

/// Why a link ended, in words.
pub(super) type Why = String;

/// Words for whatever the host reports.
pub(super) fn words(error: impl std::fmt::Debug) -> Why {
    format!("{error:?}")
}

/// How channels are opened and taken.
pub(super) fn channel_config() -> L2capChannelConfig {
    L2capChannelConfig {
        mtu: Some(MAX_FRAME),
        mps: None,
        flow_policy: CreditFlowPolicy::Every(CREDITS / 2),
        initial_credits: Some(CREDITS),
    }
}

/// Largest frame that fits into one ATT packet.
pub(super) fn gatt_frame(connection: &Connection<'_, Pool>) -> u16 {
    connection
        .att_mtu()
        .saturating_sub(ATT_HEADER)
        .min(MAX_FRAME)
}

/// Largest frame of a channel.
pub(super) fn channel_frame(channel: &L2capChannel<'_, Pool>) -> u16 {
    channel.peer_mtu().min(MAX_FRAME)
}

/// Ends a connection, and returns once it is gone.
pub(super) async fn hang_up(connection: &Connection<'_, Pool>) {
    connection.disconnect();
    let gone = async {
        while connection.is_connected() {
            connection.next().await;
        }
    };
    // The controller does not say so: the host gives the place away in any case.
    let _ = timeout(GONE_WITHIN, gone).await;
}

/// The next request of the other side, still to be answered; why there is none when the connection ends.
pub(super) async fn next_request<'s, 'v>(
    air: &Air<'_, '_>,
    ours: &GattConnection<'s, 'v, Pool>,
) -> Result<GattEvent<'s, 'v, Pool>, Why> {
    loop {
        match ours.next().await {
            GattConnectionEvent::Disconnected { reason } => {
                return Err(format!("disconnected: {reason:?}"));
            }
            GattConnectionEvent::RequestConnectionParams(request) => {
                // What was asked for at the connection stays; accepting takes a command, see session.rs.
                let _ = request.reject(air.stack).await;
            }
            GattConnectionEvent::Gatt { event } => return Ok(event),
            _ => {}
        }
    }
}

/// The life of a link over a channel, from `Up` until the node closes it (`Break`) or the channel ends.
pub(super) async fn over_channel(
    air: &Air<'_, '_>,
    channel: L2capChannel<'_, Pool>,
    link: LinkId,
) -> ControlFlow<Why, Why> {
    let (mut writer, mut reader) = channel.split();
    let send = async {
        while let Some(frame) = air.shared.next_frame(link).await {
            if let Err(error) = writer.send(air.stack, &frame).await {
                return ControlFlow::Continue(words(error));
            }
        }
        ControlFlow::Break("closed here".to_owned())
    };
    let receive = async {
        let mut frame = [0; MAX_FRAME as usize];
        loop {
            match reader.receive(air.stack, &mut frame).await {
                Ok(len) => air.shared.frame(link, &frame[..len]),
                Err(error) => return ControlFlow::Continue(words(error)),
            }
        }
    };
    tokio::select! {
        why = send => why,
        why = receive => why,
    }
}

/// Tells the node that a link is up.
pub(super) fn up(
    air: &Air<'_, '_>,
    peer: RadioAddress,
    max_frame: u16,
    role: Role,
    bearer: Bearer,
) -> Result<LinkId, Why> {
    air.shared
        .up(peer, max_frame, role, bearer)
        .ok_or_else(|| "the node does not read its events".to_owned())
}
