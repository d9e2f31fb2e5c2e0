//! Hello: versions, extensions, what a link costs until its first bundle.

use bytes::Bytes;
use prost::Message;
use sovereign_protocol::{
    link::{
        Incoming, Offer, Output, SLOW_CREDIT, Session,
        frame::{self, Body},
        session_id,
    },
    link_kind::Role,
    wire::v1::{
        Close, CloseReason, Credit, Delivered, Done, Extension, Hello, Membership, Summary, Want,
    },
};

use crate::{
    helpers::{closes, encoded, frames_out, hello, ids, part, ready},
    pair::{Pair, START, Side, at, config, content},
};

#[test]
fn both_sides_compute_one_session() {
    let mut pair = Pair::new(false);
    pair.dialer.session.start();
    pair.listener.session.start();
    assert_eq!(
        pair.step(false),
        0,
        "the listener waits for the dialer's Hello"
    );
    pair.settle();
    let transcript = pair.dialer.session.transcript().unwrap();
    assert_eq!(pair.listener.session.transcript(), Some(transcript));
    assert_eq!(
        (transcript.dialer_nonce, transcript.listener_nonce),
        ([3; 16], [4; 16])
    );
    let expected = Incoming::Ready {
        session: session_id(&transcript),
        capabilities: 3,
        version: 1,
        discovery: None,
    };
    assert_eq!(pair.dialer.heard, vec![expected.clone()]);
    assert_eq!(pair.listener.heard, vec![expected]);
    assert_eq!(pair.dialer.session.peer_versions(), Some((1, 1)));
}

#[test]
fn the_listeners_hello_and_summary_leave_together() {
    let mut listener = Side::new(Role::Listener, true);
    listener.take(&encoded(Body::Hello(hello(3))), START);
    let summary = Body::Summary(Summary {
        count: 1,
        ..Summary::default()
    });
    listener.session.send(summary.clone()).unwrap();
    let out = frames_out(&mut listener);
    assert!(matches!(out[0], Body::Hello(_)));
    assert_eq!(out[1..], [summary]);
}

#[test]
fn link_up_and_a_first_bundle_cost_exactly_what_the_protocol_says() {
    // Must-show h, docs/protocol.md §7.8: frames and their lengths.
    let mut pair = Pair::new(true);
    pair.dialer.session.start();
    assert_eq!(pair.step(true), 32, "Hello");
    let summary = Summary {
        count: 1,
        fingerprint: vec![9; 16].into(),
        ids: ids(&[77]),
        ..Summary::default()
    };
    pair.listener.session.send(Body::Summary(summary)).unwrap();
    assert_eq!(pair.step(false), 32 + 34, "Hello and Summary");
    pair.dialer
        .session
        .send(Body::Want(Want { ids: ids(&[77]) }))
        .unwrap();
    assert_eq!(pair.step(true), 14, "Want");
    pair.listener.bodies.push((1, 256));
    assert_eq!(
        pair.listener
            .session
            .offer_bundle(content(1), 256, Some(77)),
        Offer::Queued
    );
    pair.listener.session.send(Body::Done(Done {})).unwrap();
    assert_eq!(pair.step(false), 4 + 271, "Done and the bundle");
    pair.dialer.session.send(Body::Done(Done {})).unwrap();
    assert_eq!(pair.step(true), 4, "Done");
    assert_eq!(pair.dialer.bundles(), vec![1]);
    assert_eq!((pair.bytes, pair.writes), (391, 5));
    let traffic = pair.dialer.session.traffic();
    assert_eq!((traffic.bytes_out, traffic.bytes_in), (50, 341));
    assert_eq!((traffic.frames_out, traffic.frames_in), (3, 4));
    // An idle link says nothing, and nothing wakes it.
    assert_eq!(pair.dialer.session.poll_timeout(), None);
    assert_eq!(pair.listener.session.poll_timeout(), None);
    pair.now = at(600_000);
    pair.settle();
    assert_eq!(pair.bytes, 391);
}

#[test]
fn other_versions_are_told_so_and_both_ends_know_which() {
    // MSG-9.
    let mut listener = Side::new(Role::Listener, false);
    let later = Hello {
        min_version: 2,
        max_version: 3,
        ..hello(3)
    };
    listener.take(&encoded(Body::Hello(later)), START);
    assert_eq!(listener.session.peer_versions(), Some((2, 3)));
    let reason = CloseReason::Version;
    let out = frames_out(&mut listener);
    assert!(matches!(&out[0], Body::Hello(hello) if hello.max_version == 1));
    assert_eq!(
        out[1..],
        [Body::Close(Close {
            reason: reason.into()
        })]
    );
    assert_eq!(listener.closed, Some(reason));

    let mut dialer = Side::new(Role::Dialer, false);
    dialer.session.start();
    assert_eq!(frames_out(&mut dialer).len(), 1);
    let later = Hello {
        min_version: 2,
        max_version: 3,
        ..hello(4)
    };
    dialer.take(&encoded(Body::Hello(later)), START);
    closes(&mut dialer, reason);
}

