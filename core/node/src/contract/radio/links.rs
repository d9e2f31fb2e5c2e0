//! Links: up, down, and the frames between.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use sovereign_protocol::{id::LinkId, link_kind::Role};

use super::{ALWAYS, RadioFixture, SERVICE, advertising, steps::*};
use crate::ports::radio::{
    Advertising, MAX_ADVERTISEMENT, MAX_HELLO, RADIO_INBOX, Radio, RadioAddress, RadioCommand,
    RadioError, RadioEvent,
};

/// A connection is Up at both ends, in opposite roles, with room for the smallest frame.
pub async fn connected_is_up_at_both_ends<F: RadioFixture>() {
    let (_a, here, _b, there) = linked(&mut F::default()).await;
    assert_eq!((here.role, there.role), (Role::Dialer, Role::Listener));
    assert!(here.max_frame >= 20 && there.max_frame >= 20);
}

/// A radio's links have numbers of their own, which are never used again.
pub async fn link_numbers_are_used_once<F: RadioFixture>() {
    let mut fixture = F::default();
    let (mut a, first, mut b, other_first) = linked(&mut fixture).await;
    let mut c = fixture.join().await;
    command(&mut c, RadioCommand::Advertise(Some(advertising(2, 1))));
    command(&mut a, RadioCommand::Scan(Some(ALWAYS)));
    let second = dial(&mut a, &advertising(2, 1)).await;
    assert_ne!(first.link, second.link);
    command(&mut a, RadioCommand::Close(first.link));
    until(&mut a, "Down at who closed", down_of(first.link)).await;
    until(&mut b, "Down at the other", down_of(other_first.link)).await;
    let third = dial(&mut a, &advertising(1, 1)).await;
    let (other_third, _) = until(&mut b, "Up again", is_up).await;
    assert!(third.link != first.link && third.link != second.link);
    assert_ne!(other_third.link, other_first.link);
}

/// Frames of every length come whole, once each, both ways, in whatever order.
pub async fn frames_arrive_intact<F: RadioFixture>() {
    let (mut a, here, mut b, there) = linked(&mut F::default()).await;
    for round in 0..2 {
        let max = here.max_frame.min(there.max_frame);
        let mut out: Vec<Bytes> = [1, 2, 19, 20, max - 1, max]
            .into_iter()
            .map(|length| (0..length).map(|n| n.to_le_bytes()[0] ^ 0xa5).collect())
            .collect();
        out.extend((0..40u8).map(|n| Bytes::from(vec![n, round, 3])));
        let mut came = if round == 0 {
            for bytes in &out {
                send(&mut a, here.link, bytes.clone()).await;
            }
            frames(&mut b, there.link, out.len()).await
        } else {
            for bytes in &out {
                send(&mut b, there.link, bytes.clone()).await;
            }
            frames(&mut a, here.link, out.len()).await
        };
        out.sort();
        came.sort();
        assert_eq!(came, out);
    }
    let is_frame = |event: &RadioEvent| matches!(event, RadioEvent::Frame { .. });
    assert!(!drain(&mut a).iter().any(is_frame), "twice");
    assert!(!drain(&mut b).iter().any(is_frame), "twice");
}

/// Frames are refused when too many wait, and taken again after `Ready`.
pub async fn busy_then_ready<F: RadioFixture>() {
    let (mut a, here, _b, _) = linked(&mut F::default()).await;
    for _ in 0..2 {
        let full = (0..100_000).any(|_| {
            let taken = a.submit(frame(here.link, vec![1; usize::from(here.max_frame)]));
            assert!(matches!(taken, Ok(()) | Err(RadioError::Busy)), "{taken:?}");
            taken.is_err()
        });
        assert!(full, "whatever is sent is taken");
        ready(&mut a, here.link).await;
        command(&mut a, frame(here.link, vec![2]));
    }
}

