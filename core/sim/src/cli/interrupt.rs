//! Ctrl-C ends a run early and lets it write what it has.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio::sync::Notify;

/// Whether it was pressed.
#[derive(Debug, Clone, Default)]
pub(super) struct Interrupt(Arc<Pressed>);

#[derive(Debug, Default)]
struct Pressed {
    flag: AtomicBool,
    rings: Notify,
}

impl Interrupt {
    /// Waits for it on a thread of its own, as the run's has a clock of its own. The second time ends the process.
    ///
    /// # Errors
    /// When the system gives no thread or signal.
    pub(super) fn watch() -> io::Result<Self> {
        let interrupt = Self::default();
        let pressed = Arc::clone(&interrupt.0);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        std::thread::Builder::new()
            .name("interrupt".to_owned())
            .spawn(move || {
                runtime.block_on(async {
                    while tokio::signal::ctrl_c().await.is_ok() {
                        if pressed.flag.swap(true, Ordering::Relaxed) {
                            std::process::exit(130);
                        }
                        pressed.rings.notify_one();
                    }
                });
            })?;
        Ok(interrupt)
    }

    pub(super) fn came(&self) -> bool {
        self.0.flag.load(Ordering::Relaxed)
    }

    /// As if it had not been pressed.
    pub(super) fn forget(&self) {
        self.0.flag.store(false, Ordering::Relaxed);
    }

    /// Waits until it is pressed, or was since it was forgotten.
    pub(super) async fn pressed(&self) {
        while !self.came() {
            self.0.rings.notified().await;
        }
    }
}
