//! What the contract does not ask for.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use serde_json::json;
use sovereign_node::adapters::hci::Line;
use sovereign_node::contract::radio::{ALWAYS, RadioFixture as _, advertising};
use sovereign_node::ports::radio::{
    Bearer, Radio, RadioAddress, RadioCommand, RadioError, RadioEvent, RadioState,
};
use sovereign_protocol::{id::LinkId, link_kind::Role};

use crate::air::{Lab, OnAir};

/// A hanging test ends here; nothing asserts that it takes any particular time.
pub(crate) const WATCHDOG: Duration = Duration::from_secs(90);
const FRAMES: u32 = 300;

/// One end of a link.
#[derive(Debug, Clone, Copy)]
pub(crate) struct End {
    pub(crate) link: LinkId,
    address: RadioAddress,
    pub(crate) max_frame: u16,
    pub(crate) bearer: Bearer,
}

/// Reads until something wanted comes.
pub(crate) async fn until<T>(
    radio: &mut OnAir,
    what: &str,
    mut wanted: impl FnMut(RadioEvent) -> Option<T>,
) -> T {
    let found = tokio::time::timeout(WATCHDOG, async {
        loop {
            if let Some(found) = wanted(radio.next().await) {
                return found;
            }
        }
    });
    match found.await {
        Ok(found) => found,
        Err(_) => panic!("never happened: {what}"),
    }
}

pub(crate) fn submit(radio: &mut OnAir, command: RadioCommand) {
    assert_eq!(radio.submit(command.clone()), Ok(()), "{command:?}");
}

pub(crate) async fn up(radio: &mut OnAir, as_role: Role) -> End {
    until(radio, "Up", |event| match event {
        RadioEvent::Up {
            link,
            address,
            max_frame,
            role,
            bearer,
        } if role == as_role => Some(End {
            link,
            address,
            max_frame,
            bearer,
        }),
        RadioEvent::ConnectFailed { why, .. } => panic!("{why}"),
        _ => None,
    })
    .await
}

async fn down(radio: &mut OnAir, end: End) -> String {
    until(radio, "Down", |event| match event {
        RadioEvent::Down { link, why } if link == end.link => Some(why),
        _ => None,
    })
    .await
}

/// Finds who says `n` and connects to it.
async fn dial(radio: &mut OnAir, n: u8) -> End {
    submit(radio, RadioCommand::Scan(Some(ALWAYS)));
    let says = advertising(n, 1).scan_response;
    let address = until(radio, "a sighting", |event| match event {
        RadioEvent::Sighted { address, heard, .. } if heard == says => Some(address),
        _ => None,
    })
    .await;
    submit(radio, RadioCommand::Scan(None));
    submit(radio, RadioCommand::Connect(address));
    up(radio, Role::Dialer).await
}

async fn pair<const L2CAP: bool>(lab: &mut Lab<L2CAP>) -> (OnAir, End, OnAir, End) {
    let (mut a, mut b) = (lab.join().await, lab.join().await);
    submit(&mut b, RadioCommand::Advertise(Some(advertising(1, 1))));
    let here = dial(&mut a, 1).await;
    let there = up(&mut b, Role::Listener).await;
    (a, here, b, there)
}

/// What became of numbered frames.
#[derive(Debug, PartialEq, Eq)]
struct Count {
    came: usize,
    lost: usize,
    reordered: usize,
}

/// Sends [`FRAMES`] numbered frames of the largest size each way at once.
async fn both_ways(a: &mut OnAir, here: End, b: &mut OnAir, there: End) -> [Count; 2] {
    let mut sent = [0; 2];
    let mut came = [Vec::new(), Vec::new()];
    let mut ends = [(a, here, true), (b, there, true)];
    let all = async {
        while came.iter().any(|came| came.len() < FRAMES as usize) {
            for (n, (radio, end, ready)) in ends.iter_mut().enumerate() {
                while *ready && sent[n] < FRAMES {
                    let mut frame = vec![0xa5; usize::from(end.max_frame)];
                    frame[..4].copy_from_slice(&sent[n].to_be_bytes());
                    let command = RadioCommand::Send {
                        link: end.link,
                        frame: Bytes::from(frame),
                    };
                    match radio.submit(command) {
                        Ok(()) => sent[n] += 1,
                        Err(RadioError::Busy) => *ready = false,
                        Err(error) => panic!("{error}"),
                    }
                }
            }
            let [(a, ..), (b, ..)] = &mut ends;
            let (n, event) = tokio::select! {
                event = a.next() => (0, event),
                event = b.next() => (1, event),
            };
            match event {
                RadioEvent::Ready(_) => ends[n].2 = true,
                RadioEvent::Frame { link, frame } => {
                    assert_eq!(link, ends[n].1.link);
                    assert_eq!(frame.len(), usize::from(ends[1 - n].1.max_frame));
                    let number = u32::from_be_bytes(frame[..4].try_into().expect("four bytes"));
                    came[n].push(number);
                }
                RadioEvent::Sighted { .. } => {}
                other => panic!("{other:?}"),
            }
        }
    };
    // What does not come is counted, not waited for; nothing is lost in a run that passes.
    let _ = tokio::time::timeout(WATCHDOG, all).await;
    came.map(|came| {
        let mut sorted = came.clone();
        sorted.sort_unstable();
        sorted.dedup();
        Count {
            came: came.len(),
            lost: FRAMES as usize - sorted.len(),
            reordered: came.windows(2).filter(|pair| pair[1] < pair[0]).count(),
        }
    })
}

