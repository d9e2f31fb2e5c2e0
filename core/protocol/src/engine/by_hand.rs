//! What a person does to a peer by hand (APP-5): ask for a sign of life, and end its links.

use rand_core::CryptoRng;

use super::Engine;
use crate::{
    id::{LinkId, TransportId},
    time::Now,
    wire::v1::CloseReason,
};

impl Engine {
    /// Asks a peer over its quickest wide link; the answer is told as `Tell::RoundTrip`. Returns whether there
    /// is such a link: those over a radio are watched by their own layers and never asked (§7.9).
    pub fn ping(&mut self, peer: &TransportId, now: Now) -> bool {
        let links = self.links.values_mut().filter(|link| {
            link.ends.peer == *peer && link.ready.is_some() && !link.ends.medium.is_slow()
        });
        let quickest = links.min_by_key(|link| link.rtt_ms.unwrap_or(u32::MAX));
        match quickest {
            Some(link) => {
                link.session.inquire(now);
                true
            }
            None => false,
        }
    }

    /// Closes all links to a peer, as if they had given no answer: neither side holds it against the other.
    /// Returns how many there were.
    pub fn hang_up(&mut self, peer: &TransportId, now: Now, rng: &mut impl CryptoRng) -> usize {
        let of_peer =
            |(id, link): (&LinkId, &super::link::Link)| (link.ends.peer == *peer).then_some(*id);
        let links: Vec<LinkId> = self.links.iter().filter_map(of_peer).collect();
        for link in &links {
            self.close(*link, CloseReason::Timeout, now, rng);
        }
        links.len()
    }
}
