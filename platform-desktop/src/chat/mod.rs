//! `sovereign node`: a node in this process, with a live prompt on a terminal, otherwise with one
//! line an event on stdout.

mod dashboard;
mod first;
mod plain;
mod printer;
mod prompt;
mod session;
mod slash;
mod ticks;

use std::{
    io::{self, IsTerminal as _},
    time::Duration,
};

use sovereign_node::{
    EventStream, Node,
    api::{Event, EventKind, Status},
    wipe,
};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    time::Instant,
};
use tracing::{info, warn};

use crate::{
    config::Settings,
    control::{self, Limits},
    failure::{DONE, Failure, Outcome, io_error},
    logs::{self, Mode, Sink},
    output::Output,
};
use dashboard::Dashboard;
use plain::Writer;
use prompt::{Input, Prompt};
use session::{After, Session};

/// SIGINT and SIGTERM end a node within 2 s (cli.md); what is not done by then is left.
const END: Duration = Duration::from_millis(1700);
/// For answers under way on the control socket once the node has ended.
const LAST_ANSWERS: Duration = Duration::from_millis(200);
/// For the first addresses, before `started` is said without them.
const FIRST_ADDRESSES: Duration = Duration::from_secs(1);
/// Exit code after a second interrupt, as shells count it: 128 + SIGINT.
const INTERRUPTED: u8 = 130;

/// Runs a node until it is told to end.
///
/// # Errors
/// [`ErrorKind::Held`] when another node has the directory, and whatever keeps it from starting.
pub(crate) fn run(settings: &Settings, output: Output) -> Outcome<u8> {
    let live = output.terminal && io::stdin().is_terminal();
    let mode = if live { Mode::Prompt } else { Mode::Node };
    let sink = logs::start(settings.log_filter().as_deref(), mode);
    control::prepare_data_dir(&settings.data)?;
    let first = !wipe::is_data_dir(&settings.data);
    let mut config = settings.node_config();
    let wanted = config.name.clone();
    if first && config.name.is_none() {
        config.name = Some(if live {
            first::ask_name()?
        } else {
            first::default_name()
        });
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| io_error("cannot start", &error))?;
    let surface = Surface { output, live, sink };
    let ended = runtime.block_on(async {
        let mut signals = Signals::new()?;
        let node = tokio::select! {
            node = Node::start(config) => node?,
            () = signals.next() => return Ok(End::Killed),
        };
        let shown = serve(&node, settings, wanted, first, &surface, &mut signals).await;
        // Already ended, unless something went wrong before.
        let end = end(&node, &mut signals).await;
        shown.map(|shown| if shown == End::Killed { shown } else { end })
    });
    // Threads that wait for the keyboard or for a full pipe are not waited for.
    runtime.shutdown_timeout(Duration::from_millis(100));
    ended.map(|end| match end {
        End::Clean => DONE,
        End::Killed => INTERRUPTED,
    })
}

/// How a node ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// Goodbyes said, store synced, or at least tried in time.
    Clean,
    /// Told twice.
    Killed,
}

/// Where the node shows itself.
struct Surface {
    output: Output,
    live: bool,
    sink: Sink,
}

async fn serve(
    node: &Node,
    settings: &Settings,
    wanted: Option<String>,
    first: bool,
    surface: &Surface,
    signals: &mut Signals,
) -> Outcome<End> {
    let events = node.subscribe();
    let listener = control::bind(&settings.data)?;
    let stopped = node.clone();
    let server = tokio::spawn(control::serve(
        listener,
        node.clone(),
        Limits::default(),
        async move { stopped.stopped().await },
    ));
    let status = first::settle(node, wanted, first).await?;
    info!(transport_id = %status.transport_id, "the node runs");
    let shown = Dashboard::start(node, settings).await?;
    let ended = if surface.live {
        live(node, &status, events, shown, surface, signals).await
    } else {
        Ok(plain(node, &status, events, shown, surface.output, signals).await)
    };
    // The socket file goes when the server does.
    let stop = server.abort_handle();
    let _ = tokio::time::timeout(LAST_ANSWERS, server).await;
    stop.abort();
    ended
}

