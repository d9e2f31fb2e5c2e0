//! From counts to figures.

use std::ops::Range;

use super::energy::{self, SHIPPED};
use super::tally::{Message, Tally};
use super::{Delay, Mode, Report, Verdict};
use crate::record::Spent;
use crate::scenario::{Demand, Scenario};

/// Points of a curve at most.
const POINTS: usize = 200;

pub(super) fn report(tally: &Tally) -> Report {
    let deliveries = due(tally);
    let mut delays: Vec<u64> = deliveries.iter().filter_map(|it| it.delay_ms).collect();
    delays.sort_unstable();
    let due = deliveries.len() as u64;
    let made = delays.len() as u64;
    let demanded: Vec<&Delivery> = deliveries.iter().filter(|it| it.demanded).collect();
    let mut within: Vec<u64> = demanded.iter().filter_map(|it| it.delay_ms).collect();
    within.sort_unstable();
    let within = delay(&within, demanded.len() as u64);
    let again: u64 = tally.spent.values().map(|spent| spent.copies_again).sum();
    let copies: u64 = tally.messages.iter().map(|message| message.copies).sum();
    let copies = copies + again;
    let holders: u64 = tally.messages.iter().map(|message| message.holders).sum();
    let said = tally.messages.len() as u64;
    let modes = modes(tally);
    let hours: f64 = modes.iter().map(|mode| mode.hours).sum();
    let joules: f64 = modes
        .iter()
        .map(|mode| mode.joules_per_hour.sum() * mode.hours)
        .sum();
    let per_hour = |count: fn(&Spent) -> u64| {
        let count: u64 = tally.spent.values().map(count).sum();
        (hours > 0.0).then(|| count as f64 / hours)
    };
    let mut report = Report {
        scenario: tally.scenario.name.to_string(),
        shows: tally.scenario.shows.clone(),
        seed: tally.seed,
        people: tally.people.len() as u64,
        end_ms: tally.end_ms,
        complete: tally.end_ms >= tally.scenario.duration.get().as_millis() as u64,
        said,
        refused: tally.refused,
        acknowledged: tally.acknowledged,
        due,
        made,
        delivery: share(made, due),
        delay: delay(&delays, due),
        copies: (holders > 0).then(|| copies as f64 / holders as f64),
        transmissions: (said > 0).then(|| copies as f64 / said as f64),
        links_made: tally.links_made,
        links_per_hour: per_hour(|spent| spent.links),
        dials_per_hour: per_hour(|spent| spent.dials),
        joules_per_hour: (hours > 0.0).then(|| joules / hours),
        modes,
        delays_ms: thinned(&delays),
        delivery_by_minute: by_minute(tally, &deliveries),
        copies_by_message: copies_of(&tally.messages),
        links_by_minute: links(tally),
        verdicts: Vec::new(),
    };
    report.verdicts = verdicts(&tally.scenario.demand, &within, &report);
    report
}

struct Delivery {
    /// From when it was due.
    due_ms: u64,
    delay_ms: Option<u64>,
    /// The demanded delays are of this one, too.
    demanded: bool,
}

/// All deliveries that are due, and what became of them.
fn due(tally: &Tally) -> Vec<Delivery> {
    let settle = tally.scenario.demand.settle.get().as_millis() as u64;
    let until = tally.end_ms.saturating_sub(settle);
    let among = among(&tally.scenario);
    let mut deliveries = Vec::new();
    for message in tally.messages.iter().filter(|it| it.said_ms < until) {
        let mut read = message.read.clone();
        read.sort_unstable();
        let Some(channel) = tally.channels.get(message.channel as usize) else {
            continue;
        };
        for member in channel.members.iter().filter(|it| **it != message.author) {
            let comes = tally.people[*member as usize].comes.as_millis() as u64;
            let due_ms = comes.max(message.said_ms);
            // Nobody can be told whose phone never was on again.
            let gone = tally.off_ms[*member as usize].is_some_and(|off| off <= due_ms);
            let hostile = tally.people[*member as usize].malice.is_some();
            if due_ms >= until || gone || hostile {
                continue;
            }
            let at = read.binary_search_by_key(member, |(who, _)| *who).ok();
            let delay_ms = at.map(|at| read[at].1.saturating_sub(due_ms));
            let demanded = among.contains(&message.author) && among.contains(member);
            deliveries.push(Delivery {
                due_ms,
                delay_ms,
                demanded,
            });
        }
    }
    deliveries
}

/// The people among whom delays are demanded; they are numbered in the order of the groups.
fn among(scenario: &Scenario) -> Range<u32> {
    let Some(among) = &scenario.demand.among else {
        return 0..u32::MAX;
    };
    let mut start = 0;
    for group in &scenario.group {
        let end = start + group.count.get();
        if group.name == *among.get_ref() {
            return start..end;
        }
        start = end;
    }
    start..start
}

fn delay(delays: &[u64], due: u64) -> Delay {
    Delay {
        median_ms: quantile(delays, due, 0.5),
        p95_ms: quantile(delays, due, 0.95),
        p99_ms: quantile(delays, due, 0.99),
    }
}

fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 {
        1.0
    } else {
        part as f64 / whole as f64
    }
}

/// Of all that are due, those that were never made being the latest; `None` when it is one of these.
fn quantile(delays: &[u64], due: u64, part: f64) -> Option<u64> {
    let place = (due as f64 * part).ceil() as usize;
    delays.get(place.max(1) - 1).copied()
}

