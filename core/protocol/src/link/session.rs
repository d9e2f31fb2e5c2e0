//! One link's session: handshake, counting of broken frames, priorities, credit, reassembly
//! (docs/protocol.md §7). It takes frames and times, and returns what they mean.

mod inbound;

use core::time::Duration;

use bytes::Bytes;

use super::{
    bounds::{MAX_CREDIT, MIN_CREDIT},
    counters::{Counters, Traffic},
    credit::Window,
    event::{Output, SendError, SessionConfig},
    frame::{self, Body, LENGTH_PREFIX},
    handshake::{MAX_VERSION, MIN_VERSION, discovery_extension},
    liveness::{ANSWER_WITHIN, Liveness, SUSPECT_ANSWER_WITHIN},
    outbox::{Kind, Offer, Outbox, Overflow},
    reassembly::Reassembly,
};
use crate::{
    id::ContentId,
    identity::Transcript,
    link_kind::Role,
    time::Now,
    wire::v1::{Close, CloseReason, Hello, Ping, Pong},
};

/// Bytes of frames that may wait in the adapter of a wide link.
pub const WIDE_QUEUE: usize = 64 * 1_024;
/// The same for a slow link: one frame (decision 3 allows 4 KiB). A text waits for what is queued here, 0.05 s.
pub const SLOW_QUEUE: usize = 1_024;
/// Window of a wide link, bytes: a LAN's bandwidth-delay product at 1 GB a minute and 4 ms.
pub const WIDE_CREDIT: u32 = 64 * 1_024;
/// Window of a slow link, bytes: at 20 kB/s more than half a second may pass while a lost frame is sent again,
/// twice if need be, and what follows waits for it; half of the window is granted at a time.
pub const SLOW_CREDIT: u32 = 30 * 1_024;
/// A link whose Hello has not come after this long is closed (§7.2).
pub const HELLO_TIMEOUT: Duration = Duration::from_secs(10);
/// A link whose adapter has moved no byte of what it holds for this long is closed.
pub const SEND_STALL: Duration = Duration::from_secs(30);
/// Broken and unknown frames borne on one link; the next one closes it (§7.1).
pub const TOLERATED_FRAMES: u64 = 16;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Greeting,
    Ready,
    Ended(CloseReason),
}

/// One link's session.
#[derive(Debug)]
pub struct Session {
    config: SessionConfig,
    state: State,
    greeted: bool,
    peer: Option<Peer>,
    began: Duration,
    heard: Duration,
    moved: Duration,
    counters: Counters,
    traffic: Traffic,
    outbox: Outbox,
    window: Window,
    reassembly: Reassembly,
    /// On a wide link that is ready.
    liveness: Option<Liveness>,
    /// Numbers of the Ping and of the Pong to be sent. A newer one takes the place of one that could not leave.
    ping: Option<u32>,
    pong: Option<u32>,
}

/// What the peer's Hello said.
#[derive(Debug, Clone, Copy)]
struct Peer {
    nonce: [u8; 16],
    versions: (u32, u32),
}

impl Session {
    /// A session of a connection that has just come up.
    #[must_use]
    pub fn new(mut config: SessionConfig, now: Now) -> Self {
        config.credit = config.credit.clamp(MIN_CREDIT, MAX_CREDIT);
        Self {
            config,
            state: State::Greeting,
            greeted: false,
            peer: None,
            began: now.boot,
            heard: now.boot,
            moved: now.boot,
            counters: Counters::default(),
            traffic: Traffic::default(),
            outbox: Outbox::new(if config.slow { SLOW_QUEUE } else { WIDE_QUEUE }),
            window: Window::new(config.credit),
            reassembly: Reassembly::default(),
            liveness: None,
            ping: None,
            pong: None,
        }
    }

    /// Queues the dialer's Hello; the listener's answers it.
    pub fn start(&mut self) {
        if self.config.role == Role::Dialer {
            self.greet();
        }
    }

    /// Queues a control frame.
    ///
    /// # Errors
    /// [`SendError`]; nothing is queued then.
    pub fn send(&mut self, body: Body) -> Result<(), SendError> {
        if self.state != State::Ready {
            return Err(SendError::NotReady);
        }
        if matches!(
            body,
            Body::Hello(_)
                | Body::Part(_)
                | Body::Credit(_)
                | Body::Close(_)
                | Body::Ping(_)
                | Body::Pong(_)
        ) {
            return Err(SendError::Reserved);
        }
        let kind = match body {
            Body::Summary(_) | Body::Symbols(_) => Kind::List,
            _ => Kind::Ordinary,
        };
        let frame = frame::encode(body)?;
        self.outbox.control(kind, frame).map_err(|Overflow| {
            self.close(CloseReason::Timeout);
            SendError::Overflow
        })
    }

