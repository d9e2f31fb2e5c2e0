//! A script of `tests/ble/userland` on Bumble's own host: words in, JSON out, a line each.

use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use tokio::sync::mpsc;

use crate::lab::WATCHDOG;

pub(crate) struct Python {
    process: Child,
    answers: mpsc::UnboundedReceiver<String>,
}

impl Drop for Python {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Python {
    pub(crate) fn start<'a>(script: &str, arguments: impl IntoIterator<Item = &'a OsStr>) -> Self {
        let python =
            std::env::var_os("SOVEREIGN_BLE_PYTHON").expect("tests/ble/userland/run says it");
        let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/ble/userland");
        let mut process = Command::new(python)
            .arg("-B")
            .arg(scripts.join(script))
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("Python starts");
        let output = process.stdout.take().expect("it is piped");
        let (lines, answers) = mpsc::unbounded_channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                let _ = lines.send(line);
            }
        });
        Self { process, answers }
    }

    /// The next line.
    pub(crate) async fn answer(&mut self) -> Value {
        let line = tokio::time::timeout(WATCHDOG, self.answers.recv());
        let line = line.await.expect("the script answers");
        serde_json::from_str(&line.expect("the script goes on")).expect("in JSON")
    }

    /// Writes a line.
    pub(crate) fn tell(&mut self, request: &str) {
        let requests = self.process.stdin.as_mut().expect("it is piped");
        writeln!(requests, "{request}").expect("the script reads");
    }

    pub(crate) async fn ask(&mut self, request: &str) -> Value {
        self.tell(request);
        self.answer().await
    }
}
