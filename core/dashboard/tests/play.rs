//! A recording behind the same guard: what it is asked, and what it is not.

#[allow(dead_code)]
mod support;

use std::sync::{Arc, Mutex};

use serde_json::json;
use sovereign_dashboard::{
    Limits,
    play::{Figures, Look, Playable, Seen},
};
use sovereign_node::api::{ApiError, ErrorKind};
use support::{Fake, Live, Served, bound};
use tokio::sync::oneshot;

/// Remembers what it was asked.
#[derive(Clone, Default)]
struct Tape(Arc<Mutex<Vec<Look>>>);

impl Playable for Tape {
    async fn look(&self, look: Look) -> Result<Seen, ApiError> {
        self.0.lock().expect("in a test").push(look);
        match look {
            Look::Figures {} => Ok(Seen::Figures(Figures {
                met: None,
                rows: Vec::new(),
                verdicts: Vec::new(),
                plots: Vec::new(),
                lacks: None,
            })),
            _ => Err(ApiError::new(ErrorKind::NotFound, "no such thing", "h")),
        }
    }
}

async fn played(tape: Tape) -> Served {
    let bound = bound(Limits::default()).await;
    let (stop, stopped) = oneshot::channel();
    Served {
        address: bound.address(),
        code: bound.codes().watch(),
        counters: bound.counters(),
        task: tokio::spawn(bound.play(tape, async {
            let _ = stopped.await;
        })),
        fake: Fake::new(),
        stop: Some(stop),
    }
}

async fn opened(served: &Served) -> Live {
    let (cookie, origin) = (served.log_in().await, served.origin());
    let headers = [("cookie", &*cookie), ("origin", &*origin)];
    let mut live = served.live_with(&headers).await.expect("in a test");
    assert_eq!(live.next().await["hello"]["shows"], "recording");
    live
}

#[tokio::test]
async fn looks_are_answered_and_commands_are_not() {
    let tape = Tape::default();
    let served = played(tape.clone()).await;
    let mut live = opened(&served).await;
    live.say(json!({ "id": 1, "ask": { "look": "figures" } }))
        .await;
    let answer = live.next().await;
    assert_eq!(answer["ok"]["seen"], "figures");
    live.say(json!({ "id": 2, "ask": { "look": "person", "who": 9 } }))
        .await;
    assert_eq!(live.next().await["error"]["kind"], "not_found");
    for (id, ask) in [
        (3, json!({ "command": "status" })),
        (4, json!({ "command": "shutdown" })),
        (5, json!({ "look": "person", "who": -1 })),
    ] {
        live.say(json!({ "id": id, "ask": ask })).await;
        assert_eq!(live.next().await["error"]["kind"], "invalid");
    }
    // There is no panel: to open it asks nothing.
    live.say(json!({ "watch": "panel", "on": true })).await;
    live.say(json!({ "id": 6, "ask": { "look": "figures" } }))
        .await;
    assert_eq!(live.next().await["id"], 6);
    assert_eq!(served.counters.read().panel_pushes, 0);
    let asked = tape.0.lock().unwrap().clone();
    assert_eq!(asked.len(), 3);
    assert_eq!(asked[1], Look::Person { who: 9 });
}

#[tokio::test]
async fn it_is_guarded_as_a_node_is() {
    let served = played(Tape::default()).await;
    let (cookie, origin) = (served.log_in().await, served.origin());
    assert_eq!(served.live_refused(&[("origin", &origin)]).await, 401);
    let other = [("cookie", &*cookie), ("origin", "http://evil.example")];
    assert_eq!(served.live_refused(&other).await, 403);
}

#[tokio::test]
async fn the_end_is_said() {
    let mut served = played(Tape::default()).await;
    let mut live = opened(&served).await;
    let stop = served.stop.take().unwrap();
    stop.send(()).unwrap();
    assert_eq!(live.next().await["events"][0]["type"], "stopping");
    assert_eq!(live.maybe().await, None);
    served.task.await.unwrap();
}