async fn live(
    node: &Node,
    status: &Status,
    mut events: EventStream,
    mut shown: Dashboard,
    surface: &Surface,
    signals: &mut Signals,
) -> Outcome<End> {
    let mut prompt = Prompt::start(surface.output.colour)?;
    let printer = prompt.printer();
    let logs = printer.clone();
    surface
        .sink
        .set_prompt(Some(Box::new(move |line| logs.print(line))));
    let mut session = Session::new(node.clone(), surface.output.paint(), move |text: &str| {
        printer.print(text);
    });
    session.open(status).await;
    let told = prompt.printer();
    prompt.read(session.prompt(), session.words());
    let mut ended_by_others = false;
    loop {
        let due = session.due();
        tokio::select! {
            () = signals.next() => break,
            () = node.stopped() => {
                ended_by_others = true;
                break;
            }
            event = events.next() => match event {
                Some(event) => session.event(&event),
                None => break,
            },
            (url, code) = shown.next() => told.print(&dashboard::line(&url, &code)),
            input = prompt.next() => match input {
                Input::Line(line) => {
                    if session.line(&line).await == After::Quit {
                        break;
                    }
                    prompt.read(session.prompt(), session.words());
                }
                Input::End => break,
            },
            () = until(due) => session.tick().await,
        }
    }
    surface.sink.set_prompt(None);
    prompt.finish();
    if ended_by_others {
        surface.output.lines("The node has ended.")?;
    }
    session.close().await;
    Ok(end(node, signals).await)
}

async fn plain(
    node: &Node,
    status: &Status,
    mut events: EventStream,
    mut shown: Dashboard,
    output: Output,
    signals: &mut Signals,
) -> End {
    let writer = Writer::start(output);
    let (listen, early) = addresses(status, &mut events).await;
    writer.send(Event {
        at: sovereign_node::text::rfc3339_now(),
        kind: EventKind::Started {
            transport_id: status.transport_id.clone(),
            listen,
        },
    });
    if status.store.read_only {
        writer.send(Event {
            at: sovereign_node::text::rfc3339_now(),
            kind: EventKind::Warning {
                kind: "read_only".to_owned(),
                message:
                    "the store is damaged and open read-only: export what you need, then restore a \
                          backup into an empty directory"
                        .to_owned(),
            },
        });
    }
    early.into_iter().for_each(|event| writer.send(event));
    loop {
        tokio::select! {
            () = signals.next() => break,
            () = node.stopped() => break,
            () = writer.closed() => break,
            event = events.next() => match event {
                Some(event) => writer.send(event),
                None => break,
            },
            (url, code) = shown.next() => writer.send(Event {
                at: sovereign_node::text::rfc3339_now(),
                kind: EventKind::Dashboard { url, code },
            }),
        }
    }
    let end = end(node, signals).await;
    while let Ok(Some(event)) = tokio::time::timeout(Duration::ZERO, events.next()).await {
        writer.send(event);
    }
    writer.finish();
    end
}

/// The first addresses come a moment after the start: waits for them, but not for long. Gives the other
/// events of that time, too.
async fn addresses(status: &Status, events: &mut EventStream) -> (Vec<String>, Vec<Event>) {
    let deadline = Instant::now() + FIRST_ADDRESSES;
    let mut early = Vec::new();
    let mut listen = status.listen.clone();
    while listen.is_empty() {
        match tokio::time::timeout_at(deadline, events.next()).await {
            Ok(Some(Event {
                kind: EventKind::ListenChanged { listen: first },
                ..
            })) => listen = first,
            Ok(Some(event)) => early.push(event),
            Ok(None) | Err(_) => break,
        }
    }
    (listen, early)
}

async fn until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}

/// Ends the node within its time; a second signal gives up at once.
async fn end(node: &Node, signals: &mut Signals) -> End {
    tokio::select! {
        ended = tokio::time::timeout(END, node.shutdown()) => {
            if ended.is_err() {
                warn!("the node did not end in time");
            }
            End::Clean
        }
        () = signals.next() => End::Killed,
    }
}

/// SIGINT and SIGTERM.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn new() -> Result<Self, Failure> {
        let listen = |kind| {
            signal(kind)
                .map_err(|error| Failure::Api(io_error("cannot listen for signals", &error)))
        };
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
