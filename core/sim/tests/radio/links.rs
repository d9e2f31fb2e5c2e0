//! Links: pace, loss, order, limits and ends.

use std::num::NonZeroU32;
use std::time::Duration;

use bytes::Bytes;
use sovereign_node::ports::radio::{
    Advertising, RADIO_FRAMES, RADIO_INBOX, RadioCommand, RadioError, RadioEvent, RadioState,
};
use sovereign_protocol::id::LinkId;
use sovereign_sim::radio::{
    Dialling, Hardware, Physics, RadioId, Reordering, Span, Usage, WorldEvent,
};

use crate::run::{ALWAYS, MS, Run, SECOND, advertising};

/// An operation every 40 ms, reach by distance, and else nothing in the way.
fn paced() -> Physics {
    Physics {
        path_loss_exponent: 2.1,
        operation: Span::of(40 * MS),
        ..Physics::ideal()
    }
}

fn pair(physics: Physics) -> (Run, RadioId, RadioId, [LinkId; 2]) {
    let mut run = Run::new(physics, 1);
    let one = run.join(0.0, Hardware::phone());
    let other = run.join(1.0, Hardware::phone());
    let links = run.link(one, other);
    (run, one, other, links)
}

/// Sends frames as fast as they are taken, until all have left and come.
fn send_all(run: &mut Run, radio: RadioId, link: LinkId, frames: &[Vec<u8>]) {
    for frame in frames {
        while run.send(radio, link, frame.clone()) == Err(RadioError::Busy) {
            let before = run.log.len();
            let ready =
                |run: &Run| run.log[before..].contains(&(run.now, radio, RadioEvent::Ready(link)));
            let end = run.now + 60 * SECOND;
            while !ready(run) {
                assert!(run.step(end), "Ready never came");
            }
        }
    }
    run.pass(60 * SECOND);
}

fn numbered(count: u32, length: usize) -> Vec<Vec<u8>> {
    (0..count)
        .map(|n| {
            n.to_be_bytes()
                .into_iter()
                .chain([0; 600])
                .take(length)
                .collect()
        })
        .collect()
}

#[test]
fn n_operations_take_n_intervals() {
    let (mut run, one, other, [link, _]) = pair(paced());
    let start = run.now;
    send_all(&mut run, one, link, &numbered(100, 20));
    let came = run.frames(other);
    let sent: Vec<Bytes> = numbered(100, 20).into_iter().map(Bytes::from).collect();
    assert!(came.iter().map(|(_, frame)| frame).eq(&sent));
    for (n, (at, _)) in (1..).zip(&came) {
        assert_eq!(*at - start, n * 40 * MS);
    }
}

#[test]
fn the_bytes_of_all_links_of_a_radio_share_its_rate() {
    let physics = Physics {
        bytes_per_second: NonZeroU32::new(20_000),
        operation: Span::of(30 * MS),
        ..paced()
    };
    let mut run = Run::new(physics, 1);
    let hub = run.join(0.0, Hardware::phone());
    let rims = [1.0, 2.0, 3.0].map(|x| run.join(x, Hardware::phone()));
    let links = rims.map(|rim| run.link(hub, rim)[0]);
    let start = run.now;
    for frame in numbered(RADIO_FRAMES as u32, 495) {
        for link in links {
            run.send(hub, link, frame.clone()).unwrap();
        }
    }
    run.pass(60 * SECOND);
    let mut last = Duration::ZERO;
    let ends = rims.map(|rim| {
        let came = run.frames(rim);
        assert_eq!(came.len(), RADIO_FRAMES);
        came[RADIO_FRAMES - 1].0 - start
    });
    for end in ends {
        last = last.max(end);
    }
    // 24 frames of 24.75 ms one after the other, the first after its connection event: alone a link
    // needs 8 · 30 ms.
    let air = 24 * Duration::from_micros(24_750);
    assert!(last >= air && last <= air + 30 * MS, "{last:?}");
    // And none is starved.
    assert!(ends.iter().all(|end| last - *end <= 100 * MS), "{ends:?}");
}

fn lossy(seed: u64) -> (u64, Vec<Bytes>) {
    let physics = Physics {
        frame_loss: 0.1,
        ..paced()
    };
    let mut run = Run::new(physics, seed);
    let one = run.join(0.0, Hardware::phone());
    let other = run.join(1.0, Hardware::phone());
    let [link, _] = run.link(one, other);
    send_all(&mut run, one, link, &numbered(10_000, 20));
    let came: Vec<Bytes> = run.frames(other).into_iter().map(|(_, f)| f).collect();
    let counters = run.world.counters();
    assert_eq!(counters.frames, 10_000);
    assert_eq!(counters.frames_delivered, came.len() as u64);
    assert_eq!(counters.frames_lost + came.len() as u64, 10_000);
    (counters.frames_lost, came)
}

