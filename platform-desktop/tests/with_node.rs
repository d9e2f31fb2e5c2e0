//! The program with a real node behind it that needs no network: one loopback listener, no mDNS.

#![allow(clippy::unwrap_used)]

mod support;

use std::{
    fs,
    io::{BufRead as _, BufReader, Lines, Read as _, Write as _},
    os::unix::net::UnixStream,
    path::Path,
    process::{Child, ChildStdout, Stdio},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use support::{Run, program, run_on};

const QUIET: [&str; 4] = ["--json", "--no-mdns", "--listen", "/ip4/127.0.0.1/tcp/0"];

/// `sovereign node --json`, running.
struct Running {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Running {
    fn start(data: &Path, more: &[&str]) -> Self {
        let mut child = program(["node"])
            .args(QUIET)
            .args(more)
            .arg("--data")
            .arg(data)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut running = Self { child, lines };
        let started = running.event();
        assert_eq!(started["type"], "started", "{started}");
        assert!(!started["listen"].as_array().unwrap().is_empty());
        running
    }

    fn event(&mut self) -> Value {
        let line = self.lines.next().expect("the node is running").unwrap();
        serde_json::from_str(&line).unwrap()
    }

    /// The next event of this type.
    fn until(&mut self, word: &str) -> Value {
        loop {
            let event = self.event();
            if event["type"] == word {
                return event;
            }
        }
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// Waits for the end; every line on stdout must be JSON.
    fn end(mut self) -> (Option<i32>, Vec<Value>) {
        let lines = self.lines.by_ref();
        let rest = lines
            .map(|line| serde_json::from_str(&line.unwrap()).unwrap())
            .collect();
        (self.child.wait().unwrap().code(), rest)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn json(data: &Path, arguments: &[&str]) -> Value {
    let run = run_on(data, &[arguments, &["--json"]].concat());
    assert_eq!(
        (run.code, run.err.as_str()),
        (0, ""),
        "{arguments:?} {run:?}"
    );
    run.json()
}

#[test]
fn a_first_start_can_talk_and_what_was_said_is_there_again() {
    let root = tempfile::tempdir().unwrap();
    let data = root.path().join("data");
    let mut node = Running::start(&data, &["--name", "Ann"]);
    assert_eq!(json(&data, &["status"])["name"], "Ann");
    let channels = json(&data, &["channel", "list"]);
    assert_eq!(
        channels[0]["name"], "#nearby",
        "two fresh nodes can talk at once"
    );
    let sent = json(&data, &["send", "#nearby", "hello\u{202e}"]);
    assert_eq!(sent["state"], "stored");
    while node.event()["type"] != "message" {}
    node.signal(Signal::TERM);
    let (code, events) = node.end();
    assert_eq!(code, Some(0));
    assert_eq!(events.last().unwrap()["type"], "stopping");
    assert!(!data.join("control.sock").exists());
    assert_eq!(run_on(&data, &["status"]).code, 3);

    let node = Running::start(&data, &[]);
    let history = json(&data, &["history", "#nearby"]);
    assert_eq!(history[0]["id"], sent["id"]);
    assert_eq!(history[0]["text"], "hello\u{202e}");
    assert_eq!(json(&data, &["status"])["name"], "Ann", "the name is kept");
    node.signal(Signal::INT);
    assert_eq!(node.end().0, Some(0));

    let _node = Running::start(&data, &["--name", "Anna"]);
    assert_eq!(
        json(&data, &["status"])["name"],
        "Anna",
        "a name that is given wins"
    );
}

#[test]
fn a_second_node_on_the_directory_is_exit_4() {
    let data = tempfile::tempdir().unwrap();
    let node = Running::start(data.path(), &[]);
    let second = Run::of(
        program(["node"])
            .args(QUIET)
            .arg("--data")
            .arg(data.path())
            .output()
            .unwrap(),
    );
    assert_eq!((second.code, second.error_kind().as_str()), (4, "held"));
    assert_eq!(
        json(data.path(), &["peers"]),
        json!([]),
        "the first one is unharmed"
    );
    drop(node);
}

#[test]
fn a_killed_node_leaves_nothing_in_the_way() {
    let data = tempfile::tempdir().unwrap();
    let node = Running::start(data.path(), &[]);
    json(data.path(), &["send", "#nearby", "durable"]);
    node.signal(Signal::KILL);
    node.end();
    assert!(
        data.path().join("control.sock").exists(),
        "the socket file was left"
    );
    assert_eq!(run_on(data.path(), &["status"]).code, 3);
    let _node = Running::start(data.path(), &[]);
    assert_eq!(
        json(data.path(), &["history", "#nearby"])[0]["text"],
        "durable"
    );
}

#[test]
fn a_backup_of_a_running_node_restores_its_identity_and_channels() {
    // ID-1, ID-8.
    let root = tempfile::tempdir().unwrap();
    let data = root.path().join("data");
    let file = root.path().join("ann.age");
    let secret = root.path().join("secret");
    fs::write(&secret, "correct horse battery staple\n").unwrap();
    let (file, secret) = (file.to_str().unwrap(), secret.to_str().unwrap());
    let node = Running::start(&data, &["--name", "Ann"]);
    let created = json(&data, &["channel", "create", "family"]);
    let before = json(&data, &["id", "show"]);
    json(&data, &["id", "backup", file, "--passphrase-file", secret]);
    json(&data, &["id", "wipe", "--yes"]);
    assert_eq!(node.end().0, Some(0), "a wiped node ends");
    assert!(
        !data.exists(),
        "nothing is left: {:?}",
        fs::read_dir(&data).map(Iterator::count)
    );

    let restored = json(&data, &["id", "restore", file, "--passphrase-file", secret]);
    assert_eq!(restored["name"], "Ann");
    let _node = Running::start(&data, &[]);
    let after = json(&data, &["id", "show"]);
    for key in ["identity", "mesh_id", "fingerprint", "name"] {
        assert_eq!(after[key], before[key], "{key}");
    }
    assert_ne!(
        after["transport_id"], before["transport_id"],
        "a new installation"
    );
    let invite = json(&data, &["channel", "invite", "family"]);
    assert_eq!(invite["id"], created["id"]);
    let channels = json(&data, &["channel", "list"]);
    assert_eq!(
        channels.as_array().unwrap().len(),
        2,
        "nothing was joined anew"
    );
}

#[test]
fn an_error_of_the_configuration_leaves_no_directory() {
    let root = tempfile::tempdir().unwrap();
    let data = root.path().join("data");
    let run = run_on(&data, &["node", "--json", "--listen", "nonsense"]);
    assert_eq!((run.code, run.error_kind().as_str()), (2, "invalid"));
    assert!(!data.exists());
}

#[test]
fn a_damaged_store_is_opened_read_only_and_says_so() {
    let data = tempfile::tempdir().unwrap();
    let node = Running::start(data.path(), &[]);
    let mut sent = Vec::new();
    for number in 0..8 {
        let text = format!("line {number}");
        sent.push(json(data.path(), &["send", "#nearby", &text])["id"].clone());
    }
    node.signal(Signal::TERM);
    assert_eq!(node.end().0, Some(0));
    let journal = data.path().join("journal");
    let mut bytes = fs::read(&journal).unwrap();
    let middle = bytes.len() * 3 / 5;
    bytes[middle] ^= 0x10;
    fs::write(&journal, &bytes).unwrap();

    let mut node = Running::start(data.path(), &[]);
    let warning = node.event();
    assert_eq!(
        (&warning["type"], &warning["kind"]),
        (&json!("warning"), &json!("read_only"))
    );
    assert_eq!(json(data.path(), &["status"])["store"]["read_only"], true);
    let left = json(data.path(), &["history", "#nearby"]);
    let left = left.as_array().unwrap();
    assert!(!left.is_empty() && left.len() < sent.len(), "{left:?}");
    let refused = run_on(data.path(), &["send", "#nearby", "no", "--json"]);
    assert_eq!(
        (refused.code, refused.error_kind().as_str()),
        (1, "read_only")
    );
    node.signal(Signal::TERM);
    assert_eq!(node.end().0, Some(0));
    assert_eq!(
        fs::read(&journal).unwrap(),
        bytes,
        "nothing was written to it"
    );
}

#[test]
fn the_dashboard_and_its_code_are_told_on_our_own_output_alone() {
    let root = tempfile::tempdir().unwrap();
    let mut node = Running::start(root.path(), &["--name", "Ann"]);
    let told = node.until("dashboard");
    let url = told["url"].as_str().unwrap();
    let code = told["code"].as_str().unwrap();
    let host = url.strip_prefix("http://").unwrap().trim_end_matches('/');
    assert!(host.starts_with("127.0.0.1:") && !url.contains(code));
    let mut others = UnixStream::connect(root.path().join("control.sock")).unwrap();
    others.write_all(b"{\"command\":\"events\"}\n").unwrap();
    let mut heard = BufReader::new(others).lines();
    let listening = heard.next().unwrap().unwrap();
    assert!(listening.starts_with("{\"ok\""), "{listening}");

    let body = json!({ "code": code }).to_string();
    let request = format!(
        "POST /api/session HTTP/1.1\r\nHost: {host}\r\nOrigin: http://{host}\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let ask = || {
        let mut stream = std::net::TcpStream::connect(host).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer.split(' ').nth(1).unwrap().to_owned()
    };
    assert_eq!(ask(), "204");
    let next = node.until("dashboard");
    assert_eq!(next["url"], url);
    assert_ne!(next["code"], code);
    assert_eq!(ask(), "401");

    json(root.path(), &["send", "#nearby", "hello"]);
    node.signal(Signal::TERM);
    assert_eq!(node.end().0, Some(0));
    // Who listened all the while has heard of other things only.
    let types: Vec<Value> = heard
        .by_ref()
        .map(|line| serde_json::from_str::<Value>(&line.unwrap()).unwrap()["type"].clone())
        .collect();
    assert_eq!(types.last().unwrap(), "stopping");
    assert!(!types.contains(&json!("dashboard")), "{types:?}");
    // Nothing is served any more.
    assert!(std::net::TcpStream::connect(host).is_err());
}

#[test]
fn without_a_dashboard_none_is_told() {
    let root = tempfile::tempdir().unwrap();
    let node = Running::start(root.path(), &["--dashboard", "off"]);
    json(root.path(), &["send", "#nearby", "hello"]);
    node.signal(Signal::TERM);
    let (_, events) = node.end();
    assert!(
        events.iter().all(|event| event["type"] != "dashboard"),
        "{events:?}"
    );
}

#[test]
fn an_address_that_was_asked_for_and_is_taken_is_an_error() {
    let root = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let arguments = [
        &["node"],
        &QUIET[..],
        &["--dashboard", &address, "--log", "off"],
    ]
    .concat();
    let run = run_on(root.path(), &arguments);
    assert_eq!((run.code, run.error_kind().as_str()), (1, "io"), "{run:?}");
    assert!(run.err.contains("the dashboard does not start"), "{run:?}");
}
