//! The radio port on Linux (decision 5, LOC-2, LOC-4): btleplug scans and dials, bluer advertises, serves and
//! opens L2CAP channels; together they are one radio of the system's Bluetooth service, BlueZ (ADR 23).
//!
//! One task watches over the radio and ends everything else when Bluetooth goes away; each link has a
//! task of its own. What BlueZ cannot do is said in docs/adapters-bluez.md.

mod ad;
mod advertise;
mod dial;
mod heard;
mod inbox;
mod l2cap;
mod link;
mod scan;
mod serve;
mod shared;
mod system;
mod watch;

use std::sync::Arc;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use self::shared::Shared;
use crate::ports::radio::{Radio, RadioCommand, RadioError, RadioEvent, RadioState};

/// Longest frame over GATT or L2CAP, bytes: BlueZ 5.66 takes 510 in a write although its MTU promises 514, and
/// loses longer ones without a word; the stream's frames have 495 at most (docs/protocol.md §12).
const MAX_FRAME: usize = 495;
/// Shortest longest frame: what the smallest MTU, 23, has room for.
const MIN_FRAME: usize = 20;

/// The settings of [`BluezRadio`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The controller, such as `hci1`; `None` takes `hci0` or else the first.
    pub adapter: Option<String>,
    /// Whether L2CAP channels are taken and opened; GATT carries every link otherwise.
    pub l2cap: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            adapter: None,
            l2cap: true,
        }
    }
}

/// Linux's own Bluetooth as a radio. It works whether or not [`Radio::next`] is called. Dropping it closes its
/// links as [`BluezRadio::shutdown`] does, if the runtime goes on for a moment.
pub struct BluezRadio {
    shared: Arc<Shared>,
    stop: CancellationToken,
    task: Option<JoinHandle<()>>,
}

impl BluezRadio {
    /// Starts; must be called in a tokio runtime with I/O and time. Whatever is missing, from the
    /// controller to the whole service, is a [`RadioEvent::State`], now or later.
    #[must_use]
    pub fn start(config: Config) -> Self {
        let (shared, dials) = Shared::new();
        let stop = CancellationToken::new();
        let watch = watch::run(config, Arc::clone(&shared), dials, stop.clone());
        let task = Some(tokio::spawn(watch));
        Self { shared, stop, task }
    }

    /// Falls silent and closes all links; takes some seconds at most.
    pub async fn shutdown(mut self) {
        self.stop.cancel();
        if let Some(task) = self.task.take() {
            drop(task.await);
        }
    }
}

impl Radio for BluezRadio {
    fn submit(&mut self, command: RadioCommand) -> Result<(), RadioError> {
        self.shared.submit(command)
    }

    async fn next(&mut self) -> RadioEvent {
        self.shared.inbox.next().await
    }
}

impl Drop for BluezRadio {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// How Bluetooth is, without starting anything: for `doctor`.
pub async fn look(config: &Config) -> RadioState {
    match system::connect().await {
        Ok(session) => match system::adapter(&session, config).await {
            Ok(_) => RadioState::On,
            Err(state) => state,
        },
        Err(state) => state,
    }
}
