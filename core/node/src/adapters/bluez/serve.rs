//! The GATT service, through bluer (docs/protocol.md §11.1): who writes to us, and who is notified.
//!
//! BlueZ sends each notification to every subscriber and says of none but the first who it is. So there is
//! one inbound link over GATT at a time; who comes besides is sent away. L2CAP has no such limit.

use std::collections::VecDeque;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bluer::gatt::CharacteristicWriter;
use bluer::gatt::local::{
    Application, ApplicationHandle, Characteristic, CharacteristicControl,
    CharacteristicControlEvent, CharacteristicNotify, CharacteristicNotifyMethod,
    CharacteristicRead, CharacteristicWrite, CharacteristicWriteMethod, ReqError, Service,
    characteristic_control,
};
use bluer::{Adapter, Address};
use bytes::Bytes;
use futures::{FutureExt as _, StreamExt as _};
use sovereign_protocol::id::LinkId;
use sovereign_protocol::link_kind::Role;
use sovereign_protocol::radio::advert::{FROM_NODE, HELLO, TO_NODE};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::ad::SERVICE;
use super::link::{self, Carrier};
use super::shared::{End, Opened, Shared, address_of};
use super::{MAX_FRAME, MIN_FRAME};
use crate::ports::radio::{Bearer, RADIO_FRAMES, RadioEvent};

/// Writes that wait to be sorted at most; more are lost, as on the air.
const MAX_WRITES: usize = 64;
/// Attempts at having the characteristics in order, of which one in six succeeds.
const REGISTRATIONS: u32 = 64;
/// Longest wait for BlueZ to tell their handles, and how often they are looked at.
const TOLD: Duration = Duration::from_secs(1);
const LOOK: Duration = Duration::from_millis(5);
/// Longest wait for BlueZ to send somebody away.
const HANG_UP: Duration = Duration::from_secs(5);

/// A write to [`TO_NODE`].
struct Write {
    from: Address,
    frame: Bytes,
}

/// The registered service.
pub(super) struct Server {
    adapter: Adapter,
    shared: Arc<Shared>,
    _application: ApplicationHandle,
    subscriptions: CharacteristicControl,
    writes: mpsc::Receiver<Write>,
    slot: Slot,
}

/// The inbound link over GATT.
#[derive(Default)]
struct Slot {
    subscriber: Option<Arc<CharacteristicWriter>>,
    current: Option<(Address, LinkId, CancellationToken)>,
    /// Frames of somebody whose subscription we have not been told of yet.
    early: Option<(Address, VecDeque<Bytes>)>,
}

/// The service as BlueZ has registered it.
struct Registered {
    application: ApplicationHandle,
    writes: mpsc::Receiver<Write>,
    subscriptions: CharacteristicControl,
    to_node: CharacteristicControl,
    hello: CharacteristicControl,
}

impl Registered {
    async fn new(adapter: &Adapter, shared: &Arc<Shared>) -> bluer::Result<Self> {
        let (to_node, to_node_handle) = characteristic_control();
        let (subscriptions, from_node_handle) = characteristic_control();
        let (hello, hello_handle) = characteristic_control();
        let (sender, writes) = mpsc::channel(MAX_WRITES);
        let characteristics = vec![
            Characteristic {
                control_handle: to_node_handle,
                ..written(sender, Arc::clone(shared))
            },
            Characteristic {
                uuid: Uuid::from_u128(FROM_NODE.0),
                notify: Some(CharacteristicNotify {
                    notify: true,
                    method: CharacteristicNotifyMethod::Io,
                    ..CharacteristicNotify::default()
                }),
                control_handle: from_node_handle,
                ..Characteristic::default()
            },
            Characteristic {
                control_handle: hello_handle,
                ..read(Arc::clone(shared))
            },
        ];
        let service = Service {
            uuid: SERVICE,
            primary: true,
            characteristics,
            ..Service::default()
        };
        let application = Application {
            services: vec![service],
            ..Application::default()
        };
        Ok(Self {
            application: adapter.serve_gatt_application(application).await?,
            writes,
            subscriptions,
            to_node,
            hello,
        })
    }

    /// Whether the characteristics are as docs/protocol.md §11.1 lists them. bluer hands them to BlueZ in any order,
    /// and another node's BlueZ that remembers the service from before, at the same handles, looks no further
    /// (BlueZ 5.66, `discovery_found_service`).
    async fn is_in_order(&self) -> bool {
        let handles = async {
            loop {
                let all = [&self.to_node, &self.subscriptions, &self.hello];
                if let [Ok(to), Ok(from), Ok(hello)] = all.map(CharacteristicControl::handle) {
                    return to < from && from < hello;
                }
                // It tells them a moment after it has answered, and bluer says nothing of it.
                sleep(LOOK).await;
            }
        };
        // One that does not tell is as good as it gets.
        timeout(TOLD, handles).await.unwrap_or(true)
    }
}

impl Server {
    /// Registers the service.
    ///
    /// # Errors
    /// BlueZ's.
    pub(super) async fn start(adapter: Adapter, shared: Arc<Shared>) -> bluer::Result<Self> {
        let mut registered = Registered::new(&adapter, &shared).await?;
        for _ in 0..REGISTRATIONS {
            if registered.is_in_order().await {
                break;
            }
            registered = Registered::new(&adapter, &shared).await?;
        }
        let Registered {
            application,
            writes,
            subscriptions,
            ..
        } = registered;
        Ok(Self {
            adapter,
            shared,
            _application: application,
            subscriptions,
            writes,
            slot: Slot::default(),
        })
    }

