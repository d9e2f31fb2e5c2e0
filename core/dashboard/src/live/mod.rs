//! The live connection of one page: a WebSocket over which it asks, and hears what happens.
//!
//! Nothing grows towards a slow browser: events are coalesced while earlier ones are still being taken, no
//! more than `Limits::commands` answers wait, and who takes nothing for `Limits::write` is left.

mod batch;
mod said;

use std::{collections::VecDeque, sync::Arc, time::Duration};

use futures::{
    FutureExt as _, SinkExt as _, StreamExt as _,
    future::BoxFuture,
    stream::{FuturesUnordered, SplitStream},
};
use http_body_util::Full;
use hyper::{
    Request, Response, StatusCode,
    body::Incoming,
    header::{
        CONNECTION, HeaderMap, HeaderName, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY,
        SEC_WEBSOCKET_VERSION, UPGRADE,
    },
    upgrade::Upgraded,
};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use sovereign_node::api::{ApiError, Event, EventKind};
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, sleep_until, timeout},
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Message,
        handshake::derive_accept_key,
        protocol::{Role, WebSocketConfig},
    },
};
use tracing::debug;

use crate::{
    EventSource as _, Limits,
    counters::Count,
    http::{empty, problem},
    limits::MAX_ASK,
    rate::Rate,
    server::Shared,
    shown::{Kind, Shown},
};
use batch::Batch;
use said::{Answer, Heard, Hello, Said, hear};

type Socket = WebSocketStream<TokioIo<Upgraded>>;

/// Messages that wait for the writer at most.
const OUTBOX: usize = 2;
/// Commands of a page at once and in the long run: a person does not type faster, and the page asks for
/// little more than what is on it.
const COMMAND_BURST: u32 = 50;
const COMMAND_GAP: Duration = Duration::from_millis(50);

/// Answers the request for a live connection; the session was checked before.
pub(crate) fn open<S: Shown>(
    mut request: Request<Incoming>,
    shared: &Arc<Shared<S>>,
) -> Response<Full<bytes::Bytes>> {
    let Some(accept) = accept_key(request.headers()) else {
        return problem(
            StatusCode::UPGRADE_REQUIRED,
            "this is for the page's WebSocket",
        );
    };
    let Ok(slot) = Arc::clone(&shared.live).try_acquire_owned() else {
        return problem(
            StatusCode::SERVICE_UNAVAILABLE,
            "too many pages are open: close some",
        );
    };
    let page = Arc::clone(shared);
    let upgrade = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        match upgrade.await {
            Ok(upgraded) => {
                page.counters.count(Count::Live);
                let config = WebSocketConfig::default()
                    .max_message_size(Some(MAX_ASK))
                    .max_frame_size(Some(MAX_ASK));
                let io = TokioIo::new(upgraded);
                let socket = WebSocketStream::from_raw_socket(io, Role::Server, Some(config)).await;
                run(socket, &page).await;
            }
            Err(error) => debug!(%error, "a live connection did not come up"),
        }
        drop(slot);
    });
    let mut answer = empty(StatusCode::SWITCHING_PROTOCOLS);
    let headers = answer.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
    answer
}

/// The answer to the key of a WebSocket handshake (RFC 6455 §4.2), if the request is one.
fn accept_key(headers: &HeaderMap) -> Option<HeaderValue> {
    let says = |name: &HeaderName, word: &str| {
        headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .is_some_and(|value| {
                value
                    .split(',')
                    .any(|part| part.trim().eq_ignore_ascii_case(word))
            })
    };
    let is_handshake = says(&CONNECTION, "upgrade")
        && says(&UPGRADE, "websocket")
        && says(&SEC_WEBSOCKET_VERSION, "13");
    let key = headers.get(SEC_WEBSOCKET_KEY).filter(|_| is_handshake)?;
    HeaderValue::from_str(&derive_accept_key(key.as_bytes())).ok()
}

