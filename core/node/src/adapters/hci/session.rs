//! The radio's thread: a controller is opened, a host runs on it, and when that ends, it is begun anew.

use std::any::Any;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use bt_hci::cmd::{controller_baseband::Reset, le::LeReadFilterAcceptListSize};
use bt_hci::param::LeAdvReportsIter;
use futures::StreamExt as _;
use futures::future::LocalBoxFuture;
use futures::stream::FuturesUnordered;
use tokio::time::{sleep, timeout};
use trouble_host::Address;
use trouble_host::prelude::{EventHandler, ExternalController, HostResources};

use super::air::{self, Air};
use super::gatt::{Database, Values};
use super::h4::H4;
use super::heard::is_ours;
use super::pool::Pool;
use super::shared::Shared;
use super::{Config, MAX_LINKS, dialer, listener};
use crate::ports::radio::{MAX_HEARD, RadioState};

/// A controller that has not answered by then is none.
const ANSWERS_WITHIN: Duration = Duration::from_secs(5);
/// Pauses before another attempt: the first after a host that had run, doubled up to the last.
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));
/// How long links are given to end in order when the node drops the radio.
const GOODBYE: Duration = Duration::from_secs(1);
/// Connections that the host has room for: one more than links, to be refused in order.
const CONNECTIONS: usize = MAX_LINKS + 1;
/// A channel for each, and one for a channel that is closing.
const CHANNELS: usize = 2 * CONNECTIONS;
/// "Not known" (Bluetooth Core 5.4, vol. 4, part E, 7.7.65.2).
const NO_RSSI: i8 = 127;

/// The controller as the host sees it.
pub(super) type Hci = ExternalController<H4, 8>;
/// The host.
pub(super) type Stack<'s> = trouble_host::Stack<'s, Hci, Pool>;
/// A link's task.
pub(super) type Task<'s> = LocalBoxFuture<'s, ()>;

pub(super) fn start(config: Config, shared: Arc<Shared>) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    std::thread::Builder::new()
        .name("radio".to_owned())
        .spawn(move || {
            let mut pause = RETRY.0;
            loop {
                let ran =
                    catch_unwind(AssertUnwindSafe(|| runtime.block_on(run(&config, &shared))));
                let state = match ran {
                    Ok(Ended::Stopped) => return,
                    Ok(Ended::Failed { state, had_run }) => {
                        if had_run {
                            pause = RETRY.0;
                        }
                        state
                    }
                    Err(panic) => RadioState::Off(format!("the host panicked: {}", text(&panic))),
                };
                tracing::warn!(?state, "the radio is not on");
                let why = "the radio is off";
                shared.set_state(state, why);
                let stopped = runtime.block_on(async { timeout(pause, shared.stopped()).await });
                if stopped.is_ok() {
                    return;
                }
                pause = (2 * pause).min(RETRY.1);
            }
        })
        .map(drop)
}

fn text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("without a word")
        .to_owned()
}

enum Ended {
    /// The node wants it so.
    Stopped,
    Failed {
        state: RadioState,
        had_run: bool,
    },
}

async fn run(config: &Config, shared: &Shared) -> Ended {
    let path = config.line.path().display();
    let (input, output) = match config.line.open().await {
        Ok(line) => line,
        Err(error) => {
            let text = format!("{path}: {error}");
            let state = match error.kind() {
                io::ErrorKind::PermissionDenied => RadioState::Forbidden(text),
                io::ErrorKind::NotFound => RadioState::Absent(text),
                _ => RadioState::Off(text),
            };
            return Ended::Failed {
                state,
                had_run: false,
            };
        }
    };
    let (h4, line) = H4::new(input, output);
    let mut resources = Box::new(HostResources::<Pool, CONNECTIONS, CHANNELS>::new());
    let mut values = Values::default();
    let database = Database::new(&mut values);
    let mut stack =
        trouble_host::new(Hci::new(h4), &mut resources).set_random_address(air::random_address());
    if let Some(psm) = config.psm {
        stack = stack.register_l2cap_spsm(psm);
    }
    let stack = stack.build();
    let mut had_run = false;
    let ended = tokio::select! {
        ended = serve(config, shared, &stack, &database, &mut had_run) => ended,
        error = line => Err(error.to_string()),
    };
    match ended {
        Ok(()) => Ended::Stopped,
        Err(why) => Ended::Failed {
            state: RadioState::Off(format!("{path}: {why}")),
            had_run,
        },
    }
}

/// Runs the host; ends well only when the node drops the radio.
async fn serve<'r>(
    config: &Config,
    shared: &Shared,
    stack: &Stack<'r>,
    database: &Database<'r>,
    had_run: &mut bool,
) -> Result<(), String> {
    let ears = Ears(shared);
    let mut runner = stack.runner();
    let mut host = std::pin::pin!(runner.run_with_handler(&ears));
    tokio::select! {
        ended = &mut host => return Err(gone(ended)),
        // Any command that the host itself gives no more: of two of a kind at once, bt-hci 0.10.1 never
        // wakes the second. That goes for all commands here.
        answer = timeout(ANSWERS_WITHIN, stack.command(LeReadFilterAcceptListSize::new())) => {
            answer
                .map_err(|_| "the controller does not answer".to_owned())?
                .map_err(|error| format!("{error:?}"))?;
        }
    }
    *had_run = true;
    shared.set_state(RadioState::On, "");

    let air = Air::new(config, shared, stack, database);
    let mut work = std::pin::pin!(air.run());
    let mut links: FuturesUnordered<Task<'_>> = FuturesUnordered::new();
    loop {
        tokio::select! {
            ended = &mut host => return Err(gone(ended)),
            error = &mut work => return Err(error),
            (peer, connection, role) = air.connected() => {
                use sovereign_protocol::link_kind::Role;
                links.push(match role {
                    Role::Dialer => Box::pin(dialer::run(&air, peer, connection)),
                    Role::Listener => Box::pin(listener::run(&air, peer, connection)),
                });
            }
            Some(()) = links.next(), if !links.is_empty() => air.link_ended(),
            () = shared.stopped() => break,
        }
    }
    let goodbye = async {
        while links.next().await.is_some() {}
        // Whatever still stands ends with this, and nothing is advertised any more.
        let _ = stack.command(Reset::new()).await;
    };
    tokio::select! {
        _ = &mut host => {}
        () = goodbye => {}
        () = sleep(GOODBYE) => {}
    }
    Ok(())
}

fn gone<E: std::fmt::Debug>(ended: Result<(), E>) -> String {
    match ended {
        Ok(()) => "the host ended".to_owned(),
        Err(error) => format!("{error:?}"),
    }
}

/// Takes in what the controller hears.
struct Ears<'s>(&'s Shared);

impl EventHandler for Ears<'_> {
    fn on_adv_reports(&self, reports: LeAdvReportsIter<'_>) {
        // What follows a malformed report cannot be read.
        for report in reports.map_while(Result::ok) {
            if report.data.len() <= MAX_HEARD && is_ours(report.data) {
                let from = Address::new(report.addr_kind, report.addr);
                let rssi = (report.rssi != NO_RSSI).then_some(report.rssi);
                self.0.sighted(from, report.data, rssi);
            }
        }
    }
}
