//! A source that tests steer, a served dashboard, and a browser that says what it is told to.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use futures::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use sovereign_dashboard::{
    BoundDashboard, Counters, EventSource, Limits, Options, Setting, Source, bind,
};
use sovereign_node::{
    adapters::rng::SeededRng,
    api::{ApiError, Command, ErrorKind, Event, EventKind, PanelInfo, Reply},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    sync::{broadcast, oneshot, watch},
    task::JoinHandle,
};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{self, Message, client::IntoClientRequest as _},
};

/// Answers what it is asked, and says what it is told to.
#[derive(Clone)]
pub(crate) struct Fake {
    pub(crate) events: broadcast::Sender<Event>,
    pub(crate) asked: Arc<Mutex<Vec<Command>>>,
    /// While this is set, `status` is not answered.
    pub(crate) stuck: watch::Sender<bool>,
}

impl Fake {
    pub(crate) fn new() -> Self {
        Self {
            events: broadcast::channel(4096).0,
            asked: Arc::default(),
            stuck: watch::channel(false).0,
        }
    }

    pub(crate) fn say(&self, kind: EventKind) {
        let at = String::new();
        // A page that was left listens no more.
        let _ = self.events.send(Event { at, kind });
    }

    pub(crate) fn asked(&self) -> Vec<&'static str> {
        self.asked
            .lock()
            .expect("in a test")
            .iter()
            .map(Command::word)
            .collect()
    }
}

impl Source for Fake {
    type Events = FakeEvents;

    async fn call(&self, command: Command) -> Result<Reply, ApiError> {
        self.asked.lock().expect("in a test").push(command.clone());
        match command {
            Command::Panel => Ok(Reply::Panel(Box::new(PanelInfo {
                peers: Vec::new(),
                known: 0,
                topics: Vec::new(),
                gossip: false,
            }))),
            Command::Status => {
                let mut stuck = self.stuck.subscribe();
                stuck.wait_for(|stuck| !stuck).await.expect("in a test");
                Ok(Reply::Done)
            }
            Command::ChannelLeave { .. } => {
                Err(ApiError::new(ErrorKind::NotFound, "no such channel", "h"))
            }
            _ => Ok(Reply::Done),
        }
    }

    fn subscribe(&self) -> FakeEvents {
        FakeEvents(self.events.subscribe())
    }
}

pub(crate) struct FakeEvents(broadcast::Receiver<Event>);

impl EventSource for FakeEvents {
    async fn next(&mut self) -> Option<Event> {
        match self.0.recv().await {
            Ok(event) => Some(event),
            Err(broadcast::error::RecvError::Lagged(count)) => Some(Event {
                at: String::new(),
                kind: EventKind::Missed { count },
            }),
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }
}

/// A dashboard that is served until it is stopped.
pub(crate) struct Served {
    pub(crate) fake: Fake,
    pub(crate) address: SocketAddr,
    pub(crate) code: watch::Receiver<String>,
    pub(crate) counters: Counters,
    pub(crate) stop: Option<oneshot::Sender<()>>,
    pub(crate) task: JoinHandle<()>,
}

pub(crate) async fn bound(limits: Limits) -> BoundDashboard {
    bind(Options {
        address: "127.0.0.1:0".parse().expect("in a test"),
        settings: vec![Setting {
            key: "name".into(),
            value: "<b>".into(),
            from: "flag".into(),
            doc: "d".into(),
        }],
        rng: Arc::new(SeededRng::new(5)),
        limits,
    })
    .await
    .expect("in a test")
}

pub(crate) async fn serve(limits: Limits) -> Served {
    let bound = bound(limits).await;
    let fake = Fake::new();
    let (stop, stopped) = oneshot::channel();
    Served {
        address: bound.address(),
        code: bound.codes().watch(),
        counters: bound.counters(),
        task: tokio::spawn(bound.serve(fake.clone(), async {
            let _ = stopped.await;
        })),
        fake,
        stop: Some(stop),
    }
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
}

impl Served {
    pub(crate) fn host(&self) -> String {
        self.address.to_string()
    }