    /// Queues a bundle of `size` bytes by its id. `wanted` is the short id of the Want it answers: if the
    /// body is dropped before it leaves, Gone is sent for it.
    pub fn offer_bundle(&mut self, content: ContentId, size: u32, wanted: Option<u64>) -> Offer {
        if self.state != State::Ready {
            return Offer::Refused;
        }
        self.outbox.offer(content, size, wanted)
    }

    /// Takes a bundle out again; `false` when it is not queued, or its first Part has left.
    pub fn cancel(&mut self, content: &ContentId) -> bool {
        self.outbox.cancel(content)
    }

    /// Whether a bundle waits or is under way.
    #[must_use]
    pub fn is_queued(&self, content: &ContentId) -> bool {
        self.outbox.holds(content)
    }

    /// Bytes of control frames that wait to be polled, those of Summary and Symbols aside.
    #[must_use]
    pub fn control_waiting(&self) -> usize {
        self.outbox.control_waiting()
    }

    /// How many more bundles [`Self::offer_bundle`] takes.
    #[must_use]
    pub fn room(&self) -> usize {
        self.outbox.room()
    }

    /// How many more bytes of frames [`Self::send`] takes, those of Summary and Symbols aside.
    #[must_use]
    pub const fn control_room(&self) -> usize {
        self.outbox.control_room()
    }

    /// What to do next; call until it returns [`Output::Idle`].
    pub fn poll(&mut self, now: Now) -> Output {
        let idle_adapter = self.outbox.in_adapter() == 0;
        let output = match self.sign_of_life() {
            Some(frame) => Output::Frame(frame),
            None => self.speak(now),
        };
        if let Output::Frame(frame) = &output {
            self.traffic.frames_out += 1;
            self.traffic.bytes_out += (frame.len() + LENGTH_PREFIX) as u64;
            if idle_adapter {
                self.moved = now.boot;
            }
        }
        output
    }

    fn speak(&mut self, now: Now) -> Output {
        let output = self.outbox.poll();
        if let (Output::Frame(frame), Some(liveness)) = (&output, &mut self.liveness) {
            liveness.spoke(frame.len(), now.boot);
        }
        output
    }

    /// Answers [`Output::NeedBody`]: the bundle with its age and lifetime in seconds, or `None` when it
    /// was dropped meanwhile. A body past its lifetime or of another size than offered counts as dropped.
    pub fn provide(&mut self, content: ContentId, body: Option<(Bytes, u32, u32)>) {
        if self.outbox.provide(content, body) == Err(Overflow) {
            self.close(CloseReason::Timeout);
        }
    }

    /// The adapter reports bytes of frames that left its queue.
    pub fn sent(&mut self, bytes: usize, now: Now) {
        self.outbox.sent(bytes);
        self.moved = now.boot;
    }

    /// The bundles completely handed to the adapter since the last call.
    pub fn finished_bundles(&mut self) -> Vec<ContentId> {
        self.outbox.finished()
    }

    /// The bundles that are queued or partly sent, ascending: what a lost link owes.
    #[must_use]
    pub fn unfinished_bundles(&self) -> Vec<ContentId> {
        self.outbox.unfinished().collect()
    }

    /// A bundle of this many bytes that came over this link is durable or was declined.
    pub fn consumed(&mut self, bytes: u32) {
        self.window.consumed(bytes);
        self.grant();
    }

    /// The path to the peer may have changed: asks for a sign of life and waits less long for it. A slow link
    /// is not asked.
    pub fn suspect(&mut self, now: Now) {
        self.ask(SUSPECT_ANSWER_WITHIN, now);
    }

