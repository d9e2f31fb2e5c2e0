//! Stands in for the crate `futures-timer`, on which libp2p waits (decision 16, ADR 0025): a timer of tokio
//! instead of one of a helper thread that nobody can pause.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::{Instant, Sleep, sleep_until};

/// What cannot be represented is as good as never.
const NEVER: Duration = Duration::from_secs(30 * 365 * 86_400);

/// Is done when the time has passed. It may be made anywhere, and polled in a tokio runtime with timers only.
pub struct Delay {
    at: Instant,
    /// Made at the first poll: only there a runtime is certain.
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Delay {
    /// Is done after `duration`.
    #[must_use]
    pub fn new(duration: Duration) -> Self {
        Self {
            at: after(duration),
            sleep: None,
        }
    }

    /// Begins anew: is done after `duration` from now.
    pub fn reset(&mut self, duration: Duration) {
        self.at = after(duration);
        if let Some(sleep) = &mut self.sleep {
            sleep.as_mut().reset(self.at);
        }
    }
}

impl Future for Delay {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let at = self.at;
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep_until(at)));
        let done = sleep.as_mut().poll(cx);
        if done.is_ready() {
            // As the original: one that was done and is reset wakes nobody before it is polled again. gossipsub's
            // heartbeat rests on that, and with it an idle phone.
            self.sleep = None;
        }
        done
    }
}

impl fmt::Debug for Delay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delay").field("at", &self.at).finish()
    }
}

fn after(duration: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(duration).unwrap_or(now + NEVER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_paused_clock_moves_it() {
        let start = Instant::now();
        let mut delay = Delay::new(Duration::from_secs(3_600));
        (&mut delay).await;
        assert_eq!(start.elapsed(), Duration::from_secs(3_600));
        delay.reset(Duration::from_secs(60));
        (&mut delay).await;
        assert_eq!(start.elapsed(), Duration::from_secs(3_660));
    }

    #[tokio::test(start_paused = true)]
    async fn one_reset_while_it_waits_wakes_at_the_new_time() {
        let start = Instant::now();
        let mut delay = Delay::new(Duration::from_secs(60));
        assert!(polled_once(&mut delay).await.is_none());
        delay.reset(Duration::from_secs(10));
        delay.await;
        assert_eq!(start.elapsed(), Duration::from_secs(10));
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_was_done_wakes_nobody_until_it_is_polled() {
        let mut delay = Delay::new(Duration::from_secs(1));
        (&mut delay).await;
        delay.reset(Duration::from_secs(1));
        assert!(delay.sleep.is_none(), "no timer runs for it");
        assert!(polled_once(&mut delay).await.is_none());
        assert!(delay.sleep.is_some());
        let start = Instant::now();
        delay.await;
        assert_eq!(start.elapsed(), Duration::from_secs(1));
    }

    #[tokio::test(start_paused = true)]
    async fn for_ever_is_no_panic() {
        let mut delay = Delay::new(Duration::MAX);
        assert!(polled_once(&mut delay).await.is_none());
    }

    /// What one poll gives.
    async fn polled_once(delay: &mut Delay) -> Option<()> {
        tokio::select! {
            biased;
            () = delay => Some(()),
            () = std::future::ready(()) => None,
        }
    }
}