#[test]
fn later_minor_versions_and_unknown_extensions_are_borne() {
    // MSG-9.
    let mut side = Side::new(Role::Listener, false);
    let extension = Extension {
        id: 9,
        critical: false,
        data: vec![1].into(),
    };
    let later = Hello {
        max_version: 7,
        capabilities: u32::MAX,
        extensions: vec![extension.clone()],
        ..hello(3)
    };
    side.take(&encoded(Body::Hello(later)), START);
    let Some(Incoming::Ready {
        capabilities,
        version,
        ..
    }) = side.heard.pop()
    else {
        panic!("not ready");
    };
    assert_eq!((capabilities, version), (u32::MAX, 1));
    frames_out(&mut side);
    side.take(&encoded(Body::Extension(extension)), START);
    assert_eq!((side.closed, side.session.counters().total()), (None, 0));
    let critical = Extension {
        id: 9,
        critical: true,
        data: Bytes::new(),
    };
    side.take(&encoded(Body::Extension(critical)), START);
    closes(&mut side, CloseReason::Critical);
}

#[test]
fn a_critical_extension_in_a_hello_ends_the_link() {
    // MSG-9.
    let mut side = Side::new(Role::Listener, false);
    let critical = Extension {
        id: 9,
        critical: true,
        data: Bytes::new(),
    };
    side.take(
        &encoded(Body::Hello(Hello {
            extensions: vec![critical],
            ..hello(3)
        })),
        START,
    );
    assert!(!side.session.is_ready());
    closes(&mut side, CloseReason::Critical);
}

#[test]
fn anything_but_hello_or_close_first_ends_the_link() {
    let unknown: &[u8] = &[0x8a, 0x01, 0];
    let done = encoded(Body::Done(Done {}));
    let raw = |nonce| {
        let hello = Hello { nonce, ..hello(3) };
        sovereign_protocol::wire::v1::Frame {
            body: Some(Body::Hello(hello)),
        }
        .encode_to_vec()
    };
    let short = raw(vec![1; 15].into());
    for first in [&done[..], unknown, &short, &[0xff]] {
        let mut side = Side::new(Role::Listener, false);
        side.take(first, START);
        closes(&mut side, CloseReason::Misbehaviour);
        assert_eq!(side.session.counters().total(), 1);
    }
    let mut side = Side::new(Role::Listener, false);
    side.take(
        &encoded(Body::Close(Close {
            reason: CloseReason::Full.into(),
        })),
        START,
    );
    assert_eq!(side.heard, vec![Incoming::Closed(CloseReason::Full)]);
    assert_eq!(
        (side.session.poll(START), side.session.poll_timeout()),
        (Output::Idle, None)
    );
}

#[test]
fn a_second_hello_ends_the_link() {
    let mut side = ready(false);
    side.take(&encoded(Body::Hello(hello(3))), START);
    closes(&mut side, CloseReason::Misbehaviour);
    assert_eq!(side.session.counters().get("hello.second"), 1);
}

#[test]
fn a_windows_size_is_held_to_the_bounds() {
    for (given, told) in [(0, 2_048), (4_096, 4_096), (u32::MAX, 262_144)] {
        let mut side = Side::new(Role::Dialer, true);
        side.session = Session::new(
            sovereign_protocol::link::SessionConfig {
                credit: given,
                ..config(Role::Dialer, true)
            },
            START,
        );
        side.session.start();
        let out = frames_out(&mut side);
        assert!(matches!(&out[0], Body::Hello(hello) if hello.credit == told));
    }
    assert_eq!(SLOW_CREDIT, 30_720);
}

#[test]
fn the_other_costs_are_those_of_the_protocol() {
    // docs/protocol.md §7.8.
    let cost = |body| encoded(body).len() + frame::LENGTH_PREFIX;
    let summary = |count: u32| {
        let all: Vec<u64> = (0..count.into()).collect();
        let fingerprint = vec![9; 16].into();
        Body::Summary(Summary {
            count,
            fingerprint,
            ids: ids(&all),
            ..Summary::default()
        })
    };
    assert_eq!(
        (cost(summary(1)), cost(summary(13)), cost(summary(64))),
        (34, 26 + 8 * 13, 540)
    );
    assert_eq!(
        cost(Body::Membership(Membership {
            tags: vec![1; 32].into()
        })),
        38
    );
    assert_eq!(cost(Body::Delivered(Delivered { ids: ids(&[1]) })), 14);
    assert_eq!(
        (cost(part(0, 0, 1_000)), cost(part(1, 0, 1_000))),
        (1_008, 1_010)
    );
    assert_eq!(
        (
            cost(Body::Credit(Credit { bytes: 2_048 })),
            cost(Body::Credit(Credit { bytes: 4_096 }))
        ),
        (7, 7)
    );
}
