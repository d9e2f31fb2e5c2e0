//! A fake node behind the real control socket, and the built program in front of it.

#![allow(dead_code)]

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command as Process, Output, Stdio},
    sync::{Arc, Mutex, mpsc},
    thread::JoinHandle,
};

use serde_json::Value;
use sovereign_desktop::control::{self, EventSource, Limits, Service};
use sovereign_node::api::{
    ApiError, ChannelInfo, ChannelKindWord, ChannelSummary, Command, DoctorCheck, ErrorKind, Event,
    EventKind, Exported, HistoryEntry, IdentityInfo, Imported, LayerStatus, LinkWord, MessageState,
    PeerInfo, PeerState, Reply, Sent, Status, StoreStatus,
};
use tokio::sync::{broadcast, oneshot};

/// A node that answers every command with something of the right shape, and remembers what it was asked.
#[derive(Clone)]
pub(crate) struct Fake {
    pub(crate) asked: Arc<Mutex<Vec<Command>>>,
    pub(crate) events: broadcast::Sender<Event>,
    /// What `doctor` finds.
    pub(crate) doctor: Arc<Mutex<String>>,
}

impl Fake {
    pub(crate) fn new() -> Self {
        Self {
            asked: Arc::default(),
            events: broadcast::channel(64).0,
            doctor: Arc::new(Mutex::new("ok".to_owned())),
        }
    }

    /// Tells listeners; `false` while there are none.
    pub(crate) fn tell(&self, kind: EventKind) -> bool {
        let at = "2026-11-21T08:00:00.000Z".to_owned();
        self.events.send(Event { at, kind }).is_ok()
    }
}

pub(crate) struct FakeEvents(broadcast::Receiver<Event>);

impl EventSource for FakeEvents {
    async fn next(&mut self) -> Option<Event> {
        self.0.recv().await.ok()
    }
}

impl Service for Fake {
    type Events = FakeEvents;

    async fn call(&self, command: Command) -> Result<Reply, ApiError> {
        self.asked.lock().unwrap().push(command.clone());
        answer(self, command)
    }

    fn subscribe(&self) -> FakeEvents {
        FakeEvents(self.events.subscribe())
    }
}

/// A peer with a name that attacks terminals.
pub(crate) fn peer() -> PeerInfo {
    PeerInfo {
        transport_id: "12D3KooWFakePeer".into(),
        identity: None,
        name: Some("Bob\u{1b}[2J\u{202e}".into()),
        contact: false,
        link: LinkWord::Lan,
        state: PeerState::Connected,
        rssi_dbm: None,
        rtt_ms: Some(2),
        rank: 1,
        age_s: 0,
    }
}

pub(crate) fn message(text: &str) -> HistoryEntry {
    HistoryEntry {
        id: "11".repeat(32),
        author: "22".repeat(32),
        name: Some("Bob".into()),
        text: text.to_owned(),
        sent_at: "2026-11-21T08:00:00Z".into(),
        lamport: 7,
        state: MessageState::Received,
        own: false,
    }
}

fn answer(fake: &Fake, command: Command) -> Result<Reply, ApiError> {
    let channel = |name: &str| {
        Reply::Channel(ChannelInfo {
            id: "ab".repeat(16),
            name: name.to_owned(),
            kind: ChannelKindWord::Public,
            link: name.to_owned(),
        })
    };
    Ok(match command {
        Command::Status => Reply::Status(Box::new(status())),
        Command::Peers => Reply::Peers(vec![peer()]),
        Command::ChannelCreate { name } => channel(&name),
        Command::ChannelJoin { target } => channel(&target),
        Command::ChannelInvite { channel: name } => channel(&name),
        Command::ChannelList => Reply::Channels(vec![ChannelSummary {
            id: "ab".repeat(16),
            name: "#nearby".into(),
            kind: ChannelKindWord::Public,
            members: Some(2),
            unread: 3,
        }]),
        Command::Send { channel, .. } if channel == "#nowhere" => {
            return Err(ApiError::new(
                ErrorKind::NotFound,
                "no such channel",
                "join it",
            ));
        }
        Command::Send { .. } => Reply::Sent(Sent {
            id: "11".repeat(32),
            channel: "ab".repeat(16),
            state: MessageState::Stored,
            lamport: 7,
        }),
        Command::History { .. } => Reply::History(vec![message("hello\u{1b}[31m\nthere")]),
        Command::Export { .. } => Reply::Exported(Exported {
            bundles: 2,
            bytes: 512,
        }),
        Command::Import { .. } => Reply::Imported(Imported {
            bundles: 2,
            new: 1,
            known: 1,
            declined: 0,
        }),
        Command::IdShow => Reply::Identity(IdentityInfo {
            name: "Ann".into(),
            identity: "33".repeat(32),
            mesh_id: "44".repeat(20),
            fingerprint: "4444 4444".into(),
            transport_id: "12D3KooWFakeSelf".into(),
        }),
        Command::Doctor => Reply::Doctor(vec![DoctorCheck {
            check: "peers".into(),
            result: fake.doctor.lock().unwrap().clone(),
            message: "of the fake".into(),
            hint: Some("none".into()),
        }]),
        Command::IdBackup { .. }
        | Command::ChannelLeave { .. }
        | Command::ChannelRead { .. }
        | Command::IdWipe
        | Command::SetName { .. }
        | Command::Dial { .. }
        | Command::Panel
        | Command::Ping { .. }
        | Command::Reconnect { .. }
        | Command::Shutdown => Reply::Done,
    })
}

