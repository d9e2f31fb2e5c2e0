//! What the tests of a session share: frames, and a listener that is ready.

use bytes::Bytes;
use sovereign_protocol::{
    link::{
        Output, WIDE_CREDIT,
        frame::{self, Body},
    },
    link_kind::Role,
    wire::v1::{Close, CloseReason, Done, Hello, Part},
};

use crate::pair::{START, Side};

pub(crate) fn encoded(body: Body) -> Bytes {
    frame::encode(body).expect("within bounds")
}

pub(crate) fn hello(nonce: u8) -> Hello {
    Hello {
        min_version: 1,
        max_version: 1,
        nonce: vec![nonce; 16].into(),
        capabilities: 3,
        credit: WIDE_CREDIT,
        extensions: Vec::new(),
    }
}

pub(crate) fn part(stream: u32, total: u32, len: usize) -> Body {
    let lifetime_s = if total == 0 { 0 } else { 60 };
    Body::Part(Part {
        stream,
        total,
        age_s: 0,
        lifetime_s,
        data: vec![7; len].into(),
    })
}

pub(crate) fn ids(ids: &[u64]) -> Bytes {
    frame::pack_ids(ids)
}

pub(crate) fn ready(slow: bool) -> Side {
    let mut side = Side::new(Role::Listener, slow);
    side.take(&encoded(Body::Hello(hello(3))), START);
    assert!(side.session.is_ready());
    assert_eq!(frames_out(&mut side).len(), 1);
    side.heard.clear();
    side
}

pub(crate) fn frames_out(side: &mut Side) -> Vec<Body> {
    let frames = side.frames(START);
    side.adapter = 0;
    side.session
        .sent(frames.iter().map(Bytes::len).sum(), START);
    frames
        .iter()
        .map(|bytes| frame::decode(bytes).expect("what a session sends decodes"))
        .collect()
}

pub(crate) fn closes(side: &mut Side, reason: CloseReason) {
    assert_eq!(side.closed, Some(reason));
    let last = frames_out(side).pop();
    assert_eq!(
        last,
        Some(Body::Close(Close {
            reason: reason.into()
        }))
    );
    // Nothing moves any more.
    let done = encoded(Body::Done(Done {}));
    assert_eq!(side.session.receive(&done, START), Err(reason));
    assert_eq!(side.session.poll(START), Output::Idle);
    assert_eq!(side.session.poll_timeout(), None);
}
