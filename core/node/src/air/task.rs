//! The task that owns the radio.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use sovereign_protocol::{
    id::LinkId,
    link_kind::Role,
    radio::stream::{Reason, Stream},
};
use tokio::{
    sync::{
        mpsc::{self, error::TrySendError},
        oneshot,
    },
    time::Instant,
};

use super::{AirConn, AirEvent, Bell, Command, conn::State};
use crate::ports::radio::{
    MAX_HEARD, Radio, RadioAddress, RadioCommand, RadioError, RadioEvent, RadioState,
};

/// A dropped connection's last bytes and its farewell have so long.
const LINGER: Duration = Duration::from_secs(2);
/// Who waits for connections to one address at most.
const MAX_WAITING: usize = 8;

/// What woke the task.
enum Woken {
    Command(Option<Command>),
    Rung,
    Radio(RadioEvent),
    Room,
    Timer,
}

/// A link that is up.
struct Link {
    address: RadioAddress,
    state: Arc<Mutex<State>>,
    /// A frame that the radio had no room for.
    stalled: Option<Bytes>,
    busy: bool,
    /// When the link is closed whatever is left to send, once nobody holds the connection.
    close_by: Option<Duration>,
    closing: bool,
    /// A sign of life is waited for.
    probed: bool,
}

impl Link {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) struct Task<R> {
    radio: R,
    commands: mpsc::Receiver<Command>,
    events: mpsc::Sender<AirEvent>,
    bell: Arc<Bell>,
    epoch: Instant,
    links: BTreeMap<LinkId, Link>,
    connecting: BTreeMap<RadioAddress, VecDeque<oneshot::Sender<io::Result<AirConn>>>>,
    listener: Option<mpsc::Sender<AirConn>>,
    /// A state that found no room.
    untold: Option<RadioState>,
}

impl<R: Radio> Task<R> {
    pub(super) fn new(
        radio: R,
        commands: mpsc::Receiver<Command>,
        events: mpsc::Sender<AirEvent>,
        bell: Arc<Bell>,
    ) -> Self {
        Self {
            radio,
            commands,
            events,
            bell,
            epoch: Instant::now(),
            links: BTreeMap::new(),
            connecting: BTreeMap::new(),
            listener: None,
            untold: None,
        }
    }

    /// Runs until every handle and every link is gone.
    pub(super) async fn run(mut self) {
        let bell = Arc::clone(&self.bell);
        let mut open = true;
        while open || !self.links.is_empty() {
            let due = self.timeout();
            let woken = tokio::select! {
                command = self.commands.recv(), if open => Woken::Command(command),
                () = bell.notify.notified() => Woken::Rung,
                event = self.radio.next() => Woken::Radio(event),
                // Not kept: an error means that nobody listens any more, and trying again says so too.
                _ = self.events.reserve(), if self.untold.is_some() => Woken::Room,
                () = sleep_until(self.epoch, due) => Woken::Timer,
            };
            match woken {
                Woken::Command(Some(command)) => self.command(command),
                Woken::Command(None) => {
                    open = false;
                    self.listener = None;
                }
                Woken::Rung => self.advance_all(bell.take()),
                Woken::Radio(event) => self.event(event),
                Woken::Room => {
                    if let Some(state) = self.untold.take() {
                        self.tell_state(state);
                    }
                }
                Woken::Timer => self.advance_all(self.links.keys().copied().collect()),
            }
        }
    }

    fn advance_all(&mut self, links: BTreeSet<LinkId>) {
        for link in links {
            self.advance(link);
        }
    }

    fn tell_state(&mut self, state: RadioState) {
        self.untold = match self.events.try_send(AirEvent::State(state)) {
            Err(TrySendError::Full(AirEvent::State(state))) => Some(state),
            _ => None,
        };
    }

    fn now(&self) -> Duration {
        self.epoch.elapsed()
    }

    fn timeout(&self) -> Option<Duration> {
        let timeouts = self.links.values().flat_map(|link| {
            // While the radio is busy nothing can be sent; a radio that stays so loses the link.
            let stream = link.lock().stream.timeout();
            [stream.filter(|_| !link.busy), link.close_by]
        });
        timeouts.flatten().min()
    }

    fn command(&mut self, command: Command) {
        let submitted = match command {
            Command::Scan(duty) => self.radio.submit(RadioCommand::Scan(duty)),
            Command::Advertise(advertising) => {
                self.radio.submit(RadioCommand::Advertise(advertising))
            }
            Command::Connect { address, answer } => return self.connect(address, answer),
            Command::Abort(address) => {
                let aborted = || io::Error::new(io::ErrorKind::TimedOut, "nobody answers");
                // The radio may still report a link: with nobody waiting for it, it is closed again.
                return self.answer(address, aborted);
            }
            Command::Probe(address) => {
                let links = self.links.iter_mut();
                let mut probed = BTreeSet::new();
                for (id, link) in links.filter(|(_, link)| link.address == address) {
                    link.lock().stream.probe();
                    link.probed = true;
                    probed.insert(*id);
                }
                return self.advance_all(probed);
            }
            Command::Listen(listener) => {
                self.listener = Some(listener);
                return;
            }
        };
        if let Err(error) = submitted {
            tracing::debug!(%error, "the radio refused a command");
        }
    }

