//! The listening socket, and what all its connections share.

use std::{
    convert::Infallible,
    io,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde::Serialize;
use sovereign_node::ports::rng::Rng;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, watch},
    task::JoinSet,
    time::{Instant, timeout},
};
use tracing::{debug, warn};

use crate::{
    Codes, Counters, Limits, Source,
    address::{self, AddressError},
    guard::Guard,
    http,
    limits::MAX_HEAD,
    play::Playable,
    rate::Rate,
    sessions::Sessions,
    shown::{Live, Recorded, Shown},
};

/// A value of the effective configuration, to be shown; never a secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Setting {
    /// Its dotted name.
    pub key: String,
    /// Its value, in words.
    pub value: String,
    /// Where it came from: `default`, `file`, `env` or `flag`.
    pub from: String,
    /// What it does.
    pub doc: String,
}

/// How a dashboard is started.
#[derive(Clone)]
pub struct Options {
    /// Where: a loopback address; port 0 for any free one.
    pub address: SocketAddr,
    /// What is shown on the settings page.
    pub settings: Vec<Setting>,
    /// For codes and tokens.
    pub rng: Arc<dyn Rng>,
    /// Bounds.
    pub limits: Limits,
}

impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

/// Why there is no dashboard.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Others could reach it.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// The system refused.
    #[error("cannot listen on {0}: {1}")]
    Io(SocketAddr, io::Error),
}

/// A dashboard that listens and does not answer yet.
#[derive(Debug)]
pub struct BoundDashboard {
    listener: TcpListener,
    address: SocketAddr,
    options: Options,
    codes: Codes,
    counters: Counters,
}

/// Binds the socket; needs a tokio runtime.
///
/// # Errors
/// [`BindError`] for an address that others could reach, or that is taken.
pub async fn bind(options: Options) -> Result<BoundDashboard, BindError> {
    let wanted = address::check(options.address)?;
    let listener = TcpListener::bind(wanted)
        .await
        .map_err(|error| BindError::Io(wanted, error))?;
    let address = listener
        .local_addr()
        .map_err(|error| BindError::Io(wanted, error))?;
    Ok(BoundDashboard {
        listener,
        address,
        codes: Codes::new(Arc::clone(&options.rng)),
        counters: Counters::default(),
        options,
    })
}

/// What all connections share.
pub(crate) struct Shared<S> {
    pub(crate) source: S,
    pub(crate) guard: Guard,
    pub(crate) sessions: Sessions,
    pub(crate) codes: Codes,
    pub(crate) counters: Counters,
    pub(crate) limits: Limits,
    pub(crate) settings: Vec<Setting>,
    pub(crate) rng: Arc<dyn Rng>,
    pub(crate) requests: Mutex<Rate>,
    pub(crate) attempts: Mutex<Rate>,
    pub(crate) live: Arc<Semaphore>,
    pub(crate) ended: watch::Receiver<bool>,
}

impl BoundDashboard {
    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What to open in a browser. It holds no secret.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// The code to show on the terminal.
    #[must_use]
    pub fn codes(&self) -> Codes {
        self.codes.clone()
    }

    /// What it did.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.counters.clone()
    }

    /// Serves a node until `stop` is done; pages are told.
    pub async fn serve<S: Source>(self, source: S, stop: impl Future<Output = ()>) {
        self.show(Live(source), stop).await;
    }

    /// Serves a recording until `stop` is done; pages are told.
    pub async fn play<P: Playable>(self, recording: P, stop: impl Future<Output = ()>) {
        self.show(Recorded(recording), stop).await;
    }

    async fn show<S: Shown>(self, source: S, stop: impl Future<Output = ()>) {
        let Self {
            listener,
            address,
            options,
            codes,
            counters,
        } = self;
        let limits = options.limits;
        let now = Instant::now();
        let (ending, ended) = watch::channel(false);
        let shared = Arc::new(Shared {
            source,
            guard: Guard::new(address),
            sessions: Sessions::new(address.port(), limits),
            codes,
            counters,
            settings: options.settings,
            rng: options.rng,
            requests: Mutex::new(Rate::new(
                limits.request_burst,
                Duration::from_secs(1) / limits.request_rate.max(1),
                now,
            )),
            attempts: Mutex::new(Rate::new(limits.code_burst, limits.code_gap, now)),
            live: Arc::new(Semaphore::new(limits.live)),
            limits,
            ended,
        });
        let slots = Arc::new(Semaphore::new(limits.connections));
        let mut connections = JoinSet::new();
        tokio::pin!(stop);
        loop {
            tokio::select! {
                () = &mut stop => break,
                Some(_) = connections.join_next(), if !connections.is_empty() => {}
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) => {
                        let Ok(slot) = Arc::clone(&slots).try_acquire_owned() else {
                            debug!("a dashboard connection is refused: there are too many");
                            continue;
                        };
                        let shared = Arc::clone(&shared);
                        connections.spawn(async move {
                            connection(stream, shared).await;
                            drop(slot);
                        });
                    }
                    Err(error) => {
                        // Out of file descriptors, most likely: let others give some back.
                        warn!(%error, "the dashboard does not accept");
                        tokio::time::sleep(Duration::from_millis(100)).await;
                    }
                },
            }
        }
        let _ = ending.send(true);
        connections.abort_all();
        // Live pages hold a slot each: with all of them back, everybody was told.
        let told = shared
            .live
            .acquire_many(u32::try_from(limits.live).unwrap_or(u32::MAX));
        let _ = timeout(LAST_WORDS, told).await;
    }
}

/// For live pages to be told that the node has ended.
const LAST_WORDS: Duration = Duration::from_millis(200);

async fn connection<S: Shown>(stream: TcpStream, shared: Arc<Shared<S>>) {
    let limits = shared.limits;
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| {
        let shared = Arc::clone(&shared);
        async move { Ok::<_, Infallible>(http::answer(request, &shared).await) }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head)
        .max_buf_size(MAX_HEAD)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    // A page that became live has left this connection by then.
    match timeout(limits.connection, served).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => debug!(%error, "a dashboard connection broke"),
        Err(_) => debug!("a dashboard connection took too long"),
    }
}