/// Frames and advertisements of impossible lengths are refused and change nothing; the longest are not.
pub async fn wrong_lengths_are_refused<F: RadioFixture>() {
    let (mut a, here, mut b, _) = linked(&mut F::default()).await;
    for length in [0, usize::from(here.max_frame) + 1] {
        let refused = a.submit(frame(here.link, vec![0; length]));
        assert_eq!(refused, Err(RadioError::Length), "{length}");
    }
    let longest = Advertising {
        data: [&advertising(2, 1).data[..], &[9, 9], &[b'A'; 8]]
            .concat()
            .into(),
        scan_response: [&[30, 0x21], &SERVICE[..], &[7; 13]].concat().into(),
        hello: vec![1; MAX_HELLO].into(),
        ..advertising(2, 1)
    };
    command(&mut b, RadioCommand::Advertise(Some(longest.clone())));
    let too_long = || Bytes::from(vec![0; MAX_ADVERTISEMENT + 1]);
    for bad in [
        Advertising {
            data: too_long(),
            ..advertising(3, 1)
        },
        Advertising {
            scan_response: too_long(),
            ..advertising(3, 1)
        },
        Advertising {
            hello: vec![1; MAX_HELLO + 1].into(),
            ..advertising(3, 1)
        },
    ] {
        let refused = b.submit(RadioCommand::Advertise(Some(bad)));
        assert_eq!(refused, Err(RadioError::Length));
    }
    command(&mut a, RadioCommand::Scan(Some(ALWAYS)));
    sighting(&mut a, &longest).await;
}

/// What was never heard cannot be connected to, and what is not a link takes no command.
pub async fn unknown_is_refused<F: RadioFixture>() {
    let (mut a, here, mut b, there) = linked(&mut F::default()).await;
    let stranger = RadioCommand::Connect(RadioAddress(0x1234_5678_9abc));
    assert_eq!(a.submit(stranger), Err(RadioError::Unknown));
    let none = LinkId(here.link.0 ^ 0x4000_0000_0000_0000);
    for at in [RadioCommand::Close(none), frame(none, vec![1])] {
        assert_eq!(a.submit(at), Err(RadioError::Unknown));
    }
    command(&mut a, RadioCommand::Close(here.link));
    until(&mut a, "Down at who closed", down_of(here.link)).await;
    until(&mut b, "Down at the other", down_of(there.link)).await;
    for at in [RadioCommand::Close(here.link), frame(here.link, vec![1])] {
        assert_eq!(a.submit(at), Err(RadioError::Unknown));
    }
    assert_eq!(
        b.submit(frame(there.link, vec![1])),
        Err(RadioError::Unknown)
    );
}

/// Either end may close; both are told, once.
pub async fn close_is_down_at_both_ends_once<F: RadioFixture>() {
    let mut fixture = F::default();
    let (mut a, mut here, mut b, mut there) = linked(&mut fixture).await;
    command(&mut a, RadioCommand::Scan(Some(ALWAYS)));
    for dialer_closes in [true, false] {
        if dialer_closes {
            command(&mut a, RadioCommand::Close(here.link));
        } else {
            command(&mut b, RadioCommand::Close(there.link));
        }
        until(&mut a, "Down at the dialer", down_of(here.link)).await;
        until(&mut b, "Down at the listener", down_of(there.link)).await;
        let (old_here, old_there) = (here.link, there.link);
        // Whatever else is said of the old link comes before the next one is up.
        let (up_here, before_here) = dial_reading(&mut a, &advertising(1, 1)).await;
        let (up_there, before_there) = until(&mut b, "Up again", is_up).await;
        (here, there) = (up_here, up_there);
        let again = before_here.iter().any(|e| down_of(old_here)(e).is_some())
            || before_there.iter().any(|e| down_of(old_there)(e).is_some());
        assert!(!again, "Down twice");
    }
}

