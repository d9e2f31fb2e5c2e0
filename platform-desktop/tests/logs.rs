//! OPS-2: no secret, key or message text is logged, at any level.

#![allow(clippy::unwrap_used)]

mod support;

use std::{
    io::{self, Write},
    sync::{Arc, Mutex},
};

use sovereign_desktop::control::{Client, Limits};
use sovereign_node::api::Command;
use support::Served;

#[derive(Clone, Default)]
struct Capture(Arc<Mutex<Vec<u8>>>);

impl Write for Capture {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn nothing_secret_is_logged_at_trace_level() {
    let capture = Capture::default();
    let writer = capture.clone();
    tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .init();
    let data = tempfile::tempdir().unwrap();
    let served = Served::start(data.path(), Limits::default());
    let secrets = [
        "a-secret-passphrase",
        "sovereign:invite/AQsecretkey",
        "a text for friends",
    ];
    let commands = [
        Command::IdBackup {
            path: "/nonexistent".into(),
            passphrase: secrets[0].into(),
        },
        Command::ChannelJoin {
            target: secrets[1].into(),
        },
        Command::Send {
            channel: "#a".into(),
            text: secrets[2].into(),
        },
    ];
    for command in &commands {
        Client::connect(data.path()).unwrap().call(command).unwrap();
        // Whoever logs a command for debugging must not give it away either.
        tracing::trace!(?command, "asked");
    }
    // Malformed requests are not repeated in the log.
    for secret in secrets {
        use std::os::unix::net::UnixStream;
        let mut stream = UnixStream::connect(data.path().join("control.sock")).unwrap();
        let line = format!("{{\"command\":\"{secret}\"}}\n").repeat(16);
        stream.write_all(line.as_bytes()).unwrap();
        io::copy(&mut stream, &mut io::sink()).unwrap();
    }
    let backup = sovereign_node::backup::Backup {
        identity_seed: [0x5a; 32].into(),
        name: "n".into(),
        channels: vec![],
    };
    tracing::trace!(?backup, "made");
    let sealed = sovereign_node::backup::seal(&backup, secrets[0]).unwrap();
    sovereign_node::backup::open(&sealed, secrets[0]).unwrap();
    drop(served);
    let logged = String::from_utf8_lossy(&capture.0.lock().unwrap()).into_owned();
    assert!(
        logged.contains("control socket"),
        "the capture works: {logged}"
    );
    assert!(logged.contains("asked") && logged.contains("made"));
    let seed = "5a".repeat(8);
    let numbers = "90, 90, 90";
    for secret in secrets.iter().copied().chain([seed.as_str(), numbers]) {
        assert!(!logged.contains(secret), "{secret} was logged");
    }
}
