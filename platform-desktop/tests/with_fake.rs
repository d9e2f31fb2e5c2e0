//! The program in front of a fake node: JSON keys and exit codes of cli.md, and what reaches a terminal.

#![allow(clippy::unwrap_used)]

mod support;

use std::{
    io::{BufRead as _, BufReader},
    process::Stdio,
};

use serde_json::{Value, json};
use sovereign_desktop::control::Limits;
use sovereign_node::api::{Command, EventKind, PeerState};
use support::{Served, keys, message, peer, program, run_on, run_with_input};

fn served() -> (tempfile::TempDir, Served) {
    let data = tempfile::tempdir().unwrap();
    let served = Served::start(data.path(), Limits::default());
    (data, served)
}

#[test]
fn json_has_the_keys_of_the_contract() {
    let (data, _served) = served();
    let ask = |arguments: &[&str]| {
        let run = run_on(data.path(), &[arguments, &["--json"]].concat());
        assert_eq!((run.code, run.err.as_str()), (0, ""), "{run:?}");
        assert_eq!(run.out.lines().count(), 1, "one document");
        run.json()
    };
    let status = ask(&["status"]);
    for key in [
        "name",
        "identity",
        "mesh_id",
        "fingerprint",
        "transport_id",
        "mode",
        "network",
        "listen",
        "uptime_s",
        "peers",
        "channels",
        "store",
        "layers",
        "counters",
    ] {
        assert!(status.get(key).is_some(), "{key}");
    }
    assert_eq!(status["layers"]["mdns"]["state"], "on");
    for key in [
        "transport_id",
        "name",
        "contact",
        "link",
        "state",
        "rtt_ms",
        "rank",
        "age_s",
    ] {
        assert!(ask(&["peers"])[0].get(key).is_some(), "{key}");
    }
    assert_eq!(
        keys(&ask(&["channel", "create", "#a"])),
        ["id", "kind", "link", "name"]
    );
    assert_eq!(
        keys(&ask(&["channel", "invite", "#a"])),
        ["id", "kind", "link", "name"]
    );
    assert_eq!(
        keys(&ask(&["channel", "list"])[0]),
        ["id", "kind", "members", "name", "unread"]
    );
    assert_eq!(ask(&["channel", "leave", "#a"]), json!({}));
    assert_eq!(
        keys(&ask(&["send", "#a", "hi"])),
        ["channel", "id", "lamport", "state"]
    );
    let history = ask(&["history", "#a"]);
    for key in [
        "id", "author", "name", "text", "sent_at", "lamport", "state",
    ] {
        assert!(history[0].get(key).is_some(), "{key}");
    }
    assert_eq!(keys(&ask(&["export", "x"])), ["bundles", "bytes"]);
    assert_eq!(
        keys(&ask(&["import", "x"])),
        ["bundles", "declined", "known", "new"]
    );
    assert_eq!(ask(&["id", "show"])["name"], "Ann");
}

#[test]
fn arguments_reach_the_node() {
    let (data, served) = served();
    run_on(
        data.path(),
        &["history", "#a", "--limit", "5", "--since", "abcd"],
    );
    let history = Command::History {
        channel: "#a".into(),
        limit: Some(5),
        since: Some("abcd".into()),
        before: None,
    };
    assert_eq!(served.asked(), history);
    run_on(
        data.path(),
        &["export", "/nonexistent/x", "--channel", "#a"],
    );
    let export = Command::Export {
        path: "/nonexistent/x".into(),
        channel: Some("#a".into()),
    };
    assert_eq!(served.asked(), export);
    let sent = |text: &str| Command::Send {
        channel: "#a".into(),
        text: text.into(),
    };
    run_with_input(
        data.path(),
        &["send", "#a", "-"],
        "from a pipe\n".as_bytes(),
    );
    assert_eq!(served.asked(), sent("from a pipe"));
    run_on(data.path(), &["send", "#a", "--help-me"]);
    assert_eq!(served.asked(), sent("--help-me"));
}

#[test]
fn what_is_too_large_never_reaches_the_node() {
    let (data, served) = served();
    let long = run_with_input(
        data.path(),
        &["send", "#a", "-", "--json"],
        &vec![b'x'; 1 << 20],
    );
    assert_eq!((long.code, long.error_kind().as_str()), (1, "too_large"));
    let binary = run_with_input(data.path(), &["send", "#a", "-", "--json"], &[0xff; 10]);
    assert_eq!((binary.code, binary.error_kind().as_str()), (2, "invalid"));
    assert!(served.fake.asked.lock().unwrap().is_empty());
}

