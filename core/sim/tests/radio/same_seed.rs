//! The same seed gives the same run (SIM-3), of a model and of radios on tokio's clock.

use std::hash::{Hash as _, Hasher as _};

use bytes::Bytes;
use siphasher::sip::SipHasher13;
use sovereign_node::ports::radio::{Radio as _, RadioCommand, RadioEvent};
use sovereign_sim::radio::{Air, Hardware, Physics, Position, RadioId, World, WorldEvent};

use crate::run::{ALWAYS, MS, Run, SECOND, advertising, at};

/// Nodes that dial whomever they hear, talk on every link and close some of them, while they walk.
fn answer(event: &RadioEvent) -> Option<RadioCommand> {
    match event {
        RadioEvent::Sighted { address, .. } => Some(RadioCommand::Connect(*address)),
        RadioEvent::Up { link, .. } => Some(RadioCommand::Send {
            link: *link,
            frame: Bytes::from_static(&[0; 20]),
        }),
        RadioEvent::Frame { link, frame } if frame[0] == 200 => Some(RadioCommand::Close(*link)),
        RadioEvent::Frame { link, frame } => Some(RadioCommand::Send {
            link: *link,
            frame: Bytes::from(vec![frame[0] + 1; frame.len() + 1]),
        }),
        _ => None,
    }
}

/// The log's hash, and how many of its events are Ups, Downs, frames.
fn crowd(count: u32, seconds: u32, seed: u64) -> (u64, [usize; 3]) {
    let mut run = Run::new(Physics::lossy(), seed);
    for n in 0..count {
        let radio = run.join(f64::from(n) * 40.0 / f64::from(count), Hardware::phone());
        run.advertise(radio, 250 * MS);
        run.scan(radio, ALWAYS);
    }
    let mut log = SipHasher13::new();
    let mut counts = [0; 3];
    for second in 1..=seconds {
        for n in 0..count {
            let x = f64::from(n) * 40.0 / f64::from(count) + f64::from(second * (n % 3)) * 0.7;
            run.handle(WorldEvent::Move {
                radio: RadioId(n),
                to: at(x),
            });
        }
        let end = second * SECOND;
        while run.step(end) {
            while !run.log.is_empty() {
                for (when, radio, event) in std::mem::take(&mut run.log) {
                    format!("{when:?} {radio:?} {event:?}").hash(&mut log);
                    match event {
                        RadioEvent::Up { .. } => counts[0] += 1,
                        RadioEvent::Down { .. } => counts[1] += 1,
                        RadioEvent::Frame { .. } => counts[2] += 1,
                        _ => {}
                    }
                    if let Some(command) = answer(&event) {
                        let _refused = run.submit(radio, command);
                    }
                }
            }
        }
    }
    (log.finish(), counts)
}

#[test]
fn a_model_repeats_itself() {
    let first = crowd(30, 40, 1);
    assert!(first.1.iter().all(|count| *count > 20), "{first:?}");
    assert_eq!(crowd(30, 40, 1), first);
    assert_ne!(crowd(30, 40, 2).0, first.0);
}

/// 200 phones within 40 m, everybody in everybody's ear.
#[test]
fn two_hundred_radios_are_no_trouble() {
    let (_, [ups, _, frames]) = crowd(200, 10, 1);
    assert!(ups > 200 && frames > 200, "{ups} {frames}");
}

async fn radios(seed: u64) -> u64 {
    let air = Air::new(World::new(Physics::lossy(), seed), seed);
    let tasks: Vec<_> = (0..12u32)
        .map(|n| {
            let place = Position {
                x: f64::from(n),
                y: 1.0,
            };
            let mut radio = air.join(place, Hardware::small_mtu());
            tokio::spawn(async move {
                let start = tokio::time::Instant::now();
                let mut log = SipHasher13::new();
                let wanted = RadioCommand::Advertise(Some(advertising(100 * MS)));
                radio.submit(wanted).unwrap();
                radio.submit(RadioCommand::Scan(Some(ALWAYS))).unwrap();
                let talk = async {
                    loop {
                        let event = radio.next().await;
                        format!("{:?} {event:?}", start.elapsed()).hash(&mut log);
                        if let Some(command) = answer(&event) {
                            let _refused = radio.submit(command);
                        }
                    }
                };
                let over = tokio::time::timeout(30 * SECOND, talk).await;
                assert!(over.is_err());
                log.finish()
            })
        })
        .collect();
    let mut all = SipHasher13::new();
    for task in tasks {
        task.await.unwrap().hash(&mut all);
    }
    assert!(air.look(|world| world.counters().frames) > 100);
    all.finish()
}

#[tokio::test(start_paused = true)]
async fn radios_on_a_paused_clock_repeat_themselves() {
    let first = radios(1).await;
    assert_eq!(radios(1).await, first);
    assert_ne!(radios(2).await, first);
}