const NONE_LOST: Count = Count {
    came: FRAMES as usize,
    lost: 0,
    reordered: 0,
};

async fn three_hundred_each_way<const L2CAP: bool>(bearer: Bearer) {
    // LOC-4
    let mut lab = Lab::<L2CAP>::default();
    let (mut a, here, mut b, there) = pair(&mut lab).await;
    assert_eq!((here.bearer, there.bearer), (bearer, bearer));
    assert_eq!((here.max_frame, there.max_frame), (495, 495));
    let counts = both_ways(&mut a, here, &mut b, there).await;
    eprintln!("{bearer:?}: {counts:?}");
    assert_eq!(counts, [NONE_LOST, NONE_LOST]);
}

#[tokio::test]
async fn three_hundred_frames_each_way_over_gatt() {
    three_hundred_each_way::<false>(Bearer::Gatt).await;
}

#[tokio::test]
async fn three_hundred_frames_each_way_over_l2cap() {
    three_hundred_each_way::<true>(Bearer::L2cap).await;
}

#[tokio::test]
async fn l2cap_only_where_both_take_it() {
    let mut lab = Lab::<true>::default();
    let mut a = lab.join().await;
    lab.speaks_l2cap = false;
    let mut b = lab.join().await;
    submit(&mut a, RadioCommand::Advertise(Some(advertising(1, 1))));
    assert_eq!(dial(&mut b, 1).await.bearer, Bearer::Gatt);
    assert_eq!(up(&mut a, Role::Listener).await.bearer, Bearer::Gatt);
}

#[tokio::test]
async fn an_mtu_of_185_makes_frames_of_182_that_arrive() {
    let mut lab = Lab::<false>::default();
    lab.ask(&json!({"do": "pair", "att_mtu": 185}));
    let (mut a, here, mut b, there) = pair(&mut lab).await;
    assert_eq!((here.max_frame, there.max_frame), (182, 182));
    let counts = both_ways(&mut a, here, &mut b, there).await;
    assert_eq!(counts, [NONE_LOST, NONE_LOST]);
}

#[tokio::test]
async fn notifications_overtake_each_other_where_the_air_says_so() {
    // The lab itself: what the byte stream above must bear (EATT does this).
    let mut lab = Lab::<false>::default();
    lab.ask(&json!({"do": "pair", "reorder": 0.2, "latency_ms": 5}));
    let (mut a, here, mut b, there) = pair(&mut lab).await;
    let [at_dialer, at_listener] = both_ways(&mut a, here, &mut b, there).await;
    assert_eq!(at_listener, NONE_LOST, "writes keep their order");
    assert!(
        at_dialer.reordered > 0 && at_dialer.lost == 0,
        "{at_dialer:?}"
    );
}

#[tokio::test]
async fn a_slow_air_slows_senders_and_loses_nothing() {
    let mut lab = Lab::<false>::default();
    lab.ask(&json!({"do": "pair", "bytes_per_s": 100_000}));
    let (mut a, here, mut b, there) = pair(&mut lab).await;
    let counts = both_ways(&mut a, here, &mut b, there).await;
    assert_eq!(counts, [NONE_LOST, NONE_LOST]);
}

#[tokio::test]
async fn a_cut_link_is_down_at_both_ends_and_can_be_made_again() {
    for l2cap in [false, true] {
        if l2cap {
            cut(&mut Lab::<true>::default()).await;
        } else {
            cut(&mut Lab::<false>::default()).await;
        }
    }
}