#[test]
fn frames_are_lost_at_the_stated_rate_and_always_the_same_ones() {
    let first = lossy(1);
    // Four standard deviations of 30.
    assert!(first.0.abs_diff(1_000) < 120, "{}", first.0);
    assert_eq!(lossy(1), first);
    assert_ne!(lossy(2).1, first.1);
}

#[test]
fn notifications_overtake_each_other_within_the_window_and_writes_do_not() {
    let physics = Physics {
        reordering: Some(Reordering {
            chance: 0.5,
            window: 150 * MS,
        }),
        ..paced()
    };
    let (mut run, one, other, [here, there]) = pair(physics);
    let breaks = |came: &[(Duration, Bytes)]| {
        assert_eq!(came.len(), 300, "none is lost");
        came.windows(2).filter(|two| two[0].1 > two[1].1).count()
    };
    send_all(&mut run, one, here, &numbered(300, 20));
    assert_eq!(breaks(&run.frames(other)), 0);
    let start = run.now;
    send_all(&mut run, other, there, &numbered(300, 20));
    let came = run.frames(one);
    assert!((50..150).contains(&breaks(&came)), "{}", breaks(&came));
    for (at, frame) in came {
        let n = u32::from_be_bytes(frame[..4].try_into().unwrap());
        // The beat began when the link came up.
        let left = at - start;
        assert!(left > n * 40 * MS && left <= (n + 1) * 40 * MS + 150 * MS);
    }
}

#[test]
fn the_smaller_mtu_bounds_the_frames() {
    let mtu = |mtu| Hardware {
        mtu,
        ..Hardware::phone()
    };
    for (one, other, most) in [
        (185, 517, 182),
        (517, 517, 495),
        (0, 517, 20),
        (517, 100, 97),
    ] {
        let mut run = Run::new(paced(), 1);
        let (one, other) = (run.join(0.0, mtu(one)), run.join(1.0, mtu(other)));
        let [here, there] = run.link(one, other);
        for (radio, link) in [(one, here), (other, there)] {
            let too_long = run.send(radio, link, vec![0; most + 1]);
            assert_eq!(too_long, Err(RadioError::Length));
            run.send(radio, link, vec![0; most]).unwrap();
        }
    }
}

fn downs(run: &mut Run, radio: RadioId) -> Vec<(Duration, LinkId)> {
    run.told(radio)
        .into_iter()
        .filter_map(|(at, event)| match event {
            RadioEvent::Down { link, .. } => Some((at, link)),
            _ => None,
        })
        .collect()
}

#[test]
fn a_link_out_of_reach_is_down_after_the_supervision_time() {
    let (mut run, one, other, [here, there]) = pair(paced());
    run.walk(other, 30.0);
    let left = run.now;
    run.pass(60 * SECOND);
    assert_eq!(downs(&mut run, one), [(left + 5 * SECOND, here)]);
    assert_eq!(downs(&mut run, other), [(left + 5 * SECOND, there)]);
    assert_eq!(run.world.links().count(), 0);
}

#[test]
fn a_link_stands_still_out_of_reach_and_goes_on_in_time() {
    let (mut run, one, other, [here, there]) = pair(paced());
    for away in [3, 2, 4] {
        run.walk(other, 30.0);
        run.send(one, here, vec![away]).unwrap();
        run.send(other, there, vec![away]).unwrap();
        run.pass(u32::from(away) * SECOND);
        assert_eq!(run.frames(other), []);
        run.walk(other, 2.0);
        run.pass(SECOND);
        for radio in [one, other] {
            let came: Vec<Bytes> = run.frames(radio).into_iter().map(|(_, f)| f).collect();
            assert_eq!(came, [vec![away]]);
        }
    }
    run.pass(60 * SECOND);
    assert_eq!(run.log, []);
    assert_eq!(run.world.links().collect::<Vec<_>>(), [(one, other)]);
}

#[test]
fn a_goodbye_is_heard_in_reach_and_otherwise_supervision_ends_the_link() {
    for (x, ends, goodbye) in [
        (1.0, Duration::ZERO, "closed"),
        (30.0, 5 * SECOND, "closed"),
        (1.0, Duration::ZERO, "left"),
        (30.0, 5 * SECOND, "left"),
        (1.0, 5 * SECOND, "died"),
    ] {
        let (mut run, one, other, [here, there]) = pair(paced());
        run.walk(other, x);
        let now = run.now;
        match goodbye {
            "closed" => run.submit(one, RadioCommand::Close(here)).unwrap(),
            "left" => run.handle(WorldEvent::Leave(one)),
            _ => run.handle(WorldEvent::Die(one)),
        }
        assert_eq!(run.world.links().count(), 0, "no link has one end");
        let own = downs(&mut run, one);
        if goodbye == "closed" {
            assert_eq!(own, [(now, here)]);
        }
        run.pass(60 * SECOND);
        assert_eq!(
            downs(&mut run, other),
            [(now + ends, there)],
            "{x} {goodbye}"
        );
        let gone = run.submit(other, RadioCommand::Close(there));
        assert_eq!(gone, Err(RadioError::Unknown));
    }
}

