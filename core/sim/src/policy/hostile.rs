//! Hostile nodes: an engine whose words are twisted on the way out, or that is made to say too much.

use std::time::Duration;

use bytes::Bytes;
use sovereign_protocol::engine::Channel;
use sovereign_protocol::id::ContentId;
use sovereign_protocol::link::frame::{self, Body};
use sovereign_protocol::message::bundle::Bundle;

use super::city::City;
use super::queue::Event;
use crate::radio::chance;
use crate::scenario::Malice;

/// How much a flooder says at once: the largest bundle that strangers carry holds it.
const FLOOD_BYTES: usize = 200;

impl City<'_> {
    /// What a hostile node really sends instead of a frame.
    pub(super) fn twisted(&self, who: u32, frame: Bytes) -> Bytes {
        let malice = self.world.people()[who as usize].malice;
        let keeps_quiet = matches!(malice, Some(Malice::Silent));
        let harmless = || {
            matches!(
                frame::decode(&frame),
                Ok(Body::Hello(_)
                    | Body::Ping(_)
                    | Body::Pong(_)
                    | Body::Credit(_)
                    | Body::Close(_)
                    | Body::Done(_))
            )
        };
        if keeps_quiet && !harmless() {
            // As long, so that its own engine notices nothing, and without meaning.
            return self.nothing(frame.len());
        }
        frame
    }

    /// A frame without meaning that is not broken either: an extension nobody knows.
    fn nothing(&self, length: usize) -> Bytes {
        let extension = |data: usize| {
            let body = Body::Extension(sovereign_protocol::wire::v1::Extension {
                id: u32::MAX - 1,
                critical: false,
                data: vec![0; data].into(),
            });
            frame::encode(body).unwrap_or_default()
        };
        let around = extension(0).len() + 2;
        extension(length.saturating_sub(around))
    }

    /// What is handed on for a bundle: by who reseals another one with the same words in it.
    pub(super) fn resealed(
        &mut self,
        who: u32,
        content: ContentId,
        body: Option<Bytes>,
    ) -> (ContentId, Option<Bytes>) {
        if self.world.people()[who as usize].malice != Some(Malice::Resealing) {
            return (content, body);
        }
        // What it cannot read it hands on as it is.
        let Some(anew) = body.clone().and_then(|body| self.seal_again(who, body)) else {
            return (content, body);
        };
        if let Some(number) = self.book.of_content(&content) {
            self.book.reseal(number, anew.content_id());
        }
        (anew.content_id(), Some(anew.as_bytes().clone()))
    }

    fn seal_again(&mut self, who: u32, body: Bytes) -> Option<Bundle> {
        let engine = self.nodes[who as usize].engine.as_ref()?;
        let bundle = Bundle::parse(body).ok()?;
        let mut channels = engine.channels().map(Channel::keys);
        let keys = channels.find(|keys| keys.owns(&bundle))?;
        let opened = keys.open(&bundle).ok()?;
        keys.seal(&opened.envelope, &mut self.rng).ok()
    }

    /// A flooder joins a channel of its own and begins.
    pub(super) fn begin_flood(&mut self, who: u32) {
        let person = self.world.people()[who as usize];
        let node = &mut self.nodes[who as usize];
        let at = node.at(self.now, &person);
        if let Some(engine) = &mut node.engine {
            // On again it is in it already.
            let _ = engine.join_channel(&format!("#flood-{who}"), at);
        }
        self.after(who);
        self.plan_flood(who);
    }

    fn plan_flood(&mut self, who: u32) {
        if let Some(Malice::Flooding { per_second }) = self.world.people()[who as usize].malice {
            let mean = Duration::from_secs_f64(1.0 / per_second.get());
            let wait = mean.mul_f64(chance::exponential(&mut self.rng));
            self.queue.plan(self.now + wait, Event::Flood(who));
        }
    }

    pub(super) fn flood(&mut self, who: u32) {
        let person = self.world.people()[who as usize];
        let node = &mut self.nodes[who as usize];
        let at = node.at(self.now, &person);
        let Some(engine) = &mut node.engine else {
            return;
        };
        let own = engine.channels().next().map(|channel| channel.id());
        if let Some(channel) = own {
            // A store that is full of it says no: then it waits like anybody.
            let text = "x".repeat(FLOOD_BYTES);
            let _ = engine.send_text(channel, &text, at, &mut self.rng);
        }
        self.after(who);
        self.plan_flood(who);
    }
}
