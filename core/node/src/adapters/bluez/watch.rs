//! Watches over Bluetooth: starts the work when it is there, ends it when it goes, and tries again.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bluer::{Adapter, AdapterEvent, AdapterProperty, Session, SessionEvent};
use btleplug::api::{Central as _, Manager as _};
use btleplug::platform::Manager;
use futures::StreamExt as _;
use futures::stream::SelectAll;
use tokio::sync::mpsc;
use tokio::time::{interval, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::dial::Controller;
use super::serve::Server;
use super::shared::Shared;
use super::{Config, advertise, dial, l2cap, scan, system};
use crate::ports::radio::{RadioAddress, RadioState};

/// How often Bluetooth is asked whether it is still there: of a service that was killed nobody tells.
const ASK: Duration = Duration::from_secs(5);
/// Longest wait for its answer.
const ANSWER: Duration = Duration::from_secs(10);
/// Pauses between attempts, from the first to the longest.
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(10));
/// The longest pause where there is no D-Bus: machines without it do not grow one, and each attempt wakes the
/// processor several times.
const RETRY_WITHOUT_BUS: Duration = Duration::from_secs(60);
/// Longest wait for links to end; a little more than one link waits for BlueZ.
const FAREWELL: Duration = Duration::from_secs(6);

/// Runs the radio until `stop`.
pub(super) async fn run(
    config: Config,
    shared: Arc<Shared>,
    mut dials: mpsc::Receiver<RadioAddress>,
    stop: CancellationToken,
) {
    let mut system = System {
        config,
        session: None,
        manager: None,
        bus: false,
    };
    let mut pause = RETRY.0;
    while !stop.is_cancelled() {
        let state = match system.controller().await {
            Ok(controller) => {
                pause = RETRY.0;
                work(&controller, &shared, &mut dials, &stop).await
            }
            Err(state) => state,
        };
        shared.tell(state);
        tokio::select! {
            () = sleep(pause) => {
                let longest = if system.bus { RETRY.1 } else { RETRY_WITHOUT_BUS };
                pause = (pause * 2).min(longest);
            }
            () = system.change() => {}
            () = stop.cancelled() => {}
        }
    }
}

/// The connections to D-Bus. btleplug never closes its own, so it is kept for as long as it works.
struct System {
    config: Config,
    session: Option<Session>,
    manager: Option<Manager>,
    /// D-Bus answered the last time.
    bus: bool,
}

impl System {
    /// The controller, ready for work.
    async fn controller(&mut self) -> Result<Controller, RadioState> {
        let session = match self.session.take() {
            Some(session) => session,
            None => {
                let connected = system::connect().await;
                self.bus = connected.is_ok();
                connected?
            }
        };
        let adapter = timeout(ANSWER, system::adapter(&session, &self.config)).await;
        let adapter = adapter.unwrap_or_else(|_| Err(silent()));
        if let Ok(_) | Err(RadioState::Absent(_)) = adapter {
            self.session = Some(session);
        }
        let adapter = adapter?;
        let central = match self.central(&adapter).await {
            Ok(central) => central,
            Err(_) => {
                self.manager = None;
                let said = self.central(&adapter).await;
                said.map_err(RadioState::Off)?
            }
        };
        let l2cap = self.config.l2cap;
        Ok(Controller {
            adapter,
            central,
            l2cap,
        })
    }

    /// The same controller as btleplug has it.
    async fn central(&mut self, adapter: &Adapter) -> Result<btleplug::platform::Adapter, String> {
        let manager = match self.manager.take() {
            Some(manager) => manager,
            None => connect().await?,
        };
        let said = timeout(ANSWER, manager.adapters()).await;
        let adapters = said.map_err(|_| String::from("BlueZ does not answer"))?;
        let adapters = adapters.map_err(|e| e.to_string())?;
        self.manager = Some(manager);
        let start = format!("{} ", adapter.name());
        for central in adapters {
            let info = central.adapter_info().await.map_err(|e| e.to_string())?;
            if info.starts_with(&start) {
                return Ok(central);
            }
        }
        Err(format!("{} is gone again", adapter.name()))
    }

