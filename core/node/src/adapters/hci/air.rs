//! What one antenna does in turn: advertise, scan, dial, and change its address.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::time::Duration;

use bt_hci::cmd::le::{LeSetAdvData, LeSetRandomAddr, LeSetScanResponseData};
use bt_hci::param::BdAddr;
use sovereign_protocol::link_kind::Role;
use tokio::sync::{Notify, watch};
use tokio::time::{sleep, timeout};
use trouble_host::Address;
use trouble_host::advertise::{Advertisement, AdvertisementParameters};
use trouble_host::central::Central;
use trouble_host::connection::{ConnectConfig, RequestedConnParams, ScanConfig};
use trouble_host::prelude::Connection;
use trouble_host::scan::Scanner;

use super::gatt::Database;
use super::heard::to_port;
use super::pool::Pool;
use super::session::{Hci, Stack};
use super::shared::{Plan, Shared};
use super::{Config, MAX_LINKS};
use crate::ports::radio::{Advertising, RadioAddress, ScanDuty};

/// How long an address is tried: sixteen advertisements of who is looking for peers. Nothing is scanned
/// for meanwhile.
const DIAL_WITHIN: Duration = Duration::from_secs(4);
/// Pause after a command that the controller refused.
const PAUSE: Duration = Duration::from_millis(100);
/// Attempts at a new address while the controller ends what it was doing.
const ADDRESS_ATTEMPTS: u32 = 50;
/// Bounds of intervals (Bluetooth Core 5.4, vol. 4, part E, 7.8.5 and 7.8.10).
const ADVERTISING: (Duration, Duration) =
    (Duration::from_millis(20), Duration::from_millis(10_240));
const SCANNING: (Duration, Duration) =
    (Duration::from_micros(2_500), Duration::from_millis(10_240));

/// A connection that is not yet a link.
pub(super) type Connected<'s> = (RadioAddress, Connection<'s, Pool>, Role);

/// The host with everything that its tasks need.
pub(super) struct Air<'s, 'r> {
    pub(super) config: &'s Config,
    pub(super) shared: &'s Shared,
    pub(super) stack: &'s Stack<'r>,
    pub(super) database: &'s Database<'r>,
    connected: RefCell<VecDeque<Connected<'s>>>,
    arrival: Notify,
    /// Connections that have a task, or are about to.
    taken: watch::Sender<usize>,
}

impl<'s, 'r> Air<'s, 'r> {
    pub(super) fn new(
        config: &'s Config,
        shared: &'s Shared,
        stack: &'s Stack<'r>,
        database: &'s Database<'r>,
    ) -> Self {
        Self {
            config,
            shared,
            stack,
            database,
            connected: RefCell::default(),
            arrival: Notify::new(),
            taken: watch::Sender::new(0),
        }
    }