/// At most [`POINTS`] of them, evenly.
fn thinned(delays: &[u64]) -> Vec<u64> {
    let count = delays.len().min(POINTS);
    let at = |point: usize| delays[(point * (delays.len() - 1)) / (count - 1).max(1)];
    (0..count).map(at).collect()
}

/// After each minute: of what was due by then, the share that had been made.
fn by_minute(tally: &Tally, deliveries: &[Delivery]) -> Vec<f64> {
    let minutes = (tally.end_ms / 60_000) as usize;
    let mut due = vec![0_u64; minutes + 1];
    let mut made = vec![0_u64; minutes + 1];
    let place = |at_ms: u64| ((at_ms / 60_000) as usize).min(minutes);
    for delivery in deliveries {
        due[place(delivery.due_ms)] += 1;
        if let Some(delay) = delivery.delay_ms {
            made[place(delivery.due_ms + delay)] += 1;
        }
    }
    let (mut all, mut done) = (0, 0);
    let curve = due.iter().zip(&made).map(|(due, made)| {
        all += due;
        done += made;
        share(done, all)
    });
    curve.collect()
}

/// For each message its copies for each who has it, in the order of writing.
fn copies_of(messages: &[Message]) -> Vec<f64> {
    let held = messages.iter().filter(|message| message.holders > 0);
    held.map(|message| message.copies as f64 / message.holders as f64)
        .collect()
}

/// Ends of links for each phone that is on, after each minute.
fn links(tally: &Tally) -> Vec<f64> {
    let minutes = tally.links_by_minute.iter().zip(&tally.on_by_minute);
    let mean = |(links, on): (&[u64; 3], &u64)| {
        let ends = 2 * links.iter().sum::<u64>();
        if *on == 0 {
            0.0
        } else {
            ends as f64 / *on as f64
        }
    };
    minutes.map(mean).collect()
}

fn modes(tally: &Tally) -> Vec<Mode> {
    let Ok(figures) = energy::figures(SHIPPED) else {
        return Vec::new();
    };
    let Some(figures) = figures.first() else {
        return Vec::new();
    };
    let names = ["performance", "balanced", "low power"];
    let mode = |(profile, spent): (&usize, &Spent)| {
        let hours = spent.on_ms as f64 / 3_600_000.0;
        let per_hour = |value: u64| value as f64 / hours;
        let mut joules = figures.joules(spent);
        for part in [
            &mut joules.scan,
            &mut joules.dial,
            &mut joules.advertise,
            &mut joules.links,
            &mut joules.data,
        ] {
            *part /= hours;
        }
        Mode {
            profile: names[*profile],
            hours,
            joules_per_hour: joules,
            scan_share: spent.scan_ms as f64 / spent.on_ms as f64,
            links: spent.link_ms as f64 / spent.on_ms as f64,
            links_per_hour: per_hour(spent.links),
            frames_per_hour: per_hour(spent.sent),
            sent_bytes_per_hour: per_hour(spent.sent_bytes),
            received_bytes_per_hour: per_hour(spent.received_bytes),
            wide_bytes_per_hour: per_hour(spent.wide_sent_bytes + spent.wide_received_bytes),
        }
    };
    tally
        .spent
        .iter()
        .filter(|(_, spent)| spent.on_ms > 0)
        .map(mode)
        .collect()
}

fn verdicts(demand: &Demand, delay: &Delay, report: &Report) -> Vec<Verdict> {
    let seconds = |ms: Option<u64>| ms.map(|ms| ms as f64 / 1_000.0);
    let mut verdicts = vec![Verdict {
        what: "delivery",
        unit: "",
        least: true,
        demanded: demand.delivery.get(),
        measured: Some(report.delivery),
    }];
    let mut most = |what, unit, demanded: Option<f64>, measured| {
        verdicts.extend(demanded.map(|demanded| Verdict {
            what,
            unit,
            least: false,
            demanded,
            measured,
        }));
    };
    let of = |period: crate::scenario::Period| period.get().as_secs_f64();
    most(
        "median delay",
        "s",
        demand.median.map(of),
        seconds(delay.median_ms),
    );
    most("95 % delay", "s", demand.p95.map(of), seconds(delay.p95_ms));
    most(
        "copies",
        "",
        demand.copies.map(|copies| copies.get()),
        report.copies,
    );
    most(
        "links",
        "an hour",
        demand.links_per_hour.map(|links| links.get()),
        report.links_per_hour,
    );
    most(
        "dials",
        "an hour",
        demand.dials_per_hour.map(|dials| dials.get()),
        report.dials_per_hour,
    );
    most(
        "energy",
        "J/h",
        demand.joules_per_hour.map(|joules| joules.get()),
        report.joules_per_hour,
    );
    verdicts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_count_what_never_came() {
        let delays = [10, 20, 30, 40];
        assert_eq!(quantile(&delays, 4, 0.5), Some(20));
        assert_eq!(quantile(&delays, 4, 1.0), Some(40));
        assert_eq!(quantile(&delays, 4, 0.0), Some(10));
        assert_eq!(quantile(&delays, 8, 0.5), Some(40));
        assert_eq!(quantile(&delays, 9, 0.5), None);
        assert_eq!(quantile(&[], 0, 0.5), None);
    }

    #[test]
    fn curves_are_thinned_with_both_ends() {
        let many: Vec<u64> = (0..1_000).collect();
        let few = thinned(&many);
        assert_eq!((few.len(), few[0], few[199]), (200, 0, 999));
        assert_eq!(thinned(&[5]), [5]);
        assert!(thinned(&[]).is_empty());
    }
}
