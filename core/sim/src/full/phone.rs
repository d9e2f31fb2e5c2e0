//! A phone: hardware that stays, and a node that comes and goes on it.

use std::{net::SocketAddr, sync::Arc};

use sovereign_node::{
    EventStream, Node,
    api::{ApiError, Command, Reply},
    config::{NodeConfig, Profile},
    simulation::Surroundings,
};
use tokio::task::AbortHandle;

use super::{
    clock::PhoneClock,
    watched::{Held, Watched},
};
use crate::{
    lan::{HostId, Net},
    radio::{Air, Hardware, Position, RadioId, VirtualRadio, WorldEvent},
    world::FLUSH,
};

/// Where every phone's node listens on its address.
const PORT: u16 = 4_001;

/// How a phone is made.
#[derive(Debug, Clone)]
pub struct Model {
    /// The name of its person.
    pub name: String,
    /// Its radio, unless it has none.
    pub radio: Option<(Position, Hardware)>,
    /// How it uses it.
    pub profile: Profile,
    /// How far its wall clock is from the world's, in milliseconds.
    pub clock_off_ms: i64,
}

/// See the module.
pub struct Phone {
    model: Model,
    number: u32,
    air: Air,
    net: Net,
    host: HostId,
    store: Arc<Watched>,
    running: Option<Running>,
    /// A node that was told to stop and may not have.
    stopping: Option<AbortHandle>,
    boots: u32,
}

struct Running {
    node: Node,
    task: AbortHandle,
    radio: Option<RadioId>,
}

impl Phone {
    /// A new phone, switched off.
    #[must_use]
    pub fn new(model: Model, number: u32, air: &Air, net: &Net) -> Self {
        Self {
            model,
            number,
            air: air.clone(),
            net: net.clone(),
            host: net.join(),
            store: Arc::default(),
            running: None,
            stopping: None,
            boots: 0,
        }
    }

    /// Its place in the virtual networks.
    #[must_use]
    pub fn host(&self) -> HostId {
        self.host
    }

    /// Its radio, while it is on.
    #[must_use]
    pub fn radio(&self) -> Option<RadioId> {
        self.running.as_ref().and_then(|running| running.radio)
    }

    /// Switches it on; what it stored is there.
    ///
    /// # Errors
    /// What the node says.
    pub fn start(&mut self, wall_ms: u64) -> Result<EventStream, ApiError> {
        self.die();
        if let Some(stopping) = self.stopping.take() {
            stopping.abort();
        }
        self.boots += 1;
        let mut boot = [0; 16];
        boot[..4].copy_from_slice(&self.number.to_le_bytes());
        boot[4..8].copy_from_slice(&self.boots.to_le_bytes());
        let radio = self
            .model
            .radio
            .as_ref()
            .map(|(at, hardware)| self.air.join(*at, *hardware));
        let id = radio.as_ref().map(VirtualRadio::id);
        let config = NodeConfig {
            name: Some(self.model.name.clone()),
            ble_profile: self.model.profile,
            ..NodeConfig::new(std::path::PathBuf::new())
        };
        let address = SocketAddr::new(self.host.address(), PORT);
        let surroundings = Surroundings {
            radio,
            lan: Some(self.net.lan(self.host)),
            wires: Some((Arc::new(self.net.wires(self.host)), vec![address])),
            clock: PhoneClock::boot(boot, wall_ms.saturating_add_signed(self.model.clock_off_ms)),
            store: Arc::clone(&self.store) as _,
            flush: FLUSH,
        };
        let (node, task) = Node::start_in(config, surroundings)?;
        let events = node.subscribe();
        self.running = Some(Running {
            node,
            task,
            radio: id,
        });
        Ok(events)
    }

    /// The node, while it is on.
    #[must_use]
    pub fn node(&self) -> Option<&Node> {
        self.running.as_ref().map(|running| &running.node)
    }

    /// Asks the node; `None` when it is off.
    pub async fn call(&self, command: Command) -> Option<Result<Reply, ApiError>> {
        Some(self.node()?.call(command).await)
    }

    /// Tells what its store makes durable, from now on.
    pub fn watch(&self, told: impl FnMut(Held) + Send + 'static) {
        self.store.tell(told);
    }

    /// Where it is when it is switched on the next time.
    pub fn go_to(&mut self, to: Position) {
        if let Some((at, _)) = &mut self.model.radio {
            *at = to;
        }
    }

    /// Switches it off in good order; that takes a moment.
    pub fn sleep(&mut self) {
        if let Some(running) = self.running.take() {
            tokio::spawn(async move { running.node.shutdown().await });
            self.stopping = Some(running.task);
        }
    }

    /// The app crashes: what was not flushed is lost, and the system ends its links.
    pub fn crash(&mut self) {
        if let Some(running) = self.running.take() {
            if let Some(radio) = running.radio {
                self.air.handle(WorldEvent::Leave(radio));
            }
            running.task.abort();
        }
    }

    /// The battery is empty: what was not flushed is lost, and nobody is told.
    pub fn die(&mut self) {
        if let Some(running) = self.running.take() {
            if let Some(radio) = running.radio {
                self.air.handle(WorldEvent::Die(radio));
            }
            self.net.die(self.host);
            running.task.abort();
        }
    }
}
