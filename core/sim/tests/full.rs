//! Whole nodes in virtual time, without a radio: what the simulator's phones and networks promise.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use std::time::Duration;

use sovereign_node::{
    EventStream,
    api::{Command, EventKind, Reply},
    config::Profile,
};
use sovereign_sim::{
    full::{Model, Phone},
    lan::{LanId, Net},
    radio::{Air, World},
};
use tokio::time::{Instant, timeout};

const HOME: LanId = LanId(0);
/// Any time; virtual.
const WALL_MS: u64 = 1_795_219_200_000;
const HOUR: Duration = Duration::from_secs(3_600);

struct Pair {
    net: Net,
    phones: [Phone; 2],
    events: [EventStream; 2],
}

async fn join(phone: &Phone) {
    let target = "#home".to_owned();
    let joined = phone.call(Command::ChannelJoin { target }).await;
    joined.unwrap().unwrap();
}

async fn at_home() -> Pair {
    let (air, net) = (Air::new(World::ideal(), 1), Net::default());
    let phone = |number| {
        let model = Model {
            name: format!("P{number}"),
            radio: None,
            profile: Profile::Balanced,
            clock_off_ms: 0,
        };
        let phone = Phone::new(model, number, &air, &net);
        net.place(phone.host(), HOME, true);
        phone
    };
    let mut phones = [phone(0), phone(1)];
    let events = phones.each_mut().map(|phone| phone.start(WALL_MS).unwrap());
    for phone in &phones {
        join(phone).await;
    }
    Pair {
        net,
        phones,
        events,
    }
}

async fn say(phone: &Phone, text: &str) {
    let command = Command::Send {
        channel: "#home".to_owned(),
        text: text.to_owned(),
    };
    let sent = phone.call(command).await.unwrap().unwrap();
    assert!(matches!(sent, Reply::Sent(_)));
}

/// How long it takes until a text comes.
async fn hears(events: &mut EventStream, wanted: &str) -> Duration {
    let start = Instant::now();
    let comes = async {
        loop {
            match events.next().await.unwrap().kind {
                EventKind::Message { message, .. } if message.text == wanted => break,
                _ => {}
            }
        }
    };
    timeout(HOUR, comes).await.unwrap();
    start.elapsed()
}

async fn history(phone: &Phone) -> Vec<String> {
    let command = Command::History {
        channel: "#home".to_owned(),
        limit: None,
        since: None,
        before: None,
    };
    let Some(Ok(Reply::History(entries))) = phone.call(command).await else {
        panic!("a history")
    };
    entries.into_iter().map(|entry| entry.text).collect()
}

/// LOC-1, SIM-1: libp2p, Noise, the link and the store, on a clock that nobody waits for.
#[tokio::test(start_paused = true)]
async fn two_on_a_network_talk_within_a_second() {
    let mut home = at_home().await;
    say(&home.phones[0], "is anybody there?").await;
    let took = hears(&mut home.events[1], "is anybody there?").await;
    assert!(took <= Duration::from_secs(1), "{took:?}");
    say(&home.phones[1], "I am").await;
    let took = hears(&mut home.events[0], "I am").await;
    assert!(took <= Duration::from_millis(100), "{took:?}");
}

/// MSG-5: what was acknowledged is there after a crash; what was only begun is not.
#[tokio::test(start_paused = true)]
async fn a_battery_that_ends_loses_nothing_that_was_acknowledged() {
    let mut home = at_home().await;
    let [phone, other] = &mut home.phones;
    say(phone, "kept").await;
    hears(&mut home.events[1], "kept").await;
    let node = phone.node().unwrap().clone();
    let begun = Command::Send {
        channel: "#home".to_owned(),
        text: "begun".to_owned(),
    };
    let begun = tokio::spawn(async move { node.call(begun).await });
    // It is with the node, and its flush is not over.
    tokio::time::sleep(Duration::from_millis(1)).await;
    phone.die();
    assert!(begun.await.unwrap().is_err());
    let mut events = phone.start(WALL_MS).unwrap();
    assert_eq!(history(phone).await, ["kept"]);
    say(other, "welcome back").await;
    hears(&mut events, "welcome back").await;
    assert_eq!(history(phone).await, ["kept", "welcome back"]);
}

/// COORD-3: a pulled cable is noticed, and what was said meanwhile comes when it is back.
#[tokio::test(start_paused = true)]
async fn what_is_said_behind_a_pulled_cable_comes_when_it_is_back() {
    let mut home = at_home().await;
    say(&home.phones[0], "before").await;
    hears(&mut home.events[1], "before").await;
    let host = home.phones[1].host();
    home.net.place(host, HOME, false);
    tokio::time::sleep(Duration::from_secs(300)).await;
    say(&home.phones[0], "meanwhile").await;
    say(&home.phones[1], "alone").await;
    home.net.place(host, HOME, true);
    let took = hears(&mut home.events[1], "meanwhile").await;
    assert!(took <= Duration::from_secs(5), "{took:?}");
    hears(&mut home.events[0], "alone").await;
    let [one, other] = &home.phones;
    assert_eq!(history(one).await, history(other).await);
}
