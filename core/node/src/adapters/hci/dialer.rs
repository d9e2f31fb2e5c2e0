//! The end that connected: a GATT client.

use std::ops::ControlFlow;

use sovereign_protocol::link_kind::Role;
use sovereign_protocol::radio::advert::{FROM_NODE, HELLO, Hello, MAX_HELLO, SERVICE, TO_NODE};
use tokio::time::timeout;
use trouble_host::att::AttErrorCode;
use trouble_host::attribute::Characteristic;
use trouble_host::connection::Connection;
use trouble_host::gatt::{GattClient, GattConnection, GattEvent};
use trouble_host::l2cap::L2capChannel;

use super::air::Air;
use super::echo;
use super::gatt::uuid;
use super::link::{
    SET_UP_WITHIN, Why, channel_config, channel_frame, gatt_frame, hang_up, next_request,
    over_channel, up, words,
};
use super::pool::Pool;
use super::session::Hci;
use crate::ports::radio::{Bearer, RadioAddress};

/// Services of ours that a peer may have: one, and some room for odd ones.
const SERVICES: usize = 4;
/// Writes that switch notifications on (Bluetooth Core 5.4, vol. 3, part G, 3.3.3.3).
const NOTIFY: [u8; 2] = [1, 0];

type Client<'s> = GattClient<'s, Hci, Pool, SERVICES>;

/// From a connection to the end of its link, if it becomes one.
pub(super) async fn run(air: &Air<'_, '_>, peer: RadioAddress, connection: Connection<'_, Pool>) {
    let mut link = None;
    let why = talk(air, peer, &connection, &mut link).await;
    hang_up(&connection).await;
    match link {
        Some(link) => air.shared.down(link, why),
        None => air.shared.connect_failed(peer, why),
    }
}

async fn talk(
    air: &Air<'_, '_>,
    peer: RadioAddress,
    connection: &Connection<'_, Pool>,
    link: &mut Option<sovereign_protocol::id::LinkId>,
) -> Why {
    let ours = match connection
        .clone()
        .with_attribute_server(&air.database.server)
    {
        Ok(ours) => ours,
        Err(error) => return words(error),
    };
    let body = async {
        let client = timeout(SET_UP_WITHIN, GattClient::new(air.stack, connection));
        let client: Client<'_> = match client.await {
            Ok(Ok(client)) => client,
            Ok(Err(error)) => return words(error),
            Err(_) => return "no answer to the first request".to_owned(),
        };
        tokio::select! {
            ended = client.task() => ended.err().map_or_else(|| "disconnected".to_owned(), words),
            why = client_side(air, peer, connection, &client, link) => why,
        }
    };
    tokio::select! {
        why = refuse(air, &ours) => why,
        why = body => why,
    }
}

/// Sets the link up and runs it.
async fn client_side(
    air: &Air<'_, '_>,
    peer: RadioAddress,
    connection: &Connection<'_, Pool>,
    client: &Client<'_>,
    link: &mut Option<sovereign_protocol::id::LinkId>,
) -> Why {
    let set_up = async {
        let services = client.services_by_uuid(&uuid(SERVICE)).await;
        let service = services
            .map_err(words)?
            .first()
            .cloned()
            .ok_or("it has not the service")?;
        let find = async |id| -> Result<Characteristic<[u8]>, Why> {
            client
                .characteristic_by_uuid(&service, &uuid(id))
                .await
                .map_err(words)
        };
        let (to_node, from_node) = (find(TO_NODE).await?, find(FROM_NODE).await?);
        let cccd = from_node.cccd_handle.ok_or("it cannot notify")?;
        let channel = match air.config.psm {
            Some(_) => open_channel(air, connection, client, find(HELLO).await?).await,
            None => None,
        };
        // Before the subscription: nothing that it causes may be missed.
        let notifications = client.listen(&from_node).map_err(words)?;
        if channel.is_none() {
            client.write_handle(cccd, &NOTIFY).await.map_err(words)?;
        }
        Ok::<_, Why>((to_node, notifications, channel))
    };
    let (to_node, mut notifications, channel) = match timeout(SET_UP_WITHIN, set_up).await {
        Ok(Ok(found)) => found,
        Ok(Err(why)) => return why,
        Err(_) => return "setting up took too long".to_owned(),
    };
    let (bearer, max_frame) = match &channel {
        Some(channel) => (Bearer::L2cap, channel_frame(channel)),
        None => (Bearer::Gatt, gatt_frame(connection)),
    };
    let number = match up(air, peer, max_frame, Role::Dialer, bearer) {
        Ok(number) => *link.insert(number),
        Err(why) => return why,
    };
    if let Some(channel) = channel {
        let (ControlFlow::Continue(why) | ControlFlow::Break(why)) =
            over_channel(air, channel, number).await;
        return why;
    }
    let send = async {
        while let Some(frame) = air.shared.next_frame(number).await {
            let sent = client.write_handle_without_response(to_node.handle, &frame);
            if let Err(error) = sent.await {
                return words(error);
            }
        }
        "closed here".to_owned()
    };
    let receive = async {
        loop {
            air.shared
                .frame(number, notifications.next().await.as_ref());
        }
    };
    tokio::select! {
        why = send => why,
        () = receive => "disconnected".to_owned(),
    }
}

/// A channel that passed the echo test, if the other side takes any.
async fn open_channel<'s>(
    air: &Air<'s, '_>,
    connection: &Connection<'_, Pool>,
    client: &Client<'_>,
    hello: Characteristic<[u8]>,
) -> Option<L2capChannel<'s, Pool>> {
    let mut value = [0; MAX_HELLO];
    let len = client.read_characteristic(&hello, &mut value).await.ok()?;
    let psm = Hello::decode(value.get(..len)?).ok()?.psm?;
    let config = channel_config();
    let channel = L2capChannel::create(air.stack, connection, psm, &config).await;
    let mut channel = channel
        .inspect_err(|error| tracing::debug!(?error, "no channel"))
        .ok()?;
    let max_frame = channel_frame(&channel);
    match echo::ask(&mut channel, air.stack, max_frame).await {
        Ok(()) => Some(channel),
        Err(error) => {
            tracing::debug!(error, "the channel is not trusted");
            channel.disconnect();
            None
        }
    }
}

/// Answers the requests of the other side, which is none of this node's clients: it may look around, as
/// operating systems do, and is refused the rest. Returns when the connection ends.
async fn refuse(air: &Air<'_, '_>, ours: &GattConnection<'_, '_, Pool>) -> Why {
    loop {
        let reply = match next_request(air, ours).await {
            Ok(GattEvent::Read(read)) if read.handle() == air.database.hello.handle => {
                read.reject(AttErrorCode::READ_NOT_PERMITTED)
            }
            Ok(GattEvent::Write(write)) => write.reject(AttErrorCode::WRITE_NOT_PERMITTED),
            Ok(other) => other.accept(),
            Err(why) => return why,
        };
        if let Ok(reply) = reply {
            reply.send().await;
        }
    }
}