    pub(crate) fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Sends bytes as they are, and reads to the end.
    pub(crate) async fn raw(&self, request: &[u8]) -> Answer {
        let mut stream = TcpStream::connect(self.address).await.expect("in a test");
        // The server may have answered and closed before everything was sent.
        let _ = stream.write_all(request).await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        let text = String::from_utf8_lossy(&answer).into_owned();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let mut lines = head.lines();
        let status = lines.next().and_then(|line| line.split(' ').nth(1));
        Answer {
            status: status.and_then(|status| status.parse().ok()).unwrap_or(0),
            headers: lines
                .filter_map(|line| line.split_once(": "))
                .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
                .collect(),
            body: body.to_owned(),
        }
    }

    /// A request with exactly these headers, and a body.
    pub(crate) async fn ask(&self, line: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut request = format!("{line} HTTP/1.1\r\n");
        for (name, value) in headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        let length = body.len();
        request.push_str(&format!(
            "Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        ));
        self.raw(request.as_bytes()).await
    }

    /// Types a code, as the page does.
    pub(crate) async fn try_code(&self, code: &str) -> Answer {
        let headers = [
            ("Host", &*self.host()),
            ("Origin", &*self.origin()),
            ("Content-Type", "application/json"),
        ];
        let body = json!({ "code": code }).to_string();
        self.ask("POST /api/session", &headers, &body).await
    }

    /// The cookie of a new session.
    pub(crate) async fn log_in(&self) -> String {
        let code = self.code.borrow().clone();
        let answer = self.try_code(&code).await;
        assert_eq!(answer.status, 204, "{answer:?}");
        let cookie = &answer.headers["set-cookie"];
        cookie.split(';').next().expect("in a test").to_owned()
    }

    /// Opens a live connection with these headers beside those of a WebSocket.
    pub(crate) async fn live_with(
        &self,
        headers: &[(&'static str, &str)],
    ) -> Result<Live, tungstenite::Error> {
        let url = format!("ws://{}/api/live", self.address);
        let mut request = url.into_client_request()?;
        for (name, value) in headers {
            request
                .headers_mut()
                .insert(*name, value.parse().expect("in a test"));
        }
        let stream = TcpStream::connect(self.address).await.expect("in a test");
        let (socket, _) = client_async(request, stream).await?;
        Ok(Live { socket })
    }

    /// The status with which a live connection is refused.
    pub(crate) async fn live_refused(&self, headers: &[(&'static str, &str)]) -> u16 {
        match self.live_with(headers).await {
            Err(tungstenite::Error::Http(answer)) => answer.status().as_u16(),
            Err(error) => panic!("{error}"),
            Ok(_) => 101,
        }
    }

    /// A live connection of our own page; its greeting is read.
    pub(crate) async fn live(&self) -> Live {
        let (cookie, origin) = (self.log_in().await, self.origin());
        let mut live = self
            .live_with(&[("cookie", &cookie), ("origin", &origin)])
            .await
            .expect("in a test");
        assert_eq!(live.next().await["hello"]["settings"][0]["value"], "<b>");
        live
    }
}

/// A page's end of its live connection.
pub(crate) struct Live {
    pub(crate) socket: WebSocketStream<TcpStream>,
}

impl Live {
    pub(crate) async fn say(&mut self, what: Value) {
        self.socket
            .send(Message::text(what.to_string()))
            .await
            .expect("in a test");
    }

    /// The next message.
    pub(crate) async fn next(&mut self) -> Value {
        self.maybe().await.expect("the connection is open")
    }

    /// The next message, or `None` at the end.
    pub(crate) async fn maybe(&mut self) -> Option<Value> {
        match self.socket.next().await {
            Some(Ok(Message::Text(text))) => Some(serde_json::from_str(&text).expect("in a test")),
            _ => None,
        }
    }
}