/// A link outlives the advertising that led to it.
pub async fn links_outlive_advertising<F: RadioFixture>() {
    let (mut a, here, mut b, there) = linked(&mut F::default()).await;
    command(&mut b, RadioCommand::Advertise(None));
    // One of a few gets through even where frames are lost.
    for n in 0..32 {
        send(&mut a, here.link, Bytes::from(vec![n])).await;
    }
    frames(&mut b, there.link, 1).await;
}

/// Who does not read loses events and is told how many, but learns of every link's up and down.
pub async fn overflow_is_explicit<F: RadioFixture>() {
    let mut fixture = F::default();
    let (mut a, mut b) = (fixture.join().await, fixture.join().await);
    command(&mut a, RadioCommand::Advertise(Some(advertising(1, 1))));
    command(&mut b, RadioCommand::Scan(Some(ALWAYS)));
    let end = dial(&mut b, &advertising(1, 1)).await;
    command(&mut b, RadioCommand::Scan(None));
    let sent = 2 * RADIO_INBOX;
    for n in 0..sent {
        send(&mut b, end.link, Bytes::from(n.to_le_bytes().to_vec())).await;
    }
    command(&mut b, RadioCommand::Close(end.link));
    until(&mut b, "Down at who closed", down_of(end.link)).await;
    let (mut frames, mut dropped, mut up) = (0, 0, None);
    let gone = |event: &RadioEvent| {
        match event {
            RadioEvent::Frame { .. } => frames += 1,
            RadioEvent::Overflow(count) => dropped += usize::try_from(*count).expect("fits"),
            event => up = up.or(is_up(event).map(|end| end.link)),
        }
        up.and_then(|link| down_of(link)(event))
    };
    let (_, mut read) = until(&mut a, "Up and Down", gone).await;
    let rest = drain(&mut a);
    for event in &rest {
        match event {
            RadioEvent::Frame { .. } => frames += 1,
            RadioEvent::Overflow(count) => dropped += usize::try_from(*count).expect("fits"),
            _ => {}
        }
    }
    read.extend(rest);
    assert!(dropped > 0, "nobody says that events are missing");
    assert!(frames + dropped <= sent, "{frames} + {dropped}");
    // Up to there nothing had been read. State, Up and Overflow itself come on top.
    let overflow = |event: &RadioEvent| matches!(event, RadioEvent::Overflow(_));
    let waited = read.iter().position(overflow).expect("there is one");
    assert!(waited < RADIO_INBOX + 8, "{waited}");
}

/// Who drops a radio leaves nobody with a link that is not there.
pub async fn dropped_radio_takes_its_links_down<F: RadioFixture>() {
    let mut fixture = F::default();
    let (a, _, mut b, there) = linked(&mut fixture).await;
    drop(a);
    until(&mut b, "Down when the dialer is gone", down_of(there.link)).await;
    // Or the next dialer might find this one, which takes a moment to fall silent.
    command(&mut b, RadioCommand::Advertise(None));
    drop(b);
    let (mut a, here, b, _) = linked(&mut fixture).await;
    drop(b);
    until(&mut a, "Down when the listener is gone", down_of(here.link)).await;
}

/// No event is lost when `next` is dropped while it waits.
pub async fn next_is_safe_to_cancel<F: RadioFixture>() {
    let (mut a, here, mut b, there) = linked(&mut F::default()).await;
    let (mut out, mut came) = (BTreeSet::new(), BTreeSet::new());
    within("all frames across cancelled calls", async {
        for n in 0..100u8 {
            send(&mut a, here.link, Bytes::from(vec![n])).await;
            out.insert(n);
        }
        while came.len() < out.len() {
            let waiting = tokio::time::timeout(Duration::from_millis(1), b.next());
            if let Ok(RadioEvent::Frame { link, frame }) = waiting.await {
                assert_eq!(link, there.link);
                came.extend(frame);
            }
        }
    })
    .await;
    assert_eq!(came, out);
}