async fn cut<const L2CAP: bool>(lab: &mut Lab<L2CAP>) {
    let (mut a, here, mut b, there) = pair(lab).await;
    let answer = lab.ask(&json!({"do": "cut", "a": "r0", "b": "r1"}));
    assert_eq!(answer["links"], 1);
    down(&mut a, here).await;
    down(&mut b, there).await;
    let again = dial(&mut a, 1).await;
    assert_ne!(again.link, here.link);
    up(&mut b, Role::Listener).await;
}

#[tokio::test]
async fn strength_is_told_as_it_is_and_who_is_out_of_range_is_not_heard() {
    // LOC-5
    let mut lab = Lab::<false>::default();
    let mut a = lab.join().await;
    let strengths = [-71, -42, -88];
    let mut others = Vec::new();
    for n in 1..=4u8 {
        let mut other = lab.join().await;
        let dbm = strengths.get(usize::from(n) - 1);
        let name = Lab::<false>::name(n.into());
        lab.ask(&json!({"do": "rssi", "from": name, "to": "r0", "dbm": dbm}));
        submit(&mut other, RadioCommand::Advertise(Some(advertising(n, 1))));
        others.push(other);
    }
    submit(&mut a, RadioCommand::Scan(Some(ALWAYS)));
    let (mut heard, mut times) = (BTreeMap::new(), 0);
    until(&mut a, "all in range, ten times", |event| {
        if let RadioEvent::Sighted {
            heard: data,
            rssi_dbm,
            ..
        } = event
            && let Some(n) = (1..=4).find(|n| data == advertising(*n, 1).scan_response)
        {
            heard.insert(n, rssi_dbm.expect("a strength"));
            times += 1;
        }
        (heard.len() >= 3 && times >= 30).then_some(())
    })
    .await;
    assert_eq!(
        heard.into_iter().collect::<Vec<_>>(),
        [(1, -71), (2, -42), (3, -88)]
    );
}

#[tokio::test]
async fn an_unknown_strength_is_none() {
    let mut lab = Lab::<false>::default();
    let mut a = lab.join().await;
    submit(&mut a, RadioCommand::Scan(Some(ALWAYS)));
    let scanning = |lab: &mut Lab<false>| {
        let status = lab.ask(&json!({"do": "status"}));
        status["controllers"]["r0"]["scanning"] == true
    };
    while !scanning(&mut lab) {
        tokio::task::yield_now().await;
    }
    let data = hex::encode(advertising(1, 1).data);
    let address = "C0:00:00:00:00:01";
    lab.ask(&json!({"do": "advertise", "to": "r0", "address": address, "data": data, "dbm": 127}));
    let (from, rssi) = until(&mut a, "a sighting", |event| match event {
        RadioEvent::Sighted {
            address, rssi_dbm, ..
        } => Some((address, rssi_dbm)),
        _ => None,
    })
    .await;
    assert_eq!((from, rssi), (RadioAddress(0xc0_00_00_00_00_01), None));
}

#[tokio::test]
async fn several_links_at_once_in_both_roles() {
    // LOC-5: seven at most, whichever way they were made.
    let mut lab = Lab::<false>::default();
    let mut hub = lab.join().await;
    submit(&mut hub, RadioCommand::Advertise(Some(advertising(100, 1))));
    let (mut others, mut ends) = (Vec::new(), Vec::new());
    for n in 1..=4u8 {
        let mut other = lab.join().await;
        submit(&mut other, RadioCommand::Advertise(Some(advertising(n, 1))));
        let end = if n % 2 == 0 {
            dial(&mut hub, n).await;
            up(&mut other, Role::Listener).await
        } else {
            let end = dial(&mut other, 100).await;
            up(&mut hub, Role::Listener).await;
            end
        };
        ends.push(end);
        others.push(other);
    }
    for (n, (other, end)) in others.iter_mut().zip(&ends).enumerate() {
        let frame = Bytes::from(vec![u8::try_from(n).unwrap(); 100]);
        submit(
            other,
            RadioCommand::Send {
                link: end.link,
                frame,
            },
        );
    }
    let mut came = BTreeMap::new();
    until(&mut hub, "a frame over each link", |event| {
        if let RadioEvent::Frame { link, frame } = event {
            came.insert(frame[0], link);
        }
        (came.len() == 4).then_some(())
    })
    .await;
    let links: std::collections::BTreeSet<_> = came.values().collect();
    assert_eq!(links.len(), 4);
}

