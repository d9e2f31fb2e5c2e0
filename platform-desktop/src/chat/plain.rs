//! Events on stdout, one line each, from a thread of its own: whoever reads slowly, or not at all,
//! misses events but never holds the node up.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    },
    time::Duration,
};

use sovereign_node::api::{Event, EventKind};
use tokio::sync::watch;

use crate::{failure::Outcome, output::Output, show};

/// Events that wait for stdout at most.
const BACKLOG: usize = 1024;
/// For the last lines at the end.
const LAST_LINES: Duration = Duration::from_millis(200);

/// The writing end.
pub(super) struct Writer {
    lines: SyncSender<Event>,
    missed: Arc<AtomicU64>,
    closed: watch::Receiver<bool>,
    done: Receiver<()>,
}

impl Writer {
    /// Starts the thread.
    pub(super) fn start(output: Output) -> Self {
        Self::start_with(move |event| output.either(event, |_| show::event(event)))
    }

    fn start_with(mut write: impl FnMut(&Event) -> Outcome + Send + 'static) -> Self {
        let (lines, events) = sync_channel::<Event>(BACKLOG);
        let (closing, closed) = watch::channel(false);
        let (finished, done) = sync_channel(1);
        let missed = Arc::new(AtomicU64::new(0));
        let lost = Arc::clone(&missed);
        std::thread::spawn(move || {
            for event in events {
                let count = lost.swap(0, Ordering::Relaxed);
                let gap = (count > 0).then(|| Event {
                    at: event.at.clone(),
                    kind: EventKind::Missed { count },
                });
                let written = gap.iter().chain([&event]).try_for_each(&mut write);
                if written.is_err() {
                    // Whoever read this has gone: nothing is left to be done for them.
                    let _ = closing.send(true);
                    break;
                }
            }
            let _ = finished.try_send(());
        });
        Self {
            lines,
            missed,
            closed,
            done,
        }
    }

    /// Hands an event over; never waits.
    pub(super) fn send(&self, event: Event) {
        if let Err(TrySendError::Full(_)) = self.lines.try_send(event) {
            self.missed.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Returns when stdout takes no more.
    pub(super) async fn closed(&self) {
        let mut closed = self.closed.clone();
        if closed.wait_for(|closed| *closed).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Waits, but not for long, until everything is written.
    pub(super) fn finish(self) {
        let Self { lines, done, .. } = self;
        drop(lines);
        let _ = done.recv_timeout(LAST_LINES);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::failure::Failure;

    fn event(number: u64) -> Event {
        Event {
            at: number.to_string(),
            kind: EventKind::Stopping,
        }
    }

    #[test]
    fn a_stuck_reader_misses_events_and_is_told() {
        let (release, gate) = sync_channel::<()>(0);
        let (stuck, is_stuck) = sync_channel::<()>(0);
        let seen = Arc::new(Mutex::new(Vec::new()));
        let copy = Arc::clone(&seen);
        let writer = Writer::start_with(move |event| {
            if event.at == "0" {
                stuck.send(()).unwrap();
                gate.recv().unwrap();
            }
            copy.lock().unwrap().push(event.kind.clone());
            Ok(())
        });
        writer.send(event(0));
        is_stuck.recv().unwrap();
        for number in 1..=BACKLOG as u64 + 100 {
            writer.send(event(number));
        }
        assert_eq!(writer.missed.load(Ordering::Relaxed), 100);
        release.send(()).unwrap();
        writer.finish();
        let seen = seen.lock().unwrap();
        assert_eq!(seen[1], EventKind::Missed { count: 100 });
        assert_eq!(seen.len(), 1 + 1 + BACKLOG);
    }

    #[tokio::test]
    async fn a_closed_pipe_is_noticed() {
        let writer = Writer::start_with(|_| Err(Failure::OutputClosed));
        writer.send(event(0));
        writer.closed().await;
    }
}