fn status() -> Status {
    Status {
        name: "Ann".into(),
        identity: "33".repeat(32),
        mesh_id: "44".repeat(20),
        fingerprint: "4444 4444".into(),
        transport_id: "12D3KooWFakeSelf".into(),
        mode: "ephemeral".into(),
        network: "local".into(),
        listen: vec!["/ip4/127.0.0.1/tcp/4001".into()],
        uptime_s: 61,
        peers: 1,
        channels: 1,
        store: StoreStatus::default(),
        layers: BTreeMap::from([(
            "mdns".to_owned(),
            LayerStatus {
                state: "on".into(),
                reason: None,
                today: None,
            },
        )]),
        counters: BTreeMap::from([("malformed".to_owned(), 1)]),
    }
}

/// A control server on a data directory, on a thread of its own; ends when dropped.
pub(crate) struct Served {
    pub(crate) fake: Fake,
    pub(crate) data: PathBuf,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Served {
    pub(crate) fn start(data: &Path, limits: Limits) -> Self {
        control::prepare_data_dir(data).unwrap();
        let fake = Fake::new();
        let (stop, stopped) = oneshot::channel::<()>();
        let (ready, is_ready) = mpsc::channel();
        let (service, directory) = (fake.clone(), data.to_owned());
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async move {
                let listener = control::bind(&directory).unwrap();
                ready.send(listener.path().to_owned()).unwrap();
                let stop = async { drop(stopped.await) };
                control::serve(listener, service, limits, stop).await;
            });
        });
        is_ready.recv().unwrap();
        Self {
            fake,
            data: data.to_owned(),
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    /// The last thing that the node was asked.
    pub(crate) fn asked(&self) -> Command {
        self.fake.asked.lock().unwrap().last().cloned().unwrap()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

/// The built program with a clean environment.
pub(crate) fn program<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(arguments: I) -> Process {
    let mut process = Process::new(env!("CARGO_BIN_EXE_sovereign"));
    process
        .args(arguments)
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("HOME", "/nonexistent")
        .stdin(Stdio::null());
    process
}

/// Runs it to its end.
pub(crate) fn run<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(arguments: I) -> Run {
    Run::of(program(arguments).output().unwrap())
}

/// Runs it on a data directory.
pub(crate) fn run_on(data: &Path, arguments: &[&str]) -> Run {
    Run::of(program(arguments).arg("--data").arg(data).output().unwrap())
}

/// Runs it with something on stdin.
pub(crate) fn run_with_input(data: &Path, arguments: &[&str], input: &[u8]) -> Run {
    let mut child = program(arguments)
        .arg("--data")
        .arg(data)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A program that refuses early does not read everything.
    let _ = child.stdin.take().unwrap().write_all(input);
    Run::of(child.wait_with_output().unwrap())
}

/// What a run of the program left.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Run {
    pub(crate) fn of(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// The one JSON document on stdout.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The kind of the JSON error on stderr; checks its shape.
    pub(crate) fn error_kind(&self) -> String {
        assert_eq!(self.out, "", "{self:?}");
        let value: Value =
            serde_json::from_str(&self.err).unwrap_or_else(|error| panic!("{error}: {self:?}"));
        let error = value["error"].as_object().unwrap();
        let keys: Vec<&str> = error.keys().map(String::as_str).collect();
        assert_eq!(keys, ["hint", "kind", "message"], "{self:?}");
        assert!(!error["message"].as_str().unwrap().is_empty(), "{self:?}");
        error["kind"].as_str().unwrap().to_owned()
    }
}

/// The keys of an object, sorted.
pub(crate) fn keys(value: &Value) -> Vec<&str> {
    let mut keys: Vec<&str> = value
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    keys.sort_unstable();
    keys
}