fn failure(run: &mut Run, radio: RadioId, to: RadioId) -> String {
    let address = run.address_of(to, radio);
    run.submit(radio, RadioCommand::Connect(address)).unwrap();
    run.until(radio, |event| match event {
        RadioEvent::ConnectFailed { why, .. } => Some(why.clone()),
        _ => None,
    })
}

#[test]
fn a_radio_has_as_many_links_as_it_can() {
    let mut run = Run::new(paced(), 1);
    let hub = run.join(0.0, Hardware::phone());
    let others: Vec<RadioId> = (0..9).map(|_| run.join(1.0, Hardware::phone())).collect();
    for (n, other) in others[..7].iter().enumerate() {
        if n % 2 == 0 {
            run.link(hub, *other);
        } else {
            run.link(*other, hub);
        }
    }
    assert_eq!(failure(&mut run, hub, others[7]), "too many links");
    let full = "the other end takes no more links";
    assert_eq!(failure(&mut run, others[7], hub), full);
    run.handle(WorldEvent::Die(others[0]));
    assert_eq!(failure(&mut run, others[8], hub), full, "not known yet");
    run.pass(5 * SECOND);
    run.link(others[8], hub);
}

#[test]
fn two_radios_have_one_link_whoever_dials() {
    let (mut run, one, other, _) = pair(paced());
    assert_eq!(failure(&mut run, one, other), "already connected");
    assert_eq!(failure(&mut run, other, one), "already connected");
    // With a new address it is another radio to everyone, and the old link goes on.
    let address = run.address_of(other, one);
    let moved = Advertising {
        address: [2; 6],
        ..advertising(100 * MS)
    };
    run.submit(other, RadioCommand::Advertise(Some(moved)))
        .unwrap();
    run.scan(one, ALWAYS);
    let new = run.until(one, |event| match event {
        RadioEvent::Sighted { address: new, .. } if *new != address => Some(*new),
        _ => None,
    });
    run.submit(one, RadioCommand::Connect(new)).unwrap();
    assert_eq!(run.world.links().count(), 2);
}

#[test]
fn set_up_takes_its_time_and_silence_is_given_up() {
    let physics = Physics {
        dialling: Physics::phones().dialling,
        ..paced()
    };
    let Dialling::Heard { give_up, set_up } = physics.dialling else {
        panic!("phones hear before they dial")
    };
    let mut run = Run::new(physics, 1);
    let one = run.join(0.0, Hardware::phone());
    let other = run.join(1.0, Hardware::phone());
    let address = run.address_of(other, one);
    let start = run.now;
    run.submit(one, RadioCommand::Connect(address)).unwrap();
    // Asking again changes nothing: one answer.
    run.submit(one, RadioCommand::Connect(address)).unwrap();
    run.until(one, |event| {
        matches!(event, RadioEvent::Up { .. }).then_some(())
    });
    let took = run.now - start;
    // An advertisement (100 ms and its packets) comes first.
    assert!(
        took >= set_up.min && took <= set_up.max + 105 * MS,
        "{took:?}"
    );
    // It listened until the advertisement, not while the link was set up (SIM-5).
    let heard = run.world.usage(one, run.now).unwrap().dial;
    assert!(heard > Duration::ZERO && heard <= 105 * MS, "{heard:?}");
    run.submit(other, RadioCommand::Advertise(None)).unwrap();
    let third = run.join(1.0, Hardware::phone());
    let address = run.address_of(third, one);
    run.submit(third, RadioCommand::Advertise(None)).unwrap();
    run.log.clear();
    let start = run.now;
    run.submit(one, RadioCommand::Connect(address)).unwrap();
    run.pass(60 * SECOND);
    let told = run.told(one);
    let [(when, RadioEvent::ConnectFailed { .. })] = &told[..] else {
        panic!("{told:?}")
    };
    assert_eq!(*when, start + give_up);
    let listened = run.world.usage(one, run.now).unwrap().dial - heard;
    assert_eq!(listened, give_up);
}