async fn run<S: Shown>(socket: Socket, shared: &Arc<Shared<S>>) {
    let (mut sink, stream) = socket.split();
    let (outbox, mut waiting) = mpsc::channel::<Message>(OUTBOX);
    let limits = shared.limits;
    let writer = async move {
        while let Some(message) = waiting.recv().await {
            match timeout(limits.write, sink.send(message)).await {
                Ok(Ok(())) => {}
                _ => return,
            }
        }
        let _ = timeout(limits.write, sink.close()).await;
    };
    let hello = text(&Said::<S::Answer>::Hello(Hello {
        version: env!("CARGO_PKG_VERSION"),
        shows: S::KIND,
        settings: &shared.settings,
    }));
    shared.counters.sent(hello.len());
    let now = Instant::now();
    let page = Page {
        shared,
        stream,
        outbox,
        events: shared.source.subscribe(),
        batch: Batch::default(),
        answers: VecDeque::from([hello]),
        push_at: now,
        panel_at: None,
        panel: Panel::Idle,
        calls: FuturesUnordered::new(),
        rate: Rate::new(COMMAND_BURST, COMMAND_GAP, now),
        paused_until: None,
    };
    // When the page ends, its outbox does, and the writer says goodbye; when the writer ends, nobody listens.
    tokio::pin!(writer);
    tokio::select! {
        () = page.run() => writer.await,
        () = &mut writer => {}
    }
}

/// What a command led to.
enum Called<R> {
    Answer(Answer<R>),
    Panel(Result<R, ApiError>),
}

struct Page<'a, S: Shown> {
    shared: &'a Arc<Shared<S>>,
    stream: SplitStream<Socket>,
    outbox: mpsc::Sender<Message>,
    events: S::Events,
    batch: Batch,
    /// Answers that wait for the writer. With the calls under way no more than `Limits::commands`.
    answers: VecDeque<String>,
    /// When events may be pushed.
    push_at: Instant,
    /// When the panel is read again; not set while it is closed.
    panel_at: Option<Instant>,
    /// The panel's reading under way or waiting, so that there is never more than one.
    panel: Panel,
    calls: FuturesUnordered<BoxFuture<'a, Called<S::Answer>>>,
    rate: Rate,
    /// The page asked too fast: it is not heard until then.
    paused_until: Option<Instant>,
}

/// How far it is with a reading of the panel.
enum Panel {
    Idle,
    Reading,
    Ready(String),
}

impl<'a, S: Shown> Page<'a, S> {
    async fn run(mut self) {
        let limits = self.shared.limits;
        let mut ended = self.shared.ended.clone();
        loop {
            let outbox = self.outbox.clone();
            let write_at = self.write_at();
            let asking = self.calls.len() + self.answers.len() < limits.commands;
            tokio::select! {
                () = has_ended(&mut ended) => {
                    // A node tells by an event of its own.
                    if S::KIND == Kind::Recording {
                        let kind = EventKind::Stopping;
                        self.batch.add(Event { at: String::new(), kind });
                        let text = self.batch_text(limits);
                        let _ = self.outbox.send(Message::text(text)).await;
                    }
                    return;
                }
                event = self.events.next() => match event {
                    Some(event) => {
                        let last = event.kind == EventKind::Stopping;
                        self.batch.add(event);
                        if last {
                            let text = self.batch_text(limits);
                            let _ = self.outbox.send(Message::text(text)).await;
                            return;
                        }
                    }
                    None => return,
                },
                // What leaves is chosen when the writer can take it: until then events are coalesced.
                permit = async { until(write_at).await; outbox.reserve_owned().await } => {
                    let Ok(permit) = permit else { return };
                    let text = self.next_text(limits);
                    permit.send(Message::text(text));
                }
                Some(called) = self.calls.next() => self.called(called),
                () = until(self.paused_until) => self.paused_until = None,
                () = until(self.panel_at) => {
                    self.panel_at = Some(Instant::now() + limits.panel_gap);
                    self.read_panel();
                }
                heard = self.stream.next(), if asking && self.paused_until.is_none() => match heard {
                    Some(Ok(Message::Text(text))) => match hear(&text) {
                        Some(heard) => self.heard(heard),
                        None => return,
                    },
                    Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                    // Ours say text only.
                    _ => return,
                },
            }
        }
    }