    /// The next connection; safe to cancel.
    pub(super) async fn connected(&self) -> Connected<'s> {
        loop {
            let next = self.connected.borrow_mut().pop_front();
            match next {
                Some(next) => return next,
                None => self.arrival.notified().await,
            }
        }
    }

    pub(super) fn link_ended(&self) {
        self.taken.send_modify(|taken| *taken -= 1);
    }

    fn take(&self, connection: Connection<'s, Pool>, role: Role) {
        let peer = to_port(connection.peer_address());
        self.taken.send_modify(|taken| *taken += 1);
        self.connected
            .borrow_mut()
            .push_back((peer, connection, role));
        self.arrival.notify_one();
    }

    /// Follows the plan; returns what went wrong.
    pub(super) async fn run(&self) -> String {
        let mut plan = self.shared.watch();
        let mut address = plan.borrow().address;
        loop {
            let next_epoch = async {
                // The sender lives as long as this does.
                let _ = plan.wait_for(|plan| plan.address != address).await;
            };
            tokio::select! {
                () = next_epoch => {}
                () = self.advertise() => {}
                () = self.scan_and_dial() => {}
            }
            // All of the above is dropped, and so ends.
            address = plan.borrow().address;
            if let Some(address) = address
                && let Err(error) = self.change_address(address).await
            {
                return error;
            }
        }
    }

    /// The address is changed with the epoch (LOC-3). A controller does so only while it is idle.
    async fn change_address(&self, mut address: [u8; 6]) -> Result<(), String> {
        address.reverse();
        let address = BdAddr::new(address);
        for _ in 0..ADDRESS_ATTEMPTS {
            // The host ends what was dropped in its own time and does not say when. The old id must not
            // be sent once more under the new address.
            sleep(PAUSE).await;
            if self
                .stack
                .command(LeSetRandomAddr::new(address))
                .await
                .is_ok()
            {
                return Ok(());
            }
        }
        // Going on would show the new id under the old address.
        Err("the controller keeps its address".to_owned())
    }

    async fn advertise(&self) {
        let mut plan = self.shared.watch();
        let mut taken = self.taken.subscribe();
        loop {
            let full = *taken.borrow_and_update() >= MAX_LINKS;
            let advertising = plan.borrow_and_update().advertising.clone();
            let Some(advertising) = advertising else {
                let _ = plan.changed().await;
                continue;
            };
            let changed = plan.wait_for(|plan| plan.advertising.as_ref() != Some(&advertising));
            tokio::select! {
                _ = changed => {}
                _ = taken.wait_for(|taken| (*taken >= MAX_LINKS) != full) => {}
                () = self.advertise_once(&advertising, full) => {}
            }
        }
    }

    /// Until somebody connects.
    async fn advertise_once(&self, advertising: &Advertising, full: bool) {
        self.database.set_hello(&advertising.hello);
        let (adv_data, scan_data) = (&advertising.data[..], &advertising.scan_response[..]);
        let interval = micros(advertising.interval, ADVERTISING);
        let parameters = AdvertisementParameters {
            interval_min: interval,
            interval_max: interval,
            ..AdvertisementParameters::default()
        };
        let data = if advertising.connectable && !full {
            Advertisement::ConnectableScannableUndirected {
                adv_data,
                scan_data,
            }
        } else {
            Advertisement::NonconnectableScannableUndirected {
                adv_data,
                scan_data,
            }
        };
        // The host leaves in place what is replaced by nothing.
        if adv_data.is_empty() {
            let _ = self.stack.command(LeSetAdvData::new(0, [0; 31])).await;
        }
        if scan_data.is_empty() {
            let _ = self
                .stack
                .command(LeSetScanResponseData::new(0, [0; 31]))
                .await;
        }
        let accepted = match self.stack.peripheral().advertise(&parameters, data).await {
            Ok(advertiser) => advertiser
                .accept()
                .await
                .map_err(|error| format!("{error:?}")),
            Err(error) => Err(format!("{error:?}")),
        };
        match accepted {
            Ok(connection) => self.take(connection, Role::Listener),
            Err(error) => {
                tracing::debug!(%error, "advertising failed");
                sleep(PAUSE).await;
            }
        }
    }

    async fn scan_and_dial(&self) {
        let mut plan = self.shared.watch();
        let mut central = self.stack.central();
        loop {
            let scan = plan.borrow_and_update().scan;
            tokio::select! {
                _ = plan.wait_for(|plan: &Plan| plan.scan != scan) => {}
                peer = self.shared.next_dial() => self.dial(peer).await,
                () = self.scan(&mut central, scan) => {}
            }
        }
    }

    /// Until dropped.
    async fn scan(&self, central: &mut Central<'s, Hci, Pool>, duty: Option<ScanDuty>) {
        let Some(duty) = duty else {
            return std::future::pending().await;
        };
        let interval = micros(duty.interval, SCANNING);
        let config = ScanConfig {
            active: true,
            interval,
            window: micros(duty.window, SCANNING).min(interval),
            ..ScanConfig::default()
        };
        match Scanner::new(central).scan(&config).await {
            Ok(_session) => std::future::pending().await,
            Err(error) => {
                tracing::debug!(?error, "scanning failed");
                sleep(PAUSE).await;
            }
        }
    }

    async fn dial(&self, address: Address) {
        let peer = to_port(address);
        let failed = Failed {
            shared: self.shared,
            peer: Some(peer),
        };
        if self.shared.has_dialled(peer) {
            return failed.because("there is a link already");
        }
        if *self.taken.borrow() >= MAX_LINKS {
            return failed.because("there are as many links as can be");
        }
        let addresses = [address];
        let every = embassy_time::Duration::from_millis(15);
        let config = ConnectConfig {
            scan_config: ScanConfig {
                filter_accept_list: &addresses,
                interval: embassy_time::Duration::from_millis(60),
                window: embassy_time::Duration::from_millis(60),
                ..ScanConfig::default()
            },
            connect_params: RequestedConnParams {
                min_connection_interval: every,
                max_connection_interval: 2 * every,
                supervision_timeout: embassy_time::Duration::from_secs(4),
                ..RequestedConnParams::default()
            },
        };
        match timeout(DIAL_WITHIN, self.stack.central().connect(&config)).await {
            Ok(Ok(connection)) => {
                failed.defuse();
                self.take(connection, Role::Dialer);
            }
            Ok(Err(error)) => failed.because(&format!("{error:?}")),
            Err(_) => failed.because("no answer"),
        }
    }
}

/// Answers for a dial, also for one that is dropped because the epoch has ended.
struct Failed<'s> {
    shared: &'s Shared,
    peer: Option<RadioAddress>,
}

impl Failed<'_> {
    fn because(mut self, why: &str) {
        if let Some(peer) = self.peer.take() {
            self.shared.connect_failed(peer, why.to_owned());
        }
    }

    fn defuse(mut self) {
        self.peer = None;
    }
}

impl Drop for Failed<'_> {
    fn drop(&mut self) {
        if let Some(peer) = self.peer.take() {
            let why = "the radio changed its address".to_owned();
            self.shared.connect_failed(peer, why);
        }
    }
}

/// One to begin with, before the node gives any, in the form of a resolvable private address as all others
/// are (docs/protocol.md, section 11.5).
pub(super) fn random_address() -> Address {
    let mut bytes = [0; 6];
    getrandom::fill(&mut bytes).expect("the operating system gives random bytes");
    // The first byte of its text is the last on the air.
    bytes[5] = bytes[5] & 0x3f | 0x40;
    Address::new(bt_hci::param::AddrKind::RANDOM, BdAddr::new(bytes))
}

fn micros(duration: Duration, (least, most): (Duration, Duration)) -> embassy_time::Duration {
    let micros = duration.clamp(least, most).as_micros();
    embassy_time::Duration::from_micros(u64::try_from(micros).expect("ten seconds at most"))
}