#[test]
fn a_radio_that_is_off_does_nothing_and_comes_back_empty() {
    let (mut run, one, other, [here, there]) = pair(paced());
    run.scan(one, ALWAYS);
    run.advertise(one, 100 * MS);
    let off = RadioState::Off(String::from("aeroplane"));
    let switch = |state| WorldEvent::Switch { radio: one, state };
    run.handle(switch(off.clone()));
    let now = run.now;
    assert_eq!(downs(&mut run, other), [(now, there)]);
    let told = run.told(one);
    assert!(told.contains(&(now, RadioEvent::State(off))));
    assert!(
        told.iter()
            .any(|(_, e)| matches!(e, RadioEvent::Down { link, .. } if *link == here))
    );
    let refused = run.submit(one, RadioCommand::Scan(Some(ALWAYS)));
    assert_eq!(refused, Err(RadioError::Unavailable));
    run.advertise(other, 100 * MS);
    run.scan(other, ALWAYS);
    run.handle(switch(RadioState::On));
    run.pass(SECOND);
    assert_eq!(run.told(one), [(now, RadioEvent::State(RadioState::On))]);
    assert_eq!(run.told(other), [], "it stopped advertising");
    run.link(one, other);
}

#[test]
fn nobody_is_connected_to_a_node_that_reads_nothing() {
    let (mut run, one, other, [_, there]) = pair(paced());
    let deaf = other;
    let third = run.join(1.0, Hardware::phone());
    let address = run.address_of(deaf, third);
    // Its inbox fills up: from now on nothing is taken out.
    for _ in 0..RADIO_INBOX {
        run.world.handle(
            WorldEvent::Switch {
                radio: deaf,
                state: RadioState::On,
            },
            run.now,
            &mut run.rng,
        );
    }
    run.world
        .submit(third, RadioCommand::Connect(address), run.now, &mut run.rng)
        .unwrap();
    let RadioEvent::ConnectFailed { why, .. } = run.world.take(third).unwrap() else {
        panic!("connected")
    };
    assert_eq!(why, "the other end takes no more links");
    // Down comes all the same.
    run.world
        .handle(WorldEvent::Leave(one), run.now, &mut run.rng);
    run.pass(MS);
    assert_eq!(downs(&mut run, deaf), [(run.now - MS, there)]);
}

#[test]
fn no_frame_comes_after_down() {
    let physics = Physics {
        reordering: Some(Reordering {
            chance: 1.0,
            window: SECOND,
        }),
        ..paced()
    };
    let (mut run, one, other, [here, there]) = pair(physics);
    for n in 0..4 {
        run.send(other, there, vec![n]).unwrap();
    }
    run.pass(160 * MS);
    let before = run.frames(one).len();
    // The other end does not hear the goodbye and keeps its end; what it sent is still held back.
    run.walk(other, 30.0);
    run.submit(one, RadioCommand::Close(here)).unwrap();
    assert_eq!(downs(&mut run, one).len(), 1);
    run.pass(60 * SECOND);
    assert_eq!(run.frames(one), []);
    assert!(before < 4, "nothing was held back");
}

/// SIM-5: what a radio did is counted for it alone, and a pause takes nothing.
#[test]
fn each_radio_has_its_own_usage() {
    let (mut run, one, other, [link, _]) = pair(paced());
    run.scan(one, ALWAYS);
    let before = [one, other].map(|radio| run.world.usage(radio, run.now).unwrap());
    let start = run.now;
    run.send(one, link, vec![0; 20]).unwrap();
    run.pass(10 * SECOND);
    let off = RadioState::Off("pause".to_owned());
    run.handle(WorldEvent::Switch {
        radio: one,
        state: off,
    });
    run.pass(10 * SECOND);
    let [sender, receiver] = [(one, 0), (other, 1)].map(|(radio, number)| {
        let now = run.world.usage(radio, run.now).unwrap();
        let before = before[number];
        Usage {
            on: now.on - before.on,
            scan: now.scan - before.scan,
            dial: now.dial - before.dial,
            link: now.link - before.link,
            adverts: now.adverts - before.adverts,
            links: now.links - before.links,
            dials: now.dials - before.dials,
            sent: now.sent - before.sent,
            sent_bytes: now.sent_bytes - before.sent_bytes,
            received_bytes: now.received_bytes - before.received_bytes,
        }
    });
    assert_eq!(run.now - start, 20 * SECOND);
    // Who dialled is charged for it, and nobody else.
    assert_eq!(before.map(|usage| usage.dials), [1, 0]);
    let ten = Usage {
        on: 10 * SECOND,
        scan: 10 * SECOND,
        link: 10 * SECOND,
        sent: 1,
        sent_bytes: 20,
        ..Usage::default()
    };
    assert_eq!(sender, ten);
    assert_eq!((receiver.on, receiver.scan), (20 * SECOND, Duration::ZERO));
    assert_eq!((receiver.sent, receiver.received_bytes), (0, 20));
    run.advertise(other, SECOND);
    run.pass(10 * SECOND);
    let adverts = run.world.usage(other, run.now).unwrap().adverts - before[1].adverts;
    assert!((9..=11).contains(&adverts), "{adverts}");
}
