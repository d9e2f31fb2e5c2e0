//! Runs fuzz targets on stable Rust: the committed corpus first, then mutations of it, the same ones each
//! time. Included by the tests that own targets.

use std::{
    fs,
    io::Write as _,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    path::{Path, PathBuf},
};

use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng as _, SeedableRng as _},
};

/// Longest mutated input, bytes: more than any bundle with its frames.
const MAX_LEN: usize = 32_768;

/// Values at which lengths, counts and times change their meaning.
const NUMBERS: [u64; 20] = [
    0,
    1,
    7,
    8,
    63,
    64,
    65,
    120,
    127,
    128,
    255,
    256,
    1_000,
    1_024,
    16_384,
    65_535,
    604_800,
    1 << 31,
    u32::MAX as u64,
    u64::MAX,
];

/// One target and how to run it.
pub(crate) struct Runner {
    /// As in the corpus.
    pub(crate) name: &'static str,
    /// The target.
    pub(crate) target: fn(&[u8]),
    /// Mutations of a plain run; `SOVEREIGN_FUZZ_RUNS` overrides it.
    pub(crate) runs: u32,
}

/// The folder with one folder of inputs for each target.
pub(crate) fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus")
}

/// A target's inputs by file name.
pub(crate) fn inputs(name: &str) -> Vec<(String, Vec<u8>)> {
    let folder = corpus().join(name);
    let entries = fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("no corpus in {}: {error}", folder.display()));
    let mut inputs: Vec<(String, Vec<u8>)> = entries
        .map(|entry| {
            let path = entry.expect("a folder that can be read").path();
            let name = path.file_name().expect("a file").to_string_lossy();
            (
                name.into_owned(),
                fs::read(&path).expect("a file that can be read"),
            )
        })
        .collect();
    inputs.sort();
    inputs
}

/// Writes what a generator made, or checks that it is committed. Files whose names begin with
/// `regression` are inputs that once failed; no generator makes them.
pub(crate) fn check_corpus(name: &str, made: &[(String, Vec<u8>)]) {
    let folder = corpus().join(name);
    if std::env::var_os("UPDATE_CORPUS").is_some() {
        fs::create_dir_all(&folder).expect("the corpus can be written");
        for (file, _) in inputs(name) {
            if !file.starts_with("regression") {
                fs::remove_file(folder.join(file)).expect("an old input can be removed");
            }
        }
        for (file, bytes) in made {
            fs::write(folder.join(file), bytes).expect("the corpus can be written");
        }
    }
    let mut committed = inputs(name);
    committed.retain(|(file, _)| !file.starts_with("regression"));
    let mut made = made.to_vec();
    made.sort();
    assert!(!made.is_empty(), "{name} has no inputs");
    assert!(
        committed == made,
        "the corpus of {name} does not fit its generator: run the test with UPDATE_CORPUS=1"
    );
}

impl Runner {
    /// The corpus, then the mutations.
    ///
    /// Environment: `SOVEREIGN_FUZZ_RUNS` for another number of mutations, `SOVEREIGN_FUZZ_SEED` for
    /// others, `SOVEREIGN_FUZZ_INPUT` (hex) for one input and nothing else.
    pub(crate) fn run(&self) {
        if let Some(hex) = variable("SOVEREIGN_FUZZ_INPUT") {
            let input = hex::decode(hex.trim()).expect("SOVEREIGN_FUZZ_INPUT is hex");
            return (self.target)(&input);
        }
        let seed = number("SOVEREIGN_FUZZ_SEED").unwrap_or(1);
        let runs = number("SOVEREIGN_FUZZ_RUNS").unwrap_or(self.runs.into());
        let corpus: Vec<Vec<u8>> = inputs(self.name)
            .into_iter()
            .map(|(_, bytes)| bytes)
            .collect();
        for input in &corpus {
            self.one(input, seed);
        }
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        let mut mutator = Mutator(ChaCha8Rng::from_seed(bytes));
        for _ in 0..runs {
            self.one(&mutator.input(&corpus), seed);
        }
        let total = corpus.len() as u64 + runs;
        // Not by the macro, whose output the test harness keeps back.
        let line = format!(
            "fuzz {}: {total} executions, 0 panics (seed {seed})\n",
            self.name
        );
        let _ = std::io::stderr().write_all(line.as_bytes());
    }

