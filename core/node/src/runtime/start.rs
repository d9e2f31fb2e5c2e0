//! Starts a node with the adapters of this platform.

use std::{net::SocketAddr, path::Path, sync::Arc};

use sovereign_protocol::{
    engine::{Engine, EngineConfig},
    identity::TransportKey,
    link::capability,
    policy::{dial, near},
    radio::{discovery::ResolvingKey, rotation::Rotation},
    shelf::{Limits, life::LifeClock},
};
use tokio::{
    sync::{broadcast, mpsc, watch},
    task::JoinHandle,
};
use zeroize::Zeroizing;

use super::{
    bodies::Bodies,
    driver::Driver,
    field::Field,
    home::{self, Home},
    keeper::Keeper,
    nets::{Net, Nets},
    randomness::Randomness,
};
use crate::{
    adapters::{
        mdns::{self, MdnsLan},
        p2p::{self, Carriers, Listen, P2pConfig, P2pNetwork},
        rng::OsRng,
        store::{DiskStore, Options},
    },
    air::Air,
    api::{ApiError, ErrorKind},
    config::NodeConfig,
    node::{COMMAND_QUEUE, EVENT_BACKLOG, Node},
    ports::{clock::Clock, lan::Lan, radio::Radio, rng::Rng, store::Store},
};

/// What a node stands on.
pub(crate) struct Ground<R, L> {
    pub(crate) store: Arc<dyn Store>,
    /// Why the store is read-only.
    pub(crate) damage: Option<String>,
    pub(crate) radio: Option<R>,
    /// Made when the node is about to run.
    pub(crate) lan: Option<Box<dyn FnOnce() -> Result<L, String> + Send>>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) listen: Listen,
    pub(crate) carriers: Carriers,
    pub(crate) limits: p2p::Limits,
    /// On the same store.
    pub(crate) keeper: Keeper,
}

/// Starts a node on this machine, on a radio if there is one for it.
pub(crate) async fn start<R: Radio>(
    config: NodeConfig,
    radio: Option<R>,
    clock: Arc<dyn Clock>,
) -> Result<Node, ApiError> {
    let listen = listen(&config.listen)?;
    let (store, damage) = open_store(&config.data).await?;
    let service = config.service_name.clone();
    let start_mdns = move || {
        MdnsLan::start(mdns::Config {
            service,
            ..mdns::Config::default()
        })
    };
    let keeper = Keeper::start(Arc::clone(&store)).map_err(|error| {
        ApiError::new(
            ErrorKind::Io,
            format!("no thread for the store: {error}"),
            "free some resources",
        )
    })?;
    let ground = Ground {
        store,
        damage,
        radio,
        lan: config.mdns.then(|| Box::new(start_mdns) as Box<_>),
        clock,
        listen,
        carriers: Carriers::Ip,
        limits: p2p::Limits::default(),
        keeper,
    };
    start_on(config, ground).map(|(node, _)| node)
}

