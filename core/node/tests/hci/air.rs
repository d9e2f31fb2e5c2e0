//! The virtual air of `tests/ble/userland/air.py`, and radios on it.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use sovereign_node::adapters::hci::{Config, HciRadio, Line};
use sovereign_node::contract::radio::RadioFixture;
use sovereign_node::ports::radio::{Radio, RadioCommand, RadioError, RadioEvent, RadioState};
use tempfile::TempDir;

/// Where L2CAP channels are taken in these tests.
pub(crate) const PSM: u16 = 0xc1;

/// An air of this test's own; with `PSM`, its radios speak L2CAP.
pub(crate) struct Lab<const L2CAP: bool> {
    air: Arc<Mutex<Air>>,
    radios: usize,
    /// Whether radios that join from now on do.
    pub(crate) speaks_l2cap: bool,
}

/// What lives as long as the fixture or one of its radios does.
struct Air {
    requests: UnixStream,
    answers: BufReader<UnixStream>,
    dir: TempDir,
}

impl<const L2CAP: bool> Default for Lab<L2CAP> {
    fn default() -> Self {
        let path = std::env::var_os("SOVEREIGN_AIR")
            .expect("these tests need an air: run tests/ble/userland/run");
        let requests = UnixStream::connect(path).expect("the air is there");
        let air = Air {
            answers: BufReader::new(requests.try_clone().expect("a socket can be cloned")),
            requests,
            dir: TempDir::new().expect("a temporary directory"),
        };
        Self {
            air: Arc::new(Mutex::new(air)),
            radios: 0,
            speaks_l2cap: L2CAP,
        }
    }
}

impl<const L2CAP: bool> Lab<L2CAP> {
    /// Asks the air for something.
    pub(crate) fn ask(&mut self, request: &Value) -> Value {
        let mut air = self.air.lock().expect("nobody panics with it");
        air.requests
            .write_all(format!("{request}\n").as_bytes())
            .expect("the air reads");
        let mut line = String::new();
        air.answers.read_line(&mut line).expect("the air answers");
        let answer: Value = serde_json::from_str(&line).expect("in JSON");
        assert_eq!(answer["ok"], true, "{request}: {answer}");
        answer
    }

    /// The name of the radio that joined as the n-th, from 0.
    pub(crate) fn name(n: usize) -> String {
        format!("r{n}")
    }

    /// A controller without a radio, and the way to it.
    pub(crate) fn controller(&mut self, medium: &str) -> std::path::PathBuf {
        let name = Self::name(self.radios);
        self.radios += 1;
        let path = self
            .air
            .lock()
            .expect("nobody panics with it")
            .dir
            .path()
            .join(&name);
        self.ask(&json!({"do": "add", "name": name, medium: path}));
        path
    }

    /// A radio on a controller, as it starts.
    pub(crate) async fn radio(&self, line: Line) -> OnAir {
        let psm = self.speaks_l2cap.then_some(PSM);
        let mut radio = HciRadio::start(Config { line, psm }).expect("a thread");
        let first = Some(radio.next().await);
        assert_eq!(first, Some(RadioEvent::State(RadioState::On)));
        OnAir {
            radio,
            first,
            _air: Arc::clone(&self.air),
        }
    }
}

impl<const L2CAP: bool> RadioFixture for Lab<L2CAP> {
    type Port = OnAir;

    async fn join(&mut self) -> OnAir {
        let path = self.controller("hci");
        self.radio(Line::Socket(path)).await
    }
}

/// A radio that is on, which its first event still says.
pub(crate) struct OnAir {
    radio: HciRadio,
    first: Option<RadioEvent>,
    _air: Arc<Mutex<Air>>,
}

impl Radio for OnAir {
    fn submit(&mut self, command: RadioCommand) -> Result<(), RadioError> {
        self.radio.submit(command)
    }

    async fn next(&mut self) -> RadioEvent {
        match self.first.take() {
            Some(event) => event,
            None => self.radio.next().await,
        }
    }
}
