//! The line that is typed on (rustyline): its editor blocks, so it has a thread of its own. Lines of
//! others appear above what is being typed.

use std::{
    borrow::Cow,
    io::{self, Write as _},
    sync::mpsc::{SyncSender, sync_channel},
};

use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};
use rustyline::{
    CompletionType, Config, Context, Editor, ExternalPrinter as _, Helper,
    completion::Completer,
    error::ReadlineError,
    highlight::Highlighter,
    hint::Hinter,
    history::{History as _, MemHistory},
    validate::Validator,
};
use sovereign_node::api::ApiError;
use tokio::sync::mpsc;

use super::{printer::Printer, slash};
use crate::failure::io_error;

/// Lines kept for the arrow keys, in memory only: the store is sealed, a history file would not be.
const HISTORY: usize = 200;
/// Ends bracketed paste, which the editor switches on while it reads.
const LEAVE: &str = "\u{1b}[?2004l\r\n";

/// What was typed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Input {
    /// A line.
    Line(String),
    /// Ctrl-C, Ctrl-D, or the terminal is gone.
    End,
}

/// The next line to be read.
struct Read {
    prompt: String,
    words: Vec<String>,
}

/// The prompt on the terminal.
pub(super) struct Prompt {
    reads: SyncSender<Read>,
    inputs: mpsc::Receiver<Input>,
    printer: Printer,
    before: Option<Termios>,
    reading: bool,
}

impl Prompt {
    /// Starts the editor; nothing is read before [`Prompt::read`].
    pub(super) fn start(colour: bool) -> Result<Self, ApiError> {
        let failed = |error: &ReadlineError| {
            let error = io::Error::other(error.to_string());
            io_error("the terminal cannot be used for a prompt", &error)
        };
        let before = tcgetattr(io::stdin()).ok();
        let config = Config::builder()
            .auto_add_history(true)
            .completion_type(CompletionType::List)
            .build();
        let history = MemHistory::with_config(&config);
        let mut editor: Editor<Words, MemHistory> =
            Editor::with_history(config, history).map_err(|error| failed(&error))?;
        let _ = editor.history_mut().set_max_len(HISTORY);
        editor.set_helper(Some(Words {
            words: Vec::new(),
            colour,
        }));
        let mut external = editor
            .create_external_printer()
            .map_err(|error| failed(&error))?;
        let printer = Printer::start(move |text| {
            // An error means that the terminal is gone; the editor notices, too.
            let _ = external.print(text);
        });
        let (reads, todo) = sync_channel::<Read>(1);
        let (typed, inputs) = mpsc::channel(1);
        std::thread::spawn(move || {
            for read in todo {
                if let Some(helper) = editor.helper_mut() {
                    helper.words = read.words;
                }
                let input = match editor.readline(&read.prompt) {
                    Ok(line) => Input::Line(line),
                    Err(_) => Input::End,
                };
                if typed.blocking_send(input).is_err() {
                    return;
                }
            }
        });
        Ok(Self {
            reads,
            inputs,
            printer,
            before,
            reading: false,
        })
    }

    /// Where to print above the prompt.
    pub(super) fn printer(&self) -> Printer {
        self.printer.clone()
    }

    /// Lets a line be typed.
    pub(super) fn read(&mut self, prompt: String, words: Vec<String>) {
        // There is room: one line is read at a time.
        self.reading = self.reads.try_send(Read { prompt, words }).is_ok();
    }

    /// The next line; safe to cancel.
    pub(super) async fn next(&mut self) -> Input {
        let input = self.inputs.recv().await.unwrap_or(Input::End);
        self.reading = false;
        input
    }

    /// Gives the terminal back, also while the editor still waits for a key.
    pub(super) fn finish(&mut self) {
        if !self.reading {
            return;
        }
        if let Some(before) = &self.before {
            let _ = tcsetattr(io::stdin(), OptionalActions::Now, before);
        }
        let mut stdout = io::stdout();
        let _ = write!(stdout, "{LEAVE}").and_then(|()| stdout.flush());
    }
}

impl Drop for Prompt {
    fn drop(&mut self) {
        self.finish();
    }
}

/// What Tab completes, and the prompt's colour.
struct Words {
    words: Vec<String>,
    colour: bool,
}

impl Completer for Words {
    type Candidate = String;

    fn complete(
        &self,
        line: &str,
        at: usize,
        _: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<String>)> {
        Ok(slash::complete(
            line.get(..at).unwrap_or_default(),
            &self.words,
        ))
    }
}

impl Highlighter for Words {
    fn highlight_prompt<'b, 's: 'b, 'p: 'b>(&'s self, prompt: &'p str, _: bool) -> Cow<'b, str> {
        if self.colour {
            Cow::Owned(format!("\u{1b}[1m{prompt}\u{1b}[0m"))
        } else {
            Cow::Borrowed(prompt)
        }
    }
}

impl Hinter for Words {
    type Hint = String;
}
impl Validator for Words {}
impl Helper for Words {}
