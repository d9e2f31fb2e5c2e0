//! The control socket under bad input: bounded lines, connections, time and memory (decisions 19, 20).

#![allow(clippy::unwrap_used)]

mod support;

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    os::unix::{
        fs::{FileTypeExt as _, PermissionsExt as _},
        net::UnixStream,
    },
    path::Path,
    time::Duration,
};

use serde_json::Value;
use sovereign_desktop::control::{self, Client, Limits, MAX_LINE};
use sovereign_node::api::{Command, ErrorKind, EventKind, Reply};
use support::Served;

/// Short enough to wait for; what is tested is that they exist.
fn quick() -> Limits {
    Limits {
        request: Duration::from_millis(200),
        write: Duration::from_millis(200),
        ..Limits::default()
    }
}

fn connect(data: &Path) -> UnixStream {
    UnixStream::connect(data.join("control.sock")).unwrap()
}

fn line(stream: &UnixStream) -> Value {
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).unwrap();
    serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"))
}

fn ask(stream: &mut UnixStream, request: &[u8]) -> Value {
    stream.write_all(request).unwrap();
    line(stream)
}

#[test]
fn the_socket_is_owner_only_and_goes_with_the_server() {
    let data = tempfile::tempdir().unwrap();
    let served = Served::start(data.path(), Limits::default());
    let meta = fs::metadata(data.path().join("control.sock")).unwrap();
    assert!(meta.file_type().is_socket());
    assert_eq!(meta.permissions().mode() & 0o777, 0o600);
    assert_eq!(
        fs::metadata(data.path()).unwrap().permissions().mode() & 0o777,
        0o700
    );
    assert_eq!(
        fs::read_dir(data.path()).unwrap().count(),
        1,
        "nothing else is left"
    );
    drop(served);
    assert_eq!(fs::read_dir(data.path()).unwrap().count(), 0);
}

#[test]
fn a_stale_socket_is_replaced() {
    let data = tempfile::tempdir().unwrap();
    drop(std::os::unix::net::UnixListener::bind(data.path().join("control.sock")).unwrap());
    let _served = Served::start(data.path(), Limits::default());
    assert!(
        Client::connect(data.path())
            .unwrap()
            .call(&Command::Status)
            .is_ok()
    );
}

#[test]
fn a_long_data_directory_works() {
    let root = tempfile::tempdir().unwrap();
    let data = root.path().join("d".repeat(150));
    let served = Served::start(&data, Limits::default());
    let reply = Client::connect(&data)
        .unwrap()
        .call(&Command::IdShow)
        .unwrap();
    assert!(matches!(reply, Reply::Identity(_)));
    assert_eq!(support::run_on(&data, &["status"]).code, 0);
    drop(served);
    assert_eq!(
        Client::connect(&data).unwrap_err().kind,
        ErrorKind::NotRunning
    );
}

#[test]
fn several_requests_go_over_one_connection() {
    let data = tempfile::tempdir().unwrap();
    let _served = Served::start(data.path(), Limits::default());
    let mut stream = connect(data.path());
    assert_eq!(
        ask(&mut stream, b"{\"command\":\"status\"}\n")["ok"]["value"]["name"],
        "Ann"
    );
    assert_eq!(
        ask(&mut stream, b"\r\n\n{\"command\":\"id_show\"}\r\n")["ok"]["reply"],
        "identity"
    );
}

#[test]
fn malformed_requests_are_answered_and_end_the_connection_at_last() {
    let data = tempfile::tempdir().unwrap();
    let limits = Limits::default();
    let _served = Served::start(data.path(), limits);
    let mut stream = connect(data.path());
    for _ in 0..limits.malformed - 1 {
        assert_eq!(ask(&mut stream, b"\xff{]\n")["error"]["kind"], "invalid");
    }
    assert_eq!(
        ask(&mut stream, b"{\"command\":\"status\"}\n")["ok"]["reply"],
        "status"
    );
    assert_eq!(ask(&mut stream, b"{}\n")["error"]["kind"], "invalid");
    assert_eq!(stream.read(&mut [0]).unwrap(), 0, "closed");
}

#[test]
fn a_line_above_the_bound_is_answered_and_closed() {
    let data = tempfile::tempdir().unwrap();
    let served = Served::start(data.path(), Limits::default());
    let mut stream = connect(data.path());
    let mut longest = b"{\"command\":\"status\"}".to_vec();
    longest.resize(MAX_LINE, b' ');
    longest.push(b'\n');
    assert_eq!(ask(&mut stream, &longest)["ok"]["reply"], "status");
    // Not even a line break is needed.
    assert_eq!(
        ask(&mut stream, &vec![b'x'; MAX_LINE + 1])["error"]["kind"],
        "too_large"
    );
    assert!(matches!(stream.read(&mut [0]), Ok(0) | Err(_)), "closed");
    assert_eq!(served.fake.asked.lock().unwrap().len(), 1);
}

