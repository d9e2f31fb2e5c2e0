//! Frames and sessions of `link/1` (docs/protocol.md §7).

use std::time::Duration;

use bytes::Bytes;
use sovereign_protocol::{
    id::{ContentId, TransportId},
    link::{
        CONTROL_QUEUE, CloseReason, Incoming, LIST_QUEUE, MAX_IDS, MAX_LIFETIME_S, Output,
        SLOW_CREDIT, Session, SessionConfig, WIDE_CREDIT, WIDE_QUEUE,
        frame::{self, Body, FrameError, MAX_FRAME},
    },
    link_kind::Role,
    message::SizeClass,
    time::Now,
    wire::v1::Hello,
};

use super::input::Input;

/// 2026-11-21T00:00:00Z, long after boot.
pub(crate) const START: Now = Now {
    boot: Duration::from_secs(5_000),
    wall_ms: 1_795_219_200_000,
};

/// What is decoded can be sent again, and means the same then.
pub(crate) fn frame(data: &[u8]) {
    match frame::decode(data) {
        Ok(body) => {
            let again = frame::encode(body.clone()).expect("what was decoded is within bounds");
            assert!((1..=MAX_FRAME).contains(&again.len()));
            assert_eq!(frame::decode(&again), Ok(body));
        }
        Err(FrameError::Length(len)) => assert!(len == data.len() && (len == 0 || len > MAX_FRAME)),
        Err(error) => assert!(!error.word().is_empty()),
    }
}

/// A Hello that is accepted.
pub(crate) fn hello(nonce: u8, credit: u32) -> Bytes {
    frame::encode(Body::Hello(Hello {
        min_version: 1,
        max_version: 1,
        nonce: vec![nonce; 16].into(),
        capabilities: 1,
        credit,
        extensions: Vec::new(),
    }))
    .expect("within bounds")
}

/// A session that has just come up.
pub(crate) fn fresh(role: Role, slow: bool) -> Session {
    let config = SessionConfig {
        discovery: None,
        role,
        local: TransportId([1; 32]),
        remote: TransportId([2; 32]),
        nonce: [3; 16],
        capabilities: 1,
        slow,
        credit: if slow { SLOW_CREDIT } else { WIDE_CREDIT },
    };
    let mut session = Session::new(config, START);
    session.start();
    session
}

/// Any frames, in any order, between whatever else happens to a session. First byte: bit 0 role, bit 1
/// slow, bit 2 no Hello first. Then steps: what, and a [`piece`](Input::piece) where one is needed.
pub(crate) fn session(data: &[u8]) {
    let mut input = Input::new(data);
    let flags = input.u8();
    let role = [Role::Dialer, Role::Listener][usize::from(flags & 1)];
    let mut watched = Watched {
        session: fresh(role, flags & 2 != 0),
        now: START,
        in_adapter: 0,
        ended: None,
    };
    if flags & 4 == 0 {
        watched.receive(&hello(4, WIDE_CREDIT));
        assert!(watched.session.is_ready());
    }
    while !input.is_empty() {
        watched.step(&mut input);
        watched.drain();
    }
}

/// A session and what must hold of it.
struct Watched {
    session: Session,
    now: Now,
    in_adapter: usize,
    ended: Option<CloseReason>,
}

impl Watched {
    fn step(&mut self, input: &mut Input<'_>) {
        match input.u8() % 16 {
            0..=9 => self.receive(input.piece()),
            10 => {
                self.now = self.now.after(Duration::from_millis(input.u16().into()));
                if let Err(reason) = self.session.handle_timeout(self.now) {
                    self.end(reason);
                }
            }
            11 => {
                let size = match input.u8() {
                    class @ 0..=4 => SizeClass::ALL[usize::from(class)].size() as u32,
                    _ => input.u32(),
                };
                let wanted = input.u8();
                let id = ContentId([input.u8(); 32]);
                let _ = self
                    .session
                    .offer_bundle(id, size, (wanted > 0).then_some(wanted.into()));
            }
            12 => {
                let sent = self.in_adapter.min(input.u16().into());
                self.in_adapter -= sent;
                self.session.sent(sent, self.now);
            }
            13 => {
                if let Ok(body) = frame::decode(input.piece()) {
                    let _ = self.session.send(body);
                }
            }
            14 => {
                self.session.cancel(&ContentId([input.u8(); 32]));
            }
            _ => self.now = self.now.after(Duration::from_secs(input.u8().into())),
        }
    }

    fn receive(&mut self, bytes: &[u8]) {
        match self.session.receive(bytes, self.now) {
            Ok(Some(incoming)) => self.incoming(incoming),
            Ok(None) => {}
            Err(reason) => self.end(reason),
        }
    }

    fn incoming(&mut self, incoming: Incoming) {
        assert_eq!(self.ended, None, "nothing means anything after the end");
        match incoming {
            Incoming::RoundTrip(_) => {}
            Incoming::Bundle {
                bytes,
                age_s,
                lifetime_s,
            } => {
                assert!(SizeClass::of_size(bytes.len()).is_some());
                assert!(age_s <= lifetime_s && lifetime_s <= MAX_LIFETIME_S);
                self.session.consumed(bytes.len() as u32);
            }
            Incoming::Want(ids)
            | Incoming::Gone(ids)
            | Incoming::Have(ids)
            | Incoming::Delivered(ids) => assert!((1..=MAX_IDS).contains(&ids.len())),
            Incoming::Membership(tags) => assert!([4, 8, 16, 32, 64].contains(&tags.len())),
            Incoming::Closed(reason) => self.ended = Some(reason),
            Incoming::Ready { .. } | Incoming::Reconcile(_) | Incoming::Done => {}
        }
    }

    fn end(&mut self, reason: CloseReason) {
        assert_eq!(*self.ended.get_or_insert(reason), reason, "one end");
        assert!(!self.session.is_ready());
    }

    fn drain(&mut self) {
        loop {
            match self.session.poll(self.now) {
                Output::Frame(bytes) => {
                    frame::decode(&bytes).expect("what a session sends decodes");
                    self.in_adapter += bytes.len();
                }
                Output::NeedBody(content) => {
                    // Sizes that were promised and others.
                    let class = SizeClass::ALL[usize::from(content.0[0] % 5)];
                    let body = (content.0[0] < 128)
                        .then(|| (Bytes::from(vec![content.0[0]; class.size()]), 5, 60));
                    self.session.provide(content, body);
                }
                Output::Idle => break,
            }
        }
        assert!(self.in_adapter <= WIDE_QUEUE + MAX_FRAME);
        let bound = WIDE_QUEUE + CONTROL_QUEUE + LIST_QUEUE + 4 * SizeClass::K16.size();
        assert!(self.session.queued_bytes() <= bound, "memory is bounded");
    }
}