/// Starts a node on this ground: its handle and its event loop.
pub(crate) fn start_on<R: Radio, L: Lan>(
    config: NodeConfig,
    ground: Ground<R, L>,
) -> Result<(Node, JoinHandle<()>), ApiError> {
    let Ground {
        store,
        damage,
        radio,
        lan,
        clock,
        listen,
        carriers,
        limits,
        keeper,
    } = ground;
    let rng: Arc<dyn Rng> = Arc::new(OsRng);
    let mut random = Randomness(&*rng);

    let home = Home::open(&*store, config.name.as_deref(), &mut random)?;
    let stored = home::stored(&*store)?;
    let now = clock.now();
    let boot_id = clock.boot_id().0;
    let life = LifeClock::resume(home::clock_record(&stored).as_ref(), now, boot_id)
        .map_err(|_| home::damaged())?
        .life();
    let (key, renewed) = home.transport(life, &mut random)?;

    let engine_config = EngineConfig {
        limits: Limits {
            total_bytes: config.store_cap_bytes,
            ..Limits::default()
        },
        dial: dial::Config {
            link_target: usize::from(config.lan_links),
            ..dial::Config::default()
        },
        near: near::Config {
            budget: usize::from(config.ble_links),
            profile: config.ble_profile,
        },
        gossip: config.gossip,
        capabilities: capability::CARRIES | if config.gossip { capability::GOSSIP } else { 0 },
        paced: true,
    };
    let engine = Engine::restore(
        engine_config,
        home.who()?,
        stored,
        boot_id,
        now,
        &mut random,
    )
    .map_err(|error| {
        ApiError::new(
            ErrorKind::ReadOnly,
            error.to_string(),
            "restore a backup into an empty directory",
        )
    })?;

    // Sources of different runs need not be comparable: rates start anew, and stored ones only group.
    let mut salt = [0; 16];
    rng.fill(&mut salt);
    let gossip = config.gossip;
    let slow_rng = Arc::clone(&rng);
    let make_net = move |key: &TransportKey| {
        let mut slow_seed = Zeroizing::new([0; 32]);
        slow_rng.fill(&mut *slow_seed);
        let config = P2pConfig {
            listen: listen.clone(),
            gossip,
            carriers: carriers.clone(),
            limits,
            ..P2pConfig::new(*key.seed, *slow_seed, salt)
        };
        P2pNetwork::start(&config).map_err(|error| error.to_string())
    };
    let field = radio
        .filter(|_| config.ble)
        .map(|radio| field(radio, salt, limits, &mut random));
    let network =
        make_net(&key).map_err(|why| ApiError::new(ErrorKind::Invalid, why, "check --listen"))?;
    let nets = Nets::new(Net::new(network, key.id()));
    let (lan, lan_state) = match lan.map(|start| start()) {
        Some(Ok(lan)) => (Some(lan), Ok(())),
        Some(Err(reason)) => (None, Err(reason)),
        None => (None, Ok(())),
    };

    let (requests_in, requests) = mpsc::channel(COMMAND_QUEUE);
    let (events, _) = broadcast::channel(EVENT_BACKLOG);
    let (stopped_in, stopped) = watch::channel(false);
    let mut driver = Driver {
        config,
        engine,
        clock,
        rng: Arc::clone(&rng),
        keeper,
        store,
        home,
        key,
        nets,
        make_net: Box::new(make_net),
        source_of: Box::new(move |address: SocketAddr| p2p::source_of_address(address, &salt)),
        lan,
        lan_state,
        interfaces: None,
        announced: None,
        announce_at: None,
        drain_until: None,
        field,
        requests,
        events: events.clone(),
        stopped: stopped_in,
        waiting: std::collections::BTreeMap::new(),
        queries: std::collections::BTreeMap::new(),
        next_query: 0,
        import: None,
        started: now.boot,
        read_only: damage,
        stopping: false,
        jobs: Vec::new(),
        answers: std::collections::VecDeque::new(),
        bodies: Bodies::new(),
    };
    if renewed && driver.read_only.is_none() {
        driver.home.adopt(&driver.key);
        driver.save_home();
    }
    let task = tokio::spawn(driver.run());
    let node = Node {
        requests: requests_in,
        events,
        stopped,
    };
    Ok((node, task))
}

fn field<R: Radio>(
    radio: R,
    salt: [u8; 16],
    limits: p2p::Limits,
    random: &mut Randomness<'_>,
) -> Field<P2pNetwork> {
    let (air, heard) = Air::start(radio);
    let of_epoch = air.clone();
    let make_net = move |key: &TransportKey| {
        let config = P2pConfig {
            listen: Listen::Radio,
            gossip: false,
            carriers: Carriers::Radio(of_epoch.clone()),
            limits,
            ..P2pConfig::new(*key.seed, *key.seed, salt)
        };
        P2pNetwork::start(&config).map_err(|error| error.to_string())
    };
    // Nobody has been given it yet, so it need not outlive the node.
    let rotation = Rotation::new(ResolvingKey::generate(random));
    Field::new(air, heard, Box::new(make_net), rotation)
}

fn listen(addresses: &[String]) -> Result<Listen, ApiError> {
    if addresses.is_empty() {
        return Ok(Listen::Everywhere);
    }
    let endpoints: Result<Vec<_>, _> = addresses
        .iter()
        .map(|address| p2p::parse_listen(address))
        .collect();
    endpoints.map(Listen::These).map_err(|error| {
        ApiError::new(
            ErrorKind::Invalid,
            error.to_string(),
            "see `sovereign --help`",
        )
    })
}

async fn open_store(data: &Path) -> Result<(Arc<dyn Store>, Option<String>), ApiError> {
    let data = data.to_owned();
    let opened = tokio::task::spawn_blocking(move || DiskStore::open(&data, Options::default()))
        .await
        .map_err(|_| {
            ApiError::new(
                ErrorKind::Internal,
                "opening the store failed",
                "please report this",
            )
        })?
        .map_err(home::store_error)?;
    if opened.torn > 0 {
        tracing::info!(
            bytes = opened.torn,
            "an interrupted write was cut off; none of it was acknowledged"
        );
    }
    if let Some(why) = &opened.damage {
        tracing::warn!(%why, "the store is damaged and open read-only");
    }
    Ok((Arc::new(opened.store), opened.damage))
}
