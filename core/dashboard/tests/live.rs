//! What a page is told, how much of it, and what it may ask.

#[allow(dead_code)]
mod support;

use std::time::Duration;

use futures::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use sovereign_dashboard::Limits;
use sovereign_node::api::{EventKind, LinkWord, PeerInfo, PeerState};
use support::{Live, Served, serve};
use tokio_tungstenite::tungstenite::Message;

async fn dashboard() -> Served {
    serve(Limits::default()).await
}

fn left(id: impl ToString) -> EventKind {
    EventKind::ChannelLeft { id: id.to_string() }
}

fn peer(id: impl ToString, rank: u32) -> EventKind {
    EventKind::PeerUpdated {
        peer: PeerInfo {
            transport_id: id.to_string(),
            identity: None,
            name: Some("<script>".into()),
            contact: false,
            link: LinkWord::Lan,
            state: PeerState::Connected,
            rssi_dbm: None,
            rtt_ms: None,
            rank,
            age_s: 0,
        },
    }
}

/// Reads until a message fits.
async fn until(live: &mut Live, fits: impl Fn(&Value) -> bool) -> Value {
    loop {
        let said = live.next().await;
        if fits(&said) {
            return said;
        }
    }
}

#[tokio::test]
async fn commands_are_answered_by_their_numbers() {
    let served = dashboard().await;
    let mut live = served.live().await;
    live.say(json!({ "id": 1, "ask": { "command": "channel_leave", "channel": "x" } }))
        .await;
    let error = json!({ "kind": "not_found", "message": "no such channel", "hint": "h" });
    assert_eq!(live.next().await, json!({ "id": 1, "error": error }));
    live.say(json!({ "id": 9, "ask": { "command": "doctor" } }))
        .await;
    assert_eq!(
        live.next().await,
        json!({ "id": 9, "ok": { "reply": "done" } })
    );
}

#[tokio::test]
async fn what_destroys_does_not_reach_the_node() {
    let served = dashboard().await;
    let mut live = served.live().await;
    for (id, ask) in [
        json!({ "command": "shutdown" }),
        json!({ "command": "id_wipe" }),
        json!({ "command": "import", "path": "/etc/passwd" }),
        json!({ "command": "export", "path": "/tmp/x" }),
        json!({ "command": "id_backup", "path": "/tmp/x", "passphrase": "p" }),
        json!({ "command": "no_such" }),
    ]
    .into_iter()
    .enumerate()
    {
        live.say(json!({ "id": id, "ask": ask })).await;
        assert_eq!(live.next().await["error"]["kind"], "invalid", "{ask}");
    }
    assert!(served.fake.asked().is_empty());
}

#[tokio::test]
async fn nonsense_ends_the_connection() {
    let served = dashboard().await;
    for nonsense in [
        Message::text("{"),
        Message::binary(vec![1]),
        Message::text(format!("\"{}\"", "x".repeat(200_000))),
    ] {
        let mut live = served.live().await;
        // Too much may be refused while it is still being sent.
        let _ = live.socket.send(nonsense).await;
        assert_eq!(live.maybe().await, None);
    }
}

#[tokio::test]
async fn events_come_together_and_of_a_peer_only_the_latest() {
    let served = serve(Limits {
        push_gap: Duration::from_millis(200),
        ..Limits::default()
    })
    .await;
    let mut live = served.live().await;
    // The first comes at once, and all others after the gap.
    served.fake.say(left(0));
    let first = live.next().await;
    assert_eq!(first["events"].as_array().unwrap().len(), 1);
    for rank in 0..500 {
        served.fake.say(peer("a", rank));
    }
    for id in 1..=3 {
        served.fake.say(left(id));
    }
    let second = live.next().await;
    let events = second["events"].as_array().unwrap();
    assert_eq!(events.len(), 4, "{events:?}");
    assert_eq!(events[0]["peer"]["rank"], 499);
    assert_eq!(events[3]["id"], "3");
    assert_eq!(served.counters.read().pushes, 2);
}