    /// When to call [`Self::handle_timeout`], by the boot-time clock.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Duration> {
        let ask = self.liveness.as_ref().and_then(Liveness::ask_at);
        let ask = ask.filter(|_| self.state == State::Ready);
        [self.deadline(), ask].into_iter().flatten().min()
    }

    /// When the link must be closed.
    fn deadline(&self) -> Option<Duration> {
        let greeting = match self.state {
            State::Greeting => Some(self.began + HELLO_TIMEOUT),
            State::Ready => None,
            State::Ended(_) => return None,
        };
        let stalled = (self.outbox.in_adapter() > 0).then(|| self.moved + SEND_STALL);
        let reassembly = self.reassembly.deadline(self.heard);
        let dead = self.liveness.as_ref().and_then(Liveness::dead_at);
        [greeting, stalled, reassembly, dead]
            .into_iter()
            .flatten()
            .min()
    }

    /// Time has passed.
    ///
    /// # Errors
    /// [`CloseReason::Timeout`] when the link must be closed.
    pub fn handle_timeout(&mut self, now: Now) -> Result<(), CloseReason> {
        if self.deadline().is_some_and(|at| at <= now.boot) {
            self.close(CloseReason::Timeout);
            return Err(CloseReason::Timeout);
        }
        if self.poll_timeout().is_some_and(|at| at <= now.boot) {
            self.ask(ANSWER_WITHIN, now);
        }
        Ok(())
    }

    /// Asks the other end for a sign of life, as on a person's wish; a link over a radio is not asked.
    pub fn inquire(&mut self, now: Now) {
        self.ask(ANSWER_WITHIN, now);
    }

    fn ask(&mut self, within: Duration, now: Now) {
        if self.state != State::Ready {
            return;
        }
        let asked = self
            .liveness
            .as_mut()
            .and_then(|live| live.ask(within, now.boot));
        self.ping = asked.or(self.ping);
    }

    /// Drops what waits and queues Close: poll for it, then close the connection.
    pub fn close(&mut self, reason: CloseReason) {
        if let State::Ended(_) = self.state {
            return;
        }
        self.state = State::Ended(reason);
        self.clear();
        // The peer of another version learns from the Hello which versions it would have to speak.
        if matches!(reason, CloseReason::Version | CloseReason::Critical) && !self.greeted {
            self.greet();
        }
        self.control(Body::Close(Close {
            reason: reason.into(),
        }));
    }

    /// Broken and unknown frames by kind.
    #[must_use]
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Frames and bytes so far.
    #[must_use]
    pub const fn traffic(&self) -> Traffic {
        self.traffic
    }

    /// Bytes that wait here or in the adapter.
    #[must_use]
    pub fn queued_bytes(&self) -> usize {
        self.outbox.waiting_bytes() + self.outbox.in_adapter()
    }

    /// Both ends and both nonces, once the peer's Hello is there: what proofs and recognition tags are
    /// bound to (§3).
    #[must_use]
    pub fn transcript(&self) -> Option<Transcript> {
        let theirs = self.peer?.nonce;
        let SessionConfig {
            role,
            local,
            remote,
            nonce: own,
            ..
        } = self.config;
        Some(match role {
            Role::Dialer => Transcript {
                dialer: local,
                listener: remote,
                dialer_nonce: own,
                listener_nonce: theirs,
            },
            Role::Listener => Transcript {
                dialer: remote,
                listener: local,
                dialer_nonce: theirs,
                listener_nonce: own,
            },
        })
    }

    /// Least and greatest version that the peer speaks, once its Hello is there.
    #[must_use]
    pub fn peer_versions(&self) -> Option<(u32, u32)> {
        self.peer.map(|peer| peer.versions)
    }

    /// What the session was made with.
    #[must_use]
    pub const fn config(&self) -> &SessionConfig {
        &self.config
    }

    /// Whether both Hello are there and the link is not closing.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.state == State::Ready
    }

    fn clear(&mut self) {
        self.outbox.clear();
        self.reassembly.clear();
        (self.ping, self.pong) = (None, None);
    }

    /// A Pong or Ping that can leave now: before everything else, and at most one of each waits.
    fn sign_of_life(&mut self) -> Option<Bytes> {
        let number = self.pong.or(self.ping)?;
        let body = match self.pong {
            Some(_) => Body::Pong(Pong { number }),
            None => Body::Ping(Ping { number }),
        };
        let frame = frame::encode(body).expect("any number is within bounds");
        let frame = self.outbox.pass(frame)?;
        if self.pong.take().is_none() {
            self.ping = None;
        }
        Some(frame)
    }

    fn greet(&mut self) {
        if core::mem::replace(&mut self.greeted, true) {
            return;
        }
        self.control(Body::Hello(Hello {
            min_version: MIN_VERSION,
            max_version: MAX_VERSION,
            nonce: self.config.nonce.to_vec().into(),
            capabilities: self.config.capabilities,
            credit: self.config.credit,
            extensions: self
                .config
                .discovery
                .iter()
                .map(discovery_extension)
                .collect(),
        }));
    }

    /// Queues a frame of the session's own.
    fn control(&mut self, body: Body) {
        let frame = frame::encode(body).expect("the session's own frames are within bounds");
        if self.outbox.control(Kind::Ordinary, frame) == Err(Overflow) {
            self.close(CloseReason::Timeout);
        }
    }
}
