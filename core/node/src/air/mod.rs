//! A radio's links as byte streams (decision 2): one task owns the radio, and runs the stream machine of
//! each link. What is heard goes up, connections go to whoever listens, nothing is decided here.

mod conn;
mod task;

use std::{
    collections::BTreeSet,
    io,
    sync::{Arc, Mutex, PoisonError},
};

use sovereign_protocol::id::LinkId;
use tokio::sync::{Notify, mpsc, oneshot};

pub use conn::AirConn;

use crate::ports::radio::{Advertising, RADIO_INBOX, Radio, RadioAddress, RadioState, ScanDuty};
use task::Task;

/// Commands that wait for the task at most.
const COMMAND_QUEUE: usize = 64;
/// Connections that wait to be taken at most; a radio has seven links.
const INCOMING_QUEUE: usize = 8;

/// What goes down.
#[derive(Debug)]
enum Command {
    Scan(Option<ScanDuty>),
    Advertise(Option<Advertising>),
    Connect {
        address: RadioAddress,
        answer: oneshot::Sender<io::Result<AirConn>>,
    },
    Abort(RadioAddress),
    Probe(RadioAddress),
    Listen(mpsc::Sender<AirConn>),
}

/// What comes up beside connections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AirEvent {
    /// How the radio is.
    State(RadioState),
    /// Something was heard: a hint.
    Sighted {
        /// Who sent it.
        address: RadioAddress,
        /// AD structures, unchecked; at most [`MAX_HEARD`](crate::ports::radio::MAX_HEARD) bytes.
        heard: bytes::Bytes,
        /// Signal in dBm, if known.
        rssi_dbm: Option<i8>,
    },
    /// Something came over a link with this address after [`Air::probe`].
    Alive(RadioAddress),
}

/// A handle to the radio's task, which ends with the last one and the last connection. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Air {
    commands: mpsc::Sender<Command>,
}

/// What the connections share with the task.
#[derive(Debug, Default)]
struct Bell {
    ringing: Mutex<BTreeSet<LinkId>>,
    notify: Notify,
}

impl Bell {
    /// Something is to be done for a link.
    fn ring(&self, link: LinkId) {
        let new = self
            .ringing
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(link);
        if new {
            self.notify.notify_one();
        }
    }

    fn take(&self) -> BTreeSet<LinkId> {
        core::mem::take(&mut *self.ringing.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Air {
    /// Starts the task of a radio on the current tokio runtime. The receiver bounds what is heard: what
    /// nobody takes in time is dropped, the radio's last state is not.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn start<R: Radio>(radio: R) -> (Self, mpsc::Receiver<AirEvent>) {
        let (commands, commands_out) = mpsc::channel(COMMAND_QUEUE);
        let (events, events_out) = mpsc::channel(RADIO_INBOX);
        tokio::spawn(Task::new(radio, commands_out, events, Arc::new(Bell::default())).run());
        (Self { commands }, events_out)
    }

    /// Listens for advertisements for so long in each interval.
    pub fn scan(&self, duty: Option<ScanDuty>) {
        self.tell(Command::Scan(duty));
    }

    /// Advertises this in place of anything before.
    pub fn advertise(&self, advertising: Option<Advertising>) {
        self.tell(Command::Advertise(advertising));
    }

    /// Gives up connecting to an address: whoever waits for it is told.
    pub fn abort(&self, address: RadioAddress) {
        self.tell(Command::Abort(address));
    }

    /// Asks the other end of the links with this address for a sign of life.
    pub fn probe(&self, address: RadioAddress) {
        self.tell(Command::Probe(address));
    }

    /// Takes what others connect from now on, in place of whoever did before.
    #[must_use]
    pub fn listen(&self) -> mpsc::Receiver<AirConn> {
        let (connections, taken) = mpsc::channel(INCOMING_QUEUE);
        self.tell(Command::Listen(connections));
        taken
    }

    /// Connects to a sighted address.
    ///
    /// # Errors
    /// In the radio's words; the time it may take is the radio's too.
    pub async fn connect(&self, address: RadioAddress) -> io::Result<AirConn> {
        let (answer, connection) = oneshot::channel();
        let gone = || io::Error::new(io::ErrorKind::BrokenPipe, "the radio is gone");
        self.commands
            .send(Command::Connect { address, answer })
            .await
            .map_err(|_| gone())?;
        connection.await.map_err(|_| gone())?
    }

    fn tell(&self, command: Command) {
        if self.commands.try_send(command).is_err() {
            tracing::warn!("the radio takes no commands: it is busy or gone");
        }
    }
}