    /// Waits until Bluetooth might be there; for ever if nobody can tell.
    async fn change(&self) {
        if let Some(session) = &self.session
            && let Ok(changes) = changes(session).await
            && pin!(changes).next().await.is_some()
        {
            return;
        }
        std::future::pending().await
    }
}

/// btleplug's connection; making it blocks.
async fn connect() -> Result<Manager, String> {
    let runtime = tokio::runtime::Handle::current();
    let made = tokio::task::spawn_blocking(move || runtime.block_on(Manager::new())).await;
    made.map_err(|e| e.to_string())?.map_err(|e| e.to_string())
}

/// An item for each adapter that is added or switched on.
async fn changes(
    session: &Session,
) -> bluer::Result<SelectAll<futures::stream::BoxStream<'static, ()>>> {
    let mut all = SelectAll::new();
    let added = session.events().await?;
    all.push(
        added
            .filter_map(|event| {
                std::future::ready(matches!(event, SessionEvent::AdapterAdded(_)).then_some(()))
            })
            .boxed(),
    );
    for name in session.adapter_names().await? {
        let events = session.adapter(&name)?.events().await?;
        all.push(
            events
                .filter_map(move |event| {
                    let is_on = matches!(
                        event,
                        AdapterEvent::PropertyChanged(AdapterProperty::Powered(true))
                    );
                    std::future::ready(is_on.then_some(()))
                })
                .boxed(),
        );
    }
    Ok(all)
}

/// Does everything until Bluetooth goes or `stop`; returns how it is then. All links are gone by then.
async fn work(
    controller: &Controller,
    shared: &Arc<Shared>,
    dials: &mut mpsc::Receiver<RadioAddress>,
    stop: &CancellationToken,
) -> RadioState {
    let adapter = &controller.adapter;
    let server = match Server::start(adapter.clone(), Arc::clone(shared)).await {
        Ok(server) => server,
        Err(error) => return system::state_of(&error),
    };
    shared.tell(RadioState::On);
    let end = CancellationToken::new();
    let mut all = pin!(async {
        tokio::join!(
            scan::run(&controller.central, shared, &end),
            advertise::run(adapter, shared, &end),
            dial::run(controller, shared, dials, &end),
            async {
                if controller.l2cap {
                    l2cap::listen(adapter, shared, &end).await;
                }
            },
            server.run(&end),
        )
    });
    let state = tokio::select! {
        _ = &mut all => silent(),
        state = gone(adapter) => state,
        () = stop.cancelled() => RadioState::Off(String::from("this node stops")),
    };
    end.cancel();
    shared.close_all();
    drop(timeout(FAREWELL, async { tokio::join!(all, shared.all_closed()) }).await);
    shared.forget_links();
    state
}

/// Waits until the controller is gone, switched off, or silent.
async fn gone(adapter: &Adapter) -> RadioState {
    let events = match adapter.events().await {
        Ok(events) => events,
        Err(error) => return system::state_of(&error),
    };
    let mut events = pin!(events);
    let mut ask = interval(ASK);
    loop {
        let ended = tokio::select! {
            event = events.next() => match event {
                Some(AdapterEvent::PropertyChanged(AdapterProperty::Powered(false))) => false,
                Some(_) => continue,
                None => true,
            },
            _ = ask.tick() => false,
        };
        match timeout(ANSWER, adapter.is_powered()).await {
            Ok(Ok(true)) if ended => return silent(),
            Ok(Ok(true)) => {}
            Ok(Ok(false)) => return system::off(),
            Ok(Err(error)) => return system::state_of(&error),
            Err(_) => return silent(),
        }
    }
}

fn silent() -> RadioState {
    RadioState::Off(String::from(
        "Bluetooth does not answer: `systemctl restart bluetooth` may help",
    ))
}