    fn connect(&mut self, address: RadioAddress, answer: oneshot::Sender<io::Result<AirConn>>) {
        if let Some(waiting) = self.connecting.get_mut(&address) {
            if waiting.len() < MAX_WAITING {
                waiting.push_back(answer);
            }
            return;
        }
        match self.radio.submit(RadioCommand::Connect(address)) {
            Ok(()) => {
                self.connecting.insert(address, VecDeque::from([answer]));
            }
            // Whoever asked may have gone.
            Err(error) => drop(answer.send(Err(io::Error::other(error)))),
        }
    }

    fn event(&mut self, event: RadioEvent) {
        match event {
            RadioEvent::State(state) => self.tell_state(state),
            RadioEvent::Sighted {
                address,
                heard,
                rssi_dbm,
            } => {
                if heard.len() <= MAX_HEARD {
                    // It will be heard again.
                    let _ = self.events.try_send(AirEvent::Sighted {
                        address,
                        heard,
                        rssi_dbm,
                    });
                }
            }
            RadioEvent::Up {
                link,
                address,
                max_frame,
                role,
                bearer: _,
            } => self.up(link, address, max_frame, role),
            RadioEvent::ConnectFailed { address, why } => {
                self.answer(address, || io::Error::other(why.clone()));
            }
            RadioEvent::Frame { link, frame } => {
                let now = self.now();
                let Some(known) = self.links.get_mut(&link) else {
                    return;
                };
                let taken = known.lock().stream.on_frame(&frame, now);
                match taken {
                    Ok(()) if core::mem::take(&mut known.probed) => {
                        // Should there be no room, the link counts as dead, and is made anew.
                        let _ = self.events.try_send(AirEvent::Alive(known.address));
                    }
                    Ok(()) => {}
                    Err(error) => tracing::debug!(%error, "a frame was refused"),
                }
                self.advance(link);
            }
            RadioEvent::Ready(link) => {
                if let Some(known) = self.links.get_mut(&link) {
                    known.busy = false;
                    self.advance(link);
                }
            }
            RadioEvent::Down { link, why } => {
                if let Some(known) = self.links.remove(&link) {
                    let mut state = known.lock();
                    state.down = Some(why);
                    state.wake();
                }
            }
            RadioEvent::Overflow(count) => tracing::debug!(count, "the radio dropped events"),
        }
    }

    /// Tells whoever waits for an address that no link came of it.
    fn answer(&mut self, address: RadioAddress, why: impl Fn() -> io::Error) {
        for answer in self.connecting.remove(&address).unwrap_or_default() {
            // Whoever asked may have gone.
            let _ = answer.send(Err(why()));
        }
    }

    fn up(&mut self, link: LinkId, address: RadioAddress, max_frame: u16, role: Role) {
        let now = self.now();
        let state = Arc::new(Mutex::new(State::new(Stream::new(max_frame.into(), now))));
        let connection = AirConn {
            address,
            link,
            state: Arc::clone(&state),
            bell: Arc::clone(&self.bell),
            epoch: self.epoch,
        };
        self.links.insert(
            link,
            Link {
                address,
                state,
                stalled: None,
                busy: false,
                close_by: None,
                closing: false,
                probed: false,
            },
        );
        // Dropping the connection closes the link again.
        let taken = match role {
            Role::Dialer => {
                let answer = self
                    .connecting
                    .get_mut(&address)
                    .and_then(VecDeque::pop_front);
                let again = || io::Error::new(io::ErrorKind::AlreadyExists, "linked already");
                self.answer(address, again);
                answer.is_some_and(|answer| answer.send(Ok(connection)).is_ok())
            }
            Role::Listener => self
                .listener
                .as_ref()
                .is_some_and(|listener| listener.try_send(connection).is_ok()),
        };
        if !taken {
            tracing::debug!("nobody takes a link that came up");
            if let Some(known) = self.links.get(&link) {
                known.lock().stream.abandon(Reason::Busy);
            }
        }
        self.advance(link);
    }

    /// Sends what can be sent, wakes who can go on, closes what is over.
    fn advance(&mut self, id: LinkId) {
        let now = self.now();
        let Some(link) = self.links.get_mut(&id) else {
            return;
        };
        let state = Arc::clone(&link.state);
        let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
        state.stream.on_timeout(now);
        while !link.busy && !link.closing {
            let Some(frame) = link
                .stalled
                .take()
                .or_else(|| state.stream.poll_transmit(now))
            else {
                break;
            };
            match self.radio.submit(RadioCommand::Send {
                link: id,
                frame: frame.clone(),
            }) {
                Ok(()) => {}
                Err(RadioError::Busy) => {
                    link.stalled = Some(frame);
                    link.busy = true;
                }
                Err(error) => {
                    // The radio will say that the link is down, or has said so.
                    tracing::debug!(%error, "a frame could not be sent");
                    link.stalled = None;
                    break;
                }
            }
        }
        state.wake();
        if state.dropped && link.close_by.is_none() {
            link.close_by = Some(now + LINGER);
        }
        let said_all = state.stream.end().is_some() && link.stalled.is_none() && !link.busy;
        let late = link.close_by.is_some_and(|at| at <= now);
        drop(state);
        if (said_all || late) && !link.closing {
            link.closing = true;
            link.close_by = None;
            if self.radio.submit(RadioCommand::Close(id)).is_err() {
                self.links.remove(&id);
            }
        }
    }
}

async fn sleep_until(epoch: Instant, at: Option<Duration>) {
    match at {
        Some(at) => tokio::time::sleep_until(epoch + at).await,
        None => core::future::pending().await,
    }
}
