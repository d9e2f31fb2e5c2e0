//! Transmissions (issue 5, e): how often a message is sent until everybody in a random geometric graph has it: ours,
//! plain flooding, default gossipsub, and what a broadcast medium would allow. `docs/spread.md` has the answer.
//!
//! One seed is one run, gossipsub's included, on Linux.

#![allow(clippy::print_stdout, reason = "an experiment prints")]

#[path = "../../src/entropy.rs"]
mod entropy;
mod gossip;
mod graph;
mod media;
mod ours;
mod tap;

use clap::Parser;
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng as _};
use serde_json::{Value, json};

use graph::Graph;
use media::{Rule, Spread};

/// Counts transmissions until everybody has a message.
#[derive(Debug, Parser)]
struct Args {
    /// People.
    #[arg(long, default_value_t = 1_000)]
    people: u32,
    /// Neighbours of one, in the mean.
    #[arg(long, default_value_t = 12.0)]
    degree: f64,
    /// Share of frames that get lost.
    #[arg(long, default_value_t = 0.2)]
    loss: f64,
    /// The seed of places and of everything else.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Messages of the schemes that are only imitated, and of gossipsub.
    #[arg(long, default_value_t = 10)]
    messages: u32,
    /// Bytes of a body: a text of a hundred bytes is in a bundle of 512.
    #[arg(long, default_value_t = 512)]
    bytes: usize,
    /// Which are run.
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "media,gossipsub,ours,strangers"
    )]
    what: Vec<String>,
    /// Minutes that our phones have to find each other.
    #[arg(long, default_value_t = 10)]
    before: u64,
    /// One JSON document instead of the table.
    #[arg(long)]
    json: bool,
}

/// A line of the table, everything for one message in the mean.
#[derive(Debug, Default)]
struct Row {
    scheme: String,
    bodies: f64,
    on_air: f64,
    again: f64,
    coverage: f64,
    worst: f64,
    seconds_to_99: Option<f64>,
    note: String,
}

fn main() {
    let args = Args::parse();
    // A thread of its own: its hash seeds are drawn after its randomness is seeded.
    std::thread::Builder::new()
        .stack_size(16 << 20)
        .spawn(move || {
            entropy::seed(args.seed).expect("this experiment can be repeated on Linux only");
            experiment(&args);
        })
        .expect("a thread")
        .join()
        .expect("the experiment ends");
}

fn experiment(args: &Args) {
    let graph = Graph::of(args.people, args.degree, args.seed);
    let connected = graph.reachable(0).iter().filter(|can| **can).count();
    let head = format!(
        "{} people, {} edges, mean degree {:.2}, range {:.1} m, {connected} connected to the first, {:.0} % loss, seed {}",
        graph.people(),
        graph.edges(),
        graph.degree(),
        graph.range,
        args.loss * 100.0,
        args.seed,
    );
    if !args.json {
        println!("{head}\n");
        println!(
            "{:<44} {:>8} {:>8} {:>7} {:>9} {:>8} {:>8}",
            "for one message, in the mean",
            "bodies",
            "on air",
            "again",
            "coverage",
            "worst",
            "99 % at"
        );
    }
    let mut rows = Vec::new();
    let wants = |what: &str| args.what.iter().any(|wanted| wanted == what);
    let mut add = |row: Row| {
        if !args.json {
            println!("{}", line(&row));
        }
        rows.push(json_of(&row));
    };
    if wants("media") {
        media_rows(args, &graph).into_iter().for_each(&mut add);
    }
    if wants("gossipsub") {
        add(gossip_row(args, &graph));
    }
    for (what, strangers) in [("ours", false), ("strangers", true)] {
        if wants(what) {
            add(ours_row(args, &graph, strangers));
        }
    }
    if args.json {
        println!("{}", json!({ "world": head, "rows": rows }));
    }
}

fn line(row: &Row) -> String {
    let seconds = row
        .seconds_to_99
        .map_or_else(|| "–".to_owned(), |seconds| format!("{seconds:.1} s"));
    format!(
        "{:<44} {:>8.1} {:>8.1} {:>7.1} {:>7.2} % {:>6.2} % {seconds:>8}  {}",
        row.scheme,
        row.bodies,
        row.on_air,
        row.again,
        row.coverage * 100.0,
        row.worst * 100.0,
        row.note
    )
}

fn json_of(row: &Row) -> Value {
    json!({
        "scheme": row.scheme,
        "bodies": row.bodies,
        "on_air": row.on_air,
        "again": row.again,
        "coverage": row.coverage,
        "worst": row.worst,
        "seconds_to_99": row.seconds_to_99,
        "note": row.note,
    })
}

