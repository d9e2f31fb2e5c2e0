//! Two streams over a link of virtual time: a rate, a delay, and seeded loss, copies, reordering and cuts.

use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng as _, SeedableRng as _};
use sovereign_protocol::radio::stream::Stream;

pub(crate) const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// What the air does to frames, the same both ways.
#[derive(Debug, Clone)]
pub(crate) struct Air {
    pub max_frame: usize,
    /// Bytes a second, each way.
    pub rate: u64,
    /// One way.
    pub delay: Duration,
    /// Frames lost, of 1,000, each for itself.
    pub loss: u32,
    /// Frames that come twice, of 1,000.
    pub twice: u32,
    /// A frame may be late by up to as many times of a full frame.
    pub spread: u32,
    /// From when to when every frame is lost.
    pub cuts: Vec<(Duration, Duration)>,
    pub seed: u64,
}

impl Default for Air {
    /// The usual phone: ATT MTU 185, 20 kB/s, 40 ms one way.
    fn default() -> Self {
        Self {
            max_frame: 182,
            rate: 20_000,
            delay: ms(40),
            loss: 0,
            twice: 0,
            spread: 0,
            cuts: Vec::new(),
            seed: 0,
        }
    }
}

/// One end: its stream, and the people who write and read.
pub(crate) struct Side {
    pub stream: Stream,
    /// What is to be written, and how much of it was.
    pub text: Vec<u8>,
    pub written: usize,
    /// The stream is closed once everything was written.
    pub close: bool,
    pub got: Vec<u8>,
    /// Bytes written and when, bytes of `got` and when.
    pub wrote: Vec<(usize, Duration)>,
    pub times: Vec<(usize, Duration)>,
    pub reads: bool,
    /// What the radio took from this side, and how much of it was lost.
    pub frames: u64,
    pub lost: u64,
    pub bytes: u64,
    busy_until: Duration,
}

pub(crate) struct Link {
    pub air: Air,
    pub now: Duration,
    pub sides: [Side; 2],
    flying: BTreeMap<(Duration, u64), (usize, Bytes)>,
    sequence: u64,
    rng: ChaCha8Rng,
    /// The highest of [`Stream::memory`].
    pub memory: usize,
}

impl Link {
    pub(crate) fn new(air: Air) -> Self {
        let now = Duration::from_secs(1_000);
        let side = || Side {
            stream: Stream::new(air.max_frame, now),
            text: Vec::new(),
            written: 0,
            close: false,
            got: Vec::new(),
            wrote: Vec::new(),
            times: Vec::new(),
            reads: true,
            frames: 0,
            lost: 0,
            bytes: 0,
            busy_until: now,
        };
        Self {
            sides: [side(), side()],
            now,
            flying: BTreeMap::new(),
            sequence: 0,
            rng: ChaCha8Rng::seed_from_u64(air.seed),
            memory: 0,
            air,
        }
    }

    /// `len` bytes that the seed decides.
    pub(crate) fn noise(&mut self, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        self.rng.fill_bytes(&mut bytes);
        bytes
    }

    pub(crate) fn chance(&mut self, of_1000: u32) -> bool {
        self.rng.next_u32() % 1_000 < of_1000
    }

    pub(crate) fn below(&mut self, bound: u32) -> u32 {
        self.rng.next_u32() % bound
    }

    /// Since the link came up.
    pub(crate) fn elapsed(&self) -> Duration {
        self.now - Duration::from_secs(1_000)
    }

    /// Everything written has come, both ways, and where a side closes, its end too.
    pub(crate) fn delivered(&self) -> bool {
        let one_way = |from: &Side, to: &Side| {
            to.got.len() == from.text.len() && (!from.close || to.stream.at_end())
        };
        let [a, b] = &self.sides;
        one_way(a, b) && one_way(b, a)
    }

    /// Goes on until `done`, for at most `limit` from the link-up on; whether it was reached.
    pub(crate) fn run(&mut self, limit: Duration, done: impl Fn(&Self) -> bool) -> bool {
        loop {
            self.act();
            if done(self) {
                return true;
            }
            match self.next() {
                Some(at) if at <= Duration::from_secs(1_000) + limit => self.advance(at),
                _ => return false,
            }
        }
    }

    /// Nothing is under way and no clock runs.
    pub(crate) fn idle(&self) -> bool {
        self.flying.is_empty()
            && self
                .sides
                .iter()
                .all(|side| side.stream.timeout().is_none())
    }

    /// People write and read, and the radio takes what it has room for.
    fn act(&mut self) {
        for at in 0..2 {
            let side = &mut self.sides[at];
            let len = side.stream.write(&side.text[side.written..], self.now);
            if len > 0 {
                side.written += len;
                side.wrote.push((side.written, self.now));
            }
            if side.close && side.written == side.text.len() {
                side.stream.close(self.now);
            }
            while side.reads && side.stream.readable() > 0 {
                let mut buf = [0; 300];
                let len = side.stream.read(&mut buf);
                side.got.extend_from_slice(&buf[..len]);
                side.times.push((side.got.len(), self.now));
            }
            self.memory = self.memory.max(side.stream.memory());
            while self.sides[at].busy_until <= self.now {
                let Some(frame) = self.sides[at].stream.poll_transmit(self.now) else {
                    break;
                };
                self.send(at, frame);
            }
        }
    }

    fn send(&mut self, from: usize, frame: Bytes) {
        assert!(!frame.is_empty() && frame.len() <= self.air.max_frame);
        let takes =
            |bytes: usize| Duration::from_nanos(bytes as u64 * 1_000_000_000 / self.air.rate);
        let (takes, slot) = (takes(frame.len()), takes(self.air.max_frame));
        let side = &mut self.sides[from];
        side.busy_until = self.now + takes;
        side.frames += 1;
        side.bytes += frame.len() as u64;
        let since = self.elapsed();
        let cut = self.air.cuts.iter().any(|(a, b)| (*a..*b).contains(&since));
        if cut || self.chance(self.air.loss) {
            self.sides[from].lost += 1;
            return;
        }
        let copies = 1 + usize::from(self.chance(self.air.twice));
        for _ in 0..copies {
            let late = slot * self.below(self.air.spread + 1);
            let at = self.now + takes + self.air.delay + late;
            self.sequence += 1;
            self.flying
                .insert((at, self.sequence), (1 - from, frame.clone()));
        }
    }

    fn next(&self) -> Option<Duration> {
        let radios = self.sides.iter().map(|side| side.busy_until);
        let clocks = self.sides.iter().filter_map(|side| side.stream.timeout());
        let frames = self.flying.keys().next().map(|(at, _)| *at);
        radios
            .filter(|at| *at > self.now)
            .chain(clocks)
            .chain(frames)
            .min()
    }

    fn advance(&mut self, at: Duration) {
        assert!(at >= self.now, "a clock that ran out long ago");
        self.now = at;
        for side in &mut self.sides {
            side.stream.on_timeout(at);
            assert!(side.stream.timeout().is_none_or(|next| next > at));
        }
        while let Some(entry) = self.flying.first_entry() {
            if entry.key().0 > at {
                break;
            }
            let (to, frame) = entry.remove();
            // What comes after the end is refused, and nothing else is.
            let side = &mut self.sides[to];
            let over = side.stream.end().is_some();
            let taken = side.stream.on_frame(&frame, at);
            assert_eq!(taken.is_err(), over, "{taken:?}");
        }
    }
}
