//! What a damaged or foreign store can hold: records, and an engine restored from them.

use std::time::Duration;

use prost::Message as _;
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng as _};
use sovereign_protocol::{
    channel::ChannelKeys,
    engine::{Engine, EngineConfig, Input as Event, OwnState, PersistOutcome, Stored, Who},
    id::{ChannelId, ContentId, DeviceId, MessageId},
    identity::Identity,
    link::capability,
    message::Bundle,
    policy::dial,
    shelf::{Limits, Recorded, life::LifeClock},
    wire::local::{ChannelRecord, ClockRecord, ShelfRecord},
};

use super::{input::Input, link::START};

/// One record of each kind, read and written again. First byte: which.
pub(crate) fn records(data: &[u8]) {
    let mut input = Input::new(data);
    match input.u8() % 3 {
        0 => {
            let Ok(record) = ShelfRecord::decode(input.rest()) else {
                return;
            };
            if let Ok(read) = Recorded::from_record(&record) {
                assert_eq!(Recorded::from_record(&read.to_record()), Ok(read));
            }
        }
        1 => {
            let Ok(record) = ClockRecord::decode(input.rest()) else {
                return;
            };
            if let Ok(mut clock) = LifeClock::resume(Some(&record), START, [1; 16]) {
                assert!(
                    clock.life() >= Duration::from_secs(record.life_s),
                    "life does not go back"
                );
                clock.advance(START.after(Duration::from_secs(60)));
                let again = LifeClock::resume(Some(&clock.to_record()), START, [1; 16]);
                assert!(again.is_ok(), "what a clock writes it reads");
            }
        }
        _ => {
            let clock = Duration::from_secs(input.u32().into());
            let Ok(record) = ChannelRecord::decode(input.rest()) else {
                return;
            };
            if let Ok(mut keys) = ChannelKeys::from_record(&record) {
                channel(&mut keys, clock);
            }
        }
    }
}

fn channel(keys: &mut ChannelKeys, clock: Duration) {
    assert_eq!(
        ChannelKeys::from_record(&keys.to_record()).as_ref(),
        Ok(&*keys)
    );
    let newest = keys.newest_epoch();
    keys.step(clock);
    keys.authenticated(newest.saturating_add(3), true, clock);
    keys.forget(clock);
    assert!(keys.newest_epoch() >= newest, "epochs do not go back");
    let bundle = keys
        .seal(b"x", &mut ChaCha8Rng::from_seed([1; 32]))
        .expect("one byte fits");
    assert_eq!(Bundle::parse(bundle.as_bytes().clone()), Ok(bundle.clone()));
    let opened = keys.open(&bundle).expect("the newest epoch is readable");
    assert_eq!(opened.epoch, keys.newest_epoch());
    assert_eq!(
        ChannelKeys::from_record(&keys.to_record()).as_ref(),
        Ok(&*keys)
    );
}

pub(crate) fn config() -> EngineConfig {
    EngineConfig {
        near: sovereign_protocol::policy::near::Config::default(),
        limits: Limits {
            total_bytes: 1 << 20,
            max_bundles: 256,
            max_seen: 512,
            ..Limits::default()
        },
        gossip: true,
        dial: dial::Config::default(),
        capabilities: capability::CARRIES,
        paced: true,
    }
}

pub(crate) fn who() -> Who {
    Who {
        identity: Identity::from_seed([3; 32]),
        device: DeviceId([0, 0, 0, 1]),
        name: "fuzz".to_owned(),
    }
}

fn id<const N: usize>(byte: u8) -> [u8; N] {
    [byte; N]
}

/// Rows: table, a byte of id, a [`piece`](Input::piece). If the engine takes them it also works with them.
pub(crate) fn restore(data: &[u8]) {
    let mut input = Input::new(data);
    let mut stored = Stored::default();
    while !input.is_empty() {
        let (table, byte) = (input.u8(), input.u8());
        let bytes = input.piece().to_vec();
        match table % 6 {
            0 => stored.clock = Some(bytes),
            1 => {
                // Under its own id, unless the byte is odd.
                let keys = ChannelRecord::decode(bytes.as_slice())
                    .ok()
                    .and_then(|record| ChannelKeys::from_record(&record).ok());
                let own = keys.filter(|_| byte & 1 == 0).map(|keys| keys.id());
                stored
                    .channels
                    .push((own.unwrap_or(ChannelId(id(byte))), bytes));
            }
            2 => stored.shelf.push((ContentId(id(byte)), bytes)),
            3 => stored.seen.push((ContentId(id(byte)), bytes)),
            4 => stored.messages.push((MessageId(id(byte)), bytes)),
            _ => {
                let state = OwnState::from_byte(byte >> 6).unwrap_or(OwnState::Stored);
                stored.states.push((MessageId(id(byte & 0x3f)), state));
            }
        }
    }
    let mut rng = ChaCha8Rng::from_seed([1; 32]);
    let Ok(mut engine) = Engine::restore(config(), who(), stored, [1; 16], START, &mut rng) else {
        return;
    };
    let mut now = START;
    let channels: Vec<ChannelId> = engine.channels().map(|channel| channel.id()).collect();
    for id in channels {
        if let Some(channel) = engine.channel(&id) {
            let history = channel.history(usize::MAX, None);
            assert!(history.len() <= channel.log().len());
            assert!(channel.unread() as usize <= channel.log().len());
        }
        if let Ok(sent) = engine.send_text(id, "x", now, &mut rng) {
            assert!(sent.lamport > 0);
        }
        let _ = engine.mark_read(id);
        let _ = engine.channel_link(id);
    }
    for _ in 0..3 {
        settle(&mut engine, now, &mut rng);
        now = now.after(Duration::from_secs(86_400));
        let _ = engine.poll_timeout(now);
        engine.handle(Event::Timeout, now, &mut rng);
    }
    engine.shutdown(now, &mut rng);
    settle(&mut engine, now, &mut rng);
    assert!(engine.shelf().iter().count() <= 256 + 1);
}

/// Everything that is to be written is.
fn settle(engine: &mut Engine, now: sovereign_protocol::time::Now, rng: &mut ChaCha8Rng) {
    // A batch can lead to another; none leads to itself.
    for _ in 0..1_000 {
        let Some(effect) = engine.poll_effect() else {
            return;
        };
        use sovereign_protocol::engine::Effect;
        match effect {
            Effect::Persist { token, .. } => {
                let outcome = PersistOutcome::Durable;
                engine.handle(Event::Persisted(vec![(token, outcome)]), now, rng);
            }
            Effect::Load { link, content } => {
                let body = None;
                engine.handle(
                    Event::Loaded {
                        link,
                        content,
                        body,
                    },
                    now,
                    rng,
                );
            }
            _ => {}
        }
    }
    panic!("the engine comes to rest");
}