    fn one(&self, input: &[u8], seed: u64) {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| (self.target)(input))) {
            let hex = hex::encode(input);
            eprintln!(
                "fuzz target {name}, seed {seed}: the input below panicked. Reproduce it with\n\
                 SOVEREIGN_FUZZ_INPUT={hex} cargo test --test fuzz {name}\n\
                 and when it is mended commit it as fuzz/corpus/{name}/regression-…",
                name = self.name
            );
            resume_unwind(panic);
        }
    }
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn number(name: &str) -> Option<u64> {
    variable(name).map(|text| {
        text.parse()
            .unwrap_or_else(|_| panic!("{name} is a number"))
    })
}

/// Changes inputs as those change that find bugs in decoders.
struct Mutator(ChaCha8Rng);

impl Mutator {
    fn below(&mut self, end: usize) -> usize {
        if end == 0 {
            return 0;
        }
        (self.0.next_u64() % end as u64) as usize
    }

    fn input(&mut self, corpus: &[Vec<u8>]) -> Vec<u8> {
        let at = self.below(corpus.len());
        let mut input = corpus[at].clone();
        // Mostly few changes, so that the rest still decodes.
        let changes = 1 << self.below(5);
        for _ in 0..1 + self.below(changes) {
            let other = self.below(corpus.len());
            self.change(&mut input, &corpus[other]);
        }
        input.truncate(MAX_LEN);
        input
    }

    fn change(&mut self, input: &mut Vec<u8>, other: &[u8]) {
        let at = self.below(input.len());
        let to = at + self.below((input.len() - at).min(64) + 1);
        match self.below(11) {
            0 | 1 if !input.is_empty() => input[at] ^= 1 << self.below(8),
            2 if !input.is_empty() => input[at] = self.0.next_u32() as u8,
            3 => input.truncate(at),
            4 => {
                input.drain(at..to);
            }
            5 => {
                let count = 1 + self.below(16);
                let fresh: Vec<u8> = (0..count).map(|_| self.0.next_u32() as u8).collect();
                input.splice(at..at, fresh);
            }
            6 => {
                // A piece twice, or many times.
                let piece = input[at..to].to_vec();
                let times = 1 << self.below(5);
                input.splice(at..at, piece.repeat(times));
            }
            7 => {
                let (from, len) = (self.below(other.len()), 1 + self.below(256));
                let piece = other[from..(from + len).min(other.len())].to_vec();
                input.splice(at..to, piece);
            }
            8 => {
                let number = NUMBERS[self.below(NUMBERS.len())];
                let width = [1, 2, 4, 8][self.below(4)];
                let bytes = match self.below(2) {
                    0 => number.to_be_bytes()[8 - width..].to_vec(),
                    _ => number.to_le_bytes()[..width].to_vec(),
                };
                let end = (at + width).min(input.len());
                input.splice(at..end, bytes);
            }
            9 => {
                let number = NUMBERS[self.below(NUMBERS.len())];
                let end = (at + 1).min(input.len());
                input.splice(at..end, leb128(number));
            }
            // A byte that may be a length becomes a little more or less.
            _ if !input.is_empty() => {
                let by = [1, 255, 2, 254, 8, 248][self.below(6)];
                input[at] = input[at].wrapping_add(by);
            }
            _ => input.push(self.0.next_u32() as u8),
        }
    }
}

/// A number as protobuf writes it.
fn leb128(mut number: u64) -> Vec<u8> {
    let mut out = Vec::new();
    while number > 0x7f {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
    out
}
