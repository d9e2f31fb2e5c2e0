//! The public node: a handle to the event loop. Cheap to clone; the node ends with `shutdown`.

use std::sync::Arc;

use tokio::sync::{broadcast, mpsc, oneshot, watch};

#[cfg(target_os = "linux")]
use crate::adapters::bluez::{self, BluezRadio};
#[cfg(not(target_os = "linux"))]
use crate::ports::radio::NoRadio;
use crate::{
    adapters::{clock::SystemClock, rng::OsRng},
    api::{ApiError, Command, ErrorKind, Event, EventKind, Reply},
    config::NodeConfig,
    ports::{clock::Clock, radio::Radio},
};

/// Commands that wait for the event loop at most; beyond it callers wait.
pub(crate) const COMMAND_QUEUE: usize = 64;
/// Events a slow listener may fall behind before it is told how many it missed.
pub(crate) const EVENT_BACKLOG: usize = 1024;

/// A command and where its answer goes.
pub(crate) struct Request {
    pub(crate) command: Command,
    pub(crate) answer: oneshot::Sender<Result<Reply, ApiError>>,
}

/// A running node.
#[derive(Clone, Debug)]
pub struct Node {
    pub(crate) requests: mpsc::Sender<Request>,
    pub(crate) events: broadcast::Sender<Event>,
    pub(crate) stopped: watch::Receiver<bool>,
}

impl Node {
    /// Starts a node on its data directory, with the adapters of this platform.
    ///
    /// # Errors
    /// [`ErrorKind::Held`] when another node has the directory, [`ErrorKind::StoreNewer`],
    /// [`ErrorKind::Invalid`] for a configuration that cannot work, [`ErrorKind::Io`]. A damaged
    /// store is no error: the node runs read-only and says so in its status and events.
    pub async fn start(config: NodeConfig) -> Result<Self, ApiError> {
        #[cfg(target_os = "linux")]
        let radio = config.ble.then(|| {
            BluezRadio::start(bluez::Config {
                adapter: config.ble_adapter.clone(),
                l2cap: config.ble_l2cap,
            })
        });
        #[cfg(not(target_os = "linux"))]
        let radio = None::<NoRadio>;
        crate::runtime::start(config, radio, system_clock()).await
    }

    /// The same with this radio, for platforms whose shell owns it, for labs and for the simulator.
    ///
    /// # Errors
    /// As [`Node::start`].
    pub async fn start_on<R: Radio>(config: NodeConfig, radio: R) -> Result<Self, ApiError> {
        crate::runtime::start(config, Some(radio), system_clock()).await
    }

    /// The same with another clock, for tests of what takes minutes or days. Timers run on tokio's clock: after
    /// a jump the node notices what is due when it is next asked for something.
    ///
    /// # Errors
    /// As [`Node::start`].
    #[cfg(feature = "test-util")]
    pub async fn start_by<R: Radio>(
        config: NodeConfig,
        radio: R,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, ApiError> {
        crate::runtime::start(config, Some(radio), clock).await
    }

    /// Asks the node.
    ///
    /// # Errors
    /// As the command says; [`ErrorKind::ShuttingDown`] when the node has ended.
    pub async fn call(&self, command: Command) -> Result<Reply, ApiError> {
        let (answer, reply) = oneshot::channel();
        let gone = || {
            ApiError::new(
                ErrorKind::ShuttingDown,
                "the node has ended",
                "start it again",
            )
        };
        self.requests
            .send(Request { command, answer })
            .await
            .map_err(|_| gone())?;
        reply.await.map_err(|_| gone())?
    }

    /// Events from now on.
    #[must_use]
    pub fn subscribe(&self) -> EventStream {
        EventStream {
            receiver: self.events.subscribe(),
        }
    }

    /// Ends the node: goodbyes are said, the store is synced. Returns when it has ended.
    pub async fn shutdown(&self) {
        // An error means that it is ending already.
        let _ = self.call(Command::Shutdown).await;
        self.stopped().await;
    }

    /// Returns when the node has ended, whoever ended it.
    pub async fn stopped(&self) {
        let mut stopped = self.stopped.clone();
        // An error means that the event loop is gone.
        let _ = stopped.wait_for(|stopped| *stopped).await;
    }
}

fn system_clock() -> Arc<dyn Clock> {
    Arc::new(SystemClock::new(&OsRng))
}

/// A bounded view of the node's events.
#[derive(Debug)]
pub struct EventStream {
    receiver: broadcast::Receiver<Event>,
}

impl EventStream {
    /// The next event, `None` when the node has ended. Safe to cancel. A listener that falls behind
    /// gets [`EventKind::Missed`].
    pub async fn next(&mut self) -> Option<Event> {
        match self.receiver.recv().await {
            Ok(event) => Some(event),
            Err(broadcast::error::RecvError::Lagged(count)) => Some(Event {
                at: crate::text::rfc3339_now(),
                kind: EventKind::Missed { count },
            }),
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }
}
