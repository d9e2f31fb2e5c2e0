//! A world that is stepped by hand, and all that its radios were told.

use std::time::Duration;

use bytes::Bytes;
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng as _};
use sovereign_node::ports::radio::{
    Advertising, RadioAddress, RadioCommand, RadioError, RadioEvent, ScanDuty,
};
use sovereign_protocol::id::LinkId;
use sovereign_sim::radio::{Hardware, Physics, Position, RadioId, World, WorldEvent};

pub(crate) const MS: Duration = Duration::from_millis(1);
pub(crate) const SECOND: Duration = Duration::from_secs(1);
pub(crate) const ALWAYS: ScanDuty = ScanDuty {
    window: Duration::from_millis(60),
    interval: Duration::from_millis(60),
};

pub(crate) struct Run {
    pub(crate) world: World,
    pub(crate) rng: ChaCha8Rng,
    pub(crate) now: Duration,
    pub(crate) log: Vec<(Duration, RadioId, RadioEvent)>,
}

pub(crate) fn at(x: f64) -> Position {
    Position { x, y: 0.0 }
}

pub(crate) fn advertising(interval: Duration) -> Advertising {
    Advertising {
        data: Bytes::from_static(&[2, 1, 6]),
        scan_response: Bytes::from_static(&[2, 9, 65]),
        hello: Bytes::new(),
        interval,
        connectable: true,
        address: [1; 6],
    }
}

impl Run {
    pub(crate) fn new(physics: Physics, seed: u64) -> Self {
        Self {
            world: World::new(physics, seed),
            rng: ChaCha8Rng::seed_from_u64(seed),
            now: Duration::ZERO,
            log: Vec::new(),
        }
    }

    pub(crate) fn join(&mut self, x: f64, hardware: Hardware) -> RadioId {
        self.world.join(at(x), hardware, &mut self.rng)
    }

    pub(crate) fn submit(&mut self, radio: RadioId, what: RadioCommand) -> Result<(), RadioError> {
        let taken = self.world.submit(radio, what, self.now, &mut self.rng);
        self.collect();
        taken
    }

    pub(crate) fn advertise(&mut self, radio: RadioId, interval: Duration) {
        let what = RadioCommand::Advertise(Some(advertising(interval)));
        self.submit(radio, what).unwrap();
    }

    pub(crate) fn scan(&mut self, radio: RadioId, duty: ScanDuty) {
        self.submit(radio, RadioCommand::Scan(Some(duty))).unwrap();
    }

    pub(crate) fn send(
        &mut self,
        radio: RadioId,
        link: LinkId,
        frame: Vec<u8>,
    ) -> Result<(), RadioError> {
        let frame = Bytes::from(frame);
        self.submit(radio, RadioCommand::Send { link, frame })
    }

    pub(crate) fn handle(&mut self, event: WorldEvent) {
        self.world.handle(event, self.now, &mut self.rng);
        self.collect();
    }

    pub(crate) fn walk(&mut self, radio: RadioId, x: f64) {
        self.handle(WorldEvent::Move { radio, to: at(x) });
    }

    /// Goes on to the next thing that is planned, at most until then; false when there is none.
    pub(crate) fn step(&mut self, end: Duration) -> bool {
        match self.world.poll_timeout() {
            Some(next) if next <= end => {
                self.now = self.now.max(next);
                self.world.advance(self.now, &mut self.rng);
                self.collect();
                true
            }
            _ => {
                self.collect();
                self.now = end;
                false
            }
        }
    }

    pub(crate) fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while self.step(end) {}
    }

    /// Until a radio is told something of interest; panics after an hour.
    pub(crate) fn until<T>(
        &mut self,
        radio: RadioId,
        wanted: impl Fn(&RadioEvent) -> Option<T>,
    ) -> T {
        let end = self.now + 3_600 * SECOND;
        let mut from = 0;
        loop {
            let found = self.log[from..]
                .iter()
                .filter(|(_, to, _)| *to == radio)
                .find_map(|(_, _, event)| wanted(event));
            if let Some(found) = found {
                return found;
            }
            from = self.log.len();
            assert!(self.step(end), "never happened");
        }
    }

    pub(crate) fn address_of(&mut self, of: RadioId, heard_by: RadioId) -> RadioAddress {
        self.log.clear();
        self.advertise(of, 100 * MS);
        self.scan(heard_by, ALWAYS);
        let address = self.until(heard_by, |event| match event {
            RadioEvent::Sighted { address, .. } => Some(*address),
            _ => None,
        });
        self.submit(heard_by, RadioCommand::Scan(None)).unwrap();
        address
    }

    /// A link from one to the other; nobody scans or advertises afterwards.
    pub(crate) fn link(&mut self, dialler: RadioId, listener: RadioId) -> [LinkId; 2] {
        let address = self.address_of(listener, dialler);
        self.log.clear();
        self.submit(dialler, RadioCommand::Connect(address))
            .unwrap();
        let up = |event: &RadioEvent| match event {
            RadioEvent::Up { link, .. } => Some(*link),
            _ => None,
        };
        let links = [dialler, listener].map(|radio| self.until(radio, up));
        self.submit(listener, RadioCommand::Advertise(None))
            .unwrap();
        self.log.clear();
        links
    }

    /// What a radio was told, with the time, and the log begins anew.
    pub(crate) fn told(&mut self, radio: RadioId) -> Vec<(Duration, RadioEvent)> {
        let (its, others) = std::mem::take(&mut self.log)
            .into_iter()
            .partition(|(_, to, _)| *to == radio);
        self.log = others;
        its.into_iter().map(|(at, _, event)| (at, event)).collect()
    }

    /// Frames that a radio was handed, with the time.
    pub(crate) fn frames(&mut self, radio: RadioId) -> Vec<(Duration, Bytes)> {
        let frame = |(at, event)| match event {
            RadioEvent::Frame { frame, .. } => Some((at, frame)),
            _ => None,
        };
        self.told(radio).into_iter().filter_map(frame).collect()
    }

    fn collect(&mut self) {
        while let Some(radio) = self.world.poll_ready() {
            while let Some(event) = self.world.take(radio) {
                self.log.push((self.now, radio, event));
            }
        }
    }
}