    /// Serves until `end`.
    pub(super) async fn run(mut self, end: &CancellationToken) {
        loop {
            // Subscriptions first: a link should be up before its first frame.
            tokio::select! {
                biased;
                () = end.cancelled() => return,
                Some(event) = self.subscriptions.next() => {
                    if let CharacteristicControlEvent::Notify(subscriber) = event {
                        self.subscribed(subscriber);
                    }
                }
                Some(write) = self.writes.recv() => self.written(write),
            }
        }
    }

    /// BlueZ tells of the first of those who are subscribed at a time. What was before is over.
    fn subscribed(&mut self, subscriber: CharacteristicWriter) {
        let who = subscriber.device_address();
        if let Some((_, _, old)) = self.slot.current.take() {
            old.cancel();
        }
        self.slot.subscriber = Some(Arc::new(subscriber));
        let early = self.slot.early.take();
        if !self.open(who) {
            return;
        }
        if let Some((_, frames)) = early.filter(|(from, _)| *from == who) {
            for frame in frames {
                self.came(frame);
            }
        }
    }

    fn written(&mut self, write: Write) {
        let Write { from, frame } = write;
        if let Some((_, link, close)) = &self.slot.current
            && (close.is_cancelled() || !self.shared.is_open(*link))
        {
            self.slot.current = None;
        }
        match &self.slot.current {
            Some((who, _, _)) if *who == from => self.came(frame),
            Some(_) => self.send_away(from),
            None if self.is_subscribed() => {
                if self.open(from) {
                    self.came(frame);
                }
            }
            None => {
                let early = self.slot.early.take().filter(|(who, _)| *who == from);
                let (_, mut frames) = early.unwrap_or((from, VecDeque::new()));
                if frames.len() < RADIO_FRAMES {
                    frames.push_back(frame);
                } else {
                    self.shared.inbox.lost();
                }
                self.slot.early = Some((from, frames));
            }
        }
    }

    fn is_subscribed(&self) -> bool {
        let subscriber = self.slot.subscriber.as_ref();
        subscriber.is_some_and(|writer| matches!(writer.is_closed(), Ok(false)))
    }

    fn came(&self, frame: Bytes) {
        if let Some((_, link, _)) = self.slot.current {
            self.shared.inbox.offer(RadioEvent::Frame { link, frame });
        }
    }

    /// Makes a link of the subscription; tells whether there is one.
    fn open(&mut self, who: Address) -> bool {
        let Some(subscriber) = self.slot.subscriber.clone() else {
            return false;
        };
        let Ok(device) = self.adapter.device(who) else {
            return false;
        };
        let max_frame = subscriber.mtu().clamp(MIN_FRAME, MAX_FRAME);
        let end = End {
            address: address_of(who.0),
            max_frame: u16::try_from(max_frame).unwrap_or(u16::MAX),
            role: Role::Listener,
            bearer: Bearer::Gatt,
        };
        let Some(opened) = self.shared.open(end) else {
            self.send_away(who);
            return false;
        };
        let Opened { link, close, .. } = &opened;
        self.slot.current = Some((who, *link, close.clone()));
        let carrier = Notifications(subscriber);
        tokio::spawn(link::run(Arc::clone(&self.shared), opened, carrier, device));
        true
    }

    fn send_away(&self, who: Address) {
        let Ok(device) = self.adapter.device(who) else {
            return;
        };
        tracing::debug!(%who, "a second inbound link over GATT is sent away");
        tokio::spawn(async move {
            drop(timeout(HANG_UP, device.disconnect()).await);
        });
    }
}

fn written(writes: mpsc::Sender<Write>, shared: Arc<Shared>) -> Characteristic {
    let came = move |value: Vec<u8>, from: Address| {
        let frame = Bytes::from(value);
        if !frame.is_empty() && writes.try_send(Write { from, frame }).is_err() {
            shared.inbox.lost();
        }
    };
    Characteristic {
        uuid: Uuid::from_u128(TO_NODE.0),
        write: Some(CharacteristicWrite {
            write: true,
            write_without_response: true,
            // BlueZ's faster way, a socket, does not tell whose write it is.
            method: CharacteristicWriteMethod::Fun(Box::new(move |value, request| {
                let refused = request.offset != 0 || request.prepare_authorize;
                if !refused {
                    came(value, request.device_address);
                }
                let result = if refused {
                    Err(ReqError::NotSupported)
                } else {
                    Ok(())
                };
                std::future::ready(result).boxed()
            })),
            ..CharacteristicWrite::default()
        }),
        ..Characteristic::default()
    }
}

fn read(shared: Arc<Shared>) -> Characteristic {
    Characteristic {
        uuid: Uuid::from_u128(HELLO.0),
        read: Some(CharacteristicRead {
            read: true,
            fun: Box::new(move |request| {
                let hello = shared.hello(request.device_address.0);
                let rest = hello.ok_or(ReqError::NotPermitted).and_then(|hello| {
                    let rest = hello.get(usize::from(request.offset)..);
                    rest.map(<[u8]>::to_vec).ok_or(ReqError::InvalidOffset)
                });
                std::future::ready(rest).boxed()
            }),
            ..CharacteristicRead::default()
        }),
        ..Characteristic::default()
    }
}

/// Frames of a link that was dialled by the other node: notifications out; writes come to the server.
struct Notifications(Arc<CharacteristicWriter>);

impl Carrier for Notifications {
    async fn send(&self, frame: &[u8]) -> Result<(), String> {
        self.0.send(frame).await.map_err(|e| e.to_string())
    }

    async fn receive(&self) -> Result<Bytes, String> {
        let closed = pin!(self.0.closed());
        match closed.await {
            Ok(()) => Err(String::from("the other side ended its subscription")),
            Err(error) => Err(error.to_string()),
        }
    }
}