    /// When there is something to write.
    fn write_at(&self) -> Option<Instant> {
        if !self.answers.is_empty() || matches!(self.panel, Panel::Ready(_)) {
            Some(Instant::now())
        } else {
            (!self.batch.is_empty()).then_some(self.push_at)
        }
    }

    fn next_text(&mut self, limits: Limits) -> String {
        if let Some(answer) = self.answers.pop_front() {
            return answer;
        }
        match std::mem::replace(&mut self.panel, Panel::Idle) {
            Panel::Ready(panel) => {
                self.shared.counters.count(Count::PanelPush);
                panel
            }
            other => {
                self.panel = other;
                self.batch_text(limits)
            }
        }
    }

    fn batch_text(&mut self, limits: Limits) -> String {
        self.push_at = Instant::now() + limits.push_gap;
        self.shared.counters.count(Count::Push);
        let events = self.batch.take();
        self.text(&Said::<S::Answer>::Events(&events))
    }

    fn heard(&mut self, heard: Heard<S::Ask>) {
        match heard {
            Heard::Panel(true) => self.panel_at = S::panel().is_some().then(Instant::now),
            Heard::Panel(false) => {
                self.panel_at = None;
                if let Panel::Ready(_) = self.panel {
                    self.panel = Panel::Idle;
                }
            }
            Heard::Ask { id, ask } => {
                if let Err(wait) = self.rate.take(Instant::now()) {
                    self.paused_until = Some(Instant::now() + wait);
                }
                let source = self.shared.source.clone();
                let call = async move {
                    let result = match ask {
                        Ok(ask) => source.call(ask).await,
                        Err(error) => Err(error),
                    };
                    Called::Answer(Answer {
                        id,
                        result: result.into(),
                    })
                };
                self.calls.push(call.boxed());
            }
        }
    }

    fn read_panel(&mut self) {
        if let Panel::Idle = self.panel
            && let Some(ask) = S::panel()
        {
            self.panel = Panel::Reading;
            let source = self.shared.source.clone();
            let call = async move { Called::Panel(source.call(ask).await) };
            self.calls.push(call.boxed());
        }
    }

    fn called(&mut self, called: Called<S::Answer>) {
        match called {
            Called::Answer(answer) => {
                let text = self.text(&answer);
                self.answers.push_back(text);
            }
            Called::Panel(result) => {
                self.panel = match result {
                    // Closed meanwhile: nothing is pushed any more.
                    Ok(reply) if self.panel_at.is_some() => {
                        Panel::Ready(self.text(&Said::Panel(&reply)))
                    }
                    _ => Panel::Idle,
                };
            }
        }
    }

    fn text<T: Serialize>(&self, what: &T) -> String {
        let text = text(what);
        self.shared.counters.sent(text.len());
        text
    }
}

fn text<T: Serialize>(what: &T) -> String {
    serde_json::to_string(what).expect("plain data with text keys is always JSON")
}

async fn has_ended(ended: &mut watch::Receiver<bool>) {
    // An error means that the server is gone.
    let _ = ended.wait_for(|ended| *ended).await;
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_handshake_is_answered() {
        // RFC 6455 §1.3.
        let good = [
            ("connection", "keep-alive, Upgrade"),
            ("upgrade", "websocket"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ];
        let key = |headers: &[(&'static str, &'static str)]| {
            let mut map = HeaderMap::new();
            for (name, value) in headers {
                map.insert(*name, HeaderValue::from_static(value));
            }
            accept_key(&map).map(|value| value.to_str().unwrap().to_owned())
        };
        assert_eq!(key(&good).as_deref(), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
        for missing in 0..good.len() {
            let mut headers = good.to_vec();
            headers.remove(missing);
            assert_eq!(key(&headers), None, "{}", good[missing].0);
        }
        let mut other = good;
        other[2].1 = "8";
        assert_eq!(key(&other), None);
    }
}
