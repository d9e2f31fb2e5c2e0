//! Lines above the prompt, from a thread of its own: printing never holds the node up.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
    mpsc::{SyncSender, TrySendError, sync_channel},
};

/// Texts that wait for the terminal at most.
const BACKLOG: usize = 1024;

/// Prints above the prompt; cheap to clone.
#[derive(Clone)]
pub(super) struct Printer {
    queue: SyncSender<String>,
    missed: Arc<AtomicU64>,
}

impl Printer {
    /// Starts the thread. `write` may block; it gets whole lines.
    pub(super) fn start(mut write: impl FnMut(String) + Send + 'static) -> Self {
        let (queue, texts) = sync_channel::<String>(BACKLOG);
        let missed = Arc::new(AtomicU64::new(0));
        let lost = Arc::clone(&missed);
        std::thread::spawn(move || {
            for text in texts {
                write(text);
                let count = lost.swap(0, Ordering::Relaxed);
                if count > 0 {
                    write(format!("({count} lines were not shown)\n"));
                }
            }
        });
        Self { queue, missed }
    }

    /// Prints; a line break is added where none is. Never waits.
    pub(super) fn print(&self, text: &str) {
        let mut text = text.to_owned();
        if !text.ends_with('\n') {
            text.push('\n');
        }
        if let Err(TrySendError::Full(_)) = self.queue.try_send(text) {
            self.missed.fetch_add(1, Ordering::Relaxed);
        }
    }
}
