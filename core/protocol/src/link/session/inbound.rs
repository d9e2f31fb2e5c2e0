//! What comes in over a link: frames held to the protocol's course, counted where they break it.

use super::{Peer, Session, State, TOLERATED_FRAMES};
use crate::{
    link::{
        Bound, CloseReason, Incoming,
        frame::{self, Body, FrameError, LENGTH_PREFIX},
        handshake::{discovery_of, negotiate, session_id},
        liveness::Liveness,
        reassembly::Progress,
    },
    time::Now,
    wire::v1::{Credit, Hello, Part},
};

impl Session {
    /// Takes a frame, given without its length. A frame means at most one thing.
    ///
    /// # Errors
    /// The reason when the link must be closed: poll once more for the Close frame, then close.
    pub fn receive(&mut self, frame: &[u8], now: Now) -> Result<Option<Incoming>, CloseReason> {
        if let State::Ended(reason) = self.state {
            return Err(reason);
        }
        self.traffic.frames_in += 1;
        self.traffic.bytes_in += (frame.len() + LENGTH_PREFIX) as u64;
        let body = match frame::decode(frame) {
            Ok(body) => body,
            Err(error) => return self.broken(error).map(|()| None),
        };
        self.heard = now.boot;
        let answered = match (&body, &self.liveness) {
            (Body::Pong(pong), Some(liveness)) => liveness.answered(pong.number, now.boot),
            _ => None,
        };
        if let Some(liveness) = &mut self.liveness {
            liveness.heard(now.boot);
        }
        match body {
            Body::Close(close) => {
                let reason = close.reason();
                self.state = State::Ended(reason);
                self.clear();
                Ok(Some(Incoming::Closed(reason)))
            }
            Body::Hello(hello) if self.peer.is_none() => self.hello(&hello, now).map(Some),
            Body::Hello(_) => self.violation("hello.second"),
            _ if self.state != State::Ready => self.violation("before.hello"),
            Body::Pong(_) => Ok(answered.map(Incoming::RoundTrip)),
            body => self.act(body, now),
        }
    }

    fn hello(&mut self, hello: &Hello, now: Now) -> Result<Incoming, CloseReason> {
        let nonce =
            <[u8; 16]>::try_from(&hello.nonce[..]).expect("the frame's bounds were checked");
        self.peer = Some(Peer {
            nonce,
            versions: (hello.min_version, hello.max_version),
        });
        let version = match negotiate(hello) {
            Ok(version) => version,
            Err(reason) => {
                self.close(reason);
                return Err(reason);
            }
        };
        self.state = State::Ready;
        if !self.config.slow {
            self.liveness = Some(Liveness::new(self.config.role, now.boot));
        }
        self.outbox.allowance.add(hello.credit);
        // The dialer's is out already.
        self.greet();
        let transcript = self.transcript().expect("the peer's Hello is there");
        let session = session_id(&transcript);
        Ok(Incoming::Ready {
            session,
            capabilities: hello.capabilities,
            version,
            discovery: discovery_of(hello),
        })
    }

    fn act(&mut self, body: Body, now: Now) -> Result<Option<Incoming>, CloseReason> {
        let incoming = match body {
            Body::Summary(_) | Body::Symbols(_) | Body::More(_) => Incoming::Reconcile(body),
            Body::Done(_) => Incoming::Done,
            Body::Want(want) => Incoming::Want(frame::unpack_ids(&want.ids)),
            Body::Gone(gone) => Incoming::Gone(frame::unpack_ids(&gone.ids)),
            Body::Have(have) => Incoming::Have(frame::unpack_ids(&have.ids)),
            Body::Delivered(delivered) => Incoming::Delivered(frame::unpack_ids(&delivered.ids)),
            Body::Membership(membership) => {
                Incoming::Membership(membership.tags.as_chunks::<8>().0.to_vec())
            }
            Body::Part(part) => return self.part(&part, now),
            Body::Credit(Credit { bytes }) => {
                return if self.outbox.allowance.add(bytes) {
                    Ok(None)
                } else {
                    self.violation("credit.excess")
                };
            }
            Body::Ping(ping) => {
                self.pong = Some(ping.number);
                return Ok(None);
            }
            Body::Extension(extension) if extension.critical => {
                self.close(CloseReason::Critical);
                return Err(CloseReason::Critical);
            }
            Body::Extension(_) | Body::Hello(_) | Body::Close(_) | Body::Pong(_) => {
                return Ok(None);
            }
        };
        Ok(Some(incoming))
    }

    fn part(&mut self, part: &Part, now: Now) -> Result<Option<Incoming>, CloseReason> {
        let data = u32::try_from(part.data.len()).unwrap_or(u32::MAX);
        if !self.window.receive(data) {
            return self.violation("part.credit");
        }
        let incoming = match self.reassembly.take(part, now.boot) {
            Err(_) => return self.violation("part.step"),
            Ok(Progress::UnderWay) => None,
            Ok(Progress::Refused) => {
                self.count("part.expired")?;
                None
            }
            Ok(Progress::Whole {
                bytes,
                age_s,
                lifetime_s,
            }) => {
                self.window
                    .wait(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
                Some(Incoming::Bundle {
                    bytes,
                    age_s,
                    lifetime_s,
                })
            }
        };
        self.grant();
        Ok(incoming)
    }

    pub(super) fn grant(&mut self) {
        if self.state != State::Ready {
            return;
        }
        if let Some(bytes) = self.window.grant() {
            self.control(Body::Credit(Credit { bytes }));
        }
    }

    /// A frame that did not pass `decode`. One that had to be first, or that carries credit or data, closes
    /// the link: the two ends would no longer agree.
    fn broken(&mut self, error: FrameError) -> Result<(), CloseReason> {
        use Bound::{Continuation, Credit, Data, Stream, Total};
        let fatal = match error {
            FrameError::Length(_) => true,
            FrameError::Bound(Continuation | Credit | Data | Stream | Total) => true,
            _ => self.state == State::Greeting,
        };
        if fatal {
            return self.violation(error.word()).map(|_| ());
        }
        self.count(error.word())
    }

    fn count(&mut self, kind: &'static str) -> Result<(), CloseReason> {
        self.counters.add(kind);
        if self.counters.total() > TOLERATED_FRAMES {
            self.close(CloseReason::Misbehaviour);
            return Err(CloseReason::Misbehaviour);
        }
        Ok(())
    }

    fn violation(&mut self, kind: &'static str) -> Result<Option<Incoming>, CloseReason> {
        self.counters.add(kind);
        self.close(CloseReason::Misbehaviour);
        Err(CloseReason::Misbehaviour)
    }
}
