//! The world behind the port: radios of whole nodes, on tokio's clock.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng as _};
use sovereign_node::ports::radio::{Radio, RadioCommand, RadioError, RadioEvent};
use tokio::{sync::Notify, time::Instant};

use super::{
    physics::Hardware,
    scene::Position,
    usage::Usage,
    world::{RadioId, World, WorldEvent},
};

/// One world inside this process. Clones are the same world. On a paused clock and one thread a run
/// depends on nothing but its seed; tokio's timers are as coarse as 1 ms.
#[derive(Debug, Clone)]
pub struct Air(Arc<Shared>);

impl Air {
    /// Lets a world run from now on, with randomness from this seed.
    ///
    /// # Panics
    /// Outside of a tokio runtime with time.
    #[must_use]
    pub fn new(world: World, seed: u64) -> Self {
        let changed = Arc::new(Notify::new());
        let shared = Arc::new(Shared {
            state: Mutex::new(State {
                world,
                rng: ChaCha8Rng::seed_from_u64(seed),
                wakers: BTreeMap::new(),
            }),
            start: Instant::now(),
            changed: Arc::clone(&changed),
        });
        tokio::spawn(drive(Arc::downgrade(&shared), changed));
        Self(shared)
    }

    /// Puts a radio into the world.
    #[must_use]
    pub fn join(&self, at: Position, hardware: Hardware) -> VirtualRadio {
        let wake = Arc::new(Notify::new());
        let id = self.0.with(|state, now| {
            state.world.advance(now, &mut state.rng);
            let id = state.world.join(at, hardware, &mut state.rng);
            state.wakers.insert(id, Arc::clone(&wake));
            id
        });
        VirtualRadio {
            air: self.clone(),
            id,
            wake,
        }
    }

    /// Something happens in the world now.
    pub fn handle(&self, event: WorldEvent) {
        self.0
            .with(|state, now| state.world.handle(event, now, &mut state.rng));
    }

    /// What a radio did so far; `None` when it is not there any more.
    #[must_use]
    pub fn usage(&self, radio: RadioId) -> Option<Usage> {
        self.0.with(|state, now| state.world.usage(radio, now))
    }

    /// Looks at the world.
    pub fn look<T>(&self, at: impl FnOnce(&World) -> T) -> T {
        at(&self.0.lock().world)
    }
}

/// One radio of an [`Air`]. Dropping it ends its links with a goodbye.
#[derive(Debug)]
pub struct VirtualRadio {
    air: Air,
    id: RadioId,
    wake: Arc<Notify>,
}

impl VirtualRadio {
    /// Which of the world's radios it is.
    #[must_use]
    pub fn id(&self) -> RadioId {
        self.id
    }
}

impl Radio for VirtualRadio {
    fn submit(&mut self, command: RadioCommand) -> Result<(), RadioError> {
        self.air
            .0
            .with(|state, now| state.world.submit(self.id, command, now, &mut state.rng))
    }

    async fn next(&mut self) -> RadioEvent {
        loop {
            let event = self.air.0.lock().world.take(self.id);
            if let Some(event) = event {
                return event;
            }
            self.wake.notified().await;
        }
    }
}

impl Drop for VirtualRadio {
    fn drop(&mut self) {
        self.air.0.with(|state, now| {
            let leaves = WorldEvent::Leave(self.id);
            state.world.handle(leaves, now, &mut state.rng);
            state.wakers.remove(&self.id);
        });
    }
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    start: Instant,
    /// Something was put in: what is planned next may have changed.
    changed: Arc<Notify>,
}

#[derive(Debug)]
struct State {
    world: World,
    rng: ChaCha8Rng,
    wakers: BTreeMap<RadioId, Arc<Notify>>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // A model that panicked half-way is not asked to be right; whoever reads on only drains it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with<T>(&self, change: impl FnOnce(&mut State, Duration) -> T) -> T {
        let mut state = self.lock();
        let value = change(&mut state, self.start.elapsed());
        state.wake();
        self.changed.notify_one();
        value
    }

    /// Lets time pass in the world; returns when it has something to do again.
    fn turn(&self) -> Option<Instant> {
        let mut state = self.lock();
        let State { world, rng, .. } = &mut *state;
        world.advance(self.start.elapsed(), rng);
        state.wake();
        state.world.poll_timeout().map(|at| self.start + at)
    }
}

impl State {
    fn wake(&mut self) {
        while let Some(radio) = self.world.poll_ready() {
            if let Some(wake) = self.wakers.get(&radio) {
                wake.notify_one();
            }
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.changed.notify_one();
    }
}

/// Runs a world until nobody has it any more.
async fn drive(shared: Weak<Shared>, changed: Arc<Notify>) {
    loop {
        let Some(next) = shared.upgrade().map(|shared| shared.turn()) else {
            return;
        };
        match next {
            Some(at) => {
                tokio::select! {
                    biased;
                    () = tokio::time::sleep_until(at) => {}
                    () = changed.notified() => {}
                }
            }
            None => changed.notified().await,
        }
    }
}
