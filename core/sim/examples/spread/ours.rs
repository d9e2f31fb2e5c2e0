//! Our protocol in this world: the shipped engine as policy nodes, on radio links that it makes itself.

use std::{io, ops::ControlFlow};

use sovereign_sim::{
    policy,
    record::{Record, Sink, Spent, What},
};

use super::graph::{Graph, scenario};

/// What the messages of a run took.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ours {
    pub(crate) said: u64,
    /// Texts, and bundles of any kind: receipts too.
    pub(crate) bundles: u64,
    /// Bodies of texts sent over links.
    pub(crate) bodies: u64,
    /// Of these, to somebody who had it.
    pub(crate) again: u64,
    /// Shares of those who can be reached that have it, in the mean and of the worst.
    pub(crate) coverage: f64,
    pub(crate) worst: f64,
    /// When 99 in a hundred of those who can be reached had it, in the mean over those that came so far.
    pub ms_to_99: Option<f64>,
    /// Operations and bytes on air, of all phones, in the whole run.
    pub(crate) frames: u64,
    pub(crate) bytes: u64,
    pub(crate) took_s: f64,
}

/// How it is run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct How {
    pub(crate) people: u32,
    pub(crate) seed: u64,
    /// Until somebody speaks.
    pub(crate) before_min: u64,
    /// How many speak once in ten minutes each, in ten minutes.
    pub(crate) speakers: u32,
    /// Whether only they are members, and everybody else a stranger who carries it.
    pub(crate) strangers: bool,
    /// Whether anybody speaks.
    pub(crate) talk: bool,
}

impl How {
    fn more(self) -> String {
        let Self {
            before_min,
            speakers,
            ..
        } = self;
        let until = before_min + 20;
        let members = if self.strangers {
            format!("count = {speakers}")
        } else {
            String::new()
        };
        let talk = if self.talk {
            format!(
                "[[traffic]]\ngroup = \"all\"\ncount = {speakers}\nchannel = \"talk\"\nevery = \"10 min\"\nbytes = [100, 100]\n\
                 when = {{ from = \"{before_min} min\", for = \"10 min\" }}\n"
            )
        } else {
            String::new()
        };
        format!(
            "duration = \"{until} min\"\n[[channel]]\nname = \"talk\"\ngroups = [\"all\"]\n{members}\n{talk}\
             [demand]\ndelivery = 0.99\nsettle = \"10 min\"\n"
        )
    }
}

/// Runs it.
pub(crate) fn run(graph: &Graph, how: How) -> Ours {
    let scenario = scenario(how.people, graph.range, &how.more());
    let begin = std::time::Instant::now();
    let mut count = Count::default();
    let mut told = |_| ControlFlow::Continue(());
    let outcome =
        policy::run(&scenario, how.seed, &mut told, &mut count).expect("counting does not fail");
    let mut ours = Ours {
        said: count.messages.len() as u64,
        bundles: outcome.progress.bundles,
        bodies: count.bodies,
        again: count.again,
        frames: count.spent.sent,
        bytes: count.spent.sent_bytes,
        worst: 1.0,
        took_s: begin.elapsed().as_secs_f64(),
        ..Ours::default()
    };
    let mut times = Vec::new();
    for message in &count.messages {
        let can = graph.reachable(message.author);
        let can = can.iter().filter(|can| **can).count() - 1;
        let share = message.came.len() as f64 / can.max(1) as f64;
        ours.coverage += share / count.messages.len() as f64;
        ours.worst = ours.worst.min(share);
        let place = (can as f64 * 0.99).ceil() as usize;
        times.extend(
            message
                .came
                .get(place.max(1) - 1)
                .map(|at| (at - message.said_ms) as f64),
        );
    }
    ours.ms_to_99 = (!times.is_empty()).then(|| times.iter().sum::<f64>() / times.len() as f64);
    ours
}

struct Message {
    author: u32,
    said_ms: u64,
    /// When it came to those who did not have it, ascending.
    came: Vec<u64>,
}

#[derive(Default)]
struct Count {
    messages: Vec<Message>,
    bodies: u64,
    again: u64,
    spent: Spent,
}

impl Sink for Count {
    fn take(&mut self, record: &Record) -> io::Result<()> {
        match &record.what {
            What::Said { .. } => self.messages.push(Message {
                author: record.who,
                said_ms: record.at_ms,
                came: Vec::new(),
            }),
            What::Copy { message, again, .. } => {
                self.bodies += 1;
                self.again += u64::from(*again);
                if let Some(message) = self.messages.get_mut(*message as usize)
                    && !again
                {
                    message.came.push(record.at_ms);
                }
            }
            What::Spent(spent) => {
                self.spent.sent += spent.sent;
                self.spent.sent_bytes += spent.sent_bytes;
            }
            _ => {}
        }
        Ok(())
    }
}
