//! What phones spend, as records.

use std::time::Duration;

use sovereign_node::api::{Command, Reply};

use super::run::{Abort, Run};
use crate::record::{Spent, What};

impl Run<'_> {
    pub(super) async fn account_all(&mut self) -> Result<(), Abort> {
        for who in 0..self.phones.len() {
            self.account(who as u32).await?;
        }
        Ok(())
    }

    /// What a phone spent since it was last asked.
    pub(super) async fn account(&mut self, who: u32) -> Result<(), Abort> {
        let radio = self.phones[who as usize].radio();
        let Some(now) = radio.and_then(|radio| self.air.usage(radio)) else {
            return Ok(());
        };
        let known = match self.phones[who as usize].call(Command::Status).await {
            Some(Ok(Reply::Status(status))) => status.counters.get("bundle_known").copied(),
            _ => None,
        };
        let known = known.unwrap_or(0);
        let known_before = std::mem::replace(&mut self.known[who as usize], known);
        let before = std::mem::replace(&mut self.accounted[who as usize], now);
        let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let on_ms = ms(now.on) - ms(before.on);
        let mut profile_ms = [0; 3];
        profile_ms[self.world.people()[who as usize].profile as usize] = on_ms;
        let spent = Spent {
            on_ms,
            profile_ms,
            scan_ms: ms(now.scan) - ms(before.scan),
            dial_ms: ms(now.dial) - ms(before.dial),
            adverts: now.adverts - before.adverts,
            link_ms: ms(now.link) - ms(before.link),
            links: now.links - before.links,
            dials: now.dials - before.dials,
            sent: now.sent - before.sent,
            sent_bytes: now.sent_bytes - before.sent_bytes,
            received_bytes: now.received_bytes - before.received_bytes,
            copies_again: known.saturating_sub(known_before),
            ..Spent::default()
        };
        self.record(who, What::Spent(Box::new(spent)))
    }
}