#[test]
fn connections_are_bounded_and_silent_ones_free_their_slot() {
    let data = tempfile::tempdir().unwrap();
    let limits = quick();
    let _served = Served::start(data.path(), limits);
    let silent: Vec<UnixStream> = (0..limits.connections)
        .map(|_| connect(data.path()))
        .collect();
    let refused = connect(data.path());
    assert_eq!(line(&refused)["error"]["kind"], "busy");
    assert_eq!(
        Client::connect(data.path())
            .unwrap()
            .call(&Command::Status)
            .unwrap_err()
            .kind,
        ErrorKind::Busy
    );
    for stream in &silent {
        assert_eq!(line(stream)["error"]["kind"], "invalid", "timed out");
    }
    for mut stream in silent {
        assert_eq!(stream.read(&mut [0]).unwrap(), 0, "closed");
    }
    assert!(
        Client::connect(data.path())
            .unwrap()
            .call(&Command::Status)
            .is_ok()
    );
}

#[test]
fn drops_of_bytes_do_not_hold_a_slot() {
    // hardening.md, attack 7: the deadline is for the whole request, not for each byte.
    let data = tempfile::tempdir().unwrap();
    let _served = Served::start(data.path(), quick());
    let mut stream = connect(data.path());
    let mut written = 0_u32;
    while stream.write_all(b"\n").is_ok() {
        written += 1;
        assert!(written < 1000, "the server took a byte at a time for ever");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_listener_that_does_not_read_is_let_go() {
    let data = tempfile::tempdir().unwrap();
    let served = Served::start(data.path(), quick());
    let mut stuck = connect(data.path());
    assert_eq!(
        ask(&mut stuck, b"{\"command\":\"events\"}\n")["ok"]["reply"],
        "done"
    );
    // More than the socket's buffer holds; then nobody listens any more.
    let text = "x".repeat(12_000);
    let told = || {
        served.fake.tell(EventKind::Warning {
            kind: "test".into(),
            message: text.clone(),
        })
    };
    let mut count = 0_u32;
    while told() {
        count += 1;
        assert!(count < 100_000, "still listening");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn listeners_only_listen() {
    let data = tempfile::tempdir().unwrap();
    let served = Served::start(data.path(), Limits::default());
    let mut stream = connect(data.path());
    ask(&mut stream, b"{\"command\":\"events\"}\n");
    served.fake.tell(EventKind::Missed { count: 1 });
    assert_eq!(line(&stream)["type"], "missed");
    assert_eq!(
        ask(&mut stream, b"{\"command\":\"status\"}\n")["error"]["kind"],
        "invalid"
    );
    assert_eq!(stream.read(&mut [0]).unwrap(), 0, "closed");
}

#[test]
fn mebibytes_of_rubbish_leave_it_flat_and_answering() {
    // Figure f of the issue, in small: 64 MiB; a harness does the gibibyte.
    let data = tempfile::tempdir().unwrap();
    let served = Served::start(data.path(), quick());
    let before = resident();
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut block = vec![0; 64 * 1024];
    let mut sent = 0;
    while sent < 64 << 20 {
        let mut stream = connect(data.path());
        stream
            .set_write_timeout(Some(Duration::from_secs(5)))
            .unwrap();
        loop {
            for byte in &mut block {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                // Fewer line breaks than chance has, so that long lines come, too.
                *byte = (state >> 32) as u8 | u8::from(state & 7 > 0);
            }
            if stream.write_all(&block).is_err() {
                break;
            }
            sent += block.len();
        }
        sent += block.len();
    }
    assert!(
        Client::connect(data.path())
            .unwrap()
            .call(&Command::Status)
            .is_ok()
    );
    assert!(
        served.fake.asked.lock().unwrap().len() == 1,
        "no rubbish was a command"
    );
    let grown = resident().saturating_sub(before);
    assert!(grown < 32 << 20, "{grown} bytes more");
}

/// Bytes of this process in memory.
fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let kib: u64 = line
        .and_then(|line| line.split_whitespace().nth(1))
        .and_then(|kib| kib.parse().ok())
        .unwrap_or(0);
    kib * 1024
}

#[test]
fn a_directory_that_others_write_to_is_refused() {
    let data = tempfile::tempdir().unwrap();
    fs::write(data.path().join("thesis.odt"), b"x").unwrap();
    fs::set_permissions(data.path(), fs::Permissions::from_mode(0o775)).unwrap();
    assert_eq!(
        control::prepare_data_dir(data.path()).unwrap_err().kind,
        ErrorKind::Invalid
    );
    let run = support::run_on(data.path(), &["node", "--json", "--no-mdns"]);
    assert_eq!((run.code, run.error_kind().as_str()), (2, "invalid"));
}