#[tokio::test]
async fn the_panel_is_read_only_while_it_is_open() {
    let served = serve(Limits {
        panel_gap: Duration::from_millis(20),
        push_gap: Duration::from_millis(5),
        ..Limits::default()
    })
    .await;
    let mut live = served.live().await;
    // Nothing is read for a closed panel, whatever else happens.
    for id in 0..10 {
        served.fake.say(left(id));
        let _ = until(&mut live, |said| said["events"].is_array()).await;
    }
    assert_eq!(served.counters.read().panel_pushes, 0);
    assert!(served.fake.asked().is_empty());

    live.say(json!({ "watch": "panel", "on": true })).await;
    for _ in 0..3 {
        let said = live.next().await;
        assert_eq!(said["panel"]["reply"], "panel");
    }
    live.say(json!({ "watch": "panel", "on": false })).await;
    // What was on its way before is let through; an answer marks the moment after which nothing comes.
    live.say(json!({ "id": 1, "ask": { "command": "doctor" } }))
        .await;
    until(&mut live, |said| said["id"] == 1).await;
    let (pushed, asked) = (
        served.counters.read().panel_pushes,
        served.fake.asked().len(),
    );
    for id in 0..10 {
        served.fake.say(left(id));
        let said = live.next().await;
        assert!(said["events"].is_array(), "{said}");
    }
    assert_eq!(served.counters.read().panel_pushes, pushed);
    assert_eq!(served.fake.asked().len(), asked);
}

#[tokio::test]
async fn a_page_has_so_many_commands_under_way_and_no_more() {
    let limits = Limits {
        commands: 3,
        ..Limits::default()
    };
    let served = serve(limits).await;
    let mut live = served.live().await;
    served.fake.stuck.send_replace(true);
    for id in 0..10 {
        live.say(json!({ "id": id, "ask": { "command": "status" } }))
            .await;
    }
    // Events are told all the while.
    served.fake.say(left(1));
    until(&mut live, |said| said["events"].is_array()).await;
    while served.fake.asked().len() < 3 {
        tokio::task::yield_now().await;
    }
    served.fake.say(left(2));
    until(&mut live, |said| said["events"].is_array()).await;
    assert_eq!(served.fake.asked().len(), 3);
    served.fake.stuck.send_replace(false);
    let mut answered = 0;
    while answered < 10 {
        if live.next().await["ok"].is_object() {
            answered += 1;
        }
    }
}

#[tokio::test]
async fn a_slow_browser_is_told_less_and_then_left() {
    let served = serve(Limits {
        push_gap: Duration::from_millis(1),
        write: Duration::from_millis(300),
        live: 1,
        ..Limits::default()
    })
    .await;
    let live = served.live().await;
    let origin = served.origin();
    let cookie = served.log_in().await;
    let again = [("origin", &*origin), ("cookie", &*cookie)];
    assert_eq!(served.live_refused(&again).await, 503);
    // It takes nothing: what fits into the buffers of the system is written, the rest is coalesced, and soon
    // the place is given to somebody else.
    let mut id = 0;
    loop {
        for _ in 0..500 {
            served.fake.say(EventKind::Warning {
                kind: "k".into(),
                message: "x".repeat(2_000),
            });
            id += 1;
        }
        tokio::task::yield_now().await;
        if served.live_refused(&again).await == 101 {
            break;
        }
    }
    // Told: some. Kept for it: none of the rest.
    assert!(served.counters.read().bytes < id * 2_000);
    drop(live);
}

#[tokio::test]
async fn the_end_of_the_node_is_told() {
    let mut served = dashboard().await;
    let mut live = served.live().await;
    served.fake.say(EventKind::Stopping);
    let last = live.next().await;
    assert_eq!(last["events"][0]["type"], "stopping");
    assert_eq!(live.maybe().await, None);
    let mut other = served.live().await;
    let _ = served.stop.take().unwrap().send(());
    (&mut served.task).await.unwrap();
    assert!(matches!(
        other.socket.next().await,
        None | Some(Ok(Message::Close(_)))
    ));
}