/// Means over the messages; each from another author.
fn mean(
    args: &Args,
    graph: &Graph,
    scheme: &str,
    run: impl Fn(u32, &mut ChaCha8Rng) -> Spread,
) -> Row {
    let mut rng = ChaCha8Rng::seed_from_u64(args.seed);
    let mut row = Row {
        scheme: scheme.to_owned(),
        worst: 1.0,
        ..Row::default()
    };
    let mut times = Vec::new();
    for message in 0..args.messages {
        let from = gossip::author(graph, message, args.messages);
        let spread = run(from, &mut rng);
        let can = graph.reachable(from).iter().filter(|can| **can).count();
        let share = (spread.reached - 1) as f64 / (can - 1).max(1) as f64;
        let part = 1.0 / f64::from(args.messages);
        row.bodies += spread.bodies as f64 * part;
        row.on_air += spread.on_air as f64 * part;
        row.again += spread.again as f64 * part;
        row.coverage += share * part;
        row.worst = row.worst.min(share);
        times.extend(spread.ms_to_99.map(|ms| ms as f64 / 1e3));
    }
    row.seconds_to_99 = (!times.is_empty()).then(|| times.iter().sum::<f64>() / times.len() as f64);
    row
}

fn media_rows(args: &Args, graph: &Graph) -> Vec<Row> {
    let loss = args.loss;
    let mut rows = vec![mean(args, graph, "links: flooding", |from, rng| {
        media::flood_links(graph, from, loss, rng)
    })];
    let rules = [
        ("flooding", Rule::Flood),
        ("counter 2", Rule::Counter(2)),
        ("counter 3", Rule::Counter(3)),
        ("counter 4", Rule::Counter(4)),
        ("neighbour knowledge", Rule::Neighbours),
    ];
    for (name, rule) in rules {
        rows.push(mean(
            args,
            graph,
            &format!("broadcast: {name}"),
            |from, rng| media::broadcast(graph, from, loss, rule, 0.0, rng).0,
        ));
        for share in [0.99, 1.0] {
            let scheme = format!("broadcast: {name}, repaired to {:.0} %", share * 100.0);
            rows.push(mean(args, graph, &scheme, |from, rng| {
                media::broadcast(graph, from, loss, rule, share, rng).1
            }));
        }
    }
    for share in [0.99, 1.0] {
        let scheme = format!("broadcast: an oracle, to {:.0} %", share * 100.0);
        rows.push(mean(args, graph, &scheme, |from, rng| {
            media::oracle(graph, from, loss, share, rng)
        }));
    }
    rows
}

fn gossip_row(args: &Args, graph: &Graph) -> Row {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime");
    let gossip = runtime.block_on(gossip::run(graph, args.messages, args.bytes));
    let each = |count: u64| count as f64 / gossip.said.max(1) as f64;
    let got = gossip.coverage * (graph.people() - 1) as f64;
    Row {
        scheme: "links: gossipsub, default".to_owned(),
        bodies: each(gossip.bodies),
        on_air: each(gossip.bodies) / (1.0 - args.loss),
        again: each(gossip.bodies) - got,
        coverage: gossip.coverage,
        worst: gossip.worst,
        seconds_to_99: gossip.ms_to_99.map(|ms| ms / 1e3),
        note: format!(
            "in 30 s: {:.0} frames, {:.0} kB; ids in IHAVE {:.0}, IWANT {:.0}, IDONTWANT {:.0} [{:.0} s]",
            each(gossip.frames),
            each(gossip.bytes) / 1e3,
            each(gossip.ihave),
            each(gossip.iwant),
            each(gossip.idontwant),
            gossip.took_s
        ),
    }
}

fn ours_row(args: &Args, graph: &Graph, strangers: bool) -> Row {
    let how = ours::How {
        people: args.people,
        seed: args.seed,
        before_min: args.before,
        speakers: args.messages.min(args.people),
        strangers,
        talk: true,
    };
    let ours = ours::run(graph, how);
    let silent = ours::run(graph, ours::How { talk: false, ..how });
    let each = |count: u64| count as f64 / ours.said.max(1) as f64;
    let more = |with: u64, without: u64| (with as f64 - without as f64) / ours.said.max(1) as f64;
    Row {
        scheme: if strangers {
            "links: ours, carried by strangers".to_owned()
        } else {
            "links: ours, one channel".to_owned()
        },
        bodies: each(ours.bodies),
        on_air: each(ours.bodies) / (1.0 - args.loss),
        again: each(ours.again),
        coverage: ours.coverage,
        worst: ours.worst,
        seconds_to_99: ours.ms_to_99.map(|ms| ms / 1e3),
        note: format!(
            "{} texts, {} bundles; frames {:.0}, kB {:.0} more than without texts ({:.0} kB) [{:.0} s]",
            ours.said,
            ours.bundles,
            more(ours.frames, silent.frames),
            more(ours.bytes, silent.bytes) / 1e3,
            silent.bytes as f64 / 1e3,
            ours.took_s + silent.took_s
        ),
    }
}