#[tokio::test]
async fn a_link_outlives_the_epoch_it_was_made_in() {
    // LOC-3, docs/protocol.md 11.5
    let mut lab = Lab::<false>::default();
    let (mut a, here, mut b, there) = pair(&mut lab).await;
    submit(&mut b, RadioCommand::Advertise(Some(advertising(2, 2))));
    submit(&mut a, RadioCommand::Scan(Some(ALWAYS)));
    let says = advertising(2, 2).scan_response;
    let address = until(&mut a, "the next epoch", |event| match event {
        RadioEvent::Sighted { address, heard, .. } if heard == says => Some(address),
        _ => None,
    })
    .await;
    assert_ne!(address, here.address);
    let counts = both_ways(&mut a, here, &mut b, there).await;
    assert_eq!(counts, [NONE_LOST, NONE_LOST]);
}

#[tokio::test]
async fn packets_that_no_host_sends_do_not_end_the_radio() {
    // Empty ATT; unknown ATT; a channel's frame without a length, and one of a channel that is not there;
    // half a signal, one of no known kind; a length that never comes; security; half a header, nothing.
    for l2cap in [
        "00000400",
        "0100040099",
        "01004000ff",
        "00004100",
        "0100050014",
        "0300050006010000",
        "ffff0400ff",
        "0100060001",
        "0000",
        "",
    ] {
        let mut lab = Lab::<true>::default();
        let (mut a, here, mut b, there) = pair(&mut lab).await;
        for (from, to) in [("r0", "r1"), ("r1", "r0")] {
            let request = json!({"do": "inject", "from": from, "to": to, "l2cap": l2cap});
            let links = &lab.ask(&request)["links"];
            // A host may close the link over the first, but must go on.
            assert!(*links == 1 || from == "r1", "{l2cap}");
        }
        let _ = a.submit(RadioCommand::Close(here.link));
        let _ = b.submit(RadioCommand::Close(there.link));
        for (radio, end) in [(&mut a, here), (&mut b, there)] {
            until(radio, "Down", |event| {
                let off = matches!(&event, RadioEvent::State(state) if *state != RadioState::On);
                assert!(!off, "{l2cap}: {event:?}");
                matches!(event, RadioEvent::Down { link, .. } if link == end.link).then_some(())
            })
            .await;
        }
        dial(&mut a, 1).await;
        let again = up(&mut b, Role::Listener).await;
        assert_ne!(again.link, there.link);
    }
}

#[tokio::test]
async fn a_controller_behind_a_serial_device_works_too() {
    let mut lab = Lab::<false>::default();
    let path = lab.controller("pty");
    let line = Line::Serial {
        path,
        baud: 1_000_000,
        flow_control: true,
    };
    let mut a = lab.radio(line).await;
    let mut b = lab.join().await;
    submit(&mut b, RadioCommand::Advertise(Some(advertising(1, 1))));
    let here = dial(&mut a, 1).await;
    let there = up(&mut b, Role::Listener).await;
    let counts = both_ways(&mut a, here, &mut b, there).await;
    assert_eq!(counts, [NONE_LOST, NONE_LOST]);
}

#[tokio::test]
async fn no_controller_is_a_state_and_no_error() {
    let dir = tempfile::TempDir::new().unwrap();
    let line = Line::Socket(dir.path().join("none"));
    let config = sovereign_node::adapters::hci::Config { line, psm: None };
    let mut radio = sovereign_node::adapters::hci::HciRadio::start(config).unwrap();
    let first = tokio::time::timeout(WATCHDOG, radio.next()).await.unwrap();
    assert!(matches!(&first, RadioEvent::State(RadioState::Absent(why)) if why.contains("none")));
    let refused = radio.submit(RadioCommand::Scan(Some(ALWAYS)));
    assert_eq!(refused, Err(RadioError::Unavailable));
}

#[tokio::test]
async fn a_controller_that_goes_takes_links_and_comes_back() {
    let mut lab = Lab::<false>::default();
    let (mut a, here, mut b, there) = pair(&mut lab).await;
    lab.ask(&json!({"do": "unplug", "name": "r0"}));
    down(&mut a, here).await;
    until(&mut a, "Off", |event| {
        matches!(event, RadioEvent::State(RadioState::Off(_))).then_some(())
    })
    .await;
    down(&mut b, there).await;
    until(&mut a, "On", |event| {
        (event == RadioEvent::State(RadioState::On)).then_some(())
    })
    .await;
    dial(&mut a, 1).await;
}