#[test]
fn errors_of_the_node_come_through() {
    let (data, _served) = served();
    let run = run_on(data.path(), &["send", "#nowhere", "x", "--json"]);
    assert_eq!((run.code, run.error_kind().as_str()), (1, "not_found"));
    let run = run_on(data.path(), &["send", "#nowhere", "x"]);
    assert_eq!(run.err, "sovereign: no such channel\n  hint: join it\n");
}

#[test]
fn nothing_of_others_steers_the_terminal() {
    let (data, _served) = served();
    for arguments in [
        &["peers"][..],
        &["history", "#a"],
        &["peers", "--json"],
        &["history", "#a", "--json"],
    ] {
        let run = run_on(data.path(), arguments);
        assert_eq!(run.code, 0);
        let bad = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
        assert!(!run.out.contains(bad), "{:?}", run.out);
    }
    let text = &run_on(data.path(), &["history", "#a", "--json"]).json()[0]["text"];
    assert_eq!(text, "hello\u{1b}[31m\nthere", "JSON keeps the value");
}

#[test]
fn events_are_one_json_object_a_line() {
    let (data, served) = served();
    let mut child = program(["events", "--json", "--data"])
        .arg(data.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // The fake refuses to tell while nobody listens.
    while !served.fake.tell(EventKind::Message {
        channel: "ab".repeat(16),
        channel_name: "#a".into(),
        message: message("one\ntwo"),
    }) {
        std::thread::yield_now();
    }
    served.fake.tell(EventKind::Stopping);
    let lines: Vec<Value> = BufReader::new(child.stdout.take().unwrap())
        .lines()
        .map(|line| serde_json::from_str(&line.unwrap()).unwrap())
        .collect();
    assert!(
        child.wait().unwrap().success(),
        "the end of the node is no error"
    );
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0]["type"], "message");
    assert_eq!(lines[0]["message"]["text"], "one\ntwo");
    assert!(lines.iter().all(|line| line["at"].is_string()));
}

#[test]
fn watched_peers_are_one_json_object_a_line() {
    let (data, served) = served();
    let mut child = program(["peers", "--watch", "--json", "--data"])
        .arg(data.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut next = || -> Value { serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap() };
    assert_eq!(next()["state"], "connected");
    let mut changed = peer();
    changed.state = PeerState::Connecting;
    served.fake.tell(EventKind::PeerUpdated { peer: changed });
    assert_eq!(next()["state"], "connecting");
    let transport_id = peer().transport_id;
    served.fake.tell(EventKind::PeerLost { transport_id });
    let lost = next();
    assert_eq!(
        (&lost["state"], &lost["link"]),
        (&json!("lost"), &json!("lan"))
    );
    served.fake.tell(EventKind::Stopping);
    assert!(child.wait().unwrap().success());
}

#[test]
fn doctor_takes_the_nodes_findings_in() {
    // APP-7.
    let (data, served) = served();
    let found = |run: &support::Run, check: &str| -> Value {
        let checks = run.json();
        let all = checks.as_array().unwrap();
        all.iter().find(|c| c["check"] == check).cloned().unwrap()
    };
    let run = run_on(data.path(), &["doctor", "--json"]);
    assert_eq!(found(&run, "node")["result"], "ok");
    assert_eq!(found(&run, "peers")["message"], "of the fake");
    "problem".clone_into(&mut served.fake.doctor.lock().unwrap());
    let run = run_on(data.path(), &["doctor", "--json"]);
    assert_eq!(
        (run.code, found(&run, "peers")["result"].clone()),
        (1, json!("problem"))
    );
}

#[test]
fn a_passphrase_comes_from_the_environment_or_a_file_only() {
    let (data, served) = served();
    let out = data.path().join("b.age");
    let out = out.to_str().unwrap();
    let output = program(["id", "backup", out, "--data"])
        .arg(data.path())
        .env("SOVEREIGN_PASSPHRASE", "correct horse")
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let command = Command::IdBackup {
        path: out.to_owned(),
        passphrase: "correct horse".into(),
    };
    assert_eq!(served.asked(), command);
    let none = run_on(data.path(), &["id", "backup", out, "--json"]);
    assert_eq!((none.code, none.error_kind().as_str()), (2, "invalid"));
    let argv = run_on(
        data.path(),
        &["id", "backup", out, "--passphrase", "x", "--json"],
    );
    assert_eq!((argv.code, argv.error_kind().as_str()), (2, "invalid"));
    std::fs::write(out, b"").unwrap();
    let there = run_on(data.path(), &["id", "backup", out, "--json"]);
    assert_eq!((there.code, there.error_kind().as_str()), (1, "exists"));
}

#[test]
fn a_restore_on_a_running_node_is_refused_with_exit_4() {
    let (data, _served) = served();
    let run = run_on(data.path(), &["id", "restore", "x", "--json"]);
    assert_eq!((run.code, run.error_kind().as_str()), (4, "held"));
}
