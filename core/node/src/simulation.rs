//! A node in a simulated world: the shipped one, on ports that the world gives it and on the clock of the
//! runtime it is started on (decision 16, ADR 0025).

use std::{net::SocketAddr, sync::Arc, time::Duration};

use tokio::task::AbortHandle;

use crate::{
    Node,
    adapters::p2p::{Carriers, Limits, Listen},
    api::ApiError,
    config::NodeConfig,
    ports::{clock::Clock, lan::Lan, network::Endpoint, radio::Radio, store::Store, wires::Wires},
    runtime::{Ground, Keeper, start_on},
};

/// What a node has in place of a machine.
pub struct Surroundings<R, L> {
    /// Its radio, if it has one.
    pub radio: Option<R>,
    /// Its local network, if it has one.
    pub lan: Option<L>,
    /// What its connections over IP run over, and where it listens there.
    pub wires: Option<(Arc<dyn Wires>, Vec<SocketAddr>)>,
    /// Its clocks. They have to go with the runtime's.
    pub clock: Arc<dyn Clock>,
    /// What it has stored. It is not opened by another node meanwhile.
    pub store: Arc<dyn Store>,
    /// How long making a write durable takes.
    pub flush: Duration,
}

impl Node {
    /// Starts a node in a simulated world, on the current runtime. Of the configuration, what names the machine's
    /// directories, addresses and adapters is not read. Aborting the task is a crash: what was not flushed is lost.
    ///
    /// # Errors
    /// As [`Node::start`].
    ///
    /// # Panics
    /// Outside of a tokio runtime with time.
    pub fn start_in<R: Radio, L: Lan>(
        config: NodeConfig,
        surroundings: Surroundings<R, L>,
    ) -> Result<(Self, AbortHandle), ApiError> {
        let Surroundings {
            radio,
            lan,
            wires,
            clock,
            store,
            flush,
        } = surroundings;
        let (carriers, listen) = match wires {
            Some((wires, at)) => (
                Carriers::Wires(wires),
                at.into_iter().map(Endpoint::Tcp).collect(),
            ),
            None => (Carriers::Ip, Vec::new()),
        };
        let ground = Ground {
            keeper: Keeper::start_task(Arc::clone(&store), flush),
            store,
            damage: None,
            radio,
            lan: lan.map(|lan| Box::new(move || Ok(lan)) as Box<_>),
            clock,
            listen: Listen::These(listen),
            carriers,
            // The process is the world's, not this node's.
            limits: Limits {
                resident_bytes: usize::MAX,
                ..Limits::default()
            },
        };
        let (node, task) = start_on(config, ground)?;
        Ok((node, task.abort_handle()))
    }
}
