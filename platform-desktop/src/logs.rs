//! Logs (OPS-2): `tracing` to stderr, or above the prompt where there is one. What is logged is
//! written by us and holds no secret, key or message text.

use std::{
    io::{self, Write},
    sync::{Arc, Mutex, PoisonError},
};

use tracing_subscriber::{EnvFilter, fmt::MakeWriter};

/// Who runs; decides what is logged when nothing was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// A command that asks a node.
    Command,
    /// A node without a prompt.
    Node,
    /// A node with a prompt: the terminal belongs to the person.
    Prompt,
}

impl Mode {
    const fn default_filter(self) -> &'static str {
        match self {
            Self::Command => "warn",
            // mdns-sd and libp2p tell a lot at `info` that is no news to an operator.
            Self::Node => {
                "warn,sovereign=info,sovereign_desktop=info,sovereign_node=info,sovereign_protocol=info"
            }
            Self::Prompt => "off",
        }
    }
}

type Print = Box<dyn Fn(&str) + Send>;

/// Where log lines go: stderr, until a prompt takes them over.
#[derive(Clone, Default)]
pub(crate) struct Sink {
    prompt: Arc<Mutex<Option<Print>>>,
}

impl std::fmt::Debug for Sink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sink")
    }
}

impl Sink {
    /// Sends lines through the prompt from now on, or to stderr again.
    pub(crate) fn set_prompt(&self, print: Option<Print>) {
        *self.prompt.lock().unwrap_or_else(PoisonError::into_inner) = print;
    }
}

/// One line on its way.
#[derive(Debug)]
pub(crate) struct LineWriter {
    sink: Sink,
}

impl Write for LineWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let prompt = self
            .sink
            .prompt
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        match &*prompt {
            // Peers' words may be in it: nothing that steers the terminal.
            Some(print) => print(&crate::text::block(&String::from_utf8_lossy(bytes))),
            None => io::stderr().write_all(bytes)?,
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Sink {
    type Writer = LineWriter;

    fn make_writer(&self) -> LineWriter {
        LineWriter { sink: self.clone() }
    }
}

/// Starts logging. The filter is known to be well formed; without one, it follows from the mode.
pub(crate) fn start(filter: Option<&str>, mode: Mode) -> Sink {
    let sink = Sink::default();
    let wanted = filter.unwrap_or_else(|| mode.default_filter());
    let filter = EnvFilter::try_new(wanted).unwrap_or_else(|_| EnvFilter::new("warn"));
    let logger = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(false)
        .with_writer(sink.clone());
    // An error means that a test has started one already.
    let _ = logger.try_init();
    sink
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn default_filters_are_well_formed() {
        for mode in [Mode::Command, Mode::Node, Mode::Prompt] {
            assert!(EnvFilter::try_new(mode.default_filter()).is_ok());
        }
    }

    #[test]
    fn a_prompt_takes_the_lines_and_cleans_them() {
        let sink = Sink::default();
        let seen = Arc::new(Mutex::new(String::new()));
        let copy = Arc::clone(&seen);
        sink.set_prompt(Some(Box::new(move |line| {
            copy.lock().unwrap().push_str(line)
        })));
        sink.make_writer().write_all(b"a\x1b[2Jb\n").unwrap();
        assert_eq!(*seen.lock().unwrap(), "a\u{fffd}[2Jb\n");
    }
}
