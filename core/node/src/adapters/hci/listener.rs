//! The end that was connected to: a GATT server.

use std::cell::Cell;
use std::ops::ControlFlow;

use sovereign_protocol::{id::LinkId, link_kind::Role};
use tokio::sync::Notify;
use tokio::time::timeout;
use trouble_host::att::AttErrorCode;
use trouble_host::connection::Connection;
use trouble_host::gatt::{GattConnection, GattEvent, WriteEvent};
use trouble_host::l2cap::L2capChannel;

use super::air::Air;
use super::echo;
use super::link::{
    SET_UP_WITHIN, Why, channel_config, channel_frame, gatt_frame, hang_up, next_request,
    over_channel, up, words,
};
use super::pool::Pool;
use crate::ports::radio::{Bearer, RadioAddress};

/// What the parts of one connection tell each other.
struct Desk {
    /// That of this node when the connection was made, and so its epoch.
    address: Option<[u8; 6]>,
    /// The other side wants notifications: with that a link over GATT is up.
    subscribed: Cell<bool>,
    subscription: Notify,
    /// The link, if it is up and writes carry it.
    over_gatt: Cell<Option<LinkId>>,
}

/// What a link begins with.
enum Begun<'s> {
    Subscription,
    /// A channel that passed the echo test.
    Channel(L2capChannel<'s, Pool>),
}

/// From a connection to the end of its link, if it becomes one.
pub(super) async fn run<'s>(
    air: &Air<'s, '_>,
    peer: RadioAddress,
    connection: Connection<'s, Pool>,
) {
    let ours = connection
        .clone()
        .with_attribute_server(&air.database.server);
    let Ok(ours) = ours else {
        return hang_up(&connection).await;
    };
    let desk = Desk {
        address: air.shared.watch().borrow().address,
        subscribed: Cell::new(false),
        subscription: Notify::new(),
        over_gatt: Cell::new(None),
    };
    let mut link = None;
    let why = tokio::select! {
        why = serve(air, &desk, &ours) => why,
        why = server_side(air, peer, &desk, &ours, &mut link) => why,
    };
    drop(ours);
    hang_up(&connection).await;
    match link {
        Some(link) => air.shared.down(link, why),
        None => tracing::debug!(why, "a connection became no link"),
    }
}

/// Waits until the link is up, and runs it.
async fn server_side<'s>(
    air: &Air<'s, '_>,
    peer: RadioAddress,
    desk: &Desk,
    ours: &GattConnection<'s, '_, Pool>,
    link: &mut Option<LinkId>,
) -> Why {
    let is_up = |max_frame, bearer| up(air, peer, max_frame, Role::Listener, bearer);
    match begin(air, desk, ours.raw(), true).await {
        Ok(Begun::Subscription) => {}
        Ok(Begun::Channel(channel)) => {
            let number = match is_up(channel_frame(&channel), Bearer::L2cap) {
                Ok(number) => *link.insert(number),
                Err(why) => return why,
            };
            match over_channel(air, channel, number).await {
                ControlFlow::Continue(why) if ours.raw().is_connected() => {
                    // The other side does not trust it, and may go on over GATT.
                    air.shared.down(number, why);
                    *link = None;
                }
                ControlFlow::Continue(why) | ControlFlow::Break(why) => return why,
            }
            if let Err(why) = begin(air, desk, ours.raw(), false).await {
                return why;
            }
        }
        Err(why) => return why,
    }
    let number = match is_up(gatt_frame(ours.raw()), Bearer::Gatt) {
        Ok(number) => *link.insert(number),
        Err(why) => return why,
    };
    desk.over_gatt.set(Some(number));
    let from_node = &air.database.from_node;
    while let Some(frame) = air.shared.next_frame(number).await {
        if let Err(error) = from_node.notify_raw(ours, &frame, false).await {
            return words(error);
        }
    }
    "closed here".to_owned()
}

/// Waits for what a link begins with: who connects and says nothing does not stay.
async fn begin<'s>(
    air: &Air<'s, '_>,
    desk: &Desk,
    connection: &Connection<'s, Pool>,
    with_channels: bool,
) -> Result<Begun<'s>, Why> {
    let mut plan = air.shared.watch();
    let begun = async {
        tokio::select! {
            () = desk.subscription.notified() => Ok(Begun::Subscription),
            channel = take_channel(air, connection),
                if with_channels && air.config.psm.is_some() => Ok(Begun::Channel(channel)),
            // Docs/protocol.md, section 11.3.
            _ = plan.wait_for(|plan| plan.address != desk.address) => {
                Err("the epoch has ended".to_owned())
            }
        }
    };
    let nothing = |_| Err("nothing was said".to_owned());
    timeout(SET_UP_WITHIN, begun).await.unwrap_or_else(nothing)
}

/// Takes a channel and answers its test; waits for ever if that fails.
async fn take_channel<'s>(
    air: &Air<'s, '_>,
    connection: &Connection<'s, Pool>,
) -> L2capChannel<'s, Pool> {
    let listener = L2capChannel::listen(air.stack, connection);
    match listener.accept(&channel_config()).await {
        Ok(mut channel) => {
            let max_frame = channel_frame(&channel);
            match echo::answer(&mut channel, air.stack, max_frame).await {
                Ok(()) => return channel,
                Err(error) => {
                    tracing::debug!(error, "a channel failed its test");
                    channel.disconnect();
                }
            }
        }
        Err(error) => tracing::debug!(?error, "no channel"),
    }
    std::future::pending().await
}

/// Answers requests until the connection ends or is no longer wanted.
async fn serve(air: &Air<'_, '_>, desk: &Desk, ours: &GattConnection<'_, '_, Pool>) -> Why {
    loop {
        let reply = match next_request(air, ours).await {
            Ok(GattEvent::Read(read)) if read.handle() == air.database.hello.handle => {
                if says_hello(air, desk) {
                    read.accept()
                } else {
                    read.reject(AttErrorCode::READ_NOT_PERMITTED)
                }
            }
            Ok(GattEvent::Write(write)) if write.handle() == air.database.to_node.handle => {
                taken(air, desk, write)
            }
            Ok(other) => other.accept(),
            Err(why) => return why,
        };
        if let Ok(reply) = reply {
            reply.send().await;
        }
        // After the answer, or the first notification would overtake it.
        let wants = air.database.from_node.should_notify(ours);
        if wants && !desk.subscribed.replace(true) {
            desk.subscription.notify_one();
        }
        if !wants && desk.subscribed.get() {
            return "the other side wants nothing more".to_owned();
        }
    }
}

/// The hello is told only to who connected in this epoch, and while something is advertised.
fn says_hello(air: &Air<'_, '_>, desk: &Desk) -> bool {
    let plan = air.shared.watch();
    let plan = plan.borrow();
    plan.advertising.is_some() && plan.address == desk.address
}

fn taken<'s>(
    air: &Air<'_, '_>,
    desk: &Desk,
    write: WriteEvent<'s, '_, Pool>,
) -> Result<trouble_host::gatt::Reply<'s, Pool>, trouble_host::Error> {
    let Some(link) = desk.over_gatt.get() else {
        return write.reject(AttErrorCode::WRITE_NOT_PERMITTED);
    };
    write.with_data(|_, frame| air.shared.frame(link, frame));
    write.accept_unprocessed()
}
